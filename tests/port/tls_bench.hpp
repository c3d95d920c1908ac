// SPDX-License-Identifier: MIT
// Real servers (Python's ssl) with certificates of tests/simulator/certs.sh, and a stream to them: what the
// tests of TLS have in common.
#pragma once

#include <netdb.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.hpp"
#include "port/linux/clock.hpp"
#include "port/linux/tls_stream.hpp"
#include "port/scratch.hpp"

namespace tls_bench {

using namespace tocsin;

// Everything here runs out of this where the library can; Debian's cannot.
alignas(16) inline std::uint8_t arena[128 * 1024];
inline const bool in_arena = (tls_use_arena(arena), true);

inline int loopback_look_up(const char* host, std::uint16_t port, Addresses& into) {
  const std::string name = host;
  if (name == "unknown.test") return EAI_NONAME;
  if (name == "localhost") into.list[into.count++] = parse_address("127.0.0.2", port).value();  // tried first
  into.list[into.count++] = parse_address("127.0.0.1", port).value();
  return 0;
}

inline Resolver& resolver() {
  static Resolver resolver;
  if (resolver.keeper() == 0) CHECK_OK(resolver.start(loopback_look_up));
  return resolver;
}

inline const std::string& certificates() {
  static const std::string folder = [] {
    resolver();  // forked before anything else, as in the program
    const std::string where = scratch::path("certs");
    if (std::system(("sh tests/simulator/certs.sh " + where).c_str()) != 0) std::abort();
    return where;
  }();
  return folder;
}

// Chains of tests/port/chains.sh, where Server finds them.
inline const std::string& chains() {
  static const std::string folder = [] {
    const std::string where = certificates() + "/chains";
    if (std::system(("sh tests/port/chains.sh " + where).c_str()) != 0) std::abort();
    return where;
  }();
  return folder;
}

// In place of what is there, as a package manager does; for its owner alone.
inline void put(const std::string& path, const std::string& text) {
  scratch::write_file(path + ".new", text);
  CHECK_EQ(::chmod((path + ".new").c_str(), 0600), 0);
  CHECK_EQ(std::rename((path + ".new").c_str(), path.c_str()), 0);
}

// A server of one certificate until the object goes, or until this program ends.
class Server {
 public:
  explicit Server(const std::string& name, const char* options = "") {
    const std::string stem = certificates() + "/" + name;
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::execl("/bin/sh", "sh", "-c", "exec python3 tests/port/tls_server.py \"$0\" \"$1\" $2",
              (stem + ".pem").c_str(), (stem + ".key").c_str(), options, nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    char digits[16] = {};
    for (std::size_t n = 0; std::strchr(digits, '\n') == nullptr; ++n)
      CHECK(n < sizeof digits - 1 && ::read(out[0], digits + n, 1) == 1);
    ::close(out[0]);
    port_ = static_cast<std::uint16_t>(std::strtoul(digits, nullptr, 10));
  }
  ~Server() {
    ::close(stdin_);
    ::waitpid(child_, nullptr, 0);
  }
  std::uint16_t port() const { return port_; }
  void go_on() const { CHECK_EQ(::write(stdin_, "\n", 1), 1); }  // `late`

 private:
  pid_t child_ = 0;
  int stdin_ = -1;
  std::uint16_t port_ = 0;
};

inline Clocks after_2038() {
  Clocks clocks = Clocks{};
  clocks.wall = UnixMillis{2'240'000'000'000};  // 2040-12-24
  clocks.wall_trusted = true;
  return clocks;
}

inline TlsContext& context() {
  static TlsContext context;
  if (context.authorities() == 0) CHECK_OK(context.open(certificates() + "/ca.pem"));
  return context;
}

inline void wait(const TlsStream& stream) {
  CHECK(stream.want() != Want::nothing);
  pollfd wanted{stream.handle(), static_cast<short>(stream.want() == Want::readable ? POLLIN : POLLOUT), 0};
  CHECK_EQ(::poll(&wanted, 1, 60'000), 1);
}

inline Status connect(TlsStream& stream, std::string_view host, std::uint16_t port) {
  for (;;) {
    const Status status = stream.connect({host, port});
    if (status.code() != Code::again) return status;
    wait(stream);
  }
}

inline std::string talk(TlsStream& stream, std::string_view line) {
  Bytes rest = as_bytes(line);
  while (!rest.empty()) {
    const auto n = stream.write(rest);
    if (n.code() == Code::again) {
      wait(stream);
      continue;
    }
    CHECK_OK(n);
    rest = rest.drop(n.value());
  }
  std::string answer;
  while (answer.empty() || answer.back() != '\n') {
    std::uint8_t piece[700];
    const auto n = stream.read(piece);
    if (n.code() == Code::again) {
      wait(stream);
      continue;
    }
    CHECK_OK(n);
    answer.append(reinterpret_cast<const char*>(piece), n.value());
  }
  return answer;
}

inline void check_words(const TlsStream& stream, const std::string& words) {
  check::at("%s", std::string(stream.problem()).c_str());
  CHECK(stream.problem().find(words) != std::string_view::npos);
  CHECK(stream.problem().find('\n') == std::string_view::npos);
  check::at("%s", "");
}

}  // namespace tls_bench

// SPDX-License-Identifier: MIT
// What strangers may send to the TLS listener, by the lowest two bits of the first byte: any bytes (0); the flights of
// a client, changed (1: four bytes a change: which flight and how, where, what); records of any type behind a handshake
// that is right (2, 3: type, length and bytes of each). Certificate, key, random numbers and time are the same each
// time.
//
// What must hold: it takes 32 KiB at most until the loop has its turn; it has shaken hands only with who went through
// the same handshake, and reads only what that one wrote; behind end() it has no more memory than before begin().
//
// Where TLS_LIBS names a library that was built by clang for this, too, what happens in there leads the way.
#include <sanitizer/allocator_interface.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <ctime>
#include <string>

#include "panic.hpp"
#include "port/linux/tls_server.hpp"
#include "port/tls_party.hpp"

namespace {

using namespace tocsin;
using tls_bench::Party;

// Of nobody.
constexpr char kCertificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBfjCCASWgAwIBAgIUbPCFn8IbzHFatDzb4ZZAck7xEGYwCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE5MjgyM1oYDzIxMjYxMDI5\n"
    "MTkyODIzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAAStcSggR4mBBjTU5qguRdTs8gjYhL3MXonmPX3S8WecvdSqKEdA43d7\n"
    "WFFtW7+Hp+XceqMgVbJXXJrpn6BFxniZo1MwUTAdBgNVHQ4EFgQUp9EmLIPb7Gse\n"
    "3P6QzcJJZZZN2LswHwYDVR0jBBgwFoAUp9EmLIPb7Gse3P6QzcJJZZZN2LswDwYD\n"
    "VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBhxfEv8+LiSyr6tGTxgnZ8\n"
    "CFu1GyYavYOL14Xwo8SXxQIgUTrIOaA57D3pEbYZE/jo7QDZINnDuQ3E6jOhyvhe\n"
    "iS8=\n"
    "-----END CERTIFICATE-----\n";
constexpr char kKey[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIOLD9MFNhkRmwJeTUaT0Y2PfYZE1mRLxhDMJ60WulEouoAoGCCqGSM49\n"
    "AwEHoUQDQgAErXEoIEeJgQY01OaoLkXU7PII2IS9zF6J5j190vFnnL3UqihHQON3\n"
    "e1hRbVu/h6fl3HqjIFWyV1ya6Z+gRcZ4mQ==\n"
    "-----END EC PRIVATE KEY-----\n";
constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: d\r\n\r\n";

std::uint64_t random_state = 1;

TlsServer& listener() {
  static TlsServer server;
  static char paths[2][32];
  if (paths[0][0] != 0) return server;
  for (const auto& [path, text] : {std::pair{paths[0], kCertificate}, std::pair{paths[1], kKey}}) {
    const int fd = ::memfd_create("pem", 0);
    TOCSIN_ASSERT(::write(fd, text, std::strlen(text)) > 0 && ::fchmod(fd, 0600) == 0);
    std::snprintf(path, sizeof paths[0], "/proc/self/fd/%d", fd);
  }
  alignas(16) static std::uint8_t arena[128 * 1024];
  tls_use_arena(arena);  // where the library can
  char words[300];
  TextWriter why(words);
  TOCSIN_ASSERT(server.open(paths[0], paths[1], why).ok());
  return server;
}

// One connection, and who speaks at its other end.
class Visit {
 public:
  Visit() {
    TOCSIN_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_) == 0);
    held_ = held();
    TOCSIN_ASSERT(server_.begin(ends_[0]).ok());
  }
  ~Visit() {
    server_.end();
    TOCSIN_ASSERT(held() == held_);
    ::close(ends_[0]);
    if (!is_given_) ::close(ends_[1]);
  }
  int give() { return is_given_ = true, ends_[1]; }
  bool is_shaken() const { return server_.is_shaken(); }
  std::string_view came() const { return {came_, size_}; }

  // Sends that, and gives the listener turns until it has taken it. False: it wants no more.
  bool say(std::string_view bytes) {
    for (; !bytes.empty(); bytes = tail(bytes, kAtOnce)) {
      const std::string_view piece = head(bytes, kAtOnce);
      TOCSIN_ASSERT(::send(ends_[1], piece.data(), piece.size(), 0) == static_cast<ssize_t>(piece.size()));
      std::size_t before = 0;
      do {
        before = server_.came();
        const bool goes_on = turn();
        TOCSIN_ASSERT(server_.came() - before <= 32'768);
        if (!goes_on) return false;
      } while (server_.came() != before);
    }
    return true;
  }

 private:
  static constexpr std::size_t kAtOnce = 60'000;  // fits the socket

  bool turn() {
    for (;;) {
      std::uint8_t bytes[100];
      const auto n = server_.read(bytes);
      if (n.code() == Code::again) return true;
      if (n.code() == Code::tls) {
        char words[200];
        TextWriter problem(words);
        server_.write_problem(problem);
        TOCSIN_ASSERT(!problem.view().empty());
      }
      if (!n.ok() || n.value() == 0) return false;
      TOCSIN_ASSERT(server_.is_shaken() && size_ + n.value() <= sizeof came_);
      std::memcpy(came_ + size_, bytes, n.value());
      size_ += n.value();
    }
  }
  // Of the listener's own where the library can be told, else of the heap.
  std::size_t held() const { return server_.memory().used() + __sanitizer_get_current_allocated_bytes(); }

  TlsServer& server_ = listener();
  int ends_[2];
  std::size_t held_ = 0, size_ = 0;
  bool is_given_ = false;
  char came_[20'000];
};

void any_bytes(std::string_view bytes, std::size_t cut) {
  Visit visit;
  if (visit.say(head(bytes, cut))) visit.say(tail(bytes, cut));
  TOCSIN_ASSERT(!visit.is_shaken());
}

void change(std::string& flight, unsigned how, std::size_t where, std::uint8_t what) {
  const std::size_t at = where % (flight.size() + 1);
  switch (how) {
    case 0:
    case 1:
      if (at < flight.size()) flight[at] = static_cast<char>(how == 0 ? what : flight[at] + what);
      return;
    case 2: flight.erase(at, what); return;
    case 3: flight.insert(at, flight.substr(at, what)); return;  // again
    case 4: flight.insert(at, what * std::size_t{8}, static_cast<char>(where >> 8)); return;
    case 5: flight.insert(0, std::string{static_cast<char>(what), 3, 3, 0, 2, 1, static_cast<char>(where)}); return;
    case 6: flight.erase(at); return;
    default:  // the first record as two
      if (at <= 5 || flight.size() < 5) return;
      const std::size_t size = as_bytes(flight)[3] * 256U + as_bytes(flight)[4];
      if (at - 5 >= size) return;
      const auto put = [&flight](std::size_t to, std::size_t value) {
        flight[to] = static_cast<char>(value >> 8), flight[to + 1] = static_cast<char>(value);
      };
      flight.insert(at, flight.substr(0, 5));
      put(3, at - 5);
      put(at + 3, size - (at - 5));
  }
}

void changed_flights(Bytes changes) {
  Visit visit;
  Party client(visit.give());
  bool goes_on = true;
  for (unsigned flight = 0; goes_on && flight < 3; ++flight) {
    const bool is_shaken = mbedtls_ssl_handshake(&client.ssl) == 0;
    TOCSIN_ASSERT(is_shaken || !visit.is_shaken());
    if (is_shaken) client.write(kRequest);
    std::string bytes;
    bytes.swap(client.kept);
    for (Bytes rest = changes; rest.size() >= 4; rest = rest.drop(4))
      if ((rest[0] & 3U) == flight) change(bytes, rest[0] >> 2 & 7U, rest[1] * 256U + rest[2], rest[3]);
    goes_on = visit.say(bytes);
  }
  TOCSIN_ASSERT(visit.came().empty() || visit.came() == kRequest);
  TOCSIN_ASSERT(!changes.empty() || visit.came() == kRequest);
}

void any_records(Bytes records) {
  Visit visit;
  Party client(visit.give());
  for (bool done = false; !done;) {
    done = mbedtls_ssl_handshake(&client.ssl) == 0;
    TOCSIN_ASSERT(visit.say(client.kept));
    client.kept.clear();
  }
  TOCSIN_ASSERT(visit.is_shaken());
  std::string wrote;
  while (records.size() >= 2) {
    const std::string_view what = head(as_text(records.drop(2)), records[1]);
    const auto type = static_cast<std::uint8_t>(20 + records[0] % 6);
    client.say(type, what);
    if (type == 23) wrote += what;
    records = records.drop(2 + what.size());
  }
  visit.say(client.kept);
  TOCSIN_ASSERT(starts_with(wrote, visit.came()));
}

}  // namespace

extern "C" ssize_t getrandom(void* into, std::size_t size, unsigned) {
  for (std::size_t at = 0; at < size; ++at) {
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    static_cast<std::uint8_t*>(into)[at] = static_cast<std::uint8_t>(random_state >> 56);
  }
  return static_cast<ssize_t>(size);
}

extern "C" std::time_t time(std::time_t* into) noexcept {
  constexpr std::time_t kNow = 1'795'000'000;  // 2026-11-18
  if (into != nullptr) *into = kNow;
  return kNow;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 17'000) return 0;
  listener();
  random_state = 1;
  const Bytes rest = Bytes{data, size}.drop(1);
  switch (data[0] & 3U) {
    case 0: any_bytes(as_text(rest), rest.size() * (data[0] >> 2) / 64); break;
    case 1: changed_flights(rest); break;
    default: any_records(rest); break;
  }
  return 0;
}

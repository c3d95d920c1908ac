// SPDX-License-Identifier: MIT
// A server that has always more to say, and nothing that is asked for: the loop has its turn all the same, and every
// deadline counts.
#include <sys/ioctl.h>

#include "tls_bench.hpp"
#include "tls_party.hpp"
#include "tocsin/outbox/service_call.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

// Where one connection comes in.
struct Listener {
  Listener() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    Address here = parse_address("127.0.0.1", 0).value();
    CHECK_EQ(::bind(fd, &here.any, here.size), 0);
    CHECK_EQ(::listen(fd, 1), 0);
    CHECK_EQ(::getsockname(fd, &here.any, &here.size), 0);
    port = ntohs(here.v4.sin_port);
  }
  ~Listener() { ::close(fd); }
  // Of a stream that has reached it, and says hello.
  int accept(TlsStream& stream) const {
    while (stream.phase() != Phase::handshaking) {
      CHECK_CODE(stream.connect({"127.0.0.1", port}), Code::again);
      if (stream.phase() != Phase::handshaking) wait(stream);
    }
    return ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  }
  int fd;
  std::uint16_t port = 0;
};

struct Verified : Party {
  explicit Verified(int socket) : Party(socket, certificates() + "/ec.pem", certificates() + "/ec.key") {}
  // What a client reads and takes no byte from: Mbed TLS goes on by itself behind the first two.
  void say_nothing(unsigned times) {
    for (unsigned n = 0; n < times; ++n) {
      if (n % 3 == 0) warn();
      if (n % 3 == 1) say(22, std::string_view("\0\0\0\0", 4));  // HelloRequest
      if (n % 3 == 2) write("");
    }
  }
};

bool has_more(const TlsStream& stream) {
  pollfd more{stream.handle(), POLLIN, 0};
  return ::poll(&more, 1, 0) == 1;
}

// Whoever answers at the address can do that: nobody knows yet who it is.
TEST(tls_stream_handshake_that_never_ends_leaves_the_loop_its_turn) {
  const struct {
    const char* what;
    std::string_view first, again;
  } floods[] = {
      {"warnings", {}, {"\x15\x03\x03\0\x02\x01\x70", 7}},
      {"HelloRequests", {}, {"\x16\x03\x03\0\x04\0\0\0\0", 9}},
      {"change_cipher_spec", {}, {"\x14\x03\x03\0\x01\x01", 6}},
      {"records without data", {}, {"\x16\x03\x03\0\0", 5}},
      {"a message byte for byte", {"\x16\x03\x03\0\x04\x02\0\x3f\xff", 9}, {"\x16\x03\x03\0\x01\x03", 6}},
      {"data", {}, {"\x17\x03\x03\0\x01\0", 6}},
  };
  for (const auto& flood : floods) {
    check::at("%s", flood.what);
    TlsStream stream{context(), resolver()};
    const Listener listener;
    const int peer = listener.accept(stream);
    std::string all(flood.first);
    while (all.size() < 60 * 1024) all += flood.again;  // 64 KiB fit into any socket
    CHECK_EQ(::send(peer, all.data(), all.size(), 0), static_cast<ssize_t>(all.size()));
    wait(stream);
    int before = 0, left = 0;
    CHECK_EQ(::ioctl(stream.handle(), FIONREAD, &before), 0);
    const Status status = stream.connect({"127.0.0.1", listener.port});
    if (status.code() == Code::again) {
      CHECK_EQ(::ioctl(stream.handle(), FIONREAD, &left), 0);
      CHECK(left > 0 && before - left <= 32 * 1024);
    } else {
      CHECK_CODE(status, Code::tls);
    }
    ::close(peer);
  }
}

// A whole answer is read in one go: with the bound in each call alone, 20,000 bytes would be 600 MB.
TEST(tls_stream_takes_a_bounded_part_of_an_answer_whose_bytes_come_between_thousands_of_records) {
  TlsStream stream{context(), resolver()};
  const Listener listener;
  Verified server(listener.accept(stream));
  for (bool done = false; !done || stream.phase() != Phase::open;) {
    done = server.shakes_hands();
    stream.connect({"127.0.0.1", listener.port}).ignore();
  }
  for (const char* one : {"a", "b", "c"}) {
    server.write(one);
    if (*one != 'c') server.say_nothing(1000);
  }
  server.send();
  std::uint8_t byte[1];
  for (const char one : {'a', 'b'}) {
    CHECK_OK(stream.read(byte));
    CHECK_EQ(byte[0], one);
  }
  CHECK_CODE(stream.read(byte), Code::again);  // 32 KiB: others have their turn
  CHECK(stream.want() == Want::readable && has_more(stream));
  CHECK_OK(stream.read(byte));
  CHECK_EQ(byte[0], 'c');
  CHECK_CODE(stream.read(byte), Code::again);
}

TEST(tls_stream_request_whose_answer_never_ends_has_its_deadline) {
  TlsStream stream{context(), resolver()};
  const Listener listener;
  ServiceCall call{stream};
  ServiceCall::Settings settings;
  settings.endpoint = {"127.0.0.1", listener.port};
  settings.timeout = seconds(10);
  call.configure(settings);
  const Instant begin{1'000};
  Instant now = begin;
  call.open(now, {});
  while (stream.phase() != Phase::handshaking) {
    CHECK(call.poll(now) == ServiceCall::State::connecting);
    if (stream.phase() != Phase::handshaking) wait(stream);
  }
  Verified server(::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  for (bool done = false; !done || call.state() != ServiceCall::State::ready;) {
    done = server.shakes_hands();
    call.poll(now);
  }
  CHECK_OK(call.prepare("GET", "/", 0));
  call.send(now);
  CHECK(call.poll(now) == ServiceCall::State::receiving);
  server.write("HTTP/1.1 200 OK\r\nX: ");
  for (bool failed = false; !failed; failed = call.poll(now) == ServiceCall::State::failed) {
    CHECK(now == begin || has_more(stream));  // what it did not take in this turn
    while (server.kept.size() < 64 * 1024) {
      server.write("a");
      server.say_nothing(100);
    }
    const ssize_t n = ::send(server.fd, server.kept.data(), server.kept.size(), MSG_NOSIGNAL);
    if (n > 0) server.kept.erase(0, static_cast<std::size_t>(n));
    wait(stream);
    now = now + milliseconds(50);
  }
  CHECK_EQ((now - begin).count, 10'000);
  char words[300];
  TextWriter reason(words);
  call.write_reason(reason);
  CHECK(reason.view().find("no success within 10s: the answer of 127.0.0.1 comes too slowly") == 0);
}

}  // namespace

// SPDX-License-Identifier: MIT
// The server's side of TLS. What it says to whom: tests/program/test_hook_tls.cpp, tests/e2e/test_webhook_tls.py.
#include "port/linux/tls_server.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "tls_bench.hpp"
#include "tls_party.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

// The record of a client's first flight, with so many bytes in it: what it lacks is padding (RFC 7685).
std::string hello_of(Party& client, std::size_t size) {
  CHECK(mbedtls_ssl_handshake(&client.ssl) == MBEDTLS_ERR_SSL_WANT_READ);
  std::string hello = client.kept;
  const auto put = [&hello](std::size_t at, std::size_t value) {
    hello[at] = static_cast<char>(value >> 8), hello[at + 1] = static_cast<char>(value);
  };
  const auto get = [&hello](std::size_t at) { return std::size_t{static_cast<std::uint8_t>(hello[at])}; };
  std::size_t extensions = 5 + 4 + 2 + 32;
  extensions += 1 + get(extensions);  // session
  extensions += 2 + get(extensions) * 256 + get(extensions + 1);  // suites
  extensions += 1 + get(extensions);  // compressions
  const std::size_t padding = size + 5 - hello.size() - 4;
  hello += std::string("\0\x15", 2) + std::string(2 + padding, '\0');
  put(hello.size() - padding - 2, padding);
  put(extensions, hello.size() - extensions - 2);
  put(7, hello.size() - 9);
  put(3, hello.size() - 5);
  return hello;
}

// Whether the server goes on behind the last of these bytes, and not before, in pieces as TCP may bring them.
bool goes_on(TlsServer& server, std::string_view bytes, std::size_t piece) {
  int ends[2];
  CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  CHECK_OK(server.begin(ends[0]));
  std::uint8_t byte[1];
  Code said = Code::again;
  for (; said == Code::again && !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    CHECK(::send(ends[1], bytes.data(), std::min(piece, bytes.size()), 0) > 0);
    said = server.read(byte).code();
    if (bytes.size() > piece && said == Code::again) CHECK_EQ(::recv(ends[1], byte, 1, 0), -1);
  }
  CHECK(said == Code::tls || said == Code::again);
  constexpr std::uint8_t kHandshake = 22;
  CHECK_EQ(::recv(ends[1], byte, 1, 0) == 1 && byte[0] == kHandshake, said == Code::again);
  server.end();
  ::close(ends[0]);
  ::close(ends[1]);
  return said == Code::again;
}

TlsServer& opened() {
  static const std::string certificate = certificates() + "/ec.pem", key = certificates() + "/ec.key";
  static TlsServer server;
  char words[300];
  TextWriter why(words);
  CHECK_OK(server.open(certificate, key, why));
  return server;
}

}  // namespace

TEST(tls_server_takes_nothing_of_the_memory_of_the_streams) {
  if (tls_memory().size() == 0) return;  // Debian's takes all from the heap
  const std::string certificate = certificates() + "/ec.pem", key = certificates() + "/ec.key";
  static TlsServer server;
  const std::size_t used = tls_memory().used();
  char words[300];
  TextWriter why(words);
  CHECK_OK(server.open(certificate, key, why));
  int ends[2];
  CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  CHECK_OK(server.begin(ends[0]));
  std::uint8_t bytes[100];
  CHECK_CODE(server.read(bytes), Code::again);
  CHECK(server.memory().peak() > 20'000);
  CHECK_EQ(tls_memory().used(), used);
  server.end();
  server.close();
  CHECK_EQ(tls_memory().used(), used);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(tls_server_takes_a_bounded_part_of_a_request_whose_bytes_come_between_thousands_of_alerts) {
  const std::string certificate = certificates() + "/ec.pem", key = certificates() + "/ec.key";
  static TlsServer server;
  char words[300];
  TextWriter why(words);
  CHECK_OK(server.open(certificate, key, why));
  int ends[2];
  CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  CHECK_OK(server.begin(ends[0]));
  Party client(ends[1]);
  std::uint8_t byte[1];
  for (bool done = false; !done;) {
    done = client.shakes_hands();
    CHECK_CODE(server.read(byte), Code::again);
  }
  for (const char* one : {"a", "b", "c"}) {
    client.write(one);
    for (int i = 0; i < 1000; ++i) client.warn();
  }
  client.send();
  for (const char one : {'a', 'b'}) {
    CHECK_OK(server.read(byte));
    CHECK_EQ(byte[0], one);
  }
  CHECK_CODE(server.read(byte), Code::again);  // 32 KiB: others have their turn
  CHECK_OK(server.read(byte));
  CHECK_EQ(byte[0], 'c');
  server.close();
  ::close(ends[0]);
}

// With the keys of a key exchange that quantum computers do not break it is 1,800 bytes, which are two segments of TCP.
TEST(tls_server_answers_a_hello_of_any_size_in_any_segments) {
  TlsServer& server = opened();
  for (std::size_t size = 400; size <= 16'384; size += size == 16'000 ? 384 : 240) {
    check::at("%zu bytes", size);
    Party client(-1);
    CHECK(goes_on(server, hello_of(client, size), size < 4'000 ? 100 : 1'460));
  }
  Party client(-1);
  CHECK(!goes_on(server, hello_of(client, 16'385), 1'460));  // RFC 5246 6.2.1: no record has more
  server.close();
}

// As OpenSSL sends it behind SSL_CTX_set_max_send_fragment(), and nobody by himself. Mbed TLS 2.28 does not put it
// together.
TEST(tls_server_takes_a_hello_in_two_records_or_refuses_it) {
  TlsServer& server = opened();
  Party client(-1);
  std::string hello = hello_of(client, 1'800);
  hello[3] = '\x02', hello[4] = '\0';
  hello.insert(5 + 512, std::string("\x16\x03\x01\x05\x08", 5));
  CHECK_EQ(goes_on(server, hello, 1'460), MBEDTLS_VERSION_NUMBER >= 0x03000000);
  server.close();
}

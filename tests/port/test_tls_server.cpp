// SPDX-License-Identifier: MIT
// The server's side of TLS. What it says to whom: tests/program/test_hook_tls.cpp, tests/e2e/test_webhook_tls.py.
#include "port/linux/tls_server.hpp"

#include <sys/socket.h>

#include "tls_bench.hpp"
#include "tls_party.hpp"

using namespace tocsin;
using namespace tls_bench;

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
  CHECK(server.peak() > 20'000);
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

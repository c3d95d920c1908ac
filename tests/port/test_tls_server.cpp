// SPDX-License-Identifier: MIT
// The server's side of TLS. What it says to whom: tests/program/test_hook_tls.cpp, tests/e2e/test_webhook_tls.py.
#include "port/linux/tls_server.hpp"

#include <sys/socket.h>

#include "tls_bench.hpp"

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

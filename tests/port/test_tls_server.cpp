// SPDX-License-Identifier: MIT
// The server's side of TLS. What it says to whom: tests/program/test_hook_tls.cpp, tests/e2e/test_webhook_tls.py.
#include "port/linux/tls_server.hpp"

#include <sys/socket.h>

#include "port/linux/tls_context.hpp"
#include "tls_bench.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

// A client that sends records of its own choice, all of them at once.
struct Client {
  explicit Client(int socket) : fd(socket) {
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
    CHECK_EQ(set_up_tls(config, MBEDTLS_SSL_IS_CLIENT), 0);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    CHECK_EQ(mbedtls_ssl_setup(&ssl, &config), 0);
    mbedtls_ssl_set_bio(&ssl, this, keep, receive, nullptr);
  }
  ~Client() {
    mbedtls_ssl_free(&ssl);
    mbedtls_ssl_config_free(&config);
    ::close(fd);
  }
  bool shakes_hands() {
    const int done = mbedtls_ssl_handshake(&ssl);
    send();
    return done == 0;
  }
  void write(char byte) { CHECK_EQ(mbedtls_ssl_write(&ssl, reinterpret_cast<const unsigned char*>(&byte), 1), 1); }
  void warn() {
    constexpr unsigned char kUserCanceled = 90;  // RFC 5246 7.2.2: goes on
    CHECK_EQ(mbedtls_ssl_send_alert_message(&ssl, MBEDTLS_SSL_ALERT_LEVEL_WARNING, kUserCanceled), 0);
  }
  void send() {
    CHECK_EQ(::send(fd, kept.data(), kept.size(), 0), static_cast<ssize_t>(kept.size()));
    kept.clear();
  }
  static int keep(void* self, const unsigned char* from, std::size_t size) {
    static_cast<Client*>(self)->kept.append(reinterpret_cast<const char*>(from), size);
    return static_cast<int>(size);
  }
  static int receive(void* self, unsigned char* into, std::size_t size) {
    const ssize_t n = ::recv(static_cast<Client*>(self)->fd, into, size, 0);
    return n > 0 ? static_cast<int>(n) : MBEDTLS_ERR_SSL_WANT_READ;
  }
  int fd;
  mbedtls_ssl_config config;
  mbedtls_ssl_context ssl;
  std::string kept;
};

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
  Client client(ends[1]);
  std::uint8_t byte[1];
  for (bool done = false; !done;) {
    done = client.shakes_hands();
    CHECK_CODE(server.read(byte), Code::again);
  }
  for (const char one : {'a', 'b', 'c'}) {
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

// SPDX-License-Identifier: MIT
// What a server may do and hardly any does: records without data, tickets of any length. Mbed TLS's own server, where
// the library has one (Debian's has).
#include "tls_bench.hpp"

#if defined(MBEDTLS_SSL_SRV_C) && defined(MBEDTLS_FS_IO) && MBEDTLS_VERSION_NUMBER < 0x03000000
#include <mbedtls/net_sockets.h>
#include <signal.h>
#include <sys/prctl.h>

#include "port/linux/entropy.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

// Answers a line on each connection, behind `empty` records without data: whether the client came with a ticket.
class OddServer {
 public:
  OddServer(unsigned empty, std::size_t ticket_bytes) : empty_(empty), ticket_bytes_(ticket_bytes) {
    Address here = parse_address("127.0.0.1", 0).value();
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(::bind(listener_, &here.any, here.size), 0);
    CHECK_EQ(::listen(listener_, 8), 0);
    CHECK_EQ(::getsockname(listener_, &here.any, &here.size), 0);
    port_ = ntohs(here.v4.sin_port);
    const std::string stem = certificates() + "/ec";
    child_ = ::fork();
    if (child_ == 0 && ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) serve(stem);  // also when a check fails
  }
  ~OddServer() {
    ::close(listener_);
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  std::uint16_t port() const { return port_; }

 private:
  [[noreturn]] void serve(const std::string& stem) {
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
    mbedtls_ssl_config config;
    mbedtls_x509_crt_init(&chain);
    mbedtls_pk_init(&key);
    mbedtls_ssl_config_init(&config);
    bool good = mbedtls_x509_crt_parse_file(&chain, (stem + ".pem").c_str()) == 0 &&
                mbedtls_pk_parse_keyfile(&key, (stem + ".key").c_str(), nullptr) == 0 &&
                mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                            MBEDTLS_SSL_PRESET_DEFAULT) == 0 &&
                mbedtls_ssl_conf_own_cert(&config, &chain, &key) == 0;
    mbedtls_ssl_conf_rng(&config, tls_random, nullptr);
    mbedtls_ssl_conf_session_tickets_cb(&config, write_ticket, read_ticket, this);
    while (good) {
      mbedtls_net_context peer{::accept(listener_, nullptr, nullptr)};
      mbedtls_ssl_context ssl;
      mbedtls_ssl_init(&ssl);
      good = mbedtls_ssl_setup(&ssl, &config) == 0;
      mbedtls_ssl_set_bio(&ssl, &peer, mbedtls_net_send, mbedtls_net_recv, nullptr);
      offered_ = false;
      std::uint8_t line[8];
      if (good && mbedtls_ssl_handshake(&ssl) == 0 && mbedtls_ssl_read(&ssl, line, sizeof line) > 0) {
        for (unsigned n = 0; n < empty_; ++n) mbedtls_ssl_write(&ssl, line, 0);
        const std::string_view answer = offered_ ? "yes\n" : "no\n";
        mbedtls_ssl_write(&ssl, as_bytes(answer).data(), answer.size());
        while (mbedtls_ssl_read(&ssl, line, sizeof line) > 0) {
        }
      }
      mbedtls_ssl_free(&ssl);
      mbedtls_net_free(&peer);
    }
    ::_exit(1);
  }
  static int write_ticket(void* self, const mbedtls_ssl_session*, unsigned char* from, const unsigned char* end,
                          std::size_t* size, std::uint32_t* lifetime) {
    *size = static_cast<OddServer*>(self)->ticket_bytes_;
    *lifetime = 3600;
    if (*size > static_cast<std::size_t>(end - from)) return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    std::memset(from, 't', *size);
    return 0;
  }
  static int read_ticket(void* self, mbedtls_ssl_session*, unsigned char*, std::size_t) {
    static_cast<OddServer*>(self)->offered_ = true;
    return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
  }

  unsigned empty_;
  std::size_t ticket_bytes_;
  bool offered_ = false;
  int listener_ = -1;
  pid_t child_ = 0;
  std::uint16_t port_ = 0;
};

std::string offered(TlsStream& stream, std::uint16_t port) {
  CHECK_OK(connect(stream, "sms.test", port));
  const std::string line = talk(stream, "?\n");
  stream.close();
  return line;
}

// Mbed TLS says 0 for two of them in a row, as it does for the end of the connection: an answer that the service gave
// would be lost, and its messages sent again.
TEST(tls_stream_record_without_data_is_not_the_end) {
  for (unsigned empty = 0; empty <= 3; ++empty) {
    const OddServer server{empty, 100};
    TlsStream stream{context(), resolver()};
    CHECK_TEXT(offered(stream, server.port()), "no\n");
  }
}

// It would hold the memory of many sessions, and a ClientHello of the trimmed library has no room for it: every other
// connection would fail.
TEST(tls_stream_ticket_that_is_too_long_is_not_kept) {
  const OddServer usual{0, 2048}, odd{0, 2049};
  TlsStream stream{context(), resolver()}, other{context(), resolver()};
  CHECK_TEXT(offered(stream, usual.port()), "no\n");
  CHECK_TEXT(offered(stream, usual.port()), "yes\n");
  CHECK_TEXT(offered(other, odd.port()), "no\n");
  CHECK_TEXT(offered(other, odd.port()), "no\n");
}

}  // namespace
#else
TEST(tls_odd_server_is_not_in_this_library) {}
#endif

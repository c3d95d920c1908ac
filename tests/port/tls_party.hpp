// SPDX-License-Identifier: MIT
// The other side of TLS 1.2 in this process, for what no usual library sends: records of any kind, kept until all of
// them are sent at once.
#pragma once

#include <mbedtls/net_sockets.h>
#include <mbedtls/version.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "port/linux/own_certificate.hpp"
#include "port/linux/tls_context.hpp"
#include "tocsin/base/assert.hpp"
#include "tocsin/base/text.hpp"

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif
#if MBEDTLS_VERSION_NUMBER < 0x03000000
extern "C" int mbedtls_ssl_write_record(mbedtls_ssl_context* ssl, std::uint8_t force_flush);
#else
extern "C" int mbedtls_ssl_write_record(mbedtls_ssl_context* ssl, int force_flush);
#endif

namespace tls_bench {

struct Party {
  // A client that believes everybody, or a server, of this certificate.
  explicit Party(int socket, std::string certificate = {}, std::string key = {})
      : fd(socket), pem(std::move(certificate)), pem_key(std::move(key)) {
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&ssl);
    TOCSIN_ASSERT(tocsin::set_up_tls(config, pem.empty() ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER) == 0);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    char words[300];
    tocsin::TextWriter why(words);
    own.name(pem, pem_key);
    TOCSIN_ASSERT(own.take(why).ok());
    TOCSIN_ASSERT(own.use_in(config).ok());
    TOCSIN_ASSERT(mbedtls_ssl_setup(&ssl, &config) == 0);
    mbedtls_ssl_set_bio(&ssl, this, keep, receive, nullptr);
  }
  ~Party() {
    mbedtls_ssl_free(&ssl);
    mbedtls_ssl_config_free(&config);
    ::close(fd);
  }
  bool shakes_hands() {
    const int done = mbedtls_ssl_handshake(&ssl);
    send();
    return done == 0;
  }
  void say(std::uint8_t type, std::string_view what) {
    ssl.MBEDTLS_PRIVATE(out_msgtype) = type;
    ssl.MBEDTLS_PRIVATE(out_msglen) = what.size();
    std::memcpy(ssl.MBEDTLS_PRIVATE(out_msg), what.data(), what.size());
    TOCSIN_ASSERT(mbedtls_ssl_write_record(&ssl, 1) == 0);
  }
  void write(std::string_view data) { say(23, data); }
  void warn() { say(21, "\x01\x5a"); }  // user_canceled goes on (RFC 5246 7.2.2)
  void send() {
    TOCSIN_ASSERT(::send(fd, kept.data(), kept.size(), 0) == static_cast<ssize_t>(kept.size()));
    kept.clear();
  }
  static int keep(void* self, const unsigned char* from, std::size_t size) {
    static_cast<Party*>(self)->kept.append(reinterpret_cast<const char*>(from), size);
    return static_cast<int>(size);
  }
  static int receive(void* self, unsigned char* into, std::size_t size) {
    const ssize_t n = ::recv(static_cast<Party*>(self)->fd, into, size, MSG_DONTWAIT);
    return n > 0 ? static_cast<int>(n) : MBEDTLS_ERR_SSL_WANT_READ;
  }

  int fd;
  std::string pem, pem_key, kept;
  tocsin::OwnCertificate own{tocsin::OwnCertificate::kOfWebhook};
  mbedtls_ssl_config config;
  mbedtls_ssl_context ssl;
};

}  // namespace tls_bench

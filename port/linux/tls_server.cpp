// SPDX-License-Identifier: MIT
#include "port/linux/tls_server.hpp"

#include <mbedtls/net_sockets.h>
#include <mbedtls/version.h>
#include <sys/socket.h>

#include "port/linux/tls_context.hpp"
#include "port/linux/tls_words.hpp"

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

namespace tocsin {
namespace {

// A peer that always has more, a byte of a request behind a thousand alerts, would keep the loop: until `again`.
constexpr std::size_t kTakenAtOnce = 32'768;

// Least work first, for who does without AES instructions.
constexpr int kSuites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                           MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                           MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                           MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                           MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                           MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                           0};

// A third less work than with X25519, which every client names first.
void prefer_p256(mbedtls_ssl_config& config) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  static const std::uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                         MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, 0};
  mbedtls_ssl_conf_groups(&config, groups);
#else
  static const mbedtls_ecp_group_id groups[] = {MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_CURVE25519,
                                                MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
  mbedtls_ssl_conf_curves(&config, groups);
#endif
}

}  // namespace

TlsServer::TlsServer() : own_{OwnCertificate(OwnCertificate::kOfWebhook), OwnCertificate(OwnCertificate::kOfWebhook)} {
  mbedtls_ssl_config_init(&config_);
  mbedtls_ssl_init(&ssl_);
}

Status TlsServer::open(std::string_view certificate, std::string_view key, TextWriter& why) {
  close();
  if (pool_.size() == 0) pool_.use(memory_);
  tls_use_second(&pool_);
  const FromSecond memory;
  for (OwnCertificate& own : own_) own.name(certificate, key);
  return take(in_use_, why);
}

void TlsServer::close() {
  // Never opened: Mbed TLS 3.6 frees what it has not, and may have no memory to give back to.
  if (pool_.size() == 0) return;
  end();
  mbedtls_ssl_config_free(&config_);
  for (OwnCertificate& own : own_) own.give_back();
}

Status TlsServer::renew(TextWriter& why) {
  TOCSIN_ASSERT(fd_ < 0);
  const FromSecond memory;
  const unsigned before = in_use_;
  TRY(take(1 - before, why));
  own_[before].give_back();
  return {};
}

Status TlsServer::take(unsigned which, TextWriter& why) {
  seen_ = own_[which].id();  // first: what is written meanwhile is noticed
  TRY(own_[which].take(why));
  const Status ready = set_up(which);
  if (ready.ok()) {
    in_use_ = which;
    return {};
  }
  own_[which].give_back();
  write_tls_error(ready.detail(), Phase::handshaking, why.text("webhook: "));
  if (which != in_use_) set_up(in_use_).ignore();
  return ready;
}

Status TlsServer::set_up(unsigned which) {
  mbedtls_ssl_config_free(&config_);
  mbedtls_ssl_config_init(&config_);
  if (const int error = set_up_tls(config_, MBEDTLS_SSL_IS_SERVER); error != 0) return {Code::tls, error};
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  mbedtls_ssl_conf_max_tls_version(&config_, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
  mbedtls_ssl_conf_ciphersuites(&config_, kSuites);
  prefer_p256(config_);
  return own_[which].use_in(config_);
}

Status TlsServer::begin(int fd) {
  TOCSIN_ASSERT(fd_ < 0);
  const FromSecond memory;
  fd_ = fd;
  may_take_ = kTakenAtOnce;
  came_ = 0;
  is_shaken_ = at_end_ = false;
  error_ = mbedtls_ssl_setup(&ssl_, &config_);
  if (error_ != 0) return {Code::tls, error_};
  mbedtls_ssl_set_bio(&ssl_, this, send, receive, nullptr);
  return {};
}

Result<std::size_t> TlsServer::read(MutBytes into) {
  const FromSecond memory;
  error_ = is_shaken_ ? 0 : mbedtls_ssl_handshake(&ssl_);
  is_shaken_ = error_ == 0;
  while (error_ == 0) {
    const int n = mbedtls_ssl_read(&ssl_, into.data(), into.size());
    if (n > 0) return static_cast<std::size_t>(n);
    // A record without data is 0, too.
    if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || n == MBEDTLS_ERR_SSL_CONN_EOF || (n == 0 && at_end_))
      return std::size_t{0};
    error_ = n;
  }
  if (error_ == MBEDTLS_ERR_SSL_WANT_READ) {
    may_take_ = kTakenAtOnce;
    return Code::again;
  }
  if (is_shaken_ && error_ == MBEDTLS_ERR_NET_RECV_FAILED) return Code::closed;
  return {Code::tls, error_};  // WANT_WRITE, too: what is sent in a handshake fits the socket of one who reads
}

void TlsServer::write_problem(TextWriter& into) const {
  into.text(is_shaken_ ? "its TLS connection broke: " : "its TLS handshake failed: ");
  if (error_ == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) return write_alert_of_client(ssl_.MBEDTLS_PRIVATE(in_msg)[1], into);
  write_error_of_client(error_, into);
}

void TlsServer::write(std::string_view text) {
  const FromSecond memory;
  static_cast<void>(mbedtls_ssl_write(&ssl_, reinterpret_cast<const unsigned char*>(text.data()), text.size()));
}

void TlsServer::end() {
  const FromSecond memory;
  if (is_shaken_) static_cast<void>(mbedtls_ssl_close_notify(&ssl_));
  is_shaken_ = false;
  mbedtls_ssl_free(&ssl_);
  mbedtls_ssl_init(&ssl_);
  fd_ = -1;
}

int TlsServer::send(void* self, const unsigned char* from, std::size_t size) {
  const ssize_t n = ::send(static_cast<TlsServer*>(self)->fd_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n >= 0) return static_cast<int>(n);
  return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_NET_SEND_FAILED;
}

int TlsServer::receive(void* self, unsigned char* into, std::size_t size) {
  auto& server = *static_cast<TlsServer*>(self);
  if (size > server.may_take_) size = server.may_take_;
  if (size == 0) return MBEDTLS_ERR_SSL_WANT_READ;  // the rest keeps the socket readable
  const ssize_t n = ::recv(server.fd_, into, size, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_NET_RECV_FAILED;
  server.at_end_ = n == 0;
  server.may_take_ -= static_cast<std::size_t>(n);
  server.came_ += static_cast<std::size_t>(n);
  return static_cast<int>(n);
}

}  // namespace tocsin

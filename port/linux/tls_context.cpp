// SPDX-License-Identifier: MIT
#include "port/linux/tls_context.hpp"

#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include "port/linux/ca_file.hpp"
#include "port/linux/entropy.hpp"

namespace tocsin {
namespace {

void set_least_version(mbedtls_ssl_config& config) {
#if MBEDTLS_VERSION_NUMBER < 0x03000000
  mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#else
  mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
}

int start_crypto() {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && \
    (defined(MBEDTLS_SSL_PROTO_TLS1_3) || defined(MBEDTLS_USE_PSA_CRYPTO))
  return psa_crypto_init() == PSA_SUCCESS ? 0 : MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
#else
  return 0;
#endif
}

}  // namespace

#if defined(MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG)
// What TLS 1.3 draws from.
extern "C" psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t*, std::uint8_t* into,
                                                        std::size_t size, std::size_t* filled) {
  if (!fill_random({into, size}).ok()) return PSA_ERROR_INSUFFICIENT_ENTROPY;
  *filled = size;
  return PSA_SUCCESS;
}
#endif

int set_up_tls(mbedtls_ssl_config& config, int endpoint) {
  int error = start_crypto();
  if (error == 0)
    error = mbedtls_ssl_config_defaults(&config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
  set_least_version(config);
  mbedtls_ssl_conf_rng(&config, tls_random, nullptr);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
  mbedtls_ssl_conf_renegotiation(&config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
#if defined(MBEDTLS_SSL_ALPN)
  static const char* protocols[] = {"http/1.1", nullptr};
  if (error == 0) error = mbedtls_ssl_conf_alpn_protocols(&config, protocols);
#endif
  return error;
}

TlsContext::TlsContext() { start(); }

TlsContext::~TlsContext() { clear(); }

void TlsContext::start() {
  mbedtls_ssl_config_init(&config_);
  mbedtls_ssl_config_init(&config_1_2_);
  make_nobody(nobody_);
}

void TlsContext::clear() {
  mbedtls_ssl_config_free(&config_);
  mbedtls_ssl_config_free(&config_1_2_);
}

Status TlsContext::open(const TrustFiles& files, ReadClocks clocks) {
  clear();
  start();
  is_open_ = false;
  ++opened_;
  authorities_ = skipped_ = 0;
  problem_.clear();
  clocks_ = clocks != nullptr ? clocks : read_clocks;
  ca_file_.assign_cut(files.ca_file);
  crl_file_.assign_cut(files.crl_file);
  own_.name(files.client_cert_file, files.client_key_file);
  pins_.count = 0;
  TRY(count_authorities());
  if (!files.pin_sha256.empty() && !parse_pins(files.pin_sha256, pins_).ok()) {
    problem_.assign_cut("there is no pin in pin_sha256");
    return Code::bad_value;
  }
  TRY(set_up(config_));
  if (kPssFlaw) {
    TRY(set_up(config_1_2_));
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    mbedtls_ssl_conf_max_tls_version(&config_1_2_, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
  }
  TRY(begin_handshake());
  end_handshake();
  is_open_ = true;
  return {};
}

Status TlsContext::begin_handshake() {
  TRY(read_lists());
  char words[320];
  TextWriter why{words};
  const Status own = own_.take(why);
  if (!own.ok()) problem_.assign_cut(why.view());
  return own;
}

Status TlsContext::read_lists() {
  char words[320];
  TextWriter why{words};
  const Status read = lists_.read(crl_file_.view(), why);
  mbedtls_ssl_conf_ca_chain(&config_, &nobody_, lists_.lists());
  mbedtls_ssl_conf_ca_chain(&config_1_2_, &nobody_, lists_.lists());
  if (!read.ok()) problem_.assign_cut(why.view());
  return read;
}

Trust TlsContext::trust() { return {ca_file_.view(), &pins_, lists_.lists()}; }

TrustState TlsContext::state(const Clocks& clocks) const {
  return {file_id(ca_file_.view()), lists_.id(), own_.id(), opened_, clocks.wall_trusted};
}

void TlsContext::write_warning(TextWriter& into) const {
  const UnixMillis at = judged_at(clocks_());
  if (own_.write_warning(at, into) || at.ms <= lists_.until().ms) return;
  into.text("the revocation list ").text(crl_file_.view()).text(" ended on ");
  write_day(lists_.until(), into);
  into.text(": put a new one there, or look at the clock");
}

Status TlsContext::set_up(mbedtls_ssl_config& config) {
  int error = set_up_tls(config, MBEDTLS_SSL_IS_CLIENT);
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_cert_profile(&config, &kStrength);
  mbedtls_ssl_conf_ca_chain(&config, &nobody_, nullptr);
#if defined(MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED) && defined(MBEDTLS_SSL_SESSION_TICKETS)
  // 3.6.1 and later drop the tickets of TLS 1.3 unless asked.
  mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
      &config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
  if (error == 0) error = own_.use_in(config).detail();
  return error == 0 ? Status{} : fail({Code::tls, error}, "cannot set TLS up with");
}

Status TlsContext::count_authorities() {
  CaFile file;
  Status status = file.open(ca_file_.view());
  if (!status.ok()) return fail(status, "cannot open");
  for (;;) {
    const Result<Bytes> der = file.next();
    if (der.code() == Code::not_found) break;
    if (der.code() == Code::io) return fail(der.status(), "cannot read");
    mbedtls_x509_crt authority;
    mbedtls_x509_crt_init(&authority);
    const bool usable = der.ok() && mbedtls_x509_crt_parse_der_nocopy(&authority, der.value().data(),
                                                                      der.value().size()) == 0;
    mbedtls_x509_crt_free(&authority);
    ++(usable ? authorities_ : skipped_);
  }
  if (authorities_ > 0) return {};
  return fail(Code::bad_value, skipped_ > 0 ? "cannot understand any certificate in"
                                            : "there is no certificate in PEM form in");
}

Status TlsContext::fail(Status status, const char* what) {
  char words[320];
  TextWriter text{words};
  text.text(what).text(" the CA file ").text(ca_file_.view());
  if (status.code() == Code::io) {
    text.text(": ");
    write_errno(status.detail(), text);
  } else if (status.code() == Code::tls) {
    text.text(": Mbed TLS error -0x").hex(static_cast<std::uint64_t>(-status.detail()));
  }
  text.text("; look at ca_file");
  problem_.assign_cut(text.view());
  clear();  // gives the memory back
  start();
  return status;
}

}  // namespace tocsin

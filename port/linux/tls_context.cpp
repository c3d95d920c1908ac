// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#if defined(MBEDTLS_MEMORY_BUFFER_ALLOC_C)
#include <mbedtls/memory_buffer_alloc.h>
#endif
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include "port/linux/clock.hpp"
#include "port/linux/entropy.hpp"
#include "port/linux/tls_stream.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kMaxPem = 8192;  // bytes of one certificate, as text
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";

int random_bytes(void*, unsigned char* into, std::size_t size) {
  return fill_random({into, size}).ok() ? 0 : MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
}

std::size_t find_text(std::string_view text, std::string_view part) {
  for (std::size_t at = 0; at + part.size() <= text.size(); ++at)
    if (starts_with(tail(text, at), part)) return at;
  return kNotFound;
}

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

// Only part of the authorities, and an arena that is full, would be a failure much later.
bool is_out_of_memory(int error) {
  constexpr int kAsn1AllocFailed = 0x6A, kNumberAllocFailed = 0x10, kLow = 0x7F;
  const int high = -(-error & ~kLow), low = -error & kLow;
  return high == MBEDTLS_ERR_X509_ALLOC_FAILED || high == MBEDTLS_ERR_PEM_ALLOC_FAILED ||
         high == MBEDTLS_ERR_PK_ALLOC_FAILED || low == kAsn1AllocFailed || low == kNumberAllocFailed;
}

}  // namespace

void tls_use_arena(MutBytes memory) {
#if defined(MBEDTLS_MEMORY_BUFFER_ALLOC_C)
  mbedtls_memory_buffer_alloc_init(memory.data(), memory.size());
#else
  static_cast<void>(memory);
#endif
}

TlsContext::TlsContext() { start(); }

TlsContext::~TlsContext() { clear(); }

void TlsContext::start() {
  mbedtls_ssl_config_init(&config_);
  mbedtls_ssl_config_init(&config_1_2_);
  mbedtls_x509_crt_init(&chain_);
}

void TlsContext::clear() {
  mbedtls_ssl_config_free(&config_);
  mbedtls_ssl_config_free(&config_1_2_);
  mbedtls_x509_crt_free(&chain_);
}

Status TlsContext::open(std::string_view ca_file, ReadClocks clocks) {
  clear();
  start();
  is_open_ = false;
  authorities_ = skipped_ = 0;
  problem_.clear();
  clocks_ = clocks != nullptr ? clocks : read_clocks;
  ca_file_.assign_cut(ca_file);
  const Fd file{::open(Path{ca_file}.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.is_open()) return fail(last_error(), "cannot open");
  if (const Status read = add_authorities(file.number()); read.code() == Code::full) {
    return fail(read, "this program's memory for TLS does not hold every certificate in");
  } else if (!read.ok()) {
    return fail(read, "cannot read");
  }
  if (authorities_ == 0) {
    return fail(Code::bad_value, skipped_ > 0 ? "cannot understand any certificate in"
                                              : "there is no certificate in PEM form in");
  }

  if (const int error = start_crypto(); error != 0) return fail({Code::tls, error}, "cannot set TLS up with");
  TRY(set_up(config_));
  if (kPssFlaw) {
    TRY(set_up(config_1_2_));
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    mbedtls_ssl_conf_max_tls_version(&config_1_2_, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
  }
  is_open_ = true;
  return {};
}

Status TlsContext::set_up(mbedtls_ssl_config& config) {
  int error = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                          MBEDTLS_SSL_PRESET_DEFAULT);
  set_least_version(config);
  mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(&config, &chain_, nullptr);
  mbedtls_ssl_conf_rng(&config, random_bytes, nullptr);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
  mbedtls_ssl_conf_renegotiation(&config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
#if defined(MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED) && defined(MBEDTLS_SSL_SESSION_TICKETS)
  // 3.6.1 and later drop the tickets of TLS 1.3 unless asked.
  mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
      &config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
#if defined(MBEDTLS_SSL_ALPN)
  static const char* protocols[] = {"http/1.1", nullptr};
  if (error == 0) error = mbedtls_ssl_conf_alpn_protocols(&config, protocols);
#endif
  return error == 0 ? Status{} : fail({Code::tls, error}, "cannot set TLS up with");
}

// One certificate at a time, so that a system's whole bundle (200 KB) needs no buffer of its size.
Status TlsContext::add_authorities(int fd) {
  std::uint8_t memory[kMaxPem + 1];
  const MutBytes buffer = MutBytes{memory}.first(kMaxPem);
  std::size_t filled = 0;
  bool at_end = false;
  for (;;) {
    const std::string_view text = as_text(Bytes{buffer.first(filled)});
    const std::size_t begin = find_text(text, kBegin);
    const std::size_t length = begin == kNotFound ? kNotFound : find_text(tail(text, begin), kEnd);
    std::size_t done = 0;
    if (length != kNotFound) {
      done = begin + length + kEnd.size();
      TRY(add_authority({memory + begin, done - begin}));
    } else if (begin == kNotFound) {
      done = filled < kBegin.size() ? 0 : filled - kBegin.size() + 1;  // it may begin here
    } else if (begin > 0) {
      done = begin;
    } else if (filled == kMaxPem || at_end) {
      done = kBegin.size();  // too long, or cut off
      ++skipped_;
    }
    std::memmove(memory, memory + done, filled - done);
    filled -= done;
    if (done > 0) continue;
    if (at_end) return {};
    TRY_LET(more, read_whole(fd, buffer.drop(filled)));
    at_end = filled + more < kMaxPem;
    filled += more;
  }
}

// `pem` has a byte behind it that may be written to: Mbed TLS knows PEM by its final zero.
Status TlsContext::add_authority(MutBytes pem) {
  std::uint8_t& after = *pem.end();
  const std::uint8_t kept = after;
  after = 0;
  const int error = mbedtls_x509_crt_parse(&chain_, pem.data(), pem.size() + 1);
  after = kept;
  if (is_out_of_memory(error)) return {Code::full, error};
  ++(error == 0 ? authorities_ : skipped_);
  return {};
}

Status TlsContext::fail(Status status, std::string_view what) {
  char words[320];
  TextWriter text{words};
  text.text(what).text(" the CA file ").text(ca_file_.view()).text(" (ca_file)");
  if (status.code() == Code::io) {
    text.text(": ");
    write_errno(status.detail(), text);
  } else if (status.code() == Code::full) {
    text.text(": it took ").number(authorities_).text("; name a file with only the CA of the service");
  } else if (status.code() == Code::tls) {
    text.text(": Mbed TLS error -0x").hex(static_cast<std::uint64_t>(-status.detail()));
  }
  problem_.assign_cut(text.view());
  clear();  // gives the memory back
  start();
  return status;
}

}  // namespace tocsin

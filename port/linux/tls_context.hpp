// SPDX-License-Identifier: MIT
// Whom the streams of one configuration believe, and as whom they come: authorities, pins, revocation lists, the
// client's certificate, and Mbed TLS's settings.
//
// Mbed TLS verifies with an authority that is nobody: no key, nothing was ever signed by it. Who is believed
// certificate.hpp says; verification is required, there is no way to switch it off.
//
// Memory: 2.2 KiB a context; 14 KiB of stack in open(); revocation lists and the client's certificate in Mbed TLS's.
// Threads: the loop.
#pragma once

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include "port/linux/certificate.hpp"
#include "port/linux/crl_file.hpp"
#include "port/linux/own_certificate.hpp"
#include "port/linux/tls_memory.hpp"
#include "tocsin/port.hpp"

namespace tocsin {

// Mbed TLS 3.6.6 with TLS 1.2 and 1.3 enabled refuses the RSA-PSS signature of a server that speaks
// only 1.2 (-0x6600, Mbed-TLS/mbedtls issue 10668). Such a server is asked again, with 1.2 alone, and
// from then on always so, until a handshake fails.
#if MBEDTLS_VERSION_NUMBER == 0x03060600 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
inline constexpr bool kPssFlaw = true;
#else
inline constexpr bool kPssFlaw = false;
#endif

// As a stream's configuration has it; empty: not wanted.
struct TrustFiles {
  std::string_view ca_file;
  std::string_view crl_file;
  std::string_view pin_sha256;  // base64, with commas between several
  std::string_view client_cert_file = {}, client_key_file = {};  // both or none; their texts outlive the context
};

// What a session is bound to: it is not resumed when any of this differs.
struct TrustState {
  FileId authorities, lists;
  OwnCertificate::Id own;
  std::uint32_t opened = 0;  // how often the context was opened: pins
  bool clock_set = false;
  friend bool operator==(const TrustState& a, const TrustState& b) {
    return a.authorities == b.authorities && a.lists == b.lists && a.own == b.own && a.opened == b.opened &&
           a.clock_set == b.clock_set;
  }
};

// What every connection of this program has in common, as a client or a server (MBEDTLS_SSL_IS_...): TLS 1.2 at least,
// random numbers of the kernel, no renegotiation, ALPN http/1.1. Returns an error of Mbed TLS, or 0.
int set_up_tls(mbedtls_ssl_config& config, int endpoint);

// What the streams of one configuration share. Outlives its streams.
class TlsContext {
 public:
  using ReadClocks = Clocks (*)();

  TlsContext();
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Reads the files through once, so that what is wrong with them is known before a connection needs them; the
  // authorities are read again for each handshake. May be repeated while no stream of it is connected.
  // Until it succeeds, every connect() fails with problem().
  // `clocks` is for tests; absent, the device's. Errors: io (not readable), bad_value (no certificate in it, a list or
  // pin that is none), full (memory for the lists), tls (Mbed TLS's settings fail); as OwnCertificate::take().
  Status open(const TrustFiles& files, ReadClocks clocks = nullptr);
  Status open(std::string_view ca_file, ReadClocks clocks = nullptr) { return open({ca_file, {}, {}}, clocks); }
  std::string_view problem() const { return problem_.view(); }
  // What will be a problem, or is one with some servers: a client certificate or a revocation list that is out of date.
  void write_warning(TextWriter& into) const;
  bool is_open() const { return is_open_; }

  unsigned authorities() const { return authorities_; }  // read and usable
  unsigned skipped() const { return skipped_; }          // in the file, but not understood

  // For a stream that begins a handshake.
  Clocks now() const { return clocks_(); }
  enum class Versions : std::uint8_t { all, only_1_2 };
  const mbedtls_ssl_config& config(Versions versions) const {
    return versions == Versions::all ? config_ : config_1_2_;
  }
  // For a handshake, until end_handshake(): reads the revocation lists again if their file changed, and the client's
  // certificate. Errors as open(): then problem() says why, and nothing was begun; nobody must be believed.
  Status begin_handshake();
  void end_handshake() { own_.give_back(); }
  Trust trust();
  TrustState state(const Clocks& clocks) const;

 private:
  void start();
  void clear();
  Status count_authorities();
  Status set_up(mbedtls_ssl_config& config);
  Status read_lists();
  Status fail(Status status, const char* what);

  mbedtls_ssl_config config_;
  mbedtls_ssl_config config_1_2_;  // TLS 1.2 at most, see kPssFlaw
  mbedtls_x509_crt nobody_;        // the authority that Mbed TLS is told of
  CrlFile lists_;
  OwnCertificate own_;
  Pins pins_;
  ReadClocks clocks_ = nullptr;
  bool is_open_ = false;
  std::uint32_t opened_ = 0;
  unsigned authorities_ = 0;
  unsigned skipped_ = 0;
  FixedText<kMaxPath> ca_file_;
  FixedText<kMaxPath> crl_file_;
  FixedText<320> problem_;
};

}  // namespace tocsin

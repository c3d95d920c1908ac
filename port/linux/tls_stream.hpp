// SPDX-License-Identifier: MIT
// Stream over TCP and Mbed TLS (2.28 and 3.6). The server's certificate is always verified: chain,
// dates and name; there is no way to switch that off.
//
//   idle --connect()--> looking_up --> connecting --> handshaking --> open
//     ^                 (not for an      (each address   \             |
//     '---close()-------  address)        in turn)        '-- failure: closed, problem() says why
//
// TLS 1.2 at least, no renegotiation, ALPN http/1.1. A reconnect to the same server offers the session
// before (a shorter handshake without certificates), as long as the dates of its certificates are good.
// Certificate dates are judged in 64 bits by this device's clock or, while that is not set, by the date this
// program was built.
//
// Memory: 2 KiB a context, 2 KiB a stream, 9 KiB of stack in open(), and what Mbed TLS takes: from
// tls_use_arena()'s buffer where the library has that allocator, from the heap where it has not (Debian).
// Threads: the loop.
#pragma once

#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#include "port/linux/certificate.hpp"
#include "port/linux/resolver.hpp"
#include "port/linux/system.hpp"
#include "tocsin/port.hpp"

namespace tocsin {

// Gives Mbed TLS its memory, before anything else uses it; the buffer serves to the program's end.
// Does nothing when the library was built without MBEDTLS_MEMORY_BUFFER_ALLOC_C.
void tls_use_arena(MutBytes memory);

// Mbed TLS 3.6.6 with TLS 1.2 and 1.3 enabled refuses the RSA-PSS signature of a server that speaks
// only 1.2 (-0x6600, Mbed-TLS/mbedtls issue 10668). Such a server is asked again, with 1.2 alone, and
// from then on always so.
#if MBEDTLS_VERSION_NUMBER == 0x03060600 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
inline constexpr bool kPssFlaw = true;
#else
inline constexpr bool kPssFlaw = false;
#endif

// What the streams of one `ca_file` share: the authorities and the settings. Outlives its streams.
class TlsContext {
 public:
  using ReadClocks = Clocks (*)();

  TlsContext();
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Reads the PEM file of trusted authorities once. May be repeated while no stream of it is connected.
  // Until it succeeds, every connect() fails with problem().
  // `clocks` is for tests; absent, the device's. Errors: io (not readable), bad_value (no certificate in it),
  // full (more of them than memory holds), tls (Mbed TLS's settings fail).
  Status open(std::string_view ca_file, ReadClocks clocks = nullptr);
  std::string_view problem() const { return problem_.view(); }

  unsigned authorities() const { return authorities_; }  // read and usable
  unsigned skipped() const { return skipped_; }          // in the file, but not understood

 private:
  friend class TlsStream;

  void start();
  void clear();
  Status add_authorities(int fd);
  Status add_authority(MutBytes pem);
  Status set_up(mbedtls_ssl_config& config);
  Status fail(Status status, std::string_view what);

  mbedtls_ssl_config config_;
  mbedtls_ssl_config config_1_2_;  // TLS 1.2 at most, see kPssFlaw
  mbedtls_x509_crt chain_;
  ReadClocks clocks_ = nullptr;
  bool is_open_ = false;
  unsigned authorities_ = 0;
  unsigned skipped_ = 0;
  FixedText<kMaxPath> ca_file_;
  FixedText<320> problem_;
};

class TlsStream final : public Stream {
 public:
  TlsStream(TlsContext& context, Resolver& resolver) : context_(context), resolver_(resolver) {}
  ~TlsStream() {
    close();
    forget_session();
  }
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Status connect(const Endpoint& to) override;
  Result<std::size_t> write(Bytes from) override;
  Result<std::size_t> read(MutBytes into) override;
  Want want() const override { return want_; }
  int handle() const override;
  Phase phase() const override { return phase_; }
  // While connect() is under way: what it waits for, in words that fit a deadline which passes now.
  std::string_view problem() const override { return problem_.view(); }
  void close() override;  // close_notify as far as the socket takes it at once

 private:
  Status begin(const Endpoint& to);
  Status look_up();
  Status next_address(int why);  // errno of the address before
  Status finish_connecting();
  Status begin_handshake();
  Status handshake();
  bool offer_session(const Clocks& clocks);
  void keep_session();
  void forget_session();
  Status wait_for(Phase phase, Want want);
  Status fail(Status status, std::string_view words);  // closes, too
  Status judge(int tls_code);                          // what Mbed TLS returned, `again` included
  void write_peer(TextWriter& into) const;

  static int send(void* self, const unsigned char* from, std::size_t size);  // for Mbed TLS
  static int receive(void* self, unsigned char* into, std::size_t size);
  static int verify(void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags);

  TlsContext& context_;
  Resolver& resolver_;
  Phase phase_ = Phase::idle;
  Want want_ = Want::nothing;
  bool tls_ready_ = false;  // ssl_ is set up and must be freed
  bool only_1_2_ = false;   // the server met kPssFlaw
  bool has_session_ = false;
  bool offered_ = false;  // the session before, in this handshake
  std::uint16_t port_ = 0;
  int ticket_ = -1;
  int socket_error_ = 0;       // errno of the last failed send or receive
  std::uint32_t address_ = 0;  // which one is tried
  Fd socket_;
  Addresses addresses_;
  mbedtls_ssl_context ssl_;
  mbedtls_ssl_session session_;
  CertificateVerdict::Dates session_dates_;  // of the certificates it was made with
  CertificateVerdict verdict_;
  FixedText<kMaxHost> host_;
  FixedText<320> problem_;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Stream over TCP and Mbed TLS (2.28 and 3.6). The server's certificate is always verified: chain,
// dates and name; there is no way to switch that off.
//
//   idle --connect()--> looking_up --> connecting --> tunnelling --> handshaking --> open
//     ^                 (both: connector.hpp)        (with a proxy:     \             |
//     |                                               tunnel.hpp)        \            |
//     '---close()---------------------------------------------------------'-- failure: closed, problem() says why
//
// TLS 1.2 at least, no renegotiation, ALPN http/1.1. A reconnect to the same server offers the session
// before (a shorter handshake without certificates), as long as the dates of its certificates are good and nothing
// changed that it was judged by: authorities, pins, revocation lists, whether the clock is set; nor the certificate by
// which the server knew this device.
//
// Memory: 3.5 KiB a stream, 8 KiB of stack for a certificate, and what Mbed TLS takes: from
// tls_use_arena()'s buffer where the library has that allocator, from the heap where it has not (Debian).
// Threads: the loop.
#pragma once

#include "port/linux/connector.hpp"
#include "port/linux/system.hpp"
#include "port/linux/tls_context.hpp"
#include "port/linux/tunnel.hpp"
#include "tocsin/port.hpp"

namespace tocsin {

class TlsStream final : public Stream {
 public:
  TlsStream(TlsContext& context, Resolver& resolver) : context_(context), connector_(resolver) {}
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
  // Whether the server's certificates, as they were judged last, are good at that moment.
  bool good_at(UnixMillis at) const { return session_dates_.include(at); }
  void close() override;  // close_notify as far as the socket takes it at once

  // What poll(2) said of handle() in this turn of the loop, for calls that would bring nothing. It holds until the
  // caller takes it back, before it polls again. data: and the end is not among it.
  enum class Heard : std::uint8_t { unknown, nothing, data };
  void heard(Heard what) { heard_ = what; }

  // The session for a restart, when there is a new one, and back (tls_session.cpp). A session stands for the
  // verification of the handshake that made it: sealed with `key`, the stream's token (HMAC-SHA256), it can be forged
  // only by who has already what a false server could learn. The seal covers all that a session is bound to, host and
  // port, too, and nothing of other bytes is looked at before it is found right; the certificate's dates and the clock
  // are looked at again before it is offered. Errors of saving: empty (none, or none that is new), too_big, full
  // (memory); of loading: bad_value (damaged, or bound to something else; a full handshake will follow).
  Result<std::size_t> save_session(Bytes key, MutBytes into);
  Status load_session(const Endpoint& to, Bytes key, Bytes from);

 private:
  Status begin(const Endpoint& to);
  Status reach(const Endpoint& to);
  Status tunnel(const Endpoint& to);
  Status begin_handshake();
  Status handshake();
  void end_handshake();
  bool offer_session(const Clocks& clocks);
  void keep_session();
  void forget_session();
  bool seal(Bytes key, Bytes sealed, const TrustState& trust, std::uint8_t* into);
  Status wait_for(Phase phase, Want want);
  void explain(std::string_view words);                // to problem()
  Status fail(Status status, std::string_view words);  // closes, too
  Status judge(int tls_code);                          // what Mbed TLS returned, `again` included
  void write_peer(TextWriter& into) const;

  static int send(void* self, const unsigned char* from, std::size_t size);  // for Mbed TLS
  static int receive(void* self, unsigned char* into, std::size_t size);
  int hand_over(unsigned char* into, std::size_t size);  // of ahead_
  static int verify(void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags);

  TlsContext& context_;
  Connector connector_;
  Tunnel tunnel_;
  Phase phase_ = Phase::idle;
  Want want_ = Want::nothing;
  bool tls_ready_ = false;  // ssl_ is set up and must be freed
  bool by_proxy_ = false;
  bool shaking_hands_ = false;  // the context holds what that takes
  bool only_1_2_ = false;   // the server met kPssFlaw
  bool has_session_ = false;
  bool session_is_new_ = false;  // not from a file
  bool offered_ = false;  // the session before, in this handshake
  std::uint16_t port_ = 0;
  Heard heard_ = Heard::unknown;
  std::size_t may_take_ = 0;   // bytes, until `again`
  Bytes ahead_;                // of ahead_memory_: received, and not yet asked for
  int half_sent_ = 0;          // bytes of the record that Mbed TLS could not send as a whole
  int socket_error_ = 0;       // errno of the last failed send or receive
  bool at_end_ = false;        // nothing more comes from the socket
  bool answered_ = false;      // something was read since the handshake
  Fd socket_;
  mbedtls_ssl_context ssl_;
  mbedtls_ssl_session session_;
  CertificateVerdict::Dates session_dates_;  // of the certificates it was made with
  TrustState session_trust_;                 // by which they were judged
  TrustState trust_;                         // as it is in this handshake
  CertificateVerdict verdict_;
  FixedText<kMaxHost> host_;
  FixedText<320> problem_;
  std::uint8_t ahead_memory_[512];  // an answer with its record's head
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/tls_stream.hpp"

#include <mbedtls/net_sockets.h>

#include "port/linux/tls_words.hpp"

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

namespace tocsin {
namespace {

constexpr std::size_t kWords = 320;
// What is taken in at most until `again`. Mbed TLS goes on by itself behind warnings, tickets and such, and whoever
// reads behind each byte: a peer that always has more would keep the loop, and no deadline would be looked at.
constexpr std::size_t kTakenAtOnce = 32'768;
// A longer one costs memory, and does not fit the ClientHello of the trimmed library: the next connection would fail.
constexpr std::size_t kMaxTicket = 2048;

// A ticket of TLS 1.3 comes at any time after the handshake, and is taken in by whatever is called next, a
// write too: nothing was written or read then. What the library holds back already makes no socket readable.
bool only_took_a_ticket(const mbedtls_ssl_context& ssl, int code) {
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  return code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET ||
         (code == MBEDTLS_ERR_SSL_WANT_READ && mbedtls_ssl_check_pending(&ssl) != 0);
#else
  static_cast<void>(ssl);
  static_cast<void>(code);
  return false;
#endif
}

// Bytes of so many that Mbed TLS puts in a record.
int one_record(const mbedtls_ssl_context& ssl, std::size_t size) {
  const int most = mbedtls_ssl_get_max_out_record_payload(&ssl);
  return size < static_cast<std::size_t>(most) ? static_cast<int>(size) : most;
}

}  // namespace

int TlsStream::handle() const { return socket_.is_open() ? socket_.number() : connector_.handle(); }

Status TlsStream::connect(const Endpoint& to) {
  switch (phase_) {
    case Phase::idle:
      return begin(to);
    case Phase::looking_up:
    case Phase::connecting:
      return reach(to);
    case Phase::tunnelling:
      return tunnel(to);
    case Phase::handshaking:
      return handshake();
    case Phase::open:
      break;
  }
  return {};
}

Status TlsStream::begin(const Endpoint& to) {
  problem_.clear();
  if (to.host != host_.view() || to.port != port_) forget_session();
  port_ = to.port;
  if (!host_.assign(to.host).ok()) {
    host_.assign_cut(to.host);
    return fail({Code::io, EINVAL}, "its name is too long");
  }
  if (!context_.is_open()) {
    problem_.assign_cut(context_.problem().empty() ? "no CA file was read" : context_.problem());
    return {Code::io, ENOENT};
  }
  by_proxy_ = !to.proxy_host.empty();
  return reach(to);
}

Status TlsStream::reach(const Endpoint& to) {
  const std::string_view host = by_proxy_ ? to.proxy_host : to.host;
  const std::uint16_t port = by_proxy_ ? to.proxy_port : to.port;
  const Status reached = connector_.connect(host, port);
  if (reached.ok()) {
    socket_.reset(connector_.take());
    if (!by_proxy_) return begin_handshake();
    if (to.opening == nullptr) return fail({Code::io, EINVAL}, "nobody speaks to the proxy");
    tunnel_.begin(*to.opening);
    phase_ = Phase::tunnelling;
    return tunnel(to);
  }
  char words[kWords];
  TextWriter text{words};
  connector_.write_problem(host, port, text.text(by_proxy_ ? "proxy: " : ""));
  problem_.assign_cut(text.view());
  if (reached.code() != Code::again) {
    close();
    return reached;
  }
  phase_ = connector_.phase();
  want_ = connector_.want();
  return reached;
}

Status TlsStream::tunnel(const Endpoint& to) {
  const Status opened = tunnel_.open(socket_.number(), *to.opening);
  if (opened.ok()) return begin_handshake();
  char words[kWords];
  TextWriter text{words};
  tunnel_.write_problem(*to.opening, text);
  explain(text.view());
  if (opened.code() == Code::again) {
    want_ = tunnel_.want();
  } else {
    close();
  }
  return opened;
}

Status TlsStream::begin_handshake() {
  phase_ = Phase::handshaking;
  socket_error_ = half_sent_ = 0;
  may_take_ = kTakenAtOnce;
  ahead_ = {};
  at_end_ = answered_ = false;
  const auto literal = parse_address(host_.view(), port_);
  if (!context_.begin_handshake().ok()) {
    problem_.assign_cut(context_.problem());
    close();
    return {Code::tls, ENOENT};
  }
  shaking_hands_ = true;
  const Clocks clocks = context_.now();
  trust_ = context_.state(clocks);

  char name[kMaxHost + 1] = {};
  std::memcpy(name, host_.view().data(), host_.size());
  mbedtls_ssl_init(&ssl_);
  tls_ready_ = true;
  const auto versions = only_1_2_ ? TlsContext::Versions::only_1_2 : TlsContext::Versions::all;
  int error = mbedtls_ssl_setup(&ssl_, &context_.config(versions));
  // An address must not travel as a server name (RFC 6066 section 3), and 2.28 cannot match one:
  // verdict_ does. Without its word no handshake succeeds.
  if (error == 0) error = mbedtls_ssl_set_hostname(&ssl_, literal.ok() ? nullptr : name);
  offered_ = error == 0 && offer_session(clocks);
  verdict_.begin(clocks, host_.view(), literal.ok() ? &literal.value() : nullptr, context_.trust());
  if (error != 0) return judge(error);
  mbedtls_ssl_set_verify(&ssl_, verify, this);
  mbedtls_ssl_set_bio(&ssl_, this, send, receive, nullptr);
  return handshake();
}

void TlsStream::end_handshake() {
  if (shaking_hands_) context_.end_handshake();
  shaking_hands_ = false;
}

Status TlsStream::handshake() {
  const int code = mbedtls_ssl_handshake(&ssl_);
  if (code != 0) return judge(code);
  const std::uint32_t flags = mbedtls_ssl_get_verify_result(&ssl_);
  verdict_.add_flags(flags);
  // No certificate is shown when the server agreed to the session that was offered: only the peer of
  // that session, whose certificate was judged then, can go on with it.
  const bool resumed = offered_ && !verdict_.saw_leaf() && flags == 0;
  if (!resumed && !verdict_.passed()) return judge(MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
  if (!resumed) session_dates_ = verdict_.dates();
  session_trust_ = trust_;  // a resumed one is of the same
  connector_.forgive();
  end_handshake();
  phase_ = Phase::open;
  want_ = Want::nothing;
  problem_.clear();
  return {};
}

// A session serves for one offer, accepted or not: whatever goes wrong with it, goes wrong once.
bool TlsStream::offer_session(const Clocks& clocks) {
  const bool offered = has_session_ && session_trust_ == trust_ && session_dates_.include(judged_at(clocks)) &&
                       mbedtls_ssl_set_session(&ssl_, &session_) == 0;  // copies it
  forget_session();
  return offered;
}

void TlsStream::keep_session() {
  forget_session();
  mbedtls_ssl_session_init(&session_);
  has_session_ = session_is_new_ = true;
  if (mbedtls_ssl_get_session(&ssl_, &session_) != 0 || session_.MBEDTLS_PRIVATE(ticket_len) > kMaxTicket)
    forget_session();
}

void TlsStream::forget_session() {
  if (has_session_) mbedtls_ssl_session_free(&session_);
  has_session_ = false;
}

Result<std::size_t> TlsStream::write(Bytes from) {
  if (phase_ != Phase::open) return {Code::io, ENOTCONN};
  int n = 0;
  do {
    // A ticket that came while a record was on its way had the rest of it sent: Mbed TLS would send it once more.
    const bool has_gone = half_sent_ != 0 && ssl_.MBEDTLS_PRIVATE(out_left) == 0;
    n = has_gone ? half_sent_ : mbedtls_ssl_write(&ssl_, from.data(), from.size());
    if (n < 0 && ssl_.MBEDTLS_PRIVATE(out_left) != 0) half_sent_ = one_record(ssl_, from.size());
    if (n > 0) half_sent_ = 0;
  } while (only_took_a_ticket(ssl_, n));
  if (n < 0 && socket_error_ != 0) {  // what the server said before it closed can still be read
    const Status broken{Code::io, socket_error_};
    char words[kWords];
    TextWriter text{words};
    write_errno(socket_error_, text);
    explain(text.text(network_advice(socket_error_)).view());
    socket_error_ = half_sent_ = 0;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
    ssl_.MBEDTLS_PRIVATE(out_left) = 0;  // behind a ticket it would be sent once more before anything is read
#endif
    return broken;
  }
  if (n < 0) return judge(n);
  want_ = Want::nothing;
  return static_cast<std::size_t>(n);
}

Result<std::size_t> TlsStream::read(MutBytes into) {
  if (phase_ != Phase::open) return {Code::io, ENOTCONN};
  for (;;) {
    const int n = mbedtls_ssl_read(&ssl_, into.data(), into.size());
    if (n > 0) {
      want_ = Want::nothing;
      answered_ = true;
      return static_cast<std::size_t>(n);
    }
    if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
      want_ = Want::nothing;
      return Code::closed;
    }
    // A record without data (RFC 8446 5.1) is 0 to Mbed TLS, as is the end of the connection.
    if (only_took_a_ticket(ssl_, n) || (n == 0 && !at_end_)) continue;
    return judge(n == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : n);
  }
}

void TlsStream::close() {
  if (phase_ == Phase::tunnelling || phase_ == Phase::handshaking) connector_.blame_peer();
  if (phase_ == Phase::handshaking) only_1_2_ = false;  // it did not help; whoever changed one answer would do so for good
  if (tls_ready_) {
    if (phase_ == Phase::open) {
      keep_session();                   // with the tickets that came since the handshake
      mbedtls_ssl_close_notify(&ssl_);  // a full socket goes without
    }
    mbedtls_ssl_free(&ssl_);
    tls_ready_ = false;
  }
  end_handshake();
  connector_.close();
  socket_.reset();
  phase_ = Phase::idle;
  want_ = Want::nothing;
}

Status TlsStream::wait_for(Phase phase, Want want) {
  phase_ = phase;
  want_ = want;
  may_take_ = kTakenAtOnce;
  if (phase == Phase::open) return Code::again;
  // For the loop's deadline, which only it knows.
  explain("no answer to the TLS handshake (is this the port for HTTPS?)");
  return Code::again;
}

void TlsStream::explain(std::string_view words) {
  char memory[kWords];
  TextWriter text{memory};
  write_peer(text);
  text.text(words);
  problem_.assign_cut(text.view());
}

Status TlsStream::fail(Status status, std::string_view words) {
  explain(words);
  close();
  return status;
}

// "TLS with sms.test (192.0.2.1 port 443): ", as far as things have come.
void TlsStream::write_peer(TextWriter& into) const {
  if (phase_ == Phase::idle) {
    into.text("cannot look up ").text(host_.view()).text(": ");
    return;
  }
  if (phase_ == Phase::tunnelling) {
    into.text("proxy (");
  } else {
    into.text(phase_ == Phase::open ? "connection to " : "TLS with ").text(host_.view()).text(" (");
    into.text(by_proxy_ ? "by the proxy " : "");
  }
  write_address(connector_.peer(), into);
  into.text(" port ").number(ntohs(connector_.peer().v4.sin_port)).text("): ");
}

Status TlsStream::judge(int tls_code) {
  if (tls_code == MBEDTLS_ERR_SSL_WANT_READ) return wait_for(phase_, Want::readable);
  if (tls_code == MBEDTLS_ERR_SSL_WANT_WRITE) return wait_for(phase_, Want::writable);
  char words[kWords];
  TextWriter text{words};
  // Else it is of an alert that found the connection gone, and something else is what came first.
  const bool of_socket = tls_code == MBEDTLS_ERR_NET_SEND_FAILED || tls_code == MBEDTLS_ERR_NET_RECV_FAILED;
  if (of_socket && socket_error_ != 0) {
    write_errno(socket_error_, text);
    text.text(network_advice(socket_error_));
    return fail({Code::io, socket_error_}, text.view());
  }
  if (phase_ == Phase::open && tls_code == MBEDTLS_ERR_SSL_CONN_EOF)
    return fail({Code::io, ECONNRESET}, "the server broke it off (no close_notify)");

  constexpr int kIllegalParameter = -0x6600;  // without a name in 2.28
  if (kPssFlaw && phase_ == Phase::handshaking && tls_code == kIllegalParameter && !only_1_2_) {
    only_1_2_ = true;
    mbedtls_ssl_free(&ssl_);
    tls_ready_ = false;
    end_handshake();
    socket_.reset();
    const Status again = connector_.reconnect();
    if (again.code() != Code::again) return fail(again, "no connection for another try");
    phase_ = Phase::connecting;
    want_ = connector_.want();
    return again;
  }

  // 0xFFFFFFFF: there was no certificate to judge yet.
  const std::uint32_t flags = mbedtls_ssl_get_verify_result(&ssl_);
  if (phase_ == Phase::handshaking && flags != 0 && flags != UINT32_MAX) {
    verdict_.add_flags(flags);
    text.text("certificate of ").text(host_.view()).text(" refused: ");
    verdict_.write_flaw(text);
    problem_.assign_cut(text.view());
    close();
    return {Code::tls, tls_code};
  }
  if (tls_code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
    const bool agreed = ssl_.MBEDTLS_PRIVATE(state) > MBEDTLS_SSL_SERVER_HELLO;
    const unsigned alert = ssl_.MBEDTLS_PRIVATE(in_msg)[1];
    // With TLS 1.3 this side is done, and writes, before the server has looked at its certificate (RFC 8446 4.4.2.4).
    const bool turned_away = phase_ == Phase::open && !answered_ && is_about_certificate(alert);
    write_alert(alert, turned_away ? Phase::handshaking : phase_, agreed ? Agreed::yes : Agreed::no, text);
    if (turned_away) return fail({Code::refused, tls_code}, text.view());
  } else {
    const bool no_memory = phase_ == Phase::handshaking && verdict_.ran_out_of_memory();
    write_tls_error(no_memory ? MBEDTLS_ERR_SSL_ALLOC_FAILED : tls_code, phase_, text);
  }
  return fail({Code::tls, tls_code}, text.view());
}

int TlsStream::send(void* self, const unsigned char* from, std::size_t size) {
  auto& stream = *static_cast<TlsStream*>(self);
  const ssize_t n = ::send(stream.socket_.number(), from, size, MSG_NOSIGNAL);
  if (n >= 0) return static_cast<int>(n);
  if (errno == EAGAIN || errno == EINTR) return MBEDTLS_ERR_SSL_WANT_WRITE;
  stream.heard_ = Heard::unknown;  // the peer went since: what it said before that is still to be read
  stream.socket_error_ = errno;
  return MBEDTLS_ERR_NET_SEND_FAILED;
}

// Mbed TLS asks for the five bytes of a record's head and then for the rest: what is small comes with one call.
int TlsStream::receive(void* self, unsigned char* into, std::size_t size) {
  auto& stream = *static_cast<TlsStream*>(self);
  if (!stream.ahead_.empty()) return stream.hand_over(into, size);
  // The rest keeps the socket readable.
  if (stream.may_take_ == 0 || stream.heard_ == Heard::nothing) return MBEDTLS_ERR_SSL_WANT_READ;
  const bool direct = size >= sizeof stream.ahead_memory_;
  std::size_t room = direct ? size : sizeof stream.ahead_memory_;
  if (room > stream.may_take_) room = stream.may_take_;
  const ssize_t n = ::recv(stream.socket_.number(), direct ? into : stream.ahead_memory_, room, 0);
  if (n >= 0) {
    stream.at_end_ = n == 0;
    const auto came = static_cast<std::size_t>(n);
    stream.may_take_ -= came;
    if (stream.heard_ == Heard::data && came < room) stream.heard_ = Heard::nothing;
    if (direct || n == 0) return static_cast<int>(n);
    stream.ahead_ = {stream.ahead_memory_, came};
    return stream.hand_over(into, size);
  }
  if (errno == EAGAIN || errno == EINTR) return MBEDTLS_ERR_SSL_WANT_READ;
  stream.socket_error_ = errno;
  return MBEDTLS_ERR_NET_RECV_FAILED;
}

int TlsStream::hand_over(unsigned char* into, std::size_t size) {
  const Bytes piece = ahead_.first(size < ahead_.size() ? size : ahead_.size());
  std::memcpy(into, piece.data(), piece.size());
  ahead_ = ahead_.drop(piece.size());
  return static_cast<int>(piece.size());
}

int TlsStream::verify(void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags) {
  static_cast<TlsStream*>(self)->verdict_.judge(*certificate, depth, *flags);
  return 0;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// A stream's session as bytes, for those who keep it.
#include <mbedtls/md.h>
#include <string.h>

#include <type_traits>

#include "port/linux/tls_stream.hpp"

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

namespace tocsin {
namespace {

constexpr std::string_view kKind = "tocsin session 1";
constexpr std::size_t kSeal = 32, kHead = kSeal + 16;  // the seal; the dates of its certificates; Mbed TLS's bytes

class Hmac {
 public:
  explicit Hmac(Bytes key) {
    mbedtls_md_init(&md_);
    right_ = mbedtls_md_setup(&md_, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 1) == 0 &&
             mbedtls_md_hmac_starts(&md_, key.data(), key.size()) == 0;
  }
  ~Hmac() { mbedtls_md_free(&md_); }
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  void add(Bytes bytes) { right_ = right_ && mbedtls_md_hmac_update(&md_, bytes.data(), bytes.size()) == 0; }
  template <typename T>
  void add_all(const T& value) {
    static_assert(std::has_unique_object_representations_v<T>);
    add({reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
  }
  bool finish(std::uint8_t (&into)[kSeal]) { return right_ && mbedtls_md_hmac_finish(&md_, into) == 0; }

 private:
  mbedtls_md_context_t md_;
  bool right_ = false;
};

// Mbed TLS counts the age of a ticket of TLS 1.3 in time since the boot. In a file it is by the wall clock: the boot is
// another one when it is read.
#if defined(MBEDTLS_SSL_PROTO_TLS1_3) && defined(MBEDTLS_SSL_SESSION_TICKETS) && defined(MBEDTLS_HAVE_TIME)
void move_ticket(mbedtls_ssl_session& session, std::int64_t by) { session.MBEDTLS_PRIVATE(ticket_reception_time) += by; }
std::int64_t ticket_clock() { return mbedtls_ms_time(); }
#else
void move_ticket(mbedtls_ssl_session&, std::int64_t) {}
std::int64_t ticket_clock() { return 0; }
#endif

}  // namespace

// By whom and how it was judged is in the seal, not in the bytes: another state makes another seal.
bool TlsStream::seal(Bytes key, Bytes sealed, const TrustState& trust, std::uint8_t* into) {
  Hmac hmac{key};
  hmac.add(as_bytes(kKind));
  hmac.add_all(static_cast<std::uint32_t>(host_.size()));
  hmac.add(as_bytes(host_.view()));
  hmac.add_all(port_);
  hmac.add_all(trust.authorities);
  hmac.add_all(trust.lists);
  hmac.add_all(trust.own);
  hmac.add_all(static_cast<std::uint8_t>(trust.clock_set ? 1 : 0));
  const Pins& pins = *context_.trust().pins;
  hmac.add_all(pins.count);
  for (std::size_t n = 0; n < pins.count; ++n) hmac.add_all(pins.list[n]);
  hmac.add(sealed);
  std::uint8_t made[kSeal];
  if (!hmac.finish(made)) return false;
  std::memcpy(into, made, sizeof made);
  return true;
}

Result<std::size_t> TlsStream::save_session(Bytes key, MutBytes into) {
  const Clocks clocks = context_.now();
  if (!has_session_ || !session_is_new_ || !context_.is_open() || !(session_trust_ == context_.state(clocks)))
    return Code::empty;
  if (into.size() < kHead) return Code::too_big;
  std::size_t size = 0;
  const std::int64_t shift = clocks.wall.ms - ticket_clock();
  move_ticket(session_, shift);
  const int error = mbedtls_ssl_session_save(&session_, into.data() + kHead, into.size() - kHead, &size);
  move_ticket(session_, -shift);
  if (error != 0) return Code::too_big;
  store64(into.data() + kSeal, static_cast<std::uint64_t>(session_dates_.from.ms));
  store64(into.data() + kSeal + 8, static_cast<std::uint64_t>(session_dates_.until.ms));
  if (!seal(key, Bytes{into}.first(kHead + size).drop(kSeal), session_trust_, into.data())) return Code::full;
  return kHead + size;
}

Status TlsStream::load_session(const Endpoint& to, Bytes key, Bytes from) {
  forget_session();
  if (phase_ != Phase::idle || !context_.is_open() || from.size() <= kHead || !host_.assign(to.host).ok())
    return Code::bad_value;
  port_ = to.port;
  const Clocks clocks = context_.now();
  const TrustState trust = context_.state(clocks);
  std::uint8_t right[kSeal];
  if (!seal(key, from.drop(kSeal), trust, right) || !same(Bytes{right}, from.first(kSeal))) return Code::bad_value;
  mbedtls_ssl_session_init(&session_);
  has_session_ = true;
  session_is_new_ = false;
  if (mbedtls_ssl_session_load(&session_, from.data() + kHead, from.size() - kHead) != 0) {
    forget_session();
    return Code::bad_value;
  }
  move_ticket(session_, ticket_clock() - clocks.wall.ms);
  session_dates_.from.ms = static_cast<std::int64_t>(load64(from.data() + kSeal));
  session_dates_.until.ms = static_cast<std::int64_t>(load64(from.data() + kSeal + 8));
  session_trust_ = trust;
  return {};
}

}  // namespace tocsin

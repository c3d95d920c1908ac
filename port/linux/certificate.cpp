// SPDX-License-Identifier: MIT
#include "port/linux/certificate.hpp"

#include "port/linux/clock.hpp"

namespace tocsin {
namespace {

// Days since 1970-01-01 in the proleptic Gregorian calendar, counted from 1 March.
std::int64_t days_of(std::int64_t year, std::int64_t month, std::int64_t day) {
  const std::int64_t shifted_year = month > 2 ? year : year - 1;
  const std::int64_t shifted_month = (month + 9) % 12;
  return 365 * shifted_year + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 +
         (153 * shifted_month + 2) / 5 + day - 1 - 719'468;
}

UnixMillis moment(const mbedtls_x509_time& time) {
  const std::int64_t days = days_of(time.year, time.mon, time.day);
  return {(((days * 24 + time.hour) * 60 + time.min) * 60 + time.sec) * 1000};
}

std::string_view text_of(const mbedtls_asn1_buf& buffer) {
  return {reinterpret_cast<const char*>(buffer.p), buffer.p == nullptr ? 0 : buffer.len};
}

// What a certificate says is shown, not trusted.
void write_shown(std::string_view text, TextWriter& into) {
  for (const char c : text) into.character(c > 0x20 && c < 0x7F ? c : c == ' ' ? ' ' : '?');
}

std::string_view common_name(const mbedtls_x509_name& name) {
  for (const mbedtls_x509_name* part = &name; part != nullptr; part = part->next)
    if (text_of(part->oid) == "\x55\x04\x03") return text_of(part->val);  // RFC 5280 A.1, id-at-commonName
  return {};
}

// RFC 5280 4.2.1.6: GeneralName is context-specific, dNSName [2], iPAddress [7].
bool is_kind(const mbedtls_x509_sequence& name, int kind) {
  constexpr int kNumber = 0x1F, kContext = 0x80;
  return name.buf.p != nullptr && (name.buf.tag & (kContext | kNumber)) == (kContext | kind);
}
constexpr int kDnsName = 2, kIpAddress = 7;

bool names_address(const mbedtls_x509_crt& certificate, const Address& address) {
  const bool is_v6 = address.any.sa_family == AF_INET6;
  std::string_view want{reinterpret_cast<const char*>(&address.v4.sin_addr), sizeof address.v4.sin_addr};
  if (is_v6) want = {reinterpret_cast<const char*>(&address.v6.sin6_addr), sizeof address.v6.sin6_addr};
  for (const mbedtls_x509_sequence* name = &certificate.subject_alt_names; name != nullptr; name = name->next)
    if (is_kind(*name, kIpAddress) && text_of(name->buf) == want) return true;
  return false;
}

void write_names(const mbedtls_x509_crt& certificate, TextWriter& into) {
  for (const mbedtls_x509_sequence* name = &certificate.subject_alt_names; name != nullptr;
       name = name->next) {
    const bool is_dns = is_kind(*name, kDnsName);
    if (!is_dns && !is_kind(*name, kIpAddress)) continue;
    if (into.size() > 0) into.text(", ");
    const std::string_view bytes = text_of(name->buf);
    Address address;
    if (is_dns) {
      write_shown(bytes, into);
    } else if (bytes.size() == sizeof address.v4.sin_addr) {
      address.v4.sin_family = AF_INET;
      std::memcpy(&address.v4.sin_addr, bytes.data(), bytes.size());
      write_address(address, into);
    } else if (bytes.size() == sizeof address.v6.sin6_addr) {
      address.v6.sin6_family = AF_INET6;
      std::memcpy(&address.v6.sin6_addr, bytes.data(), bytes.size());
      write_address(address, into);
    }
  }
  if (into.size() == 0) write_shown(common_name(certificate.subject), into);
}

void write_day(UnixMillis at, TextWriter& into) {
  char text[32];
  TextWriter date{text};
  write_date(at, date);
  into.text(head(date.view(), 10));
}

// While the clock was never set, this program's own date is nearer to the truth.
UnixMillis judged_at(const Clocks& clocks) { return clocks.wall_trusted ? clocks.wall : kBuiltAt; }

bool same_name(const mbedtls_asn1_buf& a, const mbedtls_asn1_buf& b) { return text_of(a) == text_of(b); }

}  // namespace

void CertificateVerdict::begin(const Clocks& clocks, const Address* address) {
  *this = CertificateVerdict{};
  clock_set_ = clocks.wall_trusted;
  at_ = judged_at(clocks);
  has_address_ = address != nullptr;
  if (has_address_) address_ = *address;
}

void CertificateVerdict::judge(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
  constexpr std::uint32_t kDates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
  const UnixMillis from = moment(certificate.valid_from), until = moment(certificate.valid_to);
  flags &= ~kDates;
  if (at_.ms < from.ms) flags |= MBEDTLS_X509_BADCERT_FUTURE;
  if (at_.ms > until.ms + 999) flags |= MBEDTLS_X509_BADCERT_EXPIRED;  // its last second is valid
  if (from.ms > dates_.from.ms) dates_.from = from;
  if (until.ms < dates_.until.ms) dates_.until = until;
  if ((flags & kDates) != 0) {
    from_ = from;
    until_ = until;
    dated_depth_ = depth;
  }

  if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
    char shown[64];
    TextWriter text{shown};
    write_shown(common_name(certificate.issuer), text);
    issuer_.assign_cut(text.view());
    self_signed_ = depth == 0 && same_name(certificate.subject_raw, certificate.issuer_raw);
  }

  if (depth == 0) {
    saw_leaf_ = true;
    if (has_address_ && !names_address(certificate, address_)) flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    char shown[64];
    TextWriter text{shown};
    write_names(certificate, text);
    names_.assign_cut(text.view());
  }
  flags_ |= flags;
}

bool CertificateVerdict::Dates::include(const Clocks& clocks) const {
  const UnixMillis at = judged_at(clocks);
  return at.ms >= from.ms && at.ms <= until.ms;
}

void CertificateVerdict::write_clock(TextWriter& into) const {
  if (clock_set_) {
    into.text("(this device's clock says ");
    write_day(at_, into);
  } else {
    into.text("(this device's clock is not set; judged by ");
    write_day(at_, into);
    into.text(", when this program was built");
  }
  into.character(')');
}

void CertificateVerdict::write_flaw(std::string_view host, std::string_view ca_file, TextWriter& into) const {
  const auto has = [this](std::uint32_t flag) { return (flags_ & flag) != 0; };
  const std::string_view whose = dated_depth_ == 0 ? "it " : "the certificate of its CA ";
  if (has(MBEDTLS_X509_BADCERT_REVOKED)) {
    into.text("it is revoked");
  } else if (has(MBEDTLS_X509_BADCERT_NOT_TRUSTED) && self_signed_) {
    into.text("it is self-signed and not in ").text(ca_file).text(": if it is the right one, put it there");
  } else if (has(MBEDTLS_X509_BADCERT_NOT_TRUSTED)) {
    into.text("it is not signed by a CA in ").text(ca_file).text(": its issuer is '").text(issuer_.view());
    into.text("'; check ca_file, and that the server sends its whole chain");
  } else if (has(MBEDTLS_X509_BADCERT_EXPIRED)) {
    into.text(whose).text("expired on ");
    write_day(until_, into);
    into.character(' ');
    write_clock(into);
    into.text(dated_depth_ == 0 ? ": the server needs a new one" : ": update ca_file");
  } else if (has(MBEDTLS_X509_BADCERT_FUTURE)) {
    into.text(whose).text("is not valid before ");
    write_day(from_, into);
    into.character(' ');
    write_clock(into);
    into.text(": check the clock");
  } else if (has(MBEDTLS_X509_BADCERT_CN_MISMATCH)) {
    into.text("it is for ").text(names_.empty() ? "nobody" : names_.view());
    into.text(", not for ").text(host).text(": check base_url");
  } else if (has(MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY)) {
    into.text("its key or signature is too weak or of an unknown kind");
  } else if (has(MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
                 MBEDTLS_X509_BADCERT_NS_CERT_TYPE)) {
    into.text("it is not made for a server");
  } else {
    into.text("Mbed TLS says 0x").hex(flags_);
  }
}

}  // namespace tocsin

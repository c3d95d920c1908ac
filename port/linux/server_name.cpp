// SPDX-License-Identifier: MIT
#include "port/linux/server_name.hpp"

namespace tocsin {
namespace {

std::string_view text_of(const mbedtls_asn1_buf& buffer) {
  return {reinterpret_cast<const char*>(buffer.p), buffer.p == nullptr ? 0 : buffer.len};
}

void write_shown(std::string_view text, TextWriter& into) {
  for (const char c : text) into.character(c > 0x20 && c < 0x7F ? c : c == ' ' ? ' ' : '?');
}

// RFC 5280 4.2.1.6: GeneralName is context-specific, dNSName [2], iPAddress [7].
bool is_kind(const mbedtls_x509_sequence& name, int kind) {
  constexpr int kNumber = 0x1F, kContext = 0x80;
  return name.buf.p != nullptr && (name.buf.tag & (kContext | kNumber)) == (kContext | kind);
}
constexpr int kDnsName = 2, kIpAddress = 7;

}  // namespace

bool matches_host(std::string_view pattern, std::string_view host) {
  if (pattern.empty() || host.empty()) return false;
  if (!starts_with(pattern, "*.")) return find(pattern, '*') == kNotFound && same_ignoring_case(pattern, host);
  const std::string_view behind = tail(pattern, 1);  // with its dot
  const std::size_t dot = find(host, '.');
  if (dot == kNotFound || dot == 0 || find(behind, '*') != kNotFound) return false;
  if (find(behind, '.', 1) == kNotFound || ends_with(behind, ".")) return false;  // "*.com"
  return same_ignoring_case(behind, tail(host, dot));
}

bool names_host(const mbedtls_x509_crt& certificate, std::string_view host) {
  for (const mbedtls_x509_sequence* name = &certificate.subject_alt_names; name != nullptr; name = name->next)
    if (is_kind(*name, kDnsName) && matches_host(text_of(name->buf), host)) return true;
  return false;
}

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
      if (parse_address(bytes, 0).ok()) into.text("the name ");  // it is no name of that address
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
}

void write_common_name(const mbedtls_x509_name& name, TextWriter& into) {
  for (const mbedtls_x509_name* part = &name; part != nullptr; part = part->next)
    if (text_of(part->oid) == "\x55\x04\x03") return write_shown(text_of(part->val), into);  // RFC 5280 A.1
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_request.hpp"

#include "http_scan.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/wire/http_tunnel.hpp"

namespace tocsin {
namespace {

using namespace std::string_view_literals;  // their length is known when this is built

constexpr unsigned kSpace = ' ', kVisible = kSpace + 1;

bool is_method(std::string_view text) {
  for (const char c : text)
    if (!is_token(static_cast<std::uint8_t>(c))) return false;
  return !text.empty();
}

// A space at an end would be trimmed by the receiver: another value than the caller's.
bool is_field_value(std::string_view text) {
  return all_printable(text, kSpace) && (text.empty() || (text.front() != ' ' && text.back() != ' '));
}

// What would end the authority of an address, or add to it, is no part of a host.
bool is_host(std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '/':
      case '?':
      case '#':
      case '@':
      case '\\':
      case ',':
      case '"':
      case '<':
      case '>': return false;
      default: break;
    }
  }
  return all_printable(text, kVisible) && !text.empty();
}

void write_host(std::string_view host, TextWriter& into) {
  const bool bare_ipv6 = host.front() != '[' && find(host, ':') != kNotFound;
  into.text(bare_ipv6 ? "[" : "").text(host).text(bare_ipv6 ? "]" : "");
}

void write_base64(std::string_view text, TextWriter& into) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (; !text.empty(); text = tail(text, 3)) {
    std::uint32_t three = 0;
    for (std::size_t at = 0; at < 3; ++at)
      three = three << 8 | (at < text.size() ? static_cast<unsigned char>(text[at]) : 0U);
    for (std::size_t at = 0; at < 4; ++at)
      into.character(at > text.size() ? '=' : kDigits[three >> (18 - 6 * at) & 63]);
  }
}

}  // namespace

bool all_printable(std::string_view text, unsigned lowest) {
  const char* p = text.data();
  std::size_t left = text.size();
  for (; left >= sizeof(Word); p += sizeof(Word), left -= sizeof(Word)) {
    const Word w = load<Word>(p);
    // Bit 7 of a byte that is not. Borrows and carries come out of such a byte only.
    if ((((w - every(lowest)) | (w + every(1)) | w) & every(0x80)) != 0) return false;
  }
  for (; left > 0; ++p, --left)
    if (static_cast<unsigned char>(*p) < lowest || static_cast<unsigned char>(*p) > '~') return false;
  return true;
}

Result<std::size_t> write_tunnel_request(std::string_view host, std::uint16_t port, std::string_view login,
                                         MutBytes into) {
  if (!is_host(host)) return Code::bad_value;
  TextWriter head({reinterpret_cast<char*>(into.data()), into.size()});
  head.text("CONNECT "sv);
  write_host(host, head);
  head.text(":").number(port).text(" HTTP/1.1\r\nHost: ");
  write_host(host, head);
  head.text(":").number(port);
  if (!login.empty()) {
    head.text("\r\nProxy-Authorization: Basic ");
    write_base64(login, head);
  }
  head.text("\r\nUser-Agent: tocsin\r\n\r\n");
  if (head.cut()) return Code::too_big;
  return head.size();
}

Result<std::size_t> write_request_head(const HttpRequest& request, std::size_t body_size, MutBytes into) {
  if (!is_method(request.method) || !starts_with(request.target, "/"sv) || !all_printable(request.target, kVisible) ||
      find(request.target, '#') != kNotFound || !is_host(request.host) ||
      !is_field_value(request.authorization) || !is_field_value(request.content_type))
    return Code::bad_value;

  TextWriter head({reinterpret_cast<char*>(into.data()), into.size()});
  head.text(request.method).text(" "sv).text(request.target).text(" HTTP/1.1\r\nHost: "sv);
  write_host(request.host, head);
  if (request.port != 443) head.text(":"sv).number(request.port);
  if (!request.authorization.empty()) head.text("\r\nAuthorization: "sv).text(request.authorization);
  const bool has_body = body_size > 0 || request.method != "GET"sv;  // RFC 9110 8.6
  if (has_body && !request.content_type.empty()) head.text("\r\nContent-Type: "sv).text(request.content_type);
  if (has_body) head.text("\r\nContent-Length: "sv).number(body_size);
  head.text("\r\nAccept-Encoding: identity\r\nUser-Agent: tocsin\r\n\r\n"sv);
  if (head.cut()) return Code::too_big;
  return head.size();
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_location.hpp"

#include "http_scan.hpp"
#include "tocsin/base/text.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kMaxLocation = 1024;

// RFC 3986 3.3 and 3.4: pchar, "/" and "?".
bool is_target(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const char low = to_lower(c);
    if (c == '%') {
      const std::string_view rest = tail(text, at + 1);
      if (rest.size() < 2 || hex_value(static_cast<std::uint8_t>(rest[0])) < 0 ||
          hex_value(static_cast<std::uint8_t>(rest[1])) < 0)
        return false;
    } else if (!is_digit(c) && (low < 'a' || low > 'z') && find("-._~!$&'()*+,;=:@/?", c) == kNotFound) {
      return false;
    }
  }
  return starts_with(text, "/");
}

bool is_same_place(std::string_view authority, std::string_view host, std::uint16_t port) {
  if (starts_with(authority, "[") && find(host, ':') != kNotFound) {
    if (!same_ignoring_case(head(tail(authority, 1), host.size()), host)) return false;
    authority = tail(authority, 1 + host.size());
    if (!starts_with(authority, "]")) return false;
    authority = tail(authority, 1);
  } else {
    if (find(host, ':') != kNotFound || !same_ignoring_case(head(authority, host.size()), host)) return false;
    authority = tail(authority, host.size());
  }
  if (authority.empty()) return port == 443;
  if (authority.front() != ':') return false;
  const auto number = parse_number(tail(authority, 1), 65535);
  return authority.size() == 1 ? port == 443 : number.ok() && number.value() == port;
}

}  // namespace

Result<std::string_view> redirect_target(std::string_view location, std::string_view host, std::uint16_t port) {
  constexpr std::string_view kScheme = "https:";
  if (location.size() > kMaxLocation) return Code::too_big;
  const bool has_scheme = same_ignoring_case(head(location, kScheme.size()), kScheme);
  std::string_view rest = has_scheme ? tail(location, kScheme.size()) : location;
  if (starts_with(rest, "//")) {
    rest = tail(rest, 2);
    std::size_t end = 0;
    while (end < rest.size() && rest[end] != '/' && rest[end] != '?' && rest[end] != '#') ++end;
    if (!is_same_place(head(rest, end), host, port)) return Code::not_found;
    rest = tail(rest, end);
    if (rest.empty() || rest.front() == '#') rest = "/";
  } else if (!starts_with(rest, "/") || has_scheme) {
    return find(location, ':') != kNotFound ? Code::not_found : Code::bad_value;
  }
  const std::string_view target = take_until(rest, '#');
  if (target.size() > kMaxTarget) return Code::too_big;
  if (!is_target(target)) return Code::bad_value;
  return target;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Hosts, ports and paths: `base_url`, `send_path` and `proxy`.
#include "src/program/config_reader.hpp"
#include "src/program/config_values.hpp"

namespace tocsin {
namespace {

// Of base_url, without brackets.
bool is_host(std::string_view host, bool bracketed) {
  bool colon = false;
  for (const char c : host) {
    const bool hex = is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f');
    if (bracketed ? !hex && c != ':' && c != '.' : !is_letter(c) && !is_digit(c) && c != '-' && c != '.')
      return false;
    colon = colon || c == ':';
  }
  return !host.empty() && host.size() <= kMaxHost && bracketed == colon && host.front() != '.' &&
         host.front() != '-';
}

struct HostAndPort {
  std::string_view host;
  std::uint16_t port;
};

// What is wrong with this HOST or HOST:PORT, or empty and its parts in `into`.
std::string_view place_problem(std::string_view written, std::string_view no_host, HostAndPort& into) {
  const bool bracketed = starts_with(written, "[");
  const std::size_t closing = bracketed ? find(written, ']') : 0;
  if (closing == kNotFound) return "the ] of the address is missing";
  const std::size_t colon = find(written, ':', closing);
  into.host = bracketed ? tail(head(written, closing), 1) : head(written, colon == kNotFound ? written.size() : colon);
  if (!is_host(into.host, bracketed)) return no_host;
  if (bracketed && closing + 1 != (colon == kNotFound ? written.size() : colon)) return "only a :PORT follows the ]";
  if (colon == kNotFound) return {};
  const auto number = parse_number(tail(written, colon + 1), 65535);
  if (!number.ok() || number.value() == 0) return "a port is a number from 1 to 65535";
  into.port = static_cast<std::uint16_t>(number.value());
  return {};
}

// A path (RFC 3986 3.3: pchar and "/").
bool is_path(std::string_view path) {
  for (std::size_t at = 0; at < path.size(); ++at) {
    const char c = path[at];
    const auto is_hex = [path](std::size_t n) {
      return n < path.size() && (is_digit(path[n]) || (to_lower(path[n]) >= 'a' && to_lower(path[n]) <= 'f'));
    };
    if (c == '%' ? !is_hex(at + 1) || !is_hex(at + 2)
                 : !is_letter(c) && !is_digit(c) && find("/-._~!$&'()*+,;=:@", c) == kNotFound)
      return false;
  }
  return true;
}

// Paths that are added to base_url, as somebody may have pasted them with it.
constexpr std::string_view kAdded[] = {"/streams/simple_send", "/simple_send", "/event_send",
                                       "/messages_status",     "/otp/auth",    "/otp/verify",
                                       "/streams/messages",    "/streams/incoming_messages"};

// What is wrong with this address, or empty and its parts in `into`.
std::string_view url_problem(std::string_view url, StreamConfig& into, std::string_view& added) {
  constexpr std::string_view kScheme = "https://";
  if (!same_ignoring_case(head(url, kScheme.size()), kScheme))
    return "write https://HOST: the token must not travel in the clear";
  std::string_view path = tail(url, kScheme.size());
  if (find(path, '?') != kNotFound || find(path, '#') != kNotFound)
    return "leave the ? or # and what follows out";
  std::size_t slash = find(path, '/');
  if (slash == kNotFound) slash = path.size();
  const std::string_view authority = head(path, slash);
  path = tail(path, slash);
  if (find(authority, '@') != kNotFound) return "leave user and password out, the token is enough";

  HostAndPort place{{}, 443};
  const std::string_view problem = place_problem(
      authority, "write https://HOST or https://HOST:PORT with the name of the service's host", place);
  if (!problem.empty()) return problem;
  while (ends_with(path, "/")) path.remove_suffix(1);
  for (const std::string_view known : kAdded) {
    if (!ends_with(path, known)) continue;
    added = known;
    return " out, it is added";
  }
  if (!is_path(path)) return "its path may hold letters, digits, %41 and -._~!$&'()*+,;=:@ only";
  if (path.size() > kMaxUrlPath) return "its path is too long";
  into.host = place.host;
  into.port = place.port;
  into.path_prefix = path;
  return {};
}

}  // namespace

void Value::base_url(StreamConfig& into) const {
  std::string_view added;
  const std::string_view problem = url_problem(written, into, added);
  if (problem.empty()) return;
  Complaint{errors, line}.code(written).text(" cannot be used: ").text(added.empty() ? "" : "leave ").text(added).text(problem);
}

void Value::url_path(std::string_view& into) const {
  std::string_view problem;
  if (written.front() != '/') problem = "begin it with /, and leave https:// and the host out";
  if (!is_path(written)) problem = "it may hold letters, digits, %41 and /-._~!$&'()*+,;=:@ only";
  if (written.size() > kMaxSendPath) problem = "it is longer than 90 bytes";
  static_assert(kMaxSendPath == 90);
  if (problem.empty()) {
    into = written;
  } else {
    Complaint{errors, line}.code(key).text(" cannot be used: ").text(problem);
  }
}

void Value::proxy(StreamConfig& into) const {
  if (find(written, '@') != kNotFound) {  // not quoted: it may be a password
    Complaint{errors, line}.code(key).text(" has an @: leave user and password out, they belong into proxy_auth_file");
    return;
  }
  HostAndPort place{{}, 0};
  std::string_view problem = place_problem(written, "write HOST:PORT, as proxy.plant:3128", place);
  if (problem.empty() && place.port == 0) problem = "write its port too, as proxy.plant:3128";
  if (find(written, '/') != kNotFound) problem = "write HOST:PORT alone, without http:// and /";
  if (!problem.empty()) {
    Complaint{errors, line}.code(written).text(" cannot be used: ").text(problem);
    return;
  }
  into.proxy_host = place.host;
  into.proxy_port = place.port;
}

void Value::listen(HookConfig& into) const {
  HostAndPort place{{}, 0};
  constexpr std::string_view kForm = "write ADDRESS:PORT, as 192.0.2.7:8080";
  std::string_view problem = place_problem(written, kForm, place);
  if (problem.empty() && !parse_address(place.host, 0).ok())
    problem = place.port == 0 ? kForm : "write an address of this device, not a name";
  if (problem.empty() && place.port == 0) problem = "write its port too, as 192.0.2.7:8080";
  if (!problem.empty()) {
    Complaint{errors, line}.code(written).text(" cannot be listened at: ").text(problem);
    return;
  }
  into.host = place.host;
  into.port = place.port;
}

}  // namespace tocsin

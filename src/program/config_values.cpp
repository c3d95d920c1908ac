// SPDX-License-Identifier: MIT
#include "src/program/config_values.hpp"

#include "port/linux/gpio_lines.hpp"
#include "port/linux/pin.hpp"
#include "src/program/config_reader.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kLeastQueue = 64 * 1024;
constexpr std::uint32_t kMostQueue = 32 * 1024 * 1024;
static_assert(kMostQueue <= 2 * kMaxBlocks * kBlock);

bool is_letter(char c) { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }

bool is_name(std::string_view text) {
  for (const char c : text)
    if (!is_letter(c) && !is_digit(c) && find("._-", c) == kNotFound) return false;
  return !text.empty();
}

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

struct Place {
  std::string_view host;
  std::uint16_t port;
};

// What is wrong with this HOST or HOST:PORT, or empty and its parts in `into`.
std::string_view place_problem(std::string_view written, std::string_view no_host, Place& into) {
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

// What is wrong with this address, or empty and its parts in `into`.
std::string_view url_problem(std::string_view url, StreamConfig& into) {
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

  Place place{{}, 443};
  const std::string_view problem = place_problem(
      authority, "write https://HOST or https://HOST:PORT with the name of the service's host", place);
  if (!problem.empty()) return problem;
  while (ends_with(path, "/")) path.remove_suffix(1);
  if (ends_with(path, "/simple_send")) return "leave /simple_send/ out, it is added";
  for (const char c : path)
    if (c <= 0x20 || c >= 0x7F) return "its path may hold visible ASCII only";
  if (path.size() > kMaxUrlPath) return "its path is too long";
  into.host = place.host;
  into.port = place.port;
  into.path_prefix = path;
  return {};
}

}  // namespace

std::string_view name_problem(std::string_view name) {
  static_assert(kMaxName == 32);
  if (name.size() > kMaxName) return "a name has at most 32 characters";
  if (!is_name(name)) return "use letters, digits and . _ - only";
  for (const char c : name)
    if (is_letter(c)) return {};
  return "it needs a letter, or it could be taken for a number";
}

void Value::device_name(std::string_view& into) const {
  if (is_name(written) && written.size() <= kMaxDeviceName) {
    into = written;
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(written).text(" cannot be the name of a device: use 1 to ").number(kMaxDeviceName);
  complaint.text(" letters, digits and . _ - only");
}

void Value::path(std::size_t longest, std::string_view& into) const {
  if (written.front() != '/') {
    Complaint{errors, line}.code(key).text(" is not a whole path: begin it with /");
  } else if (written.size() > longest) {
    Complaint{errors, line}
        .code(key)
        .text(" is longer than ")
        .number(longest)
        .text(" bytes: use a shorter path");
  } else {
    into = written;
  }
}

void Value::queue_size(std::uint32_t& into) const {
  const char unit = to_lower(written.back());
  const std::uint64_t factor = unit == 'k' ? 1024 : 1024 * 1024;
  const auto number = parse_number(head(written, written.size() - 1), kMostQueue);
  if ((unit != 'k' && unit != 'm') || !number.ok()) {
    Complaint{errors, line}.code(written).text(" is no size: write a number and K or M, as 512K");
    return;
  }
  const std::uint64_t bytes = number.value() * factor;
  if (bytes < kLeastQueue || bytes > kMostQueue) {
    Complaint{errors, line}.code(key).text(" is ").text(written).text(": it may be from 64K to 32M");
    return;
  }
  constexpr std::uint32_t kStep = 2 * kBlock;  // two files of whole blocks
  into = static_cast<std::uint32_t>(bytes) / kStep * kStep;
}

void Value::stream_type(StreamType& into) const {
  if (written == "marketing") {
    into = StreamType::marketing;
    return;
  }
  if (written == "two-way") {
    into = StreamType::two_way;
    return;
  }
  Complaint complaint{errors, line};
  for (const std::string_view later : {"transactional", "otp", "whatsapp"})
    if (written == later) {
      complaint.text("the type ").code(written).text(" is not supported yet: use marketing or two-way");
      return;
    }
  complaint.text("unknown type ").code(written).text(": use marketing or two-way");
}

void Value::base_url(StreamConfig& into) const {
  const std::string_view problem = url_problem(written, into);
  if (!problem.empty()) Complaint{errors, line}.code(written).text(" cannot be used: ").text(problem);
}

void Value::proxy(StreamConfig& into) const {
  if (find(written, '@') != kNotFound) {  // not quoted: it may be a password
    Complaint{errors, line}.code(key).text(" has an @: leave user and password out, they belong into proxy_auth_file");
    return;
  }
  Place place{{}, 0};
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

void Value::sender(std::string_view& into) const {
  if (written.size() <= kMaxSender) {
    into = written;
    return;
  }
  Complaint{errors, line}
      .code(key)
      .text(" is longer than ")
      .number(kMaxSender)
      .text(" bytes: make it shorter");
}

void Value::pins(std::string_view& into) const {
  Pins pins;
  const Status parsed = parse_pins(written, pins);
  if (parsed.ok()) {
    into = written;
    return;
  }
  Complaint complaint{errors, line};
  if (parsed.code() == Code::full) {
    complaint.text("more than ").number(kMaxPins).text(" keys: leave out the oldest");
  } else {
    complaint.code(written).text(
        " is no pin: write the SHA-256 of the server's or its CA's public key in base64, 44 characters, with "
        "commas between several");
  }
}

void Value::duration(Millis least, Millis most, Millis& into, std::string_view or_word) const {
  const auto parsed = parse_duration(written);
  if (!parsed.ok()) {
    Complaint complaint{errors, line};
    complaint.code(written);
    const bool bare = parse_number(written).ok();
    complaint.text(bare ? " has no unit: write it as "
                        : " is no duration: write a number and its unit, 20ms, 3s, 10m or 1h");
    bool more = false;
    for (const std::string_view unit : {"ms", "s", "m", "h", "d"}) {
      char words[32];
      const std::string_view meant = TextWriter(words).text(written).text(unit).view();
      const auto meant_time = parse_duration(meant);
      if (!bare || !meant_time.ok() || meant_time.value() < least || meant_time.value() > most) continue;
      complaint.text(more ? " or " : "").text(meant);
      more = true;
    }
    if (bare && !more) complaint.text(written).text("s, say");
    return;
  }
  if (parsed.value() < least || parsed.value() > most) {
    Complaint complaint{errors, line};
    complaint.code(key).text(" is ").text(written).text(": it may be from ");
    write_duration(least, complaint.words());
    complaint.text(" to ");
    write_duration(most, complaint.words());
    if (!or_word.empty()) complaint.text(", or ").text(or_word);
    return;
  }
  into = parsed.value();
}

void Value::duration_or(std::string_view word, Millis least, Millis most, Millis& into) const {
  if (written != word) return duration(least, most, into, word);
  into = milliseconds(0);
}

void Value::limit(std::uint16_t& into) const {
  constexpr std::uint64_t kMost = 10'000;
  const auto parsed = parse_number(written, kMost);
  if (written == "none" || (parsed.ok() && parsed.value() > 0)) {
    into = parsed.ok() ? static_cast<std::uint16_t>(parsed.value()) : std::uint16_t{0};
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(key).text(" is ").text(written).text(": write how many messages, from 1 to ").number(kMost);
  complaint.text(", or none for no limit");
}

void Value::on_unknown(OnUnknown& into) const {
  if (const auto parsed = parse_on_unknown(written); parsed.ok()) {
    into = parsed.value();
    return;
  }
  Complaint{errors, line}.code(key).text(" is ").text(written).text(
      ": write resend, or hold to send once at most");
}

void Value::phone(Phone& into) const {
  const auto parsed = parse_phone(written);
  if (parsed.ok()) {
    into = parsed.value();
    return;
  }
  Complaint{errors, line}.code(written).text(" is not a phone number: ").text(phone_problem(written));
}

void Value::gpio(std::string_view& into) const {
  if (parse_gpio_spec(written).ok()) {
    into = written;
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(written).text(" is no line: write gpiochip0:17 or the name of a line (up to ");
  complaint.number(kMaxLineName).text(" characters)");
}

void Value::level(Level& into) const {
  if (written == "high" || written == "low") {
    into = written == "high" ? Level::high : Level::low;
    return;
  }
  Complaint{errors, line}.code(written).text(" is no level: write high or low");
}

void Value::message_class(Class& into) const {
  if (const auto parsed = parse_class(written); parsed.ok()) {
    into = parsed.value();
    return;
  }
  Complaint{errors, line}.text("there is no class ").code(written).text(": use critical, warning or info");
}

}  // namespace tocsin

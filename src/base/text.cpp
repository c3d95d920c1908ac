// SPDX-License-Identifier: MIT
#include "tocsin/base/text.hpp"

namespace tocsin {

bool same_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t at = 0; at < a.size(); ++at)
    if (to_lower(a[at]) != to_lower(b[at])) return false;
  return true;
}

std::size_t find_part(std::string_view text, std::string_view part, std::size_t from) {
  for (; from + part.size() <= text.size(); ++from)
    if (starts_with(tail(text, from), part)) return from;
  return kNotFound;
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view take_until(std::string_view& rest, char c) {
  const std::size_t at = find(rest, c);
  const std::string_view part = head(rest, at == kNotFound ? rest.size() : at);
  rest = at == kNotFound ? std::string_view{} : tail(rest, at + 1);
  return part;
}

Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) {
  if (text.empty()) return Code::bad_value;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return Code::bad_value;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (digit > most || value > (most - digit) / 10) return Code::bad_value;
    value = value * 10 + digit;
  }
  return value;
}

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  // RFC 3629 section 4: the second byte's range depends on the first; that alone keeps overlong
  // forms, surrogates and values above U+10FFFF out.
  std::size_t length = 0;
  unsigned low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  if (length == 0 || text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (std::size_t at = 2; at < length; ++at)
    if ((byte(at) & 0xC0U) != 0x80U) return 0;
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    // Most of it is ASCII.
    std::uint64_t eight = 0x80;
    if (text.size() >= sizeof eight) std::memcpy(&eight, text.data(), sizeof eight);
    if ((eight & 0x8080'8080'8080'8080U) == 0) {
      text.remove_prefix(sizeof eight);
      continue;
    }
    const std::size_t n = utf8_length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

TextWriter::TextWriter(Span<char> into) : into_(into), size_(0), cut_(false) {}

TextWriter& TextWriter::text(std::string_view text) {
  if (cut_) return *this;  // a later, shorter piece would leave a hole in the middle
  std::size_t n = into_.size() - size_;
  if (text.size() <= n) {
    n = text.size();
  } else {
    cut_ = true;
    while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xC0U) == 0x80U) --n;  // not inside a character
  }
  if (n > 0) std::memcpy(into_.data() + size_, text.data(), n);
  size_ += n;
  return *this;
}

TextWriter& TextWriter::text(const char* literal) { return text(std::string_view{literal}); }

TextWriter& TextWriter::number(std::uint64_t value) { return number(value, 1); }

TextWriter& TextWriter::number(std::uint64_t value, unsigned min_digits) {
  char digits[20];
  std::size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (sizeof digits - at < min_digits && at > 0) digits[--at] = '0';
  return text({digits + at, sizeof digits - at});
}

TextWriter& TextWriter::signed_number(std::int64_t value) {
  if (value >= 0) return number(static_cast<std::uint64_t>(value));
  character('-');
  return number(~static_cast<std::uint64_t>(value) + 1);
}

TextWriter& TextWriter::hex(std::uint64_t value, unsigned min_digits) {
  char digits[16];
  std::size_t at = sizeof digits;
  do {
    digits[--at] = "0123456789abcdef"[value & 15];
    value >>= 4;
  } while (value != 0);
  while (sizeof digits - at < min_digits && at > 0) digits[--at] = '0';
  return text({digits + at, sizeof digits - at});
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Text without an allocator: parts of a string_view that cannot throw, fixed storage, and a writer
// that formats into a caller's buffer.
//
// std::string_view::substr, at and copy are not used: they pull the C++ library's exceptions in.
// Memory: what the caller brings. Threads: none.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"

namespace tocsin {

inline constexpr std::size_t kNotFound = static_cast<std::size_t>(-1);

constexpr std::string_view head(std::string_view text, std::size_t n) {
  return {text.data(), n < text.size() ? n : text.size()};
}
constexpr std::string_view tail(std::string_view text, std::size_t from) {
  return from < text.size() ? std::string_view{text.data() + from, text.size() - from} : std::string_view{};
}
constexpr bool starts_with(std::string_view text, std::string_view with) {
  return text.size() >= with.size() && head(text, with.size()) == with;
}
constexpr bool ends_with(std::string_view text, std::string_view with) {
  return text.size() >= with.size() && tail(text, text.size() - with.size()) == with;
}
// Index of the first `c` at or after `from`, or kNotFound.
constexpr std::size_t find(std::string_view text, char c, std::size_t from = 0) {
  for (std::size_t at = from; at < text.size(); ++at)
    if (text[at] == c) return at;
  return kNotFound;
}
// The same of a part of a text; an empty one is at `from`.
std::size_t find_part(std::string_view text, std::string_view part, std::size_t from = 0);
// As the C++ library's; the literal is measured there and not at each place that compares with one.
constexpr bool operator==(std::string_view text, const char* literal) { return text == std::string_view{literal}; }
constexpr bool operator!=(std::string_view text, const char* literal) { return !(text == literal); }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
// ASCII only: header names and configuration words.
bool same_ignoring_case(std::string_view a, std::string_view b);
// Without spaces, tabs, CR and LF at both ends.
std::string_view trim(std::string_view text);
// Takes the part before the first `c` off `rest` and returns it; all of it when there is no `c`.
std::string_view take_until(std::string_view& rest, char c);
// A decimal number without sign, spaces or leading "+". Errors: bad_value (not digits, or above `most`).
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t most = UINT64_MAX);

// Strict UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF.
// Length in bytes (1 to 4) of the character at the front of `text`, or 0 when it is not one.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);

// Up to N bytes of text in place. Assignment that does not fit is an error and changes nothing.
template <std::size_t N>
class FixedText {
  static_assert(N <= 65535);

 public:
  FixedText() = default;
  std::string_view view() const { return {chars_, size_}; }
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  static constexpr std::size_t capacity() { return N; }
  void clear() { size_ = 0; }
  // Errors: too_big.
  Status assign(std::string_view text) {
    if (text.size() > N) return Code::too_big;
    if (!text.empty()) std::memmove(chars_, text.data(), text.size());
    size_ = static_cast<std::uint16_t>(text.size());
    return {};
  }
  // Takes as much as fits, cut at a character boundary. For what is only shown.
  void assign_cut(std::string_view text) {
    std::size_t n = text.size() < N ? text.size() : N;
    while (n > 0 && n < text.size() && (static_cast<unsigned char>(text[n]) & 0xC0U) == 0x80U) --n;
    assign(head(text, n)).ignore();  // fits: n <= N
  }

 private:
  std::uint16_t size_ = 0;
  char chars_[N > 0 ? N : 1] = {};
};

// Formats into a caller's buffer. What does not fit is cut off and remembered: cut() tells.
class TextWriter {
 public:
  // Both are called, not copied to each of the hundreds of places: 8 KB of program.
  [[gnu::noinline]] explicit TextWriter(Span<char> into);

  TextWriter& text(std::string_view text);
  TextWriter& text(const char* literal);  // measured when it is written: half the code where it is called
  TextWriter& character(char c) { return text({&c, 1}); }
  [[gnu::noinline]] TextWriter& number(std::uint64_t value);
  TextWriter& number(std::uint64_t value, unsigned min_digits);
  TextWriter& signed_number(std::int64_t value);
  TextWriter& hex(std::uint64_t value, unsigned min_digits = 1);

  std::string_view view() const { return {into_.data(), size_}; }
  std::size_t size() const { return size_; }
  bool cut() const { return cut_; }
  void clear() { size_ = 0, cut_ = false; }

 private:
  Span<char> into_;
  std::size_t size_;
  bool cut_;
};

}  // namespace tocsin

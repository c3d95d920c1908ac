// SPDX-License-Identifier: MIT
// What a byte of HTTP may be part of (RFC 9110 5), and the parts of a head passed over many bytes at a time.
// Private to src/wire.
//
// Nothing here reads beyond the Window that it is given. Memory: a table of 256 bytes. Threads: any.
#pragma once

#include <cstring>
#include <string_view>
#include <type_traits>

#include "tocsin/base/bytes.hpp"

namespace tocsin {

inline constexpr std::uint8_t kToken = 1;  // tchar, RFC 9110 5.6.2
inline constexpr std::uint8_t kText = 2;   // field-vchar, space, tab, obs-text: RFC 9110 5.5

struct Classes {
  std::uint8_t of[256];
};

constexpr Classes make_classes() {
  Classes classes{};
  for (unsigned c = 0x20; c < 256; ++c)
    if (c != 0x7F) classes.of[c] = kText;
  classes.of[unsigned{'\t'}] = kText;
  for (unsigned c = '0'; c <= '9'; ++c) classes.of[c] |= kToken;
  for (unsigned c = 'a'; c <= 'z'; ++c) classes.of[c] |= kToken, classes.of[c - 'a' + 'A'] |= kToken;
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
    classes.of[static_cast<unsigned>(c)] |= kToken;
  return classes;
}

inline constexpr Classes kClasses = make_classes();

constexpr bool is_token(std::uint8_t c) { return (kClasses.of[c] & kToken) != 0; }
constexpr bool is_text(std::uint8_t c) { return (kClasses.of[c] & kText) != 0; }
constexpr bool is_blank(std::uint8_t c) { return c <= ' ' && (c == ' ' || c == '\t'); }

using Word = std::size_t;
constexpr Word every(unsigned byte) { return ~Word{0} / 255 * byte; }

template <typename T>
inline T load(const void* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// Bytes [p, end); where p < wide, a whole word of them can be read.
struct Window {
  Window(const std::uint8_t* begin, const std::uint8_t* its_end)
      : end(its_end),
        wide(its_end - begin < static_cast<std::ptrdiff_t>(sizeof(Word)) ? begin
                                                                         : its_end - (sizeof(Word) - 1)) {}
  const std::uint8_t* end;
  const std::uint8_t* wide;
};

// The first byte that is not part of a name, or the end. Four at a time: names are much of a head.
inline const std::uint8_t* skip_token(const std::uint8_t* p, const Window& window) {
  static_assert(sizeof(Word) >= 4);
  for (; p < window.wide; p += 4) {
    if (!is_token(p[0])) return p;
    if (!is_token(p[1])) return p + 1;
    if (!is_token(p[2])) return p + 2;
    if (!is_token(p[3])) return p + 3;
  }
  while (p != window.end && is_token(*p)) ++p;
  return p;
}

// The first byte that is not text, or the end.
inline const std::uint8_t* skip_text(const std::uint8_t* p, const Window& window) {
  while (p < window.wide) {
    const Word w = load<Word>(p);
    // Bit 7 of a byte below 0x20 or of 0x7F. Borrows and carries between bytes may show one too many,
    // never one too few, below the first true one; so what was found is looked up.
    const Word found = ((w - every(0x20)) | (w + every(1))) & ~w & every(0x80);
    if (found == 0) {
      p += sizeof(Word);
      continue;
    }
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    p += static_cast<unsigned>(__builtin_ctzll(found)) / 8;
    if (!is_text(*p)) return p;
    ++p;  // a tab
#else
    break;
#endif
  }
  while (p != window.end && is_text(*p)) ++p;
  return p;
}

// Whether CR LF stands here.
inline bool is_line_end(const std::uint8_t* p, const Window& window) {
  if (p < window.wide) return load<std::uint16_t>(p) == load<std::uint16_t>("\r\n");
  return window.end - p >= 2 && p[0] == '\r' && p[1] == '\n';
}

inline std::string_view text_of(const std::uint8_t* from, const std::uint8_t* to) {
  return {reinterpret_cast<const char*>(from), static_cast<std::size_t>(to - from)};
}

// Whether `name` is `lower`, in whatever case. It is made of token characters; for these, `| 0x20` joins
// nothing but the two cases of a letter.
template <std::size_t N>
inline bool is_named(std::string_view name, const char (&lower)[N]) {
  constexpr std::size_t n = N - 1;
  using Part = std::conditional_t<n >= sizeof(Word), Word, std::uint32_t>;
  static_assert(n >= sizeof(Part), "shorter names need a narrower Part");
  constexpr Part kCase = static_cast<Part>(every(0x20));
  if (name.size() != n) return false;
  Part differs = 0;
  for (std::size_t at = 0; at < n; at += sizeof(Part)) {
    const std::size_t here = at + sizeof(Part) <= n ? at : n - sizeof(Part);
    differs |= (load<Part>(name.data() + here) | kCase) ^ load<Part>(lower + here);
  }
  return differs == 0;
}

// Whether all of it is ASCII from `lowest`, which is none of the control characters, to '~'.
bool all_printable(std::string_view text, unsigned lowest);  // http_request.cpp

// Without blanks at both ends; trim() of base/text.hpp would take CR and LF too.
inline std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(static_cast<std::uint8_t>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && is_blank(static_cast<std::uint8_t>(text.back()))) text.remove_suffix(1);
  return text;
}

// Of a hexadecimal digit; -1: it is none.
inline int hex_value(std::uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace tocsin

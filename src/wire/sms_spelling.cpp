// SPDX-License-Identifier: MIT
// How people write what the GSM alphabet does not have.
#include "tocsin/wire/sms_text.hpp"

namespace tocsin {
namespace {

// In the order of the code points.
struct Spelling {
  char16_t code;
  char text[4];
};
constexpr Spelling kSpellings[] = {
    {0x09, " "},      {0x60, "'"},      {0xA0, " "},    {0xA2, "c"},       {0xA6, "|"},    {0xA9, "(C)"},
    {0xAA, "a"},      {0xAB, "\""},     {0xAD, ""},     {0xAE, "(R)"},     {0xB0, ""},     {0xB1, "+/-"},
    {0xB2, "2"},      {0xB3, "3"},      {0xB4, "'"},    {0xB5, "u"},       {0xB7, "."},    {0xB9, "1"},
    {0xBA, "o"},      {0xBB, "\""},     {0xBC, "1/4"},  {0xBD, "1/2"},     {0xBE, "3/4"},  {0xDE, "Th"},
    {0xFE, "th"},     {0x132, "IJ"},    {0x133, "ij"},  {0x152, "OE"},     {0x153, "oe"},  {0x218, "S"},
    {0x219, "s"},     {0x21A, "T"},     {0x21B, "t"},   {0x3BC, "u"},      {0x1E9E, "SS"}, {0x2010, "-"},
    {0x2011, "-"},    {0x2012, "-"},    {0x2013, "-"},  {0x2014, "-"},     {0x2015, "-"},  {0x2018, "'"},
    {0x2019, "'"},    {0x201A, "'"},    {0x201C, "\""}, {0x201D, "\""},    {0x201E, "\""}, {0x2022, "*"},
    {0x2026, "..."},  {0x2028, "\n"},   {0x2029, "\n"}, {0x202F, " "},     {0x2032, "'"},  {0x2033, "\""},
    {0x2039, "'"},    {0x203A, "'"},    {0x2044, "/"},  {0x2060, ""},      {0x2103, "C"},  {0x2109, "F"},
    {0x2116, "No"},   {0x2122, "TM"},   {0x2126, "\u03A9"}, {0x2190, "<-"}, {0x2192, "->"}, {0x2206, "\u0394"},
    {0x2212, "-"},    {0x2215, "/"},    {0x2248, "~"},  {0x2260, "!="},    {0x2264, "<="}, {0x2265, ">="},
    {0xFEFF, ""},
};

// U+00C0 to U+017F without their marks. "?": it is in the alphabet, or in the table above.
constexpr char32_t kFirstLatin = 0xC0;
constexpr std::string_view kLatin =
    "AAAA????EEEEIIII" "D?OOOO?x?UUU?Y??" "?aaa???c??ee?iii" "d??ooo?/??uu?y?y"
    "AaAaAaCcCcCcCcDd" "DdEeEeEeEeEeGgGg" "GgGgHhHhIiIiIiIi" "Ii??JjKkkLlLlLlL"
    "lLlNnNnNnnNnOoOo" "Oo??RrRrRrSsSsSs" "SsTtTtTtUuUuUuUu" "UuUuWwYyYZzZzZzs";
static_assert(kLatin.size() == 0x180 - kFirstLatin);

// A letter and the accent behind it (its last byte, of U+03xx) that are one letter of the alphabet.
struct Composed {
  char letter;
  std::uint8_t accent;
  std::uint8_t code;
};
constexpr Composed kComposed[] = {
    {'A', 0x08, 0xC4}, {'A', 0x0A, 0xC5}, {'C', 0x27, 0xC7}, {'E', 0x01, 0xC9}, {'N', 0x03, 0xD1}, {'O', 0x08, 0xD6},
    {'U', 0x08, 0xDC}, {'a', 0x00, 0xE0}, {'a', 0x08, 0xE4}, {'a', 0x0A, 0xE5}, {'e', 0x00, 0xE8}, {'e', 0x01, 0xE9},
    {'i', 0x00, 0xEC}, {'n', 0x03, 0xF1}, {'o', 0x00, 0xF2}, {'o', 0x08, 0xF6}, {'u', 0x00, 0xF9}, {'u', 0x08, 0xFC},
};

bool is_accent(char32_t c) { return c >= 0x300 && c <= 0x36F; }

// 0: they are none.
std::uint8_t composed(char32_t letter, char32_t accent) {
  for (const Composed& one : kComposed)
    if (static_cast<char32_t>(one.letter) == letter && 0x300U + one.accent == accent) return one.code;
  return 0;
}

void write_spelling(char32_t c, std::string_view as_it_is, TextWriter& into) {
  for (const Spelling& one : kSpellings)
    if (one.code == c) {
      const std::string_view text{one.text, sizeof one.text};
      into.text(head(text, find(text, '\0')));
      return;
    }
  const char32_t latin = c - kFirstLatin;  // wraps below it
  if (latin < kLatin.size() && kLatin[latin] != '?') {
    into.character(kLatin[latin]);
  } else if (c >= 0x2000 && c <= 0x200A) {  // blanks of other widths
    into.character(' ');
  } else if (!is_accent(c) && (c < 0x200B || c > 0x200F) && (c < 0xFE00 || c > 0xFE0F)) {
    into.text(as_it_is);
  }
}

}  // namespace

void write_in_gsm(std::string_view text, TextWriter& into) {
  while (!text.empty()) {
    const SmsCharacter one = first_character(text);
    const std::string_view as_it_is = head(text, one.size);
    text.remove_prefix(one.size);
    if (gsm_septets(one.code) == 0) {
      write_spelling(one.code, as_it_is, into);
      continue;
    }
    const SmsCharacter next = text.empty() ? SmsCharacter{0, 0} : first_character(text);
    const std::uint8_t code = is_accent(next.code) ? composed(one.code, next.code) : std::uint8_t{0};
    if (code == 0) {
      into.text(as_it_is);
      continue;
    }
    const char letter[] = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    into.text({letter, sizeof letter});
    text.remove_prefix(next.size);
  }
}

}  // namespace tocsin

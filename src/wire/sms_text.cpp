// SPDX-License-Identifier: MIT
#include "tocsin/wire/sms_text.hpp"

#include "tocsin/base/assert.hpp"

namespace tocsin {
namespace {

// What the alphabet has beyond ASCII, in the order of the code points: one septet each, but for the euro.
constexpr char16_t kBeyondAscii[] = {
    0xA1,  0xA3,  0xA4,  0xA5,  0xA7,  0xBF,  0xC4,  0xC5,  0xC6,  0xC7,  0xC9,  0xD1,  0xD6,
    0xD8,  0xDC,  0xDF,  0xE0,  0xE4,  0xE5,  0xE6,  0xE8,  0xE9,  0xEC,  0xF1,  0xF2,  0xF6,
    0xF8,  0xF9,  0xFC,  0x393, 0x394, 0x398, 0x39B, 0x39E, 0x3A0, 0x3A3, 0x3A6, 0x3A8, 0x3A9,
};
constexpr char32_t kEuro = 0x20AC;
constexpr char32_t kNoCharacter = 0xFFFD;

struct Character {
  char32_t code;
  std::size_t size;  // bytes
};

// The first of a text that is not empty.
Character first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = utf8_length(text);
  if (size == 0) return {kNoCharacter, 1};
  char32_t code = lead & (0x7FU >> size);
  for (std::size_t at = 1; at < size; ++at) code = code << 6 | (static_cast<unsigned char>(text[at]) & 0x3FU);
  return {code, size};
}

constexpr std::uint32_t units_of(char32_t c) { return c > 0xFFFF ? 2 : 1; }

// Characters put into segments one behind the other. As long as all fit one segment, there is no header.
class Filling {
 public:
  Filling(Alphabet alphabet, Reference reference)
      : alone_(alphabet == Alphabet::gsm ? 160U : 70U),
        each_((alphabet == Alphabet::gsm ? 153U : 67U) - (reference == Reference::bits16 ? 1U : 0U)) {}

  void add(std::uint32_t units) {
    units_ += units;
    if (used_ + units > each_) {
      ++full_;
      used_ = 0;
    }
    used_ += units;
  }
  std::uint32_t units() const { return units_; }
  std::uint32_t segments() const { return units_ <= alone_ ? 1 : full_ + 1; }
  std::uint32_t left() const { return units_ <= alone_ ? alone_ - units_ : each_ - used_; }

 private:
  std::uint32_t alone_;
  std::uint32_t each_;
  std::uint32_t units_ = 0;
  std::uint32_t full_ = 0;
  std::uint32_t used_ = 0;  // of the segment behind the full ones
};

// A text both ways at once, as long as the GSM alphabet has all of it.
class Measure {
 public:
  explicit Measure(Reference reference) : gsm_(Alphabet::gsm, reference), ucs2_(Alphabet::ucs2, reference) {}

  void add(char32_t c) {
    const unsigned septets = gsm_septets(c);
    if (septets == 0) alphabet_ = Alphabet::ucs2;
    gsm_.add(septets);
    ucs2_.add(units_of(c));
  }
  void add(std::string_view text) {
    while (!text.empty()) {
      const Character first = first_of(text);
      add(first.code);
      text.remove_prefix(first.size);
    }
  }
  Alphabet alphabet() const { return alphabet_; }
  const Filling& filling() const { return alphabet_ == Alphabet::gsm ? gsm_ : ucs2_; }

 private:
  Alphabet alphabet_ = Alphabet::gsm;
  Filling gsm_;
  Filling ucs2_;
};

// How people write what is not in the alphabet. In the order of the code points.
struct Spelling {
  char16_t code;
  char text[4];
};
constexpr Spelling kSpellings[] = {
    {0x09, " "},     {0x60, "'"},     {0xA0, " "},     {0xA2, "c"},     {0xA6, "|"},     {0xA9, "(C)"},
    {0xAB, "\""},    {0xAD, ""},      {0xAE, "(R)"},   {0xB0, ""},      {0xB1, "+/-"},   {0xB2, "2"},
    {0xB3, "3"},     {0xB4, "'"},     {0xB5, "u"},     {0xB7, "."},     {0xB9, "1"},     {0xBB, "\""},
    {0x218, "S"},    {0x219, "s"},    {0x21A, "T"},    {0x21B, "t"},    {0x3BC, "u"},    {0x1E9E, "SS"},
    {0x2009, " "},   {0x200B, ""},    {0x2010, "-"},   {0x2011, "-"},   {0x2012, "-"},   {0x2013, "-"},
    {0x2014, "-"},   {0x2015, "-"},   {0x2018, "'"},   {0x2019, "'"},   {0x201A, "'"},   {0x201C, "\""},
    {0x201D, "\""},  {0x201E, "\""},  {0x2022, "*"},   {0x2026, "..."}, {0x202F, " "},   {0x2032, "'"},
    {0x2033, "\""},  {0x2122, "TM"},  {0x2126, "\u03A9"}, {0x2190, "<-"},  {0x2192, "->"},  {0x2206, "\u0394"},
    {0x2212, "-"},   {0x2248, "~"},   {0x2260, "!="},  {0x2264, "<="},  {0x2265, ">="},  {0xFEFF, ""},
};

// U+00C0 to U+017F without their marks. Lower-case "?": it is in the alphabet, or stands in kDoubles.
constexpr char32_t kFirstLatin = 0xC0;
constexpr std::string_view kLatin =
    "AAAA????EEEEIIII" "D?OOOO?x?UUU?Y??" "?aaa???c??ee?iii" "d??ooo?/??uu?y?y"
    "AaAaAaCcCcCcCcDd" "DdEeEeEeEeEeGgGg" "GgGgHhHhIiIiIiIi" "Ii??JjKkkLlLlLlL"
    "lLlNnNnNnnNnOoOo" "Oo??RrRrRrSsSsSs" "SsTtTtTtUuUuUuUu" "UuUuWwYyYZzZzZzs";
static_assert(kLatin.size() == 0x180 - kFirstLatin);
constexpr Spelling kDoubles[] = {
    {0xDE, "Th"}, {0xFE, "th"}, {0x132, "IJ"}, {0x133, "ij"}, {0x152, "OE"}, {0x153, "oe"},
};

template <typename Table>
const Spelling* find_in(const Table& table, char32_t c) {
  for (const Spelling& one : table)
    if (one.code == c) return &one;
  return nullptr;
}

}  // namespace

unsigned gsm_septets(char32_t c) {
  if (c < 0x80) {
    switch (c) {
      case '\f': case '^': case '{': case '}': case '\\': case '[': case '~': case ']': case '|': return 2;
      case '`': case 0x7F: return 0;
      default: return c >= 0x20 || c == '\n' || c == '\r' ? 1 : 0;
    }
  }
  for (const char16_t one : kBeyondAscii)
    if (one == c) return 1;
  return c == kEuro ? 2 : 0;
}

std::size_t find_not_gsm(std::string_view text, std::size_t from) {
  while (from < text.size()) {
    const Character one = first_of(tail(text, from));
    if (gsm_septets(one.code) == 0) return from;
    from += one.size;
  }
  return kNotFound;
}

SmsLength measure_sms(std::string_view text, Reference reference) {
  Measure measure(reference);
  SmsLength length;
  while (!text.empty()) {
    const Character first = first_of(text);
    measure.add(first.code);
    ++length.characters;
    text.remove_prefix(first.size);
  }
  length.alphabet = measure.alphabet();
  length.units = measure.filling().units();
  length.segments = measure.filling().segments();
  length.left = measure.filling().left();
  return length;
}

std::size_t fit_sms(std::string_view text, std::string_view ending, std::uint32_t segments, Reference reference) {
  TOCSIN_ASSERT(segments > 0);
  Measure measure(reference);
  std::size_t fits = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character one = first_of(tail(text, at));
    measure.add(one.code);
    at += one.size;
    Measure with_ending = measure;
    with_ending.add(ending);
    if (with_ending.filling().segments() <= segments) fits = at;
  }
  return measure.filling().segments() <= segments ? text.size() : fits;
}

void write_in_gsm(std::string_view text, TextWriter& into) {
  while (!text.empty()) {
    const Character one = first_of(text);
    const std::string_view as_it_is = head(text, one.size);
    text.remove_prefix(one.size);
    if (gsm_septets(one.code) != 0) {
      into.text(as_it_is);
      continue;
    }
    const char32_t latin = one.code - kFirstLatin;  // wraps below it
    const Spelling* spelling = find_in(kSpellings, one.code);
    if (spelling == nullptr) spelling = find_in(kDoubles, one.code);
    if (spelling != nullptr) {
      into.text(head({spelling->text, sizeof spelling->text}, find({spelling->text, sizeof spelling->text}, '\0')));
    } else if (latin < kLatin.size() && kLatin[latin] != '?') {
      into.character(kLatin[latin]);
    } else if (one.code < 0x300 || one.code > 0x36F) {  // combining marks
      into.text(as_it_is);
    }
  }
}

}  // namespace tocsin

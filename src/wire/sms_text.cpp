// SPDX-License-Identifier: MIT
// Alphabet, length and cut. How characters are spelled in the alphabet: sms_spelling.cpp.
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
constexpr char32_t kJoiner = 0x200D;

constexpr std::string_view kCutMark = "... (repeat)";  // of a first copy: its first three
constexpr std::string_view kRepeatMark = " (repeat)";
static_assert(kMaxSentText >= kMaxText + kCutMark.size());

// A text of so few bytes for each segment fits whatever it is written in, and whatever a segment leaves free at its
// end.
constexpr std::size_t kSurelyFits = 65;
static_assert(kSurelyFits < units_of_several(Alphabet::ucs2, Reference::bits16) &&
              2 * kSurelyFits < units_of_several(Alphabet::gsm, Reference::bits16));

constexpr std::uint32_t units_of(char32_t c) { return c > 0xFFFF ? 2 : 1; }

// Characters put into segments one behind the other. As long as all fit one segment, there is no header.
class Filling {
 public:
  Filling(Alphabet alphabet, Reference reference)
      : alone_(units_alone(alphabet)), each_(units_of_several(alphabet, reference)) {}

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

// A text both ways at once, as nobody knows yet whether the GSM alphabet has all of it.
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
      const SmsCharacter first = first_character(text);
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

// Belongs to the character before it: an accent, a variant, a tone of skin, what joins two emoji.
bool continues(char32_t c) {
  return (c >= 0x300 && c <= 0x36F) || (c >= 0x20D0 && c <= 0x20FF) || c == kJoiner || (c >= 0xFE00 && c <= 0xFE0F) ||
         (c >= 0x1F3FB && c <= 0x1F3FF);
}

}  // namespace

SmsCharacter first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = utf8_length(text);
  if (size == 0) return {kNoCharacter, 1};
  char32_t code = lead & (0x7FU >> size);
  for (std::size_t at = 1; at < size; ++at) code = code << 6 | (static_cast<unsigned char>(text[at]) & 0x3FU);
  return {code, size};
}

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
    const SmsCharacter one = first_character(tail(text, from));
    if (gsm_septets(one.code) == 0) return from;
    from += one.size;
  }
  return kNotFound;
}

SmsLength measure_sms(std::string_view text, Reference reference) {
  Measure measure(reference);
  SmsLength length;
  while (!text.empty()) {
    const SmsCharacter first = first_character(text);
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

std::uint32_t sms_segments(std::string_view text, Reference reference) {
  return text.size() <= kSurelyFits ? 1 : measure_sms(text, reference).segments;
}

std::size_t fit_sms(std::string_view text, std::string_view ending, std::uint32_t segments, Reference reference) {
  TOCSIN_ASSERT(segments > 0);
  Measure measure(reference);
  std::size_t longest = 0;  // that fits
  std::size_t whole = 0;    // and parts nothing that belongs together
  char32_t before = 0;
  for (std::size_t at = 0; at < text.size();) {
    const SmsCharacter one = first_character(tail(text, at));
    Measure with_ending = measure;
    with_ending.add(ending);
    if (with_ending.filling().segments() <= segments) {
      longest = at;
      if (!continues(one.code) && before != kJoiner) whole = at;
    }
    measure.add(one.code);
    before = one.code;
    at += one.size;
  }
  if (measure.filling().segments() <= segments) return text.size();
  return longest - whole <= kLongestSequence ? whole : longest;
}

SentText as_sent(std::string_view text, const SmsRules& rules, Copy copy, Span<char> memory) {
  TOCSIN_ASSERT(memory.size() >= kMaxSentText);
  SentText sent{text};
  if (rules.transliterate && find_not_gsm(text) != kNotFound) {
    TextWriter in_gsm(memory.first(kMaxText));
    write_in_gsm(text, in_gsm);
    sent.transliterated = !in_gsm.cut() && in_gsm.size() > 0 && find_not_gsm(in_gsm.view()) == kNotFound;
    if (sent.transliterated) sent.text = in_gsm.view();
  }
  std::string_view ending;
  std::size_t keeps = sent.text.size();
  if (rules.max_segments > 0 && keeps > kSurelyFits * rules.max_segments) {
    const std::string_view mark = head(kCutMark, copy == Copy::repeat ? kCutMark.size() : 3);
    keeps = fit_sms(sent.text, mark, rules.max_segments, rules.reference);
    sent.shortened = keeps < sent.text.size();
    if (sent.shortened) ending = mark;
  }
  if (!sent.shortened && copy == Copy::repeat && keeps + kRepeatMark.size() <= kMaxText &&
      measure_sms(sent.text, rules.reference).left >= kRepeatMark.size())
    ending = kRepeatMark;
  if (ending.empty()) return sent;
  if (!sent.transliterated) std::memcpy(memory.data(), text.data(), keeps);
  std::memcpy(memory.data() + keeps, ending.data(), ending.size());
  sent.text = {memory.data(), keeps + ending.size()};
  return sent;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// How a text travels as SMS: alphabet, length, segments; where to cut it, and how to spell it in the GSM alphabet.
//
// The service chooses the encoding by itself: what is counted here is what it comes to by the standards.
//   3GPP TS 23.038 6.2.1 and 6.2.1.1: the GSM 7 bit default alphabet, and its extension, two septets a character
//   3GPP TS 23.038 6.2.3: UCS2; in practice UTF-16, where a character beyond U+FFFF takes two units
//   3GPP TS 23.040 9.2.3.24.1 and .8: the header of each of several segments
// Segments are filled, not divided: an escape and its character, or the halves of a surrogate pair, are never parted.
//
// Texts are UTF-8. A byte that is not counts as one character that only UCS2 has.
// Memory: none beside what the caller brings. Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {

struct SmsCharacter {
  char32_t code;     // U+FFFD for a byte that is no UTF-8
  std::size_t size;  // bytes
};
// The one at the front of a text that is not empty.
SmsCharacter first_character(std::string_view text);

enum class Alphabet : std::uint8_t { gsm, ucs2 };
// Of the segments of one message: 8 bits in a header of 6 bytes, or 16 in one of 7.
enum class Reference : std::uint8_t { bits8, bits16 };

// Units that a segment holds: alone, or as one of several (GSM: 153 or 152 septets, UCS2: 67 or 66 units).
constexpr std::uint32_t units_alone(Alphabet alphabet) { return alphabet == Alphabet::gsm ? 160 : 70; }
constexpr std::uint32_t units_of_several(Alphabet alphabet, Reference reference) {
  return (alphabet == Alphabet::gsm ? 153U : 67U) - (reference == Reference::bits16 ? 1U : 0U);
}

// Septets that a character takes in the GSM alphabet: 1, or 2 by an escape; 0: it is not in it.
unsigned gsm_septets(char32_t c);
// Index of the first character at or after `from` that only UCS2 has, or kNotFound.
std::size_t find_not_gsm(std::string_view text, std::size_t from = 0);

struct SmsLength {
  Alphabet alphabet = Alphabet::gsm;
  std::uint32_t characters = 0;
  std::uint32_t units = 0;     // septets, or units of UCS2
  std::uint32_t segments = 0;  // an empty text takes one
  std::uint32_t left = 0;      // units that still fit into the last segment, or into the only one
};
SmsLength measure_sms(std::string_view text, Reference reference = Reference::bits8);

// The segments alone, without looking at a short text.
std::uint32_t sms_segments(std::string_view text, Reference reference);

// Bytes of the longest part of the front of `text` that takes at most `segments` (1 or more) with `ending` behind it;
// text.size() when the text needs no cut. A letter and its accents, or an emoji of several characters, stay together
// as long as that gives up no more than kLongestSequence bytes.
inline constexpr std::size_t kLongestSequence = 48;
std::size_t fit_sms(std::string_view text, std::string_view ending, std::uint32_t segments,
                    Reference reference = Reference::bits8);

// The text with what only UCS2 has spelled as people do without it: "35 °C ±2" -> "35 C +/-2", "Łódź" -> "Lodz".
// A letter that is written with its accent behind it becomes the one of the alphabet. Characters of which no such
// spelling is known stay. Takes at most half as many bytes again.
void write_in_gsm(std::string_view text, TextWriter& into);

// What a stream does with its texts before it sends them. The queue keeps every text as it was accepted.
inline constexpr std::uint8_t kMostSegments = 16;  // kMaxText bytes never take more
struct SmsRules {
  std::uint8_t max_segments = 0;  // 0: no limit
  bool transliterate = false;
  Reference reference = Reference::bits8;
};

// One text as it is sent.
enum class Copy : std::uint8_t { first, repeat };
inline constexpr std::size_t kMaxSentText = kMaxText + 12;
struct SentText {
  std::string_view text;  // the one that was given, or a view into `memory`
  bool transliterated = false;
  bool shortened = false;
};
// In this order: it is transliterated, if that puts all of it into the GSM alphabet within kMaxText bytes and leaves
// something of it; one of more than `max_segments` is cut and ends in "..."; a repeated copy ends in " (repeat)", for
// which a cut makes room, where it takes no further segment and no more than kMaxText bytes. `memory`: kMaxSentText
// bytes.
SentText as_sent(std::string_view text, const SmsRules& rules, Copy copy, Span<char> memory);

}  // namespace tocsin

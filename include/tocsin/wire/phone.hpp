// SPDX-License-Identifier: MIT
// Telephone numbers as people write them, made into what the service takes: digits only, country code
// first, no "+" (ITU-T E.164: at most 15 digits; a leading 0 is a national number).
//
// Memory: 16 bytes a number. Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/status.hpp"
#include "tocsin/base/text.hpp"

namespace tocsin {

using Phone = FixedText<15>;  // digits only, 7 to 15 of them, the first one not 0

// Takes spaces, "-", ".", "/", "(", ")" and one leading "+" or "00" away, and the blanks, hyphens and invisible
// marks that come with a number which was copied. "(0)" as in "+44 (0)7700 900123"
// is dropped, as people mean it, and so is a 0 left behind the code of a country where no number has one there
// ("+44 07700 900123"). A national number, which begins with 0, gets `country_code` in its place ("07700 900123"
// with "44"), as that country has it: Italy keeps the 0, Hungary has 06. Without a country code it is none.
// Errors: bad_value; phone_problem() in words, for the message to the person who typed it.
Result<Phone> parse_phone(std::string_view written, std::string_view country_code = {});

// Why parse_phone() refused this text, one clause without a full stop: "a national number begins with 0:
// write it with its country code, as +44..., or set country_code in [device]".
std::string_view phone_problem(std::string_view written, std::string_view country_code = {});

// Whether these digits are a country code of ITU-T E.164, or could become one.
bool is_country_code(std::string_view digits);

// "447700900123" -> "44*******123": for logs (first two and last three digits stay).
void write_masked(std::string_view digits, TextWriter& into);
// Words of others, which may hold phones: every run of 7 digits or more is masked, also with blanks in it; one that
// begins with + or 0, with brackets, dots, hyphens and strokes, too; and groups of 9 digits or more with hyphens that
// begin with no date.
void write_without_phones(std::string_view words, TextWriter& into);

}  // namespace tocsin

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

// Takes spaces, "-", ".", "/", "(", ")" and one leading "+" or "00" away. "(0)" as in "+44 (0)7700 900123"
// is dropped, as people mean it.
// Errors: bad_value; why() in words, for the message to the person who typed it.
Result<Phone> parse_phone(std::string_view written);

// Why parse_phone() refused this text, one clause without a full stop: "a national number begins with 0:
// write it with its country code, as +44...".
std::string_view phone_problem(std::string_view written);

// "447700900123" -> "44*******123": for logs (first two and last three digits stay).
void write_masked(std::string_view digits, TextWriter& into);

}  // namespace tocsin

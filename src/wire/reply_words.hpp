// SPDX-License-Identifier: MIT
// What every answer of the Streams API has in common, whatever was asked: what its status means for the request as a
// whole, and its words for a log line. Private to src/wire.
//
// Memory: none. Threads: any.
#pragma once

#include "reply_json.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/wire/streams_api.hpp"

namespace tocsin {

inline constexpr double kExactIntegers = 9007199254740992.0;  // 2^53: a double above stands for several numbers

// What must not reach a terminal or a log line as it is becomes a space.
void write_clean(std::string_view text, TextWriter& into);
// Whether there was anything to write: a text that is not blank, or a number.
bool write_words(JsonValue value, TextWriter& into);
// "403: Not authenticated (0x13)". `root`: absent where there is no JSON.
void write_reason(const Answer& answer, JsonValue root, TextWriter& into);

bool nothing(JsonValue value);  // absent, null or an empty text
bool names_rate_limit(JsonValue object);

// Of a status, and whether there is a Retry-After. `judged` only says that the body decides.
Whole whole_of(std::uint16_t status, bool retry_after);
// Of a Retry-After: a number of seconds, or a date, told by the answer's own Date, else by what is believed of the wall
// clock. At most a day; 0: neither, or over.
std::uint32_t retry_seconds(std::string_view field, const Answer& answer);

}  // namespace tocsin

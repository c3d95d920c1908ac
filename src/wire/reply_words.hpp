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

bool says_no(JsonValue root);  // "status": false

bool nothing(JsonValue value);  // absent, null or an empty text
bool names_rate_limit(JsonValue object);
bool is_rate_limited(JsonValue root);  // it says so, or one of its `messages`

// What holds whatever was asked: the Retry-After (a number of seconds, or a date, told by the answer's own Date, else
// by what is believed of the wall clock), and what the status means for the request as a whole; `judged` says that the
// body decides. Resets the arena and returns the body as `read` has it; absent: it is encoded or no JSON, and nothing
// is judged.
JsonValue begin_judgement(const Answer& answer, JsonValue (*read)(Bytes, Arena&), Arena& arena, Judgement& into);
// Whether there is something in it that support could look at, if it is not understood.
inline bool is_readable_answer(const Answer& answer) { return answer.status / 100 == 2 && !answer.body.empty(); }

}  // namespace tocsin

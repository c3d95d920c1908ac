// SPDX-License-Identifier: MIT
// One-time codes as bytes: the bodies of otp/auth and otp/verify, and judge_otp(), which says what an answer means.
//
// The service documents neither. Keys of the first body: observed; the second body and both answers: unknown. So only
// a plain yes is one: a 2xx that can be read, whose `status` is true, given once, with no error and nothing that is
// false beside it, however deep. A wrong code must not open a door because an answer was read kindly.
//   - `status` false, 400, 413, 422 and other 4xx: refused, in the service's words
//   - 401, 403: the token; 404, 405, 3xx: the address. 408, 425, 429, RATE_LIMIT and what judge() takes for later: later
//   - everything else: unknown
//
// Memory: an Arena for cJSON's nodes, reset inside. Threads: as judge().
#pragma once

#include "tocsin/wire/streams_api.hpp"

namespace tocsin {

inline constexpr std::size_t kLeastCode = 4;  // characters; shorter ones are guessed, and cannot be hidden in words

// kLeastCode to kMaxCode of [A-Za-z0-9-].
bool is_code(std::string_view code);

// {"recipient_phone":..,"template_variables":{"code":..},"sender":..}; without a code the service makes one, without a
// sender the stream's default applies, and neither key is there then.
void write_otp_auth(std::string_view phone, std::string_view code, std::string_view sender, JsonWriter& json);
// {"recipient_phone":..,"code":..}
void write_otp_verify(std::string_view phone, std::string_view code, JsonWriter& json);

enum class OtpFate : std::uint8_t { done, refused, token, address, later, unknown };

// The reason is empty when done: its words may have the code.
struct OtpVerdict : Judgement {
  OtpFate fate = OtpFate::unknown;
};
OtpVerdict judge_otp(const Answer& answer, Arena& arena);

}  // namespace tocsin

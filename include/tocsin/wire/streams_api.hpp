// SPDX-License-Identifier: MIT
// The CommPeak Streams API as bytes: request bodies, and judge(), which says what an answer means.
//
// judge() is one pure function of status, fields and body. Its rules, which never guess:
//   - an answer of 401, 403, 404, 405 or 3xx refuses the whole request: nothing was taken, the stream is
//     held and no message is retired for it
//   - 400, 413, 422: the request is halved; a single message is held alone
//   - 408, 425, 429, 503 with Retry-After, 521, 523, 525, 526: nothing was taken, later
//   - every other status from 500, and any 2xx whose body is encoded, not JSON, too deep or not of the
//     known shape: unknown
//   - a readable 2xx: every message by itself, found by its internal_id, never by its position; accepted
//     only with a non-empty message_uuid and no error; refused with an error or details and no uuid;
//     anything contradictory, and a message that is not named at all, is unknown
//   - RATE_LIMIT anywhere: the messages it names and those left out are later
//   - `"status": false` with no message entry and a reason refuses the whole request
// Sources: recorded collection (simple_send, RATE_LIMIT, 403), observed forms, DESIGN.md section 8.
//
// Memory: an Arena for cJSON's nodes, reset inside. Threads: one at a time in the process (cJSON's
// allocator hooks are global).
#pragma once

#include <string_view>

#include "tocsin/base/arena.hpp"
#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/json_writer.hpp"

namespace tocsin {

// One message of a simple_send request. Views into the caller's memory.
struct OutgoingText {
  std::string_view internal_id;
  std::string_view sender;  // empty: the key is left out, the stream's default sender applies
  std::string_view phone;   // digits
  std::string_view text;
};

// {"messages":[{"internal_id":..,"sender":..,"recipient_phone":..,"message_content":..},...]}
// In three steps, so that a batch is written message by message and can stop where it does not fit.
void open_simple_send(JsonWriter& json);
void add_message(JsonWriter& json, const OutgoingText& message);
void close_simple_send(JsonWriter& json);

struct Answer {
  std::uint16_t status = 0;
  bool encoded = false;           // Content-Encoding not identity
  std::string_view retry_after;   // field value, or empty
  Bytes body;
};

enum class Whole : std::uint8_t {
  judged,   // see the fates of the messages
  held,     // the whole request was refused (token, address, ACL): keep everything, retry slowly
  halve,    // the request as a whole is malformed for the service: fewer messages
  later,    // nothing was taken: back off
  unknown,  // nobody knows: every message of the request is unknown
};

enum class Fate : std::uint8_t { unknown, accepted, refused, later };

struct MessageVerdict {
  Fate fate = Fate::unknown;
  FixedText<kMaxUuid> uuid;      // when accepted
  FixedText<kMaxReason> reason;  // the service's own words when refused, else empty or ours
};

struct Judgement {
  Whole whole = Whole::unknown;
  bool rate_limited = false;      // the next request carries one message
  std::uint32_t retry_after_s =
      0;  // from Retry-After in seconds; 0: none (a date is left to a later version), at most a day
  FixedText<kMaxReason> reason;   // one line for a technician: "403: Not authenticated"
};

// `ids` are the messages of the request; verdicts[i] belongs to ids[i] and is set in every case
// (for held, halve and later to `later`, for unknown to `unknown`).
Judgement judge(const Answer& answer, Span<const std::string_view> ids, Span<MessageVerdict> verdicts,
                Arena& arena);

}  // namespace tocsin

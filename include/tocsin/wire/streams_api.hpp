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
//   - `"status": false` with no message entry and a reason refuses the whole request; a request with one message of a
//     form, where nobody knows whether it is about the message or the stream, like 422
// Sources: recorded collection (simple_send, RATE_LIMIT, 403), observed forms; README.md has the confidence of each.
//
// Memory: an Arena for cJSON's nodes, reset inside. Threads: one at a time in the process (cJSON's
// allocator hooks are global).
#pragma once

#include <string_view>

#include "tocsin/base/arena.hpp"
#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/base/time.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/json_writer.hpp"

namespace tocsin {

// One message of a request. Views into the caller's memory.
struct OutgoingText {
  std::string_view internal_id;
  std::string_view sender;  // empty: the key is left out, the stream's default sender applies
  std::string_view phone;   // digits
  std::string_view text;
  // What a template may want beside the text; empty where there is none.
  std::string_view device = {}, alarm = {};
  std::string_view message_class = {};  // "critical"
  std::string_view state = {};          // "raised"
  std::string_view code = {};           // of a one-time code alone
};

// {"messages":[{"internal_id":..,"sender":..,"recipient_phone":..,"message_content":..},...]}
// In three steps, so that a batch is written message by message and can stop where it does not fit.
void open_simple_send(JsonWriter& json);
void add_message(JsonWriter& json, const OutgoingText& message);
void close_simple_send(JsonWriter& json);

// What a message has of its own, by the names that templates and forms (request_form.hpp) know it by. The first
// kVariables of them can be variables of a template.
enum class Place : std::uint8_t { text, device, alarm, message_class, state, recipient, internal_id, sender, code };
inline constexpr std::string_view kPlaces[] = {"text",  "device",    "alarm",       "class",
                                               "state", "recipient", "internal_id", "sender", "code"};
inline constexpr std::size_t kPlaceCount = sizeof kPlaces / sizeof *kPlaces;
inline constexpr std::size_t kVariables = 5;
using Places = std::uint16_t;  // a set: bit 0 is the first
inline constexpr Places kAllVariables = (1U << kVariables) - 1;
constexpr bool has(Places set, std::size_t at) { return (set >> at & 1) != 0; }
constexpr Places only(Place place) { return static_cast<Places>(1U << static_cast<unsigned>(place)); }
constexpr bool has(Places set, Place place) { return has(set, static_cast<std::size_t>(place)); }
// Index into kPlaces, or kNotFound.
std::size_t find_place(std::string_view name);
std::string_view value_at(std::size_t place, const OutgoingText& message);

// {"event":..,"recipients":[{"internal_id":..,"recipient_phone":..,"sender":..,"template_variables":{..}},...]}
// The same three steps. A variable without a value goes as "": a template that has its name needs it.
void open_event_send(JsonWriter& json, std::string_view event);
void add_recipient(JsonWriter& json, const OutgoingText& message, Places variables);
void close_event_send(JsonWriter& json);

struct Answer {
  std::uint16_t status = 0;
  bool encoded = false;           // Content-Encoding not identity
  std::string_view retry_after;   // field value, or empty
  std::string_view date;          // the same
  UnixMillis now;                 // what is believed of the wall clock; 0: nothing
  Bytes body;
};

// How the request named its messages, and so where the answer may speak of them.
enum class Naming : std::uint8_t {
  listed,     // one or many, each with its id: entries of `messages` that give it back
  single,     // one, with its id, in a form of the portal: also the answer as a whole, as an entry that gives it back
  anonymous,  // the same without an id: the only entry, where that has no id either (or null, or "")
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
  bool named = false;            // the answer speaks of this very message
  FixedText<kMaxUuid> uuid;      // when accepted
  FixedText<kMaxReason> reason;  // the service's own words when refused, else empty or ours
};

struct Judgement {
  Whole whole = Whole::unknown;
  bool odd = false;               // 2xx, and its body, or what it says of some message, is not understood
  bool rate_limited = false;      // the next request carries one message
  std::uint32_t retry_after_s = 0;  // from Retry-After, in seconds or until a date; 0: none, at most a day
  FixedText<kMaxReason> reason;   // one line for a technician: "403: Not authenticated"
};

// `ids` are the messages of the request; verdicts[i] belongs to ids[i] and is set in every case
// (for held, halve and later to `later`, for unknown to `unknown`).
Judgement judge(const Answer& answer, Span<const std::string_view> ids, Span<MessageVerdict> verdicts,
                Arena& arena, Naming naming = Naming::listed);

}  // namespace tocsin

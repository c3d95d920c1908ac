// SPDX-License-Identifier: MIT
// messages_status as bytes: the request body, and judge_status(), which says what an answer tells of each message.
//
// The service documents the request and not the answer. So every shape is read in which a requested uuid stands beside
// a word, and nothing is guessed:
//   - an entry is an object, at any depth, with a requested uuid under message_uuid, messageUuid, uuid, message_id or
//     id; or the value of a member whose name is one: a text is the status itself. Letter case of uuids does not count
//   - its status is the first text of status, message_status, delivery_status, dlr_status, state, dlr; of an object
//     under one of these the first text of name, value, status. A boolean is never a status
//   - words that are known are classed; any other is kept as it came and is never final. An `error` text without a
//     status is a failure
//   - what contradicts itself is not final: entries that differ, a key given twice, two uuids in one entry,
//     `delivered` beside an error or a failure
// An answer that says nothing of a message changes nothing: it is asked for again.
//
// Memory: an Arena for cJSON's nodes, into which the verdicts' words point until its next reset(). Threads: as judge().
#pragma once

#include "tocsin/wire/streams_api.hpp"

namespace tocsin {

// {"message_uuids":["..",..]}
void open_messages_status(JsonWriter& json);
void close_messages_status(JsonWriter& json);
// Whether it travels and comes back as it is: letters, digits, `-`, `_`, `.` and `:`.
bool is_plain_uuid(std::string_view uuid);

enum class Receipt : std::uint8_t {
  not_reported,  // nothing is said of it
  unclear,       // an unknown word, no word, or a contradiction
  pending,       // on its way
  delivered,     // final
  failed,        // final
};

Receipt receipt_of(std::string_view word);  // of a status word alone; unclear: none that is known

struct StatusVerdict {
  Receipt receipt = Receipt::not_reported;
  std::string_view word;   // the service's own, as it came; empty: none
  std::string_view error;  // its text, or what is contradictory; empty: none
};
// "undelivered: absent subscriber", "not a known status: teleported": fit for a terminal.
void write_receipt(const StatusVerdict& verdict, TextWriter& into);

// `judged`: see the receipts; else nothing is known of any message. `halve`: fewer uuids. `odd`: also a 2xx that tells
// nothing of any message.
struct StatusJudgement : Judgement {
  std::size_t reported = 0;  // uuids of which something is said
};
// verdicts[i] belongs to uuids[i] and is set in every case.
StatusJudgement judge_status(const Answer& answer, Span<const std::string_view> uuids, Span<StatusVerdict> verdicts,
                             Arena& arena);

}  // namespace tocsin

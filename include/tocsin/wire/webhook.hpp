// SPDX-License-Identifier: MIT
// What a webhook of the service says: somebody's answer, or what became of a message; in JSON of several, too. The
// service documents no keys, so this reads tolerantly: a query, a form body (application/x-www-form-urlencoded) or
// JSON, and takes the first of several names that is there.
//
//   uuid    message_uuid, uuid, id                  text  text, body, message, message_content
//   own id  internal_id, external_key               from  from, source_number, sender, sender_phone
//   status  status, message_status, delivery_status to    to, destination_number, recipient_phone, recipient
//                                                   time  received_at, sent_at, delivered_at, timestamp, date
//
// In JSON a name counts in the outermost object first, then in objects inside it (`content.text` is found as text).
// Numbers are taken as their digits, but for a status; true, false, null, lists and empty texts count as absent. What
// the body does not have is looked up in the query. A text without a status is somebody's answer; a status with a
// uuid or an own id tells of a message; all else is unknown. A status is a word for others to judge: none is final
// here.
//
// A JSON list tells of as many as it has elements, and so does an object that tells of nothing by itself and has a list
// of objects in it: the first such list, in the object before those inside it.
//
// Memory: views into `query`, `body` (both are decoded in place) and the arena, until its reset(). Threads: as
// reply_json.hpp.
#pragma once

#include <string_view>

#include "tocsin/base/arena.hpp"
#include "tocsin/base/bytes.hpp"

namespace tocsin {

struct Webhook {
  enum class Kind : std::uint8_t { unknown, incoming, receipt };
  Kind kind = Kind::unknown;
  // Each is empty when absent. All but `text` hold neither control characters nor broken UTF-8; `text` may.
  std::string_view uuid, own_id, status, text, from, to, time;
};

// How many it tells of, 1 at least: those that `into` has room for are there.
std::size_t read_webhooks(MutBytes query, MutBytes body, Arena& arena, Span<Webhook> into);

}  // namespace tocsin

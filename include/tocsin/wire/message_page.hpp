// SPDX-License-Identifier: MIT
// The lists that an API key opens: GET /streams/messages (sent) and /streams/incoming_messages (received), a page of
// them at a time, and their dates.
//
// The service documents neither, and two readers of it disagree. So this reads tolerantly: the list is the outermost
// array, or the first of items, messages, data and results; how many there are in all is total, totalItems or
// total_items; and what a message says of itself is looked up as in a webhook (webhook.hpp): the same names, the same
// order. What is no object is left out.
//
// Memory: an Arena for cJSON's nodes, into which the messages point until its next reset(). Threads: as judge().
#pragma once

#include "tocsin/wire/streams_api.hpp"
#include "tocsin/wire/webhook.hpp"

namespace tocsin {

// judged: see the messages; else nothing is known of any.
struct MessagePage : Judgement {
  std::size_t count = 0;  // messages of `into` that are set
  std::size_t total = 0;  // of the whole list; never below what the page has
};
// `into` has as many as were asked for: where the answer does not say how many there are, a full page may not be the
// last, and counts as one short of all.
MessagePage read_message_page(const Answer& answer, Span<Webhook> into, Arena& arena);

// "2026-11-22 11:35:00", with a T, a fraction or a Z, too: all are UTC. Errors: bad_value.
Result<UnixMillis> parse_service_date(std::string_view text);
// The same for a query: the blank is %20.
void write_service_date(UnixMillis at, TextWriter& into);

}  // namespace tocsin

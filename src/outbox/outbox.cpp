// SPDX-License-Identifier: MIT
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {
namespace {

bool is_sendable_text(std::string_view text) {
  if (text.empty() || !is_utf8(text)) return false;
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F) return false;
  return true;
}

}  // namespace

// While it was being sent: the program alone where the device has not started anew since.
std::string_view Outbox::who_stopped(const Entry& entry) const {
  alignas(8) std::uint8_t scratch[kBlock];
  const auto last = queue_.read_state(entry, scratch);
  return last.ok() && last.value().at.boot == queue_.run().boot ? "tocsin ended while it was being sent"
                                                                : "the device stopped while it was being sent";
}

void Outbox::load(const Clocks& clocks) {
  tally_ = queue_.tally();
  began_s_ = on_s(clocks.now);
  wake_ = Instant{0};
  load_segments(clocks);
  for (std::size_t at = 0; at < index_.size(); ++at) {
    Entry& entry = index_[at];
    const Doubt doubt = entry.doubt;
    if (doubt == Doubt::ended || (doubt == Doubt::echo && ended(entry.state)))
      put_doubt_on_record(entry, clocks);
    if (entry.closed != 0) begin_ways(entry);  // else the first is open
    if (ended(entry.state)) continue;
    entry.repeat = entry.sends > 0 || entry.reopened;
    // The run before may have sent it once without a record, unless each of its sendings asks for one.
    if (entry.sends == 0 && entry.on_unknown == OnUnknown::resend) entry.sends = 1;
    if (entry.sends >= most_sends(entry))
      end(entry, State::unknown, {},
          doubt == Doubt::hit ? "a record that is lost may have been its last" : who_stopped(entry), clocks);
  }
}

void Outbox::count_spent(const Tally& before, const SegmentBudgets& segments_before, std::uint32_t before_on_s,
                         const Clocks& clocks) {
  segments_.add(segments_before, before_on_s, on_s(clocks.now));
  for (std::size_t cls = 0; cls < kClasses; ++cls)
    add_spent(tally_.spent[cls], before.spent[cls], before_on_s, on_s(clocks.now));
}

Status Outbox::recall(std::uint32_t number, const Past& past, const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr || ended(entry->state)) return Code::not_found;
  entry->due_ms = past.due_ms;
  entry->aside = past.aside;
  entry->repeat = past.repeat;
  entry->reopened = past.reopened;
  entry->way = past.way;
  entry->closed = past.closed;
  const std::uint32_t now_s = on_s(clocks.now);
  entry->since_s = now_s - (past.waited_s < now_s ? past.waited_s : now_s);
  begin_ways(*entry);
  wake_ = Instant{0};
  if (past.sends == 0 && past.attempts == 0 && !past.reopened) return {};
  MessageState now;
  now.sends = past.sends;
  now.attempts = past.attempts;
  return queue_.update(number, now, clocks).status();  // also counts in the entry
}

// Its last record is lost, and others say that it had ended: it is not sent again.
void Outbox::put_doubt_on_record(const Entry& entry, const Clocks& clocks) {
  const std::string_view reason = entry.doubt == Doubt::echo
                                      ? "its last record is lost; the one behind it tells how it ended"
                                      : "its last record is lost; it may have been sent, or refused";
  MessageState last;
  last.state = entry.state;
  last.sends = entry.sends;
  last.attempts = entry.attempts;
  last.reason = reason;
  queue_.update(entry.number, last, clocks).status().ignore();  // no room: the next run puts it on record
}

Result<Queue::Pushed> Outbox::post(Event event, std::string_view device_name, const Clocks& clocks) {
  if (event.text.size() > kMaxText) return Code::too_big;
  if (!event.phones.empty() && !is_sendable_text(event.text)) return Code::bad_value;
  const ClassRules& rules = rules_[event.cls];
  event.on_unknown = rules.on_unknown;
  if (rules.expire > milliseconds(0))
    event.expires_s = on_s(clocks.now) + static_cast<std::uint32_t>(rules.expire.count / 1000);
  const std::size_t bytes = event_size(event) + Queue::kMaxIdPrefix;
  Queue::Room leaving{0, 0};
  if (!queue_.has_room(bytes, event.phone_count())) {
    expire(clocks);
    if (!queue_.has_room(bytes, event.phone_count())) leaving = may_give_way(event);
  }
  const auto pushed = queue_.push(event, device_name, clocks, leaving);
  if (!pushed.ok()) return pushed;
  make_room(event, pushed.value().first_number, clocks);  // nothing gives way before the new one is in
  wake_ = Instant{0};
  return pushed;
}

bool Outbox::needs_record(const Entry& entry) {
  return entry.on_unknown == OnUnknown::hold || !entry.this_run || entry.sends > 0;
}

bool Outbox::may_be_sent(const Entry& entry, unsigned by, Instant now) const {
  if (ended(entry.state) || entry.in_flight) return false;
  if ((now.ms < entry.due_ms && entry.rests(by)) || entry.sends >= copies_open(entry)) return false;
  const bool safe = !entry.body_staged && queue_.settled();
  // A medium that does not answer must not keep an alarm back: its first copy goes out from memory.
  return queue_.stalled(now) ? !needs_record(entry) : safe;
}

Instant Outbox::next_due(std::uint32_t stream, Instant now) const {
  Instant next = kNever;
  const unsigned place = queue_.names().place(stream);
  const Instant free_of[kClasses] = {free_at(Class::critical, now), free_at(Class::warning, now),
                                     free_at(Class::info, now)};
  for (std::size_t at = 0; at < index_.size(); ++at) {
    const Entry& entry = index_[at];
    unsigned by = 0;
    if (ended(entry.state) || !entry.goes_by(place, by) || entry.in_flight) continue;
    if (entry.sends >= copies_open(entry)) continue;  // until another of its ways opens
    const Instant free = free_of[static_cast<std::size_t>(entry.cls)];
    // One that only waits for the medium: its store wakes the loop, or the time when the medium is slow.
    const Instant segments_free = segments_free_at(entry, stream, now);
    if (free <= now && segments_free <= now && may_be_sent(entry, by, now)) return now;
    const Instant due{entry.rests(by) && entry.due_ms > free.ms ? entry.due_ms : free.ms};
    if (segments_free > due) {
      next = earlier(next, segments_free);
      continue;
    }
    if (due > now) next = earlier(next, due);
  }
  return next;
}

// When the budget of the class lets one go.
Instant Outbox::free_at(Class cls, Instant now) const {
  const std::uint32_t at_s = may_send_at_s(rules_[cls], spent(cls), on_s(now));
  if (at_s <= on_s(now)) return now;
  return instant_of(at_s, now);
}

bool Outbox::waiting(std::uint32_t stream) const {
  const unsigned place = queue_.names().place(stream);
  unsigned by = 0;
  for (std::size_t at = 0; at < index_.size(); ++at)
    if (!ended(index_[at].state) && index_[at].goes_by(place, by)) return true;
  return false;
}

Result<Outbox::Outgoing> Outbox::read(std::uint32_t number, MutBytes scratch) const {
  const Entry* entry = index_.find(number);
  if (entry == nullptr || ended(entry->state)) return Code::not_found;
  const auto read = queue_.read_body(*entry, scratch);
  if (read.code() == Code::not_found) return Code::corrupt;  // a turn of the files could not read its event
  if (!read.ok()) return read.status();
  const Queue::Body& body = read.value();
  Outgoing out;
  out.id = message_id(body.event.id_prefix, number);
  out.phone = body.event.phone(number - body.first_number);
  out.text = body.event.text;
  out.alarm = body.event.alarm;
  out.cls = body.event.cls;
  out.transition = body.event.transition;
  out.repeat = entry->repeat;
  return out;
}

void Outbox::unreadable(std::uint32_t number, const Clocks& clocks) {
  if (Entry* entry = index_.find(number))
    end(*entry, State::failed, {}, "its record could not be read back from the medium", clocks);
}

Result<Queue::Ticket> Outbox::sending(std::uint32_t stream, std::uint32_t number, const Clocks& clocks,
                                      std::uint32_t segments) {
  Entry* entry = index_.find(number);
  if (entry == nullptr || ended(entry->state)) return Code::not_found;
  Queue::Ticket ticket = 0;
  char words[kMaxReason];
  take_way(*entry, stream);
  if (needs_record(*entry)) {
    MessageState intent;
    intent.sends = static_cast<std::uint8_t>(entry->sends + 1);
    intent.attempts = static_cast<std::uint16_t>(entry->attempts + 1);
    intent.reason = with_ways(*entry, {}, words);
    const auto noted = queue_.update(number, intent, clocks);  // also counts in the entry
    if (!noted.ok()) {
      --entry->sends;
      --entry->attempts;
      return noted.status();
    }
    ticket = noted.value();
  } else {
    ++entry->sends;
    ++entry->attempts;
  }
  entry->in_flight = true;
  spend(spent(entry->cls), on_s(clocks.now));
  const Instant free = free_at(entry->cls, clocks.now);
  if (free > clocks.now) observer_.budget_spent(entry->cls, free);
  spend_segments(*entry, segments, clocks.now);
  return ticket;
}

// Takes back what sending() counted. Whether that was on record.
bool Outbox::uncount(Entry& entry) {
  entry.in_flight = false;
  if (entry.sends == 0) return false;
  --entry.sends;
  give_back(spent(entry.cls));
  segments_.give_back(stream_of(entry), entry.recipient, entry.segments);
  return needs_record(entry);  // as it was before it was counted
}

void Outbox::put_on_record(const Entry& entry, std::string_view reason, const Clocks& clocks) {
  MessageState now;
  char words[kMaxReason];
  now.sends = entry.sends;
  now.attempts = entry.attempts;
  now.reason = with_ways(entry, reason, words);
  queue_.update(entry.number, now, clocks)
      .status()
      .ignore();  // no room: a copy too many is counted, none is sent
}

void Outbox::not_sent(std::uint32_t number, Instant due, const Clocks& clocks, std::string_view reason) {
  Entry* entry = index_.find(number);
  if (entry == nullptr || ended(entry->state)) return;
  entry->due_ms = due.ms;
  const bool first = entry->attempts == 1 && !reason.empty();
  if (uncount(*entry) || first) put_on_record(*entry, reason, clocks);
  if (entry->place_of(1) != 0) wake_ = Instant{0};  // another of its streams may have it now
}

void Outbox::postpone(std::uint32_t stream, std::uint32_t number, Instant due) {
  Entry* entry = index_.find(number);
  if (entry == nullptr) return;
  take_way(*entry, stream);
  entry->due_ms = due.ms;
}

void Outbox::held_alone(std::uint32_t number, Instant due, std::string_view reason, const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr || ended(entry->state)) return;
  entry->due_ms = due.ms;
  const bool first = !Entry::has(entry->aside, entry->way);
  // Once more: the others have another try, too.
  entry->aside = static_cast<std::uint8_t>((first ? entry->aside : 0U) | 1U << entry->way);
  char words[kMaxReason];
  if (entry->place_of(1) != 0 && !went_on(*entry)) reason = name_ways(*entry, reason, words);
  // The record of the sending took the place of the one with the reason.
  if (uncount(*entry) || first) put_on_record(*entry, reason, clocks);
  open_beside(*entry);
  if (entry->place_of(1) != 0) wake_ = Instant{0};
}

void Outbox::outcome_unknown(std::uint32_t number, Instant due, std::string_view reason,
                             const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr || ended(entry->state)) return;
  entry->in_flight = false;
  if (entry->sends >= most_sends(*entry)) return end(*entry, State::unknown, {}, reason, clocks);
  entry->repeat = true;
  entry->due_ms = due.ms;
  others_first(*entry, clocks.now);
  put_on_record(*entry, reason, clocks);  // its life says why, and the next run knows of this copy
  if (entry->place_of(1) != 0) wake_ = Instant{0};
}

void Outbox::accepted(std::uint32_t number, std::string_view uuid, std::string_view reason,
                      const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr) return;
  troubled_.works(stream_of(*entry), entry->recipient);
  end(*entry, State::accepted, uuid, reason, clocks);
  if (late_at_s(*entry) != kNoTime) wake_ = Instant{0};
}

void Outbox::refused(std::uint32_t number, std::string_view reason, const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr) return;
  in_trouble(number, Trouble::refused, clocks.now);
  char said[kMaxReason];
  TextWriter words(said);
  if (ended(entry->state) || entry->place_of(1) == 0) return end(*entry, State::failed, {}, reason, clocks);
  words.text("refused: ").text(reason);
  Entry next = *entry;
  if (!close_way(next)) return end(*entry, State::failed, {}, words.view(), clocks);
  uncount(*entry);  // nobody has this copy
  go_on(*entry, words.view(), clocks);
}

bool Outbox::last_copy_is_next(std::uint32_t number) const {
  const Entry* entry = index_.find(number);
  return entry != nullptr && entry->sends + 1U == most_sends(*entry);
}

void Outbox::end(Entry& entry, State state, std::string_view uuid, std::string_view reason,
                 const Clocks& clocks) {
  if (ended(entry.state)) return;
  entry.in_flight = false;
  const std::uint32_t number = entry.number;
  alignas(8) std::uint8_t scratch[kBlock];
  char words[kMaxReason];
  const auto body = queue_.read_body(entry, scratch);
  MessageState last;
  last.state = state;
  last.sends = entry.sends;
  last.attempts = entry.attempts;
  last.uuid = uuid;
  last.reason =
      with_ways(entry, reason.empty() && state == State::accepted && went_on(entry) ? word(state) : reason, words);
  queue_.update(number, last, clocks).status().ignore();  // no room now: the queue writes it later, shortened
  observer_.message_ended(body.ok() ? message_id(body.value().event.id_prefix, number) : MessageId{}, number,
                          state, last.reason);
}

}  // namespace tocsin

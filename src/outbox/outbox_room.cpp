// SPDX-License-Identifier: MIT
// What ends a message other than an answer: its time is over, a full queue, a person.
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {
namespace {

// After a start the first note comes soon, and the next ones at twice the time.
constexpr std::uint32_t kNoteAfter_s = 300;
constexpr std::uint32_t kNoteEvery_s = 3600;
constexpr std::uint32_t kLookEvery_s = 24 * 3600;

}  // namespace

void Outbox::poll(const Clocks& clocks) {
  if (clocks.now < wake_) return;
  expire(clocks);
  const std::uint32_t now_s = on_s(clocks.now);
  std::uint32_t next_s = now_s + kLookEvery_s;
  const std::uint32_t opens_s = open_ways(clocks);
  if (opens_s < next_s) next_s = opens_s;
  const std::uint32_t forget_s = forget_old(now_s);
  if (forget_s > now_s && forget_s < next_s) next_s = forget_s;
  bool waits = false;
  for (std::size_t at = 0; at < index_.size(); ++at) {
    const Entry& entry = index_[at];
    if (ended(entry.state)) continue;
    waits = true;
    if (entry.expires_s > now_s && entry.expires_s < next_s && !entry.reopened) next_s = entry.expires_s;
  }
  // So that a device that starts again and again still gets older; nothing is written while nothing waits.
  if (waits) {
    std::uint32_t note_s = next_note_s(clocks.now);
    if (now_s >= note_s) note(clocks.now);
    note_s = next_note_s(clocks.now);
    if (note_s > now_s && note_s < next_s) next_s = note_s;
  }
  wake_ = clocks.now + seconds(next_s - now_s);
}

std::uint32_t Outbox::next_note_s(Instant now) const {
  const std::uint32_t last_s = queue_.tally().on_s > began_s_ ? queue_.tally().on_s : began_s_;
  const std::uint32_t up_s = last_s - (on_s(now) - static_cast<std::uint32_t>(now.ms / 1000));
  return last_s + (up_s < kNoteAfter_s ? kNoteAfter_s : up_s < kNoteEvery_s ? up_s : kNoteEvery_s);
}

// Forgetting costs a turn and zeros: it is done for many at once, a thirtieth of the history late, at least an
// hour. Returns when to look again.
std::uint32_t Outbox::forget_old(std::uint32_t now_s) {
  if (!queue_.forgot() && !queue_.forgetting()) {  // the medium did not take it
    queue_.forget(1).ignore();                      // no room: then
    return now_s + kNoteEvery_s;
  }
  if (history_.count == 0 || queue_.forgetting()) return now_s + kLookEvery_s;
  const auto history_s = static_cast<std::uint32_t>(history_.count / 1000);
  const std::uint32_t late_s = history_s / 30 < kNoteEvery_s ? kNoteEvery_s : history_s / 30;
  std::uint32_t oldest_s = now_s;
  for (std::size_t at = 0; at < index_.size();) {
    const Queue::Mates messages = queue_.mates(index_[at]);
    std::uint32_t newest_s = 0;
    for (; at < messages.to; ++at) {
      const auto ended_s = static_cast<std::uint32_t>(index_[at].due_ms / 1000);
      if (!ended(index_[at].state)) newest_s = UINT32_MAX;
      if (ended_s > newest_s) newest_s = ended_s;
    }
    if (newest_s < oldest_s) oldest_s = newest_s;
  }
  if (now_s - oldest_s < history_s + late_s) return oldest_s + history_s + late_s;
  queue_.forget(now_s - history_s).ignore();  // no room: the next time
  return now_s + kNoteEvery_s;
}

Status Outbox::purge(const Clocks& clocks) { return queue_.forget(on_s(clocks.now) + 1); }

void Outbox::expire(const Clocks& clocks) {
  const std::uint32_t now_s = on_s(clocks.now);
  for (std::size_t at = 0; at < index_.size(); ++at) {
    Entry& entry = index_[at];
    if (ended(entry.state) || entry.in_flight || entry.reopened || entry.expires_s == 0 ||
        now_s < entry.expires_s)
      continue;
    char text[kMaxReason];
    TextWriter words(text);
    write_expired(entry, clocks.now, words);
    end(entry, State::expired, {}, words.view(), clocks);
  }
}

// What kept it back at the end, as a list would have said it then.
void Outbox::write_expired(const Entry& entry, Instant now, TextWriter& into) const {
  alignas(8) std::uint8_t scratch[kBlock];
  into.text(entry.sends == 0 ? "not sent" : "not known to have arrived").text(" in the time that its class gives it");
  write_duration(rules_[entry.cls].expire, into.text(", "));
  const auto last = queue_.read_state(entry, scratch);
  std::string_view why = last.ok() ? last.value().reason : std::string_view{};
  if (free_at(entry.cls, now) > now || segments_free_at(entry, now) > now) why = "its budget was spent";
  if (why.empty()) why = observer_.trouble_of(stream_of(entry));
  if (why.empty() && queue_.stalled(now)) why = "the medium fails";
  if (!why.empty()) into.text(": ").text(why);
}

void Outbox::note(Instant now) {
  tally_.on_s = on_s(now);
  queue_.note(tally_).status().ignore();  // no room: with the next one
}

// An event gives way with all its messages that wait, or not at all: only then there is room.
Outbox::Why Outbox::gives_way(Queue::Mates messages, const Event& event) const {
  bool waits = false, lower = true, older = true;
  for (std::size_t at = messages.from; at < messages.to; ++at) {
    const Entry& entry = index_[at];
    if (ended(entry.state)) continue;
    if (entry.in_flight) return Why::stays;
    waits = true;
    lower = lower && entry.cls > event.cls;
    older = older && is_older_news(entry, event);
  }
  return !waits ? Why::stays : older ? Why::older_news : lower ? Why::lower : Why::stays;
}

Queue::Room Outbox::may_give_way(const Event& event) const {
  Queue::Room room{0, 0};
  for (std::size_t at = 0; at < index_.size();) {
    const Queue::Mates messages = queue_.mates(index_[at]);
    const bool gives = gives_way(messages, event) != Why::stays;
    for (; at < messages.to; ++at) {
      if (!gives) continue;
      room.bytes += index_[at].bytes;
      ++room.messages;
    }
  }
  return room;
}

void Outbox::make_room(const Event& event, std::uint32_t first_number, const Clocks& clocks) {
  const auto give = [&](Why wanted, Class cls, State state, std::string_view reason) {
    for (std::size_t at = 0; at < index_.size() && index_[at].number < first_number && queue_.over_full();) {
      const Queue::Mates messages = queue_.mates(index_[at]);
      const bool gives = index_[at].cls == cls && gives_way(messages, event) == wanted;
      for (; at < messages.to; ++at)
        if (gives) end(index_[at], state, {}, reason, clocks);
    }
  };
  if (!queue_.over_full()) return;
  for (const Class cls : {Class::info, Class::warning, Class::critical})  // its class may have been another
    give(Why::older_news, cls, State::merged,
         "the queue was full: a newer message of its alarm took its place");
  for (const Class cls : {Class::info, Class::warning})
    give(Why::lower, cls, State::evicted, "the queue was full: a message of a higher class took its place");
}

// As far as the records tell. load() counts one sending of a message of an earlier run in case there was one: such a
// message takes the room of newer news no less than another.
bool Outbox::is_known_unsent(const Entry& entry) {
  const bool counted_by_load = !entry.this_run && !entry.repeat && entry.sends == 1;
  return entry.sends == 0 || (counted_by_load && entry.on_unknown == OnUnknown::resend);
}

// Whether it says something older of the same alarm to a phone that gets the new event, and is on no record as sent.
bool Outbox::is_older_news(const Entry& entry, const Event& event) const {
  if (!is_known_unsent(entry) || event.alarm.empty() || entry.alarm != name_hash(event.alarm)) return false;
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = queue_.read_body(entry, scratch);
  if (!body.ok() || body.value().event.alarm != event.alarm) return false;
  const Phone phone = body.value().event.phone(entry.number - body.value().first_number);
  for (const Phone& other : event.phones)
    if (other.view() == phone.view()) return true;
  return false;
}

Status Outbox::drop(std::uint32_t number, const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr) return Code::not_found;
  if (ended(entry->state)) return Code::bad_value;
  if (entry->in_flight) return Code::busy;
  end(*entry, State::dropped, {}, "by hand", clocks);
  return {};
}

Status Outbox::retry(std::uint32_t number, const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr) return Code::not_found;
  const Entry before = *entry;
  switch (entry->state) {
    case State::accepted:
    case State::delivered:
    case State::merged: return Code::bad_value;
    case State::queued: break;
    case State::unknown:
    case State::failed:
    case State::expired:
    case State::evicted:
    case State::dropped: {
      alignas(8) std::uint8_t scratch[kBlock];
      TRY_LET(body, queue_.read_body(*entry, scratch));
      // One that waits again brings its whole event back among what waits.
      if (!queue_.has_room(event_size(body.event), body.event.phone_count())) return Code::full;
      entry->repeat = entry->repeat || entry->sends > 0;
      break;
    }
  }
  entry->due_ms = 0;
  entry->aside = 0;
  entry->reopened = true;
  entry->since_s = on_s(clocks.now);
  entry->closed = 0;
  if (!entry->in_flight) entry->way = 0;
  begin_ways(*entry);
  wake_ = Instant{0};
  MessageState again;
  if (entry->in_flight) {  // the copy that is under way is the first of those that were asked for
    entry->repeat = entry->repeat || entry->sends > 1;
    again.sends = 1;
  }
  again.attempts = entry->attempts;
  again.reason = kByHand;
  const Status asked = queue_.update(number, again, clocks).status();
  if (asked.code() == Code::full) *entry = before;
  return asked;
}

}  // namespace tocsin

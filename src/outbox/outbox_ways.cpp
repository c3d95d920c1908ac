// SPDX-License-Identifier: MIT
// The streams of a message, in their order: which of them it may go by, and when it goes on to the next.
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kLookAgain_s = 60;

}  // namespace

void Outbox::configure_streams(Span<const StreamRules> streams) {
  TOCSIN_ASSERT(streams.size() <= kMaxStreams);
  stream_count_ = 0;
  for (const StreamRules& one : streams) streams_[stream_count_++] = one;
  wake_ = Instant{0};
}

void Outbox::ask_for_receipts(std::uint32_t stream, Asked whom) {
  for (StreamRules& one : streams_) {
    if (one.stream != stream || one.asked == whom) continue;
    one.asked = whom;
    wake_ = Instant{0};
  }
}

const StreamRules* Outbox::rules_of(unsigned place) const {
  const std::uint32_t hash = queue_.names().hash(place);
  for (std::size_t at = 0; at < stream_count_; ++at)
    if (streams_[at].stream == hash) return &streams_[at];
  return nullptr;
}

// How many copies it may have had so far: one is left for each way that has not had its turn, and each had one.
unsigned Outbox::copies_of_ways(const Entry& entry) {
  const unsigned most = most_sends(entry);
  unsigned ways = 0, to_come = 0;
  for (; ways < kMaxWays && entry.place_of(ways) != 0; ++ways)
    to_come += Entry::has(entry.open, ways) || Entry::has(entry.closed, ways) ? 0U : 1U;
  if (to_come == 0 || is_known_unsent(entry)) return most;
  const unsigned kept = most > to_come ? most - to_come : 0;
  const unsigned had = ways - to_come;
  return kept > had ? kept : had < most ? had : most;
}

// As after a start: the first that is not closed is open.
void Outbox::begin_ways(Entry& entry) {
  entry.open = 0;
  open_beside(entry);
}

// What each of its streams set aside has its next one, too.
void Outbox::open_beside(Entry& entry) {
  for (unsigned next = entry.next_way(); next < kMaxWays && (entry.open & ~unsigned{entry.aside}) == 0;
       next = entry.next_way())
    entry.open = static_cast<std::uint8_t>(entry.open | 1U << next);
}

// It does not go any more by the way it went last. False: that was the last of them.
bool Outbox::close_way(Entry& entry) {
  entry.closed = static_cast<std::uint8_t>(entry.closed | 1U << entry.way);
  entry.open = static_cast<std::uint8_t>(entry.open & ~unsigned{entry.closed});
  unsigned next = entry.next_way();
  if (next < kMaxWays) {
    entry.open = static_cast<std::uint8_t>(entry.open | 1U << next);
  } else if (entry.open == 0) {
    return false;
  } else {
    for (next = 0; !Entry::has(entry.open, next);) ++next;
  }
  entry.way = static_cast<std::uint8_t>(next);
  return true;
}

void Outbox::take_way(Entry& entry, std::uint32_t stream) const {
  unsigned by = 0;
  if (entry.goes_by(queue_.names().place(stream), by)) entry.way = static_cast<std::uint8_t>(by);
}

// A way that may have had a copy does not take the next one before the others had as long as they would have waited for
// it.
void Outbox::others_first(Entry& entry, Instant now) const {
  const StreamRules* rules = rules_of(entry.place_of(entry.way));
  const bool alone = (entry.open & (unsigned{entry.open} - 1)) == 0;
  if (alone || rules == nullptr || is_known_unsent(entry)) return;
  const Instant then = now + rules->fallback_after;
  if (entry.due_ms < then.ms) entry.due_ms = then.ms;
}

// When its next way opens. What left the configuration is not waited for.
std::uint32_t Outbox::opens_at_s(const Entry& entry) const {
  if (entry.place_of(1) == 0 || entry.next_way() == kMaxWays) return kNoTime;
  std::uint32_t at_s = entry.since_s;
  for (unsigned way = 0; way < kMaxWays; ++way) {
    const StreamRules* rules = Entry::has(entry.open, way) ? rules_of(entry.place_of(way)) : nullptr;
    if (rules != nullptr) at_s += static_cast<std::uint32_t>(rules->fallback_after.count / 1000);
  }
  return at_s;
}

// When one that was accepted has waited for its receipt as long as its stream gives it.
std::uint32_t Outbox::late_at_s(const Entry& entry) const {
  Entry next = entry;
  if (entry.state != State::accepted || entry.place_of(1) == 0 || entry.sends >= most_sends(entry) || !close_way(next))
    return kNoTime;
  const StreamRules* rules = rules_of(entry.place_of(entry.way));
  if (rules == nullptr || rules->undelivered_after.count == 0) return kNoTime;
  const auto late_s =
      static_cast<std::uint32_t>((entry.due_ms + static_cast<std::uint64_t>(rules->undelivered_after.count)) / 1000);
  return entry.expires_s != 0 && entry.expires_s <= late_s && !entry.reopened ? kNoTime : late_s;
}

// Opens what has its turn; returns when to look again. Nothing of it is put on record: since when it waits is.
std::uint32_t Outbox::open_ways(const Clocks& clocks) {
  const std::uint32_t now_s = on_s(clocks.now);
  std::uint32_t next_s = kNoTime;
  for (std::size_t at = 0; at < index_.size(); ++at) {
    Entry& entry = index_[at];
    if (entry.place_of(1) == 0) continue;
    std::uint32_t at_s = kNoTime;
    if (entry.state == State::accepted) {
      const StreamRules* rules = rules_of(entry.place_of(entry.way));
      at_s = late_at_s(entry);
      if (at_s == kNoTime) continue;
      // Who is asked says that it is late. Nobody could be: it is waited for as for a stream that is out.
      if (rules->asked != Asked::nobody)
        at_s = (at_s < began_s_ ? began_s_ : at_s) + static_cast<std::uint32_t>(rules->fallback_after.count / 1000);
      if (at_s <= now_s) undelivered(entry.number, clocks);
      if (at_s <= now_s) at_s = now_s + kLookAgain_s;  // there may be room for it then
    } else if (!ended(entry.state)) {
      at_s = opens_at_s(entry);
      for (; at_s <= now_s; at_s = opens_at_s(entry)) {
        entry.open = static_cast<std::uint8_t>(entry.open | 1U << entry.next_way());
        others_first(entry, clocks.now);
      }
    }
    if (at_s < next_s) next_s = at_s;
  }
  return next_s;
}

void Outbox::undelivered(std::uint32_t number, const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr || late_at_s(*entry) > on_s(clocks.now)) return;
  char text[kMaxReason];
  TextWriter words(text);
  write_duration(rules_of(entry->place_of(entry->way))->undelivered_after, words.text("not delivered within "));
  reopen(*entry, words.view(), clocks);
}

// One that was accepted goes by its next way. False: it has none, or no copy or time left, or there is no room.
bool Outbox::reopen(Entry& entry, std::string_view said, const Clocks& clocks) {
  const std::uint32_t now_s = on_s(clocks.now);
  const Entry before = entry;
  Entry next = entry;
  if (entry.sends >= most_sends(entry) || !close_way(next) ||
      (entry.expires_s != 0 && entry.expires_s <= now_s && !entry.reopened) ||
      entry.due_ms < std::uint64_t{queue_.tally().forget_before_s} * 1000)
    return false;
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = queue_.read_body(entry, scratch);
  if (!body.ok() || !queue_.has_room(event_size(body.value().event), body.value().event.phone_count())) return false;
  go_on(entry, said, clocks);
  if (!ended(entry.state)) return true;
  entry = before;  // no room for its record, or the files turn: it is looked at again
  return false;
}

// By the next way, on record with what the one before said.
void Outbox::go_on(Entry& entry, std::string_view said, const Clocks& clocks) {
  char words[kMaxReason];
  MessageState again;
  again.sends = entry.sends;
  again.attempts = entry.attempts;
  again.reason = name_ways(entry, said, words);
  const Entry before = entry;
  close_way(entry);
  entry.since_s = on_s(clocks.now);
  entry.due_ms = 0;
  entry.aside = 0;
  entry.repeat = entry.repeat || entry.sends > 0;
  const std::uint32_t number = entry.number;
  if (!queue_.update(number, again, clocks).ok() && ended(before.state)) return;
  wake_ = Instant{0};
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = queue_.read_body(entry, scratch);
  observer_.message_goes_on(body.ok() ? message_id(body.value().event.id_prefix, number) : MessageId{}, number,
                            again.reason);
}

// Of one that has not gone beyond its first stream, `said` as it is.
std::string_view Outbox::with_ways(const Entry& entry, std::string_view said, Span<char> room) const {
  return went_on(entry) ? name_ways(entry, said, room) : said;
}

// What its streams said, each with its name: "sms: refused: no route; whatsapp: accepted". Each has its share of the
// room.
std::string_view Outbox::name_ways(const Entry& entry, std::string_view said, Span<char> room) const {
  alignas(8) std::uint8_t scratch[kBlock];
  FixedText<kMaxReason> before;
  if (const auto last = queue_.read_state(entry, scratch); last.ok() && (entry.closed | entry.aside) != 0)
    before.assign_cut(last.value().reason);
  const auto body = queue_.read_body(entry, scratch);
  if (!body.ok()) return said;
  const std::string_view names = body.value().event.stream;
  TextWriter words(room);
  unsigned ways = 0;
  while (ways < kMaxWays && entry.place_of(ways) != 0) ++ways;
  for (unsigned way = 0; way < ways; ++way) {
    std::string_view piece = said;
    if (way != entry.way) {
      piece = Entry::has(entry.closed, way) ? said_by(before.view(), names, way) : std::string_view{};
      if (way < entry.way && Entry::has(entry.open, way)) {  // it waited for that one as well
        piece = observer_.trouble_of(queue_.names().hash(entry.place_of(way)));
        if (piece.empty() && Entry::has(entry.aside, way)) piece = said_by(before.view(), names, way);
        if (piece.empty()) piece = rules_of(entry.place_of(way)) == nullptr ? "not in the configuration" : "not in time";
      }
    }
    if (piece.empty()) continue;
    words.text(words.size() == 0 ? "" : "; ").text(stream_at(names, way)).text(": ");
    std::size_t share = (room.size() - words.size()) / (ways - way);
    while (share > 0 && share < piece.size() && (static_cast<unsigned char>(piece[share]) & 0xC0U) == 0x80U) --share;
    words.text(head(piece, share));
  }
  return words.view();
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// What is known of a message after the service has accepted it.
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {
namespace {

constexpr std::uint64_t kJustGivenUp_ms = 60'000;
constexpr std::string_view kTold = "told by the service";

// One that was refused by a stream, or not delivered, or asked for again by hand, has older copies in the list that
// came to nothing.
bool is_doubtful(const Entry& entry) {
  if (entry.closed != 0 || entry.reopened) return false;
  return entry.state == State::unknown || (!ended(entry.state) && entry.repeat && entry.sends > 0 && !entry.in_flight);
}

}  // namespace

const Entry* Outbox::next_accepted(std::uint32_t stream, std::uint32_t from, Asked of) const {
  const unsigned place = queue_.names().place(stream);
  const StreamRules* rules = rules_of(place);
  const bool all = of != Asked::list || (rules != nullptr && rules->asked == Asked::list);
  const Entry* entry = index_.first_from(from);
  while (entry != nullptr &&
         (entry->state != State::accepted || entry->place_of(entry->way) != place || !(all || entry->untold)))
    entry = index_.first_from(entry->number + 1);
  return entry;
}

void Outbox::set_untold(std::uint32_t number, bool untold) {
  if (Entry* entry = index_.find(number)) entry->untold = untold;
}

const Entry* Outbox::find_told(std::string_view id, std::string_view uuid, std::uint32_t recipient) const {
  const Entry* entry = find(id, '-') != kNotFound ? queue_.find(id) : nullptr;
  if (entry != nullptr || uuid.empty()) return entry;
  unsigned looks = 0;
  alignas(8) std::uint8_t scratch[kBlock];
  for (std::size_t at = index_.size(); at > 0 && looks < kMostLookedAt; --at) {
    const Entry& one = index_[at - 1];
    if (one.state != State::accepted || (recipient != 0 && one.recipient != recipient)) continue;
    ++looks;
    const auto state = queue_.read_state(one, scratch);
    if (state.ok() && same_ignoring_case(state.value().uuid, uuid)) return &one;
  }
  return nullptr;
}

Result<MessageState> Outbox::read_accepted(std::uint32_t number, MutBytes scratch) const {
  const Entry* entry = index_.find(number);
  if (entry == nullptr || entry->state != State::accepted) return Code::not_found;
  return queue_.read_state(*entry, scratch);
}

Status Outbox::receipt(std::uint32_t number, Receipt receipt, std::string_view words, const Clocks& clocks,
                       std::string_view uuid) {
  const bool over = receipt == Receipt::delivered || receipt == Receipt::failed;
  // Of one that nobody knows of: the service has it, and no copy is needed.
  if (receipt == Receipt::pending && !uuid.empty() && find_doubtful(number) != nullptr)
    return found(number, stream_of(*find_doubtful(number)), uuid, kTold, clocks);
  Entry* entry = index_.find(number);
  if (entry == nullptr) return Code::not_found;
  if (receipt == Receipt::delivered && entry->state == State::queued && entry->sends > 0 && !entry->in_flight) {
    end(*entry, State::delivered, uuid, went_on(*entry) ? "not needed: a copy sent before was delivered" : "", clocks);
    return {};
  }
  const bool is_found = receipt == Receipt::delivered && entry->state == State::unknown;
  if (entry->state != State::accepted && !is_found) return Code::not_found;
  if (!over && receipt != Receipt::unclear) return {};
  if (is_being_forgotten(*entry)) return {};
  alignas(8) std::uint8_t scratch[kBlock];
  TRY_LET(known, queue_.read_state(*entry, scratch));
  char said[kMaxReason], all[kMaxReason];
  TextWriter last(said);
  const bool is_other = uuid.empty() ? entry->closed != 0 : !same_ignoring_case(known.uuid, uuid);
  if (receipt != Receipt::delivered) {
    if (is_other && (entry->closed != 0 || entry->sends > 1)) return {};
    last.text(words);
  } else if (went_on(*entry)) {
    last.text("delivered");
  }
  const std::string_view reason = with_ways(*entry, last.view(), all);
  if (!over && known.reason == reason) return {};
  if (receipt == Receipt::failed && reopen(*entry, words, clocks)) return {};
  MessageState now = known;
  now.reason = reason;
  if (is_found) now.uuid = uuid;
  if (over) {
    now.state = receipt == Receipt::delivered ? State::delivered : State::failed;
    now.at = Stamp{};  // of now; of one that stays accepted: since it is
  }
  TRY(queue_.update(number, now, clocks, Queue::Write::with_others).status());
  if (over) tell_receipt(*entry, now);
  return {};
}

Status Outbox::told(std::uint32_t number, std::string_view word, const Clocks& clocks, std::string_view uuid) {
  const StatusVerdict said{receipt_of(word), word, {}};
  char text[kMaxReason];
  TextWriter words(text);
  write_receipt(said, words);
  return receipt(number, said.receipt, words.view(), clocks, uuid);
}

// A record of it would outlive the turn that leaves it out.
bool Outbox::is_being_forgotten(const Entry& entry) const {
  return entry.due_ms < std::uint64_t{queue_.tally().forget_before_s} * 1000;
}

void Outbox::tell_receipt(const Entry& entry, const MessageState& now) {
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = queue_.read_body(entry, scratch);
  observer_.receipt_came(body.ok() ? message_id(body.value().event.id_prefix, entry.number) : MessageId{}, entry.number,
                         now.state, now.reason);
}

const Entry* Outbox::find_doubtful(std::uint32_t number) const {
  const Entry* entry = index_.find(number);
  return entry != nullptr && is_doubtful(*entry) ? entry : nullptr;
}

const Entry* Outbox::next_doubtful(std::uint32_t stream, std::uint32_t from, Instant now) const {
  const auto fits = [&](const Entry& entry) {
    const bool old = ended(entry.state) && entry.due_ms + kJustGivenUp_ms < queue_.on_ms(now);
    return stream_of(entry) == stream && is_doubtful(entry) && !old;
  };
  const Entry* entry = index_.first_from(from);
  while (entry != nullptr && !fits(*entry)) entry = index_.first_from(entry->number + 1);
  return entry;
}

bool Outbox::has_uuid(const Entry& than, std::string_view uuid) const {
  unsigned looks = 0;
  alignas(8) std::uint8_t scratch[kBlock];
  for (std::size_t at = index_.size(); at > 0 && looks < kMostLookedAt; --at) {
    const Entry& one = index_[at - 1];
    if (one.recipient != than.recipient || !ended(one.state)) continue;
    ++looks;
    const auto state = queue_.read_state(one, scratch);
    if (state.ok() && same_ignoring_case(state.value().uuid, uuid)) return true;
  }
  return false;
}

Status Outbox::found(std::uint32_t number, std::uint32_t stream, std::string_view uuid, std::string_view reason,
                     const Clocks& clocks) {
  Entry* entry = index_.find(number);
  if (entry == nullptr || !is_doubtful(*entry)) return Code::not_found;
  take_way(*entry, stream);
  if (!ended(entry->state)) {
    accepted(number, uuid, reason, clocks);
    return {};
  }
  if (is_being_forgotten(*entry)) return Code::not_found;
  alignas(8) std::uint8_t scratch[kBlock];
  TRY_LET(known, queue_.read_state(*entry, scratch));
  MessageState now = known;
  now.state = State::accepted;
  now.at = Stamp{};
  now.uuid = uuid;
  char words[kMaxReason];
  now.reason = with_ways(*entry, reason, words);
  TRY(queue_.update(number, now, clocks, Queue::Write::with_others).status());
  tell_receipt(*entry, now);
  return {};
}

}  // namespace tocsin

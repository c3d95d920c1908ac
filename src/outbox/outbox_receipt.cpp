// SPDX-License-Identifier: MIT
// What is known of a message after the service has accepted it.
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {

const Entry* Outbox::next_accepted(std::uint32_t stream, std::uint32_t from) const {
  const unsigned place = queue_.names().place(stream);
  const Entry* entry = index_.first_from(from);
  while (entry != nullptr && (entry->state != State::accepted || entry->place_of(entry->way) != place))
    entry = index_.first_from(entry->number + 1);
  return entry;
}

Result<MessageState> Outbox::read_accepted(std::uint32_t number, MutBytes scratch) const {
  const Entry* entry = index_.find(number);
  if (entry == nullptr || entry->state != State::accepted) return Code::not_found;
  return queue_.read_state(*entry, scratch);
}

Status Outbox::receipt(std::uint32_t number, Receipt receipt, std::string_view words, const Clocks& clocks,
                       std::string_view uuid) {
  const bool over = receipt == Receipt::delivered || receipt == Receipt::failed;
  Entry* entry = index_.find(number);
  if (entry == nullptr || entry->state != State::accepted) return Code::not_found;
  if (!over && receipt != Receipt::unclear) return {};
  // A record of it would outlive the turn that leaves it out.
  if (entry->due_ms < std::uint64_t{queue_.tally().forget_before_s} * 1000) return {};
  alignas(8) std::uint8_t scratch[kBlock], body_scratch[kBlock];
  TRY_LET(known, queue_.read_state(*entry, scratch));
  char said[kMaxReason], all[kMaxReason];
  TextWriter last(said);
  const bool is_other = uuid.empty() || !same_ignoring_case(known.uuid, uuid);
  if (receipt != Receipt::delivered) {
    if (entry->closed != 0 && is_other) return {};
    last.text(words);
  } else if (went_on(*entry)) {
    last.text("delivered");
  }
  const std::string_view reason = with_ways(*entry, last.view(), all);
  if (!over && known.reason == reason) return {};
  if (receipt == Receipt::failed && reopen(*entry, words, clocks)) return {};
  MessageState now = known;
  now.reason = reason;
  if (over) {
    now.state = receipt == Receipt::delivered ? State::delivered : State::failed;
    now.at = Stamp{};  // of now; of one that stays accepted: since it is
  }
  TRY(queue_.update(number, now, clocks, Queue::Write::with_others).status());
  if (!over) return {};
  const auto body = queue_.read_body(*entry, body_scratch);
  observer_.receipt_came(body.ok() ? message_id(body.value().event.id_prefix, number) : MessageId{}, number, now.state,
                         now.reason);
  return {};
}

}  // namespace tocsin

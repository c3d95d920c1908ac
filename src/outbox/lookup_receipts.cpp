// SPDX-License-Identifier: MIT
// What became of messages, from the service's list of those that were sent.
#include "tocsin/outbox/lookup.hpp"
#include "tocsin/wire/secret.hpp"

namespace tocsin {
namespace {

constexpr Millis kMediumBehind = seconds(1);

}  // namespace

void Lookup::ask_for_receipts(std::uint32_t stream, Millis deadline, Millis also_at) {
  for (Delivery& one : receipts_) {
    if (one.stream() != 0 && one.stream() != stream) continue;
    if (one.stream() == 0) one.configure(stream, deadline, also_at);
    return;
  }
}

void Lookup::look_for_receipts() {
  for (Delivery& one : receipts_) one.look_again();
  wake_ = Instant{0};
}

// When to ask for some next, and of which stream: round_.
Instant Lookup::receipts_at(Instant now) {
  constexpr Millis kAhead{(kReceiptsAtOnce - 1) * kReceiptsEvery.count};
  if (receipts_paid_ > now + kAhead) return Instant{receipts_paid_.ms - static_cast<std::uint64_t>(kAhead.count)};
  Instant at = kNever;
  for (Delivery& one : receipts_) {
    const Instant due = one.next(now);
    if (due >= at) continue;
    at = due;
    round_ = &one;
  }
  return at;
}

// False: the phone cannot be read back; the next one is looked for.
bool Lookup::begin_receipts(const Clocks& clocks) {
  round_->pick(clocks.now);
  const std::uint32_t number = round_->asked()[0];
  const Entry* entry = outbox_.next_accepted(round_->stream(), number);
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = outbox_.queue().read_body(*entry, scratch);
  if (!body.ok()) {
    round_->answered(clocks.now);
    return false;
  }
  recipient_ = entry->recipient;
  phone_ = body.value().event.phone(number - body.value().first_number);
  const auto state = outbox_.read_accepted(number, scratch);
  const bool is_dated = state.ok() && state.value().at.clocks.wall_trusted;
  const std::int64_t age_ms = static_cast<std::int64_t>(outbox_.on_ms(clocks.now) - entry->due_ms);
  from_ = is_dated ? state.value().at.clocks.wall : UnixMillis{clocks.wall.ms - age_ms};
  from_.ms -= kLongestRequest.count + kBefore.count;
  return true;
}

void Lookup::judge_receipts(Span<const Webhook> listed, std::size_t total, const Clocks& clocks) {
  for (const Webhook& one : listed) {
    const Entry* entry = one.status.empty() ? nullptr : outbox_.find_told(one.own_id, one.uuid, recipient_);
    // The files turn, or the medium does not answer: those that are left are asked for once more.
    if (entry != nullptr && tell(entry->number, one.status, one.uuid, clocks).code() == Code::full)
      return round_->wait(clocks.now + kMediumBehind);
  }
  const bool more = std::size_t{page_} * kPage < total && page_ < kMostPages;
  if (more && round_->is_open(clocks.now)) return next_page(page_ + 1, clocks.now);
  for (const Entry* entry = outbox_.next_accepted(round_->stream(), 0, Asked::list); entry != nullptr;
       entry = outbox_.next_accepted(round_->stream(), entry->number + 1, Asked::list))
    if (entry->recipient == recipient_) outbox_.undelivered(entry->number, clocks);
  round_->answered(clocks.now);
}

Status Lookup::tell(std::uint32_t number, std::string_view word, std::string_view uuid, const Clocks& clocks) {
  FixedText<kMaxReason> said;
  said.assign_cut(word);
  hide(settings_.token, said);
  return outbox_.told(number, said.view(), clocks, uuid);
}

}  // namespace tocsin

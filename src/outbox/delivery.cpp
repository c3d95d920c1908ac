// SPDX-License-Identifier: MIT
#include "tocsin/outbox/delivery.hpp"

#include "tocsin/outbox/backoff.hpp"

namespace tocsin {
namespace {

constexpr std::uint64_t kAfter_ms[] = {5'000, 20'000, 80'000, 380'000, 1'280'000};  // it was accepted
constexpr std::uint64_t kThenEvery_ms = 3'600'000;
constexpr std::uint64_t kTogether_ms = 5'000;  // what was accepted within that time is asked for together

constexpr std::uint64_t rounded_up(std::uint64_t ms) { return (ms + kTogether_ms - 1) / kTogether_ms * kTogether_ms; }

// The first time after which it is asked for that lies behind this age.
std::uint64_t next_age_ms(std::uint64_t age_ms) {
  for (const std::uint64_t after : kAfter_ms)
    if (after > age_ms) return after;
  const std::uint64_t last = kAfter_ms[sizeof kAfter_ms / sizeof kAfter_ms[0] - 1];
  return last + ((age_ms - last) / kThenEvery_ms + 1) * kThenEvery_ms;
}

}  // namespace

void Delivery::configure(std::uint32_t stream, Millis deadline, Millis also_at) {
  stream_ = stream;
  deadline_ms_ = static_cast<std::uint64_t>(deadline.count);
  also_at_ms_ = static_cast<std::uint64_t>(also_at.count);
  due_ms_ = 0;
}

void Delivery::begin_anew() {
  asked_to_ms_ = round_to_ms_ = due_ms_ = 0;
  asked_count_ = 0;
}

std::uint64_t Delivery::due_ms(const Entry& entry, std::uint64_t on_ms) const {
  const std::uint64_t accepted_ms = rounded_up(entry.due_ms);
  const std::uint64_t age_ms = asked_to_ms_ > accepted_ms ? asked_to_ms_ - accepted_ms : 0;
  const bool too_old = asked_to_ms_ == 0 && on_ms > accepted_ms && on_ms - accepted_ms >= deadline_ms_;
  if (too_old || age_ms >= deadline_ms_) return kNotDue;
  std::uint64_t next_ms = next_age_ms(age_ms);
  if (also_at_ms_ > age_ms && also_at_ms_ < next_ms) next_ms = also_at_ms_;
  return accepted_ms + (next_ms < deadline_ms_ ? next_ms : deadline_ms_);
}

// Of one phone the oldest message.
const Entry* Delivery::first_due(std::uint64_t from, std::uint64_t by_ms, std::uint64_t on_ms) const {
  const Entry* first = nullptr;
  const Entry* entry = outbox_.next_accepted(stream_, of_ == Asked::list ? 0 : static_cast<std::uint32_t>(from), of_);
  for (; entry != nullptr; entry = outbox_.next_accepted(stream_, entry->number + 1, of_)) {
    if (place(*entry) < from || (first != nullptr && place(*entry) >= place(*first)) || due_ms(*entry, on_ms) > by_ms)
      continue;
    first = entry;
    if (of_ != Asked::list) break;
  }
  return first;
}

bool Delivery::is_open(Instant now) const {
  const Entry* left = first_due(round_from_, round_to_ms_, outbox_.on_ms(now));
  return left != nullptr && place(*left) < page_to_;
}

std::size_t Delivery::end_round() {
  std::size_t given_up = 0;
  for (const Entry* entry = outbox_.next_accepted(stream_, 0); entry != nullptr && asked_to_ms_ != 0;
       entry = outbox_.next_accepted(stream_, entry->number + 1)) {
    const std::uint64_t over_ms = entry->due_ms + deadline_ms_;
    if (asked_to_ms_ < over_ms && over_ms <= round_to_ms_) ++given_up;
  }
  asked_to_ms_ = round_to_ms_;
  round_to_ms_ = due_ms_ = 0;
  return given_up;
}

Instant Delivery::next(Instant now) {
  if (deadline_ms_ == 0) return kNever;
  const std::uint64_t on_ms = outbox_.on_ms(now);
  for (;;) {
    if (round_to_ms_ == 0) {
      if (due_ms_ == 0) {
        due_ms_ = kNotDue;
        for (const Entry* entry = outbox_.next_accepted(stream_, 0, of_); entry != nullptr;
             entry = outbox_.next_accepted(stream_, entry->number + 1, of_))
          if (due_ms(*entry, on_ms) < due_ms_) due_ms_ = due_ms(*entry, on_ms);
      }
      if (due_ms_ == kNotDue) return kNever;
      if (due_ms_ > on_ms) {
        const Instant due = now + milliseconds(static_cast<std::int64_t>(due_ms_ - on_ms));
        return due < retry_at_ ? retry_at_ : due;
      }
      round_to_ms_ = on_ms;
      round_from_ = 0;
    }
    if (first_due(round_from_, round_to_ms_, on_ms) != nullptr) break;
    end_round();  // something else told of those that were left
  }
  constexpr Millis kAhead{(kMostAtOnce - 1) * kEvery.count};
  const Instant free =
      paid_until_ > now + kAhead ? Instant{paid_until_.ms - static_cast<std::uint64_t>(kAhead.count)} : now;
  return free < retry_at_ ? retry_at_ : free;
}

void Delivery::accepted(Instant now) {
  const std::uint64_t due_ms = rounded_up(outbox_.on_ms(now)) + kAfter_ms[0];
  if (due_ms_ != 0 && due_ms < due_ms_) due_ms_ = due_ms;
}

void Delivery::pick(Instant now) {
  const std::uint64_t on_ms = outbox_.on_ms(now);
  asked_count_ = 0;
  page_to_ = round_from_;
  while (asked_count_ < limit_) {
    const Entry* entry = first_due(page_to_, round_to_ms_, on_ms);
    if (entry == nullptr) break;
    asked_[asked_count_++] = entry->number;
    page_to_ = std::uint64_t{place(*entry)} + 1;
  }
}

void Delivery::leave_out(std::size_t at) {
  for (std::size_t i = at + 1; i < asked_count_; ++i) asked_[i - 1] = asked_[i];
  --asked_count_;
}

void Delivery::goes(Instant now) {
  if (asked_count_ == 0) {
    round_from_ = page_to_;
  } else {
    paid_until_ = (paid_until_ < now ? now : paid_until_) + kEvery;
  }
}

std::size_t Delivery::answered(Instant now) {
  round_from_ = page_to_;
  failures_ = 0;
  retry_at_ = Instant{};
  limit_ = limit_ * 2 < most_ ? limit_ * 2 : most_;
  return first_due(round_from_, round_to_ms_, outbox_.on_ms(now)) == nullptr ? end_round() : 0;
}

void Delivery::failed(Millis at_least, Instant now, std::uint32_t random) {
  const Millis jitter = full_jitter(kRetryMin, kRetryMax, failures_, random);
  Millis wait{kRetryMin.count / 2 + jitter.count};
  if (wait < at_least) wait = at_least;
  if (failures_ < 31) ++failures_;
  retry_at_ = now + wait;
}

void Delivery::refused_as_too_many(Instant now, std::uint32_t random) {
  if (asked_count_ > 1) {
    limit_ = asked_count_ / 2;
  } else {
    round_from_ = page_to_;
    failed(Millis{0}, now, random);
  }
}

}  // namespace tocsin

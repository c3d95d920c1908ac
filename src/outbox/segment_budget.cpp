// SPDX-License-Identifier: MIT
#include "tocsin/outbox/segment_budget.hpp"

#include "tocsin/base/assert.hpp"

namespace tocsin {
namespace {

using Day = SegmentBudgets::Day;
using Left = SegmentBudgets::Left;
constexpr std::uint32_t kDay = 86400;

bool is_over(const Day& day, std::uint32_t on_s) { return day.used == 0 || on_s - day.began_s >= kDay; }
std::uint32_t used_of(const Day& day, std::uint32_t on_s) { return is_over(day, on_s) ? 0 : day.used; }

void add_to(Day& day, std::uint32_t segments, std::uint32_t on_s) {
  if (is_over(day, on_s)) day = {on_s, 0};
  day.used += segments;
}

void take_from(Day& day, std::uint32_t segments) { day.used -= segments < day.used ? segments : day.used; }

// The earlier of two days that both have something counts.
void merge(Day& day, const Day& other, std::uint32_t other_on_s, std::uint32_t on_s) {
  if (is_over(other, other_on_s)) return;
  const std::uint32_t age_s = other_on_s - other.began_s;
  if (is_over(day, on_s)) day = {on_s - age_s, 0};
  if (on_s - day.began_s < age_s) day.began_s = on_s - age_s;
  day.used += other.used;
}

// A reserve is one segment at least, and leaves one.
std::uint32_t normal_part(std::uint32_t limit, std::uint8_t reserve) {
  const std::uint32_t kept = (limit * reserve + 99) / 100;
  return kept < limit ? limit - kept : 1;
}

std::uint32_t part_for(SegmentBudgets::Use use, std::uint32_t limit, std::uint8_t reserve) {
  return use == SegmentBudgets::Use::critical ? limit : normal_part(limit, reserve);
}

Left left(std::uint32_t used, std::uint32_t limit, std::uint8_t reserve) {
  if (limit == 0) return Left::some;
  return used >= limit ? Left::nothing : used >= normal_part(limit, reserve) ? Left::reserve : Left::some;
}

// What is new about it.
Left told(Left before, Left after) { return after != before ? after : Left::some; }

}  // namespace

void SegmentBudgets::configure(Span<const SegmentLimits> streams) {
  TOCSIN_ASSERT(streams.size() <= kMaxStreams);
  count_ = 0;
  of_recipients_ = false;
  for (const SegmentLimits& one : streams) {
    if (!one.any()) continue;
    days_[count_] = {};
    limits_[count_++] = one;
    of_recipients_ |= one.per_recipient > 0;
  }
  if (of_recipients_)
    for (Recipient& one : recipients_) one = {};
}

std::size_t SegmentBudgets::at(std::uint32_t stream) const {
  std::size_t at = 0;
  while (at < count_ && limits_[at].stream != stream) ++at;
  return at;
}

const SegmentLimits* SegmentBudgets::find(std::uint32_t stream) const {
  const std::size_t found = at(stream);
  return found < count_ ? &limits_[found] : nullptr;
}

Span<const SegmentBudgets::Recipient> SegmentBudgets::recipients() const {
  return Span<const Recipient>{recipients_}.first(of_recipients_ ? kRecipientSets * kRecipientWays : 0);
}

const SegmentBudgets::Recipient* SegmentBudgets::find_recipient(std::uint32_t stream, std::uint32_t phone) const {
  const Recipient* const set = &recipients_[phone % kRecipientSets * kRecipientWays];
  for (std::size_t i = 0; i < kRecipientWays; ++i)
    if (set[i].phone == phone && set[i].stream == stream) return &set[i];
  return nullptr;
}

SegmentBudgets::Recipient& SegmentBudgets::recipient_for(std::uint32_t stream, std::uint32_t phone, std::uint32_t on_s) {
  if (const Recipient* known = find_recipient(stream, phone)) return const_cast<Recipient&>(*known);
  Recipient* const set = &recipients_[phone % kRecipientSets * kRecipientWays];
  Recipient* least = set;
  for (std::size_t i = 1; i < kRecipientWays; ++i)
    if (used_of(set[i].day, on_s) < used_of(least->day, on_s)) least = &set[i];
  *least = {phone, stream, {}};
  return *least;
}

bool SegmentBudgets::lets(std::uint32_t stream, std::uint32_t phone, Use use, std::uint32_t on_s,
                          std::uint32_t beside_of_stream, std::uint32_t beside_of_recipient) const {
  const std::size_t found = at(stream);
  if (found == count_) return true;
  const SegmentLimits& limits = limits_[found];
  if (limits.per_day > 0 &&
      used_of(days_[found], on_s) + beside_of_stream >= part_for(use, limits.per_day, limits.reserve))
    return false;
  if (limits.per_recipient == 0) return true;
  const Recipient* recipient = find_recipient(stream, phone);
  const std::uint32_t used = recipient != nullptr ? used_of(recipient->day, on_s) : 0;
  return used + beside_of_recipient < part_for(use, limits.per_recipient, limits.reserve);
}

std::uint32_t SegmentBudgets::free_at_s(std::uint32_t stream, std::uint32_t phone, Use use, std::uint32_t on_s) const {
  const std::size_t found = at(stream);
  if (found == count_) return on_s;
  const SegmentLimits& limits = limits_[found];
  std::uint32_t free_s = on_s;
  const auto wait_for = [&](const Day& day, std::uint32_t limit) {
    if (limit == 0 || used_of(day, on_s) < part_for(use, limit, limits.reserve)) return;
    if (ends_s(day) > free_s) free_s = ends_s(day);
  };
  wait_for(days_[found], limits.per_day);
  if (limits.per_recipient == 0) return free_s;
  if (const Recipient* recipient = find_recipient(stream, phone)) wait_for(recipient->day, limits.per_recipient);
  return free_s;
}

SegmentBudgets::Reached SegmentBudgets::spend(std::uint32_t stream, std::uint32_t phone, std::uint32_t segments,
                                              std::uint32_t on_s) {
  Reached reached;
  const std::size_t found = at(stream);
  if (found == count_) return reached;
  const SegmentLimits& limits = limits_[found];
  const Left before = left_of_stream(stream, on_s);
  add_to(days_[found], segments, on_s);
  reached.stream = told(before, left_of_stream(stream, on_s));
  if (limits.per_recipient == 0) return reached;
  Recipient& recipient = recipient_for(stream, phone, on_s);
  const Left recipient_before = left_of(recipient, on_s);
  add_to(recipient.day, segments, on_s);
  reached.recipient = told(recipient_before, left_of(recipient, on_s));
  return reached;
}

void SegmentBudgets::spent_before(std::uint32_t stream, std::uint32_t phone, std::uint32_t segments,
                                  std::uint32_t at_s, std::uint32_t on_s) {
  const std::size_t found = at(stream);
  if (found == count_) return;
  merge(days_[found], {at_s, segments}, on_s, on_s);
  if (limits_[found].per_recipient > 0) merge(recipient_for(stream, phone, on_s).day, {at_s, segments}, on_s, on_s);
}

void SegmentBudgets::give_back(std::uint32_t stream, std::uint32_t phone, std::uint32_t segments) {
  const std::size_t found = at(stream);
  if (found == count_) return;
  take_from(days_[found], segments);
  if (limits_[found].per_recipient == 0) return;
  if (const Recipient* recipient = find_recipient(stream, phone))
    take_from(const_cast<Recipient*>(recipient)->day, segments);
}

void SegmentBudgets::add(const SegmentBudgets& other, std::uint32_t other_on_s, std::uint32_t on_s) {
  for (std::size_t i = 0; i < other.count_; ++i)
    if (const std::size_t found = at(other.limits_[i].stream); found < count_)
      merge(days_[found], other.days_[i], other_on_s, on_s);
  for (const Recipient& one : other.recipients())
    if (one.phone != 0 && find(one.stream) != nullptr && of_recipients_ && !is_over(one.day, other_on_s))
      merge(recipient_for(one.stream, one.phone, on_s).day, one.day, other_on_s, on_s);
}

Left SegmentBudgets::left_of_stream(std::uint32_t stream, std::uint32_t on_s) const {
  const SegmentLimits* limits = find(stream);
  return limits == nullptr ? Left::some : left(used_of_stream(stream, on_s), limits->per_day, limits->reserve);
}

Left SegmentBudgets::left_of(const Recipient& recipient, std::uint32_t on_s) const {
  const SegmentLimits* limits = find(recipient.stream);
  return limits == nullptr ? Left::some : left(used_of(recipient.day, on_s), limits->per_recipient, limits->reserve);
}

std::uint32_t SegmentBudgets::used_of_stream(std::uint32_t stream, std::uint32_t on_s) const {
  const std::size_t found = at(stream);
  return found < count_ ? used_of(days_[found], on_s) : 0;
}

std::uint32_t SegmentBudgets::day_of_stream_ends_s(std::uint32_t stream) const { return ends_s(days_[at(stream)]); }
std::uint32_t SegmentBudgets::ends_s(const Day& day) { return day.began_s + kDay; }

}  // namespace tocsin

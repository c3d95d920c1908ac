// SPDX-License-Identifier: MIT
// Who goes next. Passes over the index for each request, none of them nested: with 10,000 messages that wait it
// is still less than the request itself.
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {

std::size_t Outbox::pick(std::uint32_t stream, Instant now, After before, Span<std::uint32_t> into) const {
  constexpr Class kByClass[] = {Class::critical, Class::warning, Class::info};
  std::size_t n = 0;
  if (before == After::troubled && troubled_.size() > 0) {
    for (const Class cls : kByClass) n = pick_others(cls, stream, now, into, n);
    if (n > 0) return n;
  }
  for (const Class cls : kByClass) {
    for (const bool resting : {false, true}) {
      if (n == 0 && troubled_.size() > 0) {
        const std::size_t troubled = pick_troubled(cls, resting, stream, now, into);
        if (troubled > 0) return troubled;
      }
      if (!resting) n = pick_others(cls, stream, now, into, n);
    }
  }
  return n;
}

bool Outbox::critical_goes_next(std::uint32_t stream, Instant now, After before) const {
  std::uint32_t one[1];
  const Entry* entry = pick(stream, now, before, one) > 0 ? index_.find(one[0]) : nullptr;
  return entry != nullptr && entry->cls == Class::critical;
}

std::size_t Outbox::pick_others(Class cls, std::uint32_t stream, Instant now, Span<std::uint32_t> into,
                                std::size_t n) const {
  const std::uint32_t own_alarm = name_hash(kSelfAlarm);
  const unsigned place = queue_.names().place(stream);
  std::uint32_t free = may_send(rules_[cls], spent(cls), on_s(now));
  bool own = false;  // the device's own messages are put last
  const auto pass = [&](bool want_own) {
    for (std::size_t at = 0; at < index_.size() && n < into.size() && free > 0; ++at) {
      const Entry& entry = index_[at];
      unsigned by = 0;
      if (entry.cls != cls || !entry.goes_by(place, by) || !may_be_sent(entry, by, now)) continue;
      if (troubled_.find(stream, entry.recipient) != Troubled::kNone) continue;
      const bool is_own = entry.alarm == own_alarm;
      own |= is_own;
      if (is_own != want_own) continue;
      if (!segments_let(entry, stream, now, Span<const std::uint32_t>{into.data(), n})) continue;
      into[n++] = entry.number;
      --free;
    }
  };
  pass(false);
  if (own) pass(true);
  return n;
}

std::size_t Outbox::pick_troubled(Class cls, bool resting, std::uint32_t stream, Instant now,
                                  Span<std::uint32_t> into) const {
  bool wanted[kMaxTroubled] = {};
  bool any = false;
  for (std::size_t i = 0; i < troubled_.size(); ++i)
    any |= wanted[i] = troubled_[i].stream == stream && troubled_.rests(i, now) == resting;
  std::uint32_t free = may_send(rules_[cls], spent(cls), on_s(now));
  if (!any || free == 0 || into.empty()) return 0;
  std::size_t n = 0;
  const unsigned place = queue_.names().place(stream);
  const auto recipient_of = [&](const Entry& entry) {
    unsigned by = 0;
    if (entry.cls != cls || !entry.goes_by(place, by) || !may_be_sent(entry, by, now)) return Troubled::kNone;
    if (!segments_let(entry, stream, now, Span<const std::uint32_t>{into.data(), n})) return Troubled::kNone;
    const std::size_t who = troubled_.find(stream, entry.recipient);
    return who != Troubled::kNone && wanted[who] ? who : Troubled::kNone;
  };

  // They take turns: first comes who failed longest ago.
  std::size_t first = Troubled::kNone;
  std::uint32_t number = 0;
  for (std::size_t at = 0; at < index_.size(); ++at) {
    const std::size_t who = recipient_of(index_[at]);
    if (who == Troubled::kNone || (first != Troubled::kNone && troubled_[who].order >= troubled_[first].order))
      continue;
    first = who;
    number = index_[at].number;
  }
  if (first == Troubled::kNone) return 0;
  into[n++] = number;
  --free;
  if (troubled_[first].trouble == Trouble::request) return n;
  if (troubled_[first].trouble == Trouble::unanswered) wanted[first] = false;
  for (std::size_t at = 0; at < index_.size() && n < into.size() && free > 0; ++at) {
    const std::size_t who = recipient_of(index_[at]);
    if (who == Troubled::kNone || troubled_[who].trouble == Trouble::request || index_[at].number == number) continue;
    if (troubled_[who].trouble == Trouble::unanswered) wanted[who] = false;
    into[n++] = index_[at].number;
    --free;
  }
  return n;
}

bool Outbox::others_wait(std::uint32_t stream, Instant now) const {
  std::uint32_t one[1];
  for (const Class cls : {Class::critical, Class::warning, Class::info})
    if (pick_others(cls, stream, now, one, 0) > 0) return true;
  return false;
}

void Outbox::in_trouble(std::uint32_t number, Trouble trouble, Instant now) {
  const Entry* entry = index_.find(number);
  if (entry != nullptr) troubled_.failed(stream_of(*entry), entry->recipient, trouble, now);
}

bool Outbox::is_in_trouble(std::uint32_t stream, std::uint32_t number) const {
  const Entry* entry = index_.find(number);
  return entry != nullptr && troubled_.find(stream, entry->recipient) != Troubled::kNone;
}

bool Outbox::all_to_one(Span<const std::uint32_t> numbers) const {
  const Entry* first = numbers.empty() ? nullptr : index_.find(numbers[0]);
  if (first == nullptr) return false;
  for (const std::uint32_t number : numbers) {
    const Entry* entry = index_.find(number);
    if (entry == nullptr || entry->recipient != first->recipient) return false;
  }
  return true;
}

}  // namespace tocsin

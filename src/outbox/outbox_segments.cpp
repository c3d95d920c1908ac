// SPDX-License-Identifier: MIT
// The budgets in segments: who may go, and what was spent.
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {
namespace {

constexpr std::uint64_t kDayMs = 86'400'000;

// What the device says about itself is not kept back by what it says.
SegmentBudgets::Use use_of(const Entry& entry) {
  return entry.cls == Class::critical || entry.alarm == name_hash(kSelfAlarm) ? SegmentBudgets::Use::critical
                                                                              : SegmentBudgets::Use::normal;
}

}  // namespace

// `beside`: what goes with it, each of which may take as much as a message can.
bool Outbox::segments_let(const Entry& entry, std::uint32_t stream, Instant now, Span<const std::uint32_t> beside) const {
  const SegmentLimits* limits = segments_.find(stream);
  if (limits == nullptr) return true;
  std::uint32_t same = 0;
  for (const std::uint32_t number : beside) {
    const Entry* other = index_.find(number);
    same += other != nullptr && other->recipient == entry.recipient ? 1U : 0U;
  }
  const std::uint32_t most = limits->most_segments();
  return segments_.lets(stream, entry.recipient, use_of(entry), on_s(now),
                        static_cast<std::uint32_t>(beside.size()) * most, same * most);
}

Instant Outbox::segments_free_at(const Entry& entry, std::uint32_t stream, Instant now) const {
  if (segments_.find(stream) == nullptr) return now;
  const std::uint32_t now_s = on_s(now);
  const std::uint32_t at_s = segments_.free_at_s(stream, entry.recipient, use_of(entry), now_s);
  return at_s <= now_s ? now : instant_of(at_s, now);
}

void Outbox::spend_segments(Entry& entry, std::uint32_t segments, Instant now) {
  using Whose = SegmentBudgets::Whose;
  const std::uint32_t stream = stream_of(entry);
  if (segments_.find(stream) == nullptr) return;
  entry.segments = static_cast<std::uint8_t>(segments);
  const auto reached = segments_.spend(stream, entry.recipient, segments, on_s(now));
  if (reached.stream != SegmentBudgets::Left::some)
    observer_.segments_spent(entry.number, Whose::stream, reached.stream,
                             instant_of(segments_.day_of_stream_ends_s(stream), now));
  if (reached.recipient == SegmentBudgets::Left::some) return;
  const SegmentBudgets::Recipient* recipient = segments_.find_recipient(stream, entry.recipient);
  observer_.segments_spent(entry.number, Whose::recipient, reached.recipient,
                           instant_of(SegmentBudgets::ends_s(recipient->day), now));
}

// The messages that are kept are the record of what was spent: one that ended within a day was sent within it, or a
// little before; all its copies by the stream that had the last of them.
void Outbox::load_segments(const Clocks& clocks) {
  const std::uint64_t now_ms = queue_.on_ms(clocks.now);
  alignas(8) std::uint8_t scratch[kBlock];
  char memory[kMaxSentText];
  for (std::size_t at = 0; segments_.any() && at < index_.size(); ++at) {
    Entry& entry = index_[at];
    const SegmentLimits* limits = segments_.find(stream_of(entry));
    // A start counts a copy that is on no record (load): as a rule there was none.
    const std::uint32_t copies = entry.sends < entry.attempts ? entry.sends : entry.attempts;
    if (limits == nullptr || copies == 0) continue;
    const std::uint64_t at_ms = ended(entry.state) ? entry.due_ms : now_ms;
    if (at_ms > now_ms || now_ms - at_ms >= kDayMs) continue;
    const auto body = queue_.read_body(entry, scratch);
    if (!body.ok()) continue;
    const SentText sent = as_sent(body.value().event.text, limits->sms, Copy::first, memory);
    const std::uint32_t segments = measure_sms(sent.text, limits->sms.reference).segments * copies;
    segments_.spent_before(limits->stream, entry.recipient, segments, static_cast<std::uint32_t>(at_ms / 1000),
                           on_s(clocks.now));
  }
}

}  // namespace tocsin

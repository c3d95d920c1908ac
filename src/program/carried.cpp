// SPDX-License-Identifier: MIT
#include "src/program/carried.hpp"

namespace tocsin {

void Carried::save(const Queue& queue, const Index& index, std::uint32_t on_s) {
  from_ = size_ = messages_ = lost_ = 0;
  alarm_count_ = 0;
  for (const Queue::Alarm& alarm : queue.alarms()) alarms_[alarm_count_++] = alarm;
  alignas(8) std::uint8_t scratch[kBlock];
  for (std::size_t at = 0; at < index.size();) {
    const Queue::Mates mates = queue.mates(index[at]);
    const auto body = queue.read_body(index[at], scratch);
    Phone phones[kMaxPhones];
    std::size_t count = 0;
    std::uint8_t* const p = bytes_ + size_;
    for (; at < mates.to; ++at) {
      const Entry& entry = index[at];
      if (ended(entry.state)) continue;
      if (!body.ok() || size_ + kHeadBytes + (count + 1) * kMessageBytes > kBytes) {
        ++lost_;
        continue;
      }
      phones[count] = body.value().event.phone(entry.number - body.value().first_number);
      std::uint8_t* const m = p + kHeadBytes + count++ * kMessageBytes;
      store32(m, entry.number);
      store64(m + 4, entry.due_ms);
      store16(m + 12, entry.attempts);
      m[14] = entry.sends;
      m[15] = entry.aside;
      m[16] = entry.repeat;
      m[17] = entry.reopened;
      m[18] = static_cast<std::uint8_t>(entry.way | entry.closed << 4);
      const std::uint32_t waited_min = entry.since_s < on_s ? (on_s - entry.since_s) / 60 : 0;
      m[19] = static_cast<std::uint8_t>(waited_min < UINT8_MAX ? waited_min : UINT8_MAX);
    }
    if (count == 0) continue;
    Event event = body.value().event;
    event.phones = Span<const Phone>{phones, count};
    const std::size_t size = event_size(event), head = kHeadBytes + count * kMessageBytes;
    if (size_ + head + size > kBytes) {
      lost_ += count;
      continue;
    }
    encode_event(event, MutBytes{p + head, size});
    store16(p, static_cast<std::uint16_t>(size));
    p[2] = static_cast<std::uint8_t>(count);
    p[3] = 0;
    size_ += head + size;
    messages_ += count;
  }
}

bool Carried::front(Front& into) const {
  if (empty()) return false;
  const std::uint8_t* const p = bytes_ + from_;
  into.count = p[2];
  const std::size_t head = kHeadBytes + into.count * kMessageBytes;
  const auto event = decode_event(Bytes{p + head, load16(p)});
  TOCSIN_ASSERT(event.ok());  // as save() wrote it
  into.event = event.value();
  for (std::size_t i = 0; i < into.count; ++i) {
    const std::uint8_t* const m = p + kHeadBytes + i * kMessageBytes;
    into.phones[i] = into.event.phone(i);
    into.messages[i] = {load32(m), {load64(m + 4), load16(m + 12), m[14], m[15], m[16] != 0, m[17] != 0,
                                    static_cast<std::uint8_t>(m[18] & 15), static_cast<std::uint8_t>(m[18] >> 4),
                                    m[19] * 60U}};
  }
  into.event.phones = Span<const Phone>{into.phones, into.count};
  into.event.packed_phones = {};
  return true;
}

void Carried::pop() {
  const std::uint8_t* const p = bytes_ + from_;
  messages_ -= p[2];
  from_ += kHeadBytes + p[2] * kMessageBytes + load16(p);
}

}  // namespace tocsin

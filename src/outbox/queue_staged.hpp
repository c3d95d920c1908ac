// SPDX-License-Identifier: MIT
// A record that is not on the medium yet, as it waits in the queue's staging memory. Private to the queue.
#pragma once

#include "tocsin/outbox/queue.hpp"

namespace tocsin {

struct Staged {
  RecordKind kind = RecordKind::start;
  std::uint32_t number = 0;
  std::uint8_t count = 0;      // messages it speaks of
  std::uint16_t size = 0;      // of the payload
  std::uint32_t at = 0;        // in the log, once the running job has placed it
};

inline constexpr std::uint32_t kStagedHeadBytes = 12;
// What a message's state may take on the medium, counted before it is known.
inline constexpr std::size_t kStateShare = record_space(32 + 36);

// Numbers that a record reserves beyond those given out, so that a number told to somebody just before a
// power cut is not given out again. An orderly stop takes the reservation back.
inline constexpr std::uint32_t kReservedNumbers = 256;

// ENOSPC and EIO, for the words: there is no system header here.
inline constexpr std::int32_t kNoSpace = 28;
inline constexpr std::int32_t kNoAnswer = 5;

constexpr std::uint32_t staged_space(std::size_t payload) {
  return static_cast<std::uint32_t>((kStagedHeadBytes + payload + 3) / 4 * 4);
}

inline void write_staged(const Staged& s, std::uint8_t* p) {
  store16(p, s.size);
  p[2] = static_cast<std::uint8_t>(s.kind);
  p[3] = s.count;
  store32(p + 4, s.number);
  store32(p + 8, s.at);
}

inline Staged read_staged(const std::uint8_t* p) {
  return {static_cast<RecordKind>(p[2]), load32(p + 4), p[3], load16(p), load32(p + 8)};
}

// Whether it is the event of that message.
bool is_event_of(const Record& record, std::uint32_t number);

}  // namespace tocsin

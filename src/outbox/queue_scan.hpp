// SPDX-License-Identifier: MIT
// What one pass over a file gathers beside the index. Private to the queue.
#pragma once

#include "queue_staged.hpp"

namespace tocsin {

// A bit for each LSN of the generation, in memory that is not in use yet.
inline constexpr std::size_t kSeenBits = kStagingBytes * 8;

struct Queue::Scan {
  Found found;
  Lsn first_lsn = 0;
  Lsn last_lsn = 0;       // newest record found, and what it said:
  std::uint32_t ceiling = 1;
  std::uint32_t settled_below = 1;
  RecordKind last_kind = RecordKind::start;
  Echo last;              // as the next one tells it
  Lsn synced = 0;         // everything up to here had been on the medium
  Lsn seal_lsn = 0;
  Lsn copied = 0;         // by the turn that made this file, up to here
  Lsn run_lsn = 0;
  Lsn tally_lsn = 0;
  Lsn doubtful_below = 0;  // nobody knows what some lost record said, of which this is behind the last
  std::uint32_t last_block = 0;
  std::uint32_t next_number = 1;
  bool sealed = false;
  Event event;            // read last; here as it is large
  FixedText<kMaxWayNames> stream;  // of it: most events have the same
  std::uint16_t ways = 0;
  std::size_t gaps = 0;   // runs of LSNs that were not found
};

// The blocks of a store in ascending order, with one read as many as there is room for. Where that fails, each of them
// is read alone: what the medium gives is not missed for the sake of a neighbour.
class Blocks {
 public:
  Blocks(Store& store, MutBytes room, std::uint32_t end) : store_(store), room_(room), end_(end) {}
  Result<Bytes> read(std::uint32_t block);  // below `end`. Errors: io

 private:
  Store& store_;
  MutBytes room_;
  std::uint32_t end_;
  std::uint32_t from_ = 0, count_ = 0;  // what is in `room_`
  std::uint32_t alone_below_ = 0;
};

// What a record tells of the one before it: of a state as encode_message_state() begins it.
inline Echo echo_of(RecordKind kind, std::uint32_t number, Bytes payload) {
  const auto low_half = static_cast<std::uint16_t>(number);
  if (kind == RecordKind::event) return {Echo::kEvent, 0, low_half};
  if ((kind != RecordKind::state && kind != RecordKind::ended) || payload.size() < 2) return {};
  return {static_cast<std::uint8_t>(payload[0] + 1), payload[1], low_half};
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Records that are missing. Some were never promised: a power cut took them. The others are damaged, and what
// they said decides whether a message is sent again: the record behind each of them tells, and where that one
// is missing, too, every message that it may have been about is in doubt.
#include "queue_scan.hpp"

namespace tocsin {

// LSNs that were not found, one behind the other, in memory that is not in use yet. A start excuses those
// between the last sync that it knew of and itself.
struct Queue::Gap {
  Lsn from = 0;
  Lsn to = 0;  // the record behind it was found
  Lsn excused_from = UINT32_MAX;
  Lsn excused_to = 0;
  bool excuses(Lsn lsn) const { return excused_from <= lsn && lsn <= excused_to; }
};

bool Queue::is_missing(std::size_t at) const { return (staging_[at / 8] >> (at % 8) & 1) == 0; }

Queue::Gap* Queue::gaps() {
  static_assert(kMostGaps * sizeof(Gap) <= (kJobBlocks - 5) * kBlock);  // newest_in() has those before
  return reinterpret_cast<Gap*>(buffers_[5]);
}

std::size_t Queue::find_gaps(const Scan& scan) {
  std::size_t n = 0;
  const std::size_t end = scan.last_lsn - scan.first_lsn;
  for (std::size_t at = 0; at < end; ++at) {
    if (at % 8 == 0 && staging_[at / 8] == 0xFF) {
      at += 7;
      continue;
    }
    if (!is_missing(at)) continue;
    const std::size_t from = at;
    while (is_missing(at + 1)) ++at;
    // A file with more of them is a wreck: the last one takes in all that follow.
    if (n < kMostGaps) gaps()[n++] = Gap{};
    Gap& gap = gaps()[n - 1];
    if (gap.to == 0) gap.from = scan.first_lsn + static_cast<Lsn>(from);
    gap.to = scan.first_lsn + static_cast<Lsn>(at);
  }
  return n;
}

// Reads the file once more if anything is missing in it. Errors: io.
Status Queue::look_into_gaps(unsigned which, BadBlocks policy, Scan& into) {
  into.gaps = into.last_lsn == 0 ? 0 : find_gaps(into);
  if (into.gaps == 0) return {};
  Store& store = *store_[which];
  for (std::uint32_t block = 1; block <= into.last_block; ++block) {
    const Status read = store.read(block * kBlock, buffers_[0]);
    if (!read.ok() && policy == BadBlocks::refuse) return read;
    if (!read.ok()) continue;
    const Bytes bytes{buffers_[0]};
    for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock;) {
      const auto record = decode_record(log_.key, bytes.drop(offset));
      if (record.ok()) look_around(record.value().head, into);
      offset = record.ok() ? offset + record.value().space : next_mark(log_.key, bytes, offset + 8);
    }
  }
  // The seal came behind a sync, whatever it tells of one: it knows of those in the file before.
  const Lsn promised = into.synced > into.copied ? into.synced : into.copied;
  for (std::size_t i = 0; i < into.gaps; ++i) {
    const Gap& gap = gaps()[i];
    for (Lsn lsn = gap.from; lsn <= gap.to && lsn <= promised; ++lsn) {
      if (gap.excuses(lsn)) continue;
      ++into.found.damaged;
      if (lsn < gap.to) into.doubtful_below = lsn + 1;
    }
  }
  return {};
}

void Queue::look_around(const RecordHead& head, const Scan& scan) {
  if (!is_taken(head, scan)) return;
  if (head.lsn > scan.first_lsn && is_missing(head.lsn - 1 - scan.first_lsn)) hear(head.before, head.lsn - 1);
  if (head.kind != RecordKind::start) return;
  for (std::size_t i = 0; i < scan.gaps; ++i) {
    Gap& gap = gaps()[i];
    if (gap.to <= head.synced || gap.from >= head.lsn) continue;
    // But for those right before it that it had found, and written again before anything else.
    const Lsn last = head.number < head.lsn ? head.lsn - 1 - head.number : 0;
    const Lsn known = head.synced > scan.copied ? head.synced : scan.copied;
    if (known + 1 < gap.excused_from) gap.excused_from = known + 1;
    if (last > gap.excused_to) gap.excused_to = last;
  }
}

// The record at `lsn` is lost, the one behind it says what it was.
void Queue::hear(Echo echo, Lsn lsn) {
  if (echo.what() == 0 || echo.what() > static_cast<std::uint8_t>(State::merged) + 1) return;
  Entry* meant = nullptr;
  for (std::size_t at = 0; at < index_.size(); ++at) {
    Entry& entry = index_[at];
    if (static_cast<std::uint16_t>(entry.number) != echo.number || entry.body_at == 0 ||
        newest_of(entry) >= lsn)
      continue;
    if (meant != nullptr) {  // 65,536 numbers apart: nobody knows which of them
      put_in_doubt(*meant);
      return put_in_doubt(entry);
    }
    meant = &entry;
  }
  if (meant == nullptr) return;
  const State state = static_cast<State>(echo.what() - 1);
  meant->reopened = meant->reopened || (ended(meant->state) && !ended(state));
  meant->moved_state_at = lsn;
  meant->state = state;
  meant->sends = echo.sends();
  if (meant->attempts < meant->sends) meant->attempts = meant->sends;
  meant->due_ms = ended(state) ? newest_on_ms_ : 0;
  meant->doubt = Doubt::echo;
  turn_wanted_ = true;  // puts it on record
}

// It may have been sent and have ended: one last copy at most, and none where that must not be.
void Queue::put_in_doubt(Entry& entry) {
  if (ended(entry.state)) return;
  const unsigned known = entry.on_unknown == OnUnknown::hold ? 1 : kMaxSends - 1;
  if (entry.sends < known) entry.sends = static_cast<std::uint8_t>(known);
  entry.doubt = Doubt::hit;
  turn_wanted_ = true;
}

// The newest record of a message that was found: both stand in for LSNs until the load is finished.
Lsn Queue::newest_of(const Entry& entry) {
  return entry.moved_state_at > entry.moved_body_at ? entry.moved_state_at : entry.moved_body_at;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// What a process that died left behind without knowing that it is on the medium. It is found in the page cache,
// and a sync alone need not write it: after one that failed, the kernel calls those pages clean. So they are
// written again, to other slots, before anything is acted on.
#include "queue_scan.hpp"

namespace tocsin {

// Up to the end of its last record; 0: everything it says is on the medium.
std::uint32_t Queue::doubtful_bytes(Bytes block, bool& with_seal) const {
  std::uint32_t end = 0;
  bool doubtful = false;
  for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock;) {
    const auto record = decode_record(log_.key, block.drop(offset));
    if (!record.ok()) {
      offset += 8;
      continue;
    }
    offset += record.value().space;
    end = static_cast<std::uint32_t>(offset);
    const RecordHead& head = record.value().head;
    with_seal = with_seal || head.kind == RecordKind::seal;
    // The start of this run says again what others said.
    doubtful = doubtful || (head.lsn > vouched_lsn_ && head.kind != RecordKind::start &&
                            head.kind != RecordKind::stop);
  }
  return doubtful ? end : 0;
}

// The records right before the start, as many as are written again with it: as soon as anything vouches for that
// start, they are on the medium. In memory that is not in use yet. Errors: io.
Status Queue::count_found(BadBlocks policy, const Scan& scan) {
  forget_seen();
  for (std::uint32_t block = rescue_from_; block < rescue_end_; ++block) {
    const Bytes bytes{buffers_[0]};
    const Status read = store_[active_]->read(block * kBlock, buffers_[0]);
    if (!read.ok() && policy == BadBlocks::refuse) return read;
    if (!read.ok()) continue;
    bool with_seal = false;
    const std::uint32_t end = doubtful_bytes(bytes, with_seal);
    for (std::uint32_t offset = 0; offset < end;) {
      const auto record = decode_record(log_.key, bytes.drop(offset));
      const std::size_t at = record.ok() ? record.value().head.lsn - scan.first_lsn : kSeenBits;
      if (at < kSeenBits) staging_[at / 8] = static_cast<std::uint8_t>(staging_[at / 8] | 1U << (at % 8));
      offset += record.ok() ? static_cast<std::uint32_t>(record.value().space) : 8;
    }
  }
  const std::size_t end = scan.last_lsn + 1 - scan.first_lsn;
  for (found_before_ = 0; found_before_ < end && !is_missing(end - 1 - found_before_);) ++found_before_;
  return {};
}

// Adds what is in doubt to the job that is being built; the last block goes on with what is staged. Errors:
// again: the job is full; full: there is no slot; io. `with_seal`: the seal is among it.
Status Queue::rescue(bool& with_seal) {
  Log& log = *job_log_;
  with_seal = false;
  for (rescue_next_ = rescue_from_; rescue_next_ < rescue_end_; ++rescue_next_) {
    if (job_blocks_ == kJobBlocks) return Code::again;
    const std::size_t buffer = job_blocks_ == 0 ? buffer_ : (buffer_ + 1) % kJobBlocks;
    TRY(job_store_->read(slot_of_[rescue_next_] * kBlock, buffers_[buffer]));
    const std::uint32_t used = doubtful_bytes(buffers_[buffer], with_seal);
    if (used == 0) continue;
    std::uint32_t slot = take_slot();
    if (slot == 0) {
      if (seal_safe_ || job_store_->erased_together() > 1) return Code::full;
      // Nothing behind the seal was ever promised, and without it the other file says the same.
      slot = slot_of_[rescue_next_];
    }
    if (job_blocks_ > 0) close_block();
    buffer_ = buffer;
    log.block = rescue_next_;
    log.slot = slot;
    log.used = used;
    log.synced = 0;
    placed_[job_blocks_++] = {log.block, slot};
  }
  return {};
}

}  // namespace tocsin

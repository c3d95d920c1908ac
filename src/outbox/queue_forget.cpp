// SPDX-License-Identifier: MIT
// Forgetting what has ended: texts and numbers are personal data. The copy that a turn makes leaves them out,
// but files, ends of blocks and slots that are not used keep what was there until zeros are written over it.
#include "queue_staged.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kLooksAtOnce = 32;  // slots that are read before the loop gets its turn again

}  // namespace

Status Queue::forget(std::uint32_t before_s) {
  Tally tally = tally_;
  if (before_s > tally.forget_before_s) tally.forget_before_s = before_s;
  TRY(stage_tally(tally).status());
  forget_ = Forget::wiping_copy;
  wipe_at_ = 1;
  return {};
}

// Called when nothing waits to be written. False: nothing to do at this moment.
bool Queue::forget_step() {
  // Until a record vouches for the seal, one bit of it makes the other file the truth.
  const bool wipes = forget_ == Forget::wiping_copy || forget_ == Forget::wiping_old;
  if (wipes && !vouched_) return stage_tally(tally_).ok();
  switch (forget_) {
    case Forget::nothing: return false;
    case Forget::wiping_copy:
      switch (wipe()) {
        case Wiped::some: return true;
        case Wiped::later: return false;
        case Wiped::all: break;
      }
      forget_ = Forget::turning;
      turn_begin();
      return true;
    case Forget::turning: return false;  // the turn goes on by itself
    case Forget::wiping_old:
      switch (wipe()) {
        case Wiped::some: return true;
        case Wiped::later: return false;
        case Wiped::all: break;
      }
      Tally tally = tally_;
      tally.forget_before_s = 0;
      if (!stage_tally(tally).ok()) return false;
      forget_ = Forget::nothing;
      return true;
  }
  return false;
}

// Whether it has one; in head_buffer_ then.
bool Queue::read_head(Store& store) {
  for (const std::uint32_t at : {0U, slots(store) * kBlock})
    if (store.read(at, head_buffer_).ok() && decode_file_head(head_buffer_).ok()) return true;
  return false;
}

// One job of zeros to the file that is not active, which nobody needs: heads stay, so that generations go on.
Queue::Wiped Queue::wipe() {
  Store& store = *store_[active_ ^ 1];
  const MutBytes zeros{buffers_[(buffer_ + 1) % kJobBlocks], kBlock};
  const MutBytes seen{buffers_[(buffer_ + 2) % kJobBlocks], kBlock};
  open_job(log_, store);
  job_staged_ = 0;
  // Bare flash is erased, which takes as long as many writes do: one group in a job.
  const std::uint32_t together = store.erased_together();
  const std::size_t most = together == 1 ? kJobBlocks : 1;
  std::uint32_t looks = 0;
  for (; wipe_at_ < slots(store) && write_count_ < most && looks < kLooksAtOnce; ++wipe_at_, ++looks) {
    if (store.read(wipe_at_ * kBlock, seen).ok() && is_blank(seen)) continue;
    const std::uint32_t first = wipe_at_ - wipe_at_ % together;
    // The head lies in the first group: it is written again where it was.
    writes_[write_count_++] = {first * kBlock, first == 0 && read_head(store) ? Bytes{head_buffer_} : Bytes{zeros}};
    written_bytes_ += kBlock;
    wipe_at_ = first + together - 1;
  }
  if (write_count_ > 0) {
    std::memset(zeros.data(), 0, zeros.size());
    wiping_ = true;
    begin_job(Store::Sync::yes);
    return Wiped::some;
  }
  return wipe_at_ < slots(store) ? Wiped::later : Wiped::all;
}

// A turn went to the other file, whoever wanted it.
void Queue::forget_turned() {
  switch (forget_) {
    case Forget::nothing: return;
    case Forget::turning: forget_ = Forget::wiping_old; break;
    case Forget::wiping_copy:
    case Forget::wiping_old: forget_ = Forget::wiping_copy; break;  // it went to a file that is not all zeros
  }
  wipe_at_ = 1;
}

// The job is tried again when somebody asks, or by the next run: what was written over is not needed.
void Queue::wipe_failed(std::int32_t error) {
  wiping_ = false;
  forget_ = Forget::nothing;
  last_errno_ = error;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// How staged records reach the medium: jobs of a few blocks and one sync.
#include "queue_scan.hpp"

namespace tocsin {
namespace {

constexpr Millis kRetryAfterFailure = seconds(10);
constexpr unsigned kMostRescues = 3;

}  // namespace

void Queue::poll(Instant now) {
  for (;;) {
    if (job_running_) {
      const Status done = job_store_->poll();
      if (done.code() == Code::again) {
        stall_told_ = now >= job_since_ + kStall;
        return;
      }
      job_running_ = false;
      if (done.ok()) {
        job_done();
      } else if (wiping_) {
        wipe_failed(done.detail());
      } else {
        job_failed(now, done.detail());
      }
    }
    switch (phase_) {
      case Phase::closed: return;
      case Phase::working:
        if (turn_wanted_ && seal_safe_) {
          turn_begin();  // takes along what is in doubt
        } else if (in_doubt()) {
          build(now);
        } else if (!has_to_write()) {
          if (!forget_step()) return;
        } else {
          build(now);
        }
        break;
      case Phase::copying: turn_step(now); break;
      case Phase::sealing: turn_seal(); break;
      case Phase::broken:
        if (now < retry_at_) return;
        if (!seal_safe_ && rescue_tries_ < kMostRescues) {
          phase_ = Phase::working;
          build(now);
        } else {
          turn_begin();  // the active file is not trusted with another write: all that counts goes to the other
        }
        break;
    }
    if (job_running_) {
      job_since_ = now;
      stall_told_ = false;
    }
  }
}

void Queue::open_job(Log& log, Store& store) {
  job_log_ = &log;
  job_store_ = &store;
  job_blocks_ = 0;
  write_count_ = 0;
  job_freed_slot_ = 0;
  advance_settled_below();
}

// A slot that nothing needs: an outdated version first, then one that was never used. 0: there is none.
std::uint32_t Queue::take_slot() {
  Log& log = *job_log_;
  std::uint32_t slot = log.spare_slot;
  if (slot != 0) {
    log.spare_slot = 0;
  } else if (log.fresh_slot + (phase_ == Phase::copying ? 2 : 0) <
             slots(*job_store_)) {  // two for seal and tail
    slot = log.fresh_slot++;
  }
  return slot;
}

bool Queue::next_block() {
  Log& log = *job_log_;
  if (job_blocks_ == kJobBlocks) return false;
  const std::uint32_t slot = take_slot();
  if (slot == 0) return false;
  if (job_blocks_ > 0) {
    close_block();
    buffer_ = (buffer_ + 1) % kJobBlocks;
  }
  log.block = log.next_block++;
  log.slot = slot;
  log.used = log.synced = 0;
  placed_[job_blocks_++] = {log.block, slot};
  return true;
}

void Queue::close_block() {
  const Log& log = *job_log_;
  writes_[write_count_++] = {log.slot * kBlock, Bytes{buffers_[buffer_]}.first(log.used)};
  written_bytes_ += log.used;
}

// Adds a record to the job that is being built. False: the job, or the file, is full; nothing changed.
bool Queue::append(RecordKind kind, std::uint32_t number, Bytes payload, std::uint32_t& at) {
  Log& log = *job_log_;
  const std::size_t space = record_space(payload.size());
  if (log.block == 0 || log.used + space > kBlock) {
    if (!next_block()) return false;
  } else if (job_blocks_ == 0) {
    // The block goes on from an earlier job. What that job synced must stay readable whatever becomes of
    // this write, so the longer version goes to another slot.
    if (log.synced > 0) {
      const std::uint32_t slot = take_slot();
      if (slot == 0) return false;
      if (job_store_->erased_together() == 1) job_freed_slot_ = log.slot;
      log.slot = slot;
    }
    placed_[job_blocks_++] = {log.block, log.slot};
  }
  RecordHead head;
  head.kind = kind;
  head.lsn = next_lsn_++;
  head.number = number;
  head.settled_below = settled_below_;
  head.ceiling = next_number_ + (kind == RecordKind::stop ? 0 : kReservedNumbers);
  head.synced = synced_lsn_;
  head.before = prior_;
  encode_record(log.key, head, payload, MutBytes{buffers_[buffer_]}.drop(log.used));
  at = log.block * kBlock + log.used;
  log.used += static_cast<std::uint32_t>(space);
  prior_ = echo_of(kind, number, payload);
  job_lsn_ = head.lsn;
  job_ceiling_ = head.ceiling;
  return true;
}

void Queue::begin_job(Store::Sync sync) {
  if (job_blocks_ > 0) close_block();
  if (sync == Store::Sync::yes) ++syncs_;
  job_running_ = true;
  job_store_->begin(Span<const Store::Write>{writes_, write_count_}, sync);
}

void Queue::build(Instant now) {
  open_job(log_, *store_[active_]);
  job_staged_ = 0;
  job_lsn_ = synced_lsn_;
  job_ceiling_ = synced_ceiling_;
  bool with_seal = false;
  const Status rescued = rescue(with_seal);
  if (rescued.code() == Code::full) return turn_begin();
  if (rescued.code() == Code::io) return job_failed(now, rescued.detail());
  if (rescued.ok() && job_blocks_ == 0) rescue_from_ = rescue_next_;
  if (rescued.ok() && !seal_safe_ && !with_seal) {
    // The sync failed that was to put it on the medium, and its page is gone from the cache. What the file had
    // before it is on the medium; a turn finds out what else is gone, before anything is called safe.
    std::uint32_t at = 0;
    if (!append(RecordKind::seal, 1, {}, at)) {
      rescue_tries_ = 0;  // a turn would write over what is the truth now: the next start begins with that
      return job_failed(now, kNoSpace);
    }
    turn_wanted_ = true;
    return begin_job(Store::Sync::yes);
  }
  while (rescued.ok() && job_staged_ < staged_) {
    std::uint8_t* p = staging_ + job_staged_;
    Staged record = read_staged(p);
    // Until the seal is on the medium no record behind it can vouch for it, and a start would take what this
    // job carries for what nobody was promised.
    if (!seal_safe_ && record.kind != RecordKind::start) break;
    if (!append(record.kind, record.number, {p + kStagedHeadBytes, record.size}, record.at)) break;
    write_staged(record, p);
    job_staged_ += staged_space(record.size);
  }
  if (job_blocks_ > 0) {
    begin_job(Store::Sync::yes);
  } else if (turned_in_vain_) {
    job_failed(now, kNoSpace);
    retry_at_ = now + kRetryAfterFailure;
  } else {
    turn_begin();
  }
}

void Queue::job_done() {
  if (wiping_) {
    wiping_ = false;
    return;
  }
  switch (phase_) {
    case Phase::working:
      rescue_from_ = rescue_next_;
      if (!seal_safe_ && !in_doubt()) {
        seal_safe_ = true;
        failing_ = false;
      }
      job_is_on_medium();
      for (std::size_t i = 0; i < job_blocks_; ++i)
        slot_of_[placed_[i].block] = static_cast<std::uint16_t>(placed_[i].slot);
      log_.synced = log_.used;
      if (job_freed_slot_ != 0) log_.spare_slot = job_freed_slot_;
      turned_in_vain_ = false;
      place_staged();
      break;
    case Phase::copying:
      if (turn_at_ == kTurnCopied) {
        moved_.synced = moved_.used;
        phase_ = Phase::sealing;
      }
      break;
    case Phase::sealing:
      turn_done();
      job_is_on_medium();
      turned_in_vain_ = true;
      break;
    case Phase::closed:
    case Phase::broken: TOCSIN_ASSERT(false);
  }
}

// A seal that only itself tells of is in doubt at the next start, which may write over it where there is no other
// slot: a cut then leaves the file before it, and what that reserves.
void Queue::job_is_on_medium() {
  vouched_ = synced_lsn_ >= first_lsn_;
  if (vouched_ || job_ceiling_ < synced_ceiling_) synced_ceiling_ = job_ceiling_;
  synced_lsn_ = job_lsn_;
}

// The job's records are on the medium: their entries point there now, their staging memory is free.
void Queue::place_staged() {
  for (std::size_t offset = 0; offset < job_staged_;) {
    const std::uint8_t* p = staging_ + offset;
    const Staged record = read_staged(p);
    const auto staged_at = static_cast<std::uint32_t>(released_ + offset);
    if (record.kind == RecordKind::event) {
      for (std::uint32_t i = 0; i < record.count; ++i) {
        Entry* entry = index_.find(record.number + i);
        if (entry == nullptr) continue;
        entry->body_at = record.at;
        entry->body_staged = false;
      }
      const Bytes payload{p + kStagedHeadBytes, record.size};
      if (transition_of(payload) != Transition::none) {
        const auto event = decode_event(payload);
        if (Alarm* alarm = event.ok() ? note_alarm(event.value().alarm) : nullptr) {
          alarm->safe_last = event.value().transition;
          alarm->safe_since = event.value().queued;
          alarm->safe_code.assign_cut(event.value().code);
        }
      }
    } else if (record.kind == RecordKind::alarm) {
      const auto state = decode_alarm_state({p + kStagedHeadBytes, record.size});
      if (Alarm* alarm = state.ok() ? note_alarm(state.value().alarm) : nullptr) {
        alarm->safe_last = state.value().last;
        alarm->safe_since = state.value().since;
        alarm->safe_code.assign_cut(state.value().code);
      }
    } else if (record.kind == RecordKind::state || record.kind == RecordKind::ended) {
      Entry* entry = index_.find(record.number);
      if (entry != nullptr && entry->state_staged && entry->state_at == staged_at) {
        entry->state_at = record.at;
        entry->state_staged = false;
      }
    }
    offset += staged_space(record.size);
  }
  staged_ -= job_staged_;
  if (staged_ > 0) std::memmove(staging_, staging_ + job_staged_, staged_);
  released_ += job_staged_;
  job_staged_ = 0;
  if (unsaved_ > 0) stage_unsaved();
}

// Outcomes that came while the medium did not answer and the staging memory was full.
void Queue::stage_unsaved() {
  for (std::size_t at = 0; at < index_.size() && unsaved_ > 0; ++at) {
    Entry& entry = index_[at];
    if (!entry.unsaved) continue;
    MessageState last;
    last.state = entry.state;
    last.sends = entry.sends;
    last.attempts = entry.attempts;
    entry.unsaved = false;
    --unsaved_;
    if (!update(entry.number, last, {}).ok()) return;  // no room again: it is marked again
  }
}

// Nothing is known of what the job touched, and a failed sync must never be repeated on the same pages:
// the kernel may call them clean. What is staged stays staged; what was safe is copied to the other file.
void Queue::job_failed(Instant now, std::int32_t error) {
  failing_ = failing_ || phase_ != Phase::working || !seal_safe_;
  retry_at_ = phase_ == Phase::working && seal_safe_ ? now : now + kRetryAfterFailure;
  if (!seal_safe_) {
    // The other file may still be the truth, if the seal is in the page cache only: it is not touched before
    // this one has refused several times.
    ++rescue_tries_;
    log_ = found_log_;
    prior_ = Echo{};  // of a record that may never have been: it is excused
    Staged start = read_staged(staging_);
    start.number = 0;
    write_staged(start, staging_);
  }
  phase_ = Phase::broken;
  last_errno_ = error;
  job_staged_ = 0;
}

void Queue::advance_settled_below() {
  while (settled_below_ < next_number_) {
    const Entry* entry = index_.first_from(settled_below_);
    if (entry == nullptr) {
      settled_below_ = next_number_;
    } else if (!ended(entry->state)) {
      settled_below_ = entry->number;
      return;
    } else {
      settled_below_ = entry->number + 1;
    }
  }
}

}  // namespace tocsin

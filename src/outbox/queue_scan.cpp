// SPDX-License-Identifier: MIT
// Finding everything again. Records count wherever they are found, in any order, once or twice; what
// decides between two states of one message is the LSN, never the place.
#include "queue_scan.hpp"

namespace tocsin {

namespace {

void raise(std::uint64_t& newest, std::uint64_t to) {
  if (to > newest) newest = to;
}

void see(std::uint8_t* bits, std::size_t at) {
  bits[at / 8] = static_cast<std::uint8_t>(bits[at / 8] | 1U << (at % 8));
}

}  // namespace

// No medium lives long enough for it, and those behind it would begin again at 0.
constexpr std::uint32_t kNoGeneration = 0xFFFF0000;

Result<Bytes> Blocks::read(std::uint32_t block) {
  if (block - from_ >= count_) {
    std::uint32_t many = block < alone_below_ ? 1 : static_cast<std::uint32_t>(room_.size() / kBlock);
    if (many > end_ - block) many = end_ - block;
    from_ = block;
    count_ = 0;
    Status read = store_.read(block * kBlock, room_.first(many * kBlock));
    if (!read.ok() && many > 1) {
      alone_below_ = block + many;
      many = 1;
      read = store_.read(block * kBlock, room_.first(kBlock));
    }
    if (!read.ok()) return read;
    count_ = many;
  }
  return Bytes{room_.drop((block - from_) * kBlock).first(kBlock)};
}

Result<Queue::Found> Queue::load(BadBlocks policy, MutBytes room) {
  TOCSIN_ASSERT(phase_ == Phase::closed);
  room_ = room.size() < kBlock ? MutBytes{buffers_[0]} : room;
  Candidate candidates[2];
  std::size_t n = 0;
  std::uint32_t newest = 0;
  std::uint32_t bad_heads = 0;
  bool garbage = false;
  new_tag_ = false;
  found_before_ = 0;
  for (unsigned which = 0; which < 2; ++which) {
    Store& store = *store_[which];
    if (store.capacity() / kBlock < kMinBlocks || store.capacity() / kBlock > kMaxBlocks)
      return Code::too_big;
    // The head lies twice, in blocks that are not written again while the file counts.
    for (const std::uint32_t at : {0U, slots(store) * kBlock}) {
      std::uint8_t bytes[kFileHeadBytes];
      const Status read = store.read(at, bytes);
      if (!read.ok() && policy == BadBlocks::refuse) return read;
      if (!read.ok()) ++bad_heads;
      if (!read.ok()) continue;
      const auto head = decode_file_head(bytes);
      if (head.code() == Code::bad_value) return head.status();
      const bool counts = head.ok() && head.value().block == kBlock && head.value().generation < kNoGeneration;
      if (!counts && head.code() != Code::empty) garbage = true;
      if (!counts) continue;
      if (n > 0 && candidates[n - 1].which == which) {
        // Two heads of one file may differ: a turn was cut off just when it began. The newer generation
        // has no seal then, and the older one was not the active file any more.
        if (head.value().generation > candidates[n - 1].head.generation)
          candidates[n - 1].head = head.value();
      } else {
        candidates[n++] = {which, head.value()};
      }
      generation_of_[which] = candidates[n - 1].head.generation;
      if (head.value().generation > newest) newest = head.value().generation;
      salt_ = head.value().salt;
    }
  }
  // Without its heads a file is not known by anybody; a turn fills its first slots before all others.
  constexpr std::uint32_t kFewSlots = 4;
  for (unsigned which = 0; which < 2; ++which) {
    lost_heads_[which] = told_nothing_[which] = false;
    if (n > 0 && (candidates[0].which == which || candidates[n - 1].which == which)) continue;
    const std::uint32_t looks = n == 0 ? kMaxBlocks : kFewSlots;
    TRY_LET(something, holds_something(which, 1, looks, policy));
    if (!something) continue;
    const auto guess = n == 1 ? guess_head(which, candidates[0].head, policy) : Result<FileHead>{Code::empty};
    if (guess.code() == Code::io) return guess.status();
    if (!guess.ok()) {
      // A cut while the very first head was written to bare flash may have left anything in all of its group.
      const std::uint32_t together = store_[which]->erased_together();
      TRY_LET(written, holds_something(which, together, looks, policy));
      lost_heads_[which] = told_nothing_[which] = written;
      continue;
    }
    lost_heads_[which] = true;
    generation_of_[which] = guess.value().generation;
    if (guess.value().generation > newest) newest = guess.value().generation;
    candidates[n++] = {which, guess.value()};
  }
  if (n == 2 && candidates[1].head.generation > candidates[0].head.generation) {
    const Candidate swapped = candidates[0];
    candidates[0] = candidates[1];
    candidates[1] = swapped;
  }
  unsigned cut_off = Found::kNoFile;
  moved_generation_ = newest;  // a turn that was cut off may have left records of this generation
  for (std::size_t i = 0; i < n; ++i) {
    Scan scan;
    index_.clear();
    alarm_count_ = 0;
    tally_ = Tally{};
    newest_on_ms_ = 0;
    TRY(this->scan(candidates[i].which, candidates[i].head, policy, scan));
    TRY_LET(is_cut, is_cut_off(candidates[i], policy));
    if (is_cut) cut_off = candidates[i].which;
    // The seal itself may be damaged: a record that knows of a sync in this generation came after it.
    if (!scan.sealed && scan.synced < scan.first_lsn) continue;
    turn_wanted_ = false;
    TRY(look_into_gaps(candidates[i].which, policy, scan));
    prior_ = scan.last;
    scan.found.bad_blocks += bad_heads;
    active_ = candidates[i].which;
    if (lost_heads_[active_] || told_nothing_[active_ ^ 1]) ++scan.found.damaged;
    if (lost_heads_[active_]) scan.found.heads = Heads::lost;
    if (told_nothing_[active_ ^ 1]) scan.found.heads = Heads::unknown;
    scan.found.cut_off = cut_off;
    if (cut_off != Found::kNoFile) ++scan.found.damaged;
    if (told_nothing_[active_ ^ 1] || cut_off != Found::kNoFile) {
      scan.doubtful_below = UINT32_MAX;
      new_tag_ = true;
    }
    generation_ = candidates[i].head.generation;
    salt_ = candidates[i].head.salt;
    finish_load(scan);
    TRY(count_found(policy, scan));
    if (new_tag_) skip_what_was_lost();
    if (i > 0) {
      // The newer generation may be sealed all the same, and what hides that in the page cache only. Nothing
      // goes to this file before the other one is overwritten.
      turn_wanted_ = true;
      seal_safe_ = true;
      scan.found.unsealed = candidates[0].which;
    }
    scan.found.unclean = scan.last_kind != RecordKind::stop;
    return scan.found;
  }
  index_.clear();
  alarm_count_ = 0;
  Found found;
  if (n > 0) found.unsealed = candidates[0].which;
  found.fresh = true;
  found.unreadable = garbage || lost_heads_[0] || lost_heads_[1];
  return found;
}

Status Queue::scan(unsigned which, const FileHead& head, BadBlocks policy, Scan& into) {
  Store& store = *store_[which];
  log_ = Log{};
  log_.key = file_key(head.salt, head.generation);
  into.first_lsn = head.first_lsn;
  forget_seen();
  std::memset(newest_in(0), 0, slots(store) * sizeof(Lsn));
  Blocks blocks{store, room_, slots(store)};
  for (std::uint32_t block = 1; block < slots(store); ++block) {
    const auto bytes = blocks.read(block);
    if (bytes.ok()) {
      scan_block(block, bytes.value(), into);
    } else if (policy == BadBlocks::leave_out) {
      ++into.found.bad_blocks;
    } else {
      return bytes.status();
    }
  }
  index_.settle();
  return {};
}

// Where nothing was written nothing is written now: a page that is only read takes no memory.
void Queue::forget_seen() {
  for (std::uint8_t* from = staging_; from < staging_ + sizeof staging_; from += kBlock)
    if (*from != 0 || std::memcmp(from, from + 1, kBlock - 1) != 0) std::memset(from, 0, kBlock);
}

void Queue::scan_block(std::uint32_t block, Bytes bytes, Scan& into) {
  if (is_blank(bytes)) return;
  for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock;) {
    const auto record = decode_record(log_.key, bytes.drop(offset));
    if (!record.ok()) {
      offset = next_mark(log_.key, bytes, offset + 8);  // what lies behind a damaged one is found again
      continue;
    }
    into.last_block = block;
    apply(record.value(), block * kBlock + static_cast<std::uint32_t>(offset), into);
    offset += record.value().space;
  }
}

// Not what no queue ever writes, although every check holds.
bool Queue::is_taken(const RecordHead& head, const Scan& scan) {
  return head.lsn >= scan.first_lsn && head.lsn - scan.first_lsn < kSeenBits && head.synced < head.lsn &&
         head.settled_below <= head.ceiling;
}

void Queue::apply(const Record& record, std::uint32_t at, Scan& into) {
  const RecordHead& head = record.head;
  if (!is_taken(head, into)) return;
  ++into.found.records;
  see(staging_, head.lsn - into.first_lsn);
  if (head.synced > into.synced) into.synced = head.synced;
  if (head.kind != RecordKind::start && head.kind != RecordKind::stop && head.lsn > *newest_in(at / kBlock))
    *newest_in(at / kBlock) = head.lsn;
  if (head.lsn >= into.last_lsn) {
    into.last_lsn = head.lsn;
    into.last_kind = head.kind;
    into.ceiling = head.ceiling;
    into.settled_below = head.settled_below;
    into.last = echo_of(head.kind, head.number, record.payload);
  }
  switch (head.kind) {
    case RecordKind::start: {
      const auto run = decode_run(record.payload);
      if (run.ok() && head.lsn >= into.run_lsn) {
        run_ = run.value();
        into.run_lsn = head.lsn;
      }
      if (run.ok()) raise(newest_on_ms_, std::uint64_t{run.value().on_before_s} * 1000);
      return;
    }
    case RecordKind::stop: return;
    case RecordKind::seal:
      into.sealed = true;
      into.seal_lsn = head.lsn;
      if (head.number == 0) into.copied = head.lsn - 1;
      return;
    case RecordKind::event: {
      Event& event = into.event;
      if (!decode_event(record.payload, event).ok()) return;
      const std::size_t count = event.phone_count();
      if (head.number > head.ceiling || head.ceiling - head.number < count) return;
      raise(newest_on_ms_, event.queued.on_ms());
      if (into.ways == 0 || event.stream != into.stream.view()) {
        into.stream.assign_cut(event.stream);
        into.ways = names_.ways_of(event.stream);
      }
      const std::uint32_t alarm_name = event.alarm.empty() ? 0 : name_hash(event.alarm);
      for (std::uint32_t i = 0; i < count; ++i) {
        Entry* entry = index_.find_or_add(head.number + i);
        if (entry == nullptr) return;  // push() keeps the number of messages of a file within the index
        entry->body_at = at;
        entry->moved_body_at = head.lsn;  // as below
        entry->cls = event.cls;
        entry->bytes = static_cast<std::uint16_t>(record.space / count + kStateShare);
        entry->ways = into.ways;
        if (entry->since_s == 0) entry->since_s = static_cast<std::uint32_t>(event.queued.on_ms() / 1000);
        entry->alarm = alarm_name;
        entry->expires_s = event.expires_s;
        entry->recipient = phone_hash(load64(event.packed_phones.data() + 8 * i));
        entry->on_unknown = event.on_unknown;
      }
      if (head.number + count > into.next_number)
        into.next_number = head.number + static_cast<std::uint32_t>(count);
      if (event.transition == Transition::none) return;
      Alarm* alarm = note_alarm(event.alarm);
      if (alarm == nullptr || head.lsn < alarm->lsn) return;
      alarm->last = alarm->safe_last = event.transition;
      alarm->since = alarm->safe_since = event.queued;
      alarm->code.assign_cut(event.code);
      alarm->safe_code = alarm->code;
      alarm->lsn = head.lsn;
      return;
    }
    case RecordKind::state:
    case RecordKind::ended: {
      const auto state = decode_message_state(record.payload);
      if (state.ok()) raise(newest_on_ms_, state.value().at.on_ms());
      Entry* entry = state.ok() ? index_.find_or_add(head.number) : nullptr;
      if (entry == nullptr || head.lsn < entry->moved_state_at) return;
      entry->moved_state_at = head.lsn;  // stands in for the LSN until the load is finished
      entry->due_ms = ended(state.value().state) ? state.value().at.on_ms() : 0;
      entry->state_at = at;
      entry->state = state.value().state;
      entry->sends = state.value().sends;
      entry->attempts = state.value().attempts;
      entry->reopened = state.value().reopened;
      entry->way = state.value().way;
      entry->closed = state.value().closed;
      if (state.value().since_s != 0) entry->since_s = state.value().since_s;
      return;
    }
    case RecordKind::alarm: {
      const auto state = decode_alarm_state(record.payload);
      Alarm* alarm = state.ok() ? note_alarm(state.value().alarm) : nullptr;
      if (alarm == nullptr || head.lsn < alarm->lsn) return;
      alarm->last = alarm->safe_last = state.value().last;
      alarm->since = alarm->safe_since = state.value().since;
      alarm->code.assign_cut(state.value().code);
      alarm->safe_code = alarm->code;
      alarm->lsn = head.lsn;
      return;
    }
    case RecordKind::tally: {
      const auto tally = decode_tally(record.payload);
      if (!tally.ok()) return;
      raise(newest_on_ms_, std::uint64_t{tally.value().on_s} * 1000);
      if (head.lsn < into.tally_lsn) return;
      tally_ = tally.value();
      into.tally_lsn = head.lsn;
      return;
    }
  }
}

void Queue::finish_load(Scan& into) {
  // So that it is found, told and kept aside once, not at every start.
  turn_wanted_ = turn_wanted_ || into.found.damaged > 0 || into.found.bad_blocks > 0;
  next_lsn_ = into.last_lsn + 1;
  synced_lsn_ = into.synced;
  next_number_ = into.ceiling > into.next_number ? into.ceiling : into.next_number;
  settled_below_ = into.settled_below;
  live_bytes_ = live_count_ = 0;
  // A state without its event: the event was let go, or is damaged. There is nothing to send.
  index_.forget_unless([](const Entry& entry) { return entry.body_at != 0; });
  for (std::size_t at = 0; into.doubtful_below != 0 && at < index_.size(); ++at)
    if (newest_of(index_[at]) < into.doubtful_below) put_in_doubt(index_[at]);
  std::size_t from = 0, bytes = 0;  // where the event of this message begins, and what it takes up to here
  bool waits = false;
  for (std::size_t at = 0; at < index_.size(); ++at) {
    Entry& entry = index_[at];
    entry.moved_body_at = entry.moved_state_at = 0;
    if (!ended(entry.state) && entry.number < settled_below_) {
      // Its last record is damaged, but later ones say that it had ended: it must not be sent again.
      entry.state = State::unknown;
      entry.doubt = Doubt::ended;
      entry.due_ms = newest_on_ms_;
    }
    waits = waits || !ended(entry.state);
    bytes += entry.bytes;
    if (at + 1 < index_.size() && index_[at + 1].body_at == entry.body_at) continue;  // as mates() says
    if (waits) {  // as count() does
      live_bytes_ += bytes;
      live_count_ += at + 1 - from;
    }
    from = at + 1;
    bytes = 0;
    waits = false;
  }
  // Appending goes on behind everything that was found, in slots that hold nothing. On bare flash those that would
  // come next may have been written by halves, by this run's forerunners, however blank they look.
  const std::uint32_t together = store_[active_]->erased_together();
  log_.next_block = into.last_block + 1;
  log_.fresh_slot = (into.last_block / together + 1) * together;
  for (std::uint32_t block = 0; block <= into.last_block; ++block)
    slot_of_[block] = static_cast<std::uint16_t>(block);
  find_doubtful(into);
}

// What no later record vouches for may be in the page cache only, and there for clean, if its sync failed.
// Before the seal was written everything else of its file had been synced.
void Queue::find_doubtful(const Scan& scan) {
  first_lsn_ = scan.first_lsn;
  seal_safe_ = scan.synced >= scan.first_lsn;
  vouched_lsn_ = seal_safe_ ? scan.synced : scan.seal_lsn - 1;
  rescue_from_ = rescue_end_ = 0;
  for (std::uint32_t block = 1; block <= scan.last_block; ++block) {
    if (*newest_in(block) <= vouched_lsn_) continue;
    if (rescue_end_ == 0) rescue_from_ = block;
    rescue_end_ = block + 1;
  }
  found_log_ = log_;
}

// The newest record of each block that says something which a start does not say again, while load() reads:
// in memory that is not in use yet.
Lsn* Queue::newest_in(std::uint32_t block) {
  static_assert(kMaxBlocks * sizeof(Lsn) <= (kJobBlocks - 1) * kBlock);
  return reinterpret_cast<Lsn*>(buffers_[1]) + block;
}

}  // namespace tocsin

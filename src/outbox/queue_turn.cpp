// SPDX-License-Identifier: MIT
// The turn to the other file: what still counts is copied there and synced, then the copy is sealed.
// Until the seal is on the medium the old file is the truth and is not touched.
#include "queue_staged.hpp"

namespace tocsin {

// An event is kept with all its messages: the end of one that was let go would be unknown to the next start.
bool Queue::turn_keeps(const Entry& entry) const {
  const Mates event = mates(entry);
  const std::uint64_t forget_before_ms = std::uint64_t{tally_.forget_before_s} * 1000;
  bool fits = false, is_young = false;
  for (std::size_t at = event.from; at < event.to; ++at) {
    const Entry& mate = index_[at];
    if (!ended(mate.state) || mate.body_staged || mate.state_staged || mate.unsaved) return true;
    fits = fits || mate.number >= turn_keep_from_;
    is_young = is_young || mate.due_ms >= forget_before_ms;
  }
  return fits && is_young;
}

void Queue::turn_begin() {
  phase_ = Phase::copying;
  turn_wanted_ = false;
  job_staged_ = 0;
  moved_ = Log{};
  moved_generation_ = (moved_generation_ > generation_ ? moved_generation_ : generation_) + 1;
  moved_.key = file_key(salt_, moved_generation_);
  turn_at_ = 0;
  turn_entries_ = index_.size();
  turn_heads_ = 0;
  turn_body_from_ = turn_body_to_ = 0;
  turn_errno_ = 0;

  // The newest of the ended messages stay as long as they fit beside those that wait.
  const std::size_t most_bytes = turn_with_history_ ? live_limit() : 0;
  const std::size_t places = kMaxMessages - live_count_;
  const std::size_t most_kept = places < 4 * kMaxPhones ? 0 : places / 2;  // the other half is for new ones
  std::size_t bytes = live_bytes_, kept = 0;
  turn_keep_from_ = 0;
  for (std::size_t at = index_.size(); at > 0; --at) {
    Entry& entry = index_[at - 1];
    entry.moved_body_at = entry.moved_state_at = 0;
    if (turn_keep_from_ != 0 || waits(mates(entry))) continue;
    bytes += entry.bytes;
    if (bytes > most_bytes || ++kept > most_kept) turn_keep_from_ = entry.number + 1;
  }

  FileHead head;
  head.generation = moved_generation_;
  head.salt = salt_;
  head.first_lsn = moved_first_lsn_ = next_lsn_;
  head.block = kBlock;
  head.blocks = slots(*store_[active_ ^ 1]) + 1;
  encode_file_head(head, head_buffer_);
}

// One job of the copy; the last one syncs.
void Queue::turn_step(Instant now) {
  Store& store = *store_[active_ ^ 1];
  open_job(moved_, store);
  if (turn_heads_ < 2) {
    // Both heads are on the medium before any record: without them nobody knows that this generation began,
    // and its records, left behind by a cut, would count in the next one of that number. One after the other,
    // as one write can take the only head with it that tells of such records; and first the one that is not whole, so
    // that cuts one after another leave one. Else the one in front is the last: on flash it takes records along, and a
    // copy there whose seal is said to have failed, and lies on the medium, must not count any more by then.
    if (turn_heads_++ == 0) {
      std::uint8_t seen[kFileHeadBytes];
      turn_front_first_ = !store.read(0, seen).ok() || !decode_file_head(seen).ok();
    }
    const bool front = (turn_heads_ == 1) == turn_front_first_;
    writes_[write_count_++] = {front ? 0 : slots(store) * kBlock, head_buffer_};
    written_bytes_ += kFileHeadBytes;
    return begin_job(Store::Sync::yes);
  }
  const std::size_t began_at = turn_at_;
  while (turn_at_ != kTurnCopied && turn_next()) {
  }
  if (turn_errno_ != 0) {
    // The medium may answer again in a moment; only then what it has is lost by giving up.
    ++turn_tries_;
    return job_failed(now, turn_errno_);
  }
  if (turn_at_ == began_at && job_blocks_ == 0) {
    // Blocks that could not be filled to the end took more room than was reckoned with.
    if (!turn_with_history_) return job_failed(now, kNoSpace);
    turn_with_history_ = false;
    return turn_begin();
  }
  begin_job(turn_at_ == kTurnCopied ? Store::Sync::yes : Store::Sync::no);
}

bool Queue::turn_next() {
  std::uint8_t payload[kMaxAlarmStateBytes];
  static_assert(kRunBytes <= sizeof payload && kTallyBytes <= sizeof payload);
  std::uint32_t at = 0;
  std::size_t i = turn_at_;
  if (i == 0) {
    encode_run(run_, payload);
    if (!append(RecordKind::start, 0, Bytes{payload}.first(kRunBytes), at)) return false;
  } else if (--i == 0) {
    encode_tally(tally_, payload);
    if (!append(RecordKind::tally, 0, Bytes{payload}.first(kTallyBytes), at)) return false;
  } else if (--i < turn_entries_) {
    if (turn_keeps(index_[i]) && !turn_entry(index_[i])) return false;
  } else if ((i -= turn_entries_) < alarm_count_) {
    // Behind the events: one that waits may tell of an older transition, and the newest record counts.
    const Alarm& alarm = alarms_[i];
    if (alarm.safe_last != Transition::none) {
      const std::size_t n =
          encode_alarm_state({alarm.name.view(), alarm.safe_last, alarm.safe_since, alarm.safe_code.view()}, payload);
      if (!append(RecordKind::alarm, 0, Bytes{payload}.first(n), at)) return false;
    }
  } else {
    turn_at_ = kTurnCopied;
    return false;
  }
  ++turn_at_;
  return true;
}

// Whether to try the whole turn again for the sake of a record that the medium did not give. Damage stays.
bool Queue::turn_waits_for(Status read) {
  constexpr unsigned kMostTries = 3;
  if (read.code() != Code::io || turn_tries_ >= kMostTries) return false;
  turn_errno_ = read.detail() != 0 ? read.detail() : kNoAnswer;
  return true;
}

// Where the index has it, or anywhere else in the file: load() may have found it last in a block that was in the
// page cache only, and the shorter version of that block, which was synced, is still in another slot.
Result<Record> Queue::find_event(const Entry& entry, MutBytes scratch) const {
  const auto known = read_event(entry, scratch);
  if (known.code() != Code::corrupt) return known;
  Store& store = *store_[active_];
  for (std::uint32_t slot = 1; slot < slots(store); ++slot) {
    TRY(store.read(slot * kBlock, scratch));
    for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock;) {
      const auto record = decode_record(log_.key, Bytes{scratch}.drop(offset));
      offset = record.ok() ? offset + record.value().space : next_mark(log_.key, scratch, offset + 8);
      if (record.ok() && is_event_of(record.value(), entry.number)) return record;
    }
  }
  return known;
}

// Copies what the medium has of one message. A record that cannot be read back costs that message only; a
// state is known here all the same, but for its words.
bool Queue::turn_entry(Entry& entry) {
  alignas(8) std::uint8_t scratch[kBlock];
  if (!entry.body_staged && entry.moved_body_at == 0 && !entry.lost) {
    if (entry.body_at == turn_body_from_) {
      entry.moved_body_at = turn_body_to_;  // another phone of the event that was copied just now
    } else {
      const auto record = find_event(entry, scratch);
      if (!record.ok()) {
        if (turn_waits_for(record.status())) return false;
        entry.lost = true;
        ++lost_;
      } else if (!append(RecordKind::event, record.value().head.number, record.value().payload,
                         entry.moved_body_at)) {
        return false;
      } else {
        turn_body_from_ = entry.body_at;
        turn_body_to_ = entry.moved_body_at;
      }
    }
  }
  // A staged state is copied, too: it comes once more behind the seal, but a cut before that must not bring
  // back the message as it was before the state that the medium had.
  const bool doubted = entry.doubt != Doubt::none;  // no record says what is known here
  const bool known = entry.state_staged || entry.state_at != 0 || doubted;
  if (!entry.body_staged && known && entry.moved_state_at == 0) {
    const auto record =
        doubted ? Result<Record>{Code::not_found} : read_record(entry.state_at, entry.state_staged, scratch);
    if (!record.ok() && turn_waits_for(record.status())) return false;
    Bytes payload = record.ok() ? record.value().payload : Bytes{};
    const auto state = decode_message_state(payload);
    // Something else may lie there now, as read_event() says. What is known here is never older.
    const bool its_own = state.ok() && record.value().head.number == entry.number &&
                         state.value().state == entry.state && state.value().sends == entry.sends;
    RecordKind kind = record.ok() ? record.value().head.kind : RecordKind::state;
    std::uint8_t shorter[kMaxMessageStateBytes];
    if (!turn_with_history_ || !its_own) {  // with its words it may take more than was reckoned with
      MessageState without_words;
      if (its_own) {
        without_words.at = state.value().at;
      } else if (ended(entry.state)) {
        without_words.at = at_on_ms(entry.due_ms);
      }
      without_words.state = entry.state;
      without_words.sends = entry.sends;
      without_words.attempts = entry.attempts;
      without_words.reopened = entry.reopened;
      write_way(entry, without_words);
      payload = Bytes{shorter}.first(encode_message_state(without_words, shorter));
      kind = ended(entry.state) ? RecordKind::ended : RecordKind::state;
    }
    if (!append(kind, entry.number, payload, entry.moved_state_at)) return false;
  }
  return true;
}

void Queue::turn_seal() {
  open_job(moved_, *store_[active_ ^ 1]);
  std::uint32_t at = 0;
  const bool placed = append(RecordKind::seal, 0, {}, at);
  TOCSIN_ASSERT(placed);  // take_slot() keeps two slots back while copying
  begin_job(Store::Sync::yes);
}

void Queue::turn_done() {
  active_ ^= 1;
  generation_ = moved_generation_;
  first_lsn_ = moved_first_lsn_;
  log_ = moved_;
  for (std::uint32_t block = 1; block < log_.next_block; ++block)
    slot_of_[block] = static_cast<std::uint16_t>(block);
  slot_of_[log_.block] = static_cast<std::uint16_t>(log_.slot);
  log_.synced = log_.used;
  if (job_freed_slot_ != 0) log_.spare_slot = job_freed_slot_;
  phase_ = Phase::working;
  seal_safe_ = true;
  rescue_from_ = rescue_next_ = rescue_end_;  // all that counts has gone with the turn
  turn_with_history_ = true;
  turn_tries_ = 0;
  failing_ = false;
  ++turns_;
  for (std::size_t at = 0; at < index_.size(); ++at) {
    Entry& entry = index_[at];
    if (!entry.body_staged) entry.body_at = entry.moved_body_at;
    if (!entry.state_staged) entry.state_at = entry.moved_state_at;
  }
  index_.forget_unless([this](const Entry& entry) { return turn_keeps(entry); });
  forget_turned();
}

}  // namespace tocsin

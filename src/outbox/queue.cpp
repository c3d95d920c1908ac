// SPDX-License-Identifier: MIT
// The queue as its users see it: what is accepted, what is read back. How records reach the medium:
// queue_job.cpp; the turn to the other file: queue_turn.cpp; finding everything again: queue_scan.cpp.
#include "tocsin/outbox/queue.hpp"

#include "queue_staged.hpp"

namespace tocsin {
namespace {

constexpr char kTagAlphabet[] = "23456789abcdefghjkmnpqrstuvwxyz";  // nothing that is read as another sign

void make_tag(std::uint64_t random, char (&tag)[4]) {
  for (char& c : tag) {
    c = kTagAlphabet[random % (sizeof kTagAlphabet - 1)];
    random /= sizeof kTagAlphabet - 1;
  }
}

constexpr std::size_t kFewLeft = 512;  // free places of the index: a turn lets go of ended messages then

// Rounded up: a start of the device never makes anything younger.
std::uint32_t in_seconds(std::uint64_t ms) {
  const std::uint64_t s = (ms + 999) / 1000;
  return s < UINT32_MAX ? static_cast<std::uint32_t>(s) : UINT32_MAX;
}

// What a message may take on the medium: its share of the event, and a last state of its own.
std::size_t share_of(std::size_t event_bytes, std::size_t phones) {
  return record_space(event_bytes) / (phones == 0 ? 1 : phones) + kStateShare;
}

}  // namespace

Queue::Queue(Store& even, Store& odd, Index& index) : store_{&even, &odd}, index_(index) {}

void Queue::start(const Start& start) {
  TOCSIN_ASSERT(phase_ == Phase::closed);
  const bool fresh = generation_ == 0;
  if (fresh) salt_ = start.random[0];
  if (fresh || new_tag_ || run_.machine != start.machine) make_tag(start.random[1], run_.tag);
  make_tag(start.random[1] ^ start.random[0] >> 7, other_tag_);
  run_.machine = start.machine;
  if (run_.boot == 0 || std::memcmp(run_.boot_id, start.boot_id, sizeof run_.boot_id) != 0) {
    ++run_.boot;
    run_.on_before_s = in_seconds(newest_on_ms_);
  }
  std::memcpy(run_.boot_id, start.boot_id, sizeof run_.boot_id);
  ++run_.run;
  phase_ = Phase::working;
  started_ = true;
  const auto payload = stage(RecordKind::start, found_before_, 0, kRunBytes, 0);
  TOCSIN_ASSERT(payload.ok());  // nothing else is staged yet
  encode_run(run_, payload.value());
  start_ticket_ = newest();
  if (tally_.forget_before_s != 0) {
    forget_ = Forget::wiping_copy;
    wipe_at_ = 1;
  }
  if (fresh) turn_begin();
  // And another one behind it: a file of which nobody can tell what it is would be in doubt at every start.
  if (fresh) turn_wanted_ = told_nothing_[0] || told_nothing_[1];
}

void Queue::renew_tag(std::uint64_t random) { make_tag(random, run_.tag); }

Stamp Queue::at_on_ms(std::uint64_t on_ms) const {
  Stamp at;
  at.boot = run_.boot;
  at.on_before_s = static_cast<std::uint32_t>(on_ms / 1000);
  at.clocks.now.ms = on_ms % 1000;
  return at;
}

std::size_t Queue::live_limit() const {
  // Of the shorter one: what waits has to find room in either.
  const std::size_t even = store_[0]->capacity(), odd = store_[1]->capacity();
  const std::size_t capacity = even < odd ? even : odd;
  if (capacity < kMinBlocks * kBlock) return 0;  // a reader that found no queue yet
  const std::size_t most = (capacity - 2 * kBlock) * 2 / 5;
  // In a small file the alarms count as well: a turn has to find room for them and for all that waits. It has
  // two blocks less than a file holds, and a quarter may stay empty at the ends of blocks.
  const std::size_t alarms =
      record_space(kRunBytes) + record_space(kTallyBytes) + alarm_count_ * record_space(kMaxAlarmStateBytes);
  const std::size_t room = (capacity - 4 * kBlock) * 3 / 4;
  const std::size_t beside = room > alarms ? room - alarms : 0;
  return most < beside ? most : beside;
}

Result<Queue::Pushed> Queue::push(Event event, std::string_view device_name, const Clocks& clocks,
                                   Room leaving) {
  const std::size_t count = event.phones.size();
  if ((count == 0 && event.transition == Transition::none) || count > kMaxPhones) return Code::bad_value;
  if (event.stream.size() > kMaxWayNames || event.alarm.size() > kMaxName)
    return Code::bad_value;  // no reader takes it

  char prefix[kMaxIdPrefix];
  TextWriter id_prefix(prefix);
  // The id must stay unique even if this very record is lost after the id was told to somebody.
  const bool reserved = settled() && next_number_ + count <= synced_ceiling_;
  id_prefix.text(head(device_name, kMaxDeviceName))
      .character('-')
      .text({reserved ? run_.tag : other_tag_, 4});
  event.id_prefix = id_prefix.view();
  event.queued = stamp(clocks);
  const std::size_t size = event_size(event);
  if (size > kMaxRecordPayload) return Code::too_big;

  if (next_number_ > UINT32_MAX - kReservedNumbers - kMaxPhones) return Code::full;  // they never begin again
  const std::size_t share = share_of(size, count);
  if (!has_room(size, count, leaving)) return Code::full;
  if (index_.size() + count > kMaxMessages) {
    turn_wanted_ = true;  // lets go of ended messages: the next push finds room
    return Code::full;
  }
  TRY_LET(payload, stage(RecordKind::event, next_number_, count, size, kStagingBytes / 4));
  const auto at = static_cast<std::uint32_t>(staged_end()) - staged_space(size);
  encode_event(event, payload);

  const std::uint32_t first = next_number_;
  const std::uint16_t ways = names_.ways_of(event.stream);
  const auto since_s = static_cast<std::uint32_t>(event.queued.on_ms() / 1000);
  const std::uint32_t alarm_name = event.alarm.empty() ? 0 : name_hash(event.alarm);
  const Bytes phones = packed_phones_of(payload);
  for (std::size_t i = 0; i < count; ++i) {
    Entry* entry = index_.find_or_add(next_number_++);
    entry->body_at = at;
    entry->body_staged = true;
    entry->cls = event.cls;
    entry->this_run = true;
    entry->bytes = static_cast<std::uint16_t>(share);
    entry->ways = ways;
    entry->since_s = since_s;
    entry->alarm = alarm_name;
    entry->expires_s = event.expires_s;
    entry->recipient = phone_hash(load64(phones.data() + 8 * i));
    entry->on_unknown = event.on_unknown;
    live_bytes_ += share;
    ++live_count_;
  }
  // A turn lets go of ended messages before the index is full of them: a push is not refused for their sake.
  if (index_.size() + kFewLeft > kMaxMessages && index_.size() - live_count_ >= 2 * kFewLeft)
    turn_wanted_ = true;
  if (event.transition != Transition::none) {
    if (Alarm* alarm = note_alarm(event.alarm)) {
      alarm->last = event.transition;
      alarm->since = event.queued;
      alarm->code.assign_cut(event.code);
    }
  }
  return Pushed{first, newest()};
}

Result<Queue::Ticket> Queue::update(std::uint32_t number, const MessageState& state, const Clocks& clocks,
                                    Write when) {
  Entry* entry = index_.find(number);
  if (entry == nullptr) return Code::not_found;
  // Its event was let go, or could not be read back: it can end, and never wait again.
  if (!ended(state.state) && entry->body_at == 0 && !entry->body_staged) return Code::not_found;
  // A turn may have passed it by already; it is over in a moment.
  const bool turning = phase_ == Phase::copying || phase_ == Phase::sealing;
  const bool reopens = ended(entry->state) && !ended(state.state);
  const bool patient = when == Write::with_others && ended(entry->state) && ended(state.state);
  const bool has_place = staged_ + staged_space(kMaxMessageStateBytes) <= kStagingBytes;
  if ((reopens || patient) && (turning || !has_place)) return Code::full;
  if (reopens && number < settled_below_) settled_below_ = number;
  const Mates event = mates(*entry);
  const bool waited = waits(event);
  const bool ends = ended(state.state) && state.state != entry->state;
  entry->state = state.state;
  if (waited != waits(event)) count(event, waited ? -1 : 1);
  entry->sends = state.sends;
  entry->attempts = state.attempts;

  std::uint8_t bytes[kMaxMessageStateBytes];
  MessageState stamped = state;
  if (stamped.at.boot == 0) stamped.at = stamp(clocks);
  if (ends) entry->due_ms = stamped.at.on_ms();
  stamped.reopened = entry->reopened;
  write_way(*entry, stamped);
  const std::size_t size = encode_message_state(stamped, bytes);
  const RecordKind kind = ended(state.state) ? RecordKind::ended : RecordKind::state;
  const Ticket wanted = wanted_;
  const auto payload = stage(kind, number, 1, size, 0);
  if (patient && staged_end() - (wanted > released_ ? wanted : released_) <= kMostPatient) wanted_ = wanted;
  if (!payload.ok()) {
    if (kind == RecordKind::ended && !entry->unsaved) {
      entry->unsaved = true;
      ++unsaved_;
    }
    return payload.status();
  }
  copy(payload.value(), Bytes{bytes}.first(size));
  entry->doubt = Doubt::none;
  entry->state_at = static_cast<std::uint32_t>(staged_end()) - staged_space(size);
  entry->state_staged = true;
  return staged_end();
}

// How far it is among its streams.
void Queue::write_way(const Entry& entry, MessageState& into) {
  into.way = entry.way;
  into.closed = entry.closed;
  into.since_s = entry.place_of(1) != 0 ? entry.since_s : 0;
}

Queue::Ticket Queue::write_all() {
  if (staged_end() == newest()) return 0;
  return wanted_ = staged_end();
}

bool Queue::has_room(std::size_t event_bytes, std::size_t phones, Room leaving) const {
  return live_bytes_ + share_of(event_bytes, phones) * phones <= live_limit() + leaving.bytes &&
         live_count_ + phones <= kMaxWaiting + leaving.messages;
}

Result<Queue::Ticket> Queue::acknowledge(std::string_view name) {
  Alarm* const alarm = const_cast<Alarm*>(this->alarm(name));
  if (alarm == nullptr) return Code::not_found;
  if (alarm->last != Transition::raised) return Code::empty;
  std::uint8_t bytes[kMaxAlarmStateBytes];
  const std::size_t size =
      encode_alarm_state({name, Transition::acknowledged, alarm->since, alarm->code.view()}, bytes);
  TRY_LET(payload, stage(RecordKind::alarm, 0, 0, size, 0));
  copy(payload, Bytes{bytes}.first(size));
  alarm->last = Transition::acknowledged;
  return newest();
}

// Two alarms that are active never share one, however long one of them lasts.
AlarmCode Queue::next_code() const {
  for (std::uint32_t number = next_number_;; ++number) {
    const AlarmCode code = alarm_code(salt_, number);
    bool is_taken = false;
    for (const Alarm& alarm : alarms()) is_taken = is_taken || (alarm.is_active() && alarm.code.view() == code.view());
    if (!is_taken) return code;
  }
}

Result<Queue::Ticket> Queue::note(const Tally& tally) {
  Tally noted = tally;
  noted.forget_before_s = tally_.forget_before_s;
  return stage_tally(noted);
}

Result<Queue::Ticket> Queue::stage_tally(const Tally& tally) {
  TRY_LET(payload, stage(RecordKind::tally, 0, 0, kTallyBytes, 0));
  encode_tally(tally, payload);
  tally_ = tally;
  return newest();
}

Result<Queue::Ticket> Queue::stop() {
  TRY_LET(payload, stage(RecordKind::stop, 0, 0, 0, 0));
  forget_ = Forget::nothing;  // the next run goes on with it
  static_cast<void>(payload);
  return newest();
}

// The messages of its event, itself included: they follow each other, and their event lies in one place.
Queue::Mates Queue::mates(const Entry& entry) const {
  const auto at = static_cast<std::size_t>(&entry - &index_[0]);
  Mates event{at, at + 1};
  if (entry.body_at == 0 && !entry.body_staged) return event;  // it could not be read back
  const auto is_mate = [&](std::size_t i) {
    return index_[i].body_at == entry.body_at && index_[i].body_staged == entry.body_staged;
  };
  while (event.from > 0 && is_mate(event.from - 1)) --event.from;
  while (event.to < index_.size() && is_mate(event.to)) ++event.to;
  return event;
}

bool Queue::waits(Mates event) const {
  for (std::size_t at = event.from; at < event.to; ++at)
    if (!ended(index_[at].state)) return true;
  return false;
}

// What a turn has to copy while one message waits: its event, and the states of all the others of it.
// Without them they would wait again.
void Queue::count(Mates event, int sign) {
  for (std::size_t at = event.from; at < event.to; ++at) {
    live_bytes_ = sign > 0 ? live_bytes_ + index_[at].bytes : live_bytes_ - index_[at].bytes;
    live_count_ = sign > 0 ? live_count_ + 1 : live_count_ - 1;
  }
}

// Room for a record in the staging memory, `leave` bytes of which stay free for outcomes.
Result<MutBytes> Queue::stage(RecordKind kind, std::uint32_t number, std::size_t count, std::size_t size,
                              std::size_t leave) {
  const std::size_t space = staged_space(size);
  if (staged_ + space + leave > kStagingBytes) return Code::full;
  write_staged({kind, number, static_cast<std::uint8_t>(count), static_cast<std::uint16_t>(size), 0},
               staging_ + staged_);
  const MutBytes payload{staging_ + staged_ + kStagedHeadBytes, size};
  staged_ += space;
  wanted_ = staged_end();
  return payload;
}

Result<Record> Queue::read_record(std::uint32_t at, bool staged, MutBytes scratch) const {
  if (staged) {
    const std::uint8_t* p = staging_ + (at - static_cast<std::uint32_t>(released_));
    const Staged from = read_staged(p);
    if (scratch.size() < from.size) return Code::too_big;
    copy(scratch, {p + kStagedHeadBytes, from.size});
    Record record;
    record.head.kind = from.kind;
    record.head.number = from.number;
    record.payload = scratch.first(from.size);
    return record;
  }
  const std::uint32_t block = at / kBlock, offset = at % kBlock;
  const std::size_t n = kBlock - offset < scratch.size() ? kBlock - offset : scratch.size();
  if (block == log_.block && phase_ == Phase::working && offset < log_.synced) {
    copy(scratch, Bytes{buffers_[buffer_]}.drop(offset).first(n));  // written last: no need to ask the medium
  } else {
    TRY(store_[active_]->read(slot_of_[block] * kBlock + offset, scratch.first(n)));
  }
  const auto record = decode_record(log_.key, scratch.first(n));
  if (record.code() == Code::empty) return Code::corrupt;
  return record;
}

bool is_event_of(const Record& record, std::uint32_t number) {
  if (record.head.kind != RecordKind::event || number < record.head.number) return false;
  const auto event = decode_event(record.payload);
  return event.ok() && number - record.head.number < event.value().phone_count();
}

// Something else may lie where it was found: of a page that was in the cache only, and whose sync failed, the
// kernel may read what the medium had before.
Result<Record> Queue::read_event(const Entry& entry, MutBytes scratch) const {
  if (entry.body_at == 0 && !entry.body_staged) return Code::not_found;
  TRY_LET(record, read_record(entry.body_at, entry.body_staged, scratch));
  if (!is_event_of(record, entry.number)) return Code::corrupt;
  return record;
}

Result<Queue::Body> Queue::read_body(const Entry& entry, MutBytes scratch) const {
  TRY_LET(record, read_event(entry, scratch));
  TRY_LET(event, decode_event(record.payload));
  return Body{event, record.head.number};
}

const Entry* Queue::find(std::string_view id) const {
  std::size_t digits = id.size();
  while (digits > 0 && is_digit(id[digits - 1])) --digits;
  const auto number = parse_number(tail(id, digits), UINT32_MAX);
  const Entry* entry = number.ok() ? index_.find(static_cast<std::uint32_t>(number.value())) : nullptr;
  if (entry == nullptr || digits == 0) return entry;
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = read_body(*entry, scratch);
  const bool same = body.ok() && message_id(body.value().event.id_prefix, entry->number).view() == id;
  return same ? entry : nullptr;
}

Result<MessageState> Queue::read_state(const Entry& entry, MutBytes scratch) const {
  if (entry.doubt == Doubt::echo) {  // the words are lost
    MessageState told;
    told.state = entry.state;
    told.sends = entry.sends;
    told.attempts = entry.attempts;
    told.reopened = entry.reopened;
    write_way(entry, told);
    if (ended(entry.state)) told.at = at_on_ms(entry.due_ms);
    return told;
  }
  if (entry.state_at == 0 && !entry.state_staged) return Code::not_found;
  TRY_LET(record, read_record(entry.state_at, entry.state_staged, scratch));
  const RecordKind kind = record.head.kind;
  if (record.head.number != entry.number || (kind != RecordKind::state && kind != RecordKind::ended))
    return Code::corrupt;  // a reader whose owner has filled the place again
  return decode_message_state(record.payload);
}

const Queue::Alarm* Queue::alarm(std::string_view name) const {
  for (std::size_t at = 0; at < alarm_count_; ++at)
    if (alarms_[at].name.view() == name) return &alarms_[at];
  return nullptr;
}

bool Queue::has_place(std::string_view name) const {
  if (alarm(name) != nullptr) return true;
  const bool mark = starts_with(name, "+");
  std::size_t same_kind = 0;
  for (const Alarm& one : alarms()) same_kind += one.is_mark() == mark ? 1U : 0U;
  return same_kind < (mark ? kMaxStopped : kMaxAlarms);
}

Queue::Alarm* Queue::note_alarm(std::string_view name) {
  for (std::size_t at = 0; at < alarm_count_; ++at)
    if (alarms_[at].name.view() == name) return &alarms_[at];
  if (!has_place(name)) return nullptr;
  alarms_[alarm_count_] = Alarm{};
  alarms_[alarm_count_].name.assign_cut(name);
  return &alarms_[alarm_count_++];
}

Instant Queue::wake() const {
  if (job_running_) return stall_told_ ? kNever : job_since_ + kStall;
  if (forget_ != Forget::nothing && phase_ == Phase::working) return Instant{0};
  return phase_ == Phase::broken ? retry_at_ : kNever;
}

bool Queue::stalled(Instant now) const {
  if (failing()) return true;
  return job_running_ && now >= job_since_ + kStall;
}

}  // namespace tocsin

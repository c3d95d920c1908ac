// SPDX-License-Identifier: MIT
// Recovery from any two queue files. An input is a list of edits of a valid pair - bytes, records, fields,
// heads, with the check made right again where that leads further - and the queue then loads, starts,
// accepts, turns, stops and loads again. What must hold for every file is asserted. make fuzz T=queue
//
// An edit is one byte for what it does and seven more: file or record, place, value.
#include <new>
#include <vector>

#include "panic.hpp"
#include "tocsin/base/crc32.hpp"
#include "tocsin/outbox/queue.hpp"

using namespace tocsin;

namespace {

constexpr std::uint32_t kBytes = 8 * kBlock;
// Numbers, generations and LSNs come to an end near 2^32, and no queue gets there: not looked for here.
constexpr std::uint32_t kFar = 0x7FFFFFFF;

struct Ram final : Store {
  std::uint8_t bytes[kBytes] = {};
  bool fails = false;  // the next job, once
  Status outcome = Code::empty;

  std::uint32_t capacity() const override { return kBytes; }
  Status read(std::uint32_t at, MutBytes into) override {
    if (at > kBytes || into.size() > kBytes - at) return {Code::io, 22};
    std::memcpy(into.data(), bytes + at, into.size());
    return {};
  }
  void begin(Span<const Write> writes, Sync) override {
    outcome = fails ? Status{Code::io, 5} : Status{};
    for (const Write& w : writes) {
      TOCSIN_ASSERT(w.at <= kBytes && w.from.size() <= kBytes - w.at);
      if (!fails) std::memcpy(bytes + w.at, w.from.data(), w.from.size());
    }
    fails = false;
  }
  Status poll() override {
    const Status said = outcome;
    outcome = Code::empty;
    return said;
  }
};

Ram even, odd;
Index messages;
alignas(Queue) unsigned char memory[sizeof(Queue)];
alignas(8) std::uint8_t scratch[kBlock];

Queue& new_queue() {
  even.outcome = odd.outcome = Code::empty;
  even.fails = odd.fails = false;
  return *new (memory) Queue(even, odd, messages);
}

Clocks clocks() {
  Clocks clocks;
  clocks.now.ms = 5000;
  return clocks;
}

void settle(Queue& queue) {
  Instant now{5000};
  for (int i = 0; i < 20 && !queue.idle(); ++i) {
    queue.poll(now);
    if (queue.wake() != kNever && queue.wake() > now) now = queue.wake();
  }
}

void start(Queue& queue, std::uint8_t boot) {
  Queue::Start start;
  std::memset(start.boot_id, boot, sizeof start.boot_id);
  start.machine = 7;
  start.random[0] = 0x1122334455667788, start.random[1] = 12345;
  start.clocks = clocks();
  queue.start(start);
  settle(queue);
}

Result<Queue::Pushed> push(Queue& queue, std::size_t phones, std::string_view text, std::string_view alarm,
                           Transition transition) {
  Phone numbers[3];
  for (Phone& phone : numbers) phone.assign_cut("447700900123");
  Event event;
  event.stream = "sms";
  event.text = text;
  event.alarm = alarm;
  event.transition = transition;
  event.phones = Span<const Phone>{numbers, phones};
  const auto pushed = queue.push(event, "boiler-7", clocks());
  settle(queue);
  return pushed;
}

void end(Queue& queue, std::uint32_t number, State state, unsigned sends) {
  MessageState last;
  last.state = state;
  last.sends = static_cast<std::uint8_t>(sends);
  last.uuid = state == State::accepted ? "0562f2aa-5945-4f41-824a-b774fc2e2b2a" : "";
  last.reason = state == State::queued ? "504 (no JSON in the answer)" : "";
  queue.update(number, last, clocks()).status().ignore();  // an edited file may be full
  settle(queue);
}

struct Place {
  Ram* file;
  FileKey key;
  std::uint32_t at;
};

struct Valid {
  Ram even, odd;
  std::vector<Place> records;
};

// Both files used, every kind of record, an older version of the started block.
const Valid& valid() {
  static Valid* made = nullptr;
  if (made != nullptr) return *made;
  made = new Valid;
  std::memset(even.bytes, 0, kBytes);
  std::memset(odd.bytes, 0, kBytes);
  for (std::uint8_t boot = 1; boot <= 2; ++boot) {
    Queue& queue = new_queue();
    TOCSIN_ASSERT(queue.load().ok());
    start(queue, boot);
    const auto raised = push(queue, 3, "sump level high", "high-level", Transition::raised);
    const std::uint32_t first = raised.value().first_number;
    end(queue, first, State::queued, 2);
    end(queue, first, State::accepted, 2);
    end(queue, first + 1, State::failed, 1);
    TOCSIN_ASSERT(push(queue, 0, "", "door", Transition::cleared).ok());
    if (boot == 1) even.fails = true;
    TOCSIN_ASSERT(push(queue, 1, "one more", "", Transition::none).ok());
    if (boot == 2) queue.stop().status().ignore();
    settle(queue);
  }
  made->even = even, made->odd = odd;
  for (Ram* file : {&even, &odd}) {
    const auto head = decode_file_head(Bytes{file->bytes, kFileHeadBytes});
    TOCSIN_ASSERT(head.ok());
    const FileKey key = file_key(head.value().salt, head.value().generation);
    for (std::uint32_t at = kBlock; at < kBytes - kBlock; at += 8)
      if (decode_record(key, {file->bytes + at, kBlock - at % kBlock}).ok())
        made->records.push_back({file, key, at});
  }
  TOCSIN_ASSERT(made->records.size() > 20);
  return *made;
}

void make_check_right(const Place& place) {
  std::uint8_t* p = place.file->bytes + place.at;
  const std::size_t room = kBytes - place.at, space = record_space(load16(p + 8));
  if (space <= room) store32(p + 4, crc32(place.key.seed, {p + 8, space - 8}));
}

void edit(const std::uint8_t* e) {
  const Valid& pair = valid();
  const std::uint32_t value = load32(e + 4);
  const unsigned which = e[1], place = load16(e + 2);
  const Place& record = pair.records[which % pair.records.size()];
  std::uint8_t* p = record.file->bytes + record.at;
  Ram& file = which % 2 == 0 ? even : odd;
  switch (e[0] % 10) {
    case 0: file.bytes[place % kBytes] = e[4]; break;
    case 1: p[place % 128] ^= static_cast<std::uint8_t>(1U << e[4] % 8); break;
    case 2: {  // a field of a record
      constexpr std::uint8_t kFields[] = {12, 16, 20, 24, 28};
      store32(p + kFields[place % 5], value & kFar);
      make_check_right(record);
      break;
    }
    case 3:  // length and kind
      if (e[4] % 2 == 0)
        store16(p + 8, static_cast<std::uint16_t>(place));
      else
        p[10] = e[5];
      make_check_right(record);
      break;
    case 4:  // the payload
      p[32 + place % 96] = e[4];
      make_check_right(record);
      break;
    case 5: {  // a head
      std::uint8_t* head = file.bytes + (e[2] % 2 == 0 ? 0 : kBytes - kBlock);
      constexpr std::uint8_t kFields[] = {8, 12, 16, 20, 24, 28};
      store32(head + kFields[e[3] % 6], value & kFar);
      store32(head + 36, crc32(0, {head, 36}));
      break;
    }
    case 6:  // cut off
      std::memset(file.bytes + place % kBytes, 0, kBytes - place % kBytes);
      break;
    case 7:
      if (which % 2 == 0)
        std::memcpy(odd.bytes, even.bytes, kBytes);
      else
        std::memcpy(even.bytes, odd.bytes, kBytes);
      break;
    case 8: {  // a record once more, elsewhere
      const std::uint32_t at = place % (kBytes / 8) * 8;
      const std::size_t space = record_space(load16(p + 8));
      if (space <= kBytes - at && record.at + space <= kBytes)
        std::memmove(record.file->bytes + at, p, space);
      break;
    }
    default: {  // a block full of one record, each with the next LSN and number
      const std::size_t space = record_space(load16(p + 8));
      const std::uint32_t block = (1 + place % 6) * kBlock;
      if (record.at + space > kBytes || space > kBlock) break;
      std::vector<std::uint8_t> one(p, p + space);
      for (std::uint32_t at = 0; at + space <= kBlock; at += static_cast<std::uint32_t>(space)) {
        store32(&one[12], (load32(&one[12]) + 1) & kFar);
        store32(&one[16], (load32(&one[16]) + e[4]) & kFar);
        std::memcpy(record.file->bytes + block + at, one.data(), space);
        make_check_right({record.file, record.key, block + at});
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Valid& pair = valid();
  std::memcpy(even.bytes, pair.even.bytes, kBytes);
  std::memcpy(odd.bytes, pair.odd.bytes, kBytes);
  for (std::size_t at = 0; at + 8 <= size && at < 64 * 8; at += 8) edit(data + at);

  // A file that lost both its heads may come back under its old generation: two damages at once.
  const auto headless = [](const Ram& file) {
    for (const std::uint32_t at : {0U, kBytes - kBlock}) {
      const auto head = decode_file_head(Bytes{file.bytes + at, kFileHeadBytes});
      if (head.ok() && head.value().block == kBlock) return false;
    }
    return true;
  };
  if (headless(even) != headless(odd)) return 0;

  struct Known {
    std::uint32_t number;
    State state;
    bool readable;
  };
  std::vector<Known> known;
  bool contradictory = false;  // two events claim one number
  {
    Queue& queue = new_queue();
    const auto found = queue.load();
    if (found.code() == Code::bad_value) return 0;
    TOCSIN_ASSERT(found.ok());
    TOCSIN_ASSERT(!found.value().fresh || messages.size() == 0);
    TOCSIN_ASSERT(queue.alarms().size() <= kMaxAlarms + kMaxStopped);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      TOCSIN_ASSERT(i == 0 || messages[i - 1].number < messages[i].number);
      const auto body = queue.read_body(messages[i], scratch);
      known.push_back({messages[i].number, messages[i].state, body.ok()});
      for (std::uint32_t k = 0; body.ok() && k < body.value().event.phone_count(); ++k) {
        const Entry* mate = messages.find(body.value().first_number + k);
        contradictory = contradictory || mate == nullptr || mate->body_at != messages[i].body_at;
      }
      const auto state = queue.read_state(messages[i], scratch);
      if (state.ok() && !ended(messages[i].state)) TOCSIN_ASSERT(state.value().state == messages[i].state);
    }
  }
  std::vector<std::uint32_t> accepted;
  bool works = true;
  for (std::uint8_t round = 0; round < 2; ++round) {
    Queue& queue = new_queue();
    TOCSIN_ASSERT(queue.load().ok());
    for (const std::uint32_t number : accepted) {
      const Entry* entry = messages.find(number);
      TOCSIN_ASSERT(entry != nullptr && entry->state == State::queued);
      TOCSIN_ASSERT(queue.read_body(*entry, scratch).value().event.text == "accepted");
    }
    start(queue, static_cast<std::uint8_t>(round + 3));
    if (round == 0) even.fails = odd.fails = true;  // whichever is active: the other one takes over
    const auto pushed = push(queue, 2, "accepted", "high-level", Transition::cleared);
    even.fails = odd.fails = false;
    settle(queue);
    works = works && !queue.failing() && queue.settled();
    if (!pushed.ok() || !queue.on_medium(pushed.value().ticket)) {
      TOCSIN_ASSERT(pushed.code() == Code::full || !works);
      continue;
    }
    for (const Known& k : known) TOCSIN_ASSERT(pushed.value().first_number > k.number);
    for (const std::uint32_t number : accepted) TOCSIN_ASSERT(pushed.value().first_number > number);
    accepted.push_back(pushed.value().first_number);
    end(queue, pushed.value().first_number + 1, State::accepted, 1);
    if (round == 1) queue.stop().status().ignore();
    settle(queue);
  }
  Queue& queue = new_queue();
  TOCSIN_ASSERT(queue.load().ok());
  for (const std::uint32_t number : accepted) TOCSIN_ASSERT(messages.find(number) != nullptr);
  for (const Known& k : known) {
    if (contradictory) break;
    const Entry* entry = messages.find(k.number);
    if (ended(k.state)) TOCSIN_ASSERT(entry == nullptr || ended(entry->state));
    if (works && !ended(k.state) && k.readable) TOCSIN_ASSERT(entry != nullptr && entry->state == k.state);
  }
  return 0;
}

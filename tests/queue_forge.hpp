// SPDX-License-Identifier: MIT
// Writes queue files record by record, whatever they say, with every check right.
#pragma once

#include <string>
#include <vector>

#include "queue_bench.hpp"

namespace fakes {

inline constexpr std::uint64_t kSalt = 0x1122334455667788;

// Writes a file record by record.
struct Forge {
  Disk disk;
  unsigned file = 0;
  FileHead head;
  std::uint32_t at = kBlock;
  RecordHead next;

  explicit Forge(std::uint32_t blocks = 8, std::uint32_t generation = 1, Lsn first_lsn = 1) : disk(blocks) {
    head.generation = generation;
    head.salt = kSalt;
    head.first_lsn = first_lsn;
    head.block = kBlock;
    write_heads();
    next.lsn = first_lsn;
    next.settled_below = 1;
    next.ceiling = 257;
  }
  std::uint8_t* bytes() { return disk.seen(file).data(); }
  FileKey key() const { return file_key(head.salt, head.generation); }
  void write_heads() {
    write_head(0, head);
    write_head(static_cast<std::uint32_t>(disk.seen(file).size()) - kBlock, head);
  }
  void write_head(std::uint32_t where, const FileHead& what) {
    encode_file_head(what, {bytes() + where, kFileHeadBytes});
  }
  void add(RecordKind kind, std::uint32_t number, Bytes payload) {
    const auto space = static_cast<std::uint32_t>(record_space(payload.size()));
    if (at % kBlock + space > kBlock) at = (at / kBlock + 1) * kBlock;
    CHECK(at + space <= disk.seen(file).size() - kBlock);
    next.kind = kind;
    next.number = number;
    encode_record(key(), next, payload, {bytes() + at, space});
    at += space;
    ++next.lsn;
  }
  void begin() {
    std::uint8_t payload[kRunBytes];
    Run run;
    run.boot = run.run = 1;
    run.machine = 7;
    std::memset(run.boot_id, 1, sizeof run.boot_id);
    std::memcpy(run.tag, "jkw8", 4);
    encode_run(run, payload);
    add(RecordKind::start, 0, payload);
    add(RecordKind::seal, 0, {});
  }
  std::vector<std::uint8_t> event_bytes(unsigned phones, std::string_view text, const char* alarm = "") {
    Phone numbers[kMaxPhones];
    for (unsigned i = 0; i < phones; ++i) numbers[i].assign_cut("447700900" + std::to_string(123 + i));
    Event event;
    event.cls = Class::critical;
    event.stream = "sms";
    event.id_prefix = "boiler-7-jkw8";
    event.text = text;
    event.alarm = alarm;
    event.transition = *alarm != '\0' ? Transition::raised : Transition::none;
    event.phones = Span<const Phone>{numbers, phones};
    std::vector<std::uint8_t> payload(event_size(event));
    encode_event(event, {payload.data(), payload.size()});
    return payload;
  }
  void event(std::uint32_t number, unsigned phones, std::string_view text, const char* alarm = "") {
    const auto payload = event_bytes(phones, text, alarm);
    add(RecordKind::event, number, {payload.data(), payload.size()});
  }
  void state(std::uint32_t number, State state, unsigned sends = 1, RecordKind kind = RecordKind::state) {
    std::uint8_t payload[kMaxMessageStateBytes];
    MessageState what;
    what.state = state;
    what.sends = static_cast<std::uint8_t>(sends);
    add(kind, number, Bytes{payload}.first(encode_message_state(what, payload)));
  }
};

// Takes the queue, accepts messages under numbers nobody had, turns the files, finds all that waits again.
inline void check_works(Disk& disk) {
  std::uint32_t newest = 0;  // number
  std::size_t waiting = 0;
  {
    Process run(disk);
    CHECK_OK(run.load());
    for (std::size_t i = 0; i < the_index.size(); ++i) {
      newest = the_index[i].number;
      waiting += ended(the_index[i].state) ? 0U : 1U;
    }
  }
  std::vector<std::uint32_t> numbers;
  for (unsigned round = 0; round < 3; ++round) {
    Process run(disk);
    run.start(static_cast<std::uint8_t>(round + 2));
    CHECK(run.queue.settled());
    const auto turns = run.queue.turns();
    if (round == 1) disk.fail_at = disk.calls + 2;
    const auto pushed = run.push(2, "written behind it");
    CHECK_OK(pushed);
    run.settle();
    CHECK(run.queue.on_medium(pushed.value().ticket));
    CHECK(round != 1 || run.queue.turns() > turns);
    const std::uint32_t first = pushed.value().first_number;
    CHECK(first > newest);
    newest = first + 1;
    numbers.push_back(first);
    CHECK_OK(run.end(newest));
    run.settle();
    ++waiting;
    disk.fail_at = 0;
  }
  Process run(disk);
  CHECK_OK(run.load());
  for (const std::uint32_t number : numbers) {
    const Entry* entry = the_index.find(number);
    CHECK(entry != nullptr && entry->state == State::queued);
    CHECK_TEXT(run.queue.read_body(*entry, run.scratch).value().event.text, "written behind it");
  }
  std::size_t now = 0;
  for (std::size_t i = 0; i < the_index.size(); ++i) now += ended(the_index[i].state) ? 0U : 1U;
  CHECK_EQ(now, waiting);
}

}  // namespace fakes

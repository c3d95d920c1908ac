// SPDX-License-Identifier: MIT
// The queue apart from power cuts (powercut_queue.cpp): what is accepted and refused, numbers and ids, the
// files taking turns, a medium that fails or hangs, and the golden file of format version 1.
#include <memory>
#include <string>
#include <vector>

#include "check.hpp"
#include "fakes/agent.hpp"
#include "tocsin/base/crc32.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::DiskStore;
using fakes::SlowStore;

namespace {

Index the_index;

// One run of the program over a disk.
struct Process {
  Disk& disk;
  Instant now{1000};
  DiskStore even_file, odd_file;
  SlowStore even, odd;
  std::unique_ptr<Queue> queue_memory;
  Queue& queue;
  Queue::Found found;
  alignas(8) std::uint8_t scratch[kBlock];

  explicit Process(Disk& its_disk)
      : disk(its_disk),
        even_file(disk, 0),
        odd_file(disk, 1),
        even(even_file, now),
        odd(odd_file, now),
        queue_memory(std::make_unique<Queue>(even, odd, the_index)),
        queue(*queue_memory) {}

  Status load() {
    const auto loaded = queue.load();
    if (loaded.ok()) found = loaded.value();
    return loaded.status();
  }
  void start(std::uint8_t boot = 1, std::uint64_t machine = 7, std::uint64_t random = 0x1122334455667788) {
    CHECK_OK(load());
    Queue::Start start;
    for (std::uint8_t& b : start.boot_id) b = boot;
    start.machine = machine;
    start.random[0] = random;
    start.random[1] = random * 3;
    start.clocks = clocks();
    queue.start(start);
    settle();
  }
  void settle() {
    for (int i = 0; i < 20 && !queue.idle(); ++i) {
      queue.poll(now);
      if (queue.wake() != kNever && queue.wake() > now) now = queue.wake();
    }
  }
  Clocks clocks() const {
    Clocks clocks;
    clocks.now = now;
    clocks.wall.ms = 1'790'000'000'123;
    clocks.wall_trusted = true;
    return clocks;
  }
  Result<Queue::Pushed> push(unsigned phones, std::string_view text, const char* alarm = "",
                             Transition transition = Transition::none, const char* device = "boiler-7") {
    Phone numbers[kMaxPhones + 1];
    for (unsigned i = 0; i < phones; ++i) numbers[i].assign_cut("447700900" + std::to_string(123 + i));
    Event event;
    event.cls = Class::critical;
    event.stream = "sms";
    event.text = text;
    event.alarm = alarm;
    event.transition = transition;
    event.phones = Span<const Phone>{numbers, phones};
    return queue.push(event, device, clocks());
  }
  Result<Queue::Ticket> end(std::uint32_t number, State state = State::accepted) {
    MessageState last;
    last.state = state;
    last.sends = 1, last.attempts = 1;
    return queue.update(number, last, clocks());
  }
  std::string id(std::uint32_t number) {
    const auto body = queue.read_body(*the_index.find(number), scratch);
    CHECK_OK(body);
    return std::string(message_id(body.value().event.id_prefix, number).view());
  }
};

}  // namespace

// ---- what is accepted -------------------------------------------------------------------------------------

TEST(queue_push_of_nothing_too_many_phones_or_too_long_a_name_is_bad_value) {
  Disk disk(8);
  Process run(disk);
  run.start();
  CHECK_CODE(run.push(0, "nobody"), Code::bad_value);
  CHECK_CODE(run.push(kMaxPhones + 1, "too many"), Code::bad_value);
  // Once taken, put on the medium, and refused by every reader.
  CHECK_CODE(run.push(1, "x", "alarm-whose-name-has-33-letters--", Transition::raised), Code::bad_value);
  CHECK_OK(run.push(0, "", "pump", Transition::raised));  // a transition without a message
  CHECK_EQ(the_index.size(), 0);
}

TEST(queue_event_for_the_most_phones_with_the_longest_text_fits) {
  Disk disk(32);
  Process run(disk);
  run.start();
  const auto pushed = run.push(kMaxPhones, std::string(kMaxText, 'x'), "alarm-whose-name-has-32-letters-",
                               Transition::raised);
  CHECK_OK(pushed);
  run.settle();
  CHECK(run.queue.on_medium(pushed.value().ticket));
  Process next(disk);
  CHECK_OK(next.load());
  CHECK_EQ(the_index.size(), kMaxPhones);
  for (unsigned i = 0; i < kMaxPhones; ++i) {
    const auto body = next.queue.read_body(the_index[i], next.scratch);
    CHECK_OK(body);
    CHECK_TEXT(body.value().event.phone(i).view(), "447700900" + std::to_string(123 + i));
  }
}

TEST(queue_event_above_one_record_is_too_big) {
  Disk disk(32);
  Process run(disk);
  run.start();
  CHECK_CODE(run.push(1, std::string(kBlock, 'x')), Code::too_big);
  CHECK_EQ(the_index.size(), 0);
}

TEST(queue_takes_forty_percent_of_a_file_and_again_when_messages_ended) {
  Disk disk(16);
  Process run(disk);
  run.start();
  std::vector<std::uint32_t> numbers;
  for (;;) {
    const auto pushed = run.push(1, std::string(500, 'x'));
    if (!pushed.ok()) {
      CHECK_CODE(pushed, Code::full);
      break;
    }
    numbers.push_back(pushed.value().first_number);
    run.settle();
  }
  CHECK_EQ(run.queue.live_limit(), 14 * kBlock * 2 / 5);
  CHECK(run.queue.live_bytes() <= run.queue.live_limit());
  CHECK(run.queue.live_bytes() > run.queue.live_limit() - 800);
  for (unsigned i = 0; i < 3; ++i) CHECK_OK(run.end(numbers[i]));
  CHECK_OK(run.push(1, std::string(500, 'x')));
  run.settle();
  Process next(disk);  // the same reckoning after a restart
  const std::size_t live = run.queue.live_bytes();
  CHECK_OK(next.load());
  CHECK_EQ(next.queue.live_bytes(), live);
}

TEST(queue_works_for_years_in_a_small_file) {
  Disk disk(8);
  Process run(disk);
  run.start();
  for (unsigned i = 0; i < 3000; ++i) {
    const auto pushed = run.push(1, "message " + std::to_string(i));
    CHECK_OK(pushed);
    run.settle();
    CHECK(run.queue.on_medium(pushed.value().ticket));
    CHECK_OK(run.end(pushed.value().first_number));
  }
  run.settle();
  CHECK(run.queue.turns() > 10 && run.queue.turns() < 200);  // a job does not cost a slot
  CHECK(the_index.size() > 20);                              // the newest stay as history
  Process next(disk);
  CHECK_OK(next.load());
  for (std::size_t at = 0; at < the_index.size(); ++at) CHECK(ended(the_index[at].state));
}

TEST(queue_updates_of_unknown_numbers_are_not_found) {
  Disk disk(8);
  Process run(disk);
  run.start();
  CHECK_CODE(run.end(1), Code::not_found);
  CHECK_CODE(run.end(0), Code::not_found);
}

TEST(queue_message_can_be_opened_again) {
  Disk disk(8);
  Process run(disk);
  run.start();
  const auto number = run.push(1, "x").value().first_number;
  CHECK_OK(run.end(number, State::unknown));
  run.settle();
  const auto later = run.push(1, "y").value().first_number;
  CHECK_OK(run.end(later));
  run.settle();
  CHECK_OK(run.queue.update(number, MessageState{}, run.clocks()));
  run.settle();
  Process next(disk);
  CHECK_OK(next.load());
  CHECK(the_index.find(number)->state == State::queued);
}

TEST(queue_newest_state_wins_and_is_read_back) {
  Disk disk(8);
  Process run(disk);
  run.start();
  const auto number = run.push(1, "x").value().first_number;
  CHECK_CODE(run.queue.read_state(*the_index.find(number), run.scratch), Code::not_found);
  for (unsigned i = 1; i <= 30; ++i) {
    MessageState state;
    state.attempts = static_cast<std::uint16_t>(i);
    state.reason = "because";
    CHECK_OK(run.queue.update(number, state, run.clocks()));
    CHECK_EQ(run.queue.read_state(*the_index.find(number), run.scratch).value().attempts,
             i);  // not on the medium yet
    if (i % 3 != 0) continue;
    run.settle();
    Disk left = disk.image(0);
    static Index fresh;  // an older version of the block lies in a later slot as often as in an earlier one
    DiskStore even(left, 0), odd(left, 1);
    const auto next = std::make_unique<Queue>(even, odd, fresh);
    CHECK_OK(next->load());
    CHECK_EQ(fresh.find(number)->attempts, i);
  }
  run.settle();
  const auto state = run.queue.read_state(*the_index.find(number), run.scratch);
  CHECK_OK(state);
  CHECK_EQ(state.value().attempts, 30);
  CHECK_TEXT(state.value().reason, "because");
  CHECK_EQ(state.value().at.run, 1);
  CHECK_EQ(the_index.find(number)->attempts, 30);
}

TEST(queue_records_that_come_together_share_one_sync) {
  Disk disk(8);
  Process run(disk);
  run.start();
  const auto syncs = run.queue.syncs();
  for (unsigned i = 0; i < 10; ++i) CHECK_OK(run.push(2, "x"));
  run.settle();
  CHECK_EQ(run.queue.syncs() - syncs, 1);
}

TEST(queue_job_that_takes_only_a_part_leaves_the_rest_for_the_next) {
  Disk disk(32);
  Process run(disk);
  run.start();
  const auto syncs = run.queue.syncs();
  std::vector<Queue::Pushed> pushed;
  for (unsigned i = 0; i < 11; ++i)
    pushed.push_back(run.push(1, std::string(2080, 'x')).value());  // one in a block
  run.settle();
  CHECK_EQ(run.queue.syncs() - syncs, 2);
  for (const auto& p : pushed) CHECK(run.queue.on_medium(p.ticket));
  Disk left = disk.image(0);
  Process next(left);
  CHECK_OK(next.load());
  CHECK_EQ(the_index.size(), 11);
}

TEST(queue_turns_keep_what_waits_however_old_with_its_state) {
  Disk disk(8);
  Process run(disk);
  run.start();
  const auto waiting = run.push(1, "waits").value().first_number;
  const auto tried = run.push(1, "was tried").value().first_number;
  MessageState state;
  state.sends = 2, state.attempts = 7;
  state.reason = "who knows";
  CHECK_OK(run.queue.update(tried, state, run.clocks()));
  std::uint32_t last = 0;
  for (unsigned i = 0; i < 400; ++i) {
    last = run.push(1, std::string(300, 'x')).value().first_number;
    CHECK_OK(run.end(last, State::failed));
    run.settle();
  }
  CHECK(run.queue.turns() > 2);
  Disk left = disk.image(0);
  Process next(left);
  CHECK_OK(next.load());
  for (const auto number : {waiting, tried}) {
    CHECK(the_index.find(number) != nullptr);
    CHECK(the_index.find(number)->state == State::queued);
    CHECK_OK(next.queue.read_body(*the_index.find(number), next.scratch));
  }
  CHECK_EQ(the_index.find(tried)->sends, 2);
  CHECK_TEXT(next.queue.read_state(*the_index.find(tried), next.scratch).value().reason, "who knows");
  CHECK(the_index.find(last)->state == State::failed);
  for (std::size_t at = 0; at < the_index.size(); ++at)
    if (the_index[at].number > tried) CHECK(the_index[at].state == State::failed);
}

// ---- numbers and ids --------------------------------------------------------------------------------------

TEST(queue_numbers_go_on_without_a_gap_after_a_stop_and_with_one_after_a_cut) {
  Disk disk(8);
  {
    Process run(disk);
    run.start(1);
    CHECK(run.found.fresh);
    CHECK_EQ(run.push(3, "x").value().first_number, 1);
    CHECK_OK(run.queue.stop());
    run.settle();
  }
  {
    Process run(disk);
    run.start(1);
    CHECK(!run.found.unclean);
    CHECK_EQ(run.push(1, "x").value().first_number, 4);
    run.settle();
  }
  Disk left = disk.image(0);
  Process run(left);
  run.start(2);
  CHECK(run.found.unclean);
  CHECK_EQ(run.found.damaged, 0);
  CHECK(run.push(1, "x").value().first_number > 4);
}

TEST(queue_counts_boots_and_runs) {
  Disk disk(8);
  for (unsigned i = 0; i < 6; ++i) {
    Process run(disk);
    run.start(static_cast<std::uint8_t>(1 + i / 2));  // two runs in each boot
    CHECK_EQ(run.queue.run().boot, 1 + i / 2);
    CHECK_EQ(run.queue.run().run, 1 + i);
  }
}

TEST(queue_ids_of_another_machine_have_another_tag) {
  Disk disk(8);
  std::string first, same, other;
  {
    Process run(disk);
    run.start(1, 7, 111);
    first = run.id(run.push(1, "x").value().first_number);
    run.settle();
  }
  {
    Process run(disk);
    run.start(2, 7, 222);
    same = run.id(run.push(1, "x").value().first_number);
    run.settle();
  }
  Process run(disk);  // the image was copied to another device
  run.start(3, 8, 333);
  other = run.id(run.push(1, "x").value().first_number);
  CHECK_TEXT(first.substr(0, 14), same.substr(0, 14));
  CHECK(first.substr(0, 14) != other.substr(0, 14));
  CHECK_TEXT(first.substr(0, 9), "boiler-7-");
}

TEST(queue_id_whose_number_is_not_reserved_has_a_tag_of_its_own) {
  // The medium hangs: the id is told, sent, and lost with the power; the next run gives the same number out
  // again.
  Disk disk(8);
  {
    Process run(disk);
    run.start();
    CHECK_OK(run.queue.stop());
    run.settle();
  }
  std::string told;
  {
    Process run(disk);
    run.even.hangs = run.odd.hangs = true;
    CHECK_OK(run.load());
    Queue::Start start;
    start.machine = 7;
    start.random[0] = 5, start.random[1] = 6;
    run.queue.start(start);
    run.queue.poll(run.now);
    told = run.id(run.push(1, "lost").value().first_number);
  }
  Disk left = disk.image(0);
  Process run(left);
  run.start(2, 7, 99);
  const std::string again = run.id(run.push(1, "x").value().first_number);
  CHECK(again != told);
  CHECK_TEXT(again.substr(14), told.substr(14));
}

TEST(queue_device_name_that_is_too_long_is_cut_and_the_id_fits) {
  Disk disk(8);
  Process run(disk);
  run.start();
  const auto number =
      run.push(1, "x", "", Transition::none, "a-name-that-is-longer-than-twenty").value().first_number;
  CHECK_TEXT(run.id(number).substr(0, 21), "a-name-that-is-longe-");
  CHECK(run.id(number).size() <= kMaxId);
}

// ---- alarms -----------------------------------------------------------------------------------------------

TEST(queue_alarm_states_survive_turns_and_restarts) {
  Disk disk(8);
  Process run(disk);
  run.start();
  CHECK_OK(run.push(0, "", "pump", Transition::raised));
  CHECK_OK(run.push(0, "", "door", Transition::raised));
  CHECK_OK(run.push(0, "", "door", Transition::cleared));
  for (unsigned i = 0; i < 400; ++i) {
    const auto number = run.push(1, std::string(300, 'x')).value().first_number;
    CHECK_OK(run.end(number));
    run.settle();
  }
  CHECK(run.queue.turns() > 2);
  Process next(disk);
  CHECK_OK(next.load());
  CHECK(next.queue.alarm("pump") != nullptr && next.queue.alarm("door") != nullptr);
  CHECK(next.queue.alarm("pump")->last == Transition::raised);
  CHECK(next.queue.alarm("door")->last == Transition::cleared);
  CHECK(next.queue.alarm("roof") == nullptr);
  CHECK_EQ(next.queue.alarm("pump")->since.run, 1);
}

TEST(queue_of_the_smallest_size_full_with_every_alarm_and_long_reasons_still_turns) {
  Disk disk(8);
  {
    Process run(disk);
    run.start();
    for (unsigned i = 0; i < kMaxAlarms; ++i) {
      const std::string alarm = "alarm-whose-name-has-32-letter" + std::to_string(10 + i);
      CHECK_OK(run.push(0, "", alarm.c_str(), Transition::raised));
      run.settle();
    }
    std::uint32_t number = 0;
    for (auto pushed = run.push(1, "x"); pushed.ok(); pushed = run.push(1, "x")) {
      number = pushed.value().first_number;
      run.settle();
      MessageState refused;
      const std::string reason(kMaxReason, 'r');
      refused.reason = reason;
      CHECK_OK(run.queue.update(number, refused, run.clocks()));
      run.settle();
    }
    CHECK(number > 10);
  }
  std::uint32_t turns = 0;
  for (unsigned i = 0; i < 30; ++i) {
    Process run(disk);
    run.start();
    CHECK(!run.queue.failing());
    CHECK(run.queue.settled());
    turns += run.queue.turns();
    CHECK_EQ(run.queue.alarms().size(), kMaxAlarms);
    CHECK_EQ(run.queue.lost(), 0);
  }
  CHECK(turns > 3);
}

TEST(queue_index_full_of_ended_messages_refuses_nothing) {
  Disk disk(4096);
  Process run(disk);
  run.start();
  for (unsigned i = 0; i < 2 * kMaxMessages / kMaxPhones; ++i) {
    const auto pushed = run.push(kMaxPhones, "x");
    CHECK_OK(pushed);
    run.settle();
    for (unsigned k = 0; k < kMaxPhones; ++k) {
      CHECK_OK(run.end(pushed.value().first_number + k));
      run.settle();
    }
  }
  CHECK(the_index.size() > kMaxMessages / 3);  // and they stay as history
}

TEST(queue_ended_messages_make_room_in_the_index_for_those_that_wait) {
  Disk disk(4096);
  Process run(disk);
  run.start();
  std::size_t waiting = 0;
  for (unsigned i = 0; i < kMaxMessages / kMaxPhones; ++i) {
    const auto pushed = run.push(kMaxPhones, "x");
    CHECK_OK(pushed);
    run.settle();
    for (unsigned k = 0; k < kMaxPhones; ++k) {
      if (i % 3 == 0) {
        CHECK_OK(run.end(pushed.value().first_number + k));
        run.settle();
      } else {
        ++waiting;
      }
    }
  }
  unsigned refused = 0;
  while (waiting + kMaxPhones <= kMaxMessages && refused < 50) {
    const auto pushed = run.push(kMaxPhones, "x");
    run.queue.poll(run.now);
    run.settle();
    if (pushed.ok()) {
      waiting += kMaxPhones;
    } else {
      ++refused;  // once each time the last of them have to be let go
    }
  }
  CHECK(refused < 20);
  CHECK(waiting + kMaxPhones > kMaxMessages);
}

// ---- the medium -------------------------------------------------------------------------------------------

TEST(queue_store_too_small_is_refused) {
  Disk disk(Queue::kMinBlocks - 1);
  Process run(disk);
  CHECK_CODE(run.load(), Code::too_big);
}

TEST(queue_of_a_newer_version_is_refused_and_not_touched) {
  Disk disk(8);
  {
    Process run(disk);
    run.start();
  }
  std::uint8_t* p = disk.seen(0).data();
  store32(p + 8, kFormatVersion + 1);
  store32(p + 36, crc32(0, {p, 36}));
  Process run(disk);
  const Status loaded = run.load();
  CHECK_CODE(loaded, Code::bad_value);
  CHECK_EQ(loaded.detail(), kFormatVersion + 1);
}

TEST(queue_with_one_of_its_two_heads_damaged_still_starts) {
  Disk disk(8);
  {
    Process run(disk);
    run.start();
    CHECK_OK(run.push(1, "x"));
    run.settle();
  }
  for (const std::size_t at : {std::size_t{0}, std::size_t{7} * kBlock}) {
    check::at("at=%zu", at);
    Disk damaged = disk;
    for (std::size_t i = 0; i < kBlock; ++i) damaged.seen(0)[at + i] = static_cast<std::uint8_t>(i * 31);
    Process run(damaged);
    CHECK_OK(run.load());
    CHECK_EQ(the_index.size(), 1);
  }
}

TEST(queue_hung_medium_is_stalled_after_two_seconds_and_wakes_the_loop_once) {
  Disk disk(8);
  Process run(disk);
  run.start();
  run.even.hangs = run.odd.hangs = true;
  const auto pushed = run.push(1, "x");
  run.queue.poll(run.now);
  CHECK(!run.queue.stalled(run.now));
  CHECK_EQ(run.queue.wake().ms, run.now.ms + 2000);
  run.now = run.queue.wake();
  CHECK(run.queue.stalled(run.now));
  run.queue.poll(run.now);
  CHECK(run.queue.wake() == kNever);
  run.even.hangs = run.odd.hangs = false;
  run.queue.poll(run.now);
  CHECK(!run.queue.stalled(run.now));
  CHECK(run.queue.on_medium(pushed.value().ticket));
}

TEST(queue_failed_sync_is_never_repeated_the_other_file_takes_over) {
  Disk disk(8);
  Process run(disk);
  run.start();
  CHECK_OK(run.push(1, "safe"));
  run.settle();
  const auto turns = run.queue.turns();
  disk.fail_at = disk.calls + 2;  // the sync of the next job
  const auto pushed = run.push(1, "during the failure");
  run.settle();
  CHECK(run.queue.on_medium(pushed.value().ticket));
  CHECK_EQ(run.queue.turns() - turns, 1);
  CHECK_EQ(run.queue.last_errno(), 5);
  CHECK(!run.queue.failing());
}

TEST(queue_outcomes_without_room_in_memory_are_put_on_record_later) {
  Disk disk(64);
  Process run(disk);
  run.start();
  std::vector<std::uint32_t> numbers;
  for (unsigned i = 0; i < 100; ++i) {
    numbers.push_back(run.push(1, "x").value().first_number);
    run.settle();
  }
  run.even.hangs = run.odd.hangs = true;
  while (run.push(1, std::string(900, 'x')).ok()) {
  }
  unsigned refused = 0;
  for (unsigned round = 0; round < 3; ++round)  // fills what was kept free for outcomes, and more
    for (const auto number : numbers) {
      MessageState state;
      state.state = round == 2 ? State::accepted : State::queued;
      state.reason = "a reason that takes some room in the memory of records that wait";
      const auto told = run.queue.update(number, state, run.clocks());
      if (told.code() == Code::full) ++refused;
    }
  CHECK(refused > 0);
  run.even.hangs = run.odd.hangs = false;
  run.settle();
  Disk left = disk.image(0);
  Process next(left);
  CHECK_OK(next.load());
  for (const auto number : numbers) CHECK(the_index.find(number)->state == State::accepted);
}

TEST(queue_damaged_record_costs_that_record_only) {
  Disk disk(8);
  std::vector<std::uint32_t> numbers;
  {
    Process run(disk);
    run.start();
    for (unsigned i = 0; i < 5; ++i)
      numbers.push_back(run.push(1, "text of " + std::to_string(i)).value().first_number);
    run.settle();
    CHECK_OK(run.queue.stop());
    run.settle();
  }
  const std::string text = "text of 2";
  for (std::size_t at = 0; at + text.size() < disk.seen(0).size(); ++at)
    if (std::memcmp(disk.seen(0).data() + at, text.data(), text.size()) == 0) disk.seen(0)[at] ^= 1;
  Process run(disk);
  CHECK_OK(run.load());
  CHECK_EQ(run.found.damaged, 1);
  for (unsigned i = 0; i < 5; ++i) CHECK((the_index.find(numbers[i]) != nullptr) == (i != 2));
}

// ---- the golden file --------------------------------------------------------------------------------------
// tests/vectors/queue/version1.hex is what this program writes, and what every later one must read.

namespace {

// Lines of offset, up to 16 bytes in hex, and words that are not read. `listed` counts the bytes; with
// `shown` each must be the same there.
Disk::Image read_hex(const char* path, std::uint32_t bytes, std::size_t& listed,
                     const Disk::Image* shown = nullptr) {
  Disk::Image image(bytes, 0);
  listed = 0;
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) {
    print_error("%s cannot be read: run from the top folder\n", path);
    CHECK(file != nullptr);
  }
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    char* p = line;
    while (*p == ' ') ++p;
    const auto hex = [](const char* digits, std::size_t n) {
      return std::strspn(digits, "0123456789abcdef") == n && digits[n] == ' ';
    };
    if (!hex(p, 4)) continue;
    std::size_t at = std::strtoul(p, &p, 16);
    for (; hex(p + 1, 2); p += 3, ++at, ++listed) {
      CHECK(at < bytes);
      image[at] = static_cast<std::uint8_t>(std::strtoul(p, nullptr, 16));
      if (shown != nullptr) check::at("at=0x%zx", at);
      if (shown != nullptr) CHECK_EQ(image[at], (*shown)[at]);
    }
  }
  std::fclose(file);
  return image;
}

void print_hex_file(const Disk::Image& image) {
  for (std::size_t at = 0; at < image.size(); at += 16) {
    bool zero = true;
    for (std::size_t i = 0; i < 16; ++i) zero = zero && image[at + i] == 0;
    if (zero) continue;
    std::printf("%04zx", at);
    for (std::size_t i = 0; i < 16; ++i) std::printf(" %02x", static_cast<unsigned>(image[at + i]));
    std::printf("  ");
    for (std::size_t i = 0; i < 16; ++i)
      std::printf("%c",
                  image[at + i] >= 0x20 && image[at + i] < 0x7F ? static_cast<char>(image[at + i]) : '.');
    std::printf("\n");
  }
}

constexpr const char* kGolden = "tests/vectors/queue/version1.hex";

}  // namespace

TEST(queue_writes_the_golden_file) {
  Disk disk(8);
  Process run(disk);
  run.start();
  const auto number = run.push(2, "sump level high", "high-level", Transition::raised).value().first_number;
  run.settle();
  MessageState accepted;
  accepted.state = State::accepted;
  accepted.sends = 1, accepted.attempts = 1;
  accepted.uuid = "0562f2aa-5945-4f41-824a-b774fc2e2b2a";
  CHECK_OK(run.queue.update(number, accepted, run.clocks()));
  MessageState again;
  again.sends = 2, again.attempts = 2;
  again.reason = "504 (no JSON in the answer)";
  CHECK_OK(run.queue.update(number + 1, again, run.clocks()));
  CHECK_OK(run.queue.stop());
  run.settle();
  if (check::option("print", 0) != 0) print_hex_file(disk.seen(0));
  std::size_t listed = 0;
  const Disk::Image golden = read_hex(kGolden, 8 * kBlock, listed);
  CHECK_BYTES((Bytes{disk.seen(0).data(), disk.seen(0).size()}), (Bytes{golden.data(), golden.size()}));
}

TEST(queue_reads_the_golden_file) {
  Disk disk(8);
  std::size_t listed = 0;
  disk.seen(0) = disk.durable(0) = read_hex(kGolden, 8 * kBlock, listed);
  Process run(disk);
  CHECK_OK(run.load());
  CHECK(!run.found.fresh && !run.found.unclean);
  CHECK_EQ(run.found.damaged, 0);
  CHECK_EQ(the_index.size(), 2);
  const auto first = run.queue.read_body(the_index[0], run.scratch);
  CHECK_OK(first);
  const Event& event = first.value().event;
  CHECK(event.cls == Class::critical && event.transition == Transition::raised);
  CHECK_TEXT(event.text, "sump level high");
  CHECK_TEXT(event.stream, "sms");
  CHECK_TEXT(event.alarm, "high-level");
  CHECK_TEXT(head(event.id_prefix, 9), "boiler-7-");
  CHECK_TEXT(event.phone(0).view(), "447700900123");
  CHECK_TEXT(event.phone(1).view(), "447700900124");
  CHECK_EQ(event.queued.boot, 1);
  CHECK_EQ(event.queued.run, 1);
  CHECK_EQ(event.queued.clocks.now.ms, 1000);
  CHECK_EQ(event.queued.clocks.wall.ms, 1'790'000'000'123);
  CHECK(event.queued.clocks.wall_trusted);
  CHECK(the_index[0].state == State::accepted && the_index[1].state == State::queued);
  const auto state = run.queue.read_state(the_index[0], run.scratch);
  CHECK_TEXT(state.value().uuid, "0562f2aa-5945-4f41-824a-b774fc2e2b2a");
  const auto waiting = run.queue.read_state(the_index[1], run.scratch);
  CHECK_EQ(waiting.value().sends, 2);
  CHECK_TEXT(waiting.value().reason, "504 (no JSON in the answer)");
  CHECK(run.queue.alarm("high-level")->last == Transition::raised);
}

TEST(queue_format_page_shows_the_golden_file) {
  std::size_t listed = 0;
  const Disk::Image golden = read_hex(kGolden, 8 * kBlock, listed);
  read_hex("src/outbox/FORMAT.md", 8 * kBlock, listed, &golden);
  CHECK_EQ(listed, 40 + 72 + 128 + 48 + 40 + 24 + 32);
}

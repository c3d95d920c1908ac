// SPDX-License-Identifier: MIT
// The queue and a medium that is damaged, hangs or fails.
#include <vector>

#include "queue_bench.hpp"
#include "tocsin/base/crc32.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::Process;
using fakes::the_index;

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

// SPDX-License-Identifier: MIT
// The queue and a medium that is damaged, hangs or fails.
#include <algorithm>
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

// A sync fails, and the process dies before it could turn to the other file. The next one finds the record in
// the page cache, its own sync says ok, and the record is on no medium.
TEST(queue_record_whose_sync_failed_is_written_again_by_the_next_process) {
  Disk disk(8);
  {
    Process run(disk);
    run.start();
    disk.fail_at = disk.calls + 2;
    disk.fail_for_ever = true;
    CHECK_OK(run.push(1, "found and sent"));
    run.settle();
    CHECK(run.queue.failing());
  }
  Disk left = disk.process_died();
  {
    Process next(left);
    next.start(1);
    CHECK(next.queue.settled());
    CHECK_EQ(the_index.size(), 1);  // it may be sent from now on
  }
  Disk after_the_cut = left.image(0);
  Process last(after_the_cut);
  CHECK_OK(last.load());
  CHECK_EQ(the_index.size(), 1);
  CHECK_TEXT(last.queue.read_body(the_index[0], last.scratch).value().event.text, "found and sent");
}

// The same at every call, those of turns among them: a seal that is in the page cache only would take all that
// is written behind it along.
TEST(queue_whatever_a_failed_call_left_in_the_page_cache_is_written_again_by_the_next_process) {
  unsigned calls = 0;
  for (unsigned n = 0; n <= 2 * calls + 1; ++n) {
    const unsigned fail = n / 2;
    check::at("n=%u", n);
    Disk disk(8);
    disk.fail_at = fail;
    if (n % 2 == 0) {
      disk.fail_for_ever = true;
    } else {
      disk.cut_at = fail + 1;  // it dies with the first write of the turn that follows
    }
    {
      Process run(disk);
      run.start();
      for (unsigned i = 0; i < 40; ++i) {
        const auto pushed = run.push(1, std::string(1800, 'x'));
        run.settle();
        if (i % 16 == 0 || !pushed.ok()) continue;
        if (disk.power) CHECK_OK(run.end(pushed.value().first_number));
        run.settle();
      }
      // A turn of a file that is not full: whoever finds it cut off could go on there.
      if (disk.power) run.queue.forget(0).ignore();
      run.settle();
      if (n == 0) CHECK(run.queue.turns() >= 4);
    }
    if (n == 0) calls = disk.calls;
    Disk left = disk.process_died();
    std::vector<std::uint32_t> waiting;
    {
      Process next(left);
      next.start(1);
      CHECK(next.queue.settled());
      const auto pushed = next.push(1, "promised");
      CHECK_OK(pushed);
      next.settle();
      CHECK(next.queue.on_medium(pushed.value().ticket));
      for (std::size_t i = 0; i < the_index.size(); ++i)
        if (!ended(the_index[i].state)) waiting.push_back(the_index[i].number);
    }
    for (unsigned image = 0; image < left.images(); ++image) {
      check::at("n=%u image=%u", n, image);
      Disk after_the_cut = left.image(image);
      Process last(after_the_cut);
      CHECK_OK(last.load());
      for (const std::uint32_t number : waiting) CHECK(the_index.find(number) != nullptr);
      for (std::size_t i = 0; i < the_index.size(); ++i)
        CHECK(ended(the_index[i].state) ||
              std::find(waiting.begin(), waiting.end(), the_index[i].number) != waiting.end());
    }
  }
}

// The seal that it finds may be on no medium, and its own first job fails: a turn at once would overwrite the
// file that is the truth if the power goes.
TEST(queue_process_that_finds_a_seal_nobody_vouches_for_spares_the_other_file) {
  unsigned calls = 0, cases = 0;
  for (unsigned fail = 0; fail <= calls; ++fail) {
    Disk disk(8);
    disk.fail_at = fail;
    disk.fail_for_ever = true;
    std::vector<std::uint32_t> promised;
    {
      Process run(disk);
      run.start();
      for (unsigned i = 0; i < 12; ++i) {
        const auto pushed = run.push(1, std::string(1800, 'x'));
        run.settle();
        if (!pushed.ok() || !run.queue.on_medium(pushed.value().ticket)) continue;
        if (i % 8 == 0) {
          promised.push_back(pushed.value().first_number);
          continue;
        }
        CHECK_OK(run.end(pushed.value().first_number));
        run.settle();
      }
    }
    if (fail == 0) calls = disk.calls;
    for (unsigned again = 1; again <= 2; ++again)
      for (unsigned cut = again + 1; cut < again + 9; ++cut) {
        check::at("fail=%u again=%u cut=%u", fail, again, cut);
        Disk left = disk.process_died();
        left.fail_at = again;
        left.cut_at = cut;
        {
          Process next(left);
          CHECK_OK(next.load());
          next.queue.start({});
          next.settle();
        }
        Disk after_the_cut = left.image(0);
        Process last(after_the_cut);
        CHECK_OK(last.load());
        for (const std::uint32_t number : promised) CHECK(the_index.find(number) != nullptr);
        ++cases;
      }
  }
  print_message("%u cases\n", cases);
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

TEST(queue_that_tries_a_failing_medium_again_fails_until_everything_is_on_it) {
  // While the try went on, the queue said that the medium worked: the log told of it every 10 s.
  Disk disk(8);
  Process run(disk);
  run.start();
  disk.fail_at = disk.calls + 1;
  disk.fail_for_ever = true;
  const auto pushed = run.push(1, "only in memory");
  run.queue.poll(run.now);
  CHECK(run.queue.failing());
  CHECK(run.queue.resting());
  disk.fail_at = 0;
  disk.fail_for_ever = false;
  run.even.hangs = run.odd.hangs = true;
  run.now = run.queue.wake();
  run.queue.poll(run.now);
  CHECK(!run.queue.resting());
  CHECK(run.queue.failing());
  CHECK(run.queue.stalled(run.now));
  run.even.hangs = run.odd.hangs = false;
  run.settle();
  CHECK(!run.queue.failing());
  CHECK(run.queue.on_medium(pushed.value().ticket));
}

TEST(queue_medium_that_cannot_be_read_for_a_moment_costs_a_turn_nothing) {
  // One EIO while a turn copied took a waiting message for lost, and the state of another with it.
  for (const unsigned failing : {1U, 2U, 3U}) {
    check::at("failing=%u", failing);
    Disk disk(8);
    Process run(disk);
    run.start();
    const auto waits = run.push(2, "waits").value().first_number;
    CHECK_OK(run.end(waits + 1));
    run.settle();
    const auto turns = run.queue.turns();
    disk.reads_to_fail = failing;
    for (unsigned i = 0; i < 400 && run.queue.turns() == turns; ++i) {
      CHECK_OK(run.end(run.push(1, std::string(900, 'x')).value().first_number));
      run.settle();
    }
    CHECK_EQ(disk.reads_to_fail, 0);
    CHECK(run.queue.turns() > turns);
    CHECK(!run.queue.failing());
    CHECK_EQ(run.queue.lost(), 0);
    Disk after = disk.image(0);
    Process next(after);
    CHECK_OK(next.load());
    CHECK_TEXT(next.queue.read_body(*the_index.find(waits), next.scratch).value().event.text, "waits");
    CHECK(the_index.find(waits)->state == State::queued);
    CHECK(the_index.find(waits + 1)->state == State::accepted);
  }
}

TEST(queue_medium_that_never_gives_a_record_again_costs_that_message_only) {
  unsigned lost = 0;
  for (const int slot : {1, 2}) {  // the block with the message lies in one of them
    check::at("slot=%d", slot);
    Disk disk(8);
    Process run(disk);
    run.start();
    const auto waits = run.push(2, std::string(900, 'w')).value().first_number;
    CHECK_OK(run.end(waits + 1));
    run.settle();
    for (unsigned i = 0; i < 5; ++i) {
      CHECK_OK(run.end(run.push(1, std::string(900, 'x')).value().first_number));
      run.settle();
    }
    const auto kept = run.push(1, "kept").value().first_number;
    run.settle();
    disk.bad_block = slot;
    const auto turns = run.queue.turns();
    for (unsigned i = 0; i < 400 && run.queue.turns() == turns; ++i) {
      CHECK_OK(run.end(run.push(1, std::string(900, 'x')).value().first_number));
      run.settle();
    }
    CHECK(run.queue.turns() > turns);
    CHECK_EQ(the_index.find(kept)->lost, false);
    lost += run.queue.lost();
  }
  CHECK(lost > 0);
}

TEST(queue_block_that_cannot_be_read_is_an_error_or_left_out_when_the_device_has_to_start) {
  Disk disk(8);
  std::uint32_t early = 0, late = 0;
  {
    Process run(disk);
    run.start();
    early = run.push(1, std::string(900, 'a')).value().first_number;
    for (unsigned i = 0; i < 5; ++i) {
      late = run.push(1, std::string(900, 'b')).value().first_number;
      run.settle();
    }
  }
  Disk after = disk.image(0);
  after.bad_block = 1;
  Process next(after);
  CHECK_CODE(next.queue.load(), Code::io);
  const auto found = next.queue.load(Queue::BadBlocks::leave_out);
  CHECK_OK(found);
  CHECK_EQ(found.value().bad_blocks, 1);
  CHECK(the_index.find(early) == nullptr);
  CHECK(the_index.find(late) != nullptr);
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

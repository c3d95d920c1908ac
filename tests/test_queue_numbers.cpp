// SPDX-License-Identifier: MIT
// The queue: numbers, ids and alarm states over restarts, and an index that is full.
#include "queue_bench.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::Process;
using fakes::the_index;

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
  CHECK_EQ(next.queue.alarm("pump")->since.boot, 1);
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
  while (waiting + kMaxPhones <= Queue::kMaxWaiting && refused < 50) {
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
  CHECK(waiting + kMaxPhones > Queue::kMaxWaiting);
}

// SPDX-License-Identifier: MIT
#include "queue_bench.hpp"
#include "src/program/carried.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::Process;
using fakes::the_index;

namespace {

Carried carried;
Carried::Front front;

// A queue whose medium takes nothing: all that is pushed stays in memory.
struct InMemory {
  Disk disk{8};
  Process run{disk};
  InMemory() {
    disk.fail_at = 1;
    disk.fail_for_ever = true;
    run.start();
    CHECK(run.queue.failing());
  }
};

TEST(carried_has_what_waits_in_its_order_and_of_a_group_the_phones_that_wait) {
  InMemory memory;
  Process& run = memory.run;
  const auto one = run.push(1, "one").value().first_number;
  const auto group = run.push(3, "group", "pump", Transition::raised).value().first_number;
  const auto over = run.push(2, "over", "door", Transition::raised).value().first_number;
  CHECK_OK(run.push(1, "last"));
  CHECK_OK(run.end(group + 1));
  CHECK_OK(run.end(over));
  CHECK_OK(run.end(over + 1, State::failed));
  Entry& entry = *the_index.find(group + 2);
  entry.sends = 1;
  entry.attempts = 7;
  entry.aside = 3;
  entry.repeat = true;
  entry.reopened = true;
  entry.due_ms = 0x1'0000'0001;
  entry.way = 2;
  entry.closed = 3;
  entry.since_s = 100;

  carried.save(run.queue, the_index, 100 + 7 * 60 + 59);
  CHECK_EQ(carried.messages(), 4);
  CHECK_EQ(carried.lost(), 0);
  CHECK(carried.front(front));
  CHECK_TEXT(front.event.text, "one");
  CHECK_EQ(front.count, 1);
  CHECK_EQ(front.messages[0].number, one);
  CHECK_EQ(front.messages[0].past.sends, 0);
  CHECK(!front.messages[0].past.repeat);
  carried.pop();

  CHECK(carried.front(front));
  CHECK_TEXT(front.event.text, "group");
  CHECK_TEXT(front.event.alarm, "pump");
  CHECK_TEXT(front.event.stream, "sms");
  CHECK(front.event.transition == Transition::raised);
  CHECK_EQ(front.event.queued.clocks.now.ms, run.now.ms);
  CHECK_EQ(front.count, 2);
  CHECK_EQ(front.event.phone_count(), 2);
  CHECK_EQ(front.messages[0].number, group);
  CHECK_EQ(front.messages[1].number, group + 2);
  CHECK_TEXT(front.event.phones[0].view(), "447700900123");
  CHECK_TEXT(front.event.phones[1].view(), "447700900125");
  const Outbox::Past& past = front.messages[1].past;
  CHECK_EQ(past.sends, 1);
  CHECK_EQ(past.attempts, 7);
  CHECK_EQ(past.aside, 3);
  CHECK(past.repeat);
  CHECK(past.reopened);
  CHECK_EQ(past.due_ms, 0x1'0000'0001);
  CHECK_EQ(past.way, 2);
  CHECK_EQ(past.closed, 3);
  CHECK_EQ(past.waited_s, 7 * 60);  // whole minutes
  CHECK(!front.messages[0].past.repeat);
  carried.pop();
  CHECK_EQ(carried.messages(), 1);
  CHECK(carried.front(front));
  CHECK_TEXT(front.event.text, "last");
  carried.pop();
  CHECK(carried.empty());
  CHECK(!carried.front(front));

  CHECK_EQ(carried.alarms().size(), 2);  // also the one whose messages have all ended
  CHECK_TEXT(carried.alarms()[1].name.view(), "door");
  carried.forget_alarms();
  CHECK(carried.alarms().empty());
}

TEST(carried_takes_all_that_the_memory_of_a_queue_holds) {
  // The smallest texts, and each number of phones: what it takes here beside its record is most then.
  for (const unsigned phones : {1U, 2U, 5U, 31U, 32U}) {
    check::at("phones=%u", phones);
    Disk disk(2048);  // the room for what waits is not the limit
    disk.fail_at = 1;
    disk.fail_for_ever = true;
    Process run(disk);
    run.start();
    std::size_t messages = 0;
    while (run.push(phones, "x", "", Transition::none, "d").ok()) messages += phones;
    CHECK(messages > 150);
    carried.save(run.queue, the_index, 0);
    CHECK_EQ(carried.messages(), messages);
    CHECK_EQ(carried.lost(), 0);
  }
}

}  // namespace

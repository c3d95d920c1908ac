// SPDX-License-Identifier: MIT
// The queue apart from power cuts (powercut_queue.cpp): what is accepted and refused, and the files taking
// turns. Numbers and ids: test_queue_numbers.cpp; a bad medium: test_queue_medium.cpp; the bytes:
// test_queue_format.cpp.
#include <vector>

#include "queue_bench.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::DiskStore;
using fakes::Process;
using fakes::the_index;

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
  CHECK_EQ(state.value().at.boot, 1);
  CHECK_EQ(the_index.find(number)->attempts, 30);
}

TEST(queue_message_has_the_same_names_in_the_index_when_it_is_found_again) {
  Disk disk(8);
  std::vector<Entry> before;
  {
    Process run(disk);
    run.start();
    CHECK_OK(run.push(3, "one"));
    CHECK_OK(run.push(2, "two", "high-level"));
    run.settle();
    for (std::size_t at = 0; at < the_index.size(); ++at) before.push_back(the_index[at]);
  }
  Process run(disk);
  CHECK_OK(run.load());
  CHECK_EQ(the_index.size(), 5);
  CHECK_EQ(before.size(), 5);
  for (std::size_t at = 0; at < 5; ++at) {
    const Entry &was = before[at], &is = the_index[at];
    CHECK_EQ(is.number, was.number);
    CHECK_EQ(is.ways, was.ways);
    CHECK_EQ(is.alarm, was.alarm);
    CHECK_EQ(is.recipient, was.recipient);
    CHECK_EQ(is.bytes, was.bytes);
    CHECK_EQ(is.expires_s, was.expires_s);
    CHECK(is.cls == was.cls && is.on_unknown == was.on_unknown);
    CHECK((is.alarm != 0) == (at >= 3));
    CHECK(is.recipient != before[at < 3 ? (at + 1) % 3 : 7 - at].recipient);  // another phone of its event
  }
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

// Of a message that had ended: what else is learnt of it costs no sync of its own.
TEST(queue_records_that_wait_for_others_go_with_the_next_job_or_when_they_are_many) {
  Disk disk(64);
  Process run(disk);
  run.start();
  std::vector<std::uint32_t> numbers;
  for (unsigned i = 0; i < 100; ++i) {
    const auto pushed = run.push(1, "text");
    CHECK_OK(pushed);
    numbers.push_back(pushed.value().first_number);
    CHECK_OK(run.end(numbers.back()));
    run.settle();
  }
  const auto deliver = [&](std::uint32_t number) {
    MessageState last;
    last.state = State::delivered;
    const auto ticket = run.queue.update(number, last, run.clocks(), Queue::Write::with_others);
    CHECK_OK(ticket);
    run.queue.poll(run.now);
    return ticket.value();
  };
  const auto syncs = run.queue.syncs();
  const Queue::Ticket first = deliver(numbers[0]);
  CHECK(run.queue.idle() && !run.queue.on_medium(first));
  CHECK(run.queue.newest() == run.queue.safe());  // nobody waits for it
  CHECK_EQ(run.queue.syncs(), syncs);
  CHECK(the_index.find(numbers[0])->state == State::delivered);
  CHECK_OK(run.push(1, "another"));
  run.settle();
  CHECK_EQ(run.queue.syncs(), syncs + 1);
  CHECK(run.queue.on_medium(first));

  CHECK_EQ(run.queue.write_all(), 0);
  const Queue::Ticket second = deliver(numbers[1]);
  CHECK_EQ(run.queue.write_all(), second);
  run.settle();
  CHECK(run.queue.on_medium(second));
  CHECK_EQ(run.queue.syncs(), syncs + 2);

  unsigned waited = 0;
  for (std::size_t i = 2; i < 100; ++i) {
    deliver(numbers[i]);
    run.settle();
    if (run.queue.syncs() == syncs + 2) ++waited;
  }
  CHECK(waited > 50 && waited < 98);
  CHECK_EQ(run.queue.syncs(), syncs + 3);
  CHECK_OK(run.queue.stop());
  run.settle();
  Process next(disk);
  CHECK_OK(next.load());
  for (const std::uint32_t number : numbers) CHECK(the_index.find(number)->state == State::delivered);
}

// The turn may have left out what ended long ago: a record of it would bring back a message without its event.
TEST(queue_records_that_wait_for_others_are_not_taken_while_the_files_turn) {
  Disk disk(16);
  Process run(disk);
  run.start();
  const auto old = run.push(1, "old");
  CHECK_OK(old);
  CHECK_OK(run.end(old.value().first_number));
  run.settle();
  MessageState last;
  last.state = State::delivered;
  unsigned refused = 0;
  for (unsigned i = 0; i < 400 && the_index.find(old.value().first_number) != nullptr; ++i) {
    const auto pushed = run.push(1, std::string(300, 'x'));
    if (pushed.ok()) CHECK_OK(run.end(pushed.value().first_number));
    run.even.delay = run.odd.delay = milliseconds(10);
    for (int step = 0; step < 40 && !run.queue.idle(); ++step) {
      run.queue.poll(run.now);
      if (run.queue.turning()) {
        const auto taken = run.queue.update(old.value().first_number, last, run.clocks(), Queue::Write::with_others);
        refused += taken.code() == Code::full ? 1U : 0U;
        const Entry* entry = the_index.find(old.value().first_number);
        CHECK(entry == nullptr || entry->state == State::accepted);
      }
      run.now = run.now + milliseconds(10);
    }
  }
  CHECK(refused > 0);
  CHECK(the_index.find(old.value().first_number) == nullptr);
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

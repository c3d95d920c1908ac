// SPDX-License-Identifier: MIT
// What the class of a message decides: how long it may wait and how many may be sent. Ages are counted in time
// the device was on, whatever its clock says and however often it starts.
#include "rules_bench.hpp"

using namespace tocsin;
using Bench = fakes::RulesBench;
using fakes::Agent;
using fakes::total_copies;

// ---- expiry -----------------------------------------------------------------------------------------------

TEST(rules_message_expires_when_the_device_was_on_for_so_long_and_not_before) {
  Bench b;
  b.of(Class::warning).expire = hours(2);
  b.begin();
  const auto number = b->post(Class::warning, 1, "x");
  const auto kept = b->post(Class::critical, 1, "never expires");
  CHECK(b->run(minutes(119)));
  CHECK(b->state(number) == State::queued);
  CHECK(b->run(minutes(2)));
  CHECK(b->state(number) == State::expired);
  CHECK(fakes::has(b.reason(number), "in the time that its class gives it"));
  // It named no cause.
  CHECK(fakes::has(b.reason(number), "not sent in the time that its class gives it, 2h: "));
  CHECK(!b->sender.reason().empty());
  CHECK(fakes::has(b.reason(number), std::string(b->sender.reason()).substr(0, 50).c_str()));
  CHECK(b->state(kept) == State::queued);
  b->stream.refuse = {};
  CHECK(b->run(hours(1)));
  CHECK_EQ(total_copies(b.service), 1);
}

TEST(rules_message_that_the_budget_kept_back_until_it_expired_says_so) {
  Bench b;
  b.of(Class::warning).expire = minutes(10);
  b.of(Class::warning).per_hour = 1;
  b.begin();
  b->stream.refuse = {};
  CHECK(b->run(minutes(1)));
  b->post(Class::warning, 1, "goes");
  const auto number = b->post(Class::warning, 1, "waits");
  CHECK(b->run(minutes(11)));
  CHECK(b->state(number) == State::expired);
  CHECK(fakes::has(b.reason(number), "gives it, 10m: its budget was spent"));
}

TEST(rules_age_goes_on_over_power_cuts_and_time_off_does_not_count) {
  Bench b;
  b.of(Class::warning).expire = hours(10);
  b.begin();
  const auto number = b->post(Class::warning, 1, "x");
  for (unsigned boots = 0; boots < 4; ++boots) {
    CHECK(b->run(minutes(150)));  // noted after 5, 10, 20, 40, 80 and 140 minutes: what lies behind is lost
    b.cut_power();
    CHECK(b->state(number) == State::queued);
  }
  CHECK(b->run(minutes(35)));  // of 10 h, 4 x 140 min have passed
  CHECK(b->state(number) == State::queued);
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::expired);
}

TEST(rules_device_that_starts_every_few_minutes_does_not_keep_a_message_for_ever) {
  Bench b;
  b.of(Class::info).expire = hours(1);
  b.begin();
  const auto number = b->post(Class::info, 1, "x");
  unsigned boots = 0;
  for (; boots < 200 && b->state(number) == State::queued; ++boots) {
    CHECK(b->run(minutes(12)));
    b.cut_power();
  }
  CHECK(boots < 8);  // ten minutes of each are known
}

TEST(rules_clock_that_steps_neither_expires_nor_keeps_anything) {
  // The wall clock of the fakes moves with the device's own; here it steps by years, both ways.
  Bench b;
  b.of(Class::warning).expire = hours(2);
  b.begin();
  Phone to;
  to.assign_cut("447700900100");
  Event event;
  event.stream = "sms";
  event.text = "x";
  event.phones = Span<const Phone>{&to, 1};
  Clocks clocks = b->clocks();
  clocks.wall.ms = 0;
  const auto old_date = b->outbox.post(event, "dev", clocks);
  clocks.wall.ms = INT64_C(4'000'000'000'000);
  const auto far_date = b->outbox.post(event, "dev", clocks);
  CHECK_OK(old_date);
  CHECK_OK(far_date);
  CHECK(b->run(minutes(110)));
  CHECK(b->state(old_date.value().first_number) == State::queued);
  CHECK(b->state(far_date.value().first_number) == State::queued);
  CHECK(b->run(minutes(20)));
  CHECK(b->state(old_date.value().first_number) == State::expired);
  CHECK(b->state(far_date.value().first_number) == State::expired);
}

TEST(rules_message_under_way_does_not_expire_before_its_outcome) {
  Bench b;
  b.of(Class::warning).expire = minutes(1);
  b.begin();
  b->stream.refuse = {};
  b.service.script = [](const fakes::Request& r) {
    fakes::Reply reply = fakes::accept_all(r);
    reply.after = seconds(12);
    return reply;
  };
  const auto number = b->post(Class::warning, 1, "x");
  b->stream.refuse = {Code::io, 111};
  CHECK(b->run(seconds(55)));
  b->stream.refuse = {};
  b->sender.resume();
  CHECK(b->run(seconds(60)));
  CHECK(b->state(number) == State::accepted);
}

// ---- budgets ----------------------------------------------------------------------------------------------

TEST(rules_budget_of_an_hour_holds_the_others_of_the_class_and_no_other_class) {
  Bench b;
  b.of(Class::warning).per_hour = 5;
  b.of(Class::critical).per_hour = 4;
  b.begin();
  b->stream.refuse = {};
  b->sender.resume();
  for (unsigned i = 0; i < 8; ++i) CHECK(b->post(Class::warning, 1, "w") != 0);
  CHECK(b->post(Class::critical, 3, "c") != 0);
  CHECK(b->run(minutes(1)));
  CHECK_EQ(total_copies(b.service), 5 + 3);
  CHECK(b->post(Class::critical, 1, "c") != 0);
  CHECK(b->run(minutes(1)));
  CHECK_EQ(total_copies(b.service), 5 + 4);
  CHECK(fakes::condition_seen(*b.agent, "budget spent", "warning"));
  CHECK(b->run(minutes(56)));
  CHECK_EQ(total_copies(b.service), 5 + 4);
  CHECK(b->run(minutes(3)));
  CHECK_EQ(total_copies(b.service), 8 + 4);
  CHECK_EQ(b->spins, 0);
}

TEST(rules_budget_of_a_day_outlives_hours_and_power_cuts) {
  Bench b;
  b.of(Class::warning).per_hour = 5;
  b.of(Class::warning).per_day = 8;
  b.begin();
  b->stream.refuse = {};
  b->sender.resume();
  for (unsigned i = 0; i < 12; ++i) CHECK(b->post(Class::warning, 1, "w") != 0);
  for (unsigned i = 0; i < 5; ++i) {
    CHECK(b->run(hours(2)));
    b.cut_power();
    b->stream.refuse = {};
    b->sender.resume();
  }
  CHECK_EQ(total_copies(b.service), 8);
  CHECK(b->run(hours(24)));
  CHECK_EQ(total_copies(b.service), 12);
}

// The loop turns while the first record of a run is on its way to the medium: what had been spent was noted as nothing
// then, where something waited and the last note was an hour old.
TEST(rules_outbox_that_is_not_loaded_yet_leaves_what_was_spent_as_it_is) {
  Bench b;
  b.begin();
  b->stream.refuse = {};
  b->post(Class::warning, 1, "spent");
  CHECK(b->run(seconds(1)));
  b->sender.hold_until_resumed("there is no token");
  b->post(Class::warning, 1, "waits");
  CHECK(b->run(seconds(1)));
  const Spent before = b->queue.tally().spent[static_cast<std::size_t>(Class::warning)];
  CHECK_EQ(before.in_day, 1);
  b.boot();
  CHECK(b->queue.load().ok());
  Queue::Start start;
  start.clocks = b->clocks();
  b->queue.start(start);
  b.clock = b.clock + hours(2);
  b->outbox.poll(b->clocks());
  CHECK_EQ(b->queue.tally().spent[static_cast<std::size_t>(Class::warning)].in_day, 1);
}

TEST(rules_sendings_that_came_to_nothing_cost_no_budget) {
  Bench b;
  b.of(Class::warning).per_hour = 2;
  b.begin();
  b.service.script = [](const fakes::Request& r) {
    return r.number <= 5 ? fakes::answer(503, "", "Retry-After: 60\r\n") : fakes::accept_all(r);
  };
  b->stream.refuse = {};
  b->sender.resume();
  CHECK(b->post(Class::warning, 2, "w") != 0);
  CHECK(b->run(minutes(30)));
  CHECK(b.service.requests.size() > 5);
  CHECK_EQ(total_copies(b.service), 2);
}

TEST(rules_copies_count_as_sendings) {
  Bench b;
  b.of(Class::warning).per_hour = 2;
  b.begin();
  b->stream.refuse = {};
  b->sender.resume();
  b.service.script = [](const fakes::Request& r) { return fakes::accept_but(r, fakes::answer(500)); };
  CHECK(b->post(Class::warning, 1, "w") != 0);
  CHECK(b->run(minutes(50)));
  CHECK_EQ(total_copies(b.service), 2);
  CHECK(b->run(hours(2)));
  CHECK_EQ(total_copies(b.service), 3);
}

TEST(rules_what_was_spent_in_memory_counts_in_the_files_as_well) {
  // The files: 1 of 5 spent. Memory, where the device had been on for 1000 s: 3 in this hour.
  for (const std::uint32_t ago_s : {60U, 3601U}) {
    check::at("ago_s=%u", ago_s);
    Bench b;
    b.of(Class::warning).per_hour = 5;
    b.begin();
    b->stream.refuse = {};
    b->sender.resume();
    CHECK(b->post(Class::warning, 1, "w") != 0);
    CHECK(b->run(seconds(30)));
    CHECK_EQ(total_copies(b.service), 1);
    Tally memory;
    memory.spent[1].in_hour = memory.spent[1].in_day = 3;
    memory.spent[1].hour_began_s = memory.spent[1].day_began_s = 10'000 - ago_s;
    SegmentBudgets segments;
    b->outbox.count_spent(memory, segments, 10'000, b->clocks());
    CHECK(b->post(Class::warning, 8, "w") != 0);
    CHECK(b->run(seconds(30)));
    CHECK_EQ(total_copies(b.service), ago_s == 60 ? 2 : 5);  // an hour that is over does not count
    CHECK(b->run(hours(3)));
    CHECK_EQ(total_copies(b.service), 9);
  }
}

// ---- from memory ------------------------------------------------------------------------------------------

TEST(rules_message_that_comes_from_memory_goes_on_with_the_copies_it_has_left) {
  for (const bool cut : {false, true}) {
    check::at("cut=%d", cut);
    Bench b;
    b.begin();
    b.service.script = [](const fakes::Request& r) { return fakes::accept_but(r, fakes::answer(500)); };
    const auto number = b->post(Class::critical, 1, "sent once, the answer was lost");
    Outbox::Past past;
    past.sends = 1;
    past.attempts = 4;
    past.repeat = true;
    past.due_ms = b.clock.ms + 60'000;
    CHECK_OK(b->outbox.recall(number, past, b->clocks()));
    CHECK_CODE(b->outbox.recall(number + 1, past, b->clocks()), Code::not_found);
    CHECK(b->run(seconds(20)));
    CHECK_EQ(Agent::index().find(number)->due_ms, past.due_ms);
    if (cut) b.cut_power();
    b->stream.refuse = {};
    b->sender.resume();
    CHECK(b->run(seconds(30)));
    if (!cut) CHECK_EQ(total_copies(b.service), 0);  // not before it is due
    CHECK(b->run(hours(3)));
    CHECK_EQ(total_copies(b.service), 2);
    CHECK(b->state(number) == State::unknown);
    CHECK(fakes::has(b.service.requests.front().messages[0].text, "(repeat)"));
  }
}

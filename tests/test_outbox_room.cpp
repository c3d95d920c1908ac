// SPDX-License-Identifier: MIT
// Who gives way when the queue is full, and what a hand may change: drop, retry.
#include "rules_bench.hpp"

using namespace tocsin;
using Bench = fakes::RulesBench;
using fakes::Agent;
using fakes::total_copies;

// ---- a full queue -----------------------------------------------------------------------------------------

TEST(room_full_queue_takes_a_higher_class_and_gives_up_the_lowest_oldest_first) {
  Bench b(8);
  b.begin();
  const auto warnings = std::vector<std::uint32_t>{b->post(Class::warning, 1, std::string(300, 'x'))};
  const auto infos = b.fill(Class::info);
  CHECK(infos.size() > 3);
  CHECK_EQ(b->post(Class::info, 1, std::string(300, 'y')), 0);
  const auto first = b->post(Class::warning, 1, std::string(300, 'y'));
  CHECK(first != 0);
  CHECK(b->state(infos[0]) == State::evicted);
  CHECK(b->state(infos[1]) == State::queued);
  CHECK(b->state(warnings[0]) == State::queued);
  CHECK_EQ(b.count(State::evicted), 1);
  CHECK(b->run(milliseconds(1)));
  CHECK(fakes::has(b.reason(infos[0]), "higher class"));
  // Until every info is gone, then the warnings for a critical one, and nothing for another critical one.
  unsigned taken = 0;
  while (b->post(Class::critical, 1, std::string(300, 'z')) != 0) {
    CHECK(++taken < 200);
    CHECK(b->run(milliseconds(1)));
    bool info_waits = false;
    for (const auto number : infos) info_waits = info_waits || b->state(number) == State::queued;
    if (info_waits) CHECK(b->state(warnings[0]) == State::queued);
  }
  CHECK(b->state(warnings[0]) == State::evicted);
  CHECK(b->state(first) == State::evicted);
  CHECK_EQ(b.count(State::evicted), infos.size() + 2);
  const std::size_t waits = b->waiting();
  CHECK_EQ(b->post(Class::critical, 1, std::string(300, 'z')), 0);
  CHECK_EQ(b->waiting(), waits);  // nothing was given up for nothing
}

TEST(room_what_gave_way_stays_given_up_after_a_power_cut) {
  Bench b(8);
  b.begin();
  const auto infos = b.fill(Class::info);
  const auto critical = b->post(Class::critical, 1, std::string(300, 'c'));
  CHECK(critical != 0);
  CHECK(b->run(seconds(1)));
  b.cut_power();
  CHECK(b->state(infos[0]) == State::evicted);
  CHECK(b->state(critical) == State::queued);
  b->stream.refuse = {};
  b->sender.resume();
  CHECK(b->run(hours(1)));
  CHECK_EQ(b.service.copies[b->id(infos[0])], 0);
  CHECK_EQ(b.service.copies[b->id(critical)], 1);
}

TEST(room_group_gives_way_as_a_whole_or_not_at_all) {
  Bench b(8);
  b.begin();
  const auto groups = b.fill(Class::info, 3);
  CHECK(b->post(Class::critical, 1, std::string(300, 'c')) != 0);
  for (const auto first : groups) {
    CHECK(b->state(first) == b->state(first + 1));
    CHECK(b->state(first) == b->state(first + 2));
  }
  CHECK_EQ(b.count(State::evicted), 3);
}

TEST(room_message_under_way_never_gives_way) {
  Bench b(8);
  b.begin();
  b->stream.refuse = {};
  b->sender.resume();
  b.service.script = [](const fakes::Request& r) {
    fakes::Reply reply = fakes::accept_all(r);
    reply.after = seconds(10);
    return reply;
  };
  const auto infos = b.fill(Class::info);
  CHECK(b->run(seconds(1)));
  CHECK(b->sender.state() == Sender::State::receiving);
  while (b->post(Class::critical, 1, std::string(300, 'c')) != 0) CHECK(b->run(milliseconds(1)));
  CHECK(b->run(hours(1)));
  for (const Agent::Ended& one : b->over)
    if (one.state == State::evicted) CHECK_EQ(b.service.copies[one.id], 0);
  CHECK(b->state(infos[0]) == State::accepted);
}

TEST(room_full_queue_lets_a_newer_message_of_an_alarm_take_the_place_of_an_older_one) {
  Bench b(8);
  b.begin();
  const auto other_phone = b.alarm(Class::critical, "pump", "447700900101", std::string(300, '2'));
  const auto other_alarm = b.alarm(Class::critical, "door", "447700900100", std::string(300, '3'));
  const auto older = b.alarm(Class::critical, "pump", "447700900100", std::string(300, '1'));
  CHECK(older != 0 && other_phone != 0 && other_alarm != 0);
  b.fill(Class::critical);
  CHECK(b->state(older) == State::queued);
  const auto newer = b.alarm(Class::critical, "pump", "447700900100", std::string(300, '4'));
  CHECK(newer != 0);
  CHECK(b->state(older) == State::merged);
  CHECK(b->state(other_phone) == State::queued);
  CHECK(b->state(other_alarm) == State::queued);
  CHECK_EQ(b.alarm(Class::critical, "roof", "447700900100", std::string(300, '5')), 0);
}

TEST(room_full_queue_of_an_earlier_run_lets_newer_news_of_an_alarm_in) {
  // A restart in an outage: "the queue is full: nothing was stored", whatever the alarm had to say.
  Bench b(8);
  b.begin();
  const auto other = b.alarm(Class::critical, "door", "447700900100", std::string(300, '3'));
  const auto older = b.alarm(Class::critical, "pump", "447700900100", std::string(300, '1'));
  b.fill(Class::critical);
  b.cut_power();
  CHECK(b->run(minutes(10)));  // tried, in vain
  CHECK(b->state(older) == State::queued);
  for (std::size_t size = 300; size > 0; --size)  // to the last byte
    while (b->post(Class::critical, 1, std::string(size, 'x')) != 0) CHECK(b->run(milliseconds(1)));
  const auto id_of_older = b->id(older);
  const auto newer = b.alarm(Class::critical, "pump", "447700900100", std::string(300, '4'));
  CHECK(newer != 0);
  CHECK(b->state(older) == State::merged);
  CHECK(b->state(other) == State::queued);
  CHECK(b->run(seconds(1)));
  b.cut_power();
  b->stream.refuse = {};
  b->sender.resume();
  CHECK(b->run(hours(1)));
  CHECK_EQ(b.service.copies[id_of_older], 0);
  CHECK_EQ(b.service.copies[b->id(newer)], 1);
  CHECK_EQ(b.service.copies[b->id(other)], 1);
}

TEST(room_message_of_an_earlier_run_that_is_on_record_as_sent_does_not_give_way) {
  Bench b(8);
  b.begin();
  const auto older = b.alarm(Class::critical, "pump", "447700900100", std::string(300, '1'));
  b.service.script = [](const fakes::Request& r) { return fakes::accept_but(r, fakes::answer(500)); };
  b->stream.refuse = {};
  b->sender.resume();
  for (unsigned n = 0; n < 10'000 && total_copies(b.service) == 0; ++n) CHECK(b->run(milliseconds(10)));
  b->stream.refuse = {Code::io, 111};
  CHECK(b->run(seconds(1)));
  CHECK_EQ(b.service.copies[b->id(older)], 1);
  CHECK(b->state(older) == State::queued);
  b.cut_power();
  b.fill(Class::critical);
  CHECK_EQ(b.alarm(Class::critical, "pump", "447700900100", std::string(300, '4')), 0);
  CHECK(b->state(older) == State::queued);
}

TEST(room_nothing_gives_way_for_one_that_finds_no_room_all_the_same) {
  Bench b(8);
  b.begin();
  const auto info = b->post(Class::info, 1, "small");
  b.fill(Class::critical);
  CHECK_EQ(b->post(Class::critical, 8, std::string(1000, 'c')), 0);
  CHECK(b->state(info) == State::queued);
}

TEST(room_expired_messages_make_room_first) {
  Bench b(8);
  b.of(Class::warning).expire = minutes(1);
  b.begin();
  const auto warning = b->post(Class::warning, 1, std::string(300, 'w'));
  const auto infos = b.fill(Class::info);
  b.clock = b.clock + seconds(61);  // the loop has not come round since
  CHECK(b->post(Class::critical, 1, std::string(300, 'c')) != 0);
  CHECK(b->state(warning) == State::expired);
  CHECK(b->state(infos[0]) == State::queued);
}

// ---- by hand ----------------------------------------------------------------------------------------------

TEST(room_dropped_by_hand_is_not_sent_and_asked_for_again_is) {
  Bench b;
  b.begin();
  const auto number = b->post(Class::warning, 1, "x");
  CHECK_OK(b->outbox.drop(number, b->clocks()));
  CHECK_CODE(b->outbox.drop(number, b->clocks()), Code::bad_value);
  CHECK_CODE(b->outbox.drop(999, b->clocks()), Code::not_found);
  CHECK(b->run(seconds(1)));
  b.cut_power();
  CHECK(b->state(number) == State::dropped);
  CHECK_OK(b->outbox.retry(number, b->clocks()));
  CHECK(b->run(seconds(1)));
  b.cut_power();
  CHECK(b->state(number) == State::queued);
  b->stream.refuse = {};
  b->sender.resume();
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::accepted);
  CHECK_CODE(b->outbox.retry(number, b->clocks()), Code::bad_value);
  CHECK_EQ(total_copies(b.service), 1);
}

TEST(room_unknown_message_asked_for_again_is_sent_again_and_says_so) {
  for (const unsigned restart : {0U, 1U, 2U}) {  // never, before somebody asks, after that
    check::at("restart=%u", restart);
    Bench b;
    b.begin();
    b->stream.refuse = {};
    b->sender.resume();
    b.service.script = [](const fakes::Request& r) {
      return r.number == 1 ? fakes::accept_but(r, fakes::answer(500)) : fakes::accept_all(r);
    };
    const auto number = b->post(Class::info, 1, "once");
    CHECK(b->run(hours(2)));
    CHECK(b->state(number) == State::unknown);
    if (restart == 1) b.cut_power();
    if (restart == 2) b->stream.refuse = {Code::io, 111};
    CHECK_OK(b->outbox.retry(number, b->clocks()));
    CHECK(b->run(milliseconds(1)));
    if (restart == 2) b.cut_power();
    b->stream.refuse = {};
    b->sender.resume();
    CHECK(b->run(minutes(5)));
    CHECK(b->state(number) == State::accepted);
    CHECK_EQ(total_copies(b.service), 2);
    CHECK(fakes::has(b.service.requests.back().messages[0].text, "(repeat)"));
  }
}

TEST(room_message_asked_for_again_during_a_request_has_all_its_copies_from_that_one_on) {
  // The attempts that were behind it counted on, and it ended `unknown` with the next one.
  for (const unsigned during : {0U, 2U, 3U}) {  // which request; 0: never
    check::at("during=%u", during);
    Bench b;
    b.begin();
    const auto number = b->post(Class::warning, 1, "x");
    CHECK(b->run(seconds(1)));
    unsigned copies = 0;
    for (bool waits = true; waits; waits = b->state(number) == State::queued) {
      CHECK_OK(b->outbox.sending(name_hash("sms"), number, b->clocks()));
      if (++copies == during) CHECK_OK(b->outbox.retry(number, b->clocks()));
      CHECK(copies < 9);
      b->outbox.outcome_unknown(number, b->clocks().now + hours(9), "no answer", b->clocks());
    }
    CHECK(b->state(number) == State::unknown);
    CHECK_EQ(copies, during == 0 ? 3 : during + 2);
  }
}

TEST(room_expired_message_asked_for_again_does_not_expire_again) {
  Bench b;
  b.of(Class::warning).expire = minutes(5);
  b.begin();
  const auto number = b->post(Class::warning, 1, "x");
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::expired);
  CHECK_OK(b->outbox.retry(number, b->clocks()));
  CHECK(b->run(hours(3)));
  CHECK(b->state(number) == State::queued);
  b.cut_power();
  CHECK(b->run(hours(3)));
  CHECK(b->state(number) == State::queued);
}

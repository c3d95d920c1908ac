// SPDX-License-Identifier: MIT
// The sender: answers and connections that are lost, slow or refused.
#include "sender_bench.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::answer;
using fakes::Bench;
using fakes::has;
using fakes::Reply;
using fakes::Request;
using fakes::total_copies;

// ---- the answer that does not come ------------------------------------------------------------------------

TEST(sender_connection_lost_at_every_byte_of_the_request_is_never_more_than_three_copies) {
  for (const Class cls : {Class::critical, Class::info})
    for (std::size_t cut = 0; cut < 400; ++cut) {
      check::at("class=%u cut=%zu", static_cast<unsigned>(cls), cut);
      Bench b;
      b->faults.end_after_written = cut;
      b.start();
      const auto number = b->post(cls, 1, "x");
      CHECK(b->run(minutes(5)));
      if (!b->faults.struck) break;  // beyond the end
      if (cls == Class::critical) {
        CHECK(b->state(number) == State::accepted);
        CHECK_EQ(total_copies(b.service), 1);
        CHECK_TEXT(b.service.requests[0].messages[0].text, "x (repeat)");
      } else {
        CHECK(b->state(number) == State::unknown);  // the first write() may have left something
        CHECK_EQ(total_copies(b.service), 0);
      }
    }
}

TEST(sender_answer_lost_at_every_byte_is_unknown_and_repeated) {
  for (const bool orderly : {false, true})
    for (std::size_t cut = 0; cut < 400; ++cut) {
      check::at("orderly=%d cut=%zu", orderly ? 1 : 0, cut);
      Bench b;
      b.service.script = [&](const Request& r) {
        Reply reply = accept_all(r);
        if (r.number > 1) return reply;
        reply.cut_at = cut;
        reply.end = orderly ? Reply::End::close : Reply::End::broken;
        return reply;
      };
      b.start();
      const auto number = b->post(Class::critical, 1, "x");
      CHECK(b->run(minutes(5)));
      CHECK(b->state(number) == State::accepted);
      if (b.service.request_count == 1) {
        CHECK(cut > 100);
        break;  // the whole answer came
      }
      CHECK_EQ(total_copies(b.service), 2);
      CHECK_TEXT(b.service.requests[1].messages[0].text, "x (repeat)");
    }
}

// With TLS 1.3 the request is gone before the server says that it does not take this device's certificate. Each
// such try counted as a copy, and an alarm was given up after three of them, in 46 s.
TEST(sender_turned_away_before_its_request_was_looked_at_tries_as_often_as_it_takes) {
  Bench b;
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    if (r.number < 10) {
      reply.accepted.clear();
      reply.cut_at = 0;
      reply.end = Reply::End::turned_away;
    }
    return reply;
  };
  b.start();
  const auto number = b->post(Class::info, 1, "x");  // whose second copy nobody wants
  CHECK(b->run_until_ended(hours(2)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b.service.request_count, 10);
  CHECK_EQ(total_copies(b.service), 1);
  CHECK_TEXT(b.service.requests[9].messages[0].text, "x");
  CHECK(condition_seen(*b.agent, "backing off", "client certificate expired"));
}

// A gateway in front of the service that restarts answers 502 for a minute: three copies were spent in 18 s.
TEST(sender_keeps_the_last_copy_for_when_the_service_may_have_recovered) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    check::at("seed=%u", seed);
    Bench b;
    b.service.script = [](const Request& r) { return r.at < Instant{90'000} ? answer(502) : accept_all(r); };
    b.start();
    for (unsigned i = 0; i < seed; ++i) b->run(milliseconds(7));  // other random numbers
    const auto number = b->post(Class::critical, 1, "x");
    CHECK(b->run_until_ended(minutes(10)));
    CHECK(b->state(number) == State::accepted);
    CHECK_EQ(b.service.request_count, 3);
  }
}

TEST(sender_lost_answer_of_a_batch_makes_each_message_stand_for_itself) {
  Bench b;
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    if (r.number == 1) reply.cut_at = 0, reply.end = Reply::End::broken;
    return reply;
  };
  b.start();
  for (unsigned i = 0; i < 6; ++i) b->post(Class::critical, 1, "x");
  CHECK(b->run_until_ended(minutes(10)));
  CHECK_EQ(b.service.requests[0].messages.size(), 6);
  CHECK_EQ(b.service.requests[1].messages.size(), 1);
  CHECK_EQ(total_copies(b.service), 12);
}

TEST(sender_lost_answer_of_a_batch_to_many_phones_makes_each_message_stand_for_itself) {
  Bench b;
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    if (r.number <= 2) reply.cut_at = 0, reply.end = Reply::End::broken;
    return reply;
  };
  b.start();
  b->post(Class::critical, 6, "x");
  CHECK(b->run_until_ended(minutes(10)));
  CHECK_EQ(b.service.requests[0].messages.size(), 6);
  CHECK_EQ(b.service.requests[1].messages.size(), 1);
  CHECK_EQ(b.service.requests[2].messages.size(), 1);
  CHECK_EQ(total_copies(b.service), 13);
}

TEST(sender_known_failures_any_number_of_times_are_never_counted) {
  struct Known {
    const char* name;
    unsigned status;
    const char* fields;
  };
  const Known known[] = {
      {"408", 408, ""}, {"425", 425, ""}, {"429", 429, ""}, {"503", 503, "Retry-After: 7\r\n"},
      {"521", 521, ""}, {"523", 523, ""}, {"525", 525, ""}, {"526", 526, ""}};
  for (const Known& k : known)
    for (const Class cls : {Class::critical, Class::info}) {
      check::at("status=%s class=%u", k.name, static_cast<unsigned>(cls));
      Bench b;
      b.service.script = [&](const Request& r) {
        return r.number <= 40 ? answer(k.status, "", k.fields) : accept_all(r);
      };
      b.start();
      const auto number = b->post(cls, 1, "x");
      CHECK(b->run_until_ended(hours(48)));
      CHECK(b->state(number) == State::accepted);
      CHECK_EQ(b.service.request_count, 41);
      CHECK_TEXT(b.service.requests[40].messages[0].text, "x");
    }
}

TEST(sender_known_failures_across_power_cuts_are_not_counted_either) {
  // The record that precedes a sending counts it; when the service then said that it took nothing, that has
  // to be put on record as well, or three reboots during an outage of the service end the alarm as unknown.
  for (const Class cls : {Class::critical, Class::info}) {
    check::at("class=%u", static_cast<unsigned>(cls));
    Bench b;
    b.service.script = [](const Request&) { return answer(521); };
    b.start();
    const auto number = b->post(cls, 1, "x");
    for (unsigned boots = 0; boots < 10; ++boots) {
      CHECK(b->run(minutes(10)));
      CHECK(b->state(number) == State::queued);
      b.boot();
      b.start();
    }
    b.service.script = accept_all;
    CHECK(b->run_until_ended(minutes(30)));
    CHECK(b->state(number) == State::accepted);
  }
}

TEST(sender_refused_connection_is_tried_with_growing_waits_and_never_counted) {
  for (const Code code : {Code::io, Code::tls}) {
    check::at("code=%s", word(code));
    Bench b;
    b->stream.refuse = {code, 111};
    b->stream.words = "connecting to sms.test: nobody listens";
    b.start();
    const auto number = b->post(Class::info, 1, "x");
    CHECK(b->run(hours(24)));
    CHECK(b->stream.connects >= 96);  // at most 15 minutes apart
    CHECK(b->stream.connects <= 400);
    CHECK(b->state(number) == State::queued);
    CHECK_TEXT(b->sender.reason(), "connecting to sms.test: nobody listens");
    CHECK_EQ(b->spins, 0);
    b->stream.refuse = {};
    CHECK(b->run_until_ended(minutes(16)));
    CHECK_EQ(total_copies(b.service), 1);
    CHECK_EQ(b->sender.reason().size(), 0);
  }
}

TEST(sender_retry_after_is_waited_for) {
  for (const unsigned status : {429U, 503U}) {
    check::at("status=%u", status);
    Bench b;
    b.service.script = [&](const Request& r) {
      return r.number == 1 ? answer(status, "", "Retry-After: 1234\r\n") : accept_all(r);
    };
    b.start();
    b->post(Class::critical, 1, "x");
    CHECK(b->run_until_ended(hours(1)));
    CHECK_EQ((b.service.requests[1].at - b.service.requests[0].at).count / 1000, 1234);
  }
}

TEST(sender_timeout_says_in_which_phase) {
  struct Hang {
    const char* phase;
    unsigned limit_s;
    const char* words;
    bool counted;
  };
  const Hang hangs[] = {
      {"look-up", 10, "gave up after 10s: the name look-up of sms.test did not finish", false},
      {"connect", 10, "gave up after 10s: the connection to sms.test did not finish", false},
      {"handshake", 15, "gave up after 15s: the TLS handshake with sms.test did not finish", false},
      {"write", 10, "sms.test did not take the whole request within 10s: it may have arrived", true},
      {"answer", 15, "no byte of the answer within 15s after the request was sent to sms.test: it may have arrived",
       true}};
  for (unsigned i = 0; i < 5; ++i) {
    check::at("phase=%s", hangs[i].phase);
    Bench b;
    b->settings.retry_min = b->settings.retry_max = minutes(15);
    b->fixed_random = UINT32_MAX;
    if (i == 0) b->stream.look_up = hours(9);
    if (i == 1) b->stream.connect_time = hours(9);
    if (i == 2) b->stream.handshake = hours(9);
    if (i == 3) b->stream.stuck_writes = true;
    b.service.script = [](const Request&) {
      Reply reply;
      reply.silent = true;
      return reply;
    };
    b.start();
    const auto number = b->post(Class::critical, 1, "x");
    CHECK(b->run(seconds(hangs[i].limit_s - 1)));
    CHECK_EQ(b->changes.size(), 0);
    CHECK(b->run(seconds(2)));
    CHECK_EQ(b->changes.size(), 1);
    CHECK_TEXT(b->changes[0].reason, hangs[i].words);
    CHECK_EQ(b->sends(number), hangs[i].counted ? 1 : 0);
    CHECK(!b->stream.open());
    CHECK_EQ(b->spins, 0);
  }
}

// A virtual machine that is moved, a gateway that sleeps, a medium that holds the loop: the answer came in time and lay
// there, and was thrown away, so that the message went a second time.
TEST(sender_answer_that_lies_there_counts_however_late_the_device_is) {
  for (const unsigned late_s : {16U, 31U, 100'000U}) {
    check::at("late by %u s", late_s);
    Bench b;
    b.service.script = [](const Request& r) {
      Reply reply = accept_all(r);
      reply.after = seconds(3);
      return reply;
    };
    b.start();
    const auto number = b->post(Class::critical, 1, "x");
    CHECK(b->run(seconds(1)));
    CHECK(b->sender.state() == Sender::State::receiving);
    b.clock = b.clock + seconds(late_s);
    CHECK(b->run(seconds(1)));
    CHECK(b->state(number) == State::accepted);
    CHECK_EQ(total_copies(b.service), 1);
    CHECK_EQ(b->changes.size(), 0);
    CHECK_EQ(b->spins, 0);
  }
}

TEST(sender_phases_that_are_slow_together_end_with_the_whole) {
  Bench b;
  b->stream.look_up = b->stream.connect_time = b->stream.handshake = seconds(9);
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    reply.after = seconds(9);
    return reply;
  };
  b.start();
  const auto number = b->post(Class::critical, 1, "x");
  CHECK(b->run(seconds(29)));
  CHECK_EQ(b->changes.size(), 0);
  CHECK(b->run(seconds(2)));
  CHECK_TEXT(b->changes[0].reason,
             "no success within 30s: no byte of the answer after the request was sent to sms.test: it may "
             "have arrived");
  CHECK_EQ(b->sends(number), 1);
  CHECK_EQ(b->spins, 0);
}

TEST(sender_with_a_longer_timeout_gives_each_phase_more) {
  Bench b;
  b->settings.timeout = minutes(3);
  b->stream.look_up = b->stream.connect_time = b->stream.handshake = seconds(40);
  b.start();
  b->post(Class::critical, 1, "x");
  CHECK(b->run_until_ended(seconds(125)));
  CHECK_EQ(total_copies(b.service), 1);
}

// One byte a second would hold the line for as long as the answer is long.
TEST(sender_answer_that_drips_ends_long_before_the_whole_time) {
  for (const unsigned every_ms : {1000U, 100U}) {
    check::at("every %u ms", every_ms);
    Bench b;
    b->settings.timeout = minutes(5);
    b->stream.byte_every = milliseconds(every_ms);
    b.start();
    const auto number = b->post(Class::info, 1, "x");
    CHECK(b->run(seconds(60)));
    CHECK(b->state(number) == (every_ms == 100 ? State::accepted : State::unknown));
    if (every_ms == 100) continue;
    CHECK_EQ((b->changes[0].at - b.service.requests[0].at).count / 1000, 10);
    CHECK_TEXT(b->changes[0].reason,
               "the answer of sms.test comes too slowly (11 bytes so far): the request may have arrived");
    CHECK_EQ(b->spins, 0);
  }
}

TEST(sender_slow_phases_within_the_timeout_succeed) {
  Bench b;
  b->stream.look_up = b->stream.connect_time = b->stream.handshake = seconds(7);
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    reply.after = seconds(7);
    return reply;
  };
  b.start();
  b->post(Class::critical, 1, "x");
  CHECK(b->run_until_ended(seconds(29)));
  CHECK_EQ(total_copies(b.service), 1);
}

// A service that needs no more of a request may say so while it is still being sent, and may hang up behind that.
TEST(sender_final_answer_before_the_request_has_gone_counts_at_once) {
  for (const bool hangs_up : {false, true})
    for (const std::size_t taken : {std::size_t{1}, std::size_t{100}, std::size_t{300}}) {
      check::at("hangs up=%d taken=%zu", hangs_up ? 1 : 0, taken);
      Bench b;
      b->stream.takes_only = taken;
      b->stream.early = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
      if (hangs_up) b->stream.write_fails = {Code::io, 32};
      b.start();
      const auto number = b->post(Class::info, 2, "x");
      const Instant begun = b.clock;
      CHECK(b->run_until_ended(minutes(1)));
      CHECK_EQ((b.clock - begun).count / 1000, 0);
      CHECK(b->state(number) == State::accepted);
      CHECK(b->state(number + 1) == State::accepted);
      CHECK_EQ(total_copies(b.service), 2);
      CHECK_EQ(b.service.requests[0].messages.size(), 1);  // half of the batch
      CHECK_EQ(b.service.connections, 2);                  // the first is not used again
      CHECK_EQ(b->changes.size(), 0);
      CHECK_EQ(b->spins, 0);
    }
}

// Found with a socket that takes 4 KiB: the look for an early answer was the last call, so the loop waited for that
// alone, and the rest of the request for the deadline.
TEST(sender_request_that_waits_for_room_is_woken_by_room_and_by_an_answer) {
  Bench b;
  b->stream.stuck_writes = true;
  b.start();
  b->post(Class::critical, 1, "x");
  CHECK(b->run(seconds(1)));
  CHECK(b->sender.state() == Sender::State::sending);
  CHECK(b->sender.want() == Want::either);
  b->stream.stuck_writes = false;
  CHECK(b->run_until_ended(seconds(9)));
  CHECK_EQ(total_copies(b.service), 1);
  CHECK(b->sender.want() == Want::readable);  // idle: its end is listened for
}

TEST(sender_connection_that_ends_before_the_request_has_gone_is_unknown) {
  Bench b;
  b->stream.takes_only = 100;
  b->stream.early = "HTTP/1.1 4";
  b->stream.write_fails = {Code::io, 32};
  b.start();
  const auto number = b->post(Class::info, 1, "x");
  CHECK(b->run(seconds(1)));
  CHECK(b->state(number) == State::unknown);
}

TEST(sender_one_byte_a_call_and_again_at_every_call_change_nothing) {
  Bench b;
  b->faults.per_call = 1;
  b->faults.again_first = true;
  b.start();
  for (unsigned i = 0; i < 3; ++i) b->post(Class::info, 2, "text number " + std::to_string(i));
  CHECK(b->run_until_ended(minutes(1)));
  CHECK_EQ(b.service.request_count, 1);
  CHECK_EQ(total_copies(b.service), 6);
}

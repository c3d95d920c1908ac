// SPDX-License-Identifier: MIT
// The sender with everything below it, over two files in RAM and a scripted service, under a virtual clock:
// its usual life. What answers do: test_sender_answers.cpp; what losses do: test_sender_losses.cpp; what the
// medium does: test_sender_medium.cpp.
#include "sender_bench.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::answer;
using fakes::Bench;
using fakes::condition_seen;
using fakes::has;
using fakes::Reply;
using fakes::Request;
using fakes::total_copies;

// ---- the usual life ---------------------------------------------------------------------------------------

TEST(sender_one_message_is_sent_as_it_should_be_and_ends_accepted) {
  Bench b;
  b->settings.sender = "GLOBAL";
  b->settings.path_prefix = "/api";
  b.start();
  const auto number = b->post(Class::critical, 1, "sump \"high\"");
  CHECK(b->run(seconds(1)));
  CHECK_EQ(b.service.requests.size(), 1);
  const Request& request = b.service.requests[0];
  CHECK(has(request.head, "POST /api/simple_send/ HTTP/1.1\r\n"));
  CHECK(has(request.head, "Host: sms.test\r\n"));
  CHECK(has(request.head, "Authorization: token-of-sms\r\n"));
  CHECK_TEXT(request.messages[0].phone, "447700900100");
  CHECK_TEXT(request.messages[0].text, "sump \"high\"");
  CHECK_TEXT(request.messages[0].sender, "GLOBAL");
  CHECK_TEXT(request.messages[0].id, b->id(number));
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b->record(number).uuid, "uuid-" + b->id(number));
  CHECK_EQ(b->over.size(), 1);
  CHECK(b->sender.last_accepted().now.ms > 0);
  const auto syncs = b->queue.syncs();
  const auto again = b->post(Class::critical, 1, "and again");
  CHECK(b->run(seconds(1)));
  CHECK(b->state(again) == State::accepted);
  CHECK_EQ(b->queue.syncs() - syncs, 2);  // the event and its end: no intent before the first sending
}

TEST(sender_picks_by_class_then_age_and_twenty_at_a_time) {
  Bench b;
  b.start();
  std::vector<std::uint32_t> numbers;
  for (unsigned i = 0; i < 30; ++i)
    numbers.push_back(b->post(static_cast<Class>(2 - i % 3), 1, "t" + std::to_string(i)));
  CHECK(b->run_until_ended(seconds(10)));
  CHECK_EQ(b.service.requests.size(), 2);
  CHECK_EQ(b.service.requests[0].messages.size(), 20);
  std::vector<std::string> order;
  for (const Request& r : b.service.requests)
    for (const auto& m : r.messages) order.push_back(m.text);
  for (unsigned i = 0; i < 30; ++i)
    CHECK_TEXT(order[i], "t" + std::to_string((i % 10) * 3 + 2 - i / 10));  // critical is every third from 2
  CHECK_EQ(total_copies(b.service), 30);
}

TEST(sender_batch_takes_as_many_messages_as_fit_the_body) {
  Bench b;
  b.start();
  const std::string longest(kMaxText, '"');  // each byte takes two in JSON
  for (unsigned i = 0; i < 12; ++i) CHECK(b->post(Class::warning, 1, longest) != 0);
  CHECK(b->run_until_ended(seconds(10)));
  CHECK(b.service.requests.size() > 1);
  for (const Request& r : b.service.requests) CHECK(r.body.size() <= kRequestBodyBytes);
  CHECK_EQ(total_copies(b.service), 12);
}

TEST(sender_keeps_the_connection_for_the_next_message) {
  Bench b;
  b.start();
  for (unsigned i = 0; i < 5; ++i) {
    b->post(Class::warning, 1, "one");
    CHECK(b->run(seconds(20)));
  }
  CHECK_EQ(b.service.connections, 1);
  CHECK_EQ(total_copies(b.service), 5);
  CHECK(b->run(minutes(2)));  // and gives it back after a while
  CHECK(!b->stream.open());
  CHECK_EQ(b->spins, 0);
}

TEST(sender_answer_with_close_makes_a_new_connection_next_time) {
  Bench b;
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    reply.fields = "Connection: close\r\n";
    return reply;
  };
  b.start();
  for (unsigned i = 0; i < 3; ++i) {
    b->post(Class::warning, 1, "one");
    CHECK(b->run(seconds(2)));
  }
  CHECK_EQ(b.service.connections, 3);
  CHECK_EQ(total_copies(b.service), 3);
}

TEST(sender_idle_connection_that_the_peer_closed_costs_nothing) {
  Bench b;
  b->stream.peer_idle = seconds(10);
  b.start();
  for (unsigned i = 0; i < 4; ++i) {
    const auto number = b->post(Class::info, 1, "only one copy allowed");
    CHECK(b->run(seconds(30)));
    CHECK(b->state(number) == State::accepted);
  }
  CHECK_EQ(b.service.connections, 4);
  CHECK_EQ(total_copies(b.service), 4);
  CHECK_EQ(b->spins, 0);
}

TEST(sender_critical_message_is_not_risked_on_a_connection_that_was_idle) {
  Bench b;
  b.start();
  const auto send = [&b](Class cls) {
    const unsigned before = b.service.connections;
    b->post(cls, 1, "one");
    CHECK(b->run(milliseconds(10)));
    return b.service.connections - before;
  };
  CHECK_EQ(send(Class::warning), 1);
  CHECK(b->run(seconds(4)));
  CHECK_EQ(send(Class::critical), 0);
  CHECK(b->run(seconds(6)));
  CHECK_EQ(send(Class::critical), 1);
  CHECK(b->run(seconds(6)));
  CHECK_EQ(send(Class::warning), 0);
  CHECK(b->run(seconds(45)));
  CHECK_EQ(send(Class::info), 0);
  CHECK(b->run(seconds(51)));
  CHECK(!b->stream.open());
  CHECK_EQ(total_copies(b.service), 5);
  CHECK_EQ(b->spins, 0);
}

TEST(sender_redirect_within_the_service_is_followed_once) {
  for (const unsigned status : {307U, 308U})
    for (const bool kept : {true, false}) {
      check::at("status=%u kept=%d", status, kept ? 1 : 0);
      Bench b;
      b.service.script = [&](const Request& r) {
        if (has(r.head, "POST /v2/?x ")) return accept_all(r);
        return answer(status, "{}", std::string(kept ? "" : "Connection: close\r\n") + "Location: /v2/?x\r\n");
      };
      b.start();
      const auto number = b->post(Class::info, 2, "x");
      CHECK(b->run(milliseconds(100)));
      CHECK(b->state(number) == State::accepted);
      CHECK_EQ(b.service.request_count, 2);
      CHECK_EQ(b.service.connections, kept ? 1 : 2);
      CHECK_TEXT(b.service.requests[1].body, b.service.requests[0].body);
      CHECK(has(b.service.requests[1].head, "Host: sms.test\r\n"));
      CHECK(has(b.service.requests[1].head, "Authorization: token-of-sms\r\n"));
      CHECK_EQ(b->sends(number), 1);
      b->post(Class::info, 1, "the next one is asked where the configuration says");
      CHECK(b->run(milliseconds(100)));
      CHECK(has(b.service.requests[2].head, "POST /simple_send/ "));
      CHECK_EQ(total_copies(b.service), 3);
    }
}

TEST(sender_redirect_of_a_redirect_holds_the_stream) {
  Bench b;
  b.service.script = [](const Request&) { return answer(307, "", "Location: /elsewhere\r\n"); };
  b.start();
  const auto number = b->post(Class::info, 1, "x");
  CHECK(b->run(seconds(10)));
  CHECK_EQ(b.service.request_count, 2);
  CHECK(b->state(number) == State::queued);
  CHECK_EQ(b->sends(number), 0);
  CHECK(condition_seen(*b.agent, "held", "307"));
}

// The token must not travel to anybody else, nor as another request than the one that was made.
TEST(sender_redirect_to_anywhere_else_is_not_followed) {
  const char* const places[] = {"https://evil.test/",
                                "http://sms.test/",
                                "//evil.test/simple_send/",
                                "https://sms.test:8443/",
                                "/a b",
                                ""};
  for (const unsigned status : {301U, 302U, 303U, 307U, 308U})
    for (const char* place : places) {
      if (status < 307) place = "/v2/";
      check::at("status=%u place=%s", status, place);
      Bench b;
      b.service.script = [&](const Request&) { return answer(status, "", std::string("Location: ") + place + "\r\n"); };
      b.start();
      const auto number = b->post(Class::critical, 1, "x");
      CHECK(b->run(seconds(10)));
      CHECK_EQ(b.service.request_count, 1);
      CHECK_EQ(b->sends(number), 0);
      CHECK(condition_seen(*b.agent, "held", std::to_string(status).c_str()));
    }
  Bench b;
  b.service.script = [&](const Request&) { return answer(307, "", "Location: /v2\r\nLocation: /v3\r\n"); };
  b.start();
  b->post(Class::critical, 1, "x");
  CHECK(b->run(seconds(10)));
  CHECK_EQ(b.service.request_count, 1);
}

// Behind a redirect the request is as any other: what is lost is unknown, what cannot leave is not.
TEST(sender_redirect_that_leads_to_a_lost_answer_is_unknown) {
  for (const bool gone : {true, false}) {
    Bench b;
    b.service.script = [&](const Request& r) {
      Reply reply = answer(307, "", "Connection: close\r\nLocation: /v2\r\n");
      if (gone) b->stream.refuse = {Code::io, 111};
      if (r.number > 1) reply.cut_at = 0, reply.end = Reply::End::broken;
      return reply;
    };
    b.start();
    const auto number = b->post(Class::info, 1, "x");
    CHECK(b->run(seconds(1)));
    CHECK(b->state(number) == (gone ? State::queued : State::unknown));
  }
}

TEST(sender_connection_with_rubbish_behind_the_answer_is_not_used_again) {
  Bench b;
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    reply.behind = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    return reply;
  };
  b.start();
  for (unsigned i = 0; i < 3; ++i) {
    b->post(Class::warning, 1, "one");
    CHECK(b->run(milliseconds(10)));
    CHECK(!b->stream.open());
  }
  CHECK_EQ(b.service.connections, 3);
  CHECK_EQ(total_copies(b.service), 3);
}

// Nothing was risked, so nothing is lost and nobody has to wait: there is a new one at once. One only.
TEST(sender_connection_found_dead_before_the_request_is_made_anew_at_once) {
  Bench b;
  b.start();
  b->post(Class::warning, 1, "opens the connection");
  CHECK(b->run(seconds(2)));
  b->even.delay = b->odd.delay = milliseconds(50);
  const auto number = b->post(Class::info, 1, "needs a record first");
  while (b->sender.state() != Sender::State::preparing) b.clock = b->turn();
  b->stream.peer_closes();
  CHECK(b->run(milliseconds(200)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(total_copies(b.service), 2);
  CHECK_EQ(b->changes.size(), 0);

  const auto other = b->post(Class::info, 1, "needs a record first");
  while (b->sender.state() != Sender::State::preparing) b.clock = b->turn();
  b->stream.peer_closes();
  b->stream.dies_at_once = 1;
  CHECK(b->run(milliseconds(200)));
  CHECK(condition_seen(*b.agent, "backing off", "ended the connection before"));
  CHECK_EQ(b.service.connections, 3);
  CHECK(b->run(seconds(30)));
  CHECK(b->state(other) == State::accepted);
  CHECK_EQ(total_copies(b.service), 3);
}

TEST(sender_words_that_nobody_asked_for_end_the_connection) {
  Bench b;
  b.start();
  b->post(Class::warning, 1, "opens the connection");
  CHECK(b->run(seconds(2)));
  b->stream.peer_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK(b->run(seconds(1)));
  CHECK(!b->stream.open());
  b->post(Class::warning, 1, "goes by a new one");
  CHECK(b->run(seconds(2)));
  CHECK_EQ(total_copies(b.service), 2);
}

// ---- one does not hold up another -------------------------------------------------------------------------

TEST(sender_recipient_that_always_fails_never_blocks_the_others) {
  Bench b;
  b.service.script = [](const Request& r) {
    for (const auto& m : r.messages)
      if (m.phone == "447700900102") return fakes::accept_but(r, answer(500));
    return accept_all(r);
  };
  b.start();
  std::vector<std::uint32_t> firsts;
  for (unsigned i = 0; i < 5; ++i) {
    firsts.push_back(b->post(Class::critical, 5, "to five"));
    CHECK(b->run(minutes(10)));
  }
  CHECK(b->run(hours(2)));
  CHECK_EQ(b->waiting(), 0);
  for (const auto first : firsts)
    for (unsigned i = 0; i < 5; ++i) {
      CHECK(b->state(first + i) == (i == 2 ? State::unknown : State::accepted));
      CHECK(b.service.copies[b->id(first + i)] >= 1 && b.service.copies[b->id(first + i)] <= 3);
    }
}

TEST(sender_messages_of_another_stream_are_not_its_business) {
  Bench b;
  b.start();
  const auto other = b->post(Class::critical, 1, "for another", "elsewhere");
  const auto own = b->post(Class::info, 1, "for this");
  CHECK(b->run(minutes(1)));
  CHECK(b->state(own) == State::accepted);
  CHECK(b->state(other) == State::queued);
  CHECK_EQ(b->spins, 0);
}

// ---- by hand ----------------------------------------------------------------------------------------------

TEST(sender_urgent_message_does_not_wait_for_a_backoff_but_only_now_and_then) {
  Bench b;
  b->fixed_random = UINT32_MAX;
  b->settings.retry_min = minutes(10);
  b->stream.refuse = {Code::io, 111};
  b.start();
  b->post(Class::warning, 1, "x");
  CHECK(b->run(seconds(1)));
  CHECK_EQ(b->stream.connects, 1);
  for (unsigned i = 0; i < 20; ++i) {
    b->post(Class::critical, 1, "urgent");
    b->sender.urgent(b.clock);
    CHECK(b->run(seconds(1)));
  }
  CHECK(b->stream.connects >= 3 && b->stream.connects <= 4);  // one immediate try in ten seconds
}

TEST(sender_urgent_message_does_not_wait_for_the_pace_but_only_now_and_then) {
  Bench b;
  b->fixed_random = UINT32_MAX;
  b->settings.retry_min = minutes(1);
  b.service.script = [](const Request& r) {
    return r.number == 1 ? answer(429, "{\"message\":\"slow down\"}") : fakes::accept_all(r);
  };
  b.start();
  b->post(Class::warning, 1, "x");
  CHECK(b->run_until_ended(minutes(3)));
  CHECK(b->sender.gap() > seconds(59));
  std::vector<std::uint32_t> numbers;
  for (unsigned i = 0; i < 20; ++i) {
    numbers.push_back(b->post(Class::critical, 1, "urgent"));
    b->sender.urgent(b.clock);
    CHECK(b->run(seconds(1)));
  }
  CHECK(b->state(numbers[0]) == State::accepted);
  CHECK(b.service.request_count >= 2 + 2 && b.service.request_count <= 2 + 3);
}

TEST(sender_held_until_resumed_does_nothing_at_all) {
  Bench b;
  b.start();
  b->sender.hold_until_resumed("no token: tocsin token set sms");
  b->post(Class::critical, 1, "x");
  const auto syncs = b->queue.syncs();
  CHECK(b->run(hours(24 * 30)));
  CHECK(b->queue.syncs() - syncs <= 24 * 30 + 10);  // once an hour: how long it has been on
  CHECK(b->polls < 3 * 24 * 30);
  CHECK_EQ(b->stream.connects, 0);
  CHECK(condition_seen(*b.agent, "held", "no token"));
  b->sender.resume();
  CHECK(b->run(seconds(1)));
  CHECK_EQ(total_copies(b.service), 1);
}

// "... (this device's clock is not set; judged by 2026-11-01, when this program was ": 200 bytes were all.
TEST(sender_tells_a_long_reason_to_its_end) {
  Bench b;
  b.start();
  b->stream.refuse = Code::tls;
  b->stream.words = "certificate refused: " + std::string(280, 'x') + ": do this";
  b->post(Class::critical, 1, "x");
  CHECK(b->run(seconds(1)));
  CHECK(b->sender.reason() == b->stream.words);
  CHECK(condition_seen(*b.agent, "backing off", ": do this"));
}

TEST(sender_stop_finishes_what_has_begun_and_begins_nothing) {
  Bench b;
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    reply.after = seconds(10);
    return reply;
  };
  b.start();
  const auto first = b->post(Class::critical, 1, "under way");
  CHECK(b->run(seconds(1)));
  const auto second = b->post(Class::critical, 1, "too late");
  b->sender.stop();
  CHECK(!b->sender.quiet());
  CHECK(b->run(minutes(5)));
  CHECK(b->sender.quiet());
  CHECK(b->state(first) == State::accepted);
  CHECK(b->state(second) == State::queued);
  CHECK_EQ(b.service.request_count, 1);
  CHECK_EQ(b->spins, 0);
}

TEST(sender_idle_day_costs_no_write_and_hardly_a_poll) {
  Bench b;
  b.start();
  b->post(Class::critical, 1, "x");
  CHECK(b->run(minutes(2)));
  const unsigned polls = b->polls, calls = b.disk.calls;
  CHECK(b->run(hours(24)));
  CHECK(b->polls - polls <= 2);
  CHECK_EQ(b.disk.calls, calls);
  CHECK_EQ(b->spins, 0);
}

// `send --wait` asks at the end of its time, which may be in the middle of a try.
TEST(sender_in_trouble_is_so_during_its_next_try_until_a_message_is_accepted) {
  Bench b;
  b.start();
  CHECK(b->sender.trouble() == Sender::State::idle);
  b->stream.refuse = {Code::io, 111};
  CHECK(b->post(Class::warning, 1, "x") != 0);
  CHECK(b->run(milliseconds(1)));
  CHECK(b->sender.trouble() == Sender::State::backing_off);
  b->stream.refuse = {};
  b->stream.connect_time = seconds(9);
  while (b->sender.state() != Sender::State::connecting) CHECK(b->run(milliseconds(100)));
  CHECK(b->sender.trouble() == Sender::State::backing_off);
  CHECK(b->run(minutes(1)));
  CHECK_EQ(total_copies(b.service), 1);
  CHECK(b->sender.trouble() == Sender::State::idle);
}

TEST(sender_is_unreachable_only_while_nobody_there_has_said_a_word) {
  Bench b;
  b.start();
  b->stream.refuse = {Code::io, 111};
  CHECK(b->post(Class::warning, 1, "x") != 0);
  CHECK(b->run(milliseconds(1)));
  CHECK(b->sender.unreachable());
  b->stream.refuse = {};
  b.service.script = [](const Request&) { return answer(503, "", "Retry-After: 600\r\n"); };
  while (b.service.request_count == 0) CHECK(b->run(milliseconds(100)));
  CHECK(b->sender.trouble() == Sender::State::backing_off);
  CHECK(!b->sender.unreachable());
  b->stream.refuse = {Code::io, 111};
  CHECK(b->run(minutes(30)));
  CHECK(b->sender.unreachable());
}

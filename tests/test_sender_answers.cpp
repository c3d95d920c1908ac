// SPDX-License-Identifier: MIT
// The sender: what an answer makes of the request and of each of its messages.
#include "sender_bench.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::Agent;
using fakes::answer;
using fakes::Bench;
using fakes::condition_seen;
using fakes::has;
using fakes::Reply;
using fakes::Request;
using fakes::total_copies;

// ---- the whole request refused ----------------------------------------------------------------------------

std::size_t times_held(const Agent& agent) {
  std::size_t times = 0;
  for (const Agent::Changed& c : agent.changes) times += c.condition == "held" ? 1U : 0U;
  return times;
}

TEST(sender_held_by_a_refusal_of_the_request_keeps_everything) {
  for (const unsigned status : {401U, 403U, 404U, 405U}) {
    check::at("status=%u", status);
    Bench b;
    b.service.script = [status](const Request&) {
      return answer(status, "{\"message\":\"Not authenticated\"}");
    };
    b.start();
    for (unsigned i = 0; i < 25; ++i) b->post(static_cast<Class>(i % 3), 1, "kept");
    CHECK(b->run(hours(24)));
    CHECK_EQ(b->waiting(), 25);
    CHECK(b->sender.state() == Sender::State::held);
    CHECK(condition_seen(*b.agent, "held", "Not authenticated"));
    CHECK(b.service.request_count >= 24 * 6 &&
          b.service.request_count <= 24 * 12 + 1);  // every 5 to 10 minutes
    CHECK_EQ(b->spins, 0);
    b.service.script = accept_all;  // somebody set the token
    b->sender.resume();
    CHECK(b->run(seconds(1)));
    CHECK_EQ(b->waiting(), 0);
    CHECK_EQ(total_copies(b.service), 25);
    CHECK(condition_seen(*b.agent, "resumed", ""));
    CHECK_EQ(b->sender.reason().size(), 0);
  }
}

// A new token was set while a request with the one before was on its way: its 401 held the stream for minutes under the
// new one, and the old token, in the service's words, was shown, as only the new one was looked for in them.
TEST(sender_answer_to_the_token_before_holds_nobody_and_is_not_quoted) {
  for (const char* said : {"{\"message\":\"token-of-sms is revoked\"}", "<title>token-of-sms</title>"}) {
    Bench b;
    b.service.script = [said](const Request& request) {
      Reply reply = has(request.head, "Authorization: token-of-sms\r\n") ? answer(401, said) : accept_all(request);
      reply.after = seconds(2);
      return reply;
    };
    b.start();
    const auto number = b->post(Class::critical, 1, "x");
    CHECK(b->run(seconds(1)));
    b->settings.token = "the-new-one";
    b->sender.configure(b->settings);
    b->sender.resume();
    CHECK(b->run_until_ended(seconds(20)));
    CHECK(b->state(number) == State::accepted);
    CHECK_EQ(b.service.request_count, 2);
    CHECK(condition_seen(*b.agent, "backing off", "answered to the token before this one"));
    for (const Agent::Changed& one : b->changes) CHECK(!has(one.reason, "token-of"));
    b.service.script = [](const Request&) { return answer(401, "{\"message\":\"the-new-one is revoked\"}"); };
    b->post(Class::critical, 1, "y");
    CHECK(b->run(seconds(20)));
    CHECK(condition_seen(*b.agent, "held", "401: *** is revoked"));  // as ever
  }
}

TEST(sender_token_in_the_words_about_one_message_is_hidden) {
  Bench b;
  b.service.script = [](const Request& request) {
    return answer(200, fakes::entries_body({fakes::error_entry(request.messages[0].id, "NO", "token-of-sms may not")}));
  };
  b.start();
  const auto number = b->post(Class::critical, 1, "x");
  CHECK(b->run_until_ended(seconds(20)));
  CHECK(b->state(number) == State::failed);
  CHECK_TEXT(b->record(number).reason, "*** may not");
}

// The title of a page is cut behind 60 characters, and a bracket follows: the beginning of a long token was shown.
TEST(sender_token_that_is_cut_in_the_middle_of_the_words_is_hidden) {
  Bench b;
  b->settings.token = "A-Long-Token-That-Does-Not-Fit-A-Title-Of-Sixty-Characters-At-All";
  b.service.script = [&b](const Request&) {
    return answer(403, "<title>no to " + std::string(b->settings.token) + ", go away</title>");
  };
  b.start();
  b->post(Class::critical, 1, "x");
  CHECK(b->run(seconds(5)));
  CHECK(condition_seen(*b.agent, "held", "no to ***)"));
  for (const Agent::Changed& one : b->changes) CHECK(!has(one.reason, "A-Long"));
}

TEST(sender_held_by_a_proxy_that_refuses_the_login_is_no_outage) {
  Bench b;
  b.start();
  b->stream.proxy_says = "HTTP/1.1 407 No\r\n\r\n";
  b->post(Class::critical, 1, "kept");
  CHECK(b->run(hours(2)));
  CHECK(b->sender.state() == Sender::State::held);
  CHECK(condition_seen(*b.agent, "held", "the proxy says no"));
  CHECK_EQ(times_held(*b.agent), 1);  // told once, not with each try
  CHECK(b->stream.connects >= 2 * 6 && b->stream.connects <= 2 * 12 + 1);  // every 5 to 10 minutes
  b->stream.proxy_says = "HTTP/1.1 503 No\r\n\r\n";
  CHECK(b->run(minutes(20)));
  CHECK(b->sender.state() == Sender::State::backing_off);
  b->stream.proxy_says = "HTTP/1.1 407 No\r\n\r\n";
  CHECK(b->run(hours(1)));
  CHECK(b->sender.state() == Sender::State::held);
  CHECK_EQ(times_held(*b.agent), 2);  // another trouble was between
  b->stream.proxy_says.clear();
  b->stream.refuse = {Code::io, ECONNREFUSED};  // the proxy is gone: what it said before does not count
  CHECK(b->run(minutes(20)));
  CHECK(b->sender.state() == Sender::State::backing_off);
  b->stream.refuse = {};
  b->sender.resume();
  CHECK(b->run(seconds(1)));
  CHECK_EQ(b->waiting(), 0);
  CHECK_EQ(total_copies(b.service), 1);
}

TEST(sender_held_for_days_over_many_restarts_still_loses_nothing) {
  // Each run of the program sent with a wrong token, wrote down a sending that came to nothing, and the next
  // run counted it: after three restarts the alarms ended as unknown.
  Bench b;
  b.service.script = [](const Request&) { return answer(403, "{\"message\":\"Not authenticated\"}"); };
  b.start();
  for (unsigned i = 0; i < 6; ++i) b->post(static_cast<Class>(i % 3), 1, "kept");
  for (unsigned restarts = 0; restarts < 12; ++restarts) {
    CHECK(b->run(hours(1)));
    CHECK_EQ(b->waiting(), 6);
    b.boot();
    b.start();
  }
  b.service.script = accept_all;
  CHECK(b->run(minutes(30)));
  CHECK_EQ(b->waiting(), 0);
  CHECK_EQ(total_copies(b.service), 6);
}

TEST(sender_held_says_in_the_life_of_its_messages_why) {
  Bench b;
  b.service.script = [](const Request&) { return answer(403, "{\"message\":\"Not authenticated\"}"); };
  b.start();
  const auto number = b->post(Class::warning, 1, "kept");
  CHECK(b->run(hours(3)));
  CHECK_TEXT(std::string(b->record(number).reason), "403: Not authenticated");
  CHECK(b.service.request_count > 10);
  b.boot();
  b.start();
  Queue::LifeStep steps[4];
  CHECK_EQ(b->queue.find_life(number, Span<Queue::LifeStep>{steps, 4}), 1);  // said once
}

TEST(sender_held_or_told_later_asks_again_with_one_message) {
  for (const unsigned status : {401U, 429U, 521U}) {
    check::at("status=%u", status);
    Bench b;
    b.service.script = [status](const Request& r) { return r.number < 9 ? answer(status) : accept_all(r); };
    b.start();
    for (unsigned i = 0; i < 40; ++i) b->post(Class::info, 1, "each sending costs a record");
    CHECK(b->run_until_ended(hours(9)));
    CHECK_EQ(b.service.requests[0].messages.size(), 20);
    for (unsigned i = 1; i < 9; ++i) CHECK_EQ(b.service.requests[i].messages.size(), 1);
    CHECK_EQ(b.service.request_count, 14);  // then 2, 4, 8, 16, and what is left
    CHECK_EQ(total_copies(b.service), 40);
  }
}

TEST(sender_halves_down_to_the_bad_one_and_delivers_the_others) {
  for (const unsigned status : {400U, 413U, 422U})
    for (unsigned bad = 0; bad < 20; ++bad) {
      check::at("status=%u bad=%u", status, bad);
      Bench b;
      b.service.script = [&](const Request& r) {
        for (const auto& m : r.messages)
          if (m.text == "t" + std::to_string(bad)) return answer(status, "{\"message\":\"bad sign\"}");
        return accept_all(r);
      };
      b.start();
      std::vector<std::uint32_t> numbers;
      for (unsigned i = 0; i < 20; ++i)
        numbers.push_back(b->post(Class::warning, 1, "t" + std::to_string(i)));
      CHECK(b->run(seconds(30)));
      CHECK_EQ(b->waiting(), 1);
      CHECK_EQ(total_copies(b.service), 19);
      CHECK(b->state(numbers[bad]) == State::queued);
      CHECK_EQ(b->sends(numbers[bad]), 0);
      CHECK(has(std::string(b->record(numbers[bad]).reason), "bad sign"));
      const unsigned before = b.service.request_count;
      CHECK(before <= 24);
      CHECK(b->run(hours(24)));
      CHECK(b.service.request_count - before >= 16 &&
            b.service.request_count - before <= 48);  // 30 to 90 minutes
      CHECK(b->state(numbers[bad]) == State::queued);
      CHECK(has(std::string(b->record(numbers[bad]).reason), "bad sign"));
      const auto later = b->post(Class::info, 1, "the stream itself is free");
      CHECK(b->run(seconds(2)));
      CHECK(b->state(later) == State::accepted);
      CHECK_EQ(b->spins, 0);
    }
}

TEST(sender_message_held_alone_keeps_its_reason_over_restarts) {
  Bench b;
  b.service.script = [](const Request&) { return answer(422, "{\"message\":\"bad sign\"}"); };
  b.start();
  const auto number = b->post(Class::warning, 1, "bad");
  for (unsigned restarts = 0; restarts < 6; ++restarts) {
    CHECK(b->run(hours(6)));
    CHECK(b->state(number) == State::queued);
    CHECK(has(std::string(b->record(number).reason), "bad sign"));
    b.boot();
    b.start();
  }
}

// ---- single messages --------------------------------------------------------------------------------------

TEST(sender_refusal_of_one_retires_that_one_only_on_record) {
  Bench b;
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    std::vector<std::string> entries;
    for (const auto& m : r.messages)
      entries.push_back(m.text == "t3" ? fakes::error_entry(m.id, "INVALID_PHONE", "no such number")
                                       : fakes::accepted_entry(m.id));
    reply.body = fakes::entries_body(entries);
    return reply;
  };
  b.start();
  std::vector<std::uint32_t> numbers;
  for (unsigned i = 0; i < 8; ++i) numbers.push_back(b->post(Class::warning, 1, "t" + std::to_string(i)));
  CHECK(b->run(seconds(5)));
  for (unsigned i = 0; i < 8; ++i) CHECK(b->state(numbers[i]) == (i == 3 ? State::failed : State::accepted));
  CHECK_TEXT(b->record(numbers[3]).reason, "no such number");
  CHECK_EQ(b.service.request_count, 1);
  b.boot();
  b.start();
  CHECK(b->run(minutes(1)));
  CHECK(b->state(numbers[3]) == State::failed);
  CHECK_EQ(b.service.request_count, 1);
}

TEST(sender_rate_limit_makes_the_named_and_the_left_out_later_and_never_unknown) {
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    check::at("class=%u", static_cast<unsigned>(cls));
    Bench b;
    unsigned limited = 0;
    b.service.script = [&limited](const Request& r) {
      if (++limited <= 50)
        return answer(200,
                      fakes::entries_body({fakes::error_entry(r.messages[0].id, "RATE_LIMIT")}, "false"));
      return accept_all(r);
    };
    b.start();
    for (unsigned i = 0; i < 4; ++i) b->post(cls, 1, "later");
    CHECK(b->run_until_ended(hours(48)));
    CHECK_EQ(b.service.requests[0].messages.size(), 4);
    for (unsigned i = 1; i <= 50; ++i) CHECK_EQ(b.service.requests[i].messages.size(), 1);
    CHECK_EQ(total_copies(b.service), 4);
    for (const Agent::Ended& e : b->over) CHECK(e.state == State::accepted);
    for (const Request& r : b.service.requests)
      for (const auto& m : r.messages) CHECK_TEXT(m.text, "later");  // no mark: it never was on a phone
  }
}

TEST(sender_after_a_rate_limit_the_next_request_has_one_message_whoever_it_is_to) {
  Bench b;
  b->fixed_random = UINT32_MAX;
  b.service.script = [](const Request& r) {
    if (r.number > 3) return accept_all(r);
    return answer(200, fakes::entries_body({fakes::error_entry(r.messages[0].id, "RATE_LIMIT")}, "false"));
  };
  b.start();
  b->post(Class::critical, 6, "later");
  CHECK(b->run_until_ended(hours(1)));
  CHECK_EQ(b.service.requests[0].messages.size(), 6);
  // One by one from here on, with a gap, until the gap is none.
  for (unsigned i = 1; i < b.service.requests.size(); ++i) CHECK_EQ(b.service.requests[i].messages.size(), 1);
  CHECK(b.service.requests[4].at - b.service.requests[3].at > Pace::kLeast);
  CHECK_EQ(total_copies(b.service), 6);
}

TEST(sender_unknown_outcomes_are_repeated_twice_with_a_mark_then_said) {
  for (const Class cls : {Class::critical, Class::warning, Class::info})
    for (const unsigned status : {500U, 502U, 503U, 504U, 520U, 522U, 524U}) {
      check::at("class=%u status=%u", static_cast<unsigned>(cls), status);
      Bench b;
      b.service.script = [status](const Request& r) {
        return fakes::accept_but(r, answer(status, "<html>"));
      };
      b->fixed_random = UINT32_MAX;
      b.start();
      const auto number = b->post(cls, 1, "who knows");
      CHECK(b->run(hours(2)));
      CHECK_EQ(b.service.request_count, cls == Class::info ? 1 : 3);
      CHECK(b->state(number) == State::unknown);
      CHECK_EQ(b->record(number).sends, cls == Class::info ? 1 : 3);
      CHECK(has(std::string(b->record(number).reason), std::to_string(status).c_str()));
      for (std::size_t i = 0; i < b.service.requests.size(); ++i)
        CHECK_TEXT(b.service.requests[i].messages[0].text, i == 0 ? "who knows" : "who knows (repeat)");
      if (cls != Class::info) {  // each wait is drawn from a range twice as long as the one before
        CHECK((b.service.requests[1].at - b.service.requests[0].at).count >= 4'999);
        CHECK((b.service.requests[2].at - b.service.requests[1].at).count >= 9'999);
      }
      CHECK_EQ(b->over.size(), 1);
      b.boot();
      b.start();
      CHECK(b->run(hours(2)));
      CHECK(b->state(number) == State::unknown);
      CHECK_EQ(b.service.request_count, cls == Class::info ? 1 : 3);
    }
}

TEST(sender_repeat_mark_is_left_out_where_it_does_not_fit) {
  for (const std::size_t size : {kMaxText, kMaxText - 8, kMaxText - 9}) {
    check::at("size=%zu", size);
    Bench b;
    b.service.script = [](const Request& r) { return fakes::accept_but(r, answer(500)); };
    b.start();
    b->post(Class::critical, 1, std::string(size, 'x'));
    CHECK(b->run(hours(2)));
    CHECK_EQ(b.service.request_count, 3);
    for (unsigned i = 1; i < 3; ++i)
      CHECK_TEXT(b.service.requests[i].messages[0].text,
                 std::string(size, 'x') + (size == kMaxText - 9 ? " (repeat)" : ""));
  }
}

TEST(sender_text_goes_as_the_rules_of_the_stream_have_it_and_is_kept_whole) {
  Bench b;
  b.service.script = [](const Request& r) { return fakes::accept_but(r, answer(500)); };
  b->settings.sms = {1, true, Reference::bits8};
  b.start();
  const std::string text = "85 °C " + std::string(200, 'x');
  const auto number = b->post(Class::critical, 1, text);
  CHECK(b->run(hours(2)));
  CHECK_EQ(b.service.request_count, 3);
  for (unsigned i = 0; i < 3; ++i) {
    const std::string ending = i == 0 ? "..." : "... (repeat)";
    CHECK_TEXT(b.service.requests[i].messages[0].text, "85 C " + std::string(155 - ending.size(), 'x') + ending);
  }
  CHECK_OK(b->outbox.retry(number, b->clocks()));
  alignas(8) std::uint8_t scratch[kBlock];
  const auto kept = b->outbox.read(number, scratch);
  CHECK_OK(kept);
  CHECK_TEXT(kept.value().text, text);
}

TEST(sender_message_missing_in_the_answer_is_unknown_the_others_are_not) {
  Bench b;
  b.service.script = [](const Request& r) {
    Reply reply = accept_all(r);
    std::vector<std::string> entries;
    for (const auto& m : r.messages)
      if (!has(m.text, "t1")) entries.push_back(fakes::accepted_entry(m.id));
    reply.body = fakes::entries_body(entries);
    return reply;
  };
  b.start();
  std::vector<std::uint32_t> numbers;
  for (unsigned i = 0; i < 3; ++i) numbers.push_back(b->post(Class::critical, 1, "t" + std::to_string(i)));
  CHECK(b->run(hours(2)));
  CHECK_EQ(b.service.request_count, 3);
  CHECK((b.service.requests[1].at - b.service.requests[0].at).count <= 5'000);
  CHECK((b.service.requests[2].at - b.service.requests[1].at).count >= 120'000);  // the last copy
  CHECK(b->state(numbers[0]) == State::accepted);
  CHECK(b->state(numbers[1]) == State::unknown);
  CHECK(b->state(numbers[2]) == State::accepted);
  CHECK_EQ(b.service.copies[b->id(numbers[1])], 3);
  CHECK(has(std::string(b->record(numbers[1]).reason), "not named"));
}

TEST(sender_unreadable_answers_are_unknown) {
  const std::string bodies[] = {"",
                                "not json",
                                "[]",
                                "{\"messages\":\"yes\"}",
                                std::string(20, '['),
                                "{\"status\":true}",
                                std::string(kAnswerBytes + 1, ' '),
                                "{\"messages\":[{\"internal_id\":\"else\",\"message_uuid\":\"u\"}]}"};
  for (std::size_t i = 0; i < sizeof bodies / sizeof bodies[0]; ++i) {
    check::at("body=%zu", i);
    Bench b;
    b.service.script = [&](const Request& r) { return fakes::accept_but(r, answer(200, bodies[i])); };
    b.start();
    const auto number = b->post(Class::critical, 1, "who knows");
    CHECK(b->run(hours(2)));
    CHECK(b->state(number) == State::unknown);
    CHECK_EQ(total_copies(b.service), 3);
    CHECK(!b->record(number).reason.empty());
  }
}

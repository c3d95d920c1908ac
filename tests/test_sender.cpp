// SPDX-License-Identifier: MIT
// The sender with everything below it, over two files in RAM and a scripted service, under a virtual clock:
// what one answer, or its absence, does to the messages and to the stream.
#include <algorithm>

#include "check.hpp"
#include "fakes/agent.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::Agent;
using fakes::answer;
using fakes::Disk;
using fakes::Reply;
using fakes::Request;
using fakes::Service;

namespace {

// A device on a fresh medium. boot() again is a power cut or a restart.
struct Bench {
  Instant clock{1000};
  Disk disk{24};
  Service service;
  std::unique_ptr<Agent> agent;
  unsigned boots = 0;

  Bench() { boot(); }
  Agent& boot() {
    clock = Instant{clock.ms + 1000};
    if (boots > 0) disk = disk.image(0);
    agent = nullptr;
    agent = std::make_unique<Agent>(disk, service, clock, ++boots);
    return *agent;
  }
  // The configuration is set between boot() and here.
  Agent& start() {
    CHECK(agent->start());
    return *agent;
  }
  Agent* operator->() { return agent.get(); }
};

std::size_t total_copies(const Service& service) {
  std::size_t n = 0;
  for (const auto& [id, copies] : service.copies) n += copies;
  return n;
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }
bool condition_seen(const Agent& agent, const char* condition, const char* reason) {
  for (const Agent::Changed& c : agent.changes)
    if (c.condition == condition && has(c.reason, reason)) return true;
  return false;
}

// What a power cut at this instant would leave of a message: its copies on record.
unsigned sends_on_medium(const Disk& disk, std::uint32_t number) {
  static Index index;
  Disk left = disk.image(0);
  fakes::DiskStore even(left, 0), odd(left, 1);
  const auto queue = std::make_unique<Queue>(even, odd, index);
  if (!queue->load().ok() || index.find(number) == nullptr) return 99;
  return index.find(number)->sends;
}

}  // namespace

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

TEST(sender_connection_found_dead_while_the_record_is_written_is_a_known_failure) {
  Bench b;
  b.start();
  b->post(Class::warning, 1, "opens the connection");
  CHECK(b->run(seconds(2)));
  b->even.delay = b->odd.delay = milliseconds(50);
  const auto number = b->post(Class::info, 1, "needs a record first");
  while (b->sender.state() != Sender::State::preparing) b.clock = b->turn();
  b->stream.peer_closes();
  CHECK(b->run(seconds(30)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(total_copies(b.service), 2);
  CHECK(condition_seen(*b.agent, "backing off", "ended the connection before"));
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

// ---- the whole request refused ----------------------------------------------------------------------------

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
  b->fixed_random = 21;  // comes out near the upper end for the first message of a request
  b.start();
  std::vector<std::uint32_t> numbers;
  for (unsigned i = 0; i < 3; ++i) numbers.push_back(b->post(Class::critical, 1, "t" + std::to_string(i)));
  CHECK(b->run(hours(2)));
  CHECK_EQ(b.service.request_count, 3);
  CHECK((b.service.requests[2].at - b.service.requests[1].at).count >
        9'000);  // its own second wait: 0 to 10 s
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
    const char* words;
    bool counted;
  };
  const Hang hangs[] = {
      {"look-up", "no success within 30s: the name look-up of sms.test did not finish", false},
      {"connect", "no success within 30s: the connection to sms.test did not finish", false},
      {"handshake", "no success within 30s: the TLS handshake with sms.test did not finish", false},
      {"write", "no success within 30s: the service did not take the whole request", true},
      {"answer", "no success within 30s: the service did not answer", true}};
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
    CHECK(b->run(seconds(29)));
    CHECK_EQ(b->changes.size(), 0);
    CHECK(b->run(seconds(2)));
    CHECK_EQ(b->changes.size(), 1);
    CHECK_TEXT(b->changes[0].reason, hangs[i].words);
    CHECK_EQ(b->sends(number), hangs[i].counted ? 1 : 0);
    CHECK(!b->stream.open());
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

// ---- the medium -------------------------------------------------------------------------------------------

TEST(sender_no_byte_leaves_before_the_event_is_on_the_medium) {
  Bench b;
  b.start();
  CHECK(b->run(seconds(1)));
  b->even.delay = b->odd.delay = milliseconds(1500);
  b->post(Class::critical, 1, "x");
  const auto ticket = b->last_ticket;
  bool safe_first = true;
  b->stream.on_byte = [&] { safe_first = safe_first && b->queue.on_medium(ticket); };
  CHECK(b->run_until_ended(seconds(10)));
  CHECK(safe_first);
  CHECK_EQ(total_copies(b.service), 1);
}

TEST(sender_intent_is_on_the_medium_before_a_byte_leaves) {
  // info always, the others for every sending but the first in the run that queued them.
  for (const Class cls : {Class::critical, Class::info})
    for (const bool later_run : {false, true}) {
      check::at("class=%u later_run=%d", static_cast<unsigned>(cls), later_run ? 1 : 0);
      Bench b;
      b.service.script = [](const Request& r) { return fakes::accept_but(r, answer(500)); };
      std::uint32_t number = 0;
      if (later_run) {
        b->stream.refuse = {Code::io, 111};
        b.start();
        number = b->post(cls, 1, "x");
        CHECK(b->run(seconds(5)));
        b.boot();
      }
      b->even.delay = b->odd.delay = milliseconds(700);
      b.start();
      if (!later_run) CHECK(b->run(seconds(2)));
      if (!later_run) number = b->post(cls, 1, "x");
      std::vector<unsigned> on_record;
      b->stream.on_byte = [&] { on_record.push_back(sends_on_medium(b.disk, number)); };
      CHECK(b->run(hours(1)));
      const std::vector<unsigned> want = cls == Class::info ? std::vector<unsigned>{1}
                                         : later_run        ? std::vector<unsigned>{2, 3}
                                                            : std::vector<unsigned>{0, 2, 3};
      CHECK(on_record == want);
    }
}

TEST(sender_device_that_browns_out_after_every_sending_stops_after_three_copies) {
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    check::at("class=%u", static_cast<unsigned>(cls));
    Bench b;
    b.service.script = [&b](const Request& r) {
      b.disk.power = false;  // the load of the radio ends the device, every time
      return accept_all(r);
    };
    const auto power = [&b] { return b.disk.power; };
    b.start();
    b->alive = b->stream.on_call = power;
    const auto number = b->post(cls, 1, "x");
    for (unsigned boots = 0; boots < 10; ++boots) {
      CHECK(b->run(minutes(30)));
      b.boot();
      b->alive = b->stream.on_call = power;
      b.start();
    }
    CHECK(b->run(minutes(30)));
    CHECK(b->state(number) == State::unknown);
    CHECK_TEXT(head(b->record(number).reason, 18), "the device stopped");
    CHECK_EQ(b.service.copies[b->id(number)], cls == Class::info ? 1 : 3);
  }
}

TEST(sender_hung_medium_lets_the_first_copy_go_after_two_seconds) {
  Bench b;
  b.start();
  CHECK(b->run(seconds(1)));
  b->even.hangs = b->odd.hangs = true;
  const Instant posted = b.clock;
  const auto critical = b->post(Class::critical, 1, "x");
  const auto ticket = b->last_ticket;
  const auto info = b->post(Class::info, 1, "needs a record");
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 1);
  CHECK_EQ(b.service.copies[b->id(critical)], 1);
  CHECK_EQ((b.service.requests[0].at - posted).count, 2000);
  CHECK(!b->queue.on_medium(ticket));
  CHECK(b->queue.stalled(b.clock));
  CHECK_EQ(b->spins, 0);
  CHECK(b->polls < 200);
  b->even.hangs = b->odd.hangs = false;
  CHECK(b->run(seconds(5)));
  CHECK(b->queue.on_medium(ticket));
  CHECK(b->state(critical) == State::accepted);
  CHECK(b->state(info) == State::accepted);
  CHECK_EQ(total_copies(b.service), 2);
  b.boot();
  b.start();
  CHECK(b->run(minutes(1)));
  CHECK_EQ(b->waiting(), 0);
  CHECK_EQ(total_copies(b.service), 2);
}

TEST(sender_medium_that_hangs_over_an_intent_keeps_that_one_and_sends_the_others) {
  Bench b;
  b.service.script = [](const Request& r) {
    return fakes::accept_but(r, answer(r.number == 1 ? 500 : 200, r.number == 1 ? "" : accept_all(r).body));
  };
  b.start();
  const auto first = b->post(Class::critical, 1, "unknown once");
  CHECK(b->run(milliseconds(100)));
  CHECK_EQ(b->sends(first), 1);
  b->even.hangs = b->odd.hangs = true;
  CHECK(b->run(minutes(1)));  // its repeat waits for the medium
  const auto second = b->post(Class::critical, 1, "fresh");
  CHECK(b->run(minutes(20)));
  CHECK_EQ(b.service.copies[b->id(second)], 1);
  CHECK_EQ(b.service.copies[b->id(first)], 1);
  CHECK(b->state(first) == State::queued);
  CHECK_EQ(b->spins, 0);
  b->even.hangs = b->odd.hangs = false;
  CHECK(b->run(minutes(20)));
  CHECK_EQ(b.service.copies[b->id(first)], 2);
  CHECK_EQ(b->waiting(), 0);
}

TEST(sender_failing_medium_still_sends_from_memory) {
  Bench b;
  b.start();
  CHECK(b->run(seconds(1)));
  b.disk.fail_at = b.disk.calls + 1;
  b.disk.fail_for_ever = true;
  const auto number = b->post(Class::critical, 1, "x");
  const auto ticket = b->last_ticket;
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 1);
  CHECK(b->state(number) == State::accepted);
  CHECK(!b->queue.on_medium(ticket));
  CHECK(b->queue.failing());
  CHECK_EQ(b->spins, 0);
  b.disk.fail_at = 0;
  CHECK(b->run(minutes(1)));
  CHECK(b->queue.on_medium(ticket));
  CHECK_EQ(total_copies(b.service), 1);
}

TEST(sender_event_that_a_turn_could_not_read_ends_on_record) {
  // A turn of the files met a damaged event; the message stayed in the index without one, could be picked,
  // could not be read, and the sender asked for it for ever within one poll().
  Bench b;
  b->stream.refuse = {Code::io, 111};
  b.start();
  const auto damaged = b->post(Class::critical, 1, "will be damaged");
  CHECK(b->run(seconds(1)));
  const auto turns = b->queue.turns();
  std::uint32_t whole = 0;
  for (unsigned i = 0; i < 400 && b->queue.turns() == turns; ++i) {  // until the files turn
    const auto filler = b->post(Class::info, 1, std::string(900, 'x'));
    CHECK(filler != 0);
    MessageState dropped;
    dropped.state = State::dropped;
    if (i > 0) CHECK_OK(b->queue.update(whole, dropped, b->clocks()));
    whole = filler;
    CHECK(b->run(milliseconds(10)));
    if (i != 8) continue;  // the block with it is closed by now
    const std::string text = "will be damaged";
    for (unsigned file = 0; file < 2; ++file) {
      Disk::Image& image = b.disk.seen(file);
      for (auto at = image.begin();
           (at = std::search(at, image.end(), text.begin(), text.end())) != image.end();)
        *at = 'W', b.disk.durable(file) = image;
    }
  }
  CHECK(b->queue.turns() > turns);
  b->stream.refuse = {};
  CHECK(b->run(minutes(30)));
  CHECK(b->state(damaged) == State::failed);
  CHECK(b->state(whole) == State::accepted);
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

TEST(sender_held_until_resumed_does_nothing_at_all) {
  Bench b;
  b.start();
  b->sender.hold_until_resumed("no token: tocsin token set sms");
  b->post(Class::critical, 1, "x");
  CHECK(b->run(hours(24 * 30)));
  CHECK(b->polls < 20);
  CHECK_EQ(b->stream.connects, 0);
  CHECK(condition_seen(*b.agent, "held", "no token"));
  b->sender.resume();
  CHECK(b->run(seconds(1)));
  CHECK_EQ(total_copies(b.service), 1);
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

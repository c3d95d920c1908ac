// SPDX-License-Identifier: MIT
// One recipient that fails does not keep the others waiting: the sender with everything below it, under a virtual
// clock. What is counted are requests.
#include <map>
#include <set>

#include "sender_bench.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::answer;
using fakes::Bench;
using fakes::has;
using fakes::Reply;
using fakes::Request;

namespace {

const std::string kBad = "447700900999", kBad2 = "447700900998";
std::string good_phone(unsigned i) { return "447700900" + std::to_string(100 + i); }
bool is_bad(const std::string& phone) { return phone == kBad || phone == kBad2; }

// What the service makes of a request that has messages to a bad phone.
using Failing = Reply (*)(const Request&);
Reply entries_but(const Request& r, bool others, std::string (*of_bad)(const std::string& id)) {
  Reply reply = answer(200);
  std::vector<std::string> entries;
  for (const auto& m : r.messages) {
    if (is_bad(m.phone)) {
      const std::string entry = of_bad(m.id);
      if (!entry.empty()) entries.push_back(entry);
    } else if (others) {
      entries.push_back(fakes::accepted_entry(m.id));
      reply.accepted.push_back(m.id);
    }
  }
  reply.accepts = true;
  reply.body = fakes::entries_body(entries, others ? "true" : "false");
  return reply;
}
std::string limited(const std::string& id) { return fakes::error_entry(id, "RATE_LIMIT"); }
std::string barred(const std::string& id) { return fakes::error_entry(id, "INVALID_PHONE", "no such number"); }
std::string nothing(const std::string&) { return {}; }
struct Kind {
  const char* name;
  Failing fails;
};
const Kind kKinds[] = {
    {"batch refused with 400", [](const Request&) { return answer(400, "{\"message\":\"bad\"}"); }},
    {"batch refused with 413", [](const Request&) { return answer(413); }},
    {"batch refused with 422", [](const Request&) { return answer(422); }},
    {"rate limit", [](const Request& r) { return entries_but(r, true, limited); }},
    {"rate limit, others left out", [](const Request& r) { return entries_but(r, false, limited); }},
    {"refused by name", [](const Request& r) { return entries_but(r, true, barred); }},
    {"not named", [](const Request& r) { return entries_but(r, true, nothing); }},
    {"500", [](const Request& r) { return fakes::accept_but(r, answer(500)); }},
    {"answer lost",
     [](const Request& r) {
       Reply reply = accept_all(r);
       reply.cut_at = 0, reply.end = Reply::End::broken;
       return reply;
     }},
};
std::function<Reply(const Request&)> service_that(Failing fails) {
  return [fails](const Request& r) {
    for (const auto& m : r.messages)
      if (is_bad(m.phone)) return fails(r);
    return accept_all(r);
  };
}

void post_to(Bench& b, Class cls, const std::string& phone, const std::string& text) {
  if (b->post_to(cls, phone, text) != 0) return;
  CHECK(b->run(milliseconds(1)));  // the memory for what is not on the medium yet was full
  CHECK(b->post_to(cls, phone, text) != 0);
}

struct Count {
  unsigned carrying = 0;  // requests with at least one message to a good phone
  unsigned until = 0;     // requests until the last of them was accepted
};
// Runs until every message to a good phone is accepted.
Count count_requests(Bench& b, std::size_t good) {
  b.service.keep_requests = true;
  std::set<std::string> accepted;
  for (unsigned turns = 0; turns < 100'000; ++turns) {
    const Instant next = b->turn();
    if (next > b.clock) b.clock = next;
    for (; !b->over.empty(); b->over.pop_back())
      if (b->over.back().state == State::accepted) accepted.insert(b->over.back().id);
    if (accepted.size() == good) break;
    CHECK(next != kNever);
  }
  CHECK_EQ(accepted.size(), good);
  Count count;
  unsigned requests = 0;
  for (const Request& r : b.service.requests) {
    ++requests;
    for (const auto& m : r.messages)
      if (!is_bad(m.phone)) {
        ++count.carrying;
        count.until = requests;
        break;
      }
  }
  return count;
}

// `bad` messages to a bad phone and 100 to `phones` good ones, behind them or among them.
enum class Where { behind, among };
Count hundred_beside(unsigned bad, unsigned phones, Where where, Failing fails, bool restart = false) {
  Bench b(2048);
  b.service.script = service_that(fails);
  b.start();
  b->sender.hold_until_resumed("everything is queued first");
  unsigned good = 0;
  for (unsigned i = 0; i < bad; ++i) {
    post_to(b, Class::warning, kBad, "does not work");
    if (where == Where::among && i % (bad / 100) == bad / 200)
      post_to(b, Class::warning, good_phone(good++ % phones), "works");
  }
  while (good < 100) post_to(b, Class::warning, good_phone(good++ % phones), "works");
  CHECK(b->run(seconds(1)));
  CHECK_EQ(b->waiting(), bad + 100);
  if (restart) {
    b.boot();
    b.start();
  } else {
    b->sender.resume();
  }
  return count_requests(b, 100);
}

}  // namespace

TEST(fairness_hundred_messages_leave_as_fast_beside_ten_thousand_to_a_phone_that_always_fails) {
  const Count alone = hundred_beside(0, 100, Where::behind, nullptr);
  CHECK_EQ(alone.carrying, 5);
  CHECK_EQ(alone.until, 5);
  for (const Kind& kind : kKinds) {
    check::at("kind=%s", kind.name);
    const Count beside = hundred_beside(10'000, 100, Where::behind, kind.fails);
    CHECK(beside.carrying <= alone.carrying + 1);
    CHECK(beside.until <= alone.until + 2);  // the one that showed which phone fails among them
  }
}

TEST(fairness_holds_for_any_number_of_phones_among_the_others_and_after_a_restart) {
  for (const Kind& kind : kKinds)
    for (const unsigned phones : {1U, 3U, 100U})
      for (const bool restart : {false, true}) {
        if (restart && phones != 3) continue;
        check::at("kind=%s phones=%u restart=%d", kind.name, phones, restart ? 1 : 0);
        const Count beside = hundred_beside(5'000, phones, Where::among, kind.fails, restart);
        CHECK(beside.carrying <= 6);
        CHECK(beside.until <= 7);
      }
}

TEST(fairness_a_bad_phone_in_every_group_is_found_and_then_costs_the_others_nothing) {
  for (const Kind& kind : kKinds) {
    check::at("kind=%s", kind.name);
    Bench b(256);
    b.service.script = service_that(kind.fails);
    b.start();
    b->sender.hold_until_resumed("everything is queued first");
    for (unsigned i = 0; i < 100; ++i) {
      post_to(b, Class::warning, good_phone(0), "works");
      post_to(b, Class::warning, kBad, "does not work");
    }
    b->sender.resume();
    const Count mixed = count_requests(b, 100);
    CHECK(mixed.carrying <= 24);  // nobody knows at first who of a request it was
    for (unsigned i = 0; i < 100; ++i) post_to(b, Class::warning, good_phone(0), "works");
    b.service.requests.clear();
    CHECK(count_requests(b, 100).carrying <= 6);
  }
}

TEST(fairness_phones_in_trouble_take_turns) {
  for (const Kind& kind : kKinds) {
    check::at("kind=%s", kind.name);
    if (has(kind.name, "by name")) continue;  // those end with their answer: they go on by twenty
    Bench b(256);
    b.service.script = service_that(kind.fails);
    b.start();
    b->sender.hold_until_resumed("everything is queued first");
    for (unsigned i = 0; i < 100; ++i) post_to(b, Class::warning, kBad, "the older ones");
    for (unsigned i = 0; i < 100; ++i) post_to(b, Class::warning, kBad2, "the newer ones");
    b->sender.resume();
    while (b.service.request_count < 24) {
      const Instant next = b->turn();
      if (next > b.clock) b.clock = next;
    }
    unsigned older = 0, newer = 0;
    for (std::size_t at = 4; at < 24; ++at)  // by then both have failed
      for (const auto& m : b.service.requests[at].messages) ++(m.phone == kBad ? older : newer);
    CHECK(older >= 8 && newer >= 8);
  }
}

TEST(fairness_one_request_has_one_message_to_a_phone_in_trouble) {
  for (const Kind& kind : kKinds) {
    check::at("kind=%s", kind.name);
    if (has(kind.name, "by name")) continue;  // those end with their answer: they go on by twenty
    Bench b(256);
    b.service.script = service_that(kind.fails);
    b.start();
    b->sender.hold_until_resumed("everything is queued first");
    for (unsigned i = 0; i < 60; ++i) post_to(b, Class::warning, i % 2 == 0 ? kBad : good_phone(i), "x");
    b->sender.resume();
    CHECK(b->run(minutes(30)));
    unsigned several = 0;
    for (const Request& r : b.service.requests) {
      unsigned bad = 0;
      for (const auto& m : r.messages) bad += is_bad(m.phone) ? 1U : 0U;
      several += bad > 1 ? 1U : 0U;
    }
    CHECK(several <= (has(kind.name, "refused") ? 3 : 1));  // those that found it out: 20, 10, 5 messages
    CHECK(b.service.requests.size() > 10);
  }
}

TEST(fairness_messages_to_one_phone_keep_their_order_whatever_fails) {
  Bench b(256);
  std::uint32_t noise = 12345;
  unsigned requests = 0;
  b.service.script = [&](const Request& r) {
    Reply reply = answer(200);
    std::vector<std::string> entries;
    const bool refuse = ++requests % 7 == 0;
    noise = noise * 1664525U + 1013904223U;
    for (const auto& m : r.messages) {
      const bool fail = noise >> (16 + m.phone.back() % 8) & 1;
      entries.push_back(fail ? limited(m.id) : fakes::accepted_entry(m.id));
      if (!fail) reply.accepted.push_back(m.id);
    }
    if (refuse) return r.messages.size() > 1 ? answer(413) : answer(429);
    reply.accepts = true;
    reply.body = fakes::entries_body(entries);
    return reply;
  };
  b.start();
  for (unsigned i = 0; i < 200; ++i) post_to(b, Class::warning, good_phone(i * i % 7), std::to_string(1000 + i));
  CHECK(b->run_until_ended(hours(24 * 30)));
  std::map<std::string, std::uint32_t> newest;
  std::size_t accepted = 0;
  for (const fakes::Agent::Ended& e : b->over) {
    const std::string& phone = b.service.phone_of[e.id];
    CHECK(e.state == State::accepted && newest[phone] < e.number);
    newest[phone] = e.number;
    ++accepted;
  }
  CHECK_EQ(accepted, 200);
}

TEST(fairness_critical_messages_to_a_bad_phone_take_every_other_request_at_most) {
  for (const Kind& kind : kKinds) {
    check::at("kind=%s", kind.name);
    Bench b(512);
    b.service.script = service_that(kind.fails);
    b.start();
    b->sender.hold_until_resumed("everything is queued first");
    for (unsigned i = 0; i < 1'000; ++i) post_to(b, Class::critical, kBad, "does not work");
    for (unsigned i = 0; i < 100; ++i) post_to(b, Class::info, good_phone(i), "works");
    b->sender.resume();
    const Count count = count_requests(b, 100);
    CHECK(count.carrying <= 11);  // after a rate limit and an unknown outcome the first of them has one message
    CHECK(count.until <= 17);
  }
}

TEST(fairness_phone_that_failed_is_not_kept_waiting_by_a_long_row_of_others) {
  for (const Kind& kind : kKinds) {
    check::at("kind=%s", kind.name);
    Bench b(2048);
    bool works = false;
    b.service.script = [&](const Request& r) {
      Reply reply = accept_all(r);
      for (const auto& m : r.messages)
        if (is_bad(m.phone) && !works) reply = kind.fails(r);
      reply.after = seconds(1);
      return reply;
    };
    b.start();
    post_to(b, Class::warning, kBad, "fails");
    CHECK(b->run(seconds(2)));
    CHECK(b->outbox.is_in_trouble(name_hash("sms"), 1));
    works = true;
    b->sender.hold_until_resumed("a long row of others");
    for (unsigned i = 0; i < 6'000; ++i) post_to(b, Class::warning, good_phone(i % 100), "works");
    const auto late = b->post_to(Class::warning, kBad, "would be the last");
    b->sender.resume();
    CHECK(b->run(seconds(40)));
    CHECK(b->state(late) == State::queued);
    CHECK(b->run(seconds(110)));  // at one request a second the others take 300 s
    CHECK(b->state(1) == State::accepted || b->state(late) == State::accepted);
    CHECK(b->waiting() > 2'000);
  }
}

TEST(fairness_phone_that_works_again_is_as_good_as_any) {
  Bench b(256);
  bool works = false;
  b.service.script = [&](const Request& r) {
    return works ? accept_all(r) : service_that([](const Request&) { return answer(400); })(r);
  };
  b.start();
  post_to(b, Class::warning, kBad, "fails");
  CHECK(b->run(seconds(2)));
  CHECK(b->outbox.is_in_trouble(name_hash("sms"), 1));
  works = true;
  b.service.requests.clear();
  b->sender.hold_until_resumed("everything is queued first");
  for (unsigned i = 0; i < 41; ++i) post_to(b, Class::warning, kBad, "works");
  b->sender.resume();
  CHECK(b->run(seconds(2)));
  CHECK_EQ(b->waiting(), 1);  // set aside for an hour
  CHECK_EQ(b.service.requests.size(), 3);  // the first, with one message, shows that it works
  CHECK(!b->outbox.is_in_trouble(name_hash("sms"), 1));
}

TEST(fairness_backoff_of_a_phone_in_trouble_is_not_that_of_the_others) {
  for (const Kind& kind : kKinds) {
    check::at("kind=%s", kind.name);
    Bench b;
    b.service.script = service_that(kind.fails);
    b.start();
    for (unsigned i = 0; i < 40; ++i) post_to(b, Class::warning, kBad, "does not work");
    CHECK(b->run(minutes(40)));
    const Instant posted = b.clock;
    const auto number = b->post_to(Class::warning, good_phone(1), "works");
    CHECK(b->run(seconds(6)));
    CHECK(b->state(number) == State::accepted);
    CHECK((b.service.requests.back().at - posted).count <= 6'000);
    CHECK_EQ(b->spins, 0);
  }
}

TEST(fairness_lost_connections_are_nobodys_trouble) {
  Bench b;
  b.start();
  post_to(b, Class::warning, good_phone(1), "opens the connection");
  CHECK(b->run(seconds(2)));
  b->even.delay = b->odd.delay = milliseconds(50);
  const auto number = b->post_to(Class::info, kBad, "needs a record first");
  while (b->sender.state() != Sender::State::preparing) b.clock = b->turn();
  b->stream.peer_closes();
  b->stream.refuse = {Code::io, 111};
  CHECK(b->run(minutes(10)));
  CHECK(b->stream.connects > 2);
  CHECK(b->state(number) == State::queued);
  CHECK(!b->outbox.is_in_trouble(name_hash("sms"), number));
}

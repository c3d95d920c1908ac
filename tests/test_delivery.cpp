// SPDX-License-Identifier: MIT
// Receipts: when the service is asked for them, what its answers do, and that messages are sent as before whatever
// comes of it.
#include <algorithm>
#include <map>
#include <set>

#include "sender_bench.hpp"

using namespace tocsin;
using fakes::Agent;
using fakes::answer;
using fakes::has;
using fakes::Reply;
using fakes::Request;

namespace {

// A service that accepts everything and says of each uuid what `says` has: empty says nothing of it.
struct Bench : fakes::Bench {
  std::map<std::string, std::string> says;
  std::string else_says = "sent";
  std::function<Reply(const Request&)> asked_instead;  // of messages_status
  std::vector<Instant> asked_at;
  std::vector<std::size_t> asked_of;
  std::map<std::string, unsigned> asked;  // how often, by uuid
  Millis receipts_for = hours(24);

  explicit Bench(std::uint32_t blocks = 24) : fakes::Bench(blocks) {
    service.script = [this](const Request& request) { return reply(request); };
    service.keep_requests = false;
    begin();
  }
  void begin() {
    agent->settings.receipts_for = receipts_for;
    start();
    CHECK(agent->run(milliseconds(10)));
  }
  void restart() {
    cut_to_new_clock();
    begin();
  }
  Reply reply(const Request& request) {
    if (!has(request.head, "POST /messages_status/ ")) return fakes::accept_all(request);
    std::vector<std::string> entries;
    asked_at.push_back(clock);
    asked_of.push_back(0);
    for (std::size_t at = request.body.find("uuid-"); at != std::string::npos; at = request.body.find("uuid-", at + 1)) {
      const std::string uuid = request.body.substr(at, request.body.find('"', at) - at);
      ++asked[uuid];
      ++asked_of.back();
      const auto it = says.find(uuid);
      const std::string word = it == says.end() ? else_says : it->second;
      if (!word.empty()) entries.push_back("{\"message_uuid\":\"" + uuid + "\",\"status\":\"" + word + "\"}");
    }
    return asked_instead ? asked_instead(request) : answer(200, fakes::entries_body(entries));
  }
  std::uint32_t post(Class cls = Class::warning) {
    const auto number = agent->post(cls, 1, "text");
    CHECK(number != 0);
    CHECK(agent->run(seconds(1)));
    CHECK(agent->state(number) == State::accepted);
    return number;
  }
  std::string uuid(std::uint32_t number) { return "uuid-" + agent->id(number); }
  void answers(std::uint32_t number, const char* word) { says[uuid(number)] = word; }
  std::string reason(std::uint32_t number) { return std::string(agent->record(number).reason); }
  State on_medium(std::uint32_t number) const {
    const Entry* left = fakes::left_of(disk, number);
    return left == nullptr ? State::queued : left->state;
  }
};

}  // namespace

TEST(delivery_asks_with_growing_gaps_until_the_time_is_over) {
  Bench b;
  b.post();
  const Instant accepted{(b->over[0].at.ms + 4999) / 5000 * 5000};
  CHECK(b->run(hours(30)));
  std::vector<std::int64_t> seconds_after;
  for (const Instant at : b.asked_at) seconds_after.push_back(((at - accepted).count + 1500) / 1000);
  const std::int64_t begin[] = {5, 20, 80, 380, 1280, 1280 + 3600, 1280 + 7200};
  CHECK(seconds_after.size() == 5 + 23 + 1);
  for (std::size_t i = 0; i < 7; ++i) CHECK(seconds_after[i] - begin[i] <= 1 && begin[i] - seconds_after[i] <= 1);
  CHECK(seconds_after.back() >= 24 * 3600 - 1 && seconds_after.back() <= 24 * 3600 + 1);
  CHECK_EQ(b->spins, 0);
}

TEST(delivery_of_a_message_is_its_last_state_and_waits_for_the_next_synced_write) {
  Bench b;
  const auto number = b.post();
  const auto syncs = b->queue.syncs();
  b.answers(number, "delivered");
  CHECK(b->run(seconds(10)));
  CHECK(b->state(number) == State::delivered);
  CHECK_TEXT(b->record(number).uuid, b.uuid(number));
  CHECK_TEXT(b.reason(number), "");
  CHECK_EQ(b->receipts.size(), 1);
  CHECK(b->receipts[0].state == State::delivered);
  CHECK_EQ(b.asked_at.size(), 1);
  CHECK_EQ(b->queue.syncs(), syncs);
  CHECK(b.on_medium(number) == State::accepted);
  b.post();
  CHECK(b.on_medium(number) == State::delivered);
  CHECK_EQ(b->queue.syncs(), syncs + 2);  // as without it
  CHECK(b->run(hours(48)));
  CHECK_EQ(b.asked[b.uuid(number)], 1);
}

TEST(delivery_lost_with_the_power_is_asked_for_again) {
  Bench b;
  const auto number = b.post();
  b.answers(number, "delivered");
  CHECK(b->run(seconds(10)));
  CHECK(b->state(number) == State::delivered);
  CHECK(b.on_medium(number) == State::accepted);
  b.restart();
  CHECK(b->run(seconds(10)));
  CHECK(b->state(number) == State::delivered);
  CHECK_EQ(b.asked_at.size(), 2);
  CHECK_EQ(fakes::total_copies(b.service), 1);
}

TEST(delivery_that_failed_is_told_with_the_words_of_the_service_and_can_be_sent_again) {
  Bench b;
  const auto number = b.post();
  b.asked_instead = [&](const Request&) {
    return answer(200, R"([{"uuid":")" + b.uuid(number) + R"(","status":"undelivered","reason":"absent subscriber"}])");
  };
  CHECK(b->run(seconds(10)));
  CHECK(b->state(number) == State::failed);
  CHECK_TEXT(b.reason(number), "undelivered: absent subscriber");
  CHECK_EQ(b->receipts.size(), 1);
  CHECK_TEXT(b->receipts[0].reason, "undelivered: absent subscriber");
  CHECK_OK(b->outbox.retry(number, b->clocks()));
  CHECK(b->run(seconds(2)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(fakes::total_copies(b.service), 2);
  b.asked_instead = nullptr;
  b.answers(number, "delivered");
  CHECK(b->run(seconds(30)));
  CHECK(b->state(number) == State::delivered);
}

// Words that nobody knows are never final; they are on record once, and the message is as old as it was.
TEST(delivery_of_an_unknown_word_stays_accepted_and_shows_it) {
  Bench b;
  const auto number = b.post();
  const auto accepted_at = b->record(number).at.on_ms();
  b.answers(number, "Teleported");
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b.reason(number), "not a known status: Teleported");
  CHECK_EQ(b->record(number).at.on_ms(), accepted_at);
  CHECK_EQ(b.asked_at.size(), 4);
  CHECK(b->receipts.empty());
  CHECK(b->told_of_receipts.empty());
  CHECK_EQ(b->odd_of_receipts.size(), 4);
  CHECK(has(b->odd_of_receipts[0], "Teleported"));
  b.post();
  b.restart();
  CHECK_TEXT(b.reason(number), "not a known status: Teleported");
  b.answers(number, "delivered");
  CHECK(b->run(hours(2)));
  CHECK(b->state(number) == State::delivered);
  CHECK_TEXT(b.reason(number), "");
}

// For support: what tells nothing of any message, or not what it says, in an answer of 2xx.
TEST(delivery_answers_that_are_not_understood_are_told_and_others_are_not) {
  const std::tuple<unsigned, const char*, bool> said[] = {
      {200, "<html>", true},        {200, R"({"status":true,"messages":[]})", true},
      {200, "[7]", true},           {200, R"({"status":false,"message":"disabled"})", false},
      {200, R"([{"uuid":"@","dlr":"???"}])", true}, {200, R"([{"uuid":"@","dlr":"sent"}])", false},
      {200, "", false},             {200, R"({"error":"RATE_LIMIT"})", false},
      {500, "<html>", false},       {401, "<html>", false}};
  for (const auto& [status, body, odd] : said) {
    check::at("%u %s", status, body);
    Bench b;
    const auto number = b.post();
    std::string text = body;
    if (const std::size_t at = text.find('@'); at != std::string::npos) text.replace(at, 1, b.uuid(number));
    b.asked_instead = [&text, status = status](const Request&) { return answer(status, text); };
    CHECK(b->run(seconds(10)));
    CHECK_EQ(b.asked_at.size(), 1);
    CHECK_EQ(b->odd_of_receipts.size(), odd ? 1 : 0);
    if (odd) CHECK_TEXT(b->odd_of_receipts[0], text);
  }
}

TEST(delivery_answers_that_repeat_the_token_show_none_of_it) {
  Bench b;
  b.else_says = "no token-of-sms";
  const auto number = b.post();
  CHECK(b->run(seconds(10)));
  CHECK_TEXT(b.reason(number), "not a known status: no ***");
  b.asked_instead = [](const Request&) { return answer(401, R"({"message":"token-of-sms is revoked"})"); };
  CHECK(b->run(minutes(2)));
  CHECK_EQ(b->told_of_receipts.size(), 1);
  CHECK_TEXT(b->told_of_receipts[0], "401: *** is revoked");
}

TEST(delivery_after_a_restart_asks_once_for_all_that_are_not_too_old) {
  Bench b;
  const auto old = b.post();
  CHECK(b->run(hours(25)));
  const auto young = b.post();
  CHECK(b->run(hours(1)));
  b.asked.clear();
  b.restart();
  CHECK(b->run(seconds(10)));
  CHECK_EQ(b.asked[b.uuid(old)], 0);
  CHECK_EQ(b.asked[b.uuid(young)], 1);
  b.asked.clear();  // and once more
  b.restart();
  CHECK(b->run(seconds(10)));
  CHECK_EQ(b.asked[b.uuid(old)], 0);
  CHECK_EQ(b.asked[b.uuid(young)], 1);
}

TEST(delivery_whose_time_is_over_is_told_once_and_stays_accepted) {
  Bench b;
  b.post();
  b.post();
  b->told_of_receipts.clear();
  CHECK(b->run(hours(30)));
  CHECK_EQ(b->told_of_receipts.size(), 1);
  CHECK_TEXT(b->told_of_receipts[0], "none came within 1d for 2 messages: see `tocsin queue list`");
  const auto asked = b.asked_at.size();
  CHECK(b->run(hours(100)));
  CHECK_EQ(b.asked_at.size(), asked);
}

TEST(delivery_of_a_thousand_messages_takes_a_bounded_number_of_requests) {
  Bench b(512);
  b->rules = Agent::patient();
  for (unsigned i = 0; i < 40; ++i) {
    CHECK(b->post(Class::warning, 25, "text") != 0);
    CHECK(b->run(milliseconds(400)));
  }
  CHECK_EQ(b->over.size(), 1000);
  b.else_says = "delivered";
  CHECK(b->run(hours(1)));
  CHECK_EQ(b->receipts.size(), 1000);
  std::size_t all = 0;
  for (const std::size_t of : b.asked_of) {
    CHECK(of <= Delivery::kMaxAsked);
    all += of;
  }
  CHECK(b.asked_at.size() <= 60);
  print_message("1,000 messages accepted within 16 s: %zu requests, %zu uuids\n", b.asked_at.size(), all);
}

// One message a second all day, and none is ever reported.
TEST(delivery_asks_no_more_often_in_an_hour_than_it_says) {
  Bench b(512);
  for (unsigned i = 0; i < 1500; ++i) {
    CHECK(b->post(Class::warning, 1, "text") != 0);
    CHECK(b->run(seconds(2)));
  }
  CHECK(b->run(hours(3)));
  std::size_t most = 0;
  for (std::size_t from = 0, to = 0; to < b.asked_at.size(); ++to) {
    while (b.asked_at[from] + hours(1) <= b.asked_at[to]) ++from;
    most = std::max(most, to - from + 1);
  }
  CHECK(most <= 150);
  for (const auto& [uuid, times] : b.asked) CHECK(times >= 3);
  print_message("1,500 messages in 50 minutes: at most %zu requests in an hour, %zu in all\n", most, b.asked_at.size());
}

// Whatever becomes of asking: nothing is held, nothing backs off, and the next message goes at once.
TEST(delivery_that_cannot_be_asked_for_never_keeps_a_message_back) {
  const std::pair<const char*, std::function<Reply()>> faults[] = {
      {"401", [] { return answer(401, R"({"status":false,"message":"Not authenticated"})"); }},
      {"403", [] { return answer(403, R"({"detail":"Not authenticated"})"); }},
      {"404", [] { return answer(404, R"({"detail":"Not Found"})"); }},
      {"405", [] { return answer(405, R"({"detail":"Method Not Allowed"})"); }},
      {"422", [] { return answer(422, R"({"detail":"?"})"); }},
      {"429", [] { return answer(429, "{}", "Retry-After: 7000\r\n"); }},
      {"500", [] { return answer(500, "oops"); }},
      {"no json", [] { return answer(200, "<html>"); }},
      {"refused", [] { return answer(200, R"({"status":false,"message":"no"})"); }},
      {"limit", [] { return answer(200, R"({"status":true,"messages":[],"error":"RATE_LIMIT"})"); }},
      {"silent", [] { Reply reply; reply.silent = true; return reply; }},
      {"broken", [] { Reply reply = answer(200, "{}"); reply.cut_at = 5, reply.end = Reply::End::broken; return reply; }},
  };
  for (const auto& [name, fault] : faults) {
    check::at("%s", name);
    Bench b;
    b.post();
    b.asked_instead = [&fault = fault](const Request&) { return fault(); };
    CHECK(b->run(minutes(20)));
    CHECK(b->sender.trouble() == Sender::State::idle);
    CHECK(b->changes.empty());
    CHECK_TEXT(b->sender.reason(), "");
    CHECK(!b->sender.receipts_reason().empty());
    const std::size_t asked = b.asked_at.size();
    CHECK(asked >= 1 && asked <= 12);
    CHECK_EQ(b->told_of_receipts.size(), 1);
    const auto second = b.post(Class::critical);  // accepted within a second
    CHECK(b->state(second) == State::accepted);
    CHECK(b->sender.trouble() == Sender::State::idle);
  }
}

TEST(delivery_that_the_service_does_not_know_is_asked_for_once_a_day) {
  for (const unsigned status : {404U, 405U}) {
    check::at("status=%u", status);
    Bench b;
    b.post();
    b.asked_instead = [status](const Request&) { return answer(status, R"({"detail":"Not Found"})"); };
    CHECK(b->run(hours(20)));
    CHECK_EQ(b.asked_at.size(), 1);
    CHECK_EQ(b->told_of_receipts.size(), 1);
    CHECK(has(b->told_of_receipts[0], "asked for once a day"));
    const auto number = b.post();
    b.asked_instead = nullptr;  // it was a proxy's mistake, and nobody started the device anew
    b.answers(number, "delivered");
    CHECK(b->run(hours(5)));
    CHECK_EQ(b.asked_at.size(), 2);
    CHECK(b->state(number) == State::delivered);
    CHECK_TEXT(b->sender.receipts_reason(), "");
  }
}

TEST(delivery_works_again_after_a_failure_of_the_service) {
  Bench b;
  const auto number = b.post();
  b.asked_instead = [](const Request&) { return answer(503, "no"); };
  CHECK(b->run(minutes(5)));
  CHECK(!b->sender.receipts_reason().empty());
  b.asked_instead = nullptr;
  b.answers(number, "delivered");
  CHECK(b->run(hours(2)));
  CHECK(b->state(number) == State::delivered);
  CHECK_TEXT(b->sender.receipts_reason(), "");
}

TEST(delivery_asks_for_fewer_where_the_request_is_too_large) {
  Bench b;
  CHECK(b->post(Class::warning, 32, "text") != 0);
  CHECK(b->run(seconds(2)));
  b.asked_instead = [&](const Request&) {
    return b.asked_of.back() > 5 ? answer(422, "{}") : answer(200, "[]");
  };
  CHECK(b->run(minutes(10)));
  CHECK_EQ(b.asked_of.front(), 32);
  CHECK(std::find(b.asked_of.begin(), b.asked_of.end(), 4) != b.asked_of.end());
  CHECK(b.asked.size() == 32);
}

TEST(delivery_gives_way_to_a_message_that_comes_meanwhile) {
  Bench b;
  b.post();
  b.asked_instead = [](const Request&) { Reply reply; reply.silent = true; return reply; };
  while (b.asked_at.empty()) CHECK(b->run(milliseconds(100)));
  const auto posted = b.clock;
  const auto number = b->post(Class::critical, 1, "alarm");
  while (b->state(number) == State::queued && b.clock < posted + seconds(20)) CHECK(b->run(milliseconds(50)));
  CHECK(b->state(number) == State::accepted);
  const Millis took = b.clock - posted;
  CHECK(took < milliseconds(2500));
  CHECK(b->changes.empty());
  CHECK_EQ(b->spins, 0);
}

// What is asked for is chosen when the connection is there: a message that came meanwhile goes first.
TEST(delivery_lets_a_message_have_the_connection_that_was_opened_for_it) {
  Bench b;
  b.post();
  CHECK(b->run(seconds(3)));
  b->stream.peer_closes();
  b->stream.handshake = seconds(3);
  while (b->sender.state() != Sender::State::connecting) CHECK(b->run(milliseconds(100)));
  b.service.keep_requests = true;
  const auto number = b->post(Class::critical, 1, "alarm");
  CHECK(b.asked_at.empty());
  while (b.asked_at.empty()) CHECK(b->run(milliseconds(100)));
  CHECK(has(b.service.requests.front().head, "/simple_send/"));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b.service.connections, 2);
}

TEST(delivery_of_what_is_being_forgotten_is_not_put_on_record) {
  Bench b;
  const auto number = b.post();
  b.answers(number, "delivered");
  CHECK_OK(b->outbox.purge(b->clocks()));
  CHECK_OK(b->outbox.receipt(number, Receipt::delivered, {}, b->clocks()));
  CHECK(b->state(number) == State::accepted);
  CHECK(b->run(seconds(30)));
  CHECK(b->queue.forgot());
  CHECK(Agent::index().find(number) == nullptr);
}

// The other order: it was staged when the purge began.
TEST(delivery_that_waits_for_a_write_is_forgotten_with_its_message) {
  Bench b;
  const auto number = b.post();
  b.answers(number, "delivered");
  CHECK(b->run(seconds(10)));
  CHECK(b->state(number) == State::delivered);
  CHECK_OK(b->outbox.purge(b->clocks()));
  CHECK(b->run(seconds(30)));
  CHECK(b->queue.forgot());
  CHECK(Agent::index().find(number) == nullptr);
}

// What is learnt while the files turn is asked for again a moment later, and nobody is told of trouble.
TEST(delivery_learnt_while_the_files_turn_is_asked_for_again_soon) {
  unsigned again = 0;
  for (unsigned after = 100; after < 4000; after += 100) {
    check::at("after=%u", after);
    Bench b(8);
    const auto number = b.post();
    b.asked_instead = [&](const Request&) {
      Reply reply = answer(200, "[{\"uuid\":\"" + b.uuid(number) + "\",\"status\":\"delivered\"}]");
      if (b.asked_at.size() > 1) return reply;
      CHECK_OK(b->queue.forget(1));  // nothing is that old; the files turn all the same, and take their time for it
      b->even.delay = b->odd.delay = milliseconds(200);
      reply.after = milliseconds(after);
      return reply;
    };
    while (b.asked_at.empty()) CHECK(b->run(milliseconds(100)));
    CHECK(b->run(seconds(20)));
    CHECK(b->state(number) == State::delivered);
    CHECK(b.asked_at.size() <= 4);
    again += b.asked_at.size() > 1 ? 1U : 0U;
    CHECK(b->told_of_receipts.empty());
  }
  CHECK(again >= 3);
}

TEST(delivery_is_not_asked_for_where_nobody_wants_it) {
  Bench b;
  b.receipts_for = Millis{0};
  b.restart();
  b.post();
  CHECK(b->run(hours(48)));
  CHECK(b.asked_at.empty());
}

// Answers to a request that crossed with a retry by hand.
TEST(delivery_told_of_a_message_that_waits_again_changes_nothing) {
  Bench b;
  const auto number = b.post();
  CHECK_OK(b->outbox.receipt(number, Receipt::failed, "undelivered", b->clocks()));
  CHECK_OK(b->outbox.retry(number, b->clocks()));
  CHECK_CODE(b->outbox.receipt(number, Receipt::delivered, {}, b->clocks()), Code::not_found);
  CHECK(b->state(number) == State::queued);
  CHECK_CODE(b->outbox.receipt(number + 1, Receipt::delivered, {}, b->clocks()), Code::not_found);
}

// SPDX-License-Identifier: MIT
// The lookup as a second source of receipts: when the list of the API key is asked what became of messages, and what its
// word does.
#include <map>

#include "lookup_bench.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::answer;
using fakes::has;
using fakes::kPhone;
using fakes::LookupBench;
using fakes::Reply;
using fakes::Request;
using fakes::total_copies;

namespace {

// A stream that answers messages_status as the test says, and a list that has each accepted message with `word`.
struct Bench : LookupBench {
  std::function<Reply(const Request&)> status = [](const Request&) { return answer(404, "{\"detail\":\"Not Found\"}"); };
  std::string word = "delivered";
  std::map<std::string, std::string> words;  // by phone
  bool says_key = true;
  Millis undelivered_after{0};
  unsigned status_requests = 0;
  std::vector<Instant> asked_at;
  std::map<std::string, unsigned> asked;  // by phone

  explicit Bench(Millis late = Millis{0}) : undelivered_after(late) {
    service.script = [this](const Request& request) {
      if (!has(request.head, "POST /messages_status/ ")) return accept_all(request);
      ++status_requests;
      return status(request);
    };
    api.script = [this](const Request& request) { return list(request); };
    configure();
  }
  // After boot() as well.
  void configure() {
    agent->rules = rules;
    if (undelivered_after.count != 0) agent->second("chat", "chat.test");
    agent->ways = {{name_hash("sms"), minutes(10), undelivered_after, Asked::stream},
                   {name_hash("chat"), minutes(10), Millis{0}, Asked::nobody}};
    agent->settings.receipts_for = hours(24);
    agent->settings.receipts_at = undelivered_after;
    agent->sender.configure(agent->settings);
    if (agent->other != nullptr) agent->other->sender.configure(agent->other->settings);
    agent->outbox.configure_streams({agent->ways.data(), agent->ways.size()});
    open();
  }
  void restart() {
    boot();
    begin();
    configure();
  }
  Reply list(const Request& request) {
    const std::size_t at = request.head.find("phone=") + 6;
    const std::string phone = request.head.substr(at, request.head.find('&', at) - at);
    if (has(request.head, "/streams/messages")) asked_at.push_back(clock), ++asked[phone];
    listed.clear();
    for (const auto& [id, copies] : service.copies) {
      const Entry* entry = agent->queue.find(id);
      std::uint8_t scratch[kBlock];
      if (entry == nullptr || agent->queue.read_body(*entry, scratch).value().event.phone(0).view() != phone) continue;
      const std::string& said = words.count(phone) != 0 ? words[phone] : word;
      listed.push_back("{\"message_uuid\":\"uuid-" + id + "\",\"sent_at\":\"" + date() + "\",\"status\":\"" + said + "\"" +
                       (says_key ? ",\"external_key\":\"" + id + "\"}" : "}"));
    }
    return answer(200, body());
  }
  std::uint32_t post(const char* phone = kPhone) {
    const auto number = undelivered_after.count != 0 ? agent->post(Class::warning, 1, "text", "sms,chat")
                                                     : agent->post_to(Class::warning, phone, "text");
    CHECK(number != 0);
    CHECK(agent->run(seconds(1)));
    CHECK(agent->state(number) == State::accepted);
    return number;
  }
  std::string reason(std::uint32_t number) { return std::string(agent->record(number).reason); }
};

}  // namespace

TEST(lookup_receipts_come_by_the_key_where_the_stream_knows_no_such_request) {
  for (const bool by_key : {true, false}) {
    check::at("by_key=%d", by_key);
    Bench b;
    b.says_key = by_key;
    b.word = "sent";
    const auto number = b.post();
    CHECK(b->run(minutes(10)));
    CHECK(b->state(number) == State::accepted);
    CHECK_EQ(b.status_requests, 1);
    CHECK_EQ(b.asked_at.size(), 4);  // 5, 20, 80 and 380 s after it was accepted
    CHECK(has(b.last_target(), "GET /textpeak/streams/messages?phone=447700900100&startDate=2026-"));
    CHECK(has(b.last_target(), "&page=1&itemsPerPage=10"));
    CHECK(b->told_of_receipts.size() == 1 && has(b->told_of_receipts[0], "asked for once a day, meanwhile by the API key: 404"));
    b.word = "delivered";
    CHECK(b->run(minutes(20)));
    CHECK(b->state(number) == State::delivered);
    CHECK_EQ(b.asked_at.size(), 5);
    CHECK(b->run(hours(2)));
    CHECK_EQ(b.asked_at.size(), 5);
    CHECK_EQ(total_copies(b.service), 1);
    CHECK(b->spins <= 1);  // when the lookup is told
  }
}

TEST(lookup_receipts_are_not_asked_for_while_the_stream_tells) {
  Bench b;
  b.status = [](const Request& r) {
    const std::size_t at = r.body.find("uuid-");
    return answer(200, "{\"" + r.body.substr(at, r.body.find('"', at) - at) + "\":\"sent\"}");
  };
  b.post();
  CHECK(b->run(hours(30)));
  CHECK(b.status_requests > 20);
  CHECK_EQ(b.api.request_count, 0);
}

TEST(lookup_receipts_are_asked_for_those_alone_that_the_stream_does_not_tell_of) {
  Bench b;
  std::string odd;
  b.status = [&](const Request& r) {
    std::string all;
    for (std::size_t at = r.body.find("uuid-"); at != std::string::npos; at = r.body.find("uuid-", at + 1)) {
      const std::string uuid = r.body.substr(at, r.body.find('"', at) - at);
      all += (all.empty() ? "{\"" : ",\"") + uuid + (uuid == odd ? "\":\"teleported\"" : "\":\"sent\"");
    }
    return answer(200, all + "}");
  };
  const auto number = b.post(), other = b.post("447700900155");
  odd = "uuid-" + b->id(number);
  CHECK(b->run(minutes(5)));
  CHECK(b->state(number) == State::delivered);
  CHECK(b->state(other) == State::accepted);
  CHECK_EQ(b.asked["447700900155"], 0);
}

TEST(lookup_receipts_are_asked_for_of_what_is_accepted_once_the_stream_is_known_not_to_tell) {
  Bench b;
  for (unsigned i = 0; i < 3; ++i) {
    const auto number = b.post();
    CHECK(b->run(seconds(15)));
    CHECK(b->state(number) == State::delivered);
  }
  CHECK_EQ(b.status_requests, 1);
  CHECK_EQ(b.asked_at.size(), 3);
}

TEST(lookup_receipts_are_asked_for_whatever_keeps_the_stream_from_telling) {
  struct Case {
    const char* what;
    std::function<Reply(const Request&)> status;
  };
  const Case cases[] = {
      {"refused", [](const Request&) { return answer(401, "{}"); }},
      {"it fails", [](const Request&) { return answer(500); }},
      {"too many", [](const Request&) { return answer(429); }},
      {"fewer at once", [](const Request&) { return answer(422, "{}"); }},
      {"a page for people", [](const Request&) { return answer(200, "<html>welcome</html>"); }},
      {"not listed", [](const Request&) { return answer(200, "{\"status\":true,\"messages\":[]}"); }},
      {"an unknown word", [](const Request& r) {
         const std::size_t at = r.body.find("uuid-");
         return answer(200, "{\"" + r.body.substr(at, r.body.find('"', at) - at) + "\":\"teleported\"}");
       }},
      {"no answer", [](const Request&) {
         Reply reply;
         reply.silent = true;
         return reply;
       }},
  };
  for (const Case& one : cases) {
    check::at("%s", one.what);
    Bench b;
    b.status = one.status;
    const auto number = b.post();
    CHECK(b->run(minutes(5)));
    CHECK(b->state(number) == State::delivered);
    CHECK_EQ(total_copies(b.service), 1);
    CHECK(b->run(hours(2)));
    CHECK_EQ(b.asked_at.size(), 1);
  }
}

TEST(lookup_receipts_are_asked_for_when_the_host_of_the_stream_is_out) {
  Bench b;
  const auto number = b.post();
  b->stream.refuse = {Code::io, 111};
  b->stream.close();
  CHECK(b->run(minutes(5)));
  CHECK(b->state(number) == State::delivered);
}

// Nothing wants to ask it while it is known to be out: the next message waits for it.
TEST(lookup_receipts_are_asked_for_while_the_stream_is_held) {
  Bench b;
  const auto number = b.post();
  b.service.script = [](const Request&) { return answer(403, "{}"); };
  b->post(Class::warning, 1, "another");
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::delivered);
}

TEST(lookup_receipts_come_from_the_stream_again_once_it_tells) {
  Bench b;
  b.word = "sent";
  b.status = [&](const Request& r) {
    const std::size_t at = r.body.find("uuid-");
    return b.status_requests <= 3 ? answer(500) : answer(200, "{\"" + r.body.substr(at, r.body.find('"', at) - at) + "\":\"sent\"}");
  };
  b.post();
  CHECK(b->run(hours(1)));
  const auto before = b.asked_at.size();
  CHECK(before > 0 && b.status_requests > 4);
  CHECK(b->run(hours(20)));
  CHECK_EQ(b.asked_at.size(), before);
}

TEST(lookup_receipts_of_a_word_that_nobody_knows_show_it_and_end_nothing) {
  Bench b;
  b.word = "Teleported";
  const auto number = b.post();
  CHECK(b->run(minutes(5)));
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b.reason(number), "not a known status: Teleported");
  b.word = "undelivered";
  CHECK(b->run(minutes(30)));
  CHECK(b->state(number) == State::failed);
  CHECK_TEXT(b.reason(number), "undelivered");
}

TEST(lookup_receipts_that_repeat_the_key_show_none_of_it) {
  Bench b;
  b.word = "no api-key";
  const auto number = b.post();
  CHECK(b->run(minutes(1)));
  CHECK_TEXT(b.reason(number), "not a known status: no ***");
}

TEST(lookup_receipts_that_contradict_what_is_final_change_nothing) {
  for (const bool delivered : {true, false}) {
    Bench b;
    const auto number = b.post(), other = b.post();
    CHECK(b->outbox.receipt(number, delivered ? Receipt::delivered : Receipt::failed, "by the stream", b->clocks()).ok());
    b.word = delivered ? "undelivered" : "delivered";
    CHECK(b->run(minutes(5)));
    CHECK(b->state(number) == (delivered ? State::delivered : State::failed));
    CHECK(b->state(other) == (delivered ? State::failed : State::delivered));
  }
}

// Of two copies by the same id one came to nothing: that is no word about the one that was accepted.
TEST(lookup_receipts_of_a_copy_that_came_to_nothing_do_not_end_the_other) {
  Bench b;
  b.service.script = [&b](const Request& request) {
    if (has(request.head, "POST /messages_status/ ")) return answer(404, "{}");
    Reply reply = request.number > 1 ? accept_all(request) : fakes::accept_but(request, answer(500));
    return reply;
  };
  b.api.script = [](const Request&) { return answer(200, "[]"); };
  const auto number = b->post_to(Class::critical, kPhone, "text");
  CHECK(b->run(seconds(45)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(total_copies(b.service), 2);
  const std::string id = ",\"external_key\":\"" + b->id(number) + "\",\"status\":\"";
  b.listed = {b.item("u-7", "text", id + "rejected\"")};
  b.api.script = [&b](const Request&) { return answer(200, b.body()); };
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::accepted);
  b.listed = {b.item("u-7", "text", id + "delivered\"")};  // but that it was delivered is one
  CHECK(b->run(hours(1)));
  CHECK(b->state(number) == State::delivered);
}

TEST(lookup_receipts_take_one_request_a_phone_and_few_in_an_hour) {
  Bench b;
  b.word = "sent";
  b.service.keep_requests = b.api.keep_requests = false;
  for (unsigned phone = 0; phone < 30; ++phone)
    for (unsigned i = 0; i < 3; ++i)
      CHECK(b->post_to(Class::critical, "4477009002" + std::to_string(10 + phone), "text") != 0);
  CHECK(b->run(minutes(30)));
  CHECK_EQ(b.asked.size(), 30);
  for (const auto& [phone, times] : b.asked) CHECK(times >= 1 && times <= 2);
  CHECK(b->run(hours(6)));
  for (std::size_t from = 0, to = 0; to < b.asked_at.size(); ++to) {
    while (b.asked_at[to] >= b.asked_at[from] + hours(1)) ++from;
    CHECK(to - from + 1 <= 75);
  }
  for (const auto& [phone, times] : b.asked) CHECK(times >= 5);
  b.word = "delivered";
  CHECK(b->run(hours(2)));
  for (std::size_t at = 0; at < fakes::Agent::index().size(); ++at) CHECK(fakes::Agent::index()[at].state == State::delivered);
  CHECK(b->spins <= 1);  // when the lookup is told
}

TEST(lookup_receipts_go_through_the_pages_while_one_is_open) {
  Bench b;
  const auto number = b.post();
  b.api.script = [&b, number](const Request& request) {
    const bool third = has(request.head, "&page=3&");
    const std::string id = ",\"status\":\"delivered\",\"external_key\":\"" + b->id(number) + "\"";
    return answer(200, "{\"items\":[" + (third ? b.item("u-7", "x", id) : b.item("u-1", "x")) + "],\"total\":41}");
  };
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::delivered);
  CHECK_EQ(b.api.request_count, 3);
}

// The list that a receipt is looked for in takes its time; a message in doubt is looked for at once.
TEST(lookup_receipts_never_keep_a_message_in_doubt_waiting) {
  Bench b;
  b.post();
  bool slow = true;
  b.api.script = [&](const Request& request) {
    Reply reply = b.list(request);
    reply.silent = slow && b.api.request_count == 1;
    return reply;
  };
  CHECK(b->run(seconds(8)));
  CHECK_EQ(b.api.request_count, 1);
  const Instant begun = b.clock;
  b.lose_answers();
  const auto number = b->post_to(Class::critical, "447700900155", "dev: Pump 3");
  CHECK(b->run(seconds(7)));
  CHECK(b.clock - begun < seconds(8));
  CHECK_EQ(b.asked["447700900155"], 1);
  CHECK(b->state(number) == State::delivered);  // by the word of the list
  CHECK(b->run(minutes(2)));
  CHECK_EQ(b->waiting(), 0);
  CHECK(b.asked[kPhone] >= 1);
  CHECK(b->spins <= 1);  // when the lookup is told
}

TEST(lookup_receipts_by_a_key_that_is_refused_are_told_and_nothing_is_lost) {
  Bench b;
  bool refused = true;
  b.api.script = [&](const Request& request) { return refused ? answer(401, "{\"message\":\"no api-key\"}") : b.list(request); };
  const auto number = b.post();
  CHECK(b->run(minutes(4)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b->told_of_lookup.size(), 1);
  CHECK_TEXT(b->told_of_lookup[0], "401: no ***");
  CHECK_EQ(b.api.request_count, 1);
  refused = false;
  CHECK(b->run(minutes(30)));
  CHECK(b->state(number) == State::delivered);
}

// A page that is too long, or a phone that the service stumbles over: neither other phones nor answers wait for it.
TEST(lookup_receipts_of_a_phone_whose_list_cannot_be_read_keep_nobody_else_waiting) {
  for (const unsigned status : {200U, 422U, 500U, 0U}) {
    check::at("status=%u", status);
    Bench b;
    b.settings.replies_every = minutes(1);
    b.open();
    unsigned rounds = 0;
    b.api.script = [&](const Request& request) {
      rounds += has(request.head, "/incoming_messages") ? 1U : 0U;
      if (has(request.head, "/incoming_messages")) return answer(200, "[]");
      if (!has(request.head, "phone=447700900100&")) return b.list(request);
      Reply reply = answer(status == 0 ? 200 : status, status == 200 ? "<html></html>" : "{}");
      reply.silent = status == 0;
      return reply;
    };
    const auto number = b.post();
    std::vector<std::uint32_t> others;
    for (unsigned phone = 150; phone < 158; ++phone) others.push_back(b.post(("447700900" + std::to_string(phone)).c_str()));
    CHECK(b->run(minutes(10)));
    CHECK(b->state(number) == State::accepted);
    for (const auto other : others) CHECK(b->state(other) == State::delivered);
    CHECK(rounds >= 8);
  }
}

TEST(lookup_receipts_of_a_gateway_that_is_out_are_asked_for_when_it_is_back) {
  Bench b;
  b.api_stream->refuse = {Code::io, 111};
  const auto number = b.post(), other = b.post("447700900155");
  CHECK(b->run(minutes(10)));
  CHECK_EQ(b->told_of_lookup.size(), 1);
  const auto spins = b->spins;
  b.lose_answers(b.service.request_count + 1);
  const auto third = b->post_to(Class::critical, "447700900156", "dev: Pump 3");
  CHECK(b->run(seconds(12)));
  CHECK(b->state(third) == State::accepted);  // kept back by nothing
  b.api_stream->refuse = {};
  CHECK(b->run(minutes(30)));
  CHECK(b->state(number) == State::delivered);
  CHECK(b->state(other) == State::delivered);
  CHECK(b->spins <= spins + 1);
}

TEST(lookup_receipts_of_an_earlier_run_are_asked_for_once_it_is_known_that_the_stream_does_not_tell) {
  Bench b;
  b.word = "sent";
  const auto number = b.post();
  CHECK(b->run(minutes(1)));
  const auto before = b.asked_at.size();
  b.restart();
  b.word = "delivered";
  CHECK(b->run(seconds(10)));
  CHECK(b->state(number) == State::delivered);
  CHECK_EQ(b.asked_at.size(), before + 1);
}

TEST(lookup_receipts_end_with_their_time) {
  Bench b;
  b.word = "sent";
  b.post();
  CHECK(b->run(hours(30)));
  const auto all = b.asked_at.size();
  CHECK(all >= 25 && all <= 32);
  CHECK(b->run(hours(30)));
  CHECK_EQ(b.asked_at.size(), all);
}

// ---- a message without a receipt in time ------------------------------------------------------------------

TEST(lookup_receipts_that_do_not_come_in_time_send_it_by_the_next_stream) {
  Bench b(minutes(2));
  b.word = "sent";
  const auto number = b.post();
  CHECK(b->run(seconds(110)));
  CHECK_EQ(b->went_on.size(), 0);
  CHECK(b->run(seconds(30)));
  CHECK_EQ(b->went_on.size(), 1);
  CHECK(has(b->went_on[0], "sms: not delivered within 2m"));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(total_copies(b.service), 2);
}

TEST(lookup_receipts_that_come_at_the_last_moment_spare_the_next_stream) {
  Bench b(minutes(2));
  b.word = "sent";
  const auto number = b.post();
  CHECK(b->run(seconds(100)));
  b.word = "delivered";
  CHECK(b->run(hours(1)));
  CHECK(b->state(number) == State::delivered);
  CHECK_EQ(total_copies(b.service), 1);
}

// The stream fails just when it is late: the list is asked before it goes on.
TEST(lookup_receipts_that_only_the_list_has_spare_the_next_stream) {
  Bench b(minutes(2));
  const Instant fails = b.clock + seconds(100);
  b.status = [&](const Request& r) {
    const std::size_t at = r.body.find("uuid-");
    return b.clock >= fails ? answer(500) : answer(200, "{\"" + r.body.substr(at, r.body.find('"', at) - at) + "\":\"sent\"}");
  };
  const auto number = b.post();
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::delivered);
  CHECK_EQ(total_copies(b.service), 1);
}

// Neither the stream nor the list can be asked: it is told by the next stream all the same, somewhat later.
TEST(lookup_receipts_that_nobody_can_be_asked_for_send_it_by_the_next_stream) {
  Bench b(minutes(2));
  b.api.script = [](const Request&) { return answer(401, "{}"); };
  const auto number = b.post();
  CHECK(b->run(minutes(11)));
  CHECK_EQ(b->went_on.size(), 0);
  CHECK(b->run(minutes(2)));
  CHECK_EQ(b->went_on.size(), 1);
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(total_copies(b.service), 2);
}

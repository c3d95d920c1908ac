// SPDX-License-Identifier: MIT
// The lookup: what a list of the API key makes of a message in doubt, and which answers of people are handed over.
#include <algorithm>
#include <cstring>

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

// ---- messages in doubt ------------------------------------------------------------------------------------

TEST(lookup_finds_a_message_by_its_id_and_no_copy_leaves) {
  LookupBench b;
  b.lose_answers();
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  b.listed = {b.item("u-7", "another text", ",\"external_key\":\"" + b->id(number) + "\"")};
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b->record(number).uuid, "u-7");
  CHECK(has(std::string(b->record(number).reason), "API key"));
  CHECK_EQ(total_copies(b.service), 1);
  CHECK_EQ(b.api.request_count, 1);
  CHECK(has(b.last_target(), "GET /textpeak/streams/messages?phone=447700900100&startDate=2026-"));
  CHECK(has(b.last_target(), "&page=1&itemsPerPage=10"));
  CHECK(has(b.api.requests[0].head, "Authorization: api-key\r\n"));
  CHECK_EQ(b->spins, 0);
}

TEST(lookup_finds_a_message_by_phone_text_and_time) {
  LookupBench b;
  b.lose_answers();
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  b.listed = {b.item("u-1", "dev: Pump 4"), b.item("u-7", "dev: Pump 3", ",\"status\":\"sent\"")};
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b->record(number).uuid, "u-7");
  CHECK_EQ(total_copies(b.service), 1);
}

// Two cellars have pumps, and their messages go to the same phone.
TEST(lookup_leaves_a_text_without_the_name_of_the_device_as_another_one_may_have_sent_it) {
  LookupBench b;
  b.lose_answers(1);
  const auto number = b->post(Class::critical, 1, "Pump 3");
  b.listed = {b.item("u-7", "Pump 3")};
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::accepted);
  CHECK(b->record(number).uuid != "u-7");
  CHECK_EQ(total_copies(b.service), 2);
}

TEST(lookup_takes_a_final_word_of_the_list) {
  for (const auto& [word, state] : {std::pair{"delivered", State::delivered}, std::pair{"undelivered", State::failed},
                                    std::pair{"Teleported", State::accepted}, std::pair{"sent", State::accepted}}) {
    check::at("%s", word);
    LookupBench b;
    b.lose_answers();
    const auto number = b->post(Class::critical, 1, "dev: Pump 3");
    b.listed = {b.item("u-7", "dev: Pump 3", std::string(",\"status\":\"") + word + "\"")};
    CHECK(b->run(minutes(10)));
    CHECK(b->state(number) == state);
    CHECK_EQ(total_copies(b.service), 1);
  }
}

// None of them is this message for certain: it goes as it would have gone, three copies at most.
TEST(lookup_without_one_plain_hit_leaves_the_message_as_it_was) {
  struct Case {
    const char* what;
    std::function<void(LookupBench&)> list;
  };
  const Case cases[] = {
      {"nothing is listed", [](LookupBench&) {}},
      {"two of the same text", [](LookupBench& b) { b.listed = {b.item("u-1", "dev: Pump 3"), b.item("u-2", "dev: Pump 3")}; }},
      {"another text", [](LookupBench& b) { b.listed = {b.item("u-1", "dev: Pump 3.")}; }},
      {"another id", [](LookupBench& b) { b.listed = {b.item("u-1", "dev: Pump 3", ",\"external_key\":\"dev-XXXX-1\"")}; }},
      {"no uuid", [](LookupBench& b) { b.listed = {b.item("", "dev: Pump 3")}; }},
      {"another phone", [](LookupBench& b) {
         b.listed = {b.item("u-1", "dev: Pump 3")};
         b.listed[0].replace(b.listed[0].find(kPhone), 12, "447700900999");
       }},
      {"sent before", [](LookupBench& b) {
         b.listed = {b.item("u-1", "dev: Pump 3")};
         b.listed[0].replace(b.listed[0].find(b.date()), 19, b.date(minutes(17)));
       }},
      {"sent in the future", [](LookupBench& b) {
         b.listed = {b.item("u-1", "dev: Pump 3")};
         b.listed[0].replace(b.listed[0].find(b.date()), 19, b.date(minutes(-17)));
       }},
      {"no date", [](LookupBench& b) {
         b.listed = {b.item("u-1", "dev: Pump 3")};
         b.listed[0].replace(b.listed[0].find(b.date()), 19, "yesterday");
       }},
      {"more pages than are read", [](LookupBench& b) {
         b.listed = {b.item("u-1", "dev: Pump 3")};
         b.envelope = "{\"items\":[LIST],\"total\":1000}";
       }},
      {"no list", [](LookupBench& b) { b.envelope = "[\"LIST\"}"; }},
      {"a page for people", [](LookupBench& b) { b.envelope = "<html>LIST</html>"; }},
      {"the key is refused", [](LookupBench& b) {
         b.api.script = [](const Request&) { return answer(401, "{\"message\":\"invalid token\"}"); };
       }},
      {"the service fails", [](LookupBench& b) { b.api.script = [](const Request&) { return answer(500); }; }},
      {"too many requests", [](LookupBench& b) { b.api.script = [](const Request&) { return answer(429); }; }},
      {"no connection", [](LookupBench& b) { b.api_stream->refuse = Code::refused; }},
      {"no answer", [](LookupBench& b) {
         b.api.script = [](const Request&) {
           Reply reply;
           reply.silent = true;
           return reply;
         };
       }},
  };
  for (const Case& one : cases) {
    check::at("%s", one.what);
    LookupBench b;
    b.lose_answers(1);
    const auto number = b->post(Class::critical, 1, "dev: Pump 3");
    one.list(b);
    CHECK(b->run(seconds(45)));  // never longer than kHold, and what it would have waited
    CHECK(b->state(number) == State::accepted);
    CHECK(has(std::string(b->record(number).uuid), "uuid-"));  // by the answer to its second copy
    CHECK_EQ(total_copies(b.service), 2);
    CHECK(has(b.service.requests[1].messages[0].text, "dev: Pump 3 (repeat)"));
    CHECK_EQ(b->spins, 0);
  }
}

TEST(lookup_goes_through_the_pages) {
  LookupBench b;
  b.lose_answers();
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  b.api.script = [&b](const Request& request) {
    const bool third = has(request.head, "&page=3&");
    return answer(200, "{\"items\":[" + (third ? b.item("u-7", "dev: Pump 3") : b.item("u-1", "x")) + "],\"total\":21}");
  };
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b->record(number).uuid, "u-7");
  CHECK_EQ(b.api.request_count, 3);
}

// A service that drops the repeat of an id says so of the second copy: the first is on the phone.
TEST(lookup_takes_the_copy_that_did_not_come_to_nothing) {
  for (const bool last : {false, true}) {
    LookupBench b;
    b.lose_answers();
    const auto number = b->post(Class::critical, 1, "Pump 3");
    const std::string id = ",\"external_key\":\"" + b->id(number) + "\",\"status\":\"";
    while (b.service.copies[b->id(number)] < 2) CHECK(b->run(seconds(1)));  // nothing was listed
    b.listed = {b.item("u-7", "Pump 3", id + "rejected\""), b.item("u-8", "Pump 3", id + "delivered\"")};
    if (last) std::swap(b.listed[0], b.listed[1]);
    CHECK(b->run(minutes(10)));
    CHECK(b->state(number) == State::delivered);
    CHECK_TEXT(b->record(number).uuid, "u-8");
  }
}

// An earlier message of the same text is not this one.
TEST(lookup_never_takes_the_uuid_of_another_message) {
  LookupBench b;
  const auto before = b->post(Class::critical, 1, "dev: Pump 3");
  CHECK(b->run(seconds(10)));
  CHECK(b->state(before) == State::accepted);
  const std::string uuid(b->record(before).uuid);
  b.lose_answers(2);
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  b.listed = {b.item(uuid, "dev: Pump 3")};
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::accepted);
  CHECK(std::string(b->record(number).uuid) != uuid);
  CHECK_EQ(b.service.copies[b->id(number)], 2);
  CHECK(b.api.request_count >= 1);
}

TEST(lookup_finds_the_text_of_the_repeated_copy_too) {
  LookupBench b;
  b.lose_answers();
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  while (b.service.copies[b->id(number)] < 2) CHECK(b->run(seconds(1)));  // nothing was listed
  b.listed = {b.item("u-7", "dev: Pump 3 (repeat)")};
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b.service.copies[b->id(number)], 2);  // no third one
}

TEST(lookup_of_a_message_that_is_sent_once_only_makes_unknown_accepted) {
  for (const bool hit : {true, false}) {
    check::at("hit=%d", hit);
    LookupBench b;
    b.rules.of[2].on_unknown = OnUnknown::hold;
    b->outbox.configure(b.rules);
    b.lose_answers();
    const auto number = b->post(Class::info, 1, "dev: Pump 3");
    if (hit) b.listed = {b.item("u-7", "dev: Pump 3")};
    CHECK(b->run(seconds(3)));
    CHECK(b->state(number) == State::unknown);
    CHECK(b->run(minutes(10)));
    CHECK(b->state(number) == (hit ? State::accepted : State::unknown));
    if (hit) CHECK_TEXT(b->record(number).uuid, "u-7");
    CHECK_EQ(b->receipts.size(), hit ? 1 : 0);
    CHECK_EQ(total_copies(b.service), 1);
    CHECK_EQ(b.api.request_count, 1);
  }
}

// The power goes between the lost answer and the look.
TEST(lookup_of_what_an_earlier_run_left_in_doubt) {
  LookupBench b;
  b.lose_answers();
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  CHECK(b->run(seconds(2)));
  CHECK(b->state(number) == State::queued);
  CHECK_EQ(b.api.request_count, 0);
  b.boot();
  b.begin();
  b.listed = {b.item("u-7", "dev: Pump 3")};
  CHECK(b->run(minutes(10)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(total_copies(b.service), 1);
}

// A stolen or wrong key, a dead host: no alarm after the first waits for them.
TEST(lookup_that_is_known_to_fail_keeps_nobody_back) {
  LookupBench b;
  b.api.script = [](const Request&) { return answer(401, "{\"message\":\"no such api-key\"}"); };
  b.lose_answers(1);
  b->post(Class::critical, 1, "dev: Pump 3");
  CHECK(b->run(minutes(1)));
  CHECK_EQ(b->told_of_lookup.size(), 1);
  CHECK_TEXT(b->told_of_lookup[0], "401: no such ***");
  CHECK_TEXT(b.lookup->reason(), "401: no such ***");
  b.lose_answers(b.service.request_count + 1);
  const auto number = b->post(Class::critical, 1, "dev: Pump 4");
  CHECK(b->run(seconds(12)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b.api.request_count, 1);  // it was not asked again so soon
}

TEST(lookup_tells_that_a_new_key_is_refused_like_the_one_before) {
  LookupBench b;
  b.settings.replies_every = minutes(1);
  b.open();
  b.api.script = [](const Request&) { return answer(401, "{}"); };
  CHECK(b->run(hours(1)));
  CHECK_EQ(b->told_of_lookup.size(), 1);
  b.settings.token = "also-wrong";
  b.lookup->configure(b.settings);
  b.lookup->resume();
  CHECK(b->run(hours(1)));
  CHECK_EQ(b->told_of_lookup.size(), 2);
  CHECK_TEXT(b->told_of_lookup[1], b.lookup->reason());
}

TEST(lookup_tells_at_once_that_a_new_key_is_refused_where_the_one_before_worked) {
  LookupBench b;
  b.settings.replies_every = minutes(10);
  b.open();
  CHECK(b->run(minutes(1)));
  CHECK_EQ(b.api.request_count, 1);
  b.api.script = [](const Request&) { return answer(401, "{}"); };
  b.settings.token = "wrong-key";
  b.lookup->configure(b.settings);
  b.lookup->resume();
  CHECK(b->run(seconds(5)));
  CHECK_EQ(b.api.request_count, 2);
  CHECK(has(b->told_of_lookup.back(), "401"));
}

TEST(lookup_with_a_new_key_works_again_and_says_so) {
  LookupBench b;
  b.settings.replies_every = minutes(1);
  b.open();
  b.api.script = [&b](const Request& request) {
    return has(request.head, "Authorization: new-key\r\n") ? answer(200, b.body()) : answer(401, "{}");
  };
  CHECK(b->run(seconds(30)));
  CHECK_EQ(b.api.request_count, 1);
  b.settings.token = "new-key";
  b.lookup->configure(b.settings);
  b.lookup->resume();
  CHECK(b->run(seconds(5)));
  CHECK_EQ(b.api.request_count, 2);
  CHECK_EQ(b->told_of_lookup.size(), 2);
  CHECK_TEXT(b->told_of_lookup[1], "works");
  CHECK(b.lookup->reason().empty());
}

// The network goes with the answer, and is back within half a minute: there is one copy.
TEST(lookup_waits_for_a_network_that_comes_back) {
  LookupBench b;
  b.lose_answers();
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  b.api_stream->refuse = Code::refused;
  CHECK(b->run(seconds(10)));
  b.api_stream->refuse = {};
  b.listed = {b.item("u-7", "dev: Pump 3")};
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(total_copies(b.service), 1);
}

// Its first copy came to nothing, and stands in the list by the same id.
TEST(lookup_of_a_message_that_was_asked_for_again_by_hand_is_not_made) {
  LookupBench b;
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  CHECK(b->run(seconds(10)));
  CHECK(b->outbox.receipt(number, Receipt::failed, "undelivered", b->clocks()).ok());
  b.listed = {b.item("u-7", "dev: Pump 3", ",\"external_key\":\"" + b->id(number) + "\"")};
  b.lose_answers(2);
  CHECK(b->outbox.retry(number, b->clocks()).ok());
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::accepted);
  CHECK(std::string(b->record(number).uuid) != "u-7");
  CHECK_EQ(b.api.request_count, 0);
}

// What comes out of the list while the next copy is on its way is too late to stop it: its own answer counts.
TEST(lookup_does_not_touch_a_copy_that_is_under_way) {
  LookupBench b;
  b.service.script = [](const Request& request) {
    Reply reply = accept_all(request);
    reply.after = seconds(14);
    if (request.number == 1) reply.cut_at = 0, reply.end = Reply::End::close;
    return reply;
  };
  const auto number = b->post(Class::critical, 1, "dev: Pump 3");
  b.api.script = [&b](const Request&) {
    Reply reply = answer(200, b.body());
    reply.after = seconds(5);
    return reply;
  };
  b->run(seconds(15));
  CHECK(b->state(number) == State::queued);
  b->outbox.postpone(name_hash("sms"), number, b.clock);  // as `queue retry` does
  b.listed = {b.item("u-7", "dev: Pump 3")};
  CHECK(b->run(minutes(5)));
  CHECK(b->state(number) == State::accepted);
  CHECK(has(std::string(b->record(number).uuid), "uuid-"));
  CHECK_EQ(total_copies(b.service), 2);
}

TEST(lookup_looks_for_nothing_while_all_is_clear) {
  LookupBench b;
  for (unsigned i = 0; i < 5; ++i) b->post(Class::critical, 3, "clear");
  CHECK(b->run(hours(2)));
  CHECK_EQ(b->waiting(), 0);
  CHECK_EQ(b.api.request_count, 0);
}

// ---- answers of people ------------------------------------------------------------------------------------

namespace {

struct ReplyBench : LookupBench {
  ReplyBench() {
    settings.replies_every = minutes(1);
    open();
  }
  std::string reply(const std::string& uuid, const std::string& text, Millis ago = Millis{0}) const {
    return "{\"message_uuid\":\"" + uuid + "\",\"received_at\":\"" + date(ago) + "\",\"source_number\":\"" + kPhone +
           "\",\"text\":\"" + text + "\"}";
  }
};

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += (text.empty() ? "" : ", ") + one.substr(one.find(": ") + 2);
  return text;
}

}  // namespace

TEST(lookup_hands_over_each_answer_once_oldest_first) {
  ReplyBench b;
  b.listed = {b.reply("a-2", "two", seconds(20)), b.reply("a-1", "one", seconds(40))};
  CHECK(b->run(minutes(5)));
  b.listed.push_back(b.reply("a-3", "three"));
  CHECK(b->run(minutes(5)));
  CHECK_TEXT(joined(b->replies), "one, two, three");
  CHECK_TEXT(b->replies[0], "old 447700900100: one");
  CHECK_TEXT(b->replies[2], "447700900100: three");
  CHECK(b.api.request_count >= 9 && b.api.request_count <= 12);
  CHECK(has(b.last_target(), "GET /textpeak/streams/incoming_messages?startDate=2026-"));
  CHECK_EQ(b->spins, 0);
}

TEST(lookup_asks_from_the_newest_answer_on) {
  ReplyBench b;
  CHECK(b->run(seconds(1)));
  const std::string first = b.last_target();
  b.listed = {b.reply("a-1", "one")};
  CHECK(b->run(minutes(3)));
  CHECK(b.last_target() > first);
}

TEST(lookup_leaves_out_answers_without_a_date_or_from_long_ago) {
  ReplyBench b;
  b.listed = {b.reply("a-1", "long ago", hours(2)), b.reply("a-2", "STOP")};
  b.listed[1].replace(b.listed[1].find(b.date()), 19, "someday");
  CHECK(b->run(minutes(5)));
  CHECK_EQ(b->replies.size(), 0);
}

// Whichever end of the list has the oldest.
TEST(lookup_goes_through_pages_of_answers_from_the_oldest_on) {
  for (const bool newest_first : {false, true}) {
    check::at("newest_first=%d", newest_first);
    ReplyBench b;
    std::vector<std::string> all;
    std::string expected;
    for (int i = 0; i < 25; ++i) {
      all.push_back(b.reply("a-" + std::to_string(i), "t" + std::to_string(i), seconds(600 - i)));
      expected += (i > 0 ? ", t" : "t") + std::to_string(i);
    }
    if (newest_first) std::reverse(all.begin(), all.end());
    b.api.script = [&](const Request& request) {
      const std::size_t page = std::stoul(request.head.substr(request.head.find("&page=") + 6));
      b.listed.clear();
      for (std::size_t i = (page - 1) * 10; i < page * 10 && i < all.size(); ++i) b.listed.push_back(all[i]);
      b.envelope = "{\"items\":[LIST],\"total\":25}";
      return answer(200, b.body());
    };
    CHECK(b->run(seconds(30)));
    CHECK_TEXT(joined(b->replies), expected);
    CHECK_EQ(b.api.request_count, newest_first ? 4 : 3);
  }
}

TEST(lookup_that_fails_asks_for_answers_later_and_loses_none) {
  ReplyBench b;
  b.listed = {b.reply("a-1", "one")};
  b.api.script = [&b](const Request& request) { return request.number < 4 ? answer(500) : answer(200, b.body()); };
  CHECK(b->run(minutes(3)));
  CHECK_TEXT(joined(b->replies), "one");
  CHECK_EQ(b->told_of_lookup.size(), 2);  // the trouble, and that it works
}

TEST(lookup_tells_an_answer_again_that_could_not_be_acted_upon) {
  ReplyBench b;
  b->takes_not = "one";
  b.listed = {b.reply("a-2", "two"), b.reply("a-1", "one", seconds(30))};
  CHECK(b->run(minutes(10)));
  CHECK_EQ(b->replies.size(), 0);
  b->takes_not.clear();
  CHECK(b->run(minutes(2)));
  CHECK_TEXT(joined(b->replies), "one, two");
  CHECK_TEXT(b->replies[0], "old 447700900100: one");  // the run before may have acted upon it
}

namespace {

// The service's side of it: those from startDate on, in pages of ten, in either order.
struct ReplyList {
  struct One {
    std::int64_t at;
    std::string item;
  };
  std::vector<One> all;  // oldest first
  bool newest_first = false, says_total = true;
  std::function<void(unsigned page)> before_page;

  Reply page(ReplyBench& b, const Request& request) {
    const auto value = [&](const char* name) {
      const std::size_t at = request.head.find(name) + std::strlen(name);
      return request.head.substr(at, request.head.find_first_of("& ", at) - at);
    };
    const std::size_t page = std::stoul(value("&page="));
    if (before_page) before_page(static_cast<unsigned>(page));
    std::string start = value("startDate=");
    start.replace(start.find("%20"), 3, " ");
    std::vector<std::string> from;
    for (const One& one : all)
      if (one.at >= parse_service_date(start).value().ms) from.push_back(one.item);
    if (newest_first) std::reverse(from.begin(), from.end());
    b.listed.clear();
    for (std::size_t i = (page - 1) * 10; i < page * 10 && i < from.size(); ++i) b.listed.push_back(from[i]);
    b.envelope = says_total ? "{\"items\":[LIST],\"total\":" + std::to_string(from.size()) + "}" : "[LIST]";
    return answer(200, b.body());
  }
  void add(const ReplyBench& b, const std::string& text, Millis ago = Millis{0}) {
    const std::int64_t at = (b.agent->clocks().wall.ms - ago.count) / 1000 * 1000;
    all.push_back({at, b.reply("u-" + text, text, ago)});
  }
  unsigned count(const ReplyBench& b, const std::string& text) const {
    unsigned n = 0;
    for (const std::string& one : b.agent->replies) n += one.substr(one.find(": ") + 2) == text ? 1U : 0U;
    return n;
  }
};

}  // namespace

// Nor is what comes behind it on other pages acted upon before it: that would be all that is asked for from then on.
TEST(lookup_tells_no_later_page_before_an_answer_that_could_not_be_acted_upon) {
  for (const bool newest_first : {false, true}) {
    check::at("newest_first=%d", newest_first);
    ReplyBench b;
    ReplyList list;
    list.newest_first = newest_first;
    std::string expected;
    for (int i = 0; i < 15; ++i) {
      list.add(b, "t" + std::to_string(i), minutes(45 - i));
      expected += (i > 0 ? ", t" : "t") + std::to_string(i);
    }
    b.api.script = [&](const Request& request) { return list.page(b, request); };
    b->takes_not = "t2";
    CHECK(b->run(minutes(5)));
    CHECK_TEXT(joined(b->replies), "t0, t1");
    b->takes_not.clear();
    CHECK(b->run(minutes(3)));
    CHECK_TEXT(joined(b->replies), expected);
  }
}

// Whoever writes 300 texts in a second keeps nobody's answer from being read, and has none of them read twice.
TEST(lookup_reads_what_comes_behind_a_flood_of_answers_and_each_of_them_once) {
  for (const bool newest_first : {false, true})
    for (const unsigned flood : {150U, 300U}) {
      check::at("newest_first=%d flood=%u", newest_first, flood);
      ReplyBench b;
      ReplyList list;
      list.newest_first = newest_first;
      b.api.script = [&](const Request& request) { return list.page(b, request); };
      CHECK(b->run(seconds(10)));
      list.add(b, "before");
      CHECK(b->run(seconds(1)));
      for (unsigned i = 0; i < flood; ++i) list.add(b, "f" + std::to_string(i));
      CHECK(b->run(seconds(2)));
      list.add(b, "ACK");
      CHECK(b->run(minutes(20)));
      CHECK_EQ(list.count(b, "ACK"), 1);
      CHECK_EQ(list.count(b, "before"), 1);
      for (unsigned i = 0; i < flood; ++i) CHECK(list.count(b, "f" + std::to_string(i)) <= 1);
      CHECK_EQ(b->spins, 0);
    }
}

TEST(lookup_reads_an_answer_that_went_to_a_page_that_was_read_already) {
  ReplyBench b;
  ReplyList list;
  list.newest_first = true;
  for (int i = 0; i < 15; ++i) list.add(b, "t" + std::to_string(i), minutes(45 - i));
  bool came = false;
  list.before_page = [&](unsigned page) {
    if (page == 1 && b.api.request_count > 2 && !came) came = true, list.add(b, "new");
  };
  b.api.script = [&](const Request& request) { return list.page(b, request); };
  CHECK(b->run(minutes(5)));
  CHECK(came);
  for (int i = 0; i < 15; ++i) CHECK_EQ(list.count(b, "t" + std::to_string(i)), 1);
  CHECK_EQ(list.count(b, "new"), 1);
}

TEST(lookup_reads_all_answers_of_a_list_that_says_no_total) {
  for (const bool newest_first : {false, true})
    for (const int count : {1, 9, 10, 11, 20, 45, 100, 130, 165, 340}) {
      check::at("newest_first=%d count=%d", newest_first, count);
      ReplyBench b;
      ReplyList list;
      list.says_total = false;
      list.newest_first = newest_first;
      std::string expected;
      for (int i = 0; i < count; ++i) {
        list.add(b, "t" + std::to_string(i), seconds(400 - i));
        expected += (i > 0 ? ", t" : "t") + std::to_string(i);
      }
      b.api.script = [&](const Request& request) { return list.page(b, request); };
      CHECK(b->run(minutes(5)));
      CHECK_TEXT(joined(b->replies), expected);  // each once, oldest first
    }
}

TEST(lookup_of_a_service_that_knows_no_pages_asks_for_few_and_hears_who_answers) {
  for (const bool newest_first : {false, true}) {
    check::at("newest_first=%d", newest_first);
    ReplyBench b;
    b.envelope = "[LIST]";
    const auto add = [&](const std::string& text, Millis ago) {
      b.listed.insert(newest_first ? b.listed.begin() : b.listed.end(), b.reply("u-" + text, text, ago));
    };
    for (int i = 0; i < 10; ++i) add("t" + std::to_string(i), seconds(20 - i));
    CHECK(b->run(minutes(5)));
    CHECK_TEXT(joined(b->replies), "t0, t1, t2, t3, t4, t5, t6, t7, t8, t9");
    CHECK(b.api.request_count <= 6 * 3);
    b.listed.erase(newest_first ? b.listed.end() - 1 : b.listed.begin());
    add("ACK", Millis{0});
    CHECK(b->run(minutes(3)));
    CHECK_EQ(b->replies.size(), 11);
    CHECK_TEXT(b->replies.back(), "447700900100: ACK");
  }
}

// Its first page is the oldest ten, again and again: what is asked for goes on behind them.
TEST(lookup_of_a_service_that_knows_no_pages_hears_more_answers_than_a_page_has) {
  for (const bool says_total : {true, false})
    for (const int count : {11, 15, 25, 45}) {
      check::at("says_total=%d count=%d", says_total, count);
      ReplyBench b;
      ReplyList list;
      list.says_total = says_total;
      std::string expected;
      for (int i = 0; i < count; ++i) {
        list.add(b, "t" + std::to_string(i), seconds(count - i));
        expected += (i > 0 ? ", t" : "t") + std::to_string(i);
      }
      b.api.script = [&](Request request) {
        request.head.replace(request.head.find("&page=") + 6, 1, "1");
        return list.page(b, request);
      };
      CHECK(b->run(minutes(20)));
      CHECK_TEXT(joined(b->replies), expected);
    }
}

TEST(lookup_hands_over_no_answer_that_came_another_way_before) {
  ReplyBench b;
  Webhook reply;
  reply.uuid = "a-1";
  CHECK(!b.lookup->has_heard(reply));
  b.lookup->note_heard(reply);
  CHECK(b.lookup->has_heard(reply));
  b.listed = {b.reply("a-1", "one"), b.reply("a-2", "two")};
  CHECK(b->run(minutes(3)));
  CHECK_TEXT(joined(b->replies), "two");
  reply.uuid = "a-2";
  CHECK(b.lookup->has_heard(reply));
  reply.uuid = {};
  b.lookup->note_heard(reply);
  CHECK(!b.lookup->has_heard(reply));  // nobody knows whether it is the same
}

// Somebody sets the clock a day ahead, and time of the network sets it right.
TEST(lookup_reads_answers_after_a_clock_that_was_ahead_is_set_right) {
  ReplyBench b;
  ReplyList list;
  b.api.script = [&](const Request& request) { return list.page(b, request); };
  b->wall_ahead = hours(24);
  CHECK(b->run(minutes(3)));
  b->wall_ahead = Millis{0};
  list.add(b, "ACK");
  CHECK(b->run(minutes(3)));
  CHECK_EQ(list.count(b, "ACK"), 1);
}

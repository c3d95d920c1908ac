// SPDX-License-Identifier: MIT
// What a stream sends in a day, and what one phone has of it, in segments: alone, and on the way of messages.
#include "tocsin/outbox/segment_budget.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "rules_bench.hpp"

using namespace tocsin;
using fakes::total_copies;
using Use = SegmentBudgets::Use;
using Left = SegmentBudgets::Left;

namespace {

constexpr std::uint32_t kDay_s = 86400;
constexpr std::uint32_t kSms = 7, kChat = 8;

SegmentLimits limits(std::uint16_t per_day, std::uint16_t per_recipient, std::uint8_t reserve = 0,
                     std::uint32_t stream = kSms) {
  return {stream, per_day, per_recipient, reserve, {3, false, Reference::bits8}};
}

SegmentBudgets& budgets_of(const SegmentLimits& one) {
  static SegmentBudgets budgets;
  budgets.configure({&one, 1});
  return budgets;
}

TEST(segments_of_a_day_are_free_again_when_it_is_over) {
  SegmentBudgets& b = budgets_of(limits(5, 0));
  CHECK(b.lets(kSms, 1, Use::normal, 1000));
  CHECK(b.spend(kSms, 1, 3, 1000).stream == Left::some);
  CHECK(b.lets(kSms, 1, Use::normal, 1000));
  CHECK(!b.lets(kSms, 1, Use::normal, 1000, 2));  // beside others
  CHECK(b.spend(kSms, 1, 3, 2000).stream == Left::nothing);  // goes whole
  CHECK_EQ(b.used_of_stream(kSms, 2000), 6);
  for (const std::uint32_t at : {2000U, 1000 + kDay_s - 1}) {
    CHECK(!b.lets(kSms, 1, Use::normal, at));
    CHECK(!b.lets(kSms, 2, Use::critical, at));
    CHECK_EQ(b.free_at_s(kSms, 1, Use::normal, at), 1000 + kDay_s);
    CHECK(b.lets(kChat, 1, Use::normal, at));  // has no limits
    CHECK_EQ(b.free_at_s(kChat, 1, Use::normal, at), at);
  }
  CHECK(b.lets(kSms, 1, Use::normal, 1000 + kDay_s));
  CHECK_EQ(b.used_of_stream(kSms, 1000 + kDay_s), 0);
  CHECK(b.spend(kSms, 1, 1, 5 * kDay_s).stream == Left::some);  // the next day begins with this one
  CHECK(b.spend(kSms, 1, 4, 6 * kDay_s - 1).stream == Left::nothing);
  CHECK_EQ(b.free_at_s(kSms, 1, Use::normal, 6 * kDay_s - 1), 6 * kDay_s);
}

TEST(segments_of_each_stream_are_counted_by_themselves) {
  const SegmentLimits all[] = {limits(0, 0, 0, 6), limits(3, 3), limits(5, 4, 0, kChat)};  // of the first: none
  static SegmentBudgets b;
  b.configure({all, 3});
  CHECK(b.find(6) == nullptr);
  b.spend(kChat, 1, 4, 0);
  CHECK(b.lets(kSms, 1, Use::normal, 0));
  CHECK(!b.lets(kChat, 1, Use::normal, 0));  // of the phone
  CHECK(b.lets(kChat, 2, Use::normal, 0));
  CHECK(b.spend(kChat, 2, 1, 0).stream == Left::nothing);
  CHECK(!b.lets(kChat, 3, Use::normal, 0));
  CHECK_EQ(b.used_of_stream(kSms, 0), 0);
  CHECK_EQ(b.used_of_stream(kChat, 0), 5);
  CHECK(b.lets(6, 1, Use::normal, 0));
}

TEST(segments_that_did_not_leave_are_given_back) {
  SegmentBudgets& b = budgets_of(limits(3, 3));
  b.spend(kSms, 1, 3, 0);
  CHECK(!b.lets(kSms, 1, Use::normal, 0));
  b.give_back(kSms, 1, 3);
  CHECK(b.lets(kSms, 1, Use::normal, 0, 2, 2));
  b.give_back(kSms, 1, 3);  // of a day that is over
  b.give_back(kSms, 9, 3);
  b.give_back(kChat, 1, 3);
  CHECK(!b.lets(kSms, 1, Use::normal, 0, 3));
  b.spend(kSms, 1, 1, 7000);  // and with nothing in it, the day begins anew
  CHECK_EQ(b.day_of_stream_ends_s(kSms), 7000 + kDay_s);
}

TEST(segments_of_a_small_budget_have_a_reserve_too) {
  for (const auto& [limit, percent, normal] : {std::tuple{1, 20, 1U}, {2, 20, 1U}, {2, 90, 1U}, {4, 20, 3U}, {6, 20, 4U}, {4, 0, 4U}}) {
    check::at("limit=%d percent=%d", limit, percent);
    SegmentBudgets& b = budgets_of(limits(static_cast<std::uint16_t>(limit), 0, static_cast<std::uint8_t>(percent)));
    std::uint32_t sent = 0;
    for (; b.lets(kSms, 1, Use::normal, 0); ++sent) b.spend(kSms, 1, 1, 0);
    CHECK_EQ(sent, normal);
    CHECK_EQ(b.lets(kSms, 1, Use::critical, 0), normal < static_cast<unsigned>(limit));
  }
}

TEST(segments_of_the_reserve_are_for_critical_messages) {
  SegmentBudgets& b = budgets_of(limits(10, 5, 20));
  CHECK(b.spend(kSms, 1, 3, 0).recipient == Left::some);
  auto reached = b.spend(kSms, 1, 1, 0);
  CHECK(reached.stream == Left::some && reached.recipient == Left::reserve);
  CHECK(!b.lets(kSms, 1, Use::normal, 0));
  CHECK(b.lets(kSms, 1, Use::critical, 0));
  CHECK(b.lets(kSms, 2, Use::normal, 0));
  reached = b.spend(kSms, 1, 1, 0);
  CHECK(reached.stream == Left::some && reached.recipient == Left::nothing);
  CHECK(!b.lets(kSms, 1, Use::critical, 0));
  reached = b.spend(kSms, 2, 3, 0);
  CHECK(reached.stream == Left::reserve && reached.recipient == Left::some);
  CHECK(!b.lets(kSms, 3, Use::normal, 0));
  CHECK(b.lets(kSms, 3, Use::critical, 0));
  reached = b.spend(kSms, 3, 1, 0);
  CHECK(reached.stream == Left::some);  // told already
  reached = b.spend(kSms, 3, 1, 0);
  CHECK(reached.stream == Left::nothing && reached.recipient == Left::some);
  CHECK(!b.lets(kSms, 3, Use::critical, 0));
  CHECK_EQ(b.free_at_s(kSms, 1, Use::critical, 0), kDay_s);
}

// Each of more phones than are known: what is known of one is never more than what it had.
TEST(segments_of_more_phones_than_are_known_are_never_counted_to_another_one) {
  SegmentBudgets& b = budgets_of(limits(0, 1000));
  std::map<std::uint32_t, std::uint32_t> had;
  std::uint32_t noise = 1, known = 0;
  for (unsigned n = 0; n < 100'000; ++n) {
    noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
    const std::uint32_t phone = phone_hash(noise % 500 + 1);
    b.spend(kSms, phone, 1 + noise % 3, n);
    had[phone] += 1 + noise % 3;
    const auto* one = b.find_recipient(kSms, phone);
    CHECK(one != nullptr);
    CHECK(one->day.used <= had[phone]);
  }
  for (const SegmentBudgets::Recipient& one : b.recipients()) known += one.phone != 0 ? 1U : 0U;
  CHECK(known > 200);
  CHECK_EQ(b.recipients().size(), 256);
  // Those who had much are not forgotten for those who had little.
  b.configure(Span<const SegmentLimits>{});
  SegmentBudgets& c = budgets_of(limits(0, 1000));
  for (std::uint32_t phone = 32; phone < 32 + 7 * 32; phone += 32) c.spend(kSms, phone, 10, 0);
  for (std::uint32_t phone = 10'016; phone < 20'000; phone += 32) c.spend(kSms, phone, 1, 0);
  for (std::uint32_t phone = 32; phone < 32 + 7 * 32; phone += 32) CHECK_EQ(c.find_recipient(kSms, phone)->day.used, 10);
}

TEST(segments_spent_before_count_in_the_day_of_the_first_of_them) {
  SegmentBudgets& b = budgets_of(limits(10, 0));
  b.spent_before(kSms, 1, 2, 50'000, 100'000);
  b.spent_before(kSms, 1, 3, 20'000, 100'000);
  b.spent_before(kSms, 2, 4, 90'000, 100'000);
  b.spent_before(kSms, 2, 4, 13'000, 100'000);  // a day ago
  CHECK_EQ(b.used_of_stream(kSms, 100'000), 9);
  CHECK_EQ(b.day_of_stream_ends_s(kSms), 20'000 + kDay_s);
}

TEST(segments_spent_in_memory_count_in_the_files_as_well) {
  static SegmentBudgets memory;
  memory.configure(Span<const SegmentLimits>{});
  const SegmentLimits one = limits(10, 10);
  memory.configure({&one, 1});
  memory.spend(kSms, 1, 3, 500);
  memory.spend(kSms, 2, 2, 900);
  SegmentBudgets& b = budgets_of(limits(10, 10));
  b.spend(kSms, 1, 1, 7'000'000 - 100);
  b.add(memory, 1000, 7'000'000);  // of other time: they are 500 and 100 s old
  CHECK_EQ(b.used_of_stream(kSms, 7'000'000), 6);
  CHECK_EQ(b.day_of_stream_ends_s(kSms), 7'000'000 - 500 + kDay_s);
  CHECK_EQ(b.find_recipient(kSms, 1)->day.used, 4);
  CHECK_EQ(b.find_recipient(kSms, 2)->day.used, 2);
  SegmentBudgets& later = budgets_of(limits(10, 10));
  later.add(memory, 500 + kDay_s, 7'000'000);  // that day is over
  CHECK_EQ(later.used_of_stream(kSms, 7'000'000), 0);
  CHECK_EQ(later.find_recipient(kSms, 2)->day.used, 2);  // this one's is not
}

// ---- on the way of messages -------------------------------------------------------------------------------

struct Bench : fakes::RulesBench {
  SegmentLimits of_sms = {name_hash("sms"), 0, 0, 0, {0, false, Reference::bits8}};
  void begin() {
    agent->segments = &of_sms;
    agent->settings.sms = of_sms.sms;
    fakes::RulesBench::begin();
    agent->stream.refuse = {};
    agent->sender.resume();
  }
  void cut_power() {
    cut_to_new_clock();
    begin();
  }
};

TEST(segments_budget_of_a_stream_holds_the_others_until_its_day_is_over) {
  Bench b;
  b.of_sms.per_day = 7;
  b.begin();
  for (unsigned i = 0; i < 6; ++i) CHECK(b->post(Class::warning, 1, std::string(200, 'x')) != 0);  // two segments each
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 4);  // the fourth uses up what is left, and goes whole
  CHECK_EQ(b->segments_said.size(), 1);
  CHECK_TEXT(b->segments_said[0], "stream, nothing left");
  CHECK(b->run(hours(23)));
  CHECK_EQ(total_copies(b.service), 4);
  CHECK(b->run(hours(1)));
  CHECK_EQ(total_copies(b.service), 6);
  CHECK_EQ(b->spins, 0);
  CHECK_EQ(b->segments_said.size(), 1);
}

TEST(segments_budget_of_a_phone_holds_what_goes_to_it_and_nothing_else) {
  Bench b;
  b.of_sms.per_recipient = 2;
  b.begin();
  for (unsigned i = 0; i < 5; ++i) CHECK(b->post_to(Class::critical, "447700900111", "x") != 0);
  for (unsigned i = 0; i < 2; ++i) CHECK(b->post_to(Class::info, "447700900222", "y") != 0);
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 4);
  CHECK_EQ(b->segments_said.size(), 2);
  CHECK_TEXT(b->segments_said[0], "recipient, nothing left");
  CHECK(b->run(hours(24)));
  CHECK_EQ(total_copies(b.service), 6);
  CHECK(b->run(hours(24)));
  CHECK_EQ(total_copies(b.service), 7);
  CHECK_EQ(b->spins, 0);
}

TEST(segments_reserve_lets_critical_messages_through_and_expiry_goes_on) {
  Bench b;
  b.of(Class::info).expire = hours(2);
  b.of_sms.per_day = 10;
  b.of_sms.reserve = 20;
  b.begin();
  std::uint32_t last = 0;
  for (unsigned i = 0; i < 12; ++i) last = b->post(Class::info, 1, "i");
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 8);
  CHECK_TEXT(b->segments_said[0], "stream, the reserve left");
  CHECK(b->post(Class::critical, 3, "c") != 0);
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 10);
  CHECK_TEXT(b->segments_said[1], "stream, nothing left");
  CHECK(b->run(hours(3)));
  CHECK(b->state(last) == State::expired);
  CHECK(fakes::has(b.reason(last), "its budget was spent"));
  CHECK_EQ(b.count(State::expired), 4);
  CHECK(b->run(hours(24)));
  CHECK_EQ(total_copies(b.service), 11);
}

TEST(segments_that_came_to_nothing_cost_no_budget_and_copies_do) {
  for (const unsigned status : {503U, 500U}) {
    check::at("status=%u", status);
    Bench b;
    b.of_sms.per_recipient = 4;
    b.begin();
    b.service.script = [status](const fakes::Request& r) {
      if (r.number > 2) return fakes::accept_all(r);
      return status == 503 ? fakes::answer(503, "", "Retry-After: 60\r\n") : fakes::accept_but(r, fakes::answer(500));
    };
    CHECK(b->post(Class::warning, 1, std::string(200, 'x')) != 0);
    CHECK(b->run(hours(3)));
    CHECK(b->post(Class::warning, 1, std::string(200, 'y')) != 0);
    CHECK(b->run(hours(3)));
    CHECK_EQ(total_copies(b.service), 2);  // 503: both; 500: the first one twice
  }
}

TEST(segments_that_were_spent_before_a_power_cut_are_known_behind_it) {
  Bench b;
  b.of_sms.per_day = 5;
  b.of_sms.per_recipient = 4;
  b.begin();
  for (unsigned i = 0; i < 4; ++i) CHECK(b->post_to(Class::warning, "447700900111", std::string(200, 'x')) != 0);
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 2);
  for (unsigned i = 0; i < 3; ++i) {
    b.cut_power();
    if (i == 0) CHECK(b->post_to(Class::warning, "447700900222", std::string(200, 'y')) != 0);
    CHECK(b->run(hours(2)));
    CHECK_EQ(total_copies(b.service), 3);  // to the other phone, what was left of the stream's
  }
  CHECK(b->run(hours(24)));
  CHECK_EQ(total_copies(b.service), 5);
}

TEST(segments_of_a_message_that_waited_for_a_start_are_counted_once) {
  Bench b;
  b.of_sms.per_day = 6;
  b.begin();
  b->stream.refuse = Code::io;
  for (unsigned i = 0; i < 4; ++i) CHECK(b->post(Class::warning, 1, "x") != 0);
  CHECK(b->run(minutes(1)));
  CHECK_EQ(total_copies(b.service), 0);
  b.cut_power();
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 4);
  b.cut_power();
  for (unsigned i = 0; i < 4; ++i) CHECK(b->post(Class::warning, 1, "y") != 0);
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 6);
}

TEST(segments_are_those_of_the_text_as_it_is_sent) {
  Bench b;
  b.of_sms.per_day = 6;
  b.of_sms.sms = {2, true, Reference::bits8};
  b.begin();
  for (unsigned i = 0; i < 2; ++i) CHECK(b->post(Class::warning, 1, "85 °C " + std::string(120, 'x')) != 0);  // one segment
  for (unsigned i = 0; i < 4; ++i) CHECK(b->post(Class::warning, 1, std::string(900, 'x')) != 0);  // two of six
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 4);
}

// Many wait for a budget: the loop sleeps, and no text is read again and again.
TEST(segments_thousand_messages_wait_for_the_budget_of_one_phone_and_others_go_on) {
  Bench b;
  b.disk = fakes::Disk(200);
  b.boots = 0;
  b.boot();
  b.of_sms.per_recipient = 1;
  b.begin();
  for (unsigned i = 0; i < 1000; ++i) {
    CHECK(b->post_to(Class::critical, "447700900111", "x") != 0);
    if (i % 100 == 0) CHECK(b->run(milliseconds(10)));
  }
  CHECK(b->run(minutes(1)));
  const unsigned polls = b->polls;
  CHECK(b->run(hours(10)));
  CHECK(b->polls - polls < 100);
  CHECK(b->post_to(Class::info, "447700900222", "y") != 0);
  CHECK(b->run(minutes(1)));
  CHECK_EQ(total_copies(b.service), 2);
  CHECK_EQ(b->spins, 0);
}

}  // namespace

// SPDX-License-Identifier: MIT
#include "src/program/answerers.hpp"

#include "check.hpp"

using namespace tocsin;

namespace {

using Wrong = Answerers::Wrong;
using Reply = Answerers::Reply;

Phone phone(unsigned number) {
  char text[16];
  TextWriter digits(text);
  Phone made;
  made.assign_cut(digits.text("4477009001").number(10 + number).view());
  return made;
}

AlarmCode code(unsigned number) { return alarm_code(1, number); }

}  // namespace

TEST(answerers_ignore_a_phone_after_its_wrong_codes_until_its_hour_is_over) {
  Answerers at;
  const Instant begin{5'000};
  Instant now = begin;
  for (unsigned n = 1; n <= Answerers::kWrongOfOne; ++n) {
    CHECK(!at.is_ignored(phone(0), now));
    CHECK(at.wrong(phone(0), code(n), now) == (n < Answerers::kWrongOfOne ? Wrong::counted : Wrong::last_of_phone));
    now = now + minutes(1);
  }
  CHECK(at.is_ignored(phone(0), Instant{(begin + Answerers::kWindow).ms - 1}));
  CHECK(!at.is_ignored(phone(1), now));
  CHECK(!at.is_ignored(phone(0), begin + Answerers::kWindow));
  CHECK(at.wrong(phone(0), code(9), begin + Answerers::kWindow) == Wrong::counted);  // an hour of its own
  CHECK(!at.is_ignored(phone(0), begin + Answerers::kWindow));
}

// Who brings it again because nobody answered guesses nothing.
TEST(answerers_count_the_same_wrong_code_once) {
  Answerers at;
  const Instant now{5'000};
  CHECK(at.wrong(phone(0), code(1), now) == Wrong::counted);
  for (unsigned n = 0; n < 100; ++n) CHECK(at.wrong(phone(0), code(1), now) == Wrong::told_before);
  CHECK(!at.is_ignored(phone(0), now));
  CHECK(at.wrong(phone(1), code(1), now) == Wrong::counted);
}

// However many phones a forger writes as his: with what he may guess of one, one after the other.
TEST(answerers_take_no_codes_after_the_wrong_ones_of_all_phones) {
  Answerers at;
  const Instant now{5'000};
  for (unsigned n = 1; n <= Answerers::kWrongOfAll; ++n) {
    CHECK(at.takes_codes(now));
    CHECK(at.wrong(phone(n), code(n), now) == (n < Answerers::kWrongOfAll ? Wrong::counted : Wrong::last_of_all));
  }
  CHECK(!at.takes_codes(Instant{(now + Answerers::kWindow).ms - 1}));
  CHECK(at.takes_codes(now + Answerers::kWindow));
}

TEST(answerers_tell_that_no_code_is_taken_also_when_a_phone_has_its_last_with_it) {
  Answerers at;
  const Instant now{5'000};
  Wrong last = Wrong::counted;
  for (unsigned n = 0; n < Answerers::kWrongOfAll; ++n)
    last = at.wrong(phone(n / Answerers::kWrongOfOne), code(n + 1), now);
  CHECK(last == Wrong::last_of_all);
  CHECK(at.is_ignored(phone((Answerers::kWrongOfAll - 1) / Answerers::kWrongOfOne), now));
}

// The codes of other devices are no guesses, but a guess looks like one of them.
TEST(answerers_take_codes_of_a_list_until_too_many_are_wrong) {
  using Code = Answerers::Code;
  Answerers at;
  const Instant now{5'000};
  for (unsigned n = 1; n < Answerers::kWrongListed; ++n) CHECK(!at.takes_listed(Code::wrong, now));
  CHECK(at.takes_listed(Code::right, now));
  CHECK(!at.takes_listed(Code::wrong, now));
  CHECK(!at.takes_listed(Code::right, now));
  CHECK(!at.takes_listed(Code::right, Instant{(now + Answerers::kWindow).ms - 1}));
  CHECK(at.takes_listed(Code::right, now + Answerers::kWindow));
  CHECK(at.takes_codes(now));  // of webhooks, which are for this device alone
}

TEST(answerers_let_a_phone_have_one_reply_a_minute) {
  Answerers at;
  const Instant now{5'000};
  CHECK(at.may_reply(phone(0), Reply::by_the_way, now));
  CHECK(!at.may_reply(phone(0), Reply::by_the_way, now));
  CHECK(at.may_reply(phone(1), Reply::by_the_way, now));
  CHECK(!at.may_reply(phone(0), Reply::by_the_way, Instant{(now + Answerers::kReplyEvery).ms - 1}));
  CHECK(at.wake() == kNever);
  CHECK(at.may_reply(phone(0), Reply::by_the_way, now + Answerers::kReplyEvery));
}

// A STOP behind a STATUS was noted, and nobody was told.
TEST(answerers_have_a_reply_that_is_due_wait_for_its_minute_and_tell_one_for_all) {
  Answerers at;
  const Instant now{5'000}, then = now + Answerers::kReplyEvery;
  CHECK(at.may_reply(phone(0), Reply::due, now));
  for (const Reply reply : {Reply::due, Reply::by_the_way, Reply::due}) CHECK(!at.may_reply(phone(0), reply, now));
  CHECK(at.wake() == then);
  CHECK(at.next_waiting(Instant{then.ms - 1}).empty());
  CHECK_TEXT(at.next_waiting(then).view(), phone(0).view());
  CHECK(at.next_waiting(then).empty());
  CHECK(at.wake() == kNever);
  CHECK(!at.may_reply(phone(0), Reply::due, then));  // that was a reply
  // One that may go says what the waiting one would have said.
  CHECK(at.may_reply(phone(0), Reply::by_the_way, then + Answerers::kReplyEvery));
  CHECK(at.wake() == kNever);
}

TEST(answerers_forget_nobody_who_waits_while_another_one_does_not) {
  Answerers at;
  Instant now{5'000};
  CHECK(at.may_reply(phone(0), Reply::due, now));
  CHECK(!at.may_reply(phone(0), Reply::due, now));
  for (unsigned n = 1; n < 3 * Answerers::kMost; ++n) CHECK(at.may_reply(phone(n), Reply::due, now = now + seconds(1)));
  CHECK_TEXT(at.next_waiting(now + Answerers::kReplyEvery).view(), phone(0).view());
}

TEST(answerers_forget_who_was_heard_longest_ago) {
  Answerers at;
  Instant now{5'000};
  for (unsigned n = 0; n < Answerers::kMost; ++n, now = now + seconds(1)) CHECK(at.may_reply(phone(n), Reply::due, now));
  CHECK(!at.is_ignored(phone(0), now));  // heard again
  CHECK(at.may_reply(phone(50), Reply::due, now));
  CHECK(!at.may_reply(phone(0), Reply::due, now));
  CHECK(at.may_reply(phone(1), Reply::due, now));
}

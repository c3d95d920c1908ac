// SPDX-License-Identifier: MIT
#include "src/program/self_alarms.hpp"

#include <string>

#include "check.hpp"

using namespace tocsin;

namespace {

std::string words(const SelfAlarms& self, SelfKind kind) {
  char memory[300];
  TextWriter into(memory);
  self.write(kind, into);
  return std::string(into.view());
}

}  // namespace

TEST(self_alarms_of_nothing_are_none) {
  const SelfAlarms self;
  CHECK(self.next(Instant{0}).code() == Code::empty);
  CHECK(self.wake() == kNever);
}

TEST(self_alarms_tell_at_once_then_once_an_hour_what_happened_meanwhile) {
  SelfAlarms self;
  Instant now{1'000};
  self.note(SelfKind::given_up, {});
  CHECK(self.wake() <= now);
  CHECK(self.next(now).value() == SelfKind::given_up);
  CHECK_TEXT(words(self, SelfKind::given_up), "1 message given up, the queue was full");
  self.told(SelfKind::given_up, now);
  CHECK(self.next(now).code() == Code::empty);
  CHECK(self.wake() == kNever);
  for (unsigned i = 0; i < 3; ++i) self.note(SelfKind::given_up, {});
  CHECK(self.wake() == now + hours(1));
  CHECK(self.next(Instant{self.wake().ms - 1}).code() == Code::empty);
  now = self.wake();
  CHECK(self.next(now).value() == SelfKind::given_up);
  CHECK_TEXT(words(self, SelfKind::given_up), "3 messages given up, the queue was full");
}

TEST(self_alarms_of_one_kind_do_not_wait_for_another) {
  SelfAlarms self;
  for (std::size_t i = 0; i < kSelfKinds; ++i) {
    const auto kind = static_cast<SelfKind>(i);
    self.note(kind, "stream sms");
    CHECK(self.next(Instant{5}).value() == kind);
    self.told(kind, Instant{5});
  }
  CHECK(self.next(Instant{5}).code() == Code::empty);
}

TEST(self_alarms_without_room_are_kept_and_tried_again_after_a_minute) {
  SelfAlarms self;
  const Instant now{5'000};
  self.note(SelfKind::damage, "2 records are lost");
  self.not_told(now);
  CHECK(self.next(now).code() == Code::empty);
  CHECK(self.wake() == now + minutes(1));
  CHECK(self.next(now + minutes(1)).value() == SelfKind::damage);
  CHECK_TEXT(words(self, SelfKind::damage), "the queue was damaged: 2 records are lost");
}

TEST(self_alarms_of_a_run_that_knows_no_other_wait_a_minute) {
  // A daemon without a state that was started again and again sent a message each time.
  SelfAlarms self;
  const Instant start{5'000}, end = start + minutes(1);
  self.keep_quiet(start + SelfAlarms::kQuiet);
  CHECK(self.wake() == kNever);
  self.note(SelfKind::medium, "it cannot be used");
  self.note(SelfKind::held, "stream sms");
  self.try_again();
  CHECK(self.is_quiet(Instant{end.ms - 1}) && !self.is_quiet(end));
  CHECK(self.next(Instant{end.ms - 1}).code() == Code::empty);
  CHECK(self.wake() == end);
  CHECK(self.next(end).value() == SelfKind::medium);
  self.told(SelfKind::medium, end);
  CHECK(self.next(end).value() == SelfKind::held);
}

TEST(self_alarms_take_back_what_has_passed_before_it_was_told) {
  SelfAlarms self;
  self.keep_quiet(Instant{60'000});
  self.note(SelfKind::medium, "it cannot be used");
  self.take_back(SelfKind::medium);
  CHECK(self.wake() == kNever);
  CHECK(self.next(Instant{60'000}).code() == Code::empty);
  self.note(SelfKind::medium, "it fails");
  CHECK_TEXT(words(self, SelfKind::medium), "the medium is in trouble: it fails");
}

TEST(self_alarms_told_by_an_earlier_run_wait_for_the_rest_of_its_hour) {
  SelfAlarms self;
  self.told_before(SelfKind::damage, Instant{70'000});
  self.note(SelfKind::damage, "1 records are lost");
  CHECK(self.next(Instant{69'999}).code() == Code::empty);
  CHECK(self.wake() == Instant{70'000});
  CHECK(self.next(Instant{70'000}).ok());
}

TEST(self_alarms_say_what_it_is_and_how_often) {
  SelfAlarms self;
  const auto say = [&](SelfKind kind, const char* what, unsigned times) {
    for (unsigned i = 0; i < times; ++i) self.note(kind, what);
    const std::string said = words(self, kind);
    CHECK(said.find(std::string(SelfAlarms::phrase(kind))) != std::string::npos);
    self.told(kind, Instant{0});
    return said;
  };
  CHECK_TEXT(say(SelfKind::medium, "it does not answer", 1), "the medium is in trouble: it does not answer");
  CHECK_TEXT(say(SelfKind::works, "", 4), "the medium works again (4 times)");
  CHECK_TEXT(say(SelfKind::unknown, "timed out", 1), "1 message may not have arrived: timed out");
  CHECK_TEXT(say(SelfKind::failed, "barred", 2), "2 messages will not be sent: barred");
  CHECK_TEXT(say(SelfKind::undelivered, "expired", 1), "1 message not delivered: expired");
  CHECK_TEXT(say(SelfKind::budget_info, "", 1), "class info has sent as many messages as it may");
  CHECK_TEXT(say(SelfKind::held, "stream sms", 2), "stream sms is held (2 times)");
  CHECK_TEXT(say(SelfKind::failed, "a\nb\tc\x7f", 1), "1 message will not be sent: a b c ");
  const std::string cut = say(SelfKind::failed, (std::string(119, 'x') + "\u20ac").c_str(), 1);
  CHECK(is_utf8(cut) && cut.size() < 160);
}

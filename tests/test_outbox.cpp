// SPDX-License-Identifier: MIT
// The rules of the outbox without a sender: what is accepted, what may be sent when, and what each outcome
// makes of a message, in this run and the next.
#include "sender_bench.hpp"

using namespace tocsin;
using fakes::Agent;

namespace {

struct Bench : fakes::Bench {
  std::uint32_t numbers[64];

  Bench() { begin(); }
  void begin() {
    start();
    settle();
  }
  // A power cut, then the next start.
  void cut_power() {
    boot();
    begin();
  }
  void settle() {
    for (int i = 0; i < 10 && !agent->queue.idle(); ++i) agent->queue.poll(clock);
  }
  std::uint32_t post(Class cls = Class::critical, unsigned phones = 1) {
    const auto first = agent->post(cls, phones, "text");
    CHECK(first != 0);
    settle();
    return first;
  }
  std::size_t pick(std::size_t most = 64) {
    return agent->outbox.pick(name_hash("sms"), clock, Outbox::After::others, Span<std::uint32_t>{numbers, most});
  }
  // The ticket of the record that has to precede it, 0: none.
  Queue::Ticket sending(std::uint32_t number) {
    const auto ticket = agent->outbox.sending(name_hash("sms"), number, agent->clocks());
    CHECK_OK(ticket);
    settle();
    return ticket.value();
  }
  void unknown(std::uint32_t number, Instant due = Instant{0}) {
    agent->outbox.outcome_unknown(number, due, "who knows", agent->clocks());
    settle();
  }
  void not_sent(std::uint32_t number, Instant due = Instant{0}) {
    agent->outbox.not_sent(number, due, agent->clocks());
    settle();
  }
};

Result<Queue::Pushed> post_text(Bench& b, std::string_view text) {
  Phone phone;
  phone.assign_cut("447700900100");
  Event event;
  event.stream = "sms";
  event.text = text;
  event.phones = Span<const Phone>{&phone, 1};
  return b->outbox.post(event, "dev", b->clocks());
}

}  // namespace

TEST(outbox_texts_that_cannot_be_sent_are_refused_and_change_nothing) {
  Bench b;
  for (const char* text : {"", "\x01", "tab\there", "cr\r\n", "\x7f", "\xff", "\xc3", "\xed\xa0\x80"}) {
    check::at("text=%zu", std::strlen(text));
    CHECK_CODE(post_text(b, text), Code::bad_value);
  }
  CHECK_CODE(post_text(b, std::string(kMaxText + 1, 'x')), Code::too_big);
  CHECK_EQ(Agent::index().size(), 0);
  CHECK(b->queue.idle());
  CHECK_OK(post_text(b, "two\nlines"));
  CHECK_OK(post_text(b, "\xe2\x82\xac \xf0\x9f\x94\x94"));
  CHECK_OK(post_text(b, std::string(kMaxText, 'x')));
}

TEST(outbox_event_without_phones_needs_no_text) {
  Bench b;
  Event event;
  event.alarm = "pump";
  event.transition = Transition::raised;
  CHECK_OK(b->outbox.post(event, "dev", b->clocks()));
  CHECK_EQ(b.pick(), 0);
}

TEST(outbox_pick_goes_by_class_then_age_and_stops_when_full) {
  Bench b;
  const auto info = b.post(Class::info), warning = b.post(Class::warning),
             critical = b.post(Class::critical, 2);
  CHECK_EQ(b.pick(), 4);
  CHECK_EQ(b.numbers[0], critical);
  CHECK_EQ(b.numbers[1], critical + 1);
  CHECK_EQ(b.numbers[2], warning);
  CHECK_EQ(b.numbers[3], info);
  CHECK_EQ(b.pick(3), 3);
  CHECK_EQ(b.pick(0), 0);
}

TEST(outbox_what_the_device_says_about_itself_goes_behind_the_others_of_its_class) {
  Bench b;
  Phone phone;
  phone.assign_cut("447700900123");
  Event event;
  event.stream = "sms";
  event.text = "about itself";
  event.phones = Span<const Phone>{&phone, 1};
  const auto post = [&](Class cls, std::string_view alarm) {
    event.cls = cls;
    event.alarm = alarm;
    const auto pushed = b.agent->outbox.post(event, "dev", b.agent->clocks());
    CHECK_OK(pushed);
    CHECK(b.agent->run(seconds(0)));
    return pushed.value().first_number;
  };
  b.agent->sender.hold_until_resumed("to look at what would be picked");
  const auto own_info = post(Class::info, kSelfAlarm), own = post(Class::warning, kSelfAlarm),
             own2 = post(Class::warning, kSelfAlarm), first = post(Class::warning, ""),
             second = post(Class::warning, "pump"), critical = post(Class::critical, "pump");
  CHECK_EQ(b.pick(), 6);
  const std::uint32_t wanted[] = {critical, first, second, own, own2, own_info};
  for (std::size_t i = 0; i < 6; ++i) CHECK_EQ(b.numbers[i], wanted[i]);
  CHECK_EQ(b.pick(3), 3);
  CHECK_EQ(b.numbers[2], second);
}

TEST(outbox_message_is_not_picked_before_it_is_on_the_medium) {
  Bench b;
  b->even.hangs = b->odd.hangs = true;
  const auto number = b->post(Class::critical, 1, "x");
  b->queue.poll(b.clock);
  CHECK_EQ(b.pick(), 0);
  CHECK(b->outbox.next_due(name_hash("sms"), b.clock) == kNever);
  CHECK(b->outbox.waiting(name_hash("sms")));
  b.clock = b.clock + milliseconds(1999);
  CHECK_EQ(b.pick(), 0);
  b.clock = b.clock + milliseconds(1);
  CHECK_EQ(b.pick(), 1);  // from memory
  CHECK_EQ(b.numbers[0], number);
}

TEST(outbox_message_that_needs_a_record_is_not_picked_from_a_hung_medium) {
  Bench b;
  const auto old = b.post();
  b.sending(old);
  b.unknown(old);
  const auto info = b.post(Class::info), fresh = b.post();
  b->even.hangs = b->odd.hangs = true;
  b->post(Class::critical, 1, "keeps the medium busy");
  b->queue.poll(b.clock);
  CHECK_EQ(b.pick(), 3);
  b.clock = b.clock + seconds(2);
  CHECK_EQ(b.pick(), 2);
  CHECK_EQ(b.numbers[0], fresh);
  static_cast<void>(info);
}

TEST(outbox_next_due_is_the_earliest_of_the_stream) {
  Bench b;
  CHECK(b->outbox.next_due(name_hash("sms"), b.clock) == kNever);
  CHECK(!b->outbox.waiting(name_hash("sms")));
  const auto first = b.post(), second = b.post();
  b.sending(first), b.sending(second);
  b.not_sent(first, b.clock + seconds(9));
  b.not_sent(second, b.clock + seconds(5));
  CHECK_EQ(b.pick(), 0);
  CHECK_EQ(b->outbox.next_due(name_hash("sms"), b.clock).ms, b.clock.ms + 5000);
  CHECK(b->outbox.next_due(name_hash("other"), b.clock) == kNever);
  b.clock = b.clock + seconds(5);
  CHECK_EQ(b.pick(), 1);
  CHECK_EQ(b->outbox.next_due(name_hash("sms"), b.clock).ms, b.clock.ms);
}

TEST(outbox_first_sending_of_a_run_has_no_record_and_every_other_has) {
  Bench b;
  const auto critical = b.post(), info = b.post(Class::info);
  CHECK_EQ(b.sending(critical), 0);
  CHECK(b.sending(info) != 0);
  b.unknown(critical);
  CHECK(b.sending(critical) != 0);
  b.not_sent(info);
  CHECK(b.sending(info) != 0);
}

TEST(outbox_unknown_outcomes_use_up_three_sendings_or_one) {
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    check::at("class=%u", static_cast<unsigned>(cls));
    Bench b;
    const auto number = b.post(cls);
    const unsigned most = cls == Class::info ? 1 : 3;
    for (unsigned i = 1; i <= most; ++i) {
      CHECK_EQ(b.pick(), 1);
      alignas(8) std::uint8_t scratch[kBlock];
      CHECK_EQ(b->outbox.read(number, scratch).value().repeat, i > 1);
      b.sending(number);
      CHECK_EQ(b->sends(number), i);
      b.unknown(number);
    }
    CHECK_EQ(b.pick(), 0);
    CHECK(b->state(number) == State::unknown);
    CHECK_EQ(b->over.size(), 1);
    CHECK_TEXT(b->over[0].reason, "who knows");
    CHECK_TEXT(b->over[0].id, b->id(number));
    CHECK_EQ(b->record(number).attempts, most);
  }
}

TEST(outbox_sending_that_came_to_nothing_is_not_counted_in_any_run) {
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    check::at("class=%u", static_cast<unsigned>(cls));
    Bench b;
    const auto number = b.post(cls);
    for (unsigned i = 0; i < 30; ++i) {
      CHECK_EQ(b.pick(), 1);
      b.sending(number);
      b.not_sent(number);
      if (i % 3 == 2) b.cut_power();
    }
    CHECK(b->state(number) == State::queued);
    CHECK_EQ(b->sends(number),
             cls == Class::info ? 0 : 1);  // 1: the first run may have sent it without a record
    CHECK_EQ(b.pick(), 1);
  }
}

TEST(outbox_message_found_by_a_later_run_counts_as_sent_once_unless_its_class_keeps_record) {
  Bench b;
  const auto critical = b.post(), info = b.post(Class::info);
  b.cut_power();
  CHECK_EQ(b->sends(critical), 1);
  CHECK_EQ(b->sends(info), 0);
  b.sending(critical), b.sending(info);
  b.cut_power();  // in the middle of the request
  CHECK_EQ(b->sends(critical), 2);
  CHECK(b->state(info) == State::unknown);
  CHECK_TEXT(head(b->record(info).reason, 18), "the device stopped");
  b.sending(critical);
  b.cut_power();
  CHECK(b->state(critical) == State::unknown);
  CHECK_EQ(b->over.size(), 1);
}

TEST(outbox_message_held_alone_waits_keeps_its_reason_and_is_not_counted) {
  Bench b;
  const auto number = b.post();
  for (unsigned i = 0; i < 300; ++i) {
    b.sending(number);
    b->outbox.held_alone(number, b.clock + hours(1), "422: bad sign", b->clocks());
    b.settle();
    CHECK_EQ(b.pick(), 0);
    CHECK_TEXT(b->record(number).reason, "422: bad sign");
    if (i % 50 == 49) b.cut_power();
    b.clock = b.clock + hours(1);
    CHECK_EQ(b.pick(), 1);
  }
}

TEST(outbox_accepted_and_refused_end_on_record_with_words) {
  Bench b;
  const auto yes = b.post(), no = b.post();
  b.sending(yes), b.sending(no);
  b->outbox.accepted(yes, "a-uuid", "", b->clocks());
  b->outbox.refused(no, "no such number", b->clocks());
  b.settle();
  b.cut_power();
  CHECK(b->state(yes) == State::accepted);
  CHECK_TEXT(b->record(yes).uuid, "a-uuid");
  CHECK(b->state(no) == State::failed);
  CHECK_TEXT(b->record(no).reason, "no such number");
  CHECK_EQ(b.pick(), 0);
}

TEST(outbox_outcomes_of_an_ended_message_change_nothing) {
  Bench b;
  const auto number = b.post();
  b.sending(number);
  b->outbox.accepted(number, "a-uuid", "", b->clocks());
  b.settle();
  const auto syncs = b->queue.syncs();
  b.unknown(number);
  b.not_sent(number);
  b->outbox.refused(number, "no", b->clocks());
  b->outbox.accepted(number, "another", "", b->clocks());
  b->outbox.held_alone(number, b.clock, "no", b->clocks());
  b->outbox.unreadable(number, b->clocks());
  CHECK_CODE(b->outbox.sending(name_hash("sms"), number, b->clocks()), Code::not_found);
  b.unknown(99);
  b.not_sent(99);
  b.settle();
  CHECK_EQ(b->queue.syncs(), syncs);
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b->record(number).uuid, "a-uuid");
  CHECK_EQ(b->over.size(), 1);
}

TEST(outbox_no_room_for_the_record_of_a_sending_is_full_and_not_counted) {
  Bench b;
  const auto number = b.post(Class::info);
  b->even.hangs = b->odd.hangs = true;
  while (b->queue.update(number, MessageState{}, b->clocks()).ok()) {
  }
  CHECK_CODE(b->outbox.sending(name_hash("sms"), number, b->clocks()), Code::full);
  CHECK_EQ(b->sends(number), 0);
}

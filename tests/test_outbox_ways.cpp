// SPDX-License-Identifier: MIT
// Messages that may go by several streams: which one has its turn when, what a copy costs, and what is found again.
#include "sender_bench.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::Agent;
using fakes::answer;
using fakes::has;
using fakes::Reply;
using fakes::Request;

namespace {

const std::uint32_t kSms = name_hash("sms"), kChat = name_hash("chat"), kFax = name_hash("fax");

// The outbox alone, with up to three streams that a message waits 10 minutes for.
struct Bench : fakes::Bench {
  Millis undelivered_after{0};
  std::vector<StreamRules> rules;
  std::uint32_t numbers[64];

  explicit Bench(std::vector<std::uint32_t> streams = {kSms, kChat, kFax}) {
    for (const std::uint32_t one : streams) rules.push_back({one, minutes(10), Millis{0}, Asked::nobody});
    begin();
  }
  void begin() {
    agent->ways = rules;
    start();
    turn();
  }
  void cut_power() {
    cut_to_new_clock();
    begin();
  }
  void turn() {
    agent->outbox.poll(agent->clocks());
    for (int i = 0; i < 10 && !agent->queue.idle(); ++i) agent->queue.poll(clock);
  }
  void pass(Millis time) {
    clock = clock + time;
    turn();
  }
  std::uint32_t post(const char* streams, Class cls = Class::critical) {
    const auto first = agent->post(cls, 1, "text", streams);
    CHECK(first != 0);
    turn();
    return first;
  }
  bool goes_by(std::uint32_t stream) {
    const bool goes = agent->outbox.pick(stream, clock, Outbox::After::others, numbers) > 0;
    CHECK_EQ(goes, agent->outbox.next_due(stream, clock) <= clock);
    return goes;
  }
  void sending(std::uint32_t stream, std::uint32_t number) {
    CHECK_OK(agent->outbox.sending(stream, number, agent->clocks()));
    turn();
  }
  void unknown(std::uint32_t stream, std::uint32_t number) {
    sending(stream, number);
    agent->outbox.outcome_unknown(number, clock, "who knows", agent->clocks());
    turn();
  }
  void refused(std::uint32_t stream, std::uint32_t number, const char* why) {
    sending(stream, number);
    agent->outbox.refused(number, why, agent->clocks());
    turn();
  }
  void accepted(std::uint32_t stream, std::uint32_t number, const char* uuid = "uuid") {
    sending(stream, number);
    agent->outbox.accepted(number, uuid, {}, agent->clocks());
    turn();
  }
  bool repeats(std::uint32_t number) {
    std::uint8_t scratch[kBlock];
    const auto out = agent->outbox.read(number, scratch);
    return out.ok() && out.value().repeat;
  }
  std::string reason(std::uint32_t number) { return std::string(agent->record(number).reason); }
};

}  // namespace

TEST(ways_message_goes_by_its_first_stream_alone_until_it_has_waited_long_enough) {
  Bench b;
  b.post("sms,chat,fax");
  CHECK(b.goes_by(kSms) && !b.goes_by(kChat) && !b.goes_by(kFax));
  b.pass(minutes(9));
  CHECK(!b.goes_by(kChat));
  b.pass(seconds(61));
  CHECK(b.goes_by(kSms) && b.goes_by(kChat) && !b.goes_by(kFax));
  b.pass(minutes(10));
  CHECK(b.goes_by(kSms) && b.goes_by(kChat) && b.goes_by(kFax));
}

TEST(ways_loop_is_told_when_the_next_stream_has_its_turn) {
  Bench b;
  b.post("sms,chat");
  const Instant posted = b.clock;
  for (unsigned wakes = 0; wakes < 4 && !b.goes_by(kChat); ++wakes) {
    b.clock = b->outbox.wake();
    b.turn();
  }
  CHECK(b.goes_by(kChat));
  CHECK(b.clock > posted + minutes(9) && b.clock <= posted + minutes(10));
}

TEST(ways_message_with_one_stream_is_never_another_ones) {
  Bench b;
  b.post("sms");
  b.pass(hours(10));
  CHECK(b.goes_by(kSms) && !b.goes_by(kChat));
}

TEST(ways_message_under_way_by_one_stream_is_not_the_others) {
  Bench b;
  const auto number = b.post("sms,chat");
  b.pass(minutes(11));
  b.sending(kSms, number);
  CHECK(!b.goes_by(kChat) && !b.goes_by(kSms));
  b->outbox.not_sent(number, b.clock + hours(1), b->clocks());
  CHECK(b.goes_by(kChat));
  CHECK(!b.goes_by(kSms));  // its own wait is the first one's
}

TEST(ways_refused_message_goes_by_the_next_at_once_and_failed_is_what_the_last_one_refuses) {
  Bench b;
  const auto number = b.post("sms,chat,fax");
  b.refused(kSms, number, "no route");
  CHECK(b->state(number) == State::queued);
  CHECK(b.goes_by(kChat) && !b.goes_by(kSms) && !b.goes_by(kFax));
  CHECK_TEXT(b.reason(number), "sms: refused: no route");
  CHECK_EQ(b->went_on.size(), 1);
  b.refused(kChat, number, "not on it");
  CHECK(b.goes_by(kFax) && !b.goes_by(kChat));
  CHECK(!b.repeats(number));  // nobody has it
  b.refused(kFax, number, "busy");
  CHECK(b->state(number) == State::failed);
  CHECK_TEXT(b.reason(number), "sms: refused: no route; chat: refused: not on it; fax: refused: busy");
  CHECK_EQ(b->over.size(), 1);
  CHECK_EQ(b->record(number).attempts, 3);
}

TEST(ways_refusals_longer_than_there_is_room_leave_each_its_share) {
  Bench b;
  const auto number = b.post("sms,chat");
  b.refused(kSms, number, std::string(100, 'a').c_str());
  b.refused(kChat, number, std::string(200, 'b').c_str());
  const std::string reason = b.reason(number);
  CHECK(reason.size() <= kMaxReason);
  CHECK(has(reason, "sms: refused: aaaaaaaaaaaaaaaaaaaaaaaa") && has(reason, "; chat: refused: bbbbbbbbbbbbbbbbbbbbbbbb"));
}

TEST(ways_message_that_is_sent_once_at_most_goes_on_when_it_is_refused_and_never_when_nobody_knows) {
  Bench b;
  b->rules.of[0].on_unknown = OnUnknown::hold;
  b->outbox.configure(b->rules);
  const auto refused = b.post("sms,chat");
  b.refused(kSms, refused, "no");
  CHECK(b.goes_by(kChat));
  b.accepted(kChat, refused);
  const auto number = b.post("sms,chat");
  b.unknown(kSms, number);
  CHECK(b->state(number) == State::unknown);
}

TEST(ways_copies_count_over_all_streams_and_the_last_is_kept_for_the_next) {
  Bench b;
  const auto number = b.post("sms,chat");
  b.unknown(kSms, number);
  CHECK(b.goes_by(kSms));
  b.unknown(kSms, number);
  CHECK(b->state(number) == State::queued);
  CHECK(!b.goes_by(kSms) && !b.goes_by(kChat));
  b.pass(minutes(11));
  CHECK(!b.goes_by(kSms) && b.goes_by(kChat));
  CHECK(b.repeats(number));
  b.pass(minutes(11));
  CHECK(b.goes_by(kSms) && b.goes_by(kChat));  // the other did not take it in its time
  b.unknown(kChat, number);
  CHECK(b->state(number) == State::unknown);
  CHECK_EQ(b->sends(number), 3);
}

TEST(ways_with_three_streams_each_has_a_copy) {
  Bench b;
  const auto number = b.post("sms,chat,fax");
  b.unknown(kSms, number);
  CHECK(!b.goes_by(kSms));
  b.pass(minutes(11));
  b.unknown(kChat, number);
  CHECK(!b.goes_by(kSms) && !b.goes_by(kChat));
  b.pass(minutes(10));
  CHECK(b.goes_by(kFax));
  b.unknown(kFax, number);
  CHECK(b->state(number) == State::unknown);
}

TEST(ways_refusal_where_the_first_is_still_awaited_leaves_the_message_to_it) {
  Bench b;
  const auto number = b.post("sms,chat");
  b.pass(minutes(11));
  b.refused(kChat, number, "no");
  CHECK(b->state(number) == State::queued);
  CHECK(b.goes_by(kSms) && !b.goes_by(kChat));
  b.accepted(kSms, number);
  CHECK_TEXT(b.reason(number), "sms: accepted; chat: refused: no");
}

TEST(ways_what_has_refused_and_since_when_it_waits_is_found_after_power_cuts) {
  Bench b;
  const auto number = b.post("sms,chat,fax");
  b.pass(minutes(5));
  b.refused(kSms, number, "no");
  b.pass(minutes(6));
  b.unknown(kChat, number);  // its record tells how long it has waited by then
  b.cut_power();
  CHECK(b.goes_by(kChat) && !b.goes_by(kSms) && !b.goes_by(kFax));
  b.pass(minutes(5));
  CHECK(b.goes_by(kFax));
  CHECK(!b.goes_by(kSms));
  b.cut_power();
  CHECK(b.goes_by(kFax));  // found anew, with no record of its own
  b.refused(kFax, number, "nor here");
  b.refused(kChat, number, "here neither");
  CHECK(b->state(number) == State::failed);
  CHECK(has(b.reason(number), "sms: refused: no; chat: refused: here neither; fax: refused: nor here"));
}

TEST(ways_first_stream_that_left_the_configuration_is_not_waited_for) {
  Bench b({kChat});
  b.post("sms,chat,fax");
  CHECK(b.goes_by(kChat) && !b.goes_by(kFax));
  b.pass(minutes(11));
  CHECK(b.goes_by(kFax));  // nobody asks for it
}

TEST(ways_message_that_its_last_stream_takes_belongs_to_that_one) {
  Bench b;
  const auto number = b.post("sms,chat");
  b.refused(kSms, number, "no route");
  b.accepted(kChat, number);
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b.reason(number), "sms: refused: no route; chat: accepted");
  CHECK(b->outbox.next_accepted(kSms, 0) == nullptr);
  CHECK(b->outbox.next_accepted(kChat, 0) != nullptr);
  b.cut_power();
  CHECK(b->outbox.next_accepted(kSms, 0) == nullptr);
  CHECK(b->outbox.next_accepted(kChat, 0) != nullptr);
}

TEST(ways_accepted_message_without_a_receipt_in_time_goes_by_the_next_marked_as_a_repeat) {
  Bench b;
  b.rules[0].undelivered_after = minutes(30);
  b.cut_power();
  const auto number = b.post("sms,chat");
  b.accepted(kSms, number);
  b.pass(minutes(29));
  CHECK(b->state(number) == State::accepted);
  b.pass(seconds(61));
  CHECK(b->state(number) == State::queued);
  CHECK_TEXT(b.reason(number), "sms: not delivered within 30m");
  CHECK(b.goes_by(kChat) && !b.goes_by(kSms));
  CHECK(b.repeats(number));
  b.cut_power();
  CHECK(b.goes_by(kChat) && !b.goes_by(kSms));
  CHECK(b.repeats(number));
  b.accepted(kChat, number, "other");
  CHECK_EQ(b->sends(number), 2);
  CHECK_TEXT(b.reason(number), "sms: not delivered within 30m; chat: accepted");
  b.pass(hours(2));
  CHECK(b->state(number) == State::accepted);  // it has no further one
}

TEST(ways_accepted_message_that_finds_no_room_among_what_waits_is_looked_at_again) {
  Bench b;
  b.rules[0].undelivered_after = minutes(30);
  b.cut_power();
  const auto number = b.post("sms,chat");
  b.accepted(kSms, number);
  std::vector<std::uint32_t> others;
  for (const std::size_t bytes : {900U, 1U})
    for (std::uint32_t one; (one = b->post(Class::critical, 1, std::string(bytes, 'x'))) != 0; b.turn()) others.push_back(one);
  b.pass(minutes(31));
  CHECK(b->state(number) == State::accepted);
  for (const std::uint32_t one : others) CHECK_OK(b->outbox.drop(one, b->clocks())), b.turn();
  CHECK(b->outbox.wake() <= b.clock + minutes(1));
  b.pass(minutes(1));
  CHECK(b->state(number) == State::queued);
}

// And where nobody could be asked for as long as it is waited for anyway: a copy too many before an alarm that nobody reads.
TEST(ways_stream_that_is_asked_for_receipts_is_late_when_it_says_so_or_cannot_be_asked) {
  Bench b;
  b.rules[0].undelivered_after = minutes(30);
  b.rules[0].asked = Asked::stream;
  b.cut_power();
  const auto number = b.post("sms,chat");
  b.accepted(kSms, number);
  b.pass(minutes(29));
  b->outbox.undelivered(number, b->clocks());
  CHECK(b->state(number) == State::accepted);
  const auto other = b.post("sms,chat");
  b.accepted(kSms, other);
  b.pass(minutes(1));
  b->outbox.undelivered(number, b->clocks());
  CHECK(b->state(number) == State::queued);
  b.pass(minutes(38));
  CHECK(b->state(other) == State::accepted);
  for (unsigned wakes = 0; wakes < 4 && b->state(other) == State::accepted; ++wakes) b.pass(minutes(1));
  CHECK(b->state(other) == State::queued);
}

// What became of it may be lost with the power: it is asked for before it goes on.
TEST(ways_message_that_is_late_when_a_run_begins_is_asked_for_first) {
  Bench b;
  b.rules[0].undelivered_after = minutes(30);
  b.rules[0].asked = Asked::stream;
  b.cut_power();
  const auto number = b.post("sms,chat");
  b.accepted(kSms, number);
  b.pass(minutes(39));
  b->post(Class::critical, 1, "a note of how long it was on", "sms");
  b.turn();
  b.cut_power();
  b.pass(minutes(9));
  CHECK(b->state(number) == State::accepted);
  b.pass(minutes(2));
  CHECK(b->state(number) == State::queued);
}

TEST(ways_receipt_that_it_came_to_nothing_sends_it_by_the_next_and_ends_it_behind_the_last) {
  Bench b;
  const auto number = b.post("sms,chat");
  b.accepted(kSms, number, "one");
  CHECK_OK(b->outbox.receipt(number, Receipt::failed, "the service says undelivered", b->clocks(), "one"));
  CHECK(b->state(number) == State::queued);
  CHECK(b.goes_by(kChat));
  CHECK_EQ(b->receipts.size(), 0);
  b.accepted(kChat, number, "two");
  CHECK_OK(b->outbox.receipt(number, Receipt::failed, "late", b->clocks(), "one"));  // of the first copy
  CHECK_OK(b->outbox.receipt(number, Receipt::failed, "of whichever", b->clocks()));
  CHECK(b->state(number) == State::accepted);
  CHECK_OK(b->outbox.receipt(number, Receipt::failed, "the service says undelivered", b->clocks(), "two"));
  CHECK(b->state(number) == State::failed);
  b.turn();
  CHECK_TEXT(b.reason(number), "sms: the service says undelivered; chat: the service says undelivered");
}

TEST(ways_late_receipt_of_an_earlier_copy_spares_the_next_stream) {
  Bench b;
  b.rules[0].undelivered_after = minutes(30);
  b.cut_power();
  const auto number = b.post("sms,chat");
  b.accepted(kSms, number, "one");
  b.pass(minutes(31));
  CHECK(b.goes_by(kChat));
  CHECK(b->outbox.receipt(number, Receipt::failed, "late", b->clocks(), "one").code() == Code::not_found);
  CHECK(b.goes_by(kChat));
  CHECK_OK(b->outbox.receipt(number, Receipt::delivered, {}, b->clocks(), "one"));
  CHECK(!b.goes_by(kChat));
  b.turn();
  b.cut_power();
  CHECK(b->state(number) == State::delivered);
  CHECK_TEXT(b.reason(number),
             "sms: not delivered within 30m; chat: not needed: a copy sent before was delivered");
}

TEST(ways_receipt_that_comes_while_a_copy_is_under_way_waits_for_its_answer) {
  Bench b;
  const auto number = b.post("sms");
  b.unknown(kSms, number);
  b.sending(kSms, number);
  CHECK(b->outbox.receipt(number, Receipt::delivered, {}, b->clocks(), "one").code() == Code::not_found);
  CHECK(b->state(number) == State::queued);
}

TEST(ways_receipt_is_the_outcome_that_nobody_knew) {
  Bench b;
  const auto waits = b.post("sms");
  CHECK(b->outbox.receipt(waits, Receipt::delivered, {}, b->clocks(), "one").code() == Code::not_found);  // never sent
  b.unknown(kSms, waits);
  CHECK_OK(b->outbox.receipt(waits, Receipt::delivered, {}, b->clocks(), "one"));
  CHECK(b->state(waits) == State::delivered);
  const auto given_up = b.post("sms");
  for (int copies = 0; copies < 3; ++copies) b.unknown(kSms, given_up);
  CHECK(b->state(given_up) == State::unknown);
  CHECK_OK(b->outbox.receipt(given_up, Receipt::delivered, {}, b->clocks(), "two"));
  CHECK(b->state(given_up) == State::delivered);
  b.post("sms");  // whose record takes those along
  b.turn();
  b.cut_power();
  for (const auto number : {waits, given_up}) CHECK(b->state(number) == State::delivered);
  CHECK_TEXT(b->record(given_up).uuid, "two");
}

// Receipts are asked for at the stream that had the copy, not at the one that was tried last.
TEST(ways_message_in_doubt_that_is_found_belongs_to_the_stream_that_had_it) {
  Bench b;
  const auto number = b.post("sms,chat");
  b.unknown(kSms, number);
  b.pass(minutes(11));
  b.sending(kChat, number);
  b->outbox.not_sent(number, b.clock, b->clocks(), "no connection");
  CHECK_OK(b->outbox.found(number, kSms, "one", "found", b->clocks()));
  b.turn();
  CHECK(b->state(number) == State::accepted);
  CHECK(b->outbox.next_accepted(kSms, 0) != nullptr);
  CHECK(b->outbox.next_accepted(kChat, 0) == nullptr);
}

// A webhook tells of it by its id.
TEST(ways_message_in_doubt_that_the_service_tells_of_has_no_more_copies) {
  Bench b;
  const auto number = b.post("sms,chat");
  CHECK(b->outbox.receipt(number, Receipt::pending, "sent", b->clocks(), "one").code() == Code::not_found);  // never sent
  b.unknown(kSms, number);
  b.pass(minutes(11));
  CHECK(b.goes_by(kChat));
  for (const Receipt other : {Receipt::failed, Receipt::unclear})
    CHECK(b->outbox.receipt(number, other, "who knows", b->clocks(), "one").code() == Code::not_found);
  CHECK(b->outbox.receipt(number, Receipt::pending, "sent", b->clocks()).code() == Code::not_found);
  CHECK_OK(b->outbox.receipt(number, Receipt::pending, "sent", b->clocks(), "one"));
  b.turn();
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b->record(number).uuid, "one");
  b.pass(hours(1));
  CHECK(!b.goes_by(kSms) && !b.goes_by(kChat));
}

TEST(ways_message_that_is_sent_once_at_most_is_not_sent_again_for_want_of_a_receipt) {
  Bench b;
  b.rules[0].undelivered_after = minutes(30);
  b.cut_power();
  b->rules.of[0].on_unknown = OnUnknown::hold;
  b->outbox.configure(b->rules);
  const auto number = b.post("sms,chat");
  b.accepted(kSms, number);
  b.pass(hours(1));
  CHECK(b->state(number) == State::accepted);
  CHECK_OK(b->outbox.receipt(number, Receipt::failed, "gone", b->clocks()));
  CHECK(b->state(number) == State::failed);
}

TEST(ways_retry_by_hand_begins_with_the_first_again) {
  Bench b;
  const auto number = b.post("sms,chat");
  b.refused(kSms, number, "no");
  b.refused(kChat, number, "no");
  CHECK(b->state(number) == State::failed);
  CHECK_OK(b->outbox.retry(number, b->clocks()));
  b.turn();
  CHECK(b.goes_by(kSms) && !b.goes_by(kChat));
  b.pass(minutes(11));
  CHECK(b.goes_by(kChat));
}

TEST(ways_old_record_without_them_means_the_first) {
  MessageState state;
  state.sends = 1;
  std::uint8_t bytes[kMaxMessageStateBytes];
  const std::size_t size = encode_message_state(state, bytes);
  CHECK_EQ(size, 32);
  CHECK_EQ(bytes[6], 0);
  CHECK_EQ(bytes[7], 0);
  const auto back = decode_message_state(Bytes{bytes, size});
  CHECK_OK(back);
  CHECK(back.value().way == 0 && back.value().closed == 0 && back.value().since_s == 0);
}

TEST(ways_more_names_than_there_are_places_leave_those_of_the_configuration_theirs) {
  StreamNames names;
  CHECK_EQ(names.ways_of("sms,chat"), 0x21);
  for (int i = 0; i < 40; ++i) names.ways_of("old-" + std::to_string(i));
  CHECK_EQ(names.place(kSms), 1);
  CHECK_EQ(names.place(kChat), 2);
  CHECK_EQ(names.ways_of("chat,one-more,sms"), 0x1F2);
  CHECK_EQ(names.hash(StreamNames::kOther), 0);
  CHECK_EQ(names.place(name_hash("one-more")), StreamNames::kNoPlace);
  CHECK_EQ(names.place(0), StreamNames::kNoPlace);  // of a stream that takes no messages
}

// ---- two senders, one service ------------------------------------------------------------------------------

namespace {

bool by(const Request& request, const char* host) { return has(request.head, host); }

struct Pair : fakes::Bench {
  Millis receipts_for{0};
  Millis undelivered_after{0};
  bool is_dead = false;  // sms
  explicit Pair() { service.script = accept_all; }
  void begin() {
    agent->second("chat", "chat.test");
    agent->ways = {{kSms, minutes(10), undelivered_after, receipts_for.count != 0 ? Asked::stream : Asked::nobody}, {kChat, minutes(10), Millis{0}, Asked::nobody}};
    agent->settings.receipts_for = receipts_for;
    agent->settings.receipts_at = undelivered_after;
    if (is_dead) agent->stream.refuse = {Code::io, 111};
    start();
    CHECK(agent->run(seconds(1)));
  }
  void cut_power() {
    cut_to_new_clock();
    begin();
  }
  std::size_t requests(const char* host) const {
    std::size_t n = 0;
    for (const Request& one : service.requests) n += by(one, host) && !one.messages.empty() ? 1U : 0U;
    return n;
  }
  std::uint32_t post() {
    const auto number = agent->post(Class::warning, 1, "text", "sms,chat");
    CHECK(number != 0);
    return number;
  }
};

}  // namespace

TEST(ways_message_that_one_service_refuses_arrives_by_the_other_with_the_same_id) {
  Pair b;
  b.service.script = [](const Request& r) {
    return by(r, "sms.test") ? answer(200, fakes::entries_body({fakes::error_entry(r.messages[0].id, "NO_ROUTE")}))
                             : accept_all(r);
  };
  b.begin();
  const auto number = b.post();
  CHECK(b->run(seconds(2)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b.service.requests.size(), 2);
  CHECK_TEXT(b.service.requests[0].messages[0].id, b.service.requests[1].messages[0].id);
  CHECK_EQ(total_copies(b.service), 1);
  CHECK_EQ(b->spins, 0);
}

TEST(ways_message_that_one_service_sets_aside_goes_by_the_other_at_once) {
  for (const unsigned status : {400U, 413U, 422U}) {
    check::at("status=%u", status);
    Pair b;
    b.service.script = [status](const Request& r) { return by(r, "sms.test") ? answer(status, "{\"message\":\"odd\"}") : accept_all(r); };
    b.begin();
    const auto number = b.post();
    CHECK(b->run(seconds(2)));
    CHECK(b->state(number) == State::accepted);
    CHECK_EQ(b.requests("sms.test"), 1);
    CHECK_EQ(total_copies(b.service), 1);
    CHECK(has(std::string(b->record(number).reason), "sms: ") && has(std::string(b->record(number).reason), "odd; chat: accepted"));
    CHECK(b->spins <= 1);  // the outbox looks at it anew
  }
}

// A phone that no service takes: it stays, and costs a request of each in an hour or so. The first that takes it has it.
TEST(ways_message_that_both_services_set_aside_is_tried_rarely_until_one_takes_it) {
  Pair b;
  bool odd = true;
  b.service.script = [&odd](const Request& r) { return odd ? answer(422, "{}") : accept_all(r); };
  b.begin();
  const auto number = b.post();
  CHECK(b->run(hours(6)));
  CHECK(b->state(number) == State::queued);
  CHECK(b.requests("sms.test") >= 4 && b.requests("sms.test") <= 14);
  CHECK(b.requests("chat.test") >= 4 && b.requests("chat.test") <= 14);
  b.cut_power();
  CHECK(b->run(minutes(1)));
  CHECK(b.requests("sms.test") + b.requests("chat.test") <= 30);
  odd = false;
  CHECK(b->run(hours(2)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(total_copies(b.service), 1);
}

TEST(ways_message_goes_by_the_other_when_the_first_is_out_for_long_and_by_the_first_when_that_is_back) {
  Pair b;
  b.begin();
  b->stream.refuse = {Code::io, 111};
  const auto first = b.post();
  CHECK(b->run(minutes(9)));
  CHECK(b->state(first) == State::queued);
  CHECK_EQ(b.requests("chat.test"), 0);
  CHECK(b->run(minutes(2)));
  CHECK(b->state(first) == State::accepted);
  CHECK_EQ(b.requests("chat.test"), 1);
  CHECK(has(std::string(b->record(first).reason), "sms: ") && has(std::string(b->record(first).reason), "; chat: accepted"));
  b->other->stream.refuse = {Code::io, 111};
  const auto second = b.post();
  CHECK(b->run(hours(1)));
  CHECK(b->state(second) == State::queued);
  b->stream.refuse = {};
  CHECK(b->run(minutes(20)));
  CHECK(b->state(second) == State::accepted);
  CHECK_EQ(b.requests("chat.test"), 1);
  CHECK_EQ(total_copies(b.service), 2);
  CHECK_EQ(b->spins, 0);
}

TEST(ways_device_that_starts_every_few_minutes_still_goes_on_to_the_next) {
  Pair b;
  b.is_dead = true;
  b.begin();
  const auto number = b.post();
  for (unsigned boots = 0; boots < 4; ++boots) {
    CHECK(b->run(minutes(6)));
    if (b->state(number) == State::accepted) break;
    b.cut_power();
  }
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b.requests("sms.test"), 0);
}

TEST(ways_service_that_says_sent_and_never_delivered_is_not_waited_for) {
  Pair b;
  b.receipts_for = hours(1);
  b.undelivered_after = minutes(2);
  b.service.script = [](const Request& r) {
    if (!has(r.head, "/messages_status/")) return accept_all(r);
    const std::size_t at = r.body.find("uuid-");
    return answer(200, "{\"" + r.body.substr(at, r.body.find('"', at) - at) + "\":\"sent\"}");
  };
  b.begin();
  const auto number = b.post();
  CHECK(b->run(seconds(100)));
  CHECK(b->state(number) == State::accepted);
  CHECK(b->run(minutes(1)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b.requests("chat.test"), 1);
  CHECK(has(std::string(b->record(number).reason), "sms: not delivered within 2m; chat: accepted"));
  CHECK(has(b.service.requests.back().messages.empty() ? std::string() : b.service.requests.back().messages[0].text, "repeat"));
  CHECK_EQ(b->spins, 0);
}

// Whatever the service says about receipts but that it comes back to it later: there is none.
TEST(ways_service_that_tells_nothing_of_receipts_is_not_waited_for) {
  for (const unsigned status : {401U, 422U, 500U, 200U, 404U, 405U}) {
    check::at("status=%u", status);
    Pair b;
    b.receipts_for = hours(1);
    b.undelivered_after = minutes(2);
    b.service.script = [&](const Request& r) {
      if (!has(r.head, "/messages_status/")) return accept_all(r);
      return answer(status, status == 200 ? "<html>welcome</html>" : "{}");
    };
    b.begin();
    const auto number = b.post();
    CHECK(b->run(seconds(100)));
    CHECK_EQ(b.requests("chat.test"), 0);
    CHECK(b->run(minutes(status == 404 || status == 405 ? 1 : 9)));  // before the clock alone says so
    CHECK(b->state(number) == State::accepted);
    CHECK_EQ(b.requests("chat.test"), 1);
    CHECK(b->spins <= 1);  // the outbox looks at it anew
  }
}

TEST(ways_both_services_that_swallow_everything_have_three_copies_in_all) {
  Pair b;
  b.service.script = [](const Request& r) { return fakes::accept_but(r, answer(524)); };
  b.begin();
  const auto number = b.post();
  CHECK(b->run(hours(3)));
  CHECK(b->state(number) == State::unknown);
  CHECK_EQ(total_copies(b.service), 3);
  CHECK_EQ(b.requests("sms.test") + b.requests("chat.test"), 3);
  CHECK(b.requests("chat.test") >= 1);
  CHECK_EQ(b->spins, 0);
}

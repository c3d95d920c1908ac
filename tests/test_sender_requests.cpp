// SPDX-License-Identifier: MIT
// Which request a stream speaks, and what of a message goes into it.
#include "sender_bench.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::answer;
using fakes::Bench;
using fakes::has;
using fakes::Request;

namespace {

std::uint32_t post_alarm(Bench& b, Transition transition, std::string_view text) {
  Phone phone;
  phone.assign_cut("447700900100");
  Event event;
  event.cls = Class::critical;
  event.transition = transition;
  event.stream = "sms";
  event.alarm = "high-level";
  event.text = text;
  event.phones = Span<const Phone>{&phone, 1};
  const auto pushed = b->outbox.post(event, "dev", b->clocks());
  CHECK_OK(pushed);
  return pushed.value().first_number;
}

}  // namespace

TEST(sender_of_an_event_speaks_event_send_with_what_the_alarm_is) {
  Bench b;
  b->settings.path_prefix = "/api";
  b->settings.send_path = "/event_send/";
  b->settings.event = "alarm-key";
  b->settings.sender = "GLOBAL";
  b->settings.device = "boiler-room-7";
  b.start();
  const auto raised = post_alarm(b, Transition::raised, "sump \"high\"");
  const auto cleared = post_alarm(b, Transition::cleared, "sump normal");
  const auto by_hand = b->post(Class::info, 1, "hello");
  CHECK(b->run_until_ended(seconds(10)));
  CHECK_EQ(b.service.requests.size(), 1);
  const Request& request = b.service.requests[0];
  CHECK(has(request.head, "POST /api/event_send/ HTTP/1.1\r\n"));
  const auto recipient = [&b](std::uint32_t number, const char* variables) {
    return "{\"internal_id\":\"" + std::string(b->id(number)) +
           "\",\"recipient_phone\":\"447700900100\",\"sender\":\"GLOBAL\",\"template_variables\":{" + variables + "}}";
  };
  CHECK_TEXT(request.body,
             "{\"event\":\"alarm-key\",\"recipients\":[" +
                 recipient(raised, "\"text\":\"sump \\\"high\\\"\",\"device\":\"boiler-room-7\",\"alarm\":\"high-level\","
                                   "\"class\":\"critical\",\"state\":\"raised\"") +
                 "," +
                 recipient(cleared, "\"text\":\"sump normal\",\"device\":\"boiler-room-7\",\"alarm\":\"high-level\","
                                    "\"class\":\"critical\",\"state\":\"cleared\"") +
                 "," +
                 recipient(by_hand, "\"text\":\"hello\",\"device\":\"boiler-room-7\",\"alarm\":\"\",\"class\":\"info\","
                                    "\"state\":\"\"") +
                 "]}");
  for (const auto number : {raised, cleared, by_hand}) CHECK(b->state(number) == State::accepted);
}

TEST(sender_of_an_event_sends_the_variables_that_were_asked_for_and_marks_repeats) {
  Bench b;
  b->settings.send_path = "/event_send/";
  b->settings.event = "e";
  b->settings.variables = 1;  // text alone
  b.start();
  b.service.script = [](const Request& request) {
    return request.number == 1 ? fakes::accept_but(request, answer(500)) : accept_all(request);
  };
  const auto number = b->post(Class::critical, 1, "sump high");
  CHECK(b->run_until_ended(minutes(10)));
  CHECK(b->state(number) == State::accepted);
  CHECK_EQ(b.service.requests.size(), 2);
  CHECK(has(b.service.requests[0].body, "\"template_variables\":{\"text\":\"sump high\"}"));
  CHECK(has(b.service.requests[1].body, "\"template_variables\":{\"text\":\"sump high (repeat)\"}"));
}

TEST(sender_of_an_event_takes_as_many_recipients_as_fit_the_body) {
  Bench b;
  b->settings.send_path = "/event_send/";
  b->settings.event = std::string_view("0123456789012345678901234567890123456789012345678901234567890123");
  b.start();
  const std::string longest(kMaxText, '"');
  for (unsigned i = 0; i < 12; ++i) CHECK(b->post(Class::warning, 1, longest) != 0);
  CHECK(b->run_until_ended(minutes(1)));
  CHECK(b.service.requests.size() > 1);
  for (const Request& request : b.service.requests) CHECK(request.body.size() <= kRequestBodyBytes);
  CHECK_EQ(fakes::total_copies(b.service), 12);
}

// A stream of type otp: what was queued for it when it was another one waits.
TEST(sender_without_a_path_sends_nothing) {
  Bench b;
  b->settings.send_path = {};
  b.start();
  const auto number = b->post(Class::critical, 1, "sump high");
  CHECK(b->run(hours(2)));
  CHECK_EQ(b.service.connections, 0);
  CHECK_TEXT(b->sender.reason(), "");
  CHECK(b->state(number) == State::queued);
}

// ---- forms ---------------------------------------------------------------------------------------------------------

namespace {

// A device whose stream has this form.
void use(Bench& b, RequestForm& form, const char* json) {
  RequestForm::Problem problem;
  CHECK_OK(form.read(json, problem));
  b->settings.form = &form;
  b->settings.send_path = "/wa/send";
  b->settings.device = "boiler-room-7";
  b.start();
}

}  // namespace

TEST(sender_of_a_form_fills_it_in_one_message_a_request) {
  Bench b;
  RequestForm form;
  use(b, form, R"({"internal_id":"{{internal_id}}","to":"{{recipient}}","body":["{{device}} {{alarm}} {{state}} {{class}}: {{text}}"]})");
  b.service.script = [&b](const Request& request) {
    const bool first = has(request.body, "\\\"high\\\"");
    return answer(200, "{\"messages\":[{\"internal_id\":\"" + b->id(first ? 1 : 2) + "\",\"message_uuid\":\"u\",\"error\":null}]}");
  };
  const auto raised = post_alarm(b, Transition::raised, "sump \"high\"");
  const auto by_hand = b->post(Class::warning, 1, "hello");
  CHECK_EQ(raised, 1);
  CHECK(b->run_until_ended(seconds(10)));
  CHECK_EQ(b.service.requests.size(), 2);
  CHECK(has(b.service.requests[0].head, "POST /wa/send HTTP/1.1\r\n"));
  CHECK_TEXT(b.service.requests[0].body, "{\"internal_id\":\"" + b->id(raised) + "\",\"to\":\"447700900100\",\"body\":"
             "[\"boiler-room-7 high-level raised critical: sump \\\"high\\\"\"]}");
  CHECK_TEXT(b.service.requests[1].body, "{\"internal_id\":\"" + b->id(by_hand) + "\",\"to\":\"447700900100\",\"body\":"
             "[\"boiler-room-7   warning: hello\"]}");
  CHECK(b->state(raised) == State::accepted);
  CHECK(b->state(by_hand) == State::accepted);
}

// The service gives no id back where it was given none.
TEST(sender_of_a_form_without_an_id_takes_the_only_entry_for_its_message) {
  Bench b;
  RequestForm form;
  use(b, form, R"({"to":"{{recipient}}","body":"{{text}}"})");
  b.service.script = [](const Request&) { return answer(200, R"({"status":true,"messages":[{"message_uuid":"u-7","error":null}]})"); };
  const auto number = b->post(Class::critical, 1, "sump high");
  CHECK(b->run_until_ended(seconds(10)));
  CHECK(b->state(number) == State::accepted);
  CHECK_TEXT(b->record(number).uuid, "u-7");
}

TEST(sender_of_a_form_with_an_id_takes_no_entry_without_one) {
  Bench b;
  RequestForm form;
  use(b, form, R"({"to":"{{recipient}}","body":"{{text}}","internal_id":"{{internal_id}}"})");
  b.service.script = [](const Request&) { return answer(200, R"({"status":true,"messages":[{"message_uuid":"u-7","error":null}]})"); };
  const auto number = b->post(Class::critical, 1, "sump high");
  CHECK(b->run_until_ended(minutes(30)));
  CHECK(b->state(number) == State::unknown);
  CHECK_EQ(b.service.requests.size(), kMaxSends);
}

// Nobody knows whether a no in words is about the message or about the stream: the others go on.
TEST(sender_of_a_form_that_says_no_sets_that_message_aside_and_goes_on) {
  Bench b;
  RequestForm form;
  use(b, form, R"({"to":"{{recipient}}","body":"{{text}}"})");
  b.service.script = [](const Request& request) {
    return has(request.body, "447700900101") ? answer(200, R"({"status":false,"message":"Template is paused"})")
                                            : answer(200, R"({"status":true,"message_uuid":"u"})");
  };
  const auto first = b->post(Class::critical, 4, "sump high");
  CHECK(b->run(minutes(5)));
  CHECK_EQ(b.service.requests.size(), 4);
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(b->state(first + i) == (i == 1 ? State::queued : State::accepted));
  CHECK_TEXT(b->sender.reason(), "");
  CHECK(b->run(hours(2)));
  CHECK(b.service.requests.size() >= 5);  // again, slowly
  CHECK(b.service.requests.size() <= 8);
}

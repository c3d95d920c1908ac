// SPDX-License-Identifier: MIT
// One request and its answer, without queue and messages. What connections do wrong: test_sender_losses.cpp.
#include "tocsin/outbox/service_call.hpp"

#include <string>

#include "check.hpp"
#include "fakes/script_stream.hpp"

using namespace tocsin;
using fakes::answer;
using fakes::Reply;
using fakes::Request;

namespace {

using State = ServiceCall::State;

struct Rig {
  Instant clock{1000};
  fakes::Service service;
  fakes::ScriptStream stream{service, clock};
  ServiceCall call{stream};
  ServiceCall::Settings settings;

  Rig() {
    service.script = [](const Request& r) { return answer(200, "to " + r.head.substr(0, r.head.find(" HTTP"))); };
    settings.endpoint.host = "service.test";
    settings.path_prefix = "/base";
    settings.token = "secret";
    call.configure(settings);
  }
  // Until it is in one of the two, or told its end.
  State run_to(State one, State other = State::failed) {
    for (unsigned turns = 0; turns < 1000; ++turns) {
      const State state = call.poll(clock);
      if (state == one || state == other || state == State::answered || state == State::failed) return state;
      clock = earlier(stream.event(), call.wake());
    }
    CHECK(false);
    return State::idle;
  }
  Status prepare(const char* method, const char* path, const std::string& body) {
    const MutBytes room = call.body_room();
    std::memcpy(room.data(), body.data(), body.size());
    return call.prepare(method, path, body.size());
  }
  State ask(const char* method, const char* path, const std::string& body = {}) {
    call.open(clock, "nothing is waited for");
    const State ready = run_to(State::ready);
    if (ready != State::ready) return ready;
    CHECK_OK(prepare(method, path, body));
    call.send(clock);
    return run_to(State::answered);
  }
  std::string said() const { return std::string(as_text(call.answer(Clocks{}).body)); }
  std::string reason() const {
    char room[320];
    TextWriter words(room);
    call.write_reason(words);
    return std::string(words.view());
  }
};

void answer_always(Rig& rig, const Reply& reply) {
  rig.service.script = [reply](const Request&) { return reply; };
}

}  // namespace

TEST(service_call_post_and_get_travel_on_one_connection) {
  Rig rig;
  CHECK(rig.ask("POST", "/ask/", "{\"a\":1}") == State::answered);
  CHECK_TEXT(rig.said(), "to POST /base/ask/");
  CHECK(rig.ask("GET", "/list?page=1") == State::answered);
  CHECK_TEXT(rig.said(), "to GET /base/list?page=1");
  CHECK_TEXT(rig.service.requests[0].body, "{\"a\":1}");
  CHECK_TEXT(rig.service.requests[1].body, "");
  CHECK(rig.service.requests[1].head.find("Content-Length") == std::string::npos);
  for (const Request& one : rig.service.requests) CHECK(one.head.find("\r\nAuthorization: secret\r\n") != std::string::npos);
  CHECK_EQ(rig.service.connections, 1);
  CHECK_EQ(rig.call.requests(), 2);
}

TEST(service_call_tells_its_end_once_and_keeps_what_it_was) {
  Rig rig;
  CHECK(rig.ask("POST", "/ask/", "{}") == State::answered);
  CHECK(rig.call.poll(rig.clock) == State::idle);
  CHECK_TEXT(rig.said(), "to POST /base/ask/");
  rig.call.close();
  rig.stream.refuse = {Code::io, 111};
  CHECK(rig.ask("POST", "/ask/", "{}") == State::failed);
  CHECK(rig.call.poll(rig.clock) == State::idle);
  CHECK_TEXT(rig.reason(), "connection refused");
  CHECK(rig.call.want() == Want::nothing);
}

TEST(service_call_sends_nothing_before_it_is_told_to) {
  Rig rig;
  rig.call.open(rig.clock, "the door did not open");
  CHECK(rig.run_to(State::ready) == State::ready);
  CHECK_OK(rig.prepare("POST", "/ask/", "{}"));
  CHECK(rig.call.want() == Want::nothing);
  rig.clock = Instant{rig.call.wake().ms - 1};
  CHECK(rig.call.poll(rig.clock) == State::ready);
  rig.clock = rig.call.wake();
  CHECK(rig.call.poll(rig.clock) == State::failed);
  CHECK_TEXT(rig.reason(), "no success within 30s: the door did not open");
  CHECK(!rig.call.may_have_left());
  CHECK_EQ(rig.stream.bytes, 0);
}

// One that was told to go would have sent the next request before its owner had anything on record.
TEST(service_call_that_was_withdrawn_keeps_its_connection_and_waits_again) {
  Rig rig;
  CHECK(rig.ask("POST", "/ask/", "{}") == State::answered);
  for (const bool dies : {false, true}) {
    check::at("dies=%d", dies ? 1 : 0);
    rig.call.open(rig.clock, "");
    CHECK(rig.call.poll(rig.clock) == State::ready);
    CHECK_OK(rig.prepare("POST", "/never/", "{}"));
    rig.call.withdraw();
    if (dies) rig.stream.peer_closes();
    CHECK(rig.call.poll(rig.clock) == State::idle);
    rig.call.open(rig.clock, "");
    CHECK(rig.run_to(State::ready, State::sending) == State::ready);
    rig.call.withdraw();
  }
  CHECK_EQ(rig.service.request_count, 1);
  CHECK_EQ(rig.service.connections, 2);
}

TEST(service_call_path_that_does_not_fit_is_refused_before_a_byte_leaves) {
  Rig rig;
  rig.call.open(rig.clock, "");
  CHECK(rig.run_to(State::ready) == State::ready);
  const std::string longest = "/" + std::string(ServiceCall::kMaxPath - std::string("/base/").size(), 'x');
  CHECK(rig.prepare("POST", (longest + "x").c_str(), "{}").code() == Code::too_big);
  CHECK(rig.prepare("POST", "/a b", "{}").code() == Code::bad_value);
  CHECK(rig.prepare("PO ST", "/a", "{}").code() == Code::bad_value);
  CHECK_OK(rig.prepare("POST", longest.c_str(), "{}"));
  rig.call.send(rig.clock);
  CHECK(rig.run_to(State::answered) == State::answered);
  CHECK_TEXT(rig.said(), "to POST /base" + longest);
}

TEST(service_call_failures_say_whether_a_byte_may_have_left) {
  struct Case {
    const char* name;
    void (*make)(Rig&);
    bool may_have_left;
    const char* reason;
  };
  const Case cases[] = {
      {"refused", [](Rig& r) { r.stream.refuse = {Code::io, 111}; }, false, "connection refused"},
      {"look-up", [](Rig& r) { r.stream.look_up = hours(1); }, false,
       "gave up after 10s: the name look-up of service.test did not finish"},
      {"handshake", [](Rig& r) { r.stream.handshake = hours(1); }, false,
       "gave up after 15s: the TLS handshake with service.test did not finish"},
      {"write", [](Rig& r) { r.stream.write_fails = {Code::io, 104}; }, true, "connection refused"},
      {"stuck", [](Rig& r) { r.stream.stuck_writes = true; }, true,
       "service.test did not take the whole request within 10s: it may have arrived"},
      {"silent",
       [](Rig& r) {
         Reply reply;
         reply.silent = true;
         answer_always(r, reply);
       },
       true, "no byte of the answer within 15s after the request was sent to service.test: it may have arrived"},
      {"turned away",
       [](Rig& r) {
         Reply reply;
         reply.cut_at = 0;
         reply.end = Reply::End::turned_away;
         answer_always(r, reply);
       },
       false, "client certificate expired"},
  };
  for (const Case& one : cases) {
    check::at("case=%s", one.name);
    Rig rig;
    one.make(rig);
    CHECK(rig.ask("POST", "/ask/", "{}") == State::failed);
    CHECK_EQ(rig.call.may_have_left(), one.may_have_left);
    CHECK_TEXT(rig.reason(), one.reason);
    CHECK(!rig.stream.open());
  }
}

TEST(service_call_closed_in_any_state_begins_anew) {
  for (const State state : {State::idle, State::connecting, State::ready, State::sending, State::receiving}) {
    check::at("state=%u", static_cast<unsigned>(state));
    Rig rig;
    rig.stream.connect_time = seconds(1);
    rig.stream.stuck_writes = state == State::sending;
    if (state != State::idle) rig.call.open(rig.clock, "");
    if (state != State::idle) CHECK(rig.run_to(State::ready, state) == (state == State::connecting ? state : State::ready));
    if (state == State::sending || state == State::receiving) {
      CHECK_OK(rig.prepare("POST", "/left/", "{}"));
      rig.call.send(rig.clock);
      CHECK(rig.call.poll(rig.clock) == state);
    }
    CHECK(rig.call.state() == state);
    rig.call.close();
    CHECK(rig.call.state() == State::idle);
    CHECK(!rig.stream.open());
    rig.stream.stuck_writes = false;
    CHECK(rig.ask("POST", "/anew/", "{}") == State::answered);
    CHECK_TEXT(rig.said(), "to POST /base/anew/");
  }
}

TEST(service_call_configured_anew_during_a_request_says_so) {
  Rig rig;
  CHECK(rig.ask("POST", "/ask/", "{}") == State::answered);
  CHECK(!rig.call.settings_changed());
  rig.call.open(rig.clock, "");
  CHECK(rig.run_to(State::ready) == State::ready);
  CHECK_OK(rig.prepare("POST", "/ask/", "{}"));
  rig.call.send(rig.clock);
  rig.settings.token = "another";
  rig.call.configure(rig.settings);
  CHECK(rig.run_to(State::answered) == State::answered);
  CHECK(rig.call.settings_changed());
  CHECK(rig.ask("POST", "/ask/", "{}") == State::answered);
  CHECK(!rig.call.settings_changed());
  CHECK(rig.service.requests[2].head.find("another") != std::string::npos);
}

TEST(service_call_redirected_asks_the_same_by_the_other_path) {
  for (const char* method : {"GET", "POST"}) {
    check::at("method=%s", method);
    Rig rig;
    rig.service.script = [](const Request& r) {
      return r.number == 1 ? answer(307, "", "Location: /other\r\n") : answer(200, r.head.substr(0, r.head.find(" HTTP")));
    };
    const std::string body = method[0] == 'G' ? "" : "{\"a\":1}";
    CHECK(rig.ask(method, "/ask", body) == State::answered);
    CHECK_TEXT(rig.said(), std::string(method) + " /other");
    CHECK_TEXT(rig.service.requests[1].body, body);
  }
}

TEST(service_call_connection_is_idle_from_its_last_answer_on) {
  Rig rig;
  CHECK(!rig.call.idle_for(Millis{0}, rig.clock));
  CHECK(rig.call.wake() == kNever);
  CHECK(rig.ask("POST", "/ask/", "{}") == State::answered);
  CHECK(rig.call.idle_for(Millis{0}, rig.clock));
  CHECK(!rig.call.idle_for(milliseconds(1), rig.clock));
  CHECK(rig.call.wake() == rig.clock + ServiceCall::kKeepIdle);
  rig.clock = rig.call.wake();
  CHECK(rig.call.poll(rig.clock) == State::idle);
  CHECK(!rig.stream.open());
  CHECK(rig.call.wake() == kNever);
}

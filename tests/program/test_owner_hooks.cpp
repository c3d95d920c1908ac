// SPDX-License-Identifier: MIT
// A daemon that is called by webhooks, its queue in files, nothing in the place of either.
#include <poll.h>
#include <sys/socket.h>

#include <string>

#include "config_bench.hpp"
#include "port/linux/clock.hpp"
#include "port/scratch.hpp"
#include "src/program/in_place.hpp"
#include "src/program/owner.hpp"

using namespace tocsin;

namespace {

const std::string kAnna = "447700900100", kBen = "447700900101", kStranger = "447700900999";

std::uint16_t free_port() {
  const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Address address = parse_address("127.0.0.1", 0).value();
  CHECK(::bind(probe.number(), &address.any, address.size) == 0);
  CHECK(::getsockname(probe.number(), &address.any, &address.size) == 0);
  return ntohs(address.v4.sin_port);
}

struct Called {
  explicit Called(const char* name) : owner(in_place<Owner>(resolver(), log())), port(free_port()) {
    const std::string folder = scratch::path(name);
    CHECK_TEXT(config_bench::read(
                   "[device]\nname = d\nqueue_size = 64K\nstate = " + folder + "\ncontrol = " + folder + ".c\n" +
                   config_bench::kStream + "[stream next]\ntype = marketing\ntoken_file = /t\n[webhook]\nlisten = 127.0.0.1:" + std::to_string(port) + "\n" +
                   "[contact anna]\nphone = +" + kAnna + "\n[contact ben]\nphone = +" + kBen + "\n" +
                   "[alarm others]\nto = +447700900200, +447700900201, +447700900202, +447700900203\ntext = x\n" +
                   alarm("pump", "warning", "anna, ben") + alarm("other", "warning", "anna, ben") +
                   alarm("fire", "critical", "anna, ben") + alarm("alone", "info", "anna") + alarm("two", "warning", "anna", "s,next")),
               "");
    char words[400];
    TextWriter why(words);
    CHECK(owner.open(config_bench::config, Role::daemon, why) == Exit::done);
    owner.open_hooks();
    act(Ask::raise, "pump");
    act(Ask::raise, "other");
  }
  ~Called() { owner.close(seconds(5)); }

  static std::string alarm(const std::string& name, const std::string& cls, const std::string& to,
                           const std::string& stream = "s") {
    return "[alarm " + name + "]\ntext = " + name + " {code}\nclass = " + cls + "\nto = " + to + "\nstream = " + stream + "\n";
  }
  static Resolver& resolver() {
    static Resolver one;
    return one;
  }
  static Log& log() {
    static Log one;
    return one;
  }

  // How many are told.
  std::size_t act(Ask ask, const char* name) {
    ControlRequest request;
    request.ask = ask;
    request.subject = name;
    char words[400];
    TextWriter why(words);
    const Owner::Posted posted = owner.act(request, why);
    CHECK(posted.exit == Exit::done);
    CHECK(owner.settle(posted.pushed.ticket) == Exit::done);
    return posted.count;
  }

  // What it is answered: "200"; `safe`: whether all was on the medium by then.
  std::string call(const std::string& body) {
    const Fd peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Address address = parse_address("127.0.0.1", port).value();
    CHECK(::connect(peer.number(), &address.any, address.size) == 0);
    const std::string request = "POST / HTTP/1.1\r\nHost: d\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    CHECK_EQ(::send(peer.number(), request.data(), request.size(), MSG_NOSIGNAL), request.size());
    pollfd here{peer.number(), POLLIN, 0};
    while (::poll(&here, 1, 0) == 0) owner.turn(read_clocks().now + seconds(1), -1);
    safe = owner.on_medium(owner.queue().newest());
    char text[100] = {};
    CHECK(::recv(peer.number(), text, sizeof text - 1, 0) > 0);
    return std::string(text).substr(9, 3);
  }
  std::string answer(const std::string& phone, const std::string& words) {
    return call(R"({"from":")" + phone + R"(","text":")" + words + "\"}");
  }

  const Queue::Alarm& state(const char* name) const { return *owner.queue().alarm(name); }
  std::string code(const char* name) const { return std::string(state(name).code.view()); }
  bool acknowledged(const char* name) const { return state(name).last == Transition::acknowledged; }

  std::string newest() const {  // its text
    alignas(8) static std::uint8_t memory[kBlock];
    const auto body = owner.queue().read_body(owner.index()[owner.index().size() - 1], memory);
    return body.ok() ? std::string(body.value().event.text) : std::string{};
  }

  Owner& owner;
  std::uint16_t port;
  bool safe = false;
};

}  // namespace

TEST(owner_hooks_answer_what_changed_something_when_that_is_on_the_medium) {
  Called at("medium");
  CHECK_TEXT(at.answer(kAnna, "ACK " + at.code("pump")), "200");
  CHECK(at.acknowledged("pump"));
  CHECK(at.safe);
  CHECK_TEXT(at.answer(kBen, "STOP"), "200");
  CHECK(at.safe);
  CHECK_TEXT(at.answer(kBen, "START"), "200");
  CHECK(at.safe);
  CHECK_TEXT(at.call(R"([{"from":")" + kAnna + R"(","text":"ACK )" + at.code("other") + R"("},{"x":1}])"), "200");
  CHECK(at.acknowledged("other"));
  CHECK(at.safe);
}

// The service says that it came to nothing, once: what goes by the next stream for that is on the medium first.
TEST(owner_hooks_answer_what_goes_on_by_its_next_stream_when_that_is_on_the_medium) {
  Called at("goes_on");
  at.act(Ask::raise, "two");
  const std::uint32_t number = at.owner.index()[at.owner.index().size() - 1].number;
  CHECK_OK(at.owner.outbox().sending(name_hash("s"), number, read_clocks()).status());
  at.owner.outbox().accepted(number, "one", {}, read_clocks());
  CHECK(at.owner.settle(at.owner.queue().newest()) == Exit::done);
  CHECK_TEXT(at.call(R"({"uuid":"one","status":"undelivered"})"), "200");
  CHECK(at.owner.index().find(number)->state == State::queued);
  CHECK(at.safe);
}

// A sender that did not see its answer calls again. (10 calls a second are taken.)
TEST(owner_hooks_called_again_change_nothing_more) {
  Called at("again");
  const std::string words = "ACK " + at.code("pump");
  CHECK_TEXT(at.answer(kAnna, words), "200");
  const Queue::Ticket newest = at.owner.queue().newest();
  const std::size_t messages = at.owner.index().size();
  for (unsigned n = 0; n < 3; ++n) CHECK_TEXT(at.answer(kAnna, words), "200");
  CHECK_EQ(at.owner.queue().newest(), newest);
  CHECK_EQ(at.owner.index().size(), messages);
  // Nor is a code wrong more than once that ended with its alarm: it is not ignored for that.
  at.act(Ask::clear, "pump");
  for (unsigned n = 0; n < 3; ++n) CHECK_TEXT(at.answer(kAnna, words), "200");
  CHECK_TEXT(at.answer(kAnna, "ACK " + at.code("other")), "200");
  CHECK(at.acknowledged("other"));
}

TEST(owner_hooks_take_the_whole_code_of_a_known_phone_alone) {
  Called at("code");
  const std::string code = at.code("pump");
  for (const std::string& wrong : {code.substr(0, 3), code + "A", std::string{}, code.substr(1)})
    CHECK_TEXT(at.answer(kAnna, "ACK " + wrong), "200");
  CHECK_TEXT(at.answer(kStranger, "ACK " + code), "200");
  CHECK_TEXT(at.answer("", "ACK " + code), "200");
  CHECK(!at.acknowledged("pump"));
  CHECK_TEXT(at.answer(kAnna, "ACK " + code), "200");
  CHECK(at.acknowledged("pump"));
  CHECK(!at.acknowledged("other"));
}

TEST(owner_hooks_take_nothing_of_a_phone_that_guesses) {
  Called at("guesses");
  for (unsigned n = 0; n < Answerers::kWrongOfOne; ++n)
    CHECK_TEXT(at.answer(kAnna, "ACK " + std::string(alarm_code(77, n).view())), "200");
  const std::size_t messages = at.owner.index().size();
  CHECK_TEXT(at.answer(kAnna, "ACK " + at.code("pump")), "200");
  CHECK_TEXT(at.answer(kAnna, "STOP"), "200");
  CHECK(!at.acknowledged("pump"));
  CHECK_EQ(at.owner.index().size(), messages);  // told once, with the first reply
  CHECK_EQ(at.act(Ask::clear, "pump") + at.act(Ask::raise, "pump"), 2);
  CHECK_TEXT(at.answer(kBen, "ACK " + at.code("pump")), "200");
  CHECK(at.acknowledged("pump"));
}

// However many numbers he writes as his own. In one call: 10 a second are taken.
TEST(owner_hooks_take_no_code_after_the_wrong_ones_of_all_phones) {
  Called at("forger");
  std::string list;
  for (unsigned n = 0; n < Answerers::kWrongOfAll; ++n)
    list += R"({"from":"44770090020)" + std::to_string(n % 4) + R"(","text":"ACK )" + std::string(alarm_code(77, n).view()) + "\"},";
  const std::string right = R"({"from":")" + kBen + R"(","text":"ACK )" + at.code("pump") + "\"}";
  CHECK_TEXT(at.call("[" + list + right + "]"), "200");
  CHECK_TEXT(at.call(right), "200");
  CHECK(!at.acknowledged("pump"));
  CHECK_TEXT(at.answer(kBen, "STOP"), "200");
  CHECK_EQ(at.owner.queue().alarm("+" + kBen)->is_active(), true);
}

TEST(owner_hooks_stop_spares_no_critical_alarm_and_never_the_last_contact) {
  Called at("stop");
  CHECK_TEXT(at.answer(kAnna, "STOP"), "200");
  CHECK_EQ(at.act(Ask::clear, "pump"), 0);
  CHECK_EQ(at.act(Ask::raise, "pump"), 1);
  CHECK_EQ(at.act(Ask::raise, "fire"), 2);
  CHECK_EQ(at.act(Ask::raise, "alone"), 1);
  CHECK_TEXT(at.answer(kBen, "STOP"), "200");
  at.act(Ask::clear, "pump");
  CHECK_EQ(at.act(Ask::raise, "pump"), 2);
  CHECK_TEXT(at.answer(kAnna, "START"), "200");
  at.act(Ask::clear, "pump");
  CHECK_EQ(at.act(Ask::raise, "pump"), 1);
}

// What was changed within the minute of another reply is confirmed when that is over, once.
TEST(owner_hooks_confirm_a_stop_that_came_within_a_minute_of_another_reply) {
  Called at("confirm");
  CHECK_TEXT(at.answer(kAnna, "STATUS"), "200");
  CHECK_TEXT(at.newest(), "d: 2 alarms active: pump code " + at.code("pump") + ", other code " + at.code("other") + ", 4 alarm messages wait");
  const std::size_t messages = at.owner.index().size();
  CHECK_TEXT(at.answer(kAnna, "STOP"), "200");
  CHECK_TEXT(at.answer(kAnna, "ACK " + at.code("pump")), "200");
  CHECK_TEXT(at.answer(kAnna, "STATUS"), "200");
  // A question changes nothing.
  CHECK_TEXT(at.answer(kBen, "STATUS"), "200");
  CHECK_TEXT(at.answer(kBen, "STATUS"), "200");
  at.owner.poll();
  CHECK_EQ(at.owner.index().size(), messages + 1);
  CHECK(at.owner.wake() <= read_clocks().now + Answerers::kReplyEvery);
  // Nor is it forgotten when the daemon ends before.
  at.owner.close(seconds(5));
  CHECK_EQ(at.owner.index().size(), messages + 2);
  CHECK_TEXT(at.newest(), "d: 2 alarms active: pump acknowledged, other code " + at.code("other") +
                              ", 4 alarm messages wait; you are told of critical alarms only, send START to be told of all");
}

TEST(owner_hooks_take_a_list_as_far_as_it_may_go) {
  Called at("list");
  std::string list = "[";
  for (std::size_t n = 1; n < kMaxHookEvents; ++n) list += R"({"from":"1","text":"x"},)";
  const std::string last = R"({"from":")" + kAnna + R"(","text":"ACK )" + at.code("pump") + "\"}";
  CHECK_TEXT(at.call(list + R"({"from":"1","text":"x"},)" + last + "]"), "413");
  CHECK(!at.acknowledged("pump"));
  CHECK_TEXT(at.call(list + last + "]"), "200");
  CHECK(at.acknowledged("pump"));
}

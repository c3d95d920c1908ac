// SPDX-License-Identifier: MIT
// The bench of what the classes of messages decide.
#pragma once

#include "sender_bench.hpp"

namespace fakes {

// A device whose service does not answer the phone, unless it is told to.
struct RulesBench : Bench {
  Rules rules = Agent::patient();

  explicit RulesBench(std::uint32_t blocks = 24) {
    disk = fakes::Disk(blocks);
    boots = 0;
    boot();
  }
  void begin() {
    agent->rules = rules;
    agent->stream.refuse = {Code::io, 111};
    start();
    CHECK(agent->run(seconds(1)));
  }
  void cut_power() {
    cut_to_new_clock();
    begin();
  }
  ClassRules& of(Class cls) { return rules.of[static_cast<std::size_t>(cls)]; }
  std::string reason(std::uint32_t number) { return std::string(agent->record(number).reason); }
  // Fills the queue; the numbers of the first messages of the events.
  std::vector<std::uint32_t> fill(Class cls, unsigned phones = 1) {
    std::vector<std::uint32_t> all;
    for (;;) {
      const auto number = agent->post(cls, phones, std::string(300, 'x'));
      CHECK(agent->run(milliseconds(1)));
      if (number == 0) return all;
      all.push_back(number);
    }
  }
  std::uint32_t alarm(Class cls, const char* name, const char* phone, const std::string& text) {
    Phone to;
    to.assign_cut(phone);
    Event event;
    event.cls = cls;
    event.stream = "sms";
    event.alarm = name;
    event.transition = Transition::raised;
    event.text = text;
    event.phones = Span<const Phone>{&to, 1};
    const auto pushed = agent->outbox.post(event, "dev", agent->clocks());
    return pushed.ok() ? pushed.value().first_number : 0;
  }
  unsigned count(State state) {
    unsigned n = 0;
    for (const Agent::Ended& one : agent->over) n += one.state == state ? 1U : 0U;
    return n;
  }
};

}  // namespace fakes

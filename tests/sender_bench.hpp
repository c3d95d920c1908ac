// SPDX-License-Identifier: MIT
// A device with a scripted service on the bench: what the tests of sender and outbox have in common.
#pragma once

#include <memory>
#include <string>

#include "check.hpp"
#include "fakes/agent.hpp"

namespace fakes {

using namespace tocsin;

// A device on a fresh medium. boot() again is a power cut or a restart.
struct Bench {
  Instant clock{1000};
  Disk disk;
  Service service;
  std::unique_ptr<Agent> agent;
  unsigned boots = 0;

  explicit Bench(std::uint32_t blocks = 24) : disk(blocks) { boot(); }
  Agent& boot() {
    clock = Instant{clock.ms + 1000};
    if (boots > 0) disk = disk.image(0);
    agent = nullptr;
    agent = std::make_unique<Agent>(disk, service, clock, ++boots);
    return *agent;
  }
  // A power cut, and the clock begins anew: it tells how long the boot has lasted.
  Agent& cut_to_new_clock() {
    boot();
    clock = Instant{1000};
    return *agent;
  }
  // The configuration is set between boot() and here.
  Agent& start() {
    CHECK(agent->start());
    return *agent;
  }
  Agent* operator->() { return agent.get(); }
};

inline std::size_t total_copies(const Service& service) {
  std::size_t n = 0;
  for (const auto& [id, copies] : service.copies) n += copies;
  return n;
}
inline bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }
inline bool condition_seen(const Agent& agent, const char* condition, const char* reason) {
  for (const Agent::Changed& c : agent.changes)
    if (c.condition == condition && has(c.reason, reason)) return true;
  return false;
}

// What a power cut at this instant would leave of a message; null: nothing.
inline const Entry* left_of(const Disk& disk, std::uint32_t number) {
  static Index index;
  Disk left = disk.image(0);
  DiskStore even(left, 0), odd(left, 1);
  const auto queue = std::make_unique<Queue>(even, odd, index);
  return queue->load().ok() ? index.find(number) : nullptr;
}
// Its copies on record.
inline unsigned sends_on_medium(const Disk& disk, std::uint32_t number) {
  const Entry* left = left_of(disk, number);
  return left == nullptr ? 99 : left->sends;
}

}  // namespace fakes

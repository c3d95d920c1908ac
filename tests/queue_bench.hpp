// SPDX-License-Identifier: MIT
// One run of the program over a disk in RAM: what the queue's tests have in common.
#pragma once

#include <memory>
#include <string>

#include "check.hpp"
#include "fakes/agent.hpp"

namespace fakes {

using namespace tocsin;

inline Index the_index;

// One run of the program over a disk.
struct Process {
  Disk& disk;
  Instant now{1000};
  DiskStore even_file, odd_file;
  SlowStore even, odd;
  std::unique_ptr<Queue> queue_memory;
  Queue& queue;
  Queue::Found found;
  alignas(8) std::uint8_t scratch[kBlock];

  explicit Process(Disk& its_disk)
      : disk(its_disk),
        even_file(disk, 0),
        odd_file(disk, 1),
        even(even_file, now),
        odd(odd_file, now),
        queue_memory(std::make_unique<Queue>(even, odd, the_index)),
        queue(*queue_memory) {}

  Status load() {
    const auto loaded = queue.load();
    if (loaded.ok()) found = loaded.value();
    return loaded.status();
  }
  void start(std::uint8_t boot = 1, std::uint64_t machine = 7, std::uint64_t random = 0x1122334455667788) {
    CHECK_OK(load());
    Queue::Start start;
    for (std::uint8_t& b : start.boot_id) b = boot;
    start.machine = machine;
    start.random[0] = random;
    start.random[1] = random * 3;
    start.clocks = clocks();
    queue.start(start);
    settle();
  }
  void settle() {
    for (int i = 0; i < 20 && !queue.idle(); ++i) {
      queue.poll(now);
      if (queue.wake() != kNever && queue.wake() > now) now = queue.wake();
    }
  }
  Clocks clocks() const {
    Clocks clocks;
    clocks.now = now;
    clocks.wall.ms = 1'790'000'000'123;
    clocks.wall_trusted = true;
    return clocks;
  }
  Result<Queue::Pushed> push(unsigned phones, std::string_view text, const char* alarm = "",
                             Transition transition = Transition::none, const char* device = "boiler-7") {
    Phone numbers[kMaxPhones + 1];
    for (unsigned i = 0; i < phones; ++i) numbers[i].assign_cut("447700900" + std::to_string(123 + i));
    Event event;
    event.cls = Class::critical;
    event.stream = "sms";
    event.text = text;
    event.alarm = alarm;
    event.transition = transition;
    if (transition == Transition::raised) event.code = "K7QP";
    event.phones = Span<const Phone>{numbers, phones};
    return queue.push(event, device, clocks());
  }
  Result<Queue::Ticket> end(std::uint32_t number, State state = State::accepted) {
    MessageState last;
    last.state = state;
    last.sends = 1, last.attempts = 1;
    return queue.update(number, last, clocks());
  }
  std::string id(std::uint32_t number) {
    const auto body = queue.read_body(*the_index.find(number), scratch);
    CHECK_OK(body);
    return std::string(message_id(body.value().event.id_prefix, number).view());
  }
};

}  // namespace fakes

// SPDX-License-Identifier: MIT
// A Queue that runs on a Medium, from its start to its death.
#pragma once

#include "fakes/medium.hpp"
#include "tocsin/outbox/queue.hpp"

namespace fakes {

// One run of the program on a medium. Runs may be nested, the last that began ends first: what they need
// is kept, as a queue and its index are large and a sweep makes millions of them.
class Process {
 public:
  explicit Process(Medium& on) : even(on, 0), odd(on, 1), medium(on), memory_(&memory(depth_++)) {
    queue = new (memory_->queue) tocsin::Queue(even, odd, memory_->index);
    memory_->index.clear();
  }
  ~Process() { --depth_; }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  tocsin::Index& index() { return memory_->index; }

  // `boot` differs for each run there ever was. Nothing is written before poll().
  void start(std::uint64_t boot) {
    tocsin::Queue::Start start;
    start.boot_id[0] = static_cast<std::uint8_t>(boot);
    start.machine = 7;
    start.random[0] = boot * 0x9E3779B97F4A7C15U + 0x5851F42D4C957F2DU;
    start.random[1] = (start.random[0] ^ start.random[0] >> 29) * 0xBF58476D1CE4E5B9U;
    start.clocks.now = now;
    queue->start(start);
  }
  void poll() { queue->poll(now); }
  // The running job comes to its end.
  void step() {
    even.finish();
    odd.finish();
    poll();
  }
  // Until nothing is left to do. With a clock that goes on, until retries have come to something, too.
  void settle(unsigned retries = 4) {
    for (unsigned turn = 0; turn < 64 && !queue->idle(); ++turn) {
      step();
      if (!queue->failing() || even.running() || odd.running()) continue;
      if (retries-- == 0) return;
      now = queue->wake() > now ? queue->wake() : now;
    }
  }

  tocsin::Queue* queue;
  MediumStore even, odd;
  Medium& medium;
  tocsin::Instant now{1000};

 private:
  struct Memory {
    alignas(16) unsigned char queue[sizeof(tocsin::Queue)];
    tocsin::Index index;
  };
  static Memory& memory(unsigned depth) {
    static Memory memory[10];
    TOCSIN_ASSERT(depth < 10);
    return memory[depth];
  }
  static inline unsigned depth_ = 0;
  Memory* memory_;
};

}  // namespace fakes

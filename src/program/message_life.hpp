// SPDX-License-Identifier: MIT
// What the files still have of the life of one message after it was queued, step by step. A turn copies the last one:
// what is the same twice is told once.
//
// Memory: about 6 KiB. Threads: none. next() reads the files.
#pragma once

#include "src/program/reader.hpp"
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {

class Life {
 public:
  Life(const Reader& reader, std::uint32_t number, std::string_view id)
      : reader_(reader), count_(reader.find(id) == number ? reader.queue().find_life(number, steps_) : 0) {}
  // To the next step; false: there is none, and step() is the last one.
  bool next();
  const MessageState& step() const { return step_; }
  // Somebody asked for it, which was no sending.
  bool is_by_hand() const { return !ended(step_.state) && step_.reason == Outbox::kByHand; }
  // What happened, in words; the service's own behind it.
  std::string_view what() const;

 private:
  const Reader& reader_;
  Queue::LifeStep steps_[100];
  std::size_t count_;
  std::size_t at_ = 0;
  std::uint32_t hash_ = 0;
  std::uint8_t sends_ = 0, before_ = 0;
  std::uint8_t closed_ = 0;
  bool is_again_ = false, goes_on_ = false;
  MessageState step_;
  alignas(8) std::uint8_t memory_[kBlock];
};

}  // namespace tocsin

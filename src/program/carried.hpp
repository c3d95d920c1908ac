// SPDX-License-Identifier: MIT
// Messages that only memory has, on their way from the queue that had no medium into the one that has it
// again. What ended in memory stays behind; of a group only the phones that still wait go on.
//
// The order is that in which they were queued. Numbers are given anew; what was sent already is counted.
//
// Memory: 90 KiB in place, touched when it is used. Threads: none.
#pragma once

#include "tocsin/outbox/outbox.hpp"

namespace tocsin {

class Carried {
 public:
  // One event that waits, with the phones that wait.
  struct Message {
    std::uint32_t number = 0;  // as it was in memory
    Outbox::Past past;
  };
  struct Front {
    Event event;  // views point into this object and into the Carried
    Phone phones[kMaxPhones];
    Message messages[kMaxPhones];
    std::size_t count = 0;
  };

  Carried() {}
  // Takes all that waits. A message whose text cannot be read back is left out and counted in lost().
  // `on_s`: how long the device has been on, for that queue.
  void save(const Queue& queue, const Index& index, std::uint32_t on_s);
  bool empty() const { return from_ == size_; }
  std::size_t messages() const { return messages_; }  // that are still here
  std::size_t lost() const { return lost_; }
  bool front(Front& into) const;  // false: there is none
  void pop();

  // The alarms as they were in memory, with `last` none where nothing was known.
  void forget_alarms() { alarm_count_ = 0; }
  Span<const Queue::Alarm> alarms() const { return Span<const Queue::Alarm>{alarms_}.first(alarm_count_); }

 private:
  // Of each event: how long its record is, how many phones, the first number; for each phone 20 bytes; the
  // record. The staging memory gives three quarters to events, where a phone has 8 bytes: 28 are 3.5 times that.
  static constexpr std::size_t kHeadBytes = 4;  // of the record's 72 or more
  static constexpr std::size_t kMessageBytes = 20;
  static constexpr std::size_t kBytes = kStagingBytes * 3 / 4 * 7 / 2;

  std::size_t from_ = 0;
  std::size_t size_ = 0;
  std::size_t messages_ = 0;
  std::size_t lost_ = 0;
  std::size_t alarm_count_ = 0;
  union {  // so that what is not used is not touched
    Queue::Alarm alarms_[kMaxAlarms + kMaxStopped];
  };
  std::uint8_t bytes_[kBytes];
};

}  // namespace tocsin

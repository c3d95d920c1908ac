// SPDX-License-Identifier: MIT
// How fast a stream may go once its service said RATE_LIMIT or 429: the gap between two requests, found by trying.
// The documents name no rate. Nothing is paced until the service has said so.
//
//   the first no     whoever asks backs off; the gap is the time from there to the next yes
//   yes              the gap shrinks: by half until the next no, from there on by a 32nd
//   no               it grows: to the double where it was halved, else by a quarter
//
// So one request of ten or so is refused, where every second one would be. What is refused message by message goes one
// by one: a request of several would be refused in part again. A gap that nobody would notice is none.
//
// Pure: time comes as an argument. Memory: 40 bytes. Threads: none.
#pragma once

#include "tocsin/base/time.hpp"

namespace tocsin {

class Pace {
 public:
  static constexpr Millis kLeast = milliseconds(50);  // below, a round trip is a pace of its own
  static constexpr Millis kMost = minutes(1);
  static constexpr Millis kForget = minutes(10);  // so long without a no: it is looked for anew

  enum class Of : std::uint8_t { requests, messages };

  // Whether the gap will do: false for the first no of all, and for one that follows another. The caller backs off.
  [[nodiscard]] bool said_no(Of of, Instant now);
  void said_yes(Instant now);
  // When the next request may leave.
  Instant free_at() const { return gap_.count == 0 ? Instant{0} : last_ + gap_; }
  void let_one_go() { last_ = Instant{0}; }
  bool one_by_one() const { return gap_.count != 0 && of_ == Of::messages; }
  Millis gap() const { return gap_; }  // 0: none

 private:
  Millis gap_;
  Millis before_;     // the one before it
  Instant first_no_;  // since a yes
  Instant last_;      // answer
  Of of_ = Of::requests;
  bool limited_ = false;  // a no since the last yes
  bool looking_ = true;   // for the gap
};

}  // namespace tocsin

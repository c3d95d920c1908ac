// SPDX-License-Identifier: MIT
// When the log is told about the medium: trouble at once, and that it works again when it has for some time. One that
// fills up takes a record now and refuses the next: each return of the trouble within an hour makes that time longer.
//
// Memory: the object. Threads: none.
#pragma once

#include "tocsin/base/time.hpp"

namespace tocsin {

class MediumNews {
 public:
  static constexpr Millis kFirst = seconds(2);    // that it has to work
  static constexpr Millis kLongest = minutes(10);
  static constexpr Millis kForget = hours(1);     // without trouble; then it is kFirst again

  enum class News : std::uint8_t { none, trouble, works };
  // `rests`: everything is on it. To be asked after whatever may have changed it, and at wake().
  News look(bool in_trouble, bool rests, Instant now);
  // Somebody else told of the trouble.
  void told_trouble() { told_ = true; }
  Instant wake() const;

 private:
  bool told_ = false;  // of trouble, and not yet that it works
  Instant works_since_ = kNever;
  Instant told_works_at_ = kNever;
  Millis patience_ = kFirst;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// One input line as an alarm sees it: active or not. Contact bounce is kept out by the kernel's debounce
// (gpio_v2 attribute); edges that the kernel had to drop show as a gap in their numbers, and the level
// is then read anew, so that the last word is always the true level.
//
// Memory: 32 bytes. Threads: none.
#pragma once

#include "tocsin/port.hpp"

namespace tocsin {

class Line {
 public:
  enum class Input : std::uint8_t { inactive, active };
  struct Change {
    Input input = Input::inactive;
    bool lost_edges = false;  // the kernel dropped some before this
    Instant at;               // of the edge; 0: none told it
  };

  // `active`: the physical level that means alarm. The source outlives the line.
  Line(EdgeSource& source, Level active) : source_(source), active_(active) {}
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  // The next change of the input, oldest first; the first one tells the level at the start.
  // Errors: again; io: the line is gone, nothing is known of its level.
  Result<Change> next();
  int handle() const { return source_.handle(); }

 private:
  Change change(Level level, bool lost_edges, Instant at) const {
    return {level == active_ ? Input::active : Input::inactive, lost_edges, at};
  }

  EdgeSource& source_;
  Level active_;
  bool started_ = false;
  std::uint32_t last_number_ = 0;
};

}  // namespace tocsin

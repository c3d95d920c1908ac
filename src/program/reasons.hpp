// SPDX-License-Identifier: MIT
// Why streams, classes, budgets and the medium do not let messages go at this moment, as the owner of the queue says.
//
// Memory: an answer of the control socket, kMaxControlReply. Threads: none. The constructor waits up to 2 s for the
// owner.
#pragma once

#include "src/program/config.hpp"
#include "src/program/control.hpp"

namespace tocsin {

class Reasons {
 public:
  explicit Reasons(const Config& config);
  bool running() const { return running_; }
  bool is_there() const { return is_there_; }  // though it may not answer
  // When it is not running: why nobody can be asked.
  std::string_view why_not() const { return is_there_ ? "the daemon cannot be asked" : "no daemon is running"; }
  // Of what is asked when it is running; empty: nothing is in the way.
  std::string_view of(std::string_view stream) const;
  std::string_view of(Class cls) const;  // of its budget
  // The same of its stream's, and its phone's, in segments.
  std::string_view of_segments(const Event& event, std::string_view stream, const Phone& phone) const;
  // Of a message that is in the files, while the daemon has none; of any other, while the medium fails.
  std::string_view of_files() const { return line_of("[files]"); }
  std::string_view of_medium() const { return line_of("[medium]"); }

 private:
  bool line_of(std::string_view name, std::string_view& said) const;
  std::string_view line_of(std::string_view name) const;

  bool running_ = false, is_there_ = false;
  std::string_view text_;
  std::uint8_t memory_[kMaxControlReply];
};

}  // namespace tocsin

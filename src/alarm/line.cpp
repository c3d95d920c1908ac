// SPDX-License-Identifier: MIT
#include "tocsin/alarm/line.hpp"

namespace tocsin {

Result<Line::Change> Line::next() {
  if (!started_) {
    TRY_LET(level, source_.level());
    started_ = true;
    return change(level, false, Instant{0});
  }
  TRY_LET(edge, source_.next());
  const bool gap = edge.number != last_number_ + 1;  // the kernel counts from 1
  last_number_ = edge.number;
  if (!gap) return change(edge.level, false, edge.at);
  TRY_LET(level, source_.level());
  return change(level, true, edge.at);
}

}  // namespace tocsin

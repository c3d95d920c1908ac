// SPDX-License-Identifier: MIT
// What the owner learns of the time from the service's answers.
#include "src/program/owner.hpp"

namespace tocsin {

// The next run believes what stands beside an accepted message: so the clock counts as set there only where the
// stream's certificate is good at that moment. On a connection that is kept, and for what a webhook tells, nobody else
// looks.
Clocks Owner::vouched_for(Clocks clocks, std::size_t stream) const {
  clocks.wall_trusted = clocks.wall_trusted && streams_[stream]->good_at(clocks.wall);
  return clocks;
}

// An answer came over a connection whose certificate was verified, and says when it was made. Later than that
// certificate lasts it cannot be: so a service whose own clock is wrong does little harm.
void Owner::learn_time_from_services() {
  for (std::size_t i = 0; i < stream_count_; ++i) {
    const UnixMillis said = senders_[i]->service_time();
    if (said.ms == service_said_[i].ms) continue;  // no news: another one may have said better since
    service_said_[i] = said;
    if (streams_[i]->good_at(said)) raise_clock_floor(said, FloorFrom::service);
  }
  const Clocks clocks = read_clocks();
  const bool is_wrong = !clocks.wall_trusted && clock_floor().from == FloorFrom::service;
  if (is_wrong && !said_clock_is_wrong_) {
    char text[Log::kMaxLine];
    TextWriter line(text);
    write_date(clocks.wall, line.text("the clock is wrong ("));
    write_date(clock_floor().at, line.text("), the service says "));
    log_line(LogLevel::warning, line.text(": set it or enable NTP").view());
  }
  said_clock_is_wrong_ = is_wrong;
}

}  // namespace tocsin

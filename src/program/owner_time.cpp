// SPDX-License-Identifier: MIT
// What the owner learns of the time beside the wall clock: a device without a battery starts in 1970.
#include "src/program/owner.hpp"

namespace tocsin {

// An accepted message has a moment that a certificate was good at: where the wall clock counted as set then, the
// service's certificate had been judged by it. So a clock that once ran in 2099 leaves no such record.
void Owner::learn_time_from_record() {
  const Entry* newest = nullptr;
  for (std::size_t at = 0; at < index_.size(); ++at) {
    const Entry& entry = index_[at];
    if (entry.state != State::accepted && entry.state != State::delivered) continue;
    if (newest == nullptr || entry.due_ms > newest->due_ms) newest = &entry;
  }
  if (newest == nullptr) return;
  alignas(8) std::uint8_t scratch[kBlock];
  const auto state = queue_.read_state(*newest, scratch);
  if (state.ok() && state.value().at.clocks.wall_trusted)
    raise_clock_floor(state.value().at.clocks.wall, FloorFrom::record);
}

// The next run believes what stands beside an accepted message: so the clock counts as set there only where the stream's
// certificate is good at that moment. On a connection that is kept, and for what a webhook tells, nobody else looks.
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

// SPDX-License-Identifier: MIT
#include "src/program/known_time.hpp"

#include "port/linux/clock.hpp"
#include "src/program/control.hpp"
#include "src/program/in_place.hpp"
#include "src/program/reader.hpp"

namespace tocsin {

// An accepted message has a moment that a certificate was good at: where the wall clock counted as set then, the
// service's certificate had been judged by it. So a clock that once ran in 2099 leaves no such record.
void learn_time_from_record(const Queue& queue, const Index& index) {
  const Entry* newest = nullptr;
  for (std::size_t at = 0; at < index.size(); ++at) {
    const Entry& entry = index[at];
    if (entry.state != State::accepted && entry.state != State::delivered) continue;
    if (newest == nullptr || entry.due_ms > newest->due_ms) newest = &entry;
  }
  if (newest == nullptr) return;
  alignas(8) std::uint8_t scratch[kBlock];
  const auto state = queue.read_state(*newest, scratch);
  if (state.ok() && state.value().at.clocks.wall_trusted)
    raise_clock_floor(state.value().at.clocks.wall, FloorFrom::record);
}

void learn_time(const Config& config) {
  static std::uint8_t memory[kMaxControlReply];
  ControlRequest request;
  request.ask = Ask::ping;
  const auto said = call_control(config.device.control, request, seconds(2), memory);
  if (said.ok()) {
    const auto floor = parse_number(said.value().out);
    if (floor.ok()) raise_clock_floor(UnixMillis{static_cast<std::int64_t>(floor.value())}, FloorFrom::record);
    return;
  }
  auto& reader = in_place<Reader>();
  char words[200];
  TextWriter nobody(words);
  if (reader.open(config, nobody) == Exit::done) learn_time_from_record(reader.queue(), reader.index());
}

}  // namespace tocsin

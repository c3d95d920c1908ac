// SPDX-License-Identifier: MIT
#include "tocsin/alarm/alarm.hpp"

namespace tocsin {
namespace {

void write_person_duration(Millis duration, TextWriter& into) {
  const auto s = static_cast<std::uint64_t>(duration.count < 0 ? 0 : duration.count / 1000);
  if (s >= 86'400) {
    into.number(s / 86'400).text(" d ").number(s / 3600 % 24).text(" h");
  } else if (s >= 3600) {
    into.number(s / 3600).text(" h ").number(s / 60 % 60).text(" min");
  } else if (s >= 60) {
    into.number(s / 60).text(" min ").number(s % 60).text(" s");
  } else {
    into.number(s).text(" s");
  }
}

// Within one start of the device the monotonic clock knows; across starts only a wall clock that was
// right both times does.
Result<Millis> time_since(const Stamp& since, std::uint32_t boot, const Clocks& now) {
  if (since.boot == boot) return now.now - since.clocks.now;
  if (since.clocks.wall_trusted && now.wall_trusted && now.wall.ms >= since.clocks.wall.ms)
    return Millis{now.wall.ms - since.clocks.wall.ms};
  return Code::not_found;
}

}  // namespace

bool is_raised(const Queue& queue, std::string_view alarm) {
  const Queue::Alarm* state = queue.alarm(alarm);
  return state != nullptr && state->is_active();
}

void write_alarm_text(std::string_view text, std::string_view device_name, std::string_view alarm,
                      const Clocks& at, Result<Millis> duration, std::string_view code, TextWriter& into) {
  while (!text.empty()) {
    into.text(take_until(text, '{'));
    if (text.empty()) return;
    const std::string_view word = take_until(text, '}');
    if (word == "device") {
      into.text(device_name);
    } else if (word == "alarm") {
      into.text(alarm);
    } else if (word == "time") {
      at.wall_trusted ? write_date(at.wall, into) : static_cast<void>(into.text("(clock not set)"));
    } else if (word == "duration") {
      duration.ok() ? write_person_duration(duration.value(), into)
                    : static_cast<void>(into.text("(duration not known)"));
    } else if (word == "code") {
      into.text(code);
    }
  }
}

Result<Queue::Pushed> change_alarm(Outbox& outbox, const AlarmRule& rule, Transition to,
                                   std::string_view device_name, const Clocks& clocks,
                                   Millis edge_before) {
  const bool raise = to == Transition::raised;
  if (is_raised(outbox.queue(), rule.name) == raise) return Code::empty;
  const Queue::Alarm* state = outbox.queue().alarm(rule.name);
  const Result<Millis> duration = state != nullptr
                                      ? time_since(state->since, outbox.queue().run().boot, clocks)
                                      : Result<Millis>{Code::not_found};
  char text[kMaxText];
  TextWriter writer(text);
  AlarmCode code;
  if (state != nullptr) code = state->code;
  if (raise) code = outbox.queue().next_code();
  Clocks edge = clocks;
  edge.wall.ms -= edge_before.count;
  write_alarm_text(raise ? rule.text : rule.clear_text, device_name, rule.name, edge, duration, code.view(),
                   writer);
  Event event;
  event.cls = rule.cls;
  event.transition = to;
  event.stream = rule.stream;
  event.alarm = rule.name;
  if (raise) event.code = code.view();
  event.edge_before_ms = static_cast<std::uint32_t>(edge_before.count);
  event.text = writer.view();
  if (!writer.view().empty()) event.phones = rule.phones;
  return outbox.post(event, device_name, clocks);
}

}  // namespace tocsin

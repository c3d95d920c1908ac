// SPDX-License-Identifier: MIT
// What the device says about itself: [alarm self]; without that section there is the log. Commands that own the queue
// for a moment tell damage alone, which nobody finds again.
#include "port/linux/clock.hpp"
#include "src/program/owner.hpp"

namespace tocsin {
namespace {

bool has(std::string_view text, std::string_view part) {
  for (std::size_t at = 0; at + part.size() <= text.size(); ++at)
    if (starts_with(tail(text, at), part)) return true;
  return false;
}

// The words are the service's in part: what looks like a placeholder in them is none.
void write_self_text(std::string_view text, std::string_view device, std::string_view reason, const Clocks& at,
                     TextWriter& into) {
  constexpr std::string_view kReason = "{reason}";
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && !starts_with(tail(text, end), kReason)) ++end;
    write_alarm_text(head(text, end), device, kSelfAlarm, at, Code::not_found, {}, into);
    if (end == text.size()) return;
    into.text(reason);
    text = tail(text, end + kReason.size());
  }
}

}  // namespace

void Owner::note_self(SelfKind kind, std::string_view words, std::uint32_t times) {
  const bool is_mine = role_ == Role::daemon || kind == SelfKind::damage;
  if (is_mine && config_->find_alarm(kSelfAlarm) != kNotFound) self_.note(kind, words, times);
}

// What was found, and what the runs before have told already: a device that starts again and again says it
// once an hour.
void Owner::begin_self() {
  char words[120];
  TextWriter what(words);
  if (found_.unreadable) what.text("an empty one was begun");
  if (found_.bad_blocks > 0) what.number(found_.bad_blocks).text(" blocks of 4 KiB cannot be read");
  if (found_.heads == Queue::Heads::unknown) {
    what.text(what.view().empty() ? "" : ", ").text("one of its two files cannot be read");
  } else if (found_.damaged > 0) {
    what.text(what.view().empty() ? "" : ", ").number(found_.damaged);
    what.text(found_.damaged == 1 ? " record is lost" : " records are lost");
  }
  if (!what.view().empty()) note_self(SelfKind::damage, what.view());

  const Instant now = read_clocks().now;
  const std::uint64_t on_ms = queue_.on_ms(now);
  alignas(8) std::uint8_t scratch[kBlock];
  for (std::size_t at = 0; at < index_.size(); ++at) {
    if (index_[at].alarm != name_hash(kSelfAlarm)) continue;
    const auto body = queue_.read_body(index_[at], scratch);
    if (!body.ok()) continue;
    const std::uint64_t until_ms =
        body.value().event.queued.on_ms() + static_cast<std::uint64_t>(SelfAlarms::kEvery.count);
    if (until_ms <= on_ms) continue;
    for (std::size_t i = 0; i < kSelfKinds; ++i) {
      const auto kind = static_cast<SelfKind>(i);
      if (has(body.value().event.text, SelfAlarms::phrase(kind)))
        self_.told_before(kind, now + milliseconds(static_cast<std::int64_t>(until_ms - on_ms)));
    }
  }
  self_begun_ = true;
}

void Owner::poll_self(const Clocks& clocks) {
  if (!self_begun_) return;
  for (auto kind = self_.next(clocks.now); kind.ok(); kind = self_.next(clocks.now)) {
    if (post_self(kind.value(), clocks)) {
      self_.told(kind.value(), clocks.now);
    } else {
      self_.not_told(clocks.now);
    }
  }
}

// False: there is no room for it now. Nothing gives way to it.
bool Owner::post_self(SelfKind kind, const Clocks& clocks) {
  const AlarmConfig& alarm = config_->alarms[config_->find_alarm(kSelfAlarm)];
  char words[200], filled[kMaxText], said[Log::kMaxLine];
  TextWriter reason(words), text(filled), line(said);
  self_.write(kind, reason);
  write_self_text(alarm.text, config_->device.name, reason.view(), clocks, text);
  PhoneList phones;
  const AlarmRule of = rule(alarm, phones);
  Event event;
  event.cls = of.cls;
  event.stream = of.stream;
  event.alarm = kSelfAlarm;
  event.text = text.view();
  event.phones = of.phones;
  if (!queue_.has_room(event_size(event) + Queue::kMaxIdPrefix, phones.count)) return false;
  const auto pushed = outbox_.post(event, config_->device.name, clocks);
  if (pushed.code() == Code::full) return false;
  log_line(LogLevel::warning, line.text("alarm self: ").text(reason.view()).view());
  return true;  // a text that no message can have would not become one later
}

void Owner::note_end(std::uint32_t number, State state, std::string_view reason, SelfKind failed) {
  self_.try_again();
  const Entry* entry = index_.find(number);
  if (entry != nullptr && entry->alarm == name_hash(kSelfAlarm)) return;  // never about itself
  switch (state) {
    case State::unknown: return note_self(SelfKind::unknown, reason);
    case State::failed: return note_self(failed, reason);
    case State::evicted:
    case State::merged: return note_self(SelfKind::given_up, {});
    case State::queued:
    case State::accepted:
    case State::delivered:
    case State::expired:
    case State::dropped: return;
  }
}

void Owner::note_stream(std::string_view stream, std::string_view condition) {
  const std::size_t at = config_->find_stream(stream);
  if (at == kNotFound) return;
  const bool held = condition == "held";
  if (held && !stream_held_[at]) {  // each slow retry says it again
    char words[120];
    TextWriter what(words);
    note_self(SelfKind::held, what.text("stream ").text(stream).view());
  }
  if (held || condition == "working") stream_held_[at] = held;
}

}  // namespace tocsin

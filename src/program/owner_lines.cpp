// SPDX-License-Identifier: MIT
// From lines and hands to alarms.
#include <new>

#include "port/linux/clock.hpp"
#include "src/program/owner.hpp"

namespace tocsin {
namespace {

constexpr Millis kRetryLine = seconds(1);

}  // namespace

Exit Owner::open_lines(TextWriter& why) {
  Exit worst = Exit::done;
  for (std::size_t i = 0; i < config_->alarm_count; ++i) {
    const AlarmConfig& alarm = config_->alarms[i];
    if (alarm.gpio.empty()) continue;
    gpio_[i] = new (gpio_memory_[i]) GpioLine;
    const Status opened = gpio_[i]->open(alarm.gpio, alarm.debounce);
    if (opened.ok()) {
      lines_[i] = new (line_memory_[i]) Line(*gpio_[i], alarm.active);
      continue;
    }
    if (worst == Exit::done) {
      worst = opened.code() == Code::busy ? Exit::line_busy : Exit::config;
      why.text("alarm ").text(alarm.name).text(": ").text(gpio_[i]->problem());
    } else {
      char text[Log::kMaxLine];
      TextWriter line(text);
      log_line(LogLevel::error,
               line.text("alarm ").text(alarm.name).text(": ").text(gpio_[i]->problem()).view());
    }
  }
  return worst;
}

AlarmRule Owner::rule(const AlarmConfig& alarm, PhoneList& phones) const {
  char words[200];
  TextWriter why(words);
  add_recipients(*config_, alarm.to, phones, why).ignore();  // was checked when the configuration was read
  if (alarm.cls != Class::critical) leave_out_stopped(phones);
  AlarmRule rule;
  rule.name = alarm.name;
  rule.cls = alarm.cls;
  TextWriter names(phones.streams);
  write_ways(*config_, alarm.ways, ",", names);
  rule.stream = names.view();
  rule.text = alarm.text;
  rule.clear_text = alarm.clear_text;
  rule.phones = phones.view();
  return rule;
}

Exit Owner::not_posted(Code code, std::string_view what, TextWriter& why) const {
  why.text(what);
  if (code == Code::full && queue_.stalled(read_clocks().now)) {
    why.text(
        ": the medium does not take anything and the memory for new messages is full: nothing was stored");
    return Exit::medium;
  }
  if (code == Code::full) {
    why.text(": the queue is full (")
        .number(queue_.live_bytes() / 1024)
        .text(" KiB wait): nothing was stored");
    why.text("; look why messages do not leave (tocsin status)");
    return Exit::later;
  }
  if (code == Code::too_big) {
    why.text(": the text is longer than ").number(kMaxText).text(" bytes");
  } else {
    why.text(": the text is empty, not UTF-8, or holds control characters");
  }
  return Exit::bad_data;
}

// A critical message does not sit out a backoff that older trouble caused.
void Owner::hurry(std::string_view streams, Class cls, Instant now) {
  if (cls != Class::critical) return;
  const std::string_view stream = stream_at(streams, 0);
  for (std::size_t i = 0; i < stream_count_; ++i)
    if (senders_[i]->name() == stream) senders_[i]->urgent(now);
}

// Its state is on the medium. One that nobody ever changed has nothing there.
bool Owner::is_safe(std::string_view name) const {
  const Queue::Alarm* alarm = queue_.alarm(name);
  if (alarm == nullptr) return true;
  return queue_.settled() && alarm->safe_last == alarm->last && alarm->safe_since.boot == alarm->since.boot &&
         alarm->safe_since.on_ms() == alarm->since.on_ms();
}

// That anybody may change, or kNotFound.
std::size_t Owner::find_alarm(std::string_view name, TextWriter& why) const {
  const std::size_t at = config_->find_alarm(name);
  if (name == kSelfAlarm) {
    why.text("the daemon raises [alarm self] by itself, when something is wrong with the device: use another alarm");
    return kNotFound;
  }
  if (at != kNotFound) return at;
  std::string_view names[kMaxAlarms];
  for (std::size_t n = 0; n < config_->alarm_count; ++n) names[n] = config_->alarms[n].name;
  const std::string_view near = nearest(name, {names, config_->alarm_count});
  why.text("there is no [alarm ").text(name).text("] in the configuration: ");
  near.empty() ? why.text("add it, or name another one") : why.text("did you mean `").text(near).text("`?");
  write_older_file(why);
  return at;
}

// Behind what names something that is not known: whoever asks a daemon may look at a newer file than it has read.
void Owner::write_older_file(TextWriter& why) const {
  if (role_ == Role::daemon) why.text(" (if the file has it by now: send the daemon a SIGHUP)");
}

// `who`, for the log.
Owner::Posted Owner::acknowledge(std::string_view name, std::string_view who, TextWriter& why) {
  Posted posted;
  const std::size_t at = find_alarm(name, why);
  if (at == kNotFound) {
    posted.exit = Exit::bad_data;
    return posted;
  }
  posted.of_ack = true;
  const auto noted = queue_.acknowledge(name);
  if (noted.code() == Code::full) {
    posted.exit = not_posted(noted.code(), name, why);
    return posted;
  }
  if (!noted.ok()) {
    posted.unchanged = at;
    if (!is_safe(name)) posted.pushed.ticket = queue_.newest();
    return posted;
  }
  posted.pushed.ticket = noted.value();
  char text[Log::kMaxLine];
  TextWriter line(text);
  log_line(LogLevel::info, line.text("alarm ").text(name).text(" acknowledged ").text(who).view());
  return posted;
}

Owner::Posted Owner::change(std::string_view name, Transition to, TextWriter& why, Instant edge) {
  Posted posted;
  const std::size_t at = find_alarm(name, why);
  if (at == kNotFound) {
    posted.exit = Exit::bad_data;
    return posted;
  }
  const AlarmConfig& alarm = config_->alarms[at];
  PhoneList phones;
  const Clocks clocks = read_clocks();
  const AlarmRule rule_of_it = rule(alarm, phones);
  const Millis edge_before = edge.ms != 0 && edge < clocks.now ? clocks.now - edge : Millis{0};
  const auto pushed = change_alarm(outbox_, rule_of_it, to, config_->device.name, clocks, edge_before);
  if (pushed.code() == Code::empty) {
    posted.unchanged = at;
    // Who asked for it before may still wait for the medium, which may fail it.
    if (!is_safe(name)) posted.pushed.ticket = queue_.newest();
    return posted;
  }
  if (!pushed.ok()) {
    posted.exit = not_posted(pushed.code(), name, why);
    return posted;
  }
  posted.pushed = pushed.value();
  const bool told = to == Transition::raised || !alarm.clear_text.empty();
  posted.count = told ? phones.count : 0;
  char text[Log::kMaxLine];
  TextWriter line(text);
  line.text("alarm ")
      .text(name)
      .text(" ")
      .text(word(to))
      .text(": ")
      .number(posted.count);
  line.text(posted.count == 1 ? " message" : " messages");
  log_line(LogLevel::info, line.view());
  hurry(rule_of_it.stream, alarm.cls, clocks.now);
  return posted;
}

void Owner::poll_lines(Instant now) {
  retry_lines_ = kNever;
  for (std::size_t i = 0; i < config_->alarm_count; ++i) {
    if (lines_[i] == nullptr) continue;
    for (;;) {
      if (!input_pending_[i]) {
        const auto change = lines_[i]->next();
        if (change.code() == Code::again) break;
        char text[Log::kMaxLine];
        TextWriter line(text);
        if (!change.ok()) {
          line.text("alarm ").text(config_->alarms[i].name).text(": line lost: ").text(gpio_[i]->problem());
          log_line(LogLevel::error, line.view());
          lines_[i] = nullptr;
          gpio_[i]->close();
          break;
        }
        if (change.value().lost_edges) {
          line.text("alarm ")
              .text(config_->alarms[i].name)
              .text(": edges came faster than they could be read");
          log_line(LogLevel::warning, line.view());
        }
        input_[i] = change.value().input;
        input_at_[i] = change.value().at;
        input_pending_[i] = true;
      }
      char words[300];
      TextWriter why(words);
      const bool active = input_[i] == Line::Input::active;
      const Posted posted =
          change(config_->alarms[i].name, active ? Transition::raised : Transition::cleared, why,
                 input_at_[i]);
      if (posted.exit != Exit::done) {  // kept, and made up for as soon as there is room
        log_line(LogLevel::error, why.view());
        retry_lines_ = now + kRetryLine;
        break;
      }
      input_pending_[i] = false;
    }
  }
}

}  // namespace tocsin

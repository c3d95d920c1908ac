// SPDX-License-Identifier: MIT
// The screen of `tocsin status`: stream, token, clock, queue, alarms, last success.
#include "src/program/owner.hpp"
#include "tocsin/wire/json_writer.hpp"

namespace tocsin {
namespace {

struct Counts {
  std::uint32_t waiting[3] = {};  // by class
  std::uint32_t ended = 0;
  std::uint32_t unknown = 0;
  std::uint32_t failed = 0;
  std::uint32_t accepted = 0;
  std::uint32_t delivered = 0;
  std::uint32_t total() const { return waiting[0] + waiting[1] + waiting[2]; }
};

Counts count(const Index& index) {
  Counts counts;
  for (std::size_t at = 0; at < index.size(); ++at) {
    const Entry& entry = index[at];
    if (!ended(entry.state)) {
      ++counts.waiting[static_cast<std::size_t>(entry.cls)];
      continue;
    }
    ++counts.ended;
    counts.unknown += entry.state == State::unknown ? 1U : 0U;
    counts.failed += entry.state == State::failed ? 1U : 0U;
    counts.accepted += entry.state == State::accepted ? 1U : 0U;
    counts.delivered += entry.state == State::delivered ? 1U : 0U;
  }
  return counts;
}

std::string_view medium_word(const Queue& queue, const Owner* owner, Instant now) {
  if (owner == nullptr) return "not in use";
  if (queue.failing()) return "failing";
  return queue.stalled(now) ? "not answering" : "working";
}

// Found by any owner, and kept for whoever looks at the medium.
unsigned kept_files(const Config& config, const Owner* owner) {
  return owner != nullptr ? owner->kept_files() : KeptAside::find_in(config.device.state);
}

// Without an owner: what the newest message that waits for the stream has on record.
std::string_view last_known(const Queue& queue, const Index& index, std::string_view stream) {
  constexpr std::size_t kMostLooks = 64;  // each reads two records
  alignas(8) static std::uint8_t body_memory[kBlock], state_memory[kBlock];
  std::size_t looks = 0;
  for (std::size_t at = index.size(); at > 0 && looks < kMostLooks; --at) {
    const Entry& entry = index[at - 1];
    if (ended(entry.state)) continue;
    ++looks;
    const auto body = queue.read_body(entry, body_memory);
    const auto state = queue.read_state(entry, state_memory);
    if (body.ok() && state.ok() && !state.value().reason.empty() &&
        stream_at(body.value().event.stream, state.value().way) == stream)
      return state.value().reason;
  }
  return {};
}

void write_json(const Config& config, const Queue& queue, const Index& index, const Queue::Found& found,
                const Owner* owner, const Clocks& clocks, TextWriter& into) {
  static char text[12'288];
  JsonWriter json(text);
  char number[40];
  const Counts counts = count(index);
  json.open_object();
  json.field("device", config.device.name);
  json.field("running", owner != nullptr);
  TextWriter wall(number);
  write_rfc3339(clocks.wall, wall);
  json.text_or_null("time", clocks.wall_trusted ? wall.view() : std::string_view{});
  json.field("uptime_ms", std::uint64_t{clocks.now.ms});
  json.field("medium", medium_word(queue, owner, clocks.now));
  char reason[300];
  TextWriter medium_reason(reason);
  if (owner != nullptr) owner->write_medium_reason(clocks.now, medium_reason);
  json.text_or_null("medium_reason", medium_reason.view());
  json.field("memory_only", owner == nullptr ? 0U : static_cast<std::uint32_t>(owner->only_in_memory()));
  json.field("waiting", counts.total());
  json.field("waiting_critical", counts.waiting[0]);
  json.field("waiting_warning", counts.waiting[1]);
  json.field("waiting_info", counts.waiting[2]);
  json.field("ended", counts.ended);
  json.field("unknown", counts.unknown);
  json.field("failed", counts.failed);
  json.field("accepted", counts.accepted);
  json.field("delivered", counts.delivered);
  json.field("waiting_bytes", std::uint64_t{queue.live_bytes()});
  json.field("waiting_bytes_limit", std::uint64_t{queue.live_limit()});
  json.field("damaged_records", found.damaged);
  json.field("unreadable_messages", queue.lost());
  char kept[kMaxPath + 64];
  TextWriter files(kept);
  KeptAside::write_files(kept_files(config, owner), config.device.state, files);
  json.text_or_null("damaged_kept", files.view());
  json.field("boot", queue.run().boot);
  json.field("run", queue.run().run);
  json.field("written_bytes", queue.written_bytes());
  json.field("syncs", queue.syncs());
  const std::uint32_t lives = owner != nullptr ? owner->messages_ended() : 0;
  json.field("messages_ended", lives);
  if (lives > 0) {
    json.field("bytes_per_message", queue.written_bytes() / lives);
    json.field("syncs_per_hundred_messages", std::uint64_t{queue.syncs()} * 100 / lives);
  } else {
    json.null_field("bytes_per_message");
    json.null_field("syncs_per_hundred_messages");
  }
  json.open_array("classes");
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    json.open_object();
    json.field("name", word(cls));
    if (owner != nullptr)
      json.field("budget_wait_ms", static_cast<std::uint64_t>(owner->budget_wait(cls, clocks.now).count));
    json.close_object();
  }
  json.close_array();
  json.open_array("streams");
  for (std::size_t i = 0; i < config.stream_count; ++i) {
    json.open_object();
    json.field("name", config.streams[i].name);
    if (owner != nullptr && i < owner->stream_count()) {
      const Sender& sender = owner->sender(i);
      json.field("state", Sender::word(sender.state()));
      json.text_or_null("reason", sender.reason());
      json.text_or_null("status_reason", sender.receipts_reason());
      TextWriter last(number);
      write_rfc3339(sender.last_accepted().wall, last);
      json.text_or_null("last_accepted",
                        sender.last_accepted().now.ms != 0 && sender.last_accepted().wall_trusted
                            ? last.view()
                            : std::string_view{});
      json.field("requests", sender.requests());
      json.field("gap_ms", static_cast<std::uint64_t>(sender.gap().count));
      json.field("segments_today", owner->segments_used(config.streams[i].name, clocks.now));
    } else {
      json.text_or_null("reason", last_known(queue, index, config.streams[i].name));
    }
    json.close_object();
  }
  json.close_array();
  json.text_or_null("account_reason", owner != nullptr ? owner->account_reason() : std::string_view{});
  json.text_or_null("webhook_reason", owner != nullptr ? owner->hook_problem() : std::string_view{});
  json.open_array("alarms");
  for (const Queue::Alarm& alarm : queue.alarms()) {
    if (alarm.is_mark()) continue;
    json.open_object();
    json.field("name", alarm.name.view());
    json.field("active", alarm.is_active());
    json.field("acknowledged", alarm.last == Transition::acknowledged);
    json.text_or_null("code", alarm.code.view());
    const std::size_t known = config.find_alarm(alarm.name.view());
    write_ways(config, known != kNotFound ? config.alarms[known].ways : Ways{}, json);
    json.close_object();
  }
  json.close_array();
  json.open_array("stopped");
  for (const Queue::Alarm& mark : queue.alarms())
    if (mark.is_mark() && mark.is_active()) {
      json.open_object();
      json.field("to", tail(mark.name.view(), 1));
      json.close_object();
    }
  json.close_array();
  json.close_object();
  const auto whole = json.finish();
  if (whole.ok()) into.text(whole.value()).text("\n");
}

// What the queue has cost the medium in this run: everything that was written, for every message that has ended.
void write_wear(const Queue& queue, std::uint32_t lives, TextWriter& into) {
  into.text("written  ").number(queue.written_bytes() / 1024).text(" KiB, ").number(queue.syncs());
  into.text(" syncs by this daemon");
  if (lives > 0) {
    const std::uint64_t hundredths = std::uint64_t{queue.syncs()} * 100 / lives;
    into.text("; ").number(lives).text(lives == 1 ? " message" : " messages").text(" ended: ");
    into.number(queue.written_bytes() / lives).text(" B and ").number(hundredths / 100).text(".");
    into.number(hundredths / 10 % 10).number(hundredths % 10).text(" syncs each");
  }
  into.text("\n");
}

void write_ago(Instant then, Instant now, TextWriter& into) {
  into.number(static_cast<std::uint64_t>((now - then).count / 1000)).text(" s ago");
}

}  // namespace

void write_status(const Config& config, const Queue& queue, const Index& index, const Queue::Found& found,
                  const Owner* owner, const Clocks& clocks, bool json, TextWriter& into) {
  if (json) return write_json(config, queue, index, found, owner, clocks, into);
  const Counts counts = count(index);
  into.text("device   ").text(config.device.name);
  into.text(owner != nullptr ? ", running" : ", NOT running: nothing is sent (start `tocsin run`)")
      .text("\n");
  into.text("clock    ");
  write_date(clocks.wall, into);
  if (!clocks.wall_trusted) {
    into.text(", NOT set (set it or enable NTP): certificates are judged as of ");
    write_date(judged_at(clocks), into);
  }
  into.text("\n");
  into.text("medium   ").text(config.device.place()).text(", ").text(medium_word(queue, owner, clocks.now));
  if (owner != nullptr && medium_word(queue, owner, clocks.now) != "working") {
    owner->write_medium_reason(clocks.now, into.text(": "));
    if (owner->only_in_memory() > 0) into.text("; ").number(owner->only_in_memory()).text(" in memory only");
  }
  if (found.damaged > 0)
    into.text(", ").number(found.damaged)
        .text(found.damaged == 1 ? " damaged record left out" : " damaged records left out");
  if (queue.lost() > 0)
    into.text(", ").number(queue.lost()).text(queue.lost() == 1 ? " message" : " messages")
        .text(" could not be read back");
  if (const unsigned kept = kept_files(config, owner); kept != 0)
    KeptAside::write_files(kept, config.device.state, into.text("\n         found damaged before, and kept in "));
  into.text("\nqueue    ")
      .number(counts.total())
      .text(" waiting (")
      .number(counts.waiting[0])
      .text(" critical, ");
  into.number(counts.waiting[1]).text(" warning, ").number(counts.waiting[2]).text(" info), ");
  into.number(queue.live_bytes() / 1024).text(" of ").number(queue.live_limit() / 1024).text(" KiB; ");
  into.number(counts.ended).text(" ended and kept: ").number(counts.accepted).text(" accepted, ");
  into.number(counts.delivered).text(" delivered");
  if (counts.unknown > 0) into.text(", ").number(counts.unknown).text(" with unknown outcome");
  if (counts.failed > 0) into.text(", ").number(counts.failed).text(" failed");
  into.text("\n");
  if (owner != nullptr) write_wear(queue, owner->messages_ended(), into);
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    const Millis wait = owner != nullptr ? owner->budget_wait(cls, clocks.now) : Millis{0};
    if (wait.count == 0) continue;
    into.text("class    ").text(word(cls)).text(" has sent as many messages as it may, the next in ");
    write_wait(wait, into);
    into.text("\n");
  }
  for (std::size_t i = 0; i < config.stream_count; ++i) {
    into.text("stream   ").text(config.streams[i].name).text(" at ").text(config.streams[i].host);
    if (owner != nullptr && i < owner->stream_count()) {
      const Sender& sender = owner->sender(i);
      into.text(", ").text(Sender::word(sender.state()));
      const bool rests = sender.state() == Sender::State::backing_off || sender.state() == Sender::State::held;
      if (rests && sender.retry_at() > clocks.now && sender.retry_at() != kNever) {
        const Millis wait = sender.retry_at() - clocks.now;
        into.text(", next try in ");
        wait < minutes(2) ? static_cast<void>(into.signed_number(wait.count / 1000 + 1).text(" s")) : write_wait(wait, into);
        into.text(" (at once: tocsin queue retry ID)");
      }
      if (sender.gap().count != 0) {
        into.text(", a request every ");
        write_duration(sender.gap(), into);
        into.text(" at most (RATE_LIMIT)");
      }
      if (sender.last_accepted().now.ms != 0) {
        into.text(", last message accepted ");
        write_ago(sender.last_accepted().now, clocks.now, into);
      }
      if (const std::uint32_t most = config.streams[i].segments_per_day; most > 0)
        into.text(", ").number(owner->segments_used(config.streams[i].name, clocks.now)).text(" of ").number(most)
            .text(" segments of the day");
      if (!sender.reason().empty()) into.text("\n         ").text(sender.reason());
      if (!sender.receipts_reason().empty()) into.text("\n         delivery status: ").text(sender.receipts_reason());
    } else if (const std::string_view known = last_known(queue, index, config.streams[i].name); !known.empty()) {
      into.text("\n         its last answer: ").text(known);
    }
    into.text("\n");
  }
  if (!config.account.api_key_file.empty()) {
    into.text("account  API key for ").text(config.account.host);
    if (owner != nullptr && !owner->account_reason().empty()) into.text(": ").text(owner->account_reason());
    into.text("\n");
  }
  if (owner != nullptr && !owner->hook_problem().empty()) into.text("webhook  ").text(owner->hook_problem()).text("\n");
  for (const Queue::Alarm& mark : queue.alarms()) {
    if (!mark.is_mark() || !mark.is_active()) continue;
    write_masked(tail(mark.name.view(), 1), into.text("stopped  "));
    into.text(": asked by STOP to be told of critical alarms only\n");
  }
  for (const Queue::Alarm& alarm : queue.alarms()) {
    if (alarm.is_mark()) continue;
    into.text("alarm    ")
        .text(alarm.name.view())
        .text(alarm.is_active() ? " ACTIVE since " : " cleared ");
    alarm.since.clocks.wall_trusted ? write_date(alarm.since.clocks.wall, into)
                                    : static_cast<void>(into.text("(clock not set)"));
    if (alarm.last == Transition::acknowledged) into.text(", acknowledged");
    if (alarm.last == Transition::raised && !alarm.code.empty()) into.text(", code ").text(alarm.code.view());
    const std::size_t known = config.find_alarm(alarm.name.view());
    if (known != kNotFound && config.alarms[known].ways.count > 1)
      write_ways(config, config.alarms[known].ways, ", then ", into.text(", by "));
    into.text("\n");
  }
}

}  // namespace tocsin

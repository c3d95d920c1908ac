// SPDX-License-Identifier: MIT
// `tocsin queue list`, `tocsin queue show ID` and `tocsin status`, read from the files; what only the owner
// knows is asked of it.
#include <unistd.h>

#include "port/linux/clock.hpp"
#include "src/program/commands.hpp"
#include "src/program/control.hpp"
#include "src/program/in_place.hpp"
#include "src/program/owner.hpp"
#include "src/program/reader.hpp"

namespace tocsin {
namespace {

// Why each stream does not send at this moment, as its owner says; empty when nobody owns the queue.
class Reasons {
 public:
  explicit Reasons(const Config& config) {
    ControlRequest request;
    request.ask = Ask::reasons;
    const auto reply = call_control(config.device.control, request, seconds(2), memory_);
    running_ = reply.ok();
    if (reply.ok()) text_ = reply.value().out;
  }
  std::string_view of(std::string_view stream) const {
    if (!running_) return "no daemon is running";
    std::string_view rest = text_;
    while (!rest.empty()) {
      std::string_view line = take_until(rest, '\n');
      if (take_until(line, '\t') == stream) return line;
    }
    return "the stream is not in the running configuration";
  }

 private:
  bool running_ = false;
  std::string_view text_;
  std::uint8_t memory_[kMaxControlReply];
};

std::string_view reason_of(const Reader::Message& message, const Reasons& reasons) {
  if (!message.state.reason.empty()) return message.state.reason;
  return ended(message.state.state) ? std::string_view{} : reasons.of(message.body.event.stream);
}

void time_field(JsonWriter& json, std::string_view key, const Clocks& at, bool known) {
  char text[32];
  TextWriter writer(text);
  write_rfc3339(at.wall, writer);
  json.text_or_null(key, known && at.wall_trusted ? writer.view() : std::string_view{});
}

void write_message_json(const Reader::Message& message, std::string_view reason, JsonWriter& json) {
  const Event& event = message.body.event;
  const bool over = ended(message.state.state);
  json.open_object();
  json.field("id", message.id.view());
  json.field("to", message.phone.view());
  json.field("text", event.text);
  json.field("stream", event.stream);
  json.field("class", word(event.cls));
  json.text_or_null("alarm", event.alarm);
  json.field("state", word(message.state.state));
  json.field("attempts", std::uint32_t{message.attempts});
  json.text_or_null("uuid", message.state.uuid);
  json.text_or_null("reason", reason);
  time_field(json, "queued_at", event.queued.clocks, true);
  time_field(json, "ended_at", message.state.at.clocks, over && message.has_state);
  json.field("boot", event.queued.boot);
  json.field("uptime_ms", std::uint64_t{event.queued.clocks.now.ms});
  json.close_object();
}

void write_when(const Stamp& stamp, TextWriter& into) {
  if (stamp.clocks.wall_trusted) {
    write_date(stamp.clocks.wall, into);
  } else {
    into.text("clock not set");
  }
  into.text(" (start ").number(stamp.boot).text(", up ").number(stamp.clocks.now.ms / 1000).text(" s)");
}

}  // namespace

Exit list_queue(const Call& call) {
  Reader& reader = in_place<Reader>();
  char words[300];
  TextWriter why(words);
  const Exit opened = reader.open(call.config, why);
  if (opened != Exit::done) {
    complain(why.view());
    return opened;
  }
  const Reasons& reasons = in_place<Reasons>(call.config);
  alignas(8) static std::uint8_t body[kBlock], state[kBlock];
  static char line[2 * kMaxText + 2048];
  if (!call.arguments.json && reader.index().size() == 0) print("the queue is empty\n");
  for (std::uint32_t number = 1; number != 0; ++number) {
    const auto message = reader.from(number, body, state);
    if (message.code() == Code::not_found) break;
    if (!message.ok()) continue;
    const std::string_view reason = reason_of(message.value(), reasons);
    if (call.arguments.json) {
      JsonWriter json({line, sizeof line - 1});
      write_message_json(message.value(), reason, json);
      print_json(json, line);
      continue;
    }
    TextWriter out(line);
    out.text(message.value().id.view()).text("  ").text(word(message.value().state.state)).text("  ");
    out.text(word(message.value().body.event.cls)).text("  ").text(message.value().phone.view()).text("  ");
    out.text(message.value().body.event.text);
    if (!reason.empty()) out.text("\n    ").text(reason);
    print(out.text("\n").view());
  }
  return Exit::done;
}

Exit show_message(const Call& call) {
  Reader& reader = in_place<Reader>();
  char words[300];
  TextWriter why(words);
  const Exit opened = reader.open(call.config, why);
  std::uint32_t number = opened == Exit::done ? reader.find(call.arguments.subject) : 0;
  if (opened == Exit::done && number == 0)
    why.text("there is no message ")
        .text(call.arguments.subject)
        .text(" in the queue: see `tocsin queue list`");
  if (number == 0) {
    complain(why.view());
    return opened == Exit::done ? Exit::bad_data : opened;
  }
  const Reasons& reasons = in_place<Reasons>(call.config);
  alignas(8) static std::uint8_t body[kBlock], state[kBlock];
  static char text[2 * kMaxText + 2048];
  const std::uint32_t asked = number;
  const auto message = reader.from(number, body, state);
  if (!message.ok() || number != asked) {
    complain("its record cannot be read");
    return Exit::medium;
  }
  const Reader::Message& m = message.value();
  const std::string_view reason = reason_of(m, reasons);
  if (call.arguments.json) {
    JsonWriter json({text, sizeof text - 1});
    write_message_json(m, reason, json);
    print_json(json, text);
    return Exit::done;
  }
  const Event& event = m.body.event;
  TextWriter out(text);
  out.text("id        ").text(m.id.view()).text("\nto        ").text(m.phone.view());
  out.text("\nstream    ").text(event.stream).text("\nclass     ").text(word(event.cls));
  if (!event.alarm.empty())
    out.text("\nalarm     ")
        .text(event.alarm)
        .text(event.transition == Transition::raised ? " raised" : " cleared");
  out.text("\ntext      ").text(event.text).text("\nqueued    ");
  write_when(event.queued, out);
  out.text("\nattempts  ").number(m.attempts).text("\nstate     ").text(word(m.state.state));
  if (m.has_state) {
    out.text(", ");
    write_when(m.state.at, out);
  }
  if (!m.state.uuid.empty()) out.text("\nuuid      ").text(m.state.uuid);
  if (!reason.empty()) out.text("\nreason    ").text(reason);
  print(out.text("\n").view());
  return Exit::done;
}

Exit show_status(const Call& call) {
  static std::uint8_t memory[kMaxControlReply];
  static ControlRequest request;
  request.ask = Ask::status;
  request.json = call.arguments.json;
  const auto reply = call_control(call.config.device.control, request, kControlTimeout, memory);
  if (reply.ok()) {
    print(reply.value().out);
    return reply.value().exit;
  }
  char words[300];
  TextWriter why(words);
  if (reply.code() == Code::io && reply.status().detail() == EACCES)
    complain("you may not use the daemon's control socket: what follows is read from its files");
  else if (reply.code() != Code::not_found)
    complain("the daemon does not answer at its control socket: what follows is read from its files");
  Reader& reader = in_place<Reader>();
  const Exit opened = reader.open(call.config, why);
  if (opened != Exit::done) {
    complain(why.view());
    return opened;
  }
  static char text[kMaxControlReply];
  TextWriter out(text);
  write_status(call.config, reader.queue(), reader.index(), reader.found(), nullptr, read_clocks(),
               request.json, out);
  print(out.view());
  return Exit::done;
}

}  // namespace tocsin

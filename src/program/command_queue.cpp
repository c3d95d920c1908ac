// SPDX-License-Identifier: MIT
// `tocsin queue list` and `tocsin queue show ID`, read from the files; what only the owner knows, or only its
// memory has, is asked of it.
#include <unistd.h>

#include "port/linux/clock.hpp"
#include "src/program/commands.hpp"
#include "src/program/in_place.hpp"
#include "src/program/memory_list.hpp"
#include "src/program/message_life.hpp"
#include "src/program/owner.hpp"
#include "src/program/reader.hpp"
#include "src/program/reasons.hpp"

namespace tocsin {
namespace {

enum class Where : std::uint8_t { in_files, in_memory };  // of a daemon, and nowhere else

// The one that it goes by, or went by last.
std::string_view stream_of(const Reader::Message& message) {
  return stream_at(message.body.event.stream, message.state.way);
}

// Each of several in order, with what it said.
void write_streams(const Reader::Message& message, JsonWriter& json) {
  const std::string_view names = message.body.event.stream;
  json.open_array("streams");
  for (std::size_t way = 0; !stream_at(names, way).empty(); ++way) {
    json.open_object();
    json.field("name", stream_at(names, way));
    json.text_or_null("said", said_by(message.state.reason, names, way));
    json.close_object();
  }
  json.close_array();
}

// Of one that the service has, and of which nothing more came in the time that its stream gives it: its age, as far as
// the queue tells.
std::string_view no_receipt(const Config& config, const Reader::Message& message, std::uint64_t on_ms, Span<char> room) {
  const std::size_t stream = config.find_stream(stream_of(message));
  const Millis most = stream == kNotFound ? Millis{0} : config.streams[stream].status_for;
  const std::uint64_t since_ms = message.state.at.on_ms();
  const bool over = on_ms > since_ms && on_ms - since_ms >= static_cast<std::uint64_t>(most.count);
  const std::string_view recorded = message.state.reason;
  if (message.state.state != State::accepted || most.count == 0 || !over) return recorded;
  TextWriter words(room);
  write_duration(most, words.text("no receipt within "));
  if (!recorded.empty()) words.text("; ").text(recorded);
  return words.view();
}

std::string_view reason_of(const Call& call, const Reader& reader, const Reader::Message& message, Where where,
                           const Reasons& reasons) {
  static char room[kMaxReason + 60];
  const std::string_view recorded = message.state.reason;
  if (ended(message.state.state))
    return no_receipt(call.config, message, reader.queue().on_ms(read_clocks().now), room);
  if (!reasons.running()) {
    TextWriter words(room);
    const bool half_sent = recorded.empty() && message.state.sends > 0 && !reasons.is_there();
    const std::string_view known = half_sent ? "tocsin ended while it was being sent" : recorded;
    return words.text(known).text(known.empty() ? "" : "; ").text(reasons.why_not()).view();
  }
  // What it waits for now comes before what its last record tells.
  if (where == Where::in_files && !reasons.of_files().empty()) return reasons.of_files();
  const Event& event = message.body.event;
  const std::string_view stream = stream_of(message);
  for (const std::string_view reason :
       {reasons.of(event.cls), reasons.of_segments(event, stream, message.phone), reasons.of(stream), recorded})
    if (!reason.empty()) return reason;
  return reasons.of_medium();
}

// The ids that a daemon has in memory only, told apart by their hash.
class Remembered {
 public:
  void add(std::string_view id) {
    if (count_ < kMost) hashes_[count_++] = name_hash(id);
  }
  Where where(std::string_view id) const {
    const std::uint32_t hash = name_hash(id);
    for (std::size_t at = 0; at < count_; ++at)
      if (hashes_[at] == hash) return Where::in_memory;
    return Where::in_files;
  }

 private:
  static constexpr std::size_t kMost = kStagingBytes / 8;  // a phone takes so much of what memory has
  std::size_t count_ = 0;
  std::uint32_t hashes_[kMost];
};

void time_field(JsonWriter& json, const char* key, const Clocks& at, bool known) {
  char text[32];
  TextWriter writer(text);
  write_rfc3339(at.wall, writer);
  json.text_or_null(key, known && at.wall_trusted ? writer.view() : std::string_view{});
}

void write_fields(const Reader::Message& message, std::string_view reason, Where where, JsonWriter& json) {
  const Event& event = message.body.event;
  const bool over = ended(message.state.state);
  json.field("id", message.id.view());
  json.field("to", message.phone.view());
  json.field("text", event.text);
  json.field("stream", stream_of(message));
  write_streams(message, json);
  json.field("class", word(event.cls));
  json.text_or_null("alarm", event.alarm);
  json.field("state", word(message.state.state));
  json.field("attempts", std::uint32_t{message.attempts});
  json.text_or_null("uuid", message.state.uuid);
  json.text_or_null("reason", reason);
  json.field("memory_only", where == Where::in_memory);
  time_field(json, "queued_at", event.queued.clocks, true);
  time_field(json, "ended_at", message.state.at.clocks, over && message.has_state);
  json.field("edge_before_ms", event.edge_before_ms);
  json.field("boot", event.queued.boot);
  json.field("uptime_ms", std::uint64_t{event.queued.clocks.now.ms});
}

void write_when(const Stamp& stamp, TextWriter& into) {
  if (stamp.clocks.wall_trusted) {
    write_date(stamp.clocks.wall, into);
  } else {
    into.text("clock not set");
  }
  into.text(" (start ").number(stamp.boot).text(", up ").number(stamp.clocks.now.ms / 1000).text(" s)");
}

void write_life(Life& life, JsonWriter& json) {
  json.open_array("life");
  while (life.next()) {
    const MessageState& step = life.step();
    json.open_object();
    json.field("what", life.what());
    json.field("attempts", std::uint32_t{step.attempts});
    json.text_or_null("uuid", step.uuid);
    json.text_or_null("reason", step.reason);
    time_field(json, "at", step.at.clocks, true);
    json.field("boot", step.at.boot);
    json.field("uptime_ms", std::uint64_t{step.at.clocks.now.ms});
    json.close_object();
  }
  json.close_array();
}

void write_life(Life& life, TextWriter& into) {
  while (life.next()) {
    const MessageState& step = life.step();
    into.text("\n          ");
    write_when(step.at, into);
    into.text(": ");
    if (step.attempts > 0 && !life.is_by_hand()) into.text("attempt ").number(step.attempts).text(": ");
    into.text(life.what());
    if (!step.reason.empty()) into.text(": ").text(step.reason);
  }
}

void print_line(const Reader::Message& message, std::string_view reason, Where where, bool as_json) {
  static char line[2 * kMaxText + 2048];
  if (as_json) {
    JsonWriter json({line, sizeof line - 1});
    json.open_object();
    write_fields(message, reason, where, json);
    json.close_object();
    return print_json(json, line);
  }
  TextWriter out(line);
  out.text(message.id.view()).text("  ").text(word(message.state.state)).text("  ");
  out.text(word(message.body.event.cls)).text("  ").text(message.phone.view()).text("  ");
  out.text(message.body.event.text);
  if (where == Where::in_memory) out.text("\n    in memory only");
  if (!reason.empty()) out.text(where == Where::in_memory ? ": " : "\n    ").text(reason);
  print(out.text("\n").view());
}

// The text as its stream sends it, by the configuration of now; empty: as it is.
std::string_view sent_as(const Reader::Message& message, const Config& config, Span<char> memory) {
  const Event& event = message.body.event;
  const std::size_t stream = config.find_stream(stream_of(message));
  if (stream == kNotFound) return {};
  const SentText sent = as_sent(event.text, config.streams[stream].sms, Copy::first, memory);
  return sent.transliterated || sent.shortened ? sent.text : std::string_view{};
}

// What `id` names in the memory of a daemon, and in no file: there, NUMBER may be another message.
bool find_in_memory(const Call& call, MemoryList::Files files, Reader::Message& into) {
  std::uint32_t number = 0;
  return in_place<MemoryList>(call.config.device.control, call.arguments.subject, files).next(into, number);
}

alignas(8) std::uint8_t body_memory[kBlock], state_memory[kBlock];

// Where the files of a daemon were removed, what it says of a message counts; what is left of them may know it too.
Where where(const Reader::Message& message, const Reader& reader) {
  const Entry* const entry = reader.queue().find(message.id.view());
  const bool is_same =
      entry != nullptr && entry->state == message.state.state && entry->attempts == message.attempts;
  return is_same ? Where::in_files : Where::in_memory;
}

}  // namespace

Exit list_queue(const Call& call) {
  const Reasons& reasons = in_place<Reasons>(call.config);
  Remembered& remembered = in_place<Remembered>();
  Reader::Message held;
  std::uint32_t number = 1;
  // Before the files are read: what is in neither came to an end.
  MemoryList& before = in_place<MemoryList>(call.config.device.control);
  while (reasons.running() && before.next(held, number)) remembered.add(held.id.view());

  Reader& reader = in_place<Reader>();
  char words[300];
  TextWriter why(words);
  const Exit opened = reader.open(call.config, why);
  bool empty = true;
  const bool gone = reasons.running() && opened == Exit::done && reader.is_missing(call.config.device);
  for (number = 1; opened == Exit::done && !gone && number != 0; ++number) {
    const auto message = reader.from(number, body_memory, state_memory);
    if (message.code() == Code::not_found) break;
    empty = false;
    if (!message.ok()) continue;
    const Where place = remembered.where(message.value().id.view());
    print_line(message.value(), reason_of(call, reader, message.value(), place, reasons), place, call.arguments.json);
  }
  MemoryList& memory = in_place<MemoryList>(call.config.device.control, std::string_view{},
                                            gone ? MemoryList::Files::gone : MemoryList::Files::there);
  while (reasons.running() && memory.next(held, number)) {
    if (!gone && opened == Exit::done && reader.find(held.id.view()) != 0) continue;
    empty = false;
    const Where place = gone ? where(held, reader) : Where::in_memory;
    print_line(held, reason_of(call, reader, held, place, reasons), place, call.arguments.json);
  }
  if (!memory.remark().empty()) complain(memory.remark());
  if (opened != Exit::done) {
    complain(why.view());
    return opened;
  }
  if (!reasons.running() && !reader.is_there() && !Reader::can_be_made(call.config.device, why)) {
    complain(why.view());
    return Exit::cannot_create;
  }
  const bool unreadable = !gone && reader.found().unreadable && reader.found().fresh;
  // A first start that was cut off leaves queue.0 alone, and nothing in it.
  const bool is_missing = !gone && !reader.missing().empty() &&
                          (!reader.found().fresh || reader.missing() == kQueueFiles[0]);
  if (!call.arguments.json && empty && !unreadable && !is_missing) print("the queue is empty\n");
  if (unreadable) {
    why.text("no queue can be read in ").text(call.config.device.place());
    complain(why.text(": look at the medium, and see `tocsin queue check`").view());
    return Exit::bad_data;
  }
  if (is_missing) {
    why.text(reader.missing()).text(" is not in ").text(call.config.device.place());
    complain(why.text(": what only it had is not listed; see `tocsin queue check`").view());
    return Exit::bad_data;
  }
  return Exit::done;
}

Exit show_message(const Call& call) {
  const Reasons& reasons = in_place<Reasons>(call.config);
  Reader& reader = in_place<Reader>();
  char words[300];
  TextWriter why(words);
  Reader::Message m;
  bool of_daemon = reasons.running() && find_in_memory(call, MemoryList::Files::there, m);
  const Exit opened = reader.open(call.config, why);
  Where place = of_daemon ? Where::in_memory : Where::in_files;
  if (reasons.running() && opened == Exit::done && reader.is_missing(call.config.device)) {
    of_daemon = find_in_memory(call, MemoryList::Files::gone, m);
    if (of_daemon) place = where(m, reader);
  }
  std::uint32_t number = of_daemon              ? m.body.first_number
                         : opened == Exit::done    ? reader.find(call.arguments.subject)
                                                   : 0;
  if (opened == Exit::done && number == 0)
    why.text("there is no message ")
        .text(call.arguments.subject)
        .text(" in the queue: see `tocsin queue list`");
  if (number == 0) {
    complain(why.view());
    return opened == Exit::done ? Exit::bad_data : opened;
  }
  static char text[24'576];
  if (!of_daemon) {
    const std::uint32_t asked = number;
    const auto message = reader.from(number, body_memory, state_memory);
    if (!message.ok() || number != asked) {
      complain("its record cannot be read");
      return Exit::medium;
    }
    m = message.value();
  }
  const std::string_view reason = reason_of(call, reader, m, place, reasons);
  char sent[kMaxSentText];
  const std::string_view as_sent_now = sent_as(m, call.config, sent);
  if (call.arguments.json) {
    JsonWriter json({text, sizeof text - 1});
    json.open_object();
    write_fields(m, reason, place, json);
    json.text_or_null("sent_text", as_sent_now);
    write_life(in_place<Life>(reader, number, m.id.view()), json);
    json.close_object();
    print_json(json, text);
    return Exit::done;
  }
  const Event& event = m.body.event;
  TextWriter out(text);
  out.text("id        ").text(m.id.view()).text("\nto        ").text(m.phone.view());
  out.text("\nstream    ").text(stream_of(m));
  if (!stream_at(event.stream, 1).empty()) out.text(", of ").text(event.stream).text(" in this order");
  out.text("\nclass     ").text(word(event.cls));
  if (!event.alarm.empty())
    out.text("\nalarm     ")
        .text(event.alarm)
        .text(event.transition == Transition::none ? "" : " ")
        .text(word(event.transition));
  if (event.edge_before_ms > 0)
    out.text(", the edge came ").number(event.edge_before_ms).text(" ms before it was queued");
  out.text("\ntext      ").text(event.text);
  if (!as_sent_now.empty()) out.text("\nsent as   ").text(as_sent_now);
  out.text("\nqueued    ");
  write_when(event.queued, out);
  out.text("\nattempts  ").number(m.attempts).text("\nstate     ").text(word(m.state.state));
  if (m.has_state) {
    out.text(", ");
    write_when(m.state.at, out);
  }
  if (!m.state.uuid.empty()) out.text("\nuuid      ").text(m.state.uuid);
  if (!reason.empty()) out.text("\nreason    ").text(reason);
  if (place == Where::in_memory) out.text("\nmedium    in memory only: a power cut would lose it");
  out.text("\nlife");
  write_life(in_place<Life>(reader, number, m.id.view()), out);
  if (!ended(m.state.state)) {
    out.text("\n          now: waits");
    if (!reason.empty()) out.text(": ").text(reason);
  }
  print(out.text("\n").view());
  return Exit::done;
}

}  // namespace tocsin

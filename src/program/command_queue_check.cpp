// SPDX-License-Identifier: MIT
// `tocsin queue check`: whether the files of a queue are whole. Reads only; also files that were copied from
// another machine, without a configuration.
#include <sys/stat.h>

#include "port/linux/kept_aside.hpp"
#include "port/linux/system.hpp"
#include "src/program/commands.hpp"
#include "src/program/control.hpp"
#include "src/program/in_place.hpp"
#include "src/program/queue_places.hpp"
#include "src/program/reader.hpp"

namespace tocsin {
namespace {

struct Report {
  std::uint32_t waiting = 0;
  std::uint32_t ended = 0;
  std::uint32_t unreadable = 0;  // messages whose text cannot be read back
  Queue::Place broken[8];        // the first slots with something that does not pass its check
  std::size_t broken_count = 0;  // all
};

constexpr unsigned kMostAgain = 5;
constexpr Millis kPatience = seconds(2);  // somebody looks at a screen

Report look(const Reader& reader) {
  alignas(8) static std::uint8_t scratch[kBlock];
  Report report;
  const Index& index = reader.index();
  for (std::size_t at = 0; at < index.size(); ++at) {
    ended(index[at].state) ? ++report.ended : ++report.waiting;
    if (!reader.queue().read_body(index[at], scratch).ok()) ++report.unreadable;
  }
  for (Queue::Place from;; ++from.slot) {
    const auto place = reader.queue().next_damaged(from, scratch);
    if (!place.ok()) break;
    from = place.value();
    if (report.broken_count < sizeof report.broken / sizeof report.broken[0])
      report.broken[report.broken_count] = from;
    ++report.broken_count;
  }
  return report;
}

void write_blocks(const Report& report, std::string_view remark, TextWriter& out) {
  if (report.broken_count == 0) return;
  out.text("blocks     ").number(report.broken_count).text(" with bytes that are no record:");
  for (std::size_t at = 0; at < report.broken_count && at < sizeof report.broken / sizeof report.broken[0]; ++at)
    out.text(report.broken[at].file == 0 ? " queue.0/" : " queue.1/").number(report.broken[at].slot);
  out.text(remark).text("\n");
}

// What a daemon says of files that are not in their place; empty when none answers.
std::string_view ask_about_files(std::string_view control, Ask ask, bool& answers) {
  static std::uint8_t memory[kMaxControlReply];
  auto& request = in_place<ControlRequest>();
  request.ask = ask;
  request.from = UINT32_MAX;
  request.files_gone = true;
  const auto reply = call_control(control, request, kPatience, memory);
  answers = reply.ok() && reply.value().exit == Exit::done;
  return answers ? reply.value().err : std::string_view{};
}

}  // namespace

Exit check_queue(const Arguments& arguments, const Config* config) {
  DeviceConfig device;
  if (config != nullptr) device = config->device;
  if (config == nullptr) {
    // A file is a copy of a state_device.
    struct stat about = {};
    const bool is_directory = ::stat(Path{arguments.subject}.c_str(), &about) != 0 || S_ISDIR(about.st_mode);
    (is_directory ? device.state : device.state_device) = arguments.subject;
    if (!is_directory) device.state = {};
  }
  const std::string_view directory = device.place();
  Reader& reader = in_place<Reader>();
  char words[600];
  TextWriter why(words);
  // Before the files are looked at: a daemon that answers has made them.
  bool runs = false;
  if (config != nullptr) ask_about_files(device.control, Ask::ping, runs);
  const Exit opened = reader.open(device, why);
  if (opened != Exit::done) {
    complain(why.view());
    return opened;
  }
  std::string_view of_daemon;
  if (runs && reader.is_missing(device)) of_daemon = ask_about_files(device.control, Ask::in_memory, runs);
  const bool removed = !of_daemon.empty();
  // A device that was not started yet has none, and nothing is wrong with it.
  const bool not_yet = !reader.is_there() && config != nullptr && !removed;
  if (not_yet && !runs && !Reader::can_be_made(device, why)) {
    complain(why.view());
    return Exit::cannot_create;
  }
  if (!reader.is_there() && !not_yet && !removed) {
    why.text("there are no queue.0 and queue.1 in ").text(directory).text(": ");
    complain(why.text("name the directory that has both, or the copy of a state_device").view());
    return Exit::bad_data;
  }
  const Queue& queue = reader.queue();
  const Queue::Found& found = reader.found();
  Report report = look(reader);
  // Beside a daemon its files may have turned since they were looked at.
  for (unsigned again = 0; report.unreadable > 0 && again < kMostAgain; ++again) {
    const Status looked = reader.look_until_it_stands();
    if (!looked.ok()) break;
    report = look(reader);
  }
  const std::string_view missing = reader.is_there() ? reader.missing() : removed ? "queue.0 and queue.1" : "";
  const bool damage = removed || !missing.empty() || found.damaged > 0 || found.bad_blocks > 0 ||
                      found.unreadable || report.unreadable > 0;
  const unsigned kept = KeptAside::find_in(device.state);
  char names[kMaxPath + 64];
  TextWriter kept_files(names);
  KeptAside::write_files(kept, device.state, kept_files);
  static char text[2048];
  if (arguments.json) {
    JsonWriter json({text, sizeof text - 1});
    json.open_object();
    json.field("directory", directory);
    json.field("good", !damage);
    json.text_or_null("missing", missing);
    json.field("generation", queue.generation());
    json.field("records", found.records);
    json.field("damaged_records", found.damaged);
    json.field("unreadable_blocks", found.bad_blocks);
    json.field("unreadable_messages", report.unreadable);
    json.field("blocks_to_look_at", std::uint64_t{report.broken_count});
    json.text_or_null("damaged_kept", kept_files.view());
    json.field("waiting", report.waiting);
    json.field("ended", report.ended);
    json.field("clean_end", !found.unclean);
    json.field("unfinished_turn", !found.fresh && found.unsealed != Queue::Found::kNoFile);
    json.close_object();
    print_json(json, text);
    return damage ? Exit::bad_data : Exit::done;
  }
  TextWriter out(text);
  out.text(directory).text(": ");
  if (not_yet) {
    print(out.text("no queue yet: `tocsin run`, or the first message, makes it\n").view());
    return Exit::done;
  }
  if (removed) {
    out.text(missing).text(missing.empty() ? "empty; " : " missing; ").text(of_daemon);
    print(out.text("\n").view());
    return Exit::bad_data;
  }
  if (!reader.missing().empty()) {
    out.text(reader.missing()).text(" is not there; ");
    out.text(config != nullptr ? "`tocsin run` makes it anew: what only it had is lost\n" : "copy both\n");
    out.text(directory).text(": ");
  }
  if (found.fresh) {
    const bool begun = found.unsealed != Queue::Found::kNoFile && report.broken_count > 0;
    out.text(found.unreadable ? "no queue can be read in its files: look at the medium\n"
                              : "an empty queue\n");
    if (begun) write_blocks(report, " (a start that was cut off, or damage)", out);
    print(out.view());
    return damage ? Exit::bad_data : Exit::done;
  }
  out.text("generation ").number(queue.generation()).text(" in queue.").number(queue.active_file());
  out.text(", ").number(found.records).text(found.records == 1 ? " record\n" : " records\n");
  out.text("messages   ").number(report.waiting).text(" waiting, ").number(report.ended).text(" ended\n");
  out.text("last run   ");
  out.text(found.unclean ? "did not end in good order, or has not ended\n" : "ended in good order\n");
  write_blocks(report, damage ? "" : " (nothing was promised there: a power cut may leave that)", out);
  if (found.unsealed != Queue::Found::kNoFile) {
    out.text("turn       ");
    write_unsealed(found.unsealed, out);
    out.text("\n");
  }
  if (found.cut_off != Queue::Found::kNoFile) {
    out.text("cut off    ");
    write_cut_off(found.cut_off, out);
    out.text("\n");
  }
  if (found.heads != Queue::Heads::there) {
    const bool is_used = found.heads == Queue::Heads::lost;
    out.text("heads      queue.").number(is_used ? queue.active_file() : queue.active_file() ^ 1);
    out.text(is_used ? " has lost both; its records were found without them\n"
                     : " has lost both, and all its records: what waits in the other may have been sent\n");
  }
  out.text("damage     ");
  if (!damage) {
    out.text("none\n");
  } else {
    out.number(found.damaged).text(found.damaged == 1 ? " record lost, " : " records lost, ").number(found.bad_blocks);
    out.text(found.bad_blocks == 1 ? " block" : " blocks").text(" not readable, ").number(report.unreadable);
    out.text(report.unreadable == 1 ? " message" : " messages").text(" without a text: look at the medium\n");
  }
  if (kept != 0) {
    KeptAside::write_files(kept, device.state, out.text("kept       "));
    out.text(", with blocks that were found damaged before\n");
  }
  print(out.view());
  return damage ? Exit::bad_data : Exit::done;
}

}  // namespace tocsin

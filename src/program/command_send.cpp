// SPDX-License-Identifier: MIT
// `tocsin send`, `raise`, `clear`, `queue retry`, `drop` and `purge`: through the owner when there is one,
// else by being the owner for a moment.
#include <poll.h>

#include "port/linux/clock.hpp"
#include "src/program/commands.hpp"
#include "src/program/in_place.hpp"
#include "src/program/memory_list.hpp"
#include "src/program/owner.hpp"
#include "src/program/reader.hpp"

namespace tocsin {
namespace {

constexpr Millis kCloseWithin = seconds(3);

// A daemon took the queue over while this command waited: its files tell how the messages end.
Exit watch_files(const Config& config, std::uint32_t first, std::size_t count, Instant until) {
  for (;;) {
    Reader& reader = in_place<Reader>();
    char words[300];
    TextWriter why(words);
    if (reader.open(config, why) == Exit::done) {
      Exit worst = Exit::done;
      bool waiting = false;
      for (std::uint32_t i = 0; i < count; ++i) {
        const Entry* entry = reader.index().find(first + i);
        if (entry == nullptr || !ended(entry->state)) waiting = true;
        if (entry != nullptr && entry->state == State::failed) worst = worse(worst, Exit::refused);
        if (entry != nullptr && entry->state == State::unknown) worst = worse(worst, Exit::later);
      }
      if (!waiting) return worst;
    }
    reader.close();  // it is made anew for the next look
    if (read_clocks().now >= until) return Exit::later;
    ::poll(nullptr, 0, 200);
  }
}

// Nobody owns the queue: this command does, for as long as it takes.
// `met_owner`: meanwhile somebody else does, and answers; nothing was done or said.
Exit as_owner(const Call& call, const ControlRequest& request, bool& met_owner) {
  static Resolver resolver;
  const bool waits = request.ask == Ask::send && request.wait > milliseconds(0);
  if (waits && resolver.keeper() == 0 && Owner::looks_up(call.config) && !resolver.start().ok()) {
    complain("cannot start the name resolver process: out of processes or memory?");
    return Exit::internal;
  }
  auto& log = in_place<Log, 1>();  // place 0 is for what is printed
  Owner& owner = in_place<Owner>(resolver, log);
  char words[600];
  TextWriter why(words);
  const Instant until = read_clocks().now + request.wait;
  Exit exit = owner.open(call.config, Role::guest, why);
  met_owner = owner.met_owner();
  if (exit != Exit::done) {
    if (!met_owner) complain(why.view());
    return exit;
  }
  const Owner::Posted posted = owner.act(request, why);
  exit = posted.exit;
  if (exit == Exit::done && posted.pushed.ticket == 0)
    owner.write_unchanged(posted, why);
  if (exit == Exit::done && posted.pushed.ticket != 0) {
    if (!waits && request.ask != Ask::purge) owner.end_run();
    exit = owner.settle(posted.pushed.ticket);
    if (exit == Exit::medium) {
      why.text(request.ask == Ask::purge
                   ? "the medium does not take it: nothing is forgotten; look at the disk, then purge again"
                   : "the medium does not take it, and no daemon keeps it in memory: it is lost when this "
                     "command ends");
    } else {
      char ids[kMaxPhones * (kMaxId + 1)];
      TextWriter out(ids);
      if (request.ask == Ask::purge) {
        while (owner.queue().forgetting() && read_clocks().now < until) owner.turn(until, -1);
        exit = owner.purged(posted, out, why);
      } else {
        owner.write_ids(posted, out);
        owner.write_unchanged(posted, why);
        if (!waits && request.ask != Ask::drop && request.ask != Ask::ack && posted.unchanged == kNotFound)
          why.text("stored; nothing sends until `tocsin run` does");
      }
      print(out.view());
    }
  }
  bool handed_over = false;
  if (waits && exit == Exit::done) {
    exit = owner.open_streams(why);
    owner.end_with(posted);
    while (exit == Exit::done && !owner.decided(posted) && read_clocks().now < until && !owner.gave_way())
      owner.turn(until, -1);
    handed_over = owner.gave_way() && !owner.decided(posted);
    if (exit == Exit::done && !handed_over) {
      exit = owner.outcome(posted.pushed.first_number, posted.count);
      owner.write_outcome(posted, exit, why);
      if (!owner.decided(posted)) why.text("; nothing sends until `tocsin run` does");
    }
  }
  owner.close(kCloseWithin);
  if (handed_over) exit = Exit::later;  // the daemon gets the lock when this process ends
  if (handed_over && owner.has_let_go())
    exit = watch_files(call.config, posted.pushed.first_number, posted.count, until);
  if (!why.view().empty()) complain(why.view());
  return exit;
}

Exit through_owner(const Call& call, const ControlRequest& request) {
  static std::uint8_t memory[kMaxControlReply];
  const Millis patience{kControlTimeout.count + request.wait.count};
  auto reply = call_control(call.config.device.control, request, patience, memory);
  for (int attempt = 0; reply.code() == Code::not_found && attempt < 3; ++attempt) {
    bool met_owner = false;
    const Exit exit = as_owner(call, request, met_owner);
    if (!met_owner) return exit;
    reply = call_control(call.config.device.control, request, patience, memory);
  }
  if (reply.ok()) {
    print(reply.value().out);
    if (!reply.value().err.empty()) complain(reply.value().err);
    return reply.value().exit;
  }
  char words[300];
  TextWriter why(words);
  if (reply.code() == Code::io && reply.status().detail() == EACCES) {
    why.text("you may not use ").text(call.config.device.control);
    complain(why.text(": nothing was stored; be its user, or in its group").view());
    return Exit::cannot_create;
  }
  why.text("the daemon at ").text(call.config.device.control);
  if (reply.code() == Code::timeout) {
    why.text(" does not answer");
  } else if (reply.code() == Code::io) {
    why.text(": ");
    write_errno(reply.status().detail(), why);
  } else {
    why.text(" ended before it answered");
  }
  why.text(": look with `tocsin queue list` what it did");
  complain(why.view());
  return Exit::later;
}

// A daemon that cannot use its files has other messages in memory, under numbers that those in the files have, too.
Exit is_meant(const Call& call, std::string_view id, TextWriter& why) {
  static std::uint8_t memory[kMaxControlReply];
  auto& request = in_place<ControlRequest, 4>();
  request.ask = Ask::reasons;
  const auto reply = call_control(call.config.device.control, request, seconds(2), memory);
  bool without_files = false;
  for (std::string_view rest = reply.ok() ? reply.value().out : std::string_view{}; !rest.empty();)
    without_files = starts_with(take_until(rest, '\n'), "[files]") || without_files;
  if (!without_files) return Exit::done;
  Reader& reader = in_place<Reader>();
  char words[300];
  TextWriter ignored(words);
  std::uint32_t number = reader.open(call.config, ignored) == Exit::done ? reader.find(id) : 0;
  alignas(8) static std::uint8_t body[kBlock], state[kBlock];
  const auto in_files = number == 0 ? Result<Reader::Message>{Code::not_found} : reader.from(number, body, state);
  if (!in_files.ok()) return Exit::done;
  Reader::Message in_memory;
  if (in_place<MemoryList>(call.config.device.control, id).next(in_memory, number)) {
    if (in_memory.id.view() == in_files.value().id.view()) return Exit::done;
    why.text(id).text(" is ").text(in_memory.id.view()).text(" in memory and ").text(in_files.value().id.view());
    why.text(" in files that the daemon cannot use now: name the one that is meant by its whole id");
    return Exit::bad_data;
  }
  why.text("message ").text(in_files.value().id.view());
  why.text(" is in files that the daemon cannot use now: see `tocsin status`");
  return Exit::medium;
}

// The text is kept whole, and somebody should know that not all of it arrives.
void remark_on_length(const Config& config, const ControlRequest& request) {
  const std::size_t stream =
      request.stream.empty() ? config.first_stream() : config.find_stream(trim(stream_at(request.stream, 0)));
  char memory[kMaxSentText], words[200];
  if (stream == kNotFound || !as_sent(request.text, config.streams[stream].sms, Copy::first, memory).shortened) return;
  TextWriter line(words);
  line.text("the text takes more than ").number(config.streams[stream].sms.max_segments);
  line.text(config.streams[stream].sms.max_segments == 1 ? " segment" : " segments");
  complain(line.text(" and its end is not sent: see `tocsin text`, and max_segments of the stream").view());
}

}  // namespace

Exit send_message(const Call& call) {
  static char from_stdin[kMaxText + 2];
  auto& request = in_place<ControlRequest, 2>();
  char words[300];
  TextWriter why(words);
  PhoneList phones;
  for (const std::string_view to : call.arguments.recipients())
    if (!add_recipients(call.config, to, phones, why).ok()) {
      complain(why.view());
      return Exit::bad_data;
    }
  request.ask = Ask::send;
  request.cls = call.arguments.cls;
  request.stream = call.arguments.stream;
  request.text = call.arguments.text;
  request.wait = call.arguments.wait;
  for (; request.phone_count < phones.count; ++request.phone_count)
    request.phones[request.phone_count] = phones.phones[request.phone_count];
  if (call.arguments.text_from_stdin) {
    const Exit read = read_text(0, from_stdin, request.text, why);
    if (read != Exit::done) {
      complain(why.view());
      return read;
    }
  }
  const Exit exit = through_owner(call, request);
  if (exit == Exit::done) remark_on_length(call.config, request);  // else one line has the trouble
  return exit;
}

Exit change_by_hand(const Call& call, Ask ask) {
  auto& request = in_place<ControlRequest, 3>();
  request.ask = ask;
  request.subject = call.arguments.subject;
  if (request.subject.size() > kMaxId) {
    complain("there is no alarm or message with a name that long");
    return Exit::bad_data;
  }
  if (!is_utf8(request.subject)) {
    complain("there is no alarm or message with such a name: it is no text");
    return Exit::bad_data;
  }
  if (ask == Ask::purge) request.wait = kPurgePatience;
  char words[300];
  TextWriter why(words);
  const Exit meant = ask == Ask::retry || ask == Ask::drop ? is_meant(call, request.subject, why) : Exit::done;
  if (meant != Exit::done) {
    complain(why.view());
    return meant;
  }
  return through_owner(call, request);
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// tocsin: an alarm on an input line becomes a text message on a phone.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "port/linux/file_store.hpp"
#include "src/program/commands.hpp"
#include "src/program/in_place.hpp"
#include "src/program/owner.hpp"
#include "src/program/reader.hpp"

#ifndef TOCSIN_VERSION
#define TOCSIN_VERSION "0.1.0"
#endif

namespace tocsin {

namespace {

struct MemoryRow {
  const char* key;
  std::size_t value;
  std::string_view what;
};
constexpr MemoryRow kMemory[] = {
    {"daemon_bytes", sizeof(Owner), "B what the daemon works with, in place; pages that are not used cost nothing"},
    {"index_bytes", sizeof(Index), "B of this: the index of messages"},
    {"queue_bytes", sizeof(Queue), "B of this: the queue, what is staged and the blocks being written"},
    {"stream_bytes", sizeof(Sender) + sizeof(TlsStream),
     "B of this: one stream, its request, answer and TLS state"},
    {"tls_arena_bytes", kTlsArenaBytes, "B of this: what Mbed TLS can have at most, where it takes an arena"},
    {"reply_arena_bytes", kReplyArenaBytes, "B of this: what cJSON can have at most, for one answer"},
    {"configuration_bytes", sizeof(ConfigFile), "B the configuration with its text"},
    {"messages", kMaxMessages, "messages that can wait or be kept, at most"},
};

struct Loaded {
  std::string_view path;
  ConfigFile& file;
  ConfigErrors& errors;
  bool good;
  bool is_there;
};

Loaded load(const Arguments& arguments) {
  auto& file = in_place<ConfigFile>();
  auto& errors = in_place<ConfigErrors>();
  const std::string_view path = config_path(arguments, ::getenv("TOCSIN_CONFIG"));
  const Status loaded = load_config(path, file, errors);
  return {path, file, errors, loaded.ok(), loaded.code() != Code::not_found};
}

// What the running daemon has used at most since it began, as far as it is there and knows.
struct Peaks {
  bool answered = false;
  Result<std::uint64_t> tls = Code::not_found, reply = Code::not_found;
};

Peaks ask_for_peaks(std::string_view control) {
  static std::uint8_t memory[kMaxControlReply];
  auto& request = in_place<ControlRequest, 5>();
  request.ask = Ask::memory;
  const auto answer = call_control(control, request, kControlTimeout, memory);
  Peaks peaks;
  peaks.answered = answer.ok() && answer.value().exit == Exit::done;
  if (!peaks.answered) return peaks;
  std::string_view rest = answer.value().out;
  peaks.tls = parse_number(take_until(rest, ' '), kTlsArenaBytes);
  peaks.reply = parse_number(rest, kReplyArenaBytes);
  return peaks;
}

void write_peaks(const Peaks& peaks, std::string_view control, TextWriter& into) {
  if (!peaks.answered) {
    into.text("How much of the two arenas was used at most, a running daemon knows: none answers at ").text(control);
    into.text("\n");
    return;
  }
  if (peaks.tls.ok())
    into.number(peaks.tls.value()).text("  B of the arena of Mbed TLS were used at most since the daemon began\n");
  else
    into.text("-  Mbed TLS of this build takes from the heap\n");
  if (peaks.reply.ok())
    into.number(peaks.reply.value()).text("  B of the arena of cJSON were used at most since the daemon began\n");
}

void write_peak(const char* key, const Result<std::uint64_t>& peak, JsonWriter& json) {
  peak.ok() ? json.field(key, peak.value()) : json.null_field(key);
}

}  // namespace

Exit show_version(const Arguments& arguments) {
  char text[2400];
  TextWriter out(text);
  const std::string_view control = arguments.memory ? load(arguments).file.config.device.control : std::string_view{};
  const Peaks peaks = arguments.memory ? ask_for_peaks(control) : Peaks{};
  if (arguments.json) {
    JsonWriter json({text, sizeof text - 1});
    json.open_object();
    json.field("version", std::string_view{TOCSIN_VERSION});
    json.field("tls", std::string_view{MBEDTLS_VERSION_STRING_FULL});
    if (arguments.memory) {
      for (const MemoryRow& row : kMemory) json.field(row.key, std::uint64_t{row.value});
      write_peak("tls_arena_peak_bytes", peaks.tls, json);
      write_peak("reply_arena_peak_bytes", peaks.reply, json);
    }
    json.close_object();
    print_json(json, text);
    return Exit::done;
  }
  out.text("tocsin ").text(TOCSIN_VERSION).text(", ").text(MBEDTLS_VERSION_STRING_FULL).text("\n");
  if (arguments.memory) {
    for (const MemoryRow& row : kMemory) out.number(row.value).text("  ").text(row.what).text("\n");
    write_peaks(peaks, control, out);
  }
  print(out.view());
  return Exit::done;
}

namespace {

void print_mistakes(std::string_view path, const ConfigErrors& errors) {
  static char text[32'768];  // kMaxConfigErrors of 300 bytes, escaped
  JsonWriter json({text, sizeof text - 1});
  json.open_object();
  json.field("file", path);
  json.field("good", false);
  write_remarks(errors, json);
  json.close_object();
  print_json(json, text);
}

// A file that is being edited must not keep an alarm from the daemon, which runs with what it has read.
Exit ask_running(const Arguments& arguments, std::string_view control, bool& answered) {
  static std::uint8_t memory[kMaxControlReply];
  auto& request = in_place<ControlRequest, 4>();
  request.ask = arguments.command == Command::raise   ? Ask::raise
                : arguments.command == Command::clear ? Ask::clear
                : arguments.command == Command::ack   ? Ask::ack
                                                      : Ask::status;
  request.subject = arguments.subject;
  request.json = arguments.json;
  const auto reply = call_control(control, request, kControlTimeout, memory);
  answered = reply.ok();
  if (!answered) return Exit::config;
  complain("the configuration has mistakes (tocsin check): the running daemon goes on with the one before");
  print(reply.value().out);
  if (!reply.value().err.empty()) complain(reply.value().err);
  return reply.value().exit;
}

// "`token set` needs STREAM ...": and which there are, where the configuration can be read.
void write_choice(const Arguments& arguments, TextWriter& why) {
  const bool of_token = arguments.command == Command::token_set || arguments.command == Command::token_show;
  if (!of_token || arguments.json || !arguments.subject.empty()) return;
  const Loaded loaded = load(arguments);
  if (!loaded.good) return;
  why.text("; ").text(loaded.path).text(": ");
  write_streams(loaded.file.config, why);
}

// `text` does without a configuration that nobody named.
bool does_without(const Arguments& arguments) {
  if (arguments.command != Command::text || !arguments.config_path.empty() || !arguments.stream.empty()) return false;
  const Loaded loaded = load(arguments);
  if (!loaded.good && loaded.is_there)
    complain("the configuration cannot be used (tocsin check): counted as without one");
  return !loaded.good;
}

Exit with_configuration(const Arguments& arguments, char** words) {
  const Loaded loaded = load(arguments);
  auto& file = loaded.file;
  auto& errors = loaded.errors;
  const std::string_view path = loaded.path;
  if (!loaded.good) {
    if (arguments.command == Command::raise || arguments.command == Command::clear ||
        arguments.command == Command::ack ||
        arguments.command == Command::status) {
      bool answered = false;
      const Exit exit = ask_running(arguments, file.config.device.control, answered);
      if (answered) return exit;
    }
    if (arguments.command == Command::check && arguments.json) {
      print_mistakes(path, errors);
      return Exit::config;
    }
    complain_of(errors);
    return Exit::config;
  }
  const Call call{arguments, file.config, path, words, errors};
  switch (arguments.command) {
    case Command::run: return run_daemon(call);
    case Command::send: return send_message(call);
    case Command::raise: return change_by_hand(call, Ask::raise);
    case Command::clear: return change_by_hand(call, Ask::clear);
    case Command::ack: return change_by_hand(call, Ask::ack);
    case Command::queue_list: return list_queue(call);
    case Command::queue_show: return show_message(call);
    case Command::queue_retry: return change_by_hand(call, Ask::retry);
    case Command::queue_drop: return change_by_hand(call, Ask::drop);
    case Command::queue_purge: return change_by_hand(call, Ask::purge);
    case Command::queue_check: return check_queue(arguments, &file.config);
    case Command::status: return show_status(call);
    case Command::text: return show_text(arguments, &file.config);
    case Command::token_set: return set_token(call);
    case Command::token_show: return show_token(call);
    case Command::otp_send:
    case Command::otp_verify: return ask_for_code(call);
    case Command::check: return check_configuration(call);
    case Command::version:
    case Command::help: return Exit::internal;  // need no configuration
  }
  return Exit::internal;
}

}  // namespace
}  // namespace tocsin

namespace {

// Where the caller closed one of the three, the next file opened would take its place and what is printed.
void open_standard_files() {
  pollfd standard[] = {{0, 0, 0}, {1, 0, 0}, {2, 0, 0}};
  ::poll(standard, 3, 0);
  for (const pollfd& one : standard)
    if ((one.revents & POLLNVAL) != 0)
      ::open("/dev/null", one.fd == 0 ? O_RDONLY : O_WRONLY);  // the lowest free: this one
}

int run_program(int argc, char** argv) {
  using namespace tocsin;
  open_standard_files();
  ::prctl(PR_SET_DUMPABLE, 0);  // no core with a token in it
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is an error of the write, with words
  auto& arguments = in_place<Arguments>();
  char words[500];
  TextWriter why(words);
  const Exit parsed = parse_arguments({argv, static_cast<std::size_t>(argc)}, arguments, why);
  if (parsed != Exit::done) {
    write_choice(arguments, why);
    complain(why.view());
    return number(parsed);
  }
  if (arguments.to_syslog || arguments.command == Command::run) complain_into_log(arguments.to_syslog);
  if (arguments.command == Command::help) {
    print(help_text(arguments.subject));
    return number(printed(Exit::done));
  }
  if (arguments.command == Command::version) return number(printed(show_version(arguments)));
  if (arguments.command == Command::queue_check && !arguments.subject.empty())
    return number(printed(check_queue(arguments, nullptr)));
  if (does_without(arguments)) return number(printed(show_text(arguments, nullptr)));
  return number(printed(with_configuration(arguments, argv)));
}

}  // namespace

// Without the C library's exit: nothing is to be flushed, and a storage worker that hangs in the kernel
// must not be asked to end.
int main(int argc, char** argv) { ::_exit(run_program(argc, argv)); }

// SPDX-License-Identifier: MIT
// The command line, as DESIGN section 6 has it: words in, one struct out.
//
//   tocsin [-c FILE] [-s] [--json] COMMAND [options] [arguments]      options may stand anywhere before `--`
//
// Memory: Arguments is about 700 bytes; its views point into argv, those of several TEXTs into static memory.
// Threads: none.
#pragma once

#include "tocsin/base/text.hpp"
#include "tocsin/base/time.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/message.hpp"

namespace tocsin {

// How the program ends; the numbers are those of sysexits.h and do not change.
enum class Exit : std::uint8_t {
  done = 0,
  usage = 64,        // the command line
  bad_data = 65,     // a number, a text, an unknown id
  unreachable = 69,  // the service (--wait)
  internal = 70,
  line_busy = 71,
  cannot_create = 73,  // the state
  medium = 74,         // failing: kept in memory only
  later = 75,          // lock held, queue full, not yet accepted (--wait)
  refused = 76,        // for good, by the service
  token = 77,          // refused
  config = 78,         // a missing token, an unknown line, `check` failed
};
constexpr int number(Exit exit) { return static_cast<int>(exit); }
// Of several phones the worst: token, refused, unreachable, later, done.
Exit worse(Exit a, Exit b);

enum class Command : std::uint8_t {
  run,
  send,
  raise,
  clear,
  ack,
  queue_list,
  queue_show,
  queue_retry,
  queue_drop,
  queue_purge,
  queue_check,
  status,
  token_set,
  token_show,
  otp_send,
  otp_verify,
  check,
  text,
  version,
  help,
};
std::string_view word(Command command);  // "queue list"

struct Arguments {
  Command command = Command::help;
  std::string_view config_path;         // -c; empty: config_path() below
  bool to_syslog = false;               // -s
  bool json = false;                    // --json
  bool memory = false;                  // version --memory
  std::string_view subject;             // ALARM, ID, STREAM, DIR, PHONE or the command that help is about (may be empty)
  std::string_view token_file;          // token set STREAM [FILE or -]; empty: ask
  std::string_view to[kMaxPhones];      // send --to, each as written, commas included
  std::size_t to_count = 0;
  std::string_view stream;              // send (with commas), text, otp --stream; empty: the first one
  std::string_view code;                // otp send --code, empty: the service makes one; otp verify CODE, - for stdin
  Class cls = Class::warning;           // send --class
  Millis wait;                          // send --wait; 0: not given
  std::string_view text;                // send TEXT, text TEXT...; checked, unless it is to be read from stdin
  bool text_from_stdin = false;         // TEXT was "-"

  Span<const std::string_view> recipients() const { return {to, to_count}; }
};

// Errors: usage; bad_data (the text of `send` or `text`). `why` is one line then, "what is wrong: what to do".
// words[0] is the program.
Exit parse_arguments(Span<const char* const> words, Arguments& into, TextWriter& why);

// -c, else what $TOCSIN_CONFIG holds (`environment`, may be null or empty), else the default.
std::string_view config_path(const Arguments& arguments, const char* environment);

// Whether this may be a message: not empty, UTF-8, no NUL, up to kMaxText bytes. Errors: bad_data.
Exit check_text(std::string_view text, TextWriter& why);

// Reads TEXT to the end of `fd`, without its last line end and with CR LF as LF, and checks it. Waits.
// Errors: bad_data.
Exit read_text(int fd, Span<char> into, std::string_view& text, TextWriter& why);

// What `tocsin help` says, or `tocsin help COMMAND` for "send", "queue", "queue show", ...; empty when there
// is no such command.
std::string_view help_text(std::string_view about);

}  // namespace tocsin

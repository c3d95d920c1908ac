// SPDX-License-Identifier: MIT
// tocsin: an alarm on an input line becomes a text message on a phone.
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "port/linux/file_store.hpp"
#include "port/linux/secret_file.hpp"
#include "src/program/commands.hpp"
#include "src/program/in_place.hpp"
#include "src/program/owner.hpp"
#include "src/program/reader.hpp"

#ifndef TOCSIN_VERSION
#define TOCSIN_VERSION "0.1.0"
#endif

namespace tocsin {

Exit show_version(const Arguments& arguments) {
  char text[1200];
  TextWriter out(text);
  out.text("tocsin ").text(TOCSIN_VERSION).text(", ").text(MBEDTLS_VERSION_STRING_FULL).text("\n");
  if (arguments.memory) {
    const auto row = [&out](std::string_view what, std::size_t bytes) {
      out.number(bytes, 1).text(" B  ").text(what).text("\n");
    };
    row("daemon in all, in place; pages that are not used cost nothing", sizeof(Owner));
    row("of this: index of messages", sizeof(Index));
    row("of this: queue (staging and blocks being written)", sizeof(Queue));
    row("of this: one stream (request, answer, TLS state; Mbed TLS's own buffers come on top)",
        sizeof(Sender) + sizeof(TlsStream));
    row("of this: nodes of one parsed answer", kReplyArenaBytes);
    row("configuration", sizeof(ConfigFile));
    row("messages that can wait or be kept, at most", kMaxMessages);
  }
  print(out.view());
  return Exit::done;
}

namespace {

Exit check_configuration(const Call& call) {
  // The file itself was found right; what it names must be there as well.
  Exit exit = Exit::done;
  for (std::size_t i = 0; i < call.config.stream_count; ++i) {
    char token[kMaxToken];
    char words[400];
    TextWriter why(words);
    if (read_token(call.config.streams[i].token_file, token, why).ok()) {
      ::explicit_bzero(token, sizeof token);
      continue;
    }
    complain(why.view());
    exit = Exit::config;
  }
  char words[400];
  TextWriter out(words);
  if (exit == Exit::done) print(out.text(call.config_path).text(": good\n").view());
  return exit;
}

Exit with_configuration(const Arguments& arguments, char** words) {
  auto& file = in_place<ConfigFile>();
  auto& errors = in_place<ConfigErrors>();
  const std::string_view path = config_path(arguments, ::getenv("TOCSIN_CONFIG"));
  if (!load_config(path, file, errors).ok()) {
    char text[600];
    for (std::size_t at = 0; at < errors.kept(); ++at) {
      TextWriter line(text);
      errors.write(at, line);
      complain(line.view());
    }
    if (errors.count() > errors.kept()) complain("and more mistakes: mend these first");
    return Exit::config;
  }
  const Call call{arguments, file.config, path, words};
  switch (arguments.command) {
    case Command::run: return run_daemon(call);
    case Command::send: return send_message(call);
    case Command::raise:
    case Command::clear: return change_alarm_by_hand(call);
    case Command::queue_list: return list_queue(call);
    case Command::queue_show: return show_message(call);
    case Command::status: return show_status(call);
    case Command::token_set: return set_token(call);
    case Command::token_show: return show_token(call);
    case Command::check: return check_configuration(call);
    case Command::version:
    case Command::help: return Exit::internal;  // need no configuration
  }
  return Exit::internal;
}

}  // namespace
}  // namespace tocsin

namespace {

int run_program(int argc, char** argv) {
  using namespace tocsin;
  ::prctl(PR_SET_DUMPABLE, 0);  // no core with a token in it
  ::signal(SIGPIPE, SIG_IGN);
  static Arguments arguments;
  char words[500];
  TextWriter why(words);
  const Exit parsed = parse_arguments({argv, static_cast<std::size_t>(argc)}, arguments, why);
  if (parsed != Exit::done) {
    complain(why.view());
    return number(parsed);
  }
  if (arguments.command == Command::help) {
    print(help_text(arguments.subject));
    return number(Exit::done);
  }
  if (arguments.command == Command::version) return number(show_version(arguments));
  return number(with_configuration(arguments, argv));
}

}  // namespace

// Without the C library's exit: nothing is to be flushed, and a storage worker that hangs in the kernel
// must not be asked to end.
int main(int argc, char** argv) { ::_exit(run_program(argc, argv)); }

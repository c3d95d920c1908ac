// SPDX-License-Identifier: MIT
// `tocsin token set STREAM [FILE or -]` and `tocsin token show STREAM`. The token itself is never shown.
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "port/linux/fingerprint.hpp"
#include "port/linux/secret_file.hpp"
#include "port/linux/system.hpp"
#include "src/program/commands.hpp"
#include "src/program/control.hpp"
#include "src/program/in_place.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kMaxRaw = kMaxToken + 64;  // with what surrounds a token that was pasted

// The file of a stream's token, or of the account's API key. Errors, which are said: config, bad_data.
Exit find_file(const Call& call, std::string_view& file) {
  const std::size_t at = call.config.find_stream(call.arguments.subject);
  const bool account = at == kNotFound && call.arguments.subject == kAccount;
  if (at != kNotFound) file = call.config.streams[at].token_file;
  if (account) file = call.config.account.api_key_file;
  if (!file.empty()) return Exit::done;
  char words[400];
  TextWriter why(words);
  why.text(account ? "there is no [" : "there is no [stream ").text(call.arguments.subject).text("] in ");
  why.text(call.config_path).text(": ");
  if (account) why.text("add it, with api_key_file");
  else write_streams(call.config, why);
  complain(why.view());
  return account ? Exit::config : Exit::bad_data;
}

void write_whose(const Call& call, TextWriter& into) {
  const std::string_view name = call.arguments.subject;
  call.config.find_stream(name) == kNotFound ? into.text("API key") : into.text("token of stream ").text(name);
}

// One line from a person, without echo.
Result<std::size_t> ask(Span<char> into) {
  termios before;
  const bool terminal = ::tcgetattr(0, &before) == 0;
  if (terminal) {
    print("Token (it is not shown while you type or paste): ");
    termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(0, TCSAFLUSH, &quiet);
  }
  std::size_t n = 0;
  bool whole = false;
  while (n < into.size() && !whole) {
    const ssize_t got = ::read(0, into.data() + n, terminal ? into.size() - n : 1);
    if (got <= 0) break;
    n += static_cast<std::size_t>(got);
    whole = into[n - 1] == '\n';
  }
  if (terminal) {
    ::tcsetattr(0, TCSAFLUSH, &before);
    print("\n");
  }
  return n;
}

Result<std::size_t> read_raw(std::string_view from, Span<char> into) {
  if (from.empty()) return ask(into);
  const bool is_stdin = from == "-";
  const Fd file(is_stdin ? -1 : ::open(Path(from).c_str(), O_RDONLY | O_CLOEXEC));
  if (!is_stdin && !file.is_open()) return last_error();
  return read_whole(is_stdin ? 0 : file.number(),
                    {reinterpret_cast<std::uint8_t*>(into.data()), into.size()});
}

}  // namespace

Exit set_token(const Call& call) {
  std::string_view file;
  const Exit found = find_file(call, file);
  if (found != Exit::done) return found;
  char raw[kMaxRaw];
  char words[400];
  TextWriter why(words);
  const auto size = read_raw(call.arguments.token_file, raw);
  if (!size.ok()) {
    // Not named: where a file is expected, people paste the token.
    why.text("cannot read the file that was named: ");
    write_errno(size.status().detail(), why);
    complain(why.text(": name the file that holds the token, - for stdin, or none to be asked for it").view());
    return Exit::bad_data;
  }
  const std::string_view given{raw, size.value()};
  const auto token = clean_token(given, why);
  Exit exit = Exit::done;
  if (!token.ok()) {
    exit = Exit::bad_data;
  } else if (!write_token(file, token.value(), why).ok()) {
    exit = Exit::cannot_create;
  } else {
    char text[400];
    TextWriter out(text);
    write_whose(call, out);
    out.text(" stored in ").text(file).text(", fingerprint ");
    write_fingerprint(token.value(), out);
    print(out.text("\n").view());
  }
  ::explicit_bzero(raw, sizeof raw);
  if (exit != Exit::done) {
    complain(why.view());
    return exit;
  }
  static std::uint8_t memory[kMaxControlReply];
  auto& request = in_place<ControlRequest>();
  request.ask = Ask::reload_token;
  request.subject = call.arguments.subject;
  const auto reply = call_control(call.config.device.control, request, kControlTimeout, memory);
  if (reply.ok() && reply.value().exit == Exit::done) print("the running daemon uses it now\n");
  if (!reply.ok() || reply.value().exit == Exit::done) return Exit::done;
  char refused[500];
  TextWriter words_of_daemon(refused);
  complain(words_of_daemon.text("stored, but the running daemon cannot use it: ").text(reply.value().err).view());
  return Exit::config;
}

Exit show_token(const Call& call) {
  std::string_view file;
  const Exit found = find_file(call, file);
  if (found != Exit::done) return found;
  char token[kMaxToken];
  char words[400];
  TextWriter why(words);
  const auto size = read_token(file, token, why);
  if (!size.ok()) {
    complain(why.view());
    return Exit::config;
  }
  char digits[16];
  TextWriter fingerprint(digits);
  write_fingerprint({token, size.value()}, fingerprint);
  ::explicit_bzero(token, sizeof token);
  char text[600];
  if (call.arguments.json) {
    JsonWriter json({text, sizeof text - 1});
    json.open_object();
    json.field("stream", call.arguments.subject);
    json.field("file", file);
    json.field("characters", std::uint64_t{size.value()});
    json.field("fingerprint", fingerprint.view());
    json.close_object();
    print_json(json, text);
    return Exit::done;
  }
  TextWriter out(text);
  out.text(file).text(": ").number(size.value()).text(" characters, fingerprint ");
  print(out.text(fingerprint.view()).text("\n").view());
  return Exit::done;
}

}  // namespace tocsin

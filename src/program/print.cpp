// SPDX-License-Identifier: MIT
#include "port/linux/clock.hpp"
#include "port/linux/log.hpp"
#include "port/linux/system.hpp"
#include "src/program/commands.hpp"
#include "src/program/in_place.hpp"
#include "tocsin/wire/phone.hpp"

namespace tocsin {
namespace {

Log* syslog_ = nullptr;
bool has_words_of_others_ = false;
int lost_ = 0;  // errno of an answer that could not be written

}  // namespace

void print(std::string_view text) {
  const Status written = write_whole(1, as_bytes(text));
  if (!written.ok() && written.detail() != EPIPE) lost_ = written.detail();  // a reader may stop reading
}

Exit printed(Exit exit) {
  if (lost_ == 0) return exit;
  char words[100];
  TextWriter why(words);
  why.text("cannot write the answer: ");
  write_errno(lost_, why);
  complain(why.view());
  return exit == Exit::done ? Exit::medium : exit;
}

void print_json(JsonWriter& json, Span<char> text) {
  const auto whole = json.finish();
  if (!whole.ok()) return complain("the answer does not fit its buffer");
  text[whole.value().size()] = '\n';
  print({text.data(), whole.value().size() + 1});
}

void complain_into_log(bool to_syslog) {
  has_words_of_others_ = true;
  if (!to_syslog) return;
  Log& log = in_place<Log>();
  if (log.to_syslog().ok()) {
    syslog_ = &log;
  } else {
    complain("there is no syslog at /dev/log: stderr is used");
  }
}

void complain_in_own_words() { has_words_of_others_ = false; }

void complain(std::string_view line) {
  char text[600];
  TextWriter writer({text, sizeof text - 1});
  if (syslog_ == nullptr) writer.text("tocsin: ");
  has_words_of_others_ ? write_without_phones(line, writer) : static_cast<void>(writer.text(line));
  for (char& c : Span<char>{text, writer.size()})  // of a name that somebody gave: it stays one line
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = '?';
  if (syslog_ != nullptr) return syslog_->line(read_clocks().now, LogLevel::error, writer.view());
  text[writer.size()] = '\n';
  write_whole(2, as_bytes({text, writer.size() + 1})).ignore();
}

}  // namespace tocsin

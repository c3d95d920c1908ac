// SPDX-License-Identifier: MIT
// The text of a message as somebody brings it: on the command line, on stdin, through the control socket.
#include "port/linux/system.hpp"
#include "src/program/arguments.hpp"

namespace tocsin {
namespace {

// What ends a line, once.
std::string_view without_line_end(std::string_view text) {
  if (ends_with(text, "\n")) text.remove_suffix(1);
  if (ends_with(text, "\r")) text.remove_suffix(1);
  return text;
}

// A file from another system: each CR LF becomes LF, in place.
std::string_view with_line_feeds(Span<char> text) {
  std::size_t size = 0;
  for (std::size_t at = 0; at < text.size(); ++at)
    if (text[at] != '\r' || at + 1 == text.size() || text[at + 1] != '\n') text[size++] = text[at];
  return {text.data(), size};
}

// The first that no message may have, or kNotFound. A line feed may.
std::size_t control_character(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) < 0x20 && text[at] != '\n') || text[at] == 0x7F) return at;
  return kNotFound;
}

}  // namespace

Exit check_text(std::string_view text, TextWriter& why) {
  if (text.empty()) {
    why.text("the text is empty: write what the message shall say");
  } else if (text.size() > kMaxText) {
    why.text("the text has ").number(text.size()).text(" bytes and a message at most ").number(kMaxText);
    why.text(": make it shorter");
  } else if (find(text, '\0') != kNotFound) {
    why.text("the text has a NUL byte: is it a text?");
  } else if (!is_utf8(text)) {
    why.text("the text is not UTF-8: set the terminal or the script to UTF-8");
  } else if (const std::size_t at = control_character(text); at != kNotFound) {
    why.text(text[at] == '\t' ? "the text has a tab" : "the text has a control character")
        .text(" at byte ")
        .number(at + 1);
    why.text(": of these a text may have line ends only");
  } else {
    return Exit::done;
  }
  return Exit::bad_data;
}

Exit read_text(int fd, Span<char> into, std::string_view& text, TextWriter& why) {
  const auto size = read_whole(fd, {reinterpret_cast<std::uint8_t*>(into.data()), into.size()});
  if (!size.ok()) {
    why.text("cannot read the text from stdin: ");
    write_errno(size.status().detail(), why);
    return Exit::bad_data;
  }
  const std::string_view read{into.data(), size.value()};
  if (read.size() == into.size()) {
    std::uint8_t more[1];
    const auto beyond = read_whole(fd, more);
    if (!beyond.ok() || beyond.value() != 0) {
      why.text("the text on stdin has more than ").number(kMaxText).text(" bytes: make it shorter");
      return Exit::bad_data;
    }
  }
  text = with_line_feeds(into.first(without_line_end(read).size()));
  return check_text(text, why);
}

}  // namespace tocsin

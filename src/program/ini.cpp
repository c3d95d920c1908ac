// SPDX-License-Identifier: MIT
#include "src/program/ini.hpp"

#include "tocsin/limits.hpp"

namespace tocsin {
namespace {

// The position from 1 of the first character that a configuration must not hold, or 0.
std::size_t bad_character(std::string_view line) {
  for (std::size_t at = 0; at < line.size(); ++at) {
    const auto byte = static_cast<unsigned char>(line[at]);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7F) return at + 1;
  }
  return 0;
}

// The position from 1 of the first byte that is not UTF-8, or 0.
std::size_t bad_utf8(std::string_view line) {
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t n = utf8_length(tail(line, at));
    if (n == 0) return at + 1;
    at += n;
  }
  return 0;
}

}  // namespace

IniReader::IniReader(std::string_view text) : rest_(text) {
  if (starts_with(rest_, "\xEF\xBB\xBF")) rest_.remove_prefix(3);
}

Result<IniItem> IniReader::bad(std::string_view what, std::string_view remedy) {
  char memory[160];
  TextWriter words{memory};
  words.text(what).text(": ").text(remedy);
  problem_.assign_cut(words.view());
  return Code::bad_value;
}

Result<IniItem> IniReader::next() {
  problem_.clear();
  lost_section_ = false;
  while (!rest_.empty()) {
    ++line_;
    if (line_ == 1 && (starts_with(rest_, "\xFF\xFE") || starts_with(rest_, "\xFE\xFF"))) {
      rest_ = {};  // every other line would be as wrong
      return bad("the file is UTF-16", "save it as UTF-8");
    }
    std::string_view line = take_until(rest_, '\n');
    if (ends_with(line, "\r")) line.remove_suffix(1);

    lost_section_ = starts_with(trim(line), "[");  // until it is read well

    if (line.size() > kMaxConfigLine) {
      char memory[80];
      TextWriter words{memory};
      words.text("the line has ").number(line.size()).text(" bytes and may have ").number(kMaxConfigLine);
      return bad(words.view(), "make it shorter");
    }
    if (const std::size_t at = bad_character(line); at != 0) {
      char memory[80];
      TextWriter words{memory};
      words.text(line[at - 1] == '\0' ? "a NUL byte" : "a control character")
          .text(" at position ")
          .number(at);
      return bad(words.view(), "remove it");
    }
    if (const std::size_t at = bad_utf8(line); at != 0) {
      char memory[80];
      TextWriter words{memory};
      words.text("the byte at position ").number(at).text(" is not UTF-8");
      return bad(words.view(), "save the file as UTF-8");
    }

    line = trim(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    return line.front() == '[' ? section(line) : key(line);
  }
  return Code::empty;
}

Result<IniItem> IniReader::section(std::string_view line) {
  const std::size_t end = find(line, ']');
  if (end == kNotFound) return bad("a section without its ]", "write [kind] or [kind name]");
  if (end + 1 != line.size())
    return bad("something stands behind the ] of a section", "give it a line of its own, comments too");
  IniItem item;
  item.line = line_;
  const std::string_view inside = trim(tail(head(line, end), 1));
  std::size_t blank = 0;
  while (blank < inside.size() && inside[blank] != ' ' && inside[blank] != '\t') ++blank;
  item.word = head(inside, blank);
  item.rest = trim(tail(inside, blank));
  if (item.word.empty()) return bad("a section without a kind", "write [kind] or [kind name]");
  lost_section_ = false;
  return item;
}

Result<IniItem> IniReader::key(std::string_view line) {
  const std::size_t equals = find(line, '=');
  if (equals == kNotFound) return bad("this is no section, no key and no comment", "write key = value");
  IniItem item;
  item.kind = IniItem::Kind::key;
  item.line = line_;
  item.word = trim(head(line, equals));
  item.rest = trim(tail(line, equals + 1));
  if (item.word.empty()) return bad("nothing stands in front of the =", "write key = value");
  return item;
}

}  // namespace tocsin

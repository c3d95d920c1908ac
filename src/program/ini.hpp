// SPDX-License-Identifier: MIT
// The lines of an INI file, one at a time, with their numbers.
//
//   [kind] or [kind name]      key = value      a line that begins with # or ; is a comment
//
// A value goes to the end of its line, # and ; included, without the blanks around it. LF or CRLF, and a
// byte order mark at the front, are taken. Refused, each with its line: bytes that are not UTF-8, control
// characters, lines above kMaxConfigLine. The reader goes on behind a bad line, so that a person sees
// every mistake at once.
//
// Memory: the object; items are views into the text. Threads: none. No system calls.
#pragma once

#include "tocsin/base/text.hpp"

namespace tocsin {

struct IniItem {
  enum class Kind : std::uint8_t { section, key };
  Kind kind = Kind::section;
  std::uint32_t line = 0;   // from 1
  std::string_view word;    // kind of the section, or the key; never empty
  std::string_view rest;    // name of the section, or the value; may be empty
};

class IniReader {
 public:
  explicit IniReader(std::string_view text);

  // The next section or key. Errors: empty (the end); bad_value (this line; problem() and line() say
  // what and where, the next call goes on behind it).
  Result<IniItem> next();

  std::uint32_t line() const { return line_; }                  // of what next() returned, or the last one
  std::string_view problem() const { return problem_.view(); }  // what is wrong: what to do
  bool lost_section() const { return lost_section_; }  // the bad line was to begin a section

 private:
  Result<IniItem> bad(std::string_view what, std::string_view remedy);
  Result<IniItem> section(std::string_view line);
  Result<IniItem> key(std::string_view line);

  std::string_view rest_;
  std::uint32_t line_ = 0;
  bool lost_section_ = false;
  FixedText<160> problem_;
};

}  // namespace tocsin

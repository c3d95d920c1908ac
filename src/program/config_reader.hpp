// SPDX-License-Identifier: MIT
// What the reading of a configuration and the check of it as a whole share. Only for config_*.cpp.
//
// Memory: PendingReferences is about 9 KiB, on the stack of parse_config(). Threads: none.
#pragma once

#include "src/program/config.hpp"

namespace tocsin {

// References by name that can only be looked up when every section is known.
struct PendingReferences {
  struct Reference {
    std::string_view written;
    std::uint32_t line = 0;  // 0: the key was not there, or its value was no good
  };
  Reference phones[kMaxContacts];
  Reference members[kMaxGroups];
  struct OfAlarm {
    Reference to, stream, text, clear_text;
  };
  OfAlarm alarms[kMaxAlarms];
};

// One error or warning, said in pieces and added when it goes out of scope.
class Complaint {
 public:
  using Kind = ConfigErrors::Kind;
  Complaint(ConfigErrors& errors, std::uint32_t line, Kind kind = Kind::mistake)
      : errors_(errors), line_(line), kind_(kind) {}
  Complaint(const Complaint&) = delete;
  Complaint& operator=(const Complaint&) = delete;
  ~Complaint() { errors_.add(line_, words_.view(), kind_); }

  TextWriter& words() { return words_; }
  Complaint& text(std::string_view text) {
    words_.text(text);
    return *this;
  }
  Complaint& text(const char* literal) {
    words_.text(literal);
    return *this;
  }
  Complaint& number(std::uint64_t value) {
    words_.number(value);
    return *this;
  }
  // What somebody wrote, cut to a length that leaves room for the rest.
  Complaint& code(std::string_view written) {
    write_quoted(written, words_);
    return *this;
  }

 private:
  ConfigErrors& errors_;
  std::uint32_t line_;
  Kind kind_;
  char memory_[400];
  TextWriter words_{memory_};
};

// Looks every reference up and checks what only the whole file shows. `last_line` is where something that
// is missing in the file as a whole is reported.
void check_config(const PendingReferences& pending, std::uint32_t last_line, Config& config,
                  ConfigErrors& errors);

// The placeholders of a text of an alarm; `line` is where it stands.
void check_placeholders(std::string_view text, const AlarmConfig& alarm, std::uint32_t line, ConfigErrors& errors);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// One function a command. Each says what it has to say and returns how the program ends.
#pragma once

#include "src/program/arguments.hpp"
#include "src/program/config.hpp"
#include "src/program/control.hpp"
#include "tocsin/wire/json_writer.hpp"

namespace tocsin {

// What every command finds ready.
struct Call {
  const Arguments& arguments;
  const Config& config;
  std::string_view config_path;
  char** words;  // argv, to start anew with
  ConfigErrors& remarks;  // warnings of the configuration, which is good
};

Exit run_daemon(const Call& call);
Exit send_message(const Call& call);
Exit change_by_hand(const Call& call, Ask ask);  // raise, clear, retry, drop, purge
Exit list_queue(const Call& call);
Exit show_message(const Call& call);
// Without a configuration where the command names the directory.
Exit check_queue(const Arguments& arguments, const Config* config);
// Without a configuration: as a stream with the defaults.
Exit show_text(const Arguments& arguments, const Config* config);
Exit show_status(const Call& call);
Exit set_token(const Call& call);
Exit show_token(const Call& call);
Exit ask_for_code(const Call& call);  // otp send, otp verify
Exit show_version(const Arguments& arguments);
Exit check_configuration(const Call& call);

// For a command without an owner: in_place<TlsMemory>(), for tls_use_arena().
struct TlsMemory {
  alignas(16) std::uint8_t bytes[kTlsArenaBytes];
};

// Whole texts to stdout, and one line "tocsin: ..." to stderr. A closed pipe ends nothing.
void print(std::string_view text);
// How the program ends, said and changed to `medium` when print() failed.
Exit printed(Exit exit);
void complain(std::string_view line);
// From here on complaints are kept by somebody: without phones. Without a syslog daemon they stay with stderr.
void complain_into_log(bool to_syslog);
// From here on they hold nothing that somebody wrote into the configuration or the command line: whole again, as the
// size of a file looks like a phone.
void complain_in_own_words();
// "mistakes":[...],"warnings":[...] of what was said about a configuration.
void write_remarks(const ConfigErrors& remarks, JsonWriter& json);
void complain_of(const ConfigErrors& remarks);  // a line for each
// The finished text of `json`, which was given all of `text` but its last byte, as one line.
void print_json(JsonWriter& json, Span<char> text);

}  // namespace tocsin

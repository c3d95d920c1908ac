// SPDX-License-Identifier: MIT
// Writes one JSON text (RFC 8259) into a buffer of the caller. Never allocates, never guesses.
//
// Errors stick, so a body is written without a check per line and tested once:
//
//   JsonWriter json(buffer);
//   json.open_object();
//   json.field("id", id);
//   json.field("text", text);       // escaped; bad UTF-8 is an error, nothing is replaced
//   json.close_object();
//   TRY_LET(body, json.finish());   // full: buffer too small; nothing partial leaks
//
// With an empty buffer nothing is stored and size() tells what would be needed. A key, too, is escaped.
// What only the programmer can get wrong is asserted: a key outside an object, a value without one inside
// it, a second outermost value, a close_ that does not match its open_.
// Escaped are only `"`, `\` and the control characters below 0x20 (RFC 8259 section 7), with the
// two-letter forms where they exist; 0x7F and everything above travel as they are.
//
// Memory: about 40 bytes. Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"

namespace tocsin {

class JsonWriter {
 public:
  explicit JsonWriter(Span<char> into) : into_(into) {}

  // Without a key: the outermost value, or an element of an array.
  void open_object();
  void open_object(const char* key);
  void close_object();
  void open_array();
  void open_array(const char* key);
  void close_array();

  void field(const char* key, std::string_view text);
  void field(std::string_view key, std::string_view text);  // "key"sv: measured by the compiler
  void field(const char* key, std::uint64_t number);
  void field(const char* key, std::int64_t number);
  void field(const char* key, std::uint32_t number) { field(key, std::uint64_t{number}); }
  void field(const char* key, std::int32_t number) { field(key, std::int64_t{number}); }
  void field(const char* key, bool truth);
  void field(const char* key, const char*) = delete;  // would choose bool
  void null_field(const char* key);
  // A text, or null when there is none: what most keys of --json are.
  void text_or_null(const char* key, std::string_view text) {
    text.empty() ? null_field(key) : field(key, text);
  }
  void element(std::string_view text);

  // Errors: bad_value (text that is not UTF-8), too_big (nested deeper than 32), full (buffer too small;
  // only when it is nothing else). Asserts that every open_ has its close_.
  Result<std::string_view> finish();
  std::size_t size() const { return size_; }  // bytes written, or needed

 private:
  enum class Kind : std::uint8_t { array, object };

  void put(char c);
  void put(std::string_view plain);
  void put_text(std::string_view text);
  void put_escaped(std::string_view text);
  void put_number(std::uint64_t number);
  void begin_value();
  void begin_field(std::string_view key);
  void open(Kind kind);
  void close(Kind kind);

  Span<char> into_;
  std::size_t size_ = 0;         // needed so far; what does not fit is counted, not stored
  std::uint32_t comma_due_ =
      0;  // bit 0: the next value at this depth needs a comma; bit 1: one depth out; ...
  std::uint32_t objects_ = 0;    // the same way: this depth is an object, not an array
  std::uint16_t depth_ = 0;
  Code first_error_ = Code::ok;  // bad_value or too_big; `full` is seen from size_
};

}  // namespace tocsin

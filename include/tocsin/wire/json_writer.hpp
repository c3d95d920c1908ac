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
// With an empty buffer nothing is stored and size() tells what would be needed.
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
  void open_object(std::string_view key);
  void close_object();
  void open_array();
  void open_array(std::string_view key);
  void close_array();

  void field(std::string_view key, std::string_view text);
  void field(std::string_view key, std::uint64_t number);
  void field(std::string_view key, std::int64_t number);
  void field(std::string_view key, std::uint32_t number) { field(key, std::uint64_t{number}); }
  void field(std::string_view key, std::int32_t number) { field(key, std::int64_t{number}); }
  void field(std::string_view key, bool truth);
  void field(std::string_view key, const char*) = delete;  // would choose bool
  void null_field(std::string_view key);
  // A text, or null when there is none: what most keys of --json are.
  void text_or_null(std::string_view key, std::string_view text) {
    text.empty() ? null_field(key) : field(key, text);
  }
  void element(std::string_view text);

  // Errors: full (buffer too small), too_big (nested deeper than 32), bad_value (text that is not UTF-8).
  // Asserts that every open_ has its close_.
  Result<std::string_view> finish();
  std::size_t size() const { return size_; }  // bytes written, or needed

 private:
  Span<char> into_;
  std::size_t size_ = 0;
  std::uint32_t comma_due_ = 0;  // one bit per depth
  std::uint8_t depth_ = 0;
  Code first_error_ = Code::ok;
};

}  // namespace tocsin

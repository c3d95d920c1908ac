// SPDX-License-Identifier: MIT
// An answer's JSON (RFC 8259) as values to look at, with cJSON hidden behind them. Private to src/wire.
//
// Nothing is trusted: an absent or wrongly typed value is a kind to ask for, never an error, and a name given
// twice in one object is told.
//
// Memory: the Arena's; every view ends with its reset(). Threads: one at a time in the process (cJSON's
// allocator hooks are global).
#pragma once

#include <string_view>

#include "tocsin/base/arena.hpp"
#include "tocsin/base/bytes.hpp"

struct cJSON;

namespace tocsin {

class JsonValue {
 public:
  enum class Kind : std::uint8_t { boolean = 3, null = 4, number = 8, text = 16, array = 32, object = 64 };

  JsonValue() = default;
  explicit JsonValue(const cJSON* node) : node_(node) {}

  bool is(Kind kind) const;
  bool absent() const { return node_ == nullptr; }
  bool truth() const;             // false unless a boolean that is true
  double number() const;          // 0 unless a number
  std::string_view text() const;  // empty unless a text
  bool empty_text() const;
  bool says_ignoring_case(std::string_view lower_case) const;  // a text of these letters

  // The elements of an array or the members of an object, in the order of the answer; absent after the last.
  JsonValue first() const;
  JsonValue next() const;
  bool named(std::string_view name) const;  // a member of exactly this name, letter case included
  std::string_view name() const;            // of a member; else empty
  // The first member that is named so; absent when there is none.
  JsonValue member(std::string_view name) const;
  bool has_twice(std::string_view name) const;  // more than one member of this name
  friend bool operator==(JsonValue a, JsonValue b) { return a.node_ == b.node_; }  // the very same one

 private:
  const cJSON* node_ = nullptr;
};

// The object that is the whole of `body` but for a byte order mark and white space; absent when there is
// none: not strictly UTF-8, longer than kAnswerBytes, deeper than kJsonDepth, cut short, followed by
// something, a text with U+0000 in it, or too much for the arena. All but the last is found before cJSON sees
// a byte.
JsonValue read_object(Bytes body, Arena& arena);
// The same for an object or an array.
JsonValue read_object_or_array(Bytes body, Arena& arena);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "reply_json.hpp"

#include <cjson/cJSON.h>

#include "json_scan.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {
namespace {

using namespace std::string_view_literals;  // their length is known when this is built

Arena* current_arena = nullptr;

extern "C" {
static void* take_from_arena(std::size_t size) { return current_arena->take(size); }
static void give_nothing_back(void*) {}
}

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t n = 0;
  while (at + n < text.size() && is_digit(text[at + n])) ++n;
  return n;
}

bool one_of(std::string_view text, std::size_t at, std::string_view these) {
  return at < text.size() && find(these, text[at]) != kNotFound;
}

// Length of the string at the front, quotes included, or 0 (RFC 8259 section 7). The escapes themselves are
// left to cJSON but for U+0000, behind which it would not show the rest.
std::size_t string_length(std::string_view text) {
  for (std::size_t at = 1;; ++at) {
    at += plain_run(tail(text, at));
    if (at >= text.size() || static_cast<unsigned char>(text[at]) < 0x20) return 0;
    if (text[at] == '"') return at + 1;
    if (text[at] != '\\') continue;
    if (starts_with(tail(text, at), "\\u0000")) return 0;
    ++at;
  }
}

// One object or array whose brackets pair, no deeper than kJsonDepth, that ends with the text. Grammar beyond that is
// cJSON's; with the last bracket in its place no version of it can read past the end.
bool well_formed(std::string_view text) {
  char closers[kJsonDepth];
  std::size_t depth = 0;
  if (!one_of(text, 0, "{[")) return false;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    std::size_t n = 1;
    if (c == '{' || c == '[') {
      if (depth == kJsonDepth) return false;
      closers[depth++] = c == '{' ? '}' : ']';
    } else if (c == '}' || c == ']') {
      if (closers[--depth] != c) return false;
      if (depth == 0) return at + 1 == text.size();
    } else if (c == '"') {
      n = string_length(tail(text, at));
    } else if (c == '-' || is_digit(c)) {
      n = number_length(tail(text, at));
    } else if (static_cast<unsigned char>(c) <= 0x20 && c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      return false;
    }
    if (n == 0) return false;
    at += n;
  }
  return false;
}

}  // namespace

// cJSON takes 007 and would read it as 7: another id.
std::size_t number_length(std::string_view text) {
  std::size_t at = text[0] == '-' ? 1 : 0;
  std::size_t n = digits_at(text, at);
  if (n == 0 || (n > 1 && text[at] == '0')) return 0;
  at += n;
  if (one_of(text, at, ".")) {
    n = digits_at(text, at + 1);
    if (n == 0) return 0;
    at += 1 + n;
  }
  if (one_of(text, at, "eE")) {
    if (one_of(text, ++at, "+-")) ++at;
    n = digits_at(text, at);
    if (n == 0) return 0;
    at += n;
  }
  return at;
}

JsonValue read_object_or_array(Bytes body, Arena& arena) {
  std::string_view text = as_text(body);
  if (text.size() > kAnswerBytes || !is_utf8(text)) return {};
  if (starts_with(text, "\xEF\xBB\xBF"sv)) text.remove_prefix(3);
  text = trim(text);
  if (!well_formed(text)) return {};

  current_arena = &arena;
  cJSON_Hooks hooks{take_from_arena, give_nothing_back};
  cJSON_InitHooks(&hooks);
  const char* end = nullptr;
  const cJSON* node = cJSON_ParseWithLengthOpts(text.data(), text.size(), &end, 0);
  cJSON_InitHooks(nullptr);
  current_arena = nullptr;
  // cJSON's own "nothing behind it" wants a NUL behind it.
  const bool whole = node != nullptr && end == text.data() + text.size();
  return whole ? JsonValue{node} : JsonValue{};
}

JsonValue read_object(Bytes body, Arena& arena) {
  const JsonValue root = read_object_or_array(body, arena);
  return root.is(JsonValue::Kind::object) ? root : JsonValue{};
}

static_assert(cJSON_False == 1 && cJSON_True == 2 && cJSON_NULL == 4 && cJSON_Number == 8 && cJSON_String == 16 &&
              cJSON_Array == 32 && cJSON_Object == 64, "the bits of JsonValue::Kind");

bool JsonValue::is(Kind kind) const { return node_ != nullptr && (node_->type & static_cast<int>(kind)) != 0; }
bool JsonValue::truth() const { return is(Kind{cJSON_True}); }
double JsonValue::number() const { return is(Kind::number) ? node_->valuedouble : 0; }
std::string_view JsonValue::text() const {
  return is(Kind::text) ? std::string_view{node_->valuestring} : std::string_view{};
}
bool JsonValue::empty_text() const { return is(Kind::text) && node_->valuestring[0] == '\0'; }
bool JsonValue::says_ignoring_case(std::string_view lower_case) const {
  if (!is(Kind::text)) return false;
  const char* own = node_->valuestring;
  for (const char c : lower_case)
    if (to_lower(*own++) != c) return false;
  return *own == '\0';
}

JsonValue JsonValue::first() const {
  return node_ != nullptr ? JsonValue{node_->child} : JsonValue{};  // others have none
}
JsonValue JsonValue::next() const { return node_ != nullptr ? JsonValue{node_->next} : JsonValue{}; }

// Most names differ in their first letters; how long they are is never counted.
bool JsonValue::named(std::string_view name) const {
  const char* own = node_ != nullptr ? node_->string : nullptr;
  if (own == nullptr) return false;
  for (const char c : name)
    if (*own++ != c) return false;  // the NUL that ends it, too
  return *own == '\0';
}

std::string_view JsonValue::name() const {
  return node_ != nullptr && node_->string != nullptr ? std::string_view{node_->string} : std::string_view{};
}

// An own walk: cJSON's default look-up takes Message_UUID for message_uuid.
JsonValue JsonValue::member(std::string_view name) const {
  if (!is(Kind::object)) return {};
  for (const cJSON* one = node_->child; one != nullptr; one = one->next)
    if (JsonValue{one}.named(name)) return JsonValue{one};
  return {};
}

bool JsonValue::has_twice(std::string_view name) const {
  JsonValue one = member(name);
  if (one.absent()) return false;
  do one = one.next();
  while (!one.absent() && !one.named(name));
  return !one.absent();
}

}  // namespace tocsin

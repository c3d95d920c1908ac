// SPDX-License-Identifier: MIT
#include "reply_words.hpp"

#include "tocsin/wire/http_date.hpp"

namespace tocsin {
namespace {

using namespace std::string_view_literals;  // their length is known when this is built
using Kind = JsonValue::Kind;

constexpr std::uint64_t kMaxRetryAfter = 86'400;  // seconds

// Length of what must not reach a terminal or a log line as it is, or 0: C0 and C1 controls, DEL, the line
// and paragraph separators, and the marks that turn the direction of writing.
std::size_t disturbing(std::string_view text) {
  const auto byte = [text](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  if (byte(0) < 0x20 || byte(0) == 0x7F) return 1;
  if (byte(0) == 0xC2 && byte(1) < 0xA0) return 2;
  if (byte(0) != 0xE2) return 0;
  const bool separator = byte(1) == 0x80 && byte(2) >= 0xA8 && byte(2) <= 0xAE;
  const bool isolate = byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;
  return separator || isolate ? 3 : 0;
}

// "field required" helps nobody who is not told which: the name at the end of `loc`, behind what it is in.
void write_place(JsonValue loc, TextWriter& into) {
  std::string_view last;
  for (JsonValue step = loc.first().next(); !step.absent(); step = step.next()) last = step.text();
  if (!last.empty()) write_clean(last, into.text(": "));
}

// What the service says about the request as a whole, in the order the field has shown to be useful.
bool write_explanation(JsonValue root, TextWriter& into) {
  if (write_words(root.member("message"sv), into)) return true;
  const JsonValue messages = root.member("messages"sv);
  for (const std::string_view key : {"details"sv, "error"sv})
    for (JsonValue entry = messages.first(); !entry.absent(); entry = entry.next())
      if (write_words(entry.member(key), into)) return true;
  const JsonValue detail = root.member("detail"sv);
  if (write_words(detail, into)) return true;
  if (detail.is(Kind::array))
    for (JsonValue fault = detail.first(); !fault.absent(); fault = fault.next())
      if (write_words(fault.member("msg"sv), into)) {
        write_place(fault.member("loc"sv), into);
        return true;
      }
  for (const std::string_view key : {"details"sv, "error"sv, "error_description"sv, "title"sv})
    if (write_words(root.member(key), into)) return true;
  return false;
}

// A page for people says in its title what a proxy or a front end minds.
void write_page_title(std::string_view page, TextWriter& into) {
  constexpr std::string_view kTag = "<title>";
  constexpr std::size_t kMost = 40;
  for (std::size_t at = find(page, '<'); at != kNotFound; at = find(page, '<', at + 1)) {
    if (!same_ignoring_case(head(tail(page, at), kTag.size()), kTag)) continue;
    std::string_view rest = tail(page, at + kTag.size());
    const std::string_view title = trim(head(take_until(rest, '<'), kMost));
    into.text(title.empty() ? "" : ": ");
    for (std::size_t n = 0; n < title.size(); ++n) into.character(title[n] < ' ' || title[n] > '~' ? '?' : title[n]);
    return;
  }
}

// A date is told by the clock of who wrote it, where that is known.
std::uint64_t seconds_until(UnixMillis until, const Answer& answer) {
  const auto told = parse_http_date(answer.date);
  const UnixMillis now = told.ok() ? told.value() : answer.now;
  return now.ms > 0 && until.ms > now.ms ? (static_cast<std::uint64_t>(until.ms - now.ms) + 999) / 1000 : 0;
}

std::uint32_t retry_seconds(std::string_view field, const Answer& answer) {
  std::uint64_t value = 0;
  if (const auto date = parse_http_date(field); date.ok()) {
    value = seconds_until(date.value(), answer);
    field = {};
  }
  for (const char c : field) {
    if (!is_digit(c)) return 0;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
    if (value > kMaxRetryAfter) value = kMaxRetryAfter;
  }
  return static_cast<std::uint32_t>(value < kMaxRetryAfter ? value : kMaxRetryAfter);
}

Whole whole_of(std::uint16_t status, bool retry_after) {
  if (status == 204 || status == 205 || status < 200 || status > 599) return Whole::unknown;
  if (status < 300) return Whole::judged;
  switch (status) {
    case 400:
    case 413:
    case 422: return Whole::halve;
    case 408:
    case 425:
    case 429:
    case 521:
    case 523:
    case 525:
    case 526: return Whole::later;
    case 503: return retry_after ? Whole::later : Whole::unknown;
    default: return status < 500 ? Whole::held : Whole::unknown;
  }
}

}  // namespace

void write_clean(std::string_view text, TextWriter& into) {
  while (!text.empty() && !into.cut()) {
    const std::size_t bad = disturbing(text);
    const std::size_t n = bad != 0 ? bad : utf8_length(text);
    into.text(bad != 0 ? " " : head(text, n));
    text = tail(text, n);
  }
}

bool write_words(JsonValue value, TextWriter& into) {
  if (value.is(Kind::text)) {
    const std::string_view text = trim(value.text());
    write_clean(text, into);
    return !text.empty();
  }
  if (!value.is(Kind::number)) return false;
  const double number = value.number();
  if (!(number > -kExactIntegers && number < kExactIntegers)) return false;
  into.signed_number(static_cast<std::int64_t>(number));
  return true;
}

// "403: Not authenticated (0x13)"
void write_reason(const Answer& answer, JsonValue root, TextWriter& into) {
  into.number(answer.status);
  if (answer.status / 100 == 3) {  // whatever its page says
    into.text(": a redirect, which is not followed: look at base_url");
    return;
  }
  if (root.absent()) {
    into.text(answer.body.empty() ? " (empty answer" : answer.encoded ? " (encoded answer" : " (no JSON");
    into.text(": a gateway or another server? Look at base_url, or ask support");
    write_page_title(as_text(answer.body), into);
    into.text(")");
    return;
  }
  into.text(": ");
  const bool explained = write_explanation(root, into);
  const JsonValue code = root.member("error_code"sv);
  if (explained && !into.cut() && (code.is(Kind::number) || !trim(code.text()).empty())) {
    into.text(" (");
    write_words(code, into);
    into.text(")");
  } else if (!explained && !write_words(code, into)) {
    into.text("no reason given");
  }
}

bool says_no(JsonValue root) {
  const JsonValue status = root.member("status"sv);
  return status.is(Kind::boolean) && !status.truth();
}

bool nothing(JsonValue value) { return value.absent() || value.is(Kind::null) || value.empty_text(); }

bool names_rate_limit(JsonValue object) {
  if (!object.is(Kind::object)) return false;
  for (JsonValue member = object.first(); !member.absent(); member = member.next()) {
    if (!member.says_ignoring_case("rate_limit"sv)) continue;
    for (const std::string_view key :
         {"error"sv, "error_code"sv, "error_description"sv, "message"sv, "details"sv, "detail"sv})
      if (object.member(key) == member) return true;  // the first of that name counts
  }
  return false;
}

bool is_rate_limited(JsonValue root) {
  bool limited = names_rate_limit(root);
  for (JsonValue entry = root.member("messages"sv).first(); !entry.absent(); entry = entry.next())
    limited = limited || names_rate_limit(entry);
  return limited;
}

JsonValue begin_judgement(const Answer& answer, JsonValue (*read)(Bytes, Arena&), Arena& arena, Judgement& into) {
  const std::string_view retry_after = trim(answer.retry_after);
  into.retry_after_s = retry_seconds(retry_after, answer);
  into.whole = whole_of(answer.status, !retry_after.empty());
  arena.reset();
  const JsonValue root = answer.encoded ? JsonValue{} : read(answer.body, arena);
  if (into.whole == Whole::judged && root.absent()) into.whole = Whole::unknown;
  return root;
}

}  // namespace tocsin

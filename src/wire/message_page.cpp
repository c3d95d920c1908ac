// SPDX-License-Identifier: MIT
#include "tocsin/wire/message_page.hpp"

#include "reply_words.hpp"
#include "webhook_object.hpp"

namespace tocsin {
namespace {

using namespace std::string_view_literals;  // their length is known when this is built
using Kind = JsonValue::Kind;

JsonValue find_list(JsonValue root) {
  if (root.is(Kind::array)) return root;
  for (const std::string_view key : {"items"sv, "messages"sv, "data"sv, "results"sv})
    if (const JsonValue list = root.member(key); list.is(Kind::array)) return list;
  return {};
}

// 0: it does not say.
std::size_t total_of(JsonValue root) {
  for (const std::string_view key : {"total"sv, "totalItems"sv, "total_items"sv}) {
    const double said = root.member(key).number();
    if (said >= 1 && said < 1e9) return static_cast<std::size_t>(said);
  }
  return 0;
}

}  // namespace

MessagePage read_message_page(const Answer& answer, Span<Webhook> into, Arena& arena) {
  MessagePage page;
  char line[kMaxReason];
  TextWriter reason(line);
  const JsonValue root = begin_judgement(answer, read_object_or_array, arena, page);
  const JsonValue list = find_list(root);
  if (page.whole == Whole::judged && list.absent())
    page.whole = names_rate_limit(root) ? Whole::later : says_no(root) ? Whole::held : Whole::unknown;
  page.odd = page.whole == Whole::unknown && is_readable_answer(answer);
  if (page.whole == Whole::unknown && !root.absent() && answer.status / 100 == 2) {
    reason.number(answer.status).text(": no list of messages in it"sv);
  } else if (page.whole != Whole::judged) {
    write_reason(answer, root, reason);
  } else {
    std::size_t listed = 0;
    for (JsonValue one = list.first(); !one.absent(); one = one.next(), ++listed)
      if (one.is(Kind::object) && page.count < into.size()) into[page.count++] = read_webhook_object(one, arena);
    page.total = total_of(root);
    if (page.total == 0 && listed == into.size()) page.total = listed + 1;
    if (page.total < listed) page.total = listed;
    reason.number(page.total).text(page.total == 1 ? " message" : " messages");
  }
  page.reason.assign_cut(reason.view());
  return page;
}

Result<UnixMillis> parse_service_date(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00 00:00:00";
  int parts[6] = {};
  std::size_t part = 0;
  if (text.size() < kForm.size()) return Code::bad_value;
  for (std::size_t at = 0; at < kForm.size(); ++at) {
    if (kForm[at] == '0') {
      if (!is_digit(text[at])) return Code::bad_value;
      parts[part] = parts[part] * 10 + (text[at] - '0');
    } else {
      if (text[at] != kForm[at] && !(kForm[at] == ' ' && text[at] == 'T')) return Code::bad_value;
      ++part;
    }
  }
  text = tail(text, kForm.size());
  if (!text.empty() && text[0] == '.') {
    std::size_t digits = 1;
    while (digits < text.size() && is_digit(text[digits])) ++digits;
    text = tail(text, digits);
  }
  const bool is_date = parts[0] >= 1970 && parts[1] >= 1 && parts[1] <= 12 && parts[2] >= 1 && parts[2] <= 31 &&
                       parts[3] <= 23 && parts[4] <= 59 && parts[5] <= 60;
  if (!is_date || !(text.empty() || text == "Z"sv || text == "+00:00"sv)) return Code::bad_value;
  return from_calendar(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]);
}

void write_service_date(UnixMillis at, TextWriter& into) {
  char text[32];
  TextWriter writer(text);
  write_date(at, writer);
  into.text(head(writer.view(), 10)).text("%20"sv).text(head(tail(writer.view(), 11), 8));
}

}  // namespace tocsin

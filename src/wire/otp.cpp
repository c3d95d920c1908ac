// SPDX-License-Identifier: MIT
#include "tocsin/wire/otp.hpp"

#include "reply_words.hpp"

namespace tocsin {
namespace {

using namespace std::string_view_literals;  // their length is known when this is built
using Kind = JsonValue::Kind;

// Words of a no, which may stand beside a `status` that says only that the request was understood.
bool sounds_like_no(std::string_view text) {
  if (same_ignoring_case(text, "no"sv)) return true;
  for (const std::string_view part : {"invalid"sv, "incorrect"sv, "wrong"sv, "expired"sv, "fail"sv, "false"sv,
                                      "mismatch"sv, "not match"sv, "not valid"sv, "not verified"sv})
    for (std::size_t at = 0; at + part.size() <= text.size(); ++at)
      if (same_ignoring_case(head(tail(text, at), part.size()), part)) return true;
  return false;
}

// A member that is false, says no, or is an error with something in it, at any depth; absent when there is none.
JsonValue find_doubt(JsonValue value) {
  for (JsonValue one = value.first(); !one.absent(); one = one.next()) {
    if ((one.is(Kind::boolean) && !one.truth()) || sounds_like_no(one.text())) return one;
    const bool no_error = nothing(one) || (one.is(Kind::number) && !(one.number() < 0) && !(one.number() > 0));
    if ((one.named("error"sv) || one.named("error_code"sv) || one.named("errors"sv)) && !no_error) return one;
    const JsonValue deeper = find_doubt(one);  // no more than kJsonDepth
    if (!deeper.absent()) return deeper;
  }
  return {};
}

OtpFate judge_readable(JsonValue root, const Answer& answer, TextWriter& reason) {
  const JsonValue status = root.member("status"sv);
  const bool plain = status.is(Kind::boolean) && !root.has_twice("status"sv);
  if (is_rate_limited(root)) {
    reason.number(answer.status).text(": RATE_LIMIT"sv);
    return OtpFate::later;
  }
  if (!plain) {
    reason.number(answer.status).text(": no `status` that is true or false"sv);
    return OtpFate::unknown;
  }
  if (!status.truth()) {
    write_reason(answer, root, reason);
    return OtpFate::refused;
  }
  const JsonValue doubt = find_doubt(root);
  if (doubt.absent()) return OtpFate::done;
  reason.number(answer.status).text(": contradictory: `status` is true, and beside it "sv);
  if (doubt.name().empty()) {
    reason.text("something is false or says no"sv);
  } else {
    write_clean(doubt.name(), reason.text("`"sv));
    reason.text(doubt.is(Kind::boolean)        ? "` is false"sv
                : sounds_like_no(doubt.text()) ? "` says no"sv
                                               : "` is not empty"sv);
  }
  return OtpFate::unknown;
}

OtpFate fate_of(Whole whole, std::uint16_t status) {
  if (status == 401 || status == 403) return OtpFate::token;
  switch (whole) {
    case Whole::halve: return OtpFate::refused;
    case Whole::later: return OtpFate::later;
    case Whole::held: return status < 400 || status == 404 || status == 405 ? OtpFate::address : OtpFate::refused;
    case Whole::judged:
    case Whole::unknown: break;
  }
  return OtpFate::unknown;
}

}  // namespace

bool is_code(std::string_view code) {
  for (const char c : code) {
    const char low = to_lower(c);
    if (!is_digit(c) && !(low >= 'a' && low <= 'z') && c != '-') return false;
  }
  return code.size() >= kLeastCode && code.size() <= kMaxCode;
}

void write_otp_auth(std::string_view phone, std::string_view code, std::string_view sender, JsonWriter& json) {
  json.open_object();
  json.field("recipient_phone"sv, phone);
  if (!code.empty()) {
    json.open_object("template_variables");
    json.field("code"sv, code);
    json.close_object();
  }
  if (!sender.empty()) json.field("sender"sv, sender);
  json.close_object();
}

void write_otp_verify(std::string_view phone, std::string_view code, JsonWriter& json) {
  json.open_object();
  json.field("recipient_phone"sv, phone);
  json.field("code"sv, code);
  json.close_object();
}

OtpVerdict judge_otp(const Answer& answer, Arena& arena) {
  OtpVerdict verdict;
  char line[kMaxReason];
  TextWriter reason(line);
  const JsonValue root = begin_judgement(answer, read_object, arena, verdict);
  if (verdict.whole == Whole::judged) {
    verdict.fate = judge_readable(root, answer, reason);
  } else {
    verdict.fate = fate_of(verdict.whole, answer.status);
    write_reason(answer, root, reason);
  }
  verdict.odd = verdict.fate == OtpFate::unknown && is_readable_answer(answer);
  verdict.reason.assign_cut(reason.view());
  arena.reset();
  return verdict;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "http_scan.hpp"
#include "reply_words.hpp"
#include "tocsin/wire/streams_api.hpp"

namespace tocsin {
namespace {

using namespace std::string_view_literals;  // their length is known when this is built
using Kind = JsonValue::Kind;

// ---- one message ---------------------------------------------------------------------------------------

bool words(JsonValue value) { return value.is(Kind::text) && !value.empty_text(); }

bool is_id(JsonValue value, std::string_view id) {
  if (value.is(Kind::text)) return value.text() == id;
  const double number = value.number();
  if (!value.is(Kind::number) || !(number >= 0 && number < kExactIntegers)) return false;
  const auto integer = static_cast<std::uint64_t>(number);
  const Result<std::uint64_t> wanted = parse_number(id);
  const bool plain = !id.empty() && (id[0] != '0' || id.size() == 1);  // 007 is not the number 7
  return static_cast<double>(integer) == number && plain && wanted.ok() && wanted.value() == integer;
}

// Every internal_id of the entry counts: one with two of them makes both messages unclear.
bool speaks_of(JsonValue entry, std::string_view id) {
  if (!entry.is(Kind::object)) return false;
  for (JsonValue member = entry.first(); !member.absent(); member = member.next())
    if (member.named("internal_id"sv) && is_id(member, id)) return true;
  return false;
}

// It gives nobody's id back, and does not try to.
bool names_nobody(JsonValue entry) {
  for (JsonValue member = entry.first(); !member.absent(); member = member.next())
    if (member.named("internal_id"sv) && !nothing(member)) return false;
  return entry.is(Kind::object);
}

// In its place: it is large. What is left of the one before is not shown.
void set(MessageVerdict& verdict, Fate fate, std::string_view reason) {
  verdict.fate = fate;
  verdict.named = false;
  verdict.uuid.clear();
  verdict.reason.assign_cut(reason);
}

void set_all(Span<MessageVerdict> verdicts, Fate fate) {
  for (MessageVerdict& one : verdicts) set(one, fate, {});
}

void read_refusal(JsonValue entry, MessageVerdict& into) {
  char line[kMaxReason];
  TextWriter reason(line);
  const JsonValue error = entry.member("error"sv);
  if (!write_words(entry.member("details"sv), reason)) {
    if (error.is(Kind::number)) reason.text("error ");
    if (!write_words(error, reason) && !write_words(entry.member("error_description"sv), reason))
      reason.text("no reason given");
  }
  set(into, Fate::refused, reason.view());
}

void read_entry(JsonValue entry, MessageVerdict& into) {
  constexpr std::string_view kOnce[] = {"internal_id", "message_uuid", "error", "details"};
  JsonValue found[4];
  for (JsonValue member = entry.first(); !member.absent(); member = member.next())
    for (std::size_t i = 0; i < 4; ++i) {
      if (!member.named(kOnce[i])) continue;
      if (!found[i].absent()) return set(into, Fate::unknown, "contradictory: a key is given twice"sv);
      found[i] = member;
      break;
    }
  const JsonValue uuid = found[1], error = found[2], details = found[3];
  if (words(uuid)) {
    const std::string_view text = uuid.text();
    if (!nothing(error)) return set(into, Fate::unknown, "contradictory: message_uuid and error"sv);
    if (!all_printable(text, 0x21)) return set(into, Fate::unknown, "message_uuid with strange characters"sv);
    set(into, Fate::accepted, {});
    // An id that is cut is another id: none is kept.
    if (!into.uuid.assign(text).ok()) into.reason.assign_cut("message_uuid too long to keep"sv);
    return;
  }
  if (!nothing(uuid)) return set(into, Fate::unknown, "message_uuid is not a text"sv);
  if (names_rate_limit(entry)) return set(into, Fate::later, "RATE_LIMIT"sv);
  if (words(error) || error.is(Kind::number) || words(details)) return read_refusal(entry, into);
  set(into, Fate::unknown, "neither message_uuid nor error"sv);
}

// ---- the whole answer ----------------------------------------------------------------------------------

void write_count(std::size_t some, std::size_t all, std::string_view what, TextWriter& into) {
  into.text(": "sv)
      .number(some)
      .text(" of "sv)
      .number(all)
      .text(all == 1 ? " message "sv : " messages "sv)
      .text(what);
}

struct Sums {
  std::size_t named = 0, unclear = 0, refused = 0;
};

// `first`: the entries begin there.
Sums judge_messages(JsonValue first, Naming naming, Span<const std::string_view> ids, Fate unnamed,
                    Span<MessageVerdict> verdicts) {
  Sums sums;
  const bool only = naming == Naming::anonymous && first.next().absent() && names_nobody(first);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    bool named = false;
    for (JsonValue entry = first; !entry.absent(); entry = entry.next()) {
      if (!only && !speaks_of(entry, ids[i])) continue;
      if (!named) {
        read_entry(entry, verdicts[i]);
        named = true;
        continue;
      }
      MessageVerdict again;
      read_entry(entry, again);
      if (again.fate != verdicts[i].fate) set(verdicts[i], Fate::unknown, "contradictory: named twice"sv);
    }
    if (!named) {
      set(verdicts[i], unnamed, "not named in the answer"sv);
      continue;
    }
    ++sums.named;
    verdicts[i].named = true;
    if (verdicts[i].fate == Fate::unknown) ++sums.unclear;
    if (verdicts[i].fate == Fate::refused) ++sums.refused;
  }
  return sums;
}

// `"status": false` with a reason, and not the least sign that any message was taken.
bool refuses_everything(JsonValue root, JsonValue messages) {
  if (!says_no(root) || root.has_twice("status"sv) || !nothing(root.member("message_uuid"sv))) return false;
  for (JsonValue entry = messages.first(); !entry.absent(); entry = entry.next())
    for (JsonValue member = entry.first(); !member.absent(); member = member.next())
      if (member.named("message_uuid"sv) && !nothing(member)) return false;
  // Words inside an entry that names nobody are about one message, and nobody knows which.
  char line[kMaxReason];
  TextWriter scratch(line);
  for (const std::string_view key :
       {"message"sv, "detail"sv, "details"sv, "error"sv, "error_code"sv, "error_description"sv, "title"sv})
    if (write_words(root.member(key), scratch)) return true;
  return false;
}

Whole judge_readable(JsonValue root, const Answer& answer, Naming naming, Span<const std::string_view> ids,
                     Span<MessageVerdict> verdicts, bool& rate_limited, TextWriter& reason) {
  const JsonValue messages = root.member("messages"sv);
  // The answer is itself what is said of the only message.
  const bool is_entry = naming != Naming::listed && messages.absent() && !root.member("message_uuid"sv).absent();
  if (!(nothing(messages) || messages.is(Kind::array)) || root.has_twice("messages"sv)) {
    set_all(verdicts, Fate::unknown);
    reason.number(answer.status).text(": no list of messages"sv);
    return Whole::unknown;
  }
  rate_limited = is_rate_limited(root);
  Sums sums = judge_messages(is_entry ? root : messages.first(), naming, ids, rate_limited ? Fate::later : Fate::unknown,
                             verdicts);
  if (is_entry && verdicts[0].fate == Fate::accepted && (says_no(root) || root.has_twice("status"sv))) {
    set(verdicts[0], Fate::unknown, "contradictory: message_uuid, and not status true"sv);
    verdicts[0].named = true;
    sums.unclear = 1;
  }
  if (sums.named == 0 && !rate_limited && refuses_everything(root, messages)) {
    write_reason(answer, root, reason);
    return naming == Naming::listed ? Whole::held : Whole::halve;
  }
  reason.number(answer.status);
  const std::size_t missing = ids.size() - sums.named;
  if (rate_limited) {
    reason.text(": RATE_LIMIT"sv);
  } else if (missing > 0) {
    write_count(missing, ids.size(), "not named", reason);
  } else if (sums.unclear > 0) {
    write_count(sums.unclear, ids.size(), "unclear", reason);
  } else if (sums.refused > 0) {
    write_count(sums.refused, ids.size(), "refused", reason);
  } else {
    write_count(ids.size(), ids.size(), "accepted"sv, reason);
  }
  return sums.named > 0 || rate_limited ? Whole::judged : Whole::unknown;
}

}  // namespace

Judgement judge(const Answer& answer, Span<const std::string_view> ids, Span<MessageVerdict> verdicts,
                Arena& arena, Naming naming) {
  TOCSIN_ASSERT(ids.size() == verdicts.size() && (naming == Naming::listed || ids.size() == 1));
  Judgement judgement;
  char line[kMaxReason];
  TextWriter reason(line);
  const JsonValue root = begin_judgement(answer, read_object, arena, judgement);
  if (judgement.whole == Whole::judged) {
    judgement.whole = judge_readable(root, answer, naming, ids, verdicts, judgement.rate_limited, reason);
    if (judgement.whole == Whole::unknown)
      for (MessageVerdict& one : verdicts) one.fate = Fate::unknown;
    if (judgement.whole == Whole::held || judgement.whole == Whole::halve) set_all(verdicts, Fate::later);
  } else {
    set_all(verdicts, judgement.whole == Whole::unknown ? Fate::unknown : Fate::later);
    write_reason(answer, root, reason);
  }
  for (const MessageVerdict& one : verdicts) judgement.odd |= one.fate == Fate::unknown && is_readable_answer(answer);
  judgement.reason.assign_cut(reason.view());
  arena.reset();
  return judgement;
}

}  // namespace tocsin

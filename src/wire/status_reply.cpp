// SPDX-License-Identifier: MIT
#include "tocsin/wire/status_reply.hpp"

#include "reply_words.hpp"

namespace tocsin {
namespace {

using namespace std::string_view_literals;  // their length is known when this is built
using Kind = JsonValue::Kind;

// Each word between two blanks.
constexpr std::string_view kDelivered = " delivered delivrd read seen ";
constexpr std::string_view kFailed =
    " undelivered undeliv undeliverable sent_failed send_failed failed rejected rejectd no_routes no_route expired"
    " deleted cancelled canceled blocked ";
constexpr std::string_view kPending =
    " sent accepted acceptd queued pending new created scheduled submitted processing enroute in_progress buffered ";
constexpr std::size_t kMostOfAWord = 24;
constexpr std::size_t kMostShown = 40;  // of a word that is not known

constexpr StatusVerdict contradictory(std::string_view why) { return {Receipt::unclear, {}, why}; }

bool has_word(std::string_view list, std::string_view word) {
  for (std::size_t at = 0; at + word.size() + 2 <= list.size(); ++at)
    if (list[at] == ' ' && head(tail(list, at + 1), word.size()) == word && list[at + 1 + word.size()] == ' ')
      return true;
  return false;
}

StatusVerdict of_word(std::string_view word) { return {receipt_of(word), word, {}}; }

// Empty: there is none. A text of blanks is none either.
std::string_view text_of(JsonValue value) { return trim(value.text()); }

std::string_view status_text(JsonValue value) {
  if (!value.is(Kind::object)) return text_of(value);
  for (const std::string_view key : {"name"sv, "value"sv, "status"sv})
    if (const std::string_view text = text_of(value.member(key)); !text.empty()) return text;
  return {};
}

// An error in whatever form; 0, false and what is empty are none.
bool says_error(JsonValue error) {
  if (error.is(Kind::number)) return error.number() < 0 || error.number() > 0;
  return error.truth() || !error.first().absent() || !text_of(error).empty();
}

StatusVerdict read_entry(JsonValue entry) {
  StatusVerdict said{Receipt::unclear, {}, {}};
  for (const std::string_view key :
       {"status"sv, "message_status"sv, "delivery_status"sv, "dlr_status"sv, "state"sv, "dlr"sv}) {
    if (entry.has_twice(key)) return contradictory("contradictory: a key is given twice"sv);
    const std::string_view text = status_text(entry.member(key));
    if (text.empty()) continue;
    if (said.word.empty()) said = of_word(text);
    const Receipt also = receipt_of(text);
    const bool ends = also == Receipt::delivered || also == Receipt::failed;
    const bool ended = said.receipt == Receipt::delivered || said.receipt == Receipt::failed;
    if (ends && ended && also != said.receipt) return contradictory("contradictory: two results"sv);
  }
  const JsonValue error = entry.member("error"sv);
  if (said.receipt == Receipt::delivered && says_error(error))
    return contradictory("contradictory: delivered and error"sv);
  if (!text_of(error).empty() && said.word.empty() && !names_rate_limit(entry)) said.receipt = Receipt::failed;
  for (const std::string_view key : {"details"sv, "error"sv, "error_description"sv, "reason"sv, "message"sv}) {
    said.error = text_of(entry.member(key));
    if (!said.error.empty()) break;
  }
  if (said.error.empty() && said.word.empty()) said.error = "no status in its entry"sv;
  return said;
}

class Reading {
 public:
  Reading(Span<const std::string_view> uuids, Span<StatusVerdict> verdicts) : uuids_(uuids), verdicts_(verdicts) {}

  // As deep as read_object_or_array() lets anything be.
  void look(JsonValue value) {
    if (value.is(Kind::object)) {
      rate_limited_ = rate_limited_ || names_rate_limit(value);
      look_at_object(value, {});
    }
    for (JsonValue one = value.first(); !one.absent(); one = one.next()) {
      if (is_requested(one.name())) {
        if (one.is(Kind::object)) {
          look_at_object(one, one.name());
        } else {
          const std::string_view text = text_of(one);
          hear(one.name(), text.empty() ? contradictory("no status in its entry"sv) : of_word(text));
        }
      }
      look(one);
    }
  }
  bool rate_limited() const { return rate_limited_; }

 private:
  bool is_requested(std::string_view uuid) const {
    if (uuid.empty()) return false;
    for (const std::string_view one : uuids_)
      if (same_ignoring_case(one, uuid)) return true;
    return false;
  }

  // `named`: the uuid that stands before it, or empty.
  void look_at_object(JsonValue object, std::string_view named) {
    std::string_view own = named;
    bool of_two = false;
    for (JsonValue member = object.first(); !member.absent(); member = member.next()) {
      bool is_id = false;
      for (const std::string_view key : {"message_uuid"sv, "messageUuid"sv, "uuid"sv, "message_id"sv, "id"sv})
        is_id = is_id || member.named(key);
      const std::string_view uuid = text_of(member);
      if (!is_id || !is_requested(uuid)) continue;
      if (own.empty()) own = uuid;
      if (same_ignoring_case(own, uuid)) continue;
      of_two = true;
      hear(uuid, contradictory(kTwo));
    }
    if (!own.empty()) hear(own, of_two ? contradictory(kTwo) : read_entry(object));
  }

  void hear(std::string_view uuid, const StatusVerdict& said) {
    StatusVerdict* other = nullptr;
    for (std::size_t i = 0; i < uuids_.size(); ++i) {
      if (!same_ignoring_case(uuids_[i], uuid)) continue;
      StatusVerdict& known = verdicts_[i];
      if (known.receipt == Receipt::not_reported) known = said;
      if (known.receipt != said.receipt) known = contradictory("contradictory: named twice"sv);
      // One id was given to two messages: nobody knows which is meant.
      if (other != nullptr) *other = known = contradictory("contradictory: the id of two messages"sv);
      other = &known;
    }
  }

  static constexpr std::string_view kTwo = "contradictory: two of the messages in one entry";
  Span<const std::string_view> uuids_;
  Span<StatusVerdict> verdicts_;
  bool rate_limited_ = false;
};

}  // namespace

Receipt receipt_of(std::string_view word) {
  char same[kMostOfAWord];
  if (word.empty() || word.size() > sizeof same) return Receipt::unclear;
  for (std::size_t i = 0; i < word.size(); ++i)
    same[i] = word[i] == '-' || word[i] == ' ' ? '_' : to_lower(word[i]);
  const std::string_view normal{same, word.size()};
  return has_word(kDelivered, normal) ? Receipt::delivered
         : has_word(kFailed, normal)  ? Receipt::failed
         : has_word(kPending, normal) ? Receipt::pending
                                      : Receipt::unclear;
}

void open_messages_status(JsonWriter& json) {
  json.open_object();
  json.open_array("message_uuids");
}

void close_messages_status(JsonWriter& json) {
  json.close_array();
  json.close_object();
}

bool is_plain_uuid(std::string_view uuid) {
  for (const char c : uuid) {
    const char low = to_lower(c);
    if (!is_digit(c) && !(low >= 'a' && low <= 'z') && find("-_.:"sv, c) == kNotFound) return false;
  }
  return !uuid.empty();
}

void write_receipt(const StatusVerdict& verdict, TextWriter& into) {
  char words[kMostShown];
  TextWriter word(words);
  if (verdict.receipt == Receipt::unclear && !verdict.word.empty()) into.text("not a known status: "sv);
  write_clean(verdict.word, word);
  into.text(word.view());
  if (verdict.error.empty()) return;
  if (!verdict.word.empty()) into.text(": "sv);
  write_clean(verdict.error, into);
}

StatusJudgement judge_status(const Answer& answer, Span<const std::string_view> uuids, Span<StatusVerdict> verdicts,
                             Arena& arena) {
  TOCSIN_ASSERT(uuids.size() == verdicts.size());
  for (StatusVerdict& one : verdicts) one = StatusVerdict{};
  StatusJudgement judgement;
  char line[kMaxReason];
  TextWriter reason(line);
  const JsonValue root = begin_judgement(answer, read_object_or_array, arena, judgement);
  bool unclear = judgement.whole == Whole::unknown;
  if (judgement.whole != Whole::judged) {
    write_reason(answer, root, reason);
  } else {
    Reading reading(uuids, verdicts);
    reading.look(root);
    for (const StatusVerdict& one : verdicts) {
      judgement.reported += one.receipt != Receipt::not_reported ? 1U : 0U;
      unclear = unclear || one.receipt == Receipt::unclear;
    }
    judgement.rate_limited = reading.rate_limited();
    if (judgement.reported == 0 && judgement.rate_limited) {
      judgement.whole = Whole::later;
      reason.number(answer.status).text(": RATE_LIMIT"sv);
    } else if (judgement.reported == 0 && says_no(root) && !root.has_twice("status"sv)) {
      judgement.whole = Whole::held;
      write_reason(answer, root, reason);
    } else {
      reason.number(answer.status).text(": "sv).number(judgement.reported).text(" of "sv).number(uuids.size());
      reason.text(" reported"sv);
      unclear = unclear || judgement.reported == 0;
    }
  }
  judgement.odd = unclear && is_readable_answer(answer);
  judgement.reason.assign_cut(reason.view());
  return judgement;
}

}  // namespace tocsin

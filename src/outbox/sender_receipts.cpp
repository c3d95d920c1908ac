// SPDX-License-Identifier: MIT
// Asking what became of the messages that were accepted. Whatever comes of it, messages are sent as before.
#include "tocsin/outbox/sender.hpp"
#include "tocsin/wire/secret.hpp"

namespace tocsin {
namespace {

constexpr Millis kMediumBehind = seconds(1);
constexpr Millis kNotKnown = hours(24);  // to a service that knows no such request
constexpr std::string_view kBodyBegins = "{\"message_uuids\":[\"";

}  // namespace

// Errors: empty: nobody is left of this page; bad_value, too_big from the request head.
Status Sender::prepare_asking(Instant now) {
  delivery_.pick(now);
  const MutBytes room = call_.body_room();
  JsonWriter json({reinterpret_cast<char*>(room.data()), room.size()});
  open_messages_status(json);
  for (std::size_t i = 0; i < delivery_.asked().size();) {
    const auto state = outbox_.read_accepted(delivery_.asked()[i], scratch_);
    if (state.ok() && is_plain_uuid(state.value().uuid)) {
      json.element(state.value().uuid);
      ++i;
    } else {
      delivery_.leave_out(i);
    }
  }
  close_messages_status(json);
  delivery_.goes(now);
  if (delivery_.asked().empty()) return Code::empty;
  TRY_LET(body, json.finish());
  static_assert(kBodyBegins.size() + Delivery::kMaxAsked * (kMaxUuid + 3) < kRequestBodyBytes);
  return call_.prepare("POST", settings_.status_path, body.size());
}

// A message wants the connection. As a rule the answer is there before another connection would be.
bool Sender::gives_way(Instant now, std::uint32_t random) {
  if (give_way_at_ == kNever && outbox_.next_due(stream_id_, now) <= now) give_way_at_ = now + kGiveWayAfter;
  if (call_.state() == ServiceCall::State::connecting) {  // that serves both
    give_way_at_ = kNever;
    return false;
  }
  if (now < give_way_at_) return false;
  call_.close();
  delivery_.failed(Millis{0}, now, random);
  return true;
}

void Sender::judge_receipts(const Clocks& clocks, std::uint32_t random) {
  const Answer answer = take_answer(clocks);
  const auto asked = delivery_.asked();
  std::string_view uuids[Delivery::kMaxAsked];
  StatusVerdict verdicts[Delivery::kMaxAsked];
  std::string_view body = tail(as_text(Bytes{call_.body_room()}), kBodyBegins.size());  // it lies there as it went
  for (std::size_t i = 0; i < asked.size(); ++i) {
    uuids[i] = take_until(body, '"');
    body = tail(body, 2);  // ,"
  }
  StatusJudgement judgement = judge_status(answer, Span<const std::string_view>{uuids, asked.size()},
                                           Span<StatusVerdict>{verdicts, asked.size()}, arena_);
  if (call_.settings_changed()) return delivery_.failed(Millis{0}, clocks.now, random);  // as in judge_answer()
  hide(settings_.token, judgement.reason);
  const std::string_view reason = judgement.reason.view();
  if (judgement.odd) observer_.answer_not_understood({settings_.name, OddAnswer::Of::status, reason, answer.body});
  const Millis at_least = seconds(judgement.retry_after_s);
  // It was asked, and there is none.
  if (judgement.whole != Whole::judged && judgement.whole != Whole::later && lookup_ == nullptr)
    for (const std::uint32_t number : asked) outbox_.undelivered(number, clocks);
  if (judgement.whole == Whole::held) ask_the_list();
  switch (judgement.whole) {
    case Whole::held:
      if (answer.status == 404 || answer.status == 405) {
        char text[kMaxReason];
        TextWriter words(text);
        if (lookup_ == nullptr) outbox_.ask_for_receipts(stream_id_, Asked::nobody);
        words.text("asked for once a day").text(list_asked_ ? ", meanwhile by the API key: " : ": ");
        return no_receipts(words.text(reason).view(), kNotKnown, clocks, random);
      }
      return no_receipts(reason, at_least, clocks, random);
    case Whole::halve:
      if (asked.size() == 1) {
        say_of_receipts(reason);
        set_untold(asked[0], true);
      }
      return delivery_.refused_as_too_many(clocks.now, random);
    case Whole::later:
    case Whole::unknown: return no_receipts(reason, at_least, clocks, random);
    case Whole::judged:
      list_asked_ = false;
      outbox_.ask_for_receipts(stream_id_, Asked::stream);
      break;
  }
  // The files turn, or the medium does not answer: those that are left are asked for once more.
  if (!take_receipts(Span<const std::string_view>{uuids, asked.size()}, Span<const StatusVerdict>{verdicts, asked.size()},
                     clocks))
    return delivery_.wait(clocks.now + kMediumBehind);
  const std::size_t given_up = delivery_.answered(clocks.now);
  if (judgement.rate_limited) return no_receipts("RATE_LIMIT", at_least, clocks, random);
  receipts_reason_.clear();
  if (given_up == 0) return;
  char text[kMaxReason];
  TextWriter words(text);
  write_duration(settings_.receipts_for, words.text("none came within "));
  words.text(" for ").number(given_up).text(given_up == 1 ? " message" : " messages");
  observer_.receipts_changed(settings_.name, words.text(": see `tocsin queue list`").view());
}

// False: some are not on record; they are asked for again.
bool Sender::take_receipts(Span<const std::string_view> uuids, Span<const StatusVerdict> verdicts,
                           const Clocks& clocks) {
  bool taken = true;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    char text[kMaxReason];
    TextWriter words(text);
    write_receipt(verdicts[i], words);
    FixedText<kMaxReason> shown;
    shown.assign_cut(words.view());
    hide(settings_.token, shown);
    const std::uint32_t number = delivery_.asked()[i];
    taken = outbox_.receipt(number, verdicts[i].receipt, shown.view(), clocks, uuids[i]).code() != Code::full && taken;
    const bool untold = verdicts[i].receipt == Receipt::not_reported || verdicts[i].receipt == Receipt::unclear;
    set_untold(number, untold);
    if (!untold || lookup_ == nullptr) outbox_.undelivered(number, clocks);  // else the list may have it
  }
  return taken;
}

void Sender::no_receipts(std::string_view reason, Millis at_least, const Clocks& clocks, std::uint32_t random) {
  delivery_.failed(at_least, clocks.now, random);
  if (delivery_.failures() > 1) ask_the_list();
  say_of_receipts(reason);
}

void Sender::ask_the_list() {
  if (lookup_ == nullptr || settings_.receipts_for.count == 0) return;
  list_asked_ = true;
  outbox_.ask_for_receipts(stream_id_, Asked::list);
  lookup_->look_for_receipts();
}

void Sender::set_untold(std::uint32_t number, bool untold) {
  outbox_.set_untold(number, untold);
  if (untold && lookup_ != nullptr) lookup_->look_for_receipts();
}

void Sender::accepted_elsewhere(Instant now) {
  delivery_.accepted(now);
  if (list_asked_) lookup_->look_for_receipts();
}

// Once, until they are told again.
void Sender::say_of_receipts(std::string_view words) {
  const bool news = receipts_reason_.empty();
  receipts_reason_.assign_cut(words);
  if (news) observer_.receipts_changed(settings_.name, words);
}

}  // namespace tocsin

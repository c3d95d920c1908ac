// SPDX-License-Identifier: MIT
// What an answer, or its absence, does to the messages of the request and to the stream.
#include "tocsin/outbox/sender.hpp"
#include "tocsin/wire/http_date.hpp"
#include "tocsin/wire/secret.hpp"

namespace tocsin {
namespace {

// A held stream is tried again slowly: somebody has to come and change something.
constexpr Millis kHeldAtLeast = minutes(5);
constexpr Millis kHeldSpread = minutes(5);
constexpr Millis kHeldAlone = hours(1);

// Another random number for each message, from one draw.
constexpr std::uint32_t spread(std::uint32_t random, std::size_t at) {
  return (random ^ static_cast<std::uint32_t>(at)) * 2654435761U;
}

}  // namespace

Answer Sender::take_answer(const Clocks& clocks) {
  const Answer answer = call_.answer(clocks);
  if (const auto said = parse_http_date(answer.date); said.ok()) service_time_ = said.value();
  return answer;
}

void Sender::judge_answer(const Clocks& clocks, std::uint32_t random) {
  const Answer answer = take_answer(clocks);
  not_left_ = false;
  std::string_view ids[kMaxBatch];
  for (std::size_t i = 0; i < batch_size_; ++i) ids[i] = ids_[i].view();
  Judgement judgement = judge(answer, Span<const std::string_view>{ids, batch_size_},
                              Span<MessageVerdict>{verdicts_, batch_size_}, arena_, naming_);
  if (call_.settings_changed()) {  // a token that is not known any more may be in its words, and was what it judged
    for (std::size_t i = 0; i < batch_size_; ++i) verdicts_[i].reason.clear();
    judgement.reason.assign_cut("answered to the token before this one");
    if (judgement.whole == Whole::held) judgement.whole = Whole::later;
  }
  // A service may repeat the token in its own words; what is shown and kept does not.
  hide(settings_.token, judgement.reason);
  for (std::size_t i = 0; i < batch_size_; ++i) hide(settings_.token, verdicts_[i].reason);
  const std::string_view reason = judgement.reason.view();
  if (judgement.odd && !call_.settings_changed()) {
    const auto of = judgement.whole == Whole::unknown ? OddAnswer::Of::whole : OddAnswer::Of::part;
    observer_.answer_not_understood({settings_.name, of, reason, answer.body});
  }

  switch (judgement.whole) {
    case Whole::held:
      take_back(clocks.now, clocks, reason);
      return hold(answer.status, reason, clocks, random);
    case Whole::halve:
      blame(clocks.now);
      if (batch_size_ > 1) {
        batch_limit_ = batch_size_ / 2;
        take_back(clocks.now, clocks);
      } else {
        const Millis wait{kHeldAlone.count / 2 + full_jitter(kHeldAlone, kHeldAlone, 0, random).count};
        outbox_.held_alone(batch_[0], clocks.now + wait, reason, clocks);
        observer_.message_set_aside(ids_[0], batch_[0], reason);
      }
      return enter(State::idle, clocks.now);
    case Whole::later:
      take_back(clocks.now, clocks);
      batch_limit_ = 1;  // enough to ask again; each message of a request may cost two records
      limit_after_ = 0;
      to_troubled_ = false;  // it is not about them
      if (answer.status == 429 && pace_.said_no(Pace::Of::requests, clocks.now) && judgement.retry_after_s == 0)
        return enter(State::idle, clocks.now);
      return back_off(reason, seconds(judgement.retry_after_s), clocks, random);
    case Whole::unknown:
      all_unknown(reason, clocks, random);
      return back_off(reason, seconds(judgement.retry_after_s), clocks, random);
    case Whole::judged: break;
  }

  bool any_accepted = false, any_unknown = false;
  std::uint32_t later[kMaxBatch], limited[kMaxBatch];
  std::size_t later_count = 0, limited_count = 0;
  for (std::size_t i = 0; i < batch_size_; ++i) {
    any_accepted |= verdicts_[i].fate == Fate::accepted;
    any_unknown |= verdicts_[i].fate == Fate::unknown;
    if (verdicts_[i].fate == Fate::later) later[later_count++] = batch_[i];
    if (verdicts_[i].fate == Fate::later && verdicts_[i].named) limited[limited_count++] = batch_[i];
    judge_message(i, reason, clocks, spread(random, i));
  }
  if (any_accepted) {
    pace_.said_yes(clocks.now);
    succeeded(clocks);
  }
  if (judgement.rate_limited) {
    const Span<const std::uint32_t> all{later, later_count};
    go_on_with_one(all);
    if (!limits_the_stream(Span<const std::uint32_t>{limited, limited_count})) {
      for (const std::uint32_t number : all) outbox_.in_trouble(number, Trouble::unanswered, clocks.now);
    } else if (pace_.said_no(Pace::Of::messages, clocks.now) && judgement.retry_after_s == 0) {
      return enter(State::idle, clocks.now);
    }
    return back_off(reason, seconds(judgement.retry_after_s), clocks, random);
  }
  if (any_unknown && !any_accepted) return back_off(reason, seconds(judgement.retry_after_s), clocks, random);
  enter(State::idle, clocks.now);
}

void Sender::judge_message(std::size_t at, std::string_view whole_reason, const Clocks& clocks,
                           std::uint32_t random) {
  const MessageVerdict& verdict = verdicts_[at];
  const std::uint32_t number = batch_[at];
  const std::string_view reason = verdict.reason.empty() ? whole_reason : verdict.reason.view();
  switch (verdict.fate) {
    case Fate::accepted:
      accepted_elsewhere(clocks.now);
      return outbox_.accepted(number, verdict.uuid.view(), verdict.reason.view(), clocks);
    case Fate::refused: return outbox_.refused(number, reason, clocks);
    case Fate::later:
      return outbox_.not_sent(number, clocks.now, clocks, reason);  // the stream itself backs off, or keeps its pace
    case Fate::unknown:
      outbox_.in_trouble(number, Trouble::unanswered, clocks.now);
      return outcome_unknown(number, reason, clocks, random);
  }
}

void Sender::outcome_unknown(std::uint32_t number, std::string_view reason, const Clocks& clocks, std::uint32_t random) {
  const Millis most = settings_.retry_max;
  Millis wait = full_jitter(settings_.retry_min, most, 0, random);
  const Millis least = most < kLastCopyAfter ? most : kLastCopyAfter;
  if (outbox_.last_copy_is_next(number) && wait < least) wait = least;
  outbox_.outcome_unknown(number, clocks.now + wait, reason, clocks);
  if (lookup_ != nullptr) lookup_->doubt(number, settings_.sms, clocks);
}

void Sender::succeeded(const Clocks& clocks) {
  const bool was_in_trouble = !reason_.empty();
  failures_ = 0;
  reason_.clear();
  limited_ = 0;
  last_accepted_ = clocks;
  // What was accepted says that twice as much may be; that trouble was one recipient's own, what it was before.
  std::size_t limit = batch_size_ * 2 < kMaxBatch ? batch_size_ * 2 : kMaxBatch;
  if (limit_after_ > limit && !to_troubled_) limit = limit_after_;
  if (pace_.one_by_one()) limit = 1;
  if (!to_troubled_) limit_after_ = 0;
  if (batch_limit_ < limit) batch_limit_ = limit;
  if (was_in_trouble) say("working", "the service accepts messages again");
}

// A request failed as a whole. Where it went to one recipient only, that is the one to be careful with.
void Sender::blame(Instant now) {
  if (outbox_.all_to_one(Span<const std::uint32_t>{batch_, batch_size_}))
    outbox_.in_trouble(batch_[0], Trouble::request, now);
}

// The next request has one message. Where the trouble is one recipient's, the first yes to another one says so.
void Sender::go_on_with_one(Span<const std::uint32_t> troubled) {
  if (!outbox_.all_to_one(troubled)) {
    limit_after_ = 0;
  } else if (limit_after_ < batch_limit_) {
    limit_after_ = batch_limit_;
  }
  batch_limit_ = 1;
}

// RATE_LIMIT may be meant for one recipient: it is the stream's when a second one has it before anybody gets a yes.
bool Sender::limits_the_stream(Span<const std::uint32_t> limited) {
  if (limited.empty()) return false;
  const std::uint32_t both[] = {limited_, limited[0]};
  const bool second = limited_ != 0 && !outbox_.all_to_one(both);
  limited_ = limited[0];
  return second || (!to_troubled_ && (pace_.gap().count != 0 || !outbox_.all_to_one(limited)));
}

void Sender::all_unknown(std::string_view reason, const Clocks& clocks, std::uint32_t random) {
  blame(clocks.now);
  for (std::size_t i = 0; i < batch_size_; ++i) outcome_unknown(batch_[i], reason, clocks, spread(random, i));
  // One message may be what makes the service fail: from here on each stands for itself.
  if (batch_size_ > 1) go_on_with_one(Span<const std::uint32_t>{batch_, batch_size_});
  batch_size_ = 0;
}

// The request came to no answer.
void Sender::give_up(const Clocks& clocks, std::uint32_t random) {
  char text[kWords];
  TextWriter words(text);
  call_.write_reason(words);
  not_left_ = !call_.may_have_left();
  if (call_.may_have_left()) {
    all_unknown(words.view(), clocks, random);
  } else {
    take_back(clocks.now, clocks);
    to_troubled_ = false;  // that it did not leave says nothing about its recipients
    if (call_.proxy_login_refused()) return hold(407, words.view(), clocks, random);
  }
  back_off(words.view(), milliseconds(0), clocks, random);
}

void Sender::back_off(std::string_view reason, Millis at_least, const Clocks& clocks, std::uint32_t random) {
  Millis wait = full_jitter(settings_.retry_min, settings_.retry_max, failures_, random);
  if (wait < at_least) wait = at_least;
  if (failures_ < 31) ++failures_;
  retry_at_ = clocks.now + wait;
  others_at_ = retry_at_;
  if (to_troubled_) {
    const Millis least = full_jitter(settings_.retry_min, settings_.retry_max, 0, random);
    others_at_ = clocks.now + (least < at_least ? at_least : least);
  }
  enter(State::backing_off, others_at_);
  say("backing off", reason);
}

void Sender::hold(std::uint16_t status, std::string_view reason, const Clocks& clocks, std::uint32_t random) {
  char text[kWords];
  TextWriter words(text);
  words.text(reason);
  if (status == 401 || status == 403)
    words.text(". Set the token again (tocsin token set ")
        .text(settings_.name)
        .text(") or look at the stream's allowed IPs");
  if (status == 404 || status == 405) words.text(". Look at base_url and send_path of this stream");
  batch_limit_ =
      1;  // enough to ask again, for years if need be; each message of a request may cost two records
  limit_after_ = 0;
  const Millis spread_by = full_jitter(kHeldSpread, kHeldSpread, 0, random);
  retry_at_ = others_at_ = clocks.now + Millis{kHeldAtLeast.count + spread_by.count};
  const bool told = trouble() == State::held && words.view() == reason_.view();  // a slow retry came to the same
  enter(State::held, retry_at_);
  if (!told) say("held", words.view());
}

void Sender::hold_until_resumed(std::string_view reason) {
  retry_at_ = others_at_ = kNever;
  enter(State::held, kNever);
  say("held", reason);
}

void Sender::say(std::string_view condition, std::string_view reason) {
  if (condition != "working") {
    reason_.assign_cut(reason);
    if (failures_ > 1 || state_ == State::held) ask_the_list();  // nobody there is asked for receipts meanwhile
  }
  observer_.stream_changed(settings_.name, condition, reason);
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// What is asked, and when. What an answer does to the messages: sender_outcome.cpp.
#include "tocsin/outbox/sender.hpp"

namespace tocsin {
namespace {

constexpr Millis kMediumBehind = seconds(1);

}  // namespace

std::string_view Sender::word(State state) {
  switch (state) {
    case State::idle: return "idle";
    case State::connecting: return "connecting";
    case State::preparing: return "writing to the medium";
    case State::sending: return "sending";
    case State::receiving: return "waiting for the answer";
    case State::backing_off: return "backing off";
    case State::held: return "held";
  }
  return "";
}

Sender::State Sender::state() const {
  switch (call_.state()) {
    case ServiceCall::State::connecting: return State::connecting;
    case ServiceCall::State::ready: return State::preparing;
    case ServiceCall::State::sending: return State::sending;
    case ServiceCall::State::receiving: return State::receiving;
    case ServiceCall::State::idle:
    case ServiceCall::State::answered:
    case ServiceCall::State::failed: break;
  }
  return state_;
}

void Sender::configure(const Settings& settings) {
  settings_ = settings;
  stream_id_ = settings.send_path.empty() ? 0 : name_hash(settings.name);
  delivery_.configure(stream_id_, settings.receipts_for, settings.receipts_at);
  call_.configure(settings);
}

void Sender::look_up_by(Lookup& lookup, const Clocks& clocks) {
  lookup_ = &lookup;
  lookup.doubt_left(stream_id_, settings_.sms, clocks);
  lookup.ask_for_receipts(stream_id_, settings_.receipts_for, settings_.receipts_at);
  if (list_asked_ || !receipts_reason_.empty()) ask_the_list();
}

void Sender::enter(State state, Instant wake) {
  state_ = state;
  wake_ = wake;
  if (state == State::backing_off || state == State::held) trouble_ = state;
}

void Sender::resume() {
  if (state_ != State::backing_off && state_ != State::held) return;
  failures_ = 0;
  reason_.clear();
  enter(State::idle, Instant{0});
  observer_.stream_changed(settings_.name, "resumed", "it is tried again at once");
}

void Sender::stop() {
  stopping_ = true;
  if (errand_ == Errand::receipts) call_.close();  // asked for again by whoever comes next
}

void Sender::go_on() {
  TOCSIN_ASSERT(resting());
  stopping_ = false;
  batch_size_ = 0;
  wait_for_ = answered_ = last_answered_ = 0;
  delivery_.begin_anew();
  if (state_ == State::idle) wake_ = Instant{0};
}

void Sender::urgent(Instant now) {
  const bool waits = state_ == State::backing_off || (state_ == State::idle && pace_.free_at() > now);
  if (!waits || now < last_urgent_) return;
  last_urgent_ = now + kUrgentEvery;
  pace_.let_one_go();
  enter(State::idle, now);
}

void Sender::poll(const Clocks& clocks, std::uint32_t random) {
  const Instant now = clocks.now;
  for (;;) {
    switch (call_.poll(now)) {
      case ServiceCall::State::idle:
        if (!begin(now)) return;
        break;

      case ServiceCall::State::ready:
        if (errand_ == Errand::receipts) {
          const bool overtaken = outbox_.next_due(stream_id_, now) <= now;
          const Status prepared = overtaken ? Status{Code::empty} : prepare_asking(now);
          if (prepared.ok()) {
            call_.send(now);
            break;
          }
          call_.withdraw();
          if (prepared.code() != Code::empty)
            no_receipts("the request cannot be written: look at token and address", Millis{0}, clocks, random);
          if (overtaken) break;
          wake_ = now;  // the next page, in the next turn of the loop
          return;
        }
        if (batch_size_ == 0) {
          const Status prepared = prepare(clocks);
          if (prepared.code() == Code::empty) {  // nothing to send after all
            call_.withdraw();
            break;
          }
          if (!prepared.ok()) {
            call_.close();
            to_troubled_ = false;
            return back_off("the request cannot be written: look at token and address", Millis{0}, clocks, random);
          }
        }
        if (wait_for_ != 0 && !outbox_.on_medium(wait_for_)) {
          if (!outbox_.stalled(now)) {
            wake_ = call_.wake();
            return;
          }
          take_back(now, clocks);  // others may go that need no record first
          call_.withdraw();
          break;
        }
        call_.send(now);
        break;

      case ServiceCall::State::connecting:
      case ServiceCall::State::sending:
      case ServiceCall::State::receiving:
        if (errand_ == Errand::receipts && gives_way(now, random)) break;
        wake_ = earlier(call_.wake(), give_way_at_);
        return;

      case ServiceCall::State::answered:
        if (errand_ == Errand::receipts) {
          judge_receipts(clocks, random);
          break;
        }
        judge_answer(clocks, random);
        outbox_.note(clocks.now);
        answered_ = last_answered_;
        last_answered_ = outbox_.newest();
        break;

      case ServiceCall::State::failed:
        if (errand_ == Errand::messages) return give_up(clocks, random);
        {
          char words[kMaxReason];
          TextWriter reason(words);
          call_.write_reason(reason);
          no_receipts(reason.view(), Millis{0}, clocks, random);
        }
        break;
    }
  }
}

// False: nothing may be asked now, and wake_ says when to look again.
bool Sender::begin(Instant now) {
  if (state_ != State::idle && now < retry_at_) {
    // Trouble that recipients of their own have keeps nobody else waiting for long.
    const bool others = others_at_ < retry_at_ && outbox_.others_wait(stream_id_, now);
    wake_ = others ? others_at_ : retry_at_;
    if (now < wake_) return false;
  }
  state_ = State::idle;
  const Instant wanted = stopping_ ? kNever : outbox_.next_due(stream_id_, now);
  const Instant due = wanted < pace_.free_at() ? pace_.free_at() : wanted;
  give_way_at_ = kNever;
  if (due > now) {
    // A service that limits the rate has its requests kept for messages, while any waits. What comes is for the medium.
    Instant asks = stopping_ || wanted <= now || outbox_.stalled(now) ? kNever : delivery_.next(now);
    if (asks < pace_.free_at()) asks = pace_.free_at();
    wake_ = earlier(earlier(due, asks), call_.wake());
    if (asks > now) return false;
    errand_ = Errand::receipts;
    call_.open(now, {});
    return true;
  }
  // What the last answer ended is written while the next request is under way; power that goes meanwhile brings it
  // back. More than that one answer is never at risk: what ended before it is on the medium.
  if (!outbox_.on_medium(answered_) && !outbox_.stalled(now)) {
    wake_ = call_.wake();
    return false;
  }
  const auto before = others_first_ ? Outbox::After::troubled : Outbox::After::others;
  if (call_.idle_for(kAlarmIdle, now) && outbox_.critical_goes_next(stream_id_, now, before)) call_.close();
  batch_size_ = 0;
  errand_ = Errand::messages;
  call_.open(now, "the medium did not take the record that must precede the request");
  return true;
}

// Chooses the messages, writes the body and puts on record what must be on record before a byte leaves.
// Errors: empty; bad_value, too_big from the request head: nothing is counted then.
Status Sender::prepare(const Clocks& clocks) {
  batch_size_ = outbox_.pick(stream_id_, clocks.now, others_first_ ? Outbox::After::troubled : Outbox::After::others,
                             Span<std::uint32_t>{batch_, settings_.form != nullptr ? 1 : batch_limit_});
  to_troubled_ = batch_size_ > 0 && outbox_.is_in_trouble(stream_id_, batch_[0]);
  // Trouble may have cut the next request to one message: that alone is not the others' turn.
  others_first_ = to_troubled_ || (others_first_ && batch_limit_ < kMaxBatch);
  while (batch_size_ > 0 && !compose(clocks)) {
  }
  if (batch_size_ == 0) return Code::empty;

  const Status begun = call_.prepare("POST", settings_.send_path, body_size_);
  if (!begun.ok()) {
    batch_size_ = 0;
    return begun;
  }
  wait_for_ = 0;
  for (std::size_t i = 0; i < batch_size_; ++i) {
    const auto ticket = outbox_.sending(stream_id_, batch_[i], clocks, segments_[i]);
    if (!ticket.ok()) {  // no room for the record: the medium is behind
      for (std::size_t k = i; k < batch_size_; ++k) outbox_.postpone(stream_id_, batch_[k], clocks.now + kMediumBehind);
      batch_size_ = i;
      take_back(clocks.now + kMediumBehind, clocks);
      return Code::empty;
    }
    if (ticket.value() > wait_for_) wait_for_ = ticket.value();
  }
  if (wait_for_ != 0) outbox_.note(clocks.now);  // goes with the records that have to precede the request
  return {};
}

// Writes the body for the batch. False: the batch was made smaller, call it again.
bool Sender::compose(const Clocks& clocks) {
  const MutBytes room = call_.body_room();
  const Span<char> text_room{reinterpret_cast<char*>(room.data()), room.size()};
  JsonWriter json(text_room);
  const bool of_event = !settings_.event.empty();
  of_event ? open_event_send(json, settings_.event) : open_simple_send(json);
  for (std::size_t i = 0; i < batch_size_; ++i) {
    const auto message = outbox_.read(batch_[i], scratch_);
    if (!message.ok()) {
      // Not waiting any more, or its record is damaged: the others go without it.
      if (message.code() != Code::not_found) outbox_.unreadable(batch_[i], clocks);
      for (std::size_t k = i + 1; k < batch_size_; ++k) batch_[k - 1] = batch_[k];
      --batch_size_;
      return false;
    }
    OutgoingText out;
    ids_[i] = message.value().id;
    out.internal_id = ids_[i].view();
    out.sender = settings_.sender;
    out.phone = message.value().phone.view();
    char memory[kMaxSentText];
    out.text = as_sent(message.value().text, settings_.sms, message.value().repeat ? Copy::repeat : Copy::first,
                       memory).text;
    out.device = settings_.device;
    out.alarm = message.value().alarm;
    out.message_class = tocsin::word(message.value().cls);
    out.state = tocsin::word(message.value().transition);
    segments_[i] = sms_segments(out.text, settings_.sms.reference);
    if (settings_.form != nullptr) {
      const auto body = settings_.form->fill(out, text_room);
      TOCSIN_ASSERT(body.ok());  // a form is not taken whose longest body does not fit
      body_size_ = body.value().size();
      naming_ = settings_.form->has_internal_id() ? Naming::single : Naming::anonymous;
      return true;
    }
    of_event ? add_recipient(json, out, settings_.variables) : add_message(json, out);
    if (json.size() + 2 > room.size()) {
      TOCSIN_ASSERT(i > 0);  // one message always fits: kMaxSentText escaped is below kRequestBodyBytes
      batch_size_ = i;
      return false;
    }
  }
  close_simple_send(json);
  const auto body = json.finish();
  TOCSIN_ASSERT(body.ok());  // texts were checked when they were accepted
  naming_ = Naming::listed;
  body_size_ = body.value().size();
  return true;
}

// Nothing of the batch left the device.
void Sender::take_back(Instant due, const Clocks& clocks, std::string_view reason) {
  for (std::size_t i = 0; i < batch_size_; ++i) outbox_.not_sent(batch_[i], due, clocks, reason);
  batch_size_ = 0;
}

}  // namespace tocsin

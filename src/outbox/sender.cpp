// SPDX-License-Identifier: MIT
// The state machine. What an answer does to the messages: sender_outcome.cpp.
#include "tocsin/outbox/sender.hpp"

#include "tocsin/wire/http_location.hpp"

namespace tocsin {
namespace {

constexpr Millis kLeastShare = seconds(5);
constexpr Millis kMediumBehind = seconds(1);
constexpr std::string_view kRepeatMark = " (repeat)";

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

void Sender::configure(const Settings& settings) {
  settings_ = settings;
  of_before_ = true;
  char path[220];
  TextWriter writer(path);
  path_.assign_cut(writer.text(settings.path_prefix).text("/simple_send/").view());
  stream_id_ = name_hash(settings.name);
  proxy_talk_.configure(settings.endpoint.host, settings.endpoint.port, settings.proxy_login);
  settings_.endpoint.opening = &proxy_talk_;
}

Want Sender::want() const {
  switch (state_) {
    case State::connecting: return stream_.want();
    // The answer may come before the whole request has gone: it was looked for, but the request waits as well.
    case State::sending:
      return write_waits_ || stream_.want() == Want::writable ? Want::either : stream_.want();
    case State::receiving: return stream_.want() == Want::nothing ? Want::readable : stream_.want();
    case State::preparing:
      return Want::nothing;  // it waits for the medium; send() looks before it risks anything
    case State::idle:
    case State::backing_off:
    case State::held: return connected_ ? Want::readable : Want::nothing;  // the peer may close it
  }
  return Want::nothing;
}

void Sender::enter(State state, Instant wake) {
  state_ = state;
  wake_ = wake;
  if (state == State::backing_off || state == State::held) trouble_ = state;
}

void Sender::begin(State state, Millis limit, Instant now) {
  limit_ = limit;
  enter(state, earlier(deadline_, now + limit));
}

Millis Sender::share(unsigned part) const {
  const Millis share{settings_.timeout.count / part};
  return share < kLeastShare ? kLeastShare : share;
}

void Sender::begin_connecting() {
  connect_phase_ = Phase::idle;
  proxy_talk_.begin();  // what it said before does not count
  enter(State::connecting, deadline_);
}

void Sender::begin_sending(Instant now) {
  received_ = received_at_ = 0;
  begin(State::sending, share(3), now);
}

// Each phase has a time of its own.
void Sender::watch_connecting(Instant now) {
  if (stream_.phase() == connect_phase_) return;
  connect_phase_ = stream_.phase();
  begin(State::connecting, share(connect_phase_ == Phase::handshaking ? 2 : 3), now);
}

// One byte a second keeps nobody waiting.
void Sender::watch_answer(Instant now) {
  if (received_ == 0 || (received_at_ > 0 && received_ - received_at_ < kLeastBytes)) return;
  received_at_ = received_;
  begin(State::receiving, kLeastEvery, now);
}

void Sender::resume() {
  if (state_ != State::backing_off && state_ != State::held) return;
  failures_ = 0;
  reason_.clear();
  enter(State::idle, Instant{0});
  observer_.stream_changed(settings_.name, "resumed", "it is tried again at once");
}

void Sender::go_on() {
  TOCSIN_ASSERT(resting());
  stopping_ = false;
  batch_size_ = 0;
  wait_for_ = answered_ = 0;
  if (state_ == State::idle) wake_ = Instant{0};
}

void Sender::urgent(Instant now) {
  if (state_ != State::backing_off || now < last_urgent_) return;
  last_urgent_ = now + kUrgentEvery;
  enter(State::idle, now);
}

void Sender::poll(const Clocks& clocks, std::uint32_t random) {
  const Instant now = clocks.now;
  for (;;) {
    const bool under_way = state_ == State::connecting || state_ == State::preparing ||
                           state_ == State::sending || state_ == State::receiving;
    // An answer that lies there counts, late as this device may be: it slept, or something held its loop.
    const bool overdue = under_way && now >= wake_;
    if (overdue && state_ != State::receiving) return give_up({}, clocks, random);
    switch (state_) {
      case State::backing_off:
      case State::held:
        if (now < retry_at_) {
          look_at_connection();
          // Trouble that recipients of their own have keeps nobody else waiting for long.
          const bool others = others_at_ < retry_at_ && outbox_.others_wait(stream_id_, now);
          wake_ = others ? others_at_ : retry_at_;
          if (now < wake_) return;
        }
        enter(State::idle, now);
        break;

      case State::idle: {
        if (connected_ && now >= idle_since_ + kKeepIdle) disconnect();
        look_at_connection();
        const Instant due = stopping_ ? kNever : outbox_.next_due(stream_id_, now);
        if (due > now) {
          wake_ = connected_ ? earlier(due, idle_since_ + kKeepIdle) : due;
          return;
        }
        // Power that goes now brings back what the last answer ended; more than one answer is never at risk.
        if (!outbox_.on_medium(answered_) && !outbox_.stalled(now)) {
          wake_ = connected_ ? idle_since_ + kKeepIdle : kNever;
          return;
        }
        const auto before = others_first_ ? Outbox::After::troubled : Outbox::After::others;
        if (connected_ && now >= idle_since_ + kAlarmIdle && outbox_.critical_goes_next(stream_id_, now, before))
          disconnect();
        deadline_ = now + settings_.timeout;
        batch_size_ = 0;
        renewed_ = redirected_ = false;
        begin_connecting();
        if (connected_) enter(State::preparing, deadline_);
        break;
      }

      case State::connecting: {
        const Status connected = stream_.connect(settings_.endpoint);
        if (connected.code() == Code::again) return watch_connecting(now);
        if (!connected.ok()) return give_up(stream_.problem(), clocks, random);
        connected_ = true;
        idle_since_ = now;
        enter(State::preparing, deadline_);
        break;
      }

      case State::preparing: {
        if (batch_size_ == 0) {
          const Status prepared = prepare(clocks);
          if (prepared.code() == Code::empty) {  // nothing to send after all
            idle_since_ = now;
            enter(State::idle, now);
            break;
          }
          if (!prepared.ok())
            return give_up("the request cannot be written: look at token and address", clocks, random);
        }
        if (wait_for_ != 0 && !outbox_.on_medium(wait_for_)) {
          if (!outbox_.stalled(now)) return;
          take_back(now, clocks);  // others may go that need no record first
          enter(State::idle, now);
          break;
        }
        begin_sending(now);
        break;
      }

      case State::sending: {
        if (!exchange_.may_have_left()) {
          look_at_connection();  // found dead before anything is risked
          if (!connected_ && renewed_)
            return give_up(stream_.problem().empty() ? "the service ended the connection before the request"
                                                     : stream_.problem(),
                           clocks, random);
          if (!connected_) {
            renewed_ = true;
            begin_connecting();
            break;
          }
        }
        const Status sent = send();
        if (sent.code() == Code::again) return;
        if (!sent.ok()) return give_up(words_for_answer(), clocks, random, sent.code());
        begin(State::receiving, received_ > 0 ? kLeastEvery : share(2), now);
        break;
      }

      case State::receiving: {
        const Status received = receive();
        if (received.code() == Code::again) return overdue ? give_up({}, clocks, random) : watch_answer(now);
        if (!received.ok()) return give_up(words_for_answer(), clocks, random, received.code());
        if (redirected()) {
          begin_connecting();
          if (connected_) begin_sending(now);
          break;
        }
        judge_answer(clocks, random);
        outbox_.note(clocks.now);
        answered_ = outbox_.newest();
        break;
      }
    }
  }
}

// While nothing is expected from the peer, anything it sends, its end included, ends the connection.
void Sender::look_at_connection() {
  std::uint8_t byte[1];
  if (connected_ && stream_.read(byte).code() != Code::again) disconnect();
}

void Sender::disconnect() {
  stream_.close();
  connected_ = false;
}

// Chooses the messages, writes the body and puts on record what must be on record before a byte leaves.
// Errors: empty; bad_value, too_big from the request head: nothing is counted then.
Status Sender::prepare(const Clocks& clocks) {
  batch_size_ = outbox_.pick(stream_id_, clocks.now, others_first_ ? Outbox::After::troubled : Outbox::After::others,
                             Span<std::uint32_t>{batch_, batch_limit_});
  to_troubled_ = batch_size_ > 0 && outbox_.is_in_trouble(batch_[0]);
  // Trouble may have cut the next request to one message: that alone is not the others' turn.
  others_first_ = to_troubled_ || (others_first_ && batch_limit_ < kMaxBatch);
  while (batch_size_ > 0 && !compose(clocks)) {
  }
  if (batch_size_ == 0) return Code::empty;

  const Status begun = begin_request(path_.view());
  if (!begun.ok()) {
    batch_size_ = 0;
    return begun;
  }
  wait_for_ = 0;
  for (std::size_t i = 0; i < batch_size_; ++i) {
    const auto ticket = outbox_.sending(batch_[i], clocks);
    if (!ticket.ok()) {  // no room for the record: the medium is behind
      for (std::size_t k = i; k < batch_size_; ++k) outbox_.postpone(batch_[k], clocks.now + kMediumBehind);
      batch_size_ = i;
      take_back(clocks.now + kMediumBehind, clocks);
      return Code::empty;
    }
    if (ticket.value() > wait_for_) wait_for_ = ticket.value();
  }
  if (wait_for_ != 0) outbox_.note(clocks.now);  // goes with the records that have to precede the request
  return {};
}

// Writes the head before the body, for a path of the service. Errors: bad_value, too_big.
Status Sender::begin_request(std::string_view target) {
  of_before_ = false;
  HttpRequest head;
  head.target = target;
  head.host = settings_.endpoint.host;
  head.port = settings_.endpoint.port;
  head.authorization = settings_.token;
  return exchange_.begin(head, body_size_);
}

// The same request to another path of the same service, once: nothing was done with it so far (RFC
// 9110 15.4.8, 15.4.9). Every other redirect is an answer like others: its address is for a person to look
// at.
bool Sender::redirected() {
  const HttpResponse& answer = exchange_.response();
  if ((answer.status() != 307 && answer.status() != 308) || redirected_) return false;
  const auto found = redirect_target(answer.location(), settings_.endpoint.host, settings_.endpoint.port);
  if (!found.ok()) return false;
  FixedText<kMaxTarget> target;  // the answer goes with the next request
  if (!target.assign(found.value()).ok()) return false;
  redirected_ = true;
  if (!exchange_.reusable()) disconnect();
  return begin_request(target.view()).ok();
}

// Writes the body for the batch. False: the batch was made smaller, call it again.
bool Sender::compose(const Clocks& clocks) {
  const MutBytes room = exchange_.body_room();
  JsonWriter json({reinterpret_cast<char*>(room.data()), room.size()});
  open_simple_send(json);
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
    out.text = message.value().text;
    char marked[kMaxText];
    if (message.value().repeat && out.text.size() + kRepeatMark.size() <= sizeof marked) {
      TextWriter text(marked);
      out.text = text.text(out.text).text(kRepeatMark).view();
    }
    add_message(json, out);
    if (json.size() + 2 > room.size()) {
      TOCSIN_ASSERT(i > 0);  // one message always fits: kMaxText escaped is below kRequestBodyBytes
      batch_size_ = i;
      return false;
    }
  }
  close_simple_send(json);
  const auto body = json.finish();
  TOCSIN_ASSERT(body.ok());  // texts were checked when they were accepted
  body_size_ = body.value().size();
  return true;
}

// Nothing of the batch left the device.
void Sender::take_back(Instant due, const Clocks& clocks, std::string_view reason) {
  for (std::size_t i = 0; i < batch_size_; ++i) outbox_.not_sent(batch_[i], due, clocks, reason);
  batch_size_ = 0;
}

// Until the request has gone, or its final answer is there (RFC 9112 9.3, 9.5): the rest is not sent then, and the
// connection not used again. Errors: again; as Stream::write, Stream::read.
Status Sender::send() {
  while (!exchange_.to_send().empty()) {
    exchange_.mark_may_have_left();
    const auto n = stream_.write(exchange_.to_send());
    if (!n.ok()) {
      write_waits_ = stream_.want() == Want::writable;
      const Status answered = receive();
      if (exchange_.done()) break;
      return n.code() == Code::again || answered.code() == Code::refused ? answered : n.status();
    }
    exchange_.sent(n.value());
  }
  ++requests_;
  return {};
}

// Errors: again; as Stream::read and HttpResponse::got.
Status Sender::receive() {
  while (!exchange_.done()) {
    const auto n = stream_.read(exchange_.to_fill());
    // An orderly end may be the end of an answer without a length; a broken connection never is.
    if (!n.ok() && n.code() != Code::closed) return n.status();
    received_ += n.ok() ? n.value() : 0;
    TRY(exchange_.got(n.ok() ? n.value() : 0));
  }
  return {};
}

}  // namespace tocsin

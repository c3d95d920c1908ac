// SPDX-License-Identifier: MIT
#include "tocsin/outbox/service_call.hpp"

#include "tocsin/wire/http_location.hpp"

namespace tocsin {
namespace {

constexpr Millis kLeastShare = seconds(5);

}  // namespace

void ServiceCall::configure(const Settings& settings) {
  settings_ = settings;
  changed_ = true;
  proxy_talk_.configure(settings.endpoint.host, settings.endpoint.port, settings.proxy_login);
  settings_.endpoint.opening = &proxy_talk_;
}

Want ServiceCall::want() const {
  switch (state_) {
    case State::connecting: return stream_.want();
    // The answer may come before the whole request has gone: it was looked for, but the request waits as well.
    case State::sending:
      return write_waits_ || stream_.want() == Want::writable ? Want::either : stream_.want();
    case State::receiving: return stream_.want() == Want::nothing ? Want::readable : stream_.want();
    case State::ready:
      return Want::nothing;  // it waits for its owner; what the peer did is looked at before anything is risked
    case State::idle:
    case State::answered:
    case State::failed: return connected_ ? Want::readable : Want::nothing;  // the peer may close it
  }
  return Want::nothing;
}

Instant ServiceCall::wake() const {
  if (state_ != State::idle) return wake_;
  return connected_ ? idle_since_ + kKeepIdle : kNever;
}

void ServiceCall::enter(State state, Instant wake) {
  state_ = state;
  wake_ = wake;
}

void ServiceCall::begin(State state, Millis limit, Instant now) {
  limit_ = limit;
  enter(state, earlier(deadline_, now + limit));
}

Millis ServiceCall::share(unsigned part) const {
  const Millis share{settings_.timeout.count / part};
  return share < kLeastShare ? kLeastShare : share;
}

void ServiceCall::open(Instant now, std::string_view needs) {
  TOCSIN_ASSERT(state_ == State::idle);
  needs_ = needs;
  deadline_ = now + settings_.timeout;
  told_ = renewed_ = redirected_ = false;
  begin_connecting();
  if (connected_) enter(State::ready, deadline_);
}

Status ServiceCall::prepare(std::string_view method, std::string_view path, std::size_t body_size) {
  char memory[kMaxPath];
  TextWriter target(memory);
  target.text(settings_.path_prefix).text(path);
  if (target.cut()) return Code::too_big;
  return begin_request(method, target.view(), body_size);
}

void ServiceCall::send(Instant now) {
  TOCSIN_ASSERT(state_ == State::ready);
  told_ = true;
  begin_sending(now);
}

void ServiceCall::withdraw() {
  TOCSIN_ASSERT(state_ == State::ready);
  state_ = State::idle;
}

void ServiceCall::close() {
  disconnect();
  state_ = State::idle;
}

void ServiceCall::begin_connecting() {
  connect_phase_ = Phase::idle;
  proxy_talk_.begin();  // what it said before does not count
  enter(State::connecting, deadline_);
}

void ServiceCall::begin_sending(Instant now) {
  received_ = received_at_ = 0;
  begin(State::sending, share(3), now);
}

// Each phase has a time of its own.
void ServiceCall::watch_connecting(Instant now) {
  if (stream_.phase() == connect_phase_) return;
  connect_phase_ = stream_.phase();
  begin(State::connecting, share(connect_phase_ == Phase::handshaking ? 2 : 3), now);
}

// One byte a second keeps nobody waiting.
void ServiceCall::watch_answer(Instant now) {
  if (received_ == 0 || (received_at_ > 0 && received_ - received_at_ < kLeastBytes)) return;
  received_at_ = received_;
  begin(State::receiving, kLeastEvery, now);
}

ServiceCall::State ServiceCall::poll(Instant now) {
  for (;;) {
    // An answer that lies there counts, late as this device may be: it slept, or something held its loop.
    const bool late = state_ != State::idle && now >= wake_;
    if (late && state_ != State::receiving) return fail(Cause::overdue, Code::again, now);
    switch (state_) {
      case State::idle:
      case State::answered:
      case State::failed:
        if (idle_for(kKeepIdle, now)) disconnect();
        look_at_connection();
        return state_;

      case State::connecting: {
        const Status connected = stream_.connect(settings_.endpoint);
        if (connected.code() == Code::again) {
          watch_connecting(now);
          return state_;
        }
        if (!connected.ok()) return fail(Cause::lost, connected.code(), now);
        connected_ = true;
        idle_since_ = now;
        enter(State::ready, deadline_);
        if (told_) begin_sending(now);
        break;
      }

      case State::ready: return state_;

      case State::sending: {
        if (!exchange_.may_have_left()) {
          look_at_connection();  // found dead before anything is risked
          if (!connected_ && renewed_) return fail(Cause::ended_before, Code::closed, now);
          if (!connected_) {
            renewed_ = true;
            begin_connecting();
            break;
          }
        }
        const Status sent = write();
        if (sent.code() == Code::again) return state_;
        if (!sent.ok()) return fail(Cause::lost, sent.code(), now);
        begin(State::receiving, received_ > 0 ? kLeastEvery : share(2), now);
        break;
      }

      case State::receiving: {
        const Status received = read();
        if (received.code() == Code::again) {
          if (late) return fail(Cause::overdue, Code::again, now);
          watch_answer(now);
          return state_;
        }
        if (!received.ok()) return fail(Cause::lost, received.code(), now);
        if (!redirected()) return answered(now);
        begin_connecting();
        if (connected_) begin_sending(now);
        break;
      }
    }
  }
}

// While nothing is expected from the peer, anything it sends, its end included, ends the connection.
void ServiceCall::look_at_connection() {
  std::uint8_t byte[1];
  if (connected_ && stream_.read(byte).code() != Code::again) disconnect();
}

void ServiceCall::disconnect() {
  stream_.close();
  connected_ = false;
}

// Writes the head before the body. Errors: bad_value, too_big.
Status ServiceCall::begin_request(std::string_view method, std::string_view target, std::size_t body_size) {
  changed_ = false;
  method_ = method;
  body_size_ = body_size;
  HttpRequest head;
  head.method = method;
  head.target = target;
  head.host = settings_.endpoint.host;
  head.port = settings_.endpoint.port;
  head.authorization = settings_.token;
  return exchange_.begin(head, body_size);
}

// The same request to another path of the same service, once: nothing was done with it so far (RFC
// 9110 15.4.8, 15.4.9). Every other redirect is an answer like others: its address is for a person to look
// at.
bool ServiceCall::redirected() {
  const HttpResponse& answer = exchange_.response();
  if ((answer.status() != 307 && answer.status() != 308) || redirected_) return false;
  const auto found = redirect_target(answer.location(), settings_.endpoint.host, settings_.endpoint.port);
  if (!found.ok()) return false;
  FixedText<kMaxTarget> target;  // the answer goes with the next request
  if (!target.assign(found.value()).ok()) return false;
  redirected_ = true;
  if (!exchange_.reusable()) disconnect();
  return begin_request(method_, target.view(), body_size_).ok();
}

// Until the request has gone, or its final answer is there (RFC 9112 9.3, 9.5): the rest is not sent then, and the
// connection not used again. Errors: again; as Stream::write, Stream::read.
Status ServiceCall::write() {
  while (!exchange_.to_send().empty()) {
    exchange_.mark_may_have_left();
    const auto n = stream_.write(exchange_.to_send());
    if (!n.ok()) {
      write_waits_ = stream_.want() == Want::writable;
      const Status answered = read();
      if (exchange_.done()) break;
      return n.code() == Code::again || answered.code() == Code::refused ? answered : n.status();
    }
    exchange_.sent(n.value());
  }
  ++requests_;
  return {};
}

// Errors: again; as Stream::read and HttpResponse::got.
Status ServiceCall::read() {
  while (!exchange_.done()) {
    const auto n = stream_.read(exchange_.to_fill());
    // An orderly end may be the end of an answer without a length; a broken connection never is.
    if (!n.ok() && n.code() != Code::closed) return n.status();
    received_ += n.ok() ? n.value() : 0;
    TRY(exchange_.got(n.ok() ? n.value() : 0));
  }
  return {};
}

ServiceCall::State ServiceCall::answered(Instant now) {
  if (exchange_.reusable()) {
    idle_since_ = now;
  } else {
    disconnect();
  }
  state_ = State::idle;
  return State::answered;
}

ServiceCall::State ServiceCall::fail(Cause cause, Code why, Instant now) {
  may_have_left_ = (state_ == State::sending || state_ == State::receiving) &&
                   exchange_.may_have_left() && why != Code::refused;
  whole_ = now >= deadline_;
  cause_ = cause;
  failed_in_ = state_;
  close();
  return State::failed;
}

void ServiceCall::write_reason(TextWriter& words) const {
  const std::string_view problem = stream_.problem();
  const char* fault = failed_in_ == State::connecting ? "" : exchange_.response().fault();
  if (cause_ == Cause::lost && fault[0] != '\0') {
    words.text(fault);
  } else if (cause_ != Cause::overdue && !problem.empty()) {
    words.text(problem);
  } else if (cause_ == Cause::ended_before) {
    words.text("the service ended the connection before the request");
  } else {
    write_overdue(words);
  }
}

// What did not come in time.
void ServiceCall::write_overdue(TextWriter& words) const {
  const std::string_view host = settings_.endpoint.host;
  if (whole_) {
    words.text("no success within ");
    write_duration(settings_.timeout, words);
    words.text(": ");
  } else if (failed_in_ == State::connecting) {
    words.text("gave up after ");
    write_duration(limit_, words);
    words.text(": ");
  }
  const auto and_limit = [&] {
    if (whole_) return;
    words.text(" within ");
    write_duration(limit_, words);
  };
  if (failed_in_ == State::connecting && !stream_.problem().empty()) {
    words.text(stream_.problem());
  } else if (failed_in_ == State::connecting) {
    words.text(connect_phase_ == Phase::looking_up    ? "the name look-up of "
               : connect_phase_ == Phase::tunnelling  ? "the way by the proxy to "
               : connect_phase_ == Phase::handshaking ? "the TLS handshake with "
                                                      : "the connection to ");
    words.text(host).text(" did not finish");
  } else if (failed_in_ == State::ready) {
    words.text(needs_);
  } else if (failed_in_ == State::sending) {
    words.text(host).text(" did not take the whole request");
    and_limit();
    words.text(": it may have arrived");
  } else if (received_ == 0) {
    words.text("no byte of the answer");
    and_limit();
    words.text(" after the request was sent to ").text(host).text(": it may have arrived");
  } else {
    words.text("the answer of ").text(host).text(" comes too slowly (").number(received_);
    words.text(" bytes so far): the request may have arrived");
  }
}

Answer ServiceCall::answer(const Clocks& clocks) const {
  const HttpResponse& response = exchange_.response();
  Answer answer;
  answer.status = response.status();
  answer.encoded = response.encoded();
  answer.retry_after = response.retry_after();
  answer.date = response.date();
  if (clocks.wall_trusted) answer.now = clocks.wall;
  answer.body = response.body();
  return answer;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// One request at a time to a service, over one connection, and its answer. Knows nothing of what is asked.
//
//   idle        -> connecting   somebody has something to ask, and no connection is open    [open]
//   idle        -> ready        the same, and one is open                                   [open]
//   connecting  -> ready        connect() ok                                                [poll]
//               -> sending      the same, for a request that was told to go before          [poll]
//   ready       -> sending      the request is written and may go                           [send]
//               -> idle         there is nothing to ask after all; the connection stays     [withdraw]
//   sending     -> connecting   found dead before anything was risked: once per request     [poll]
//               -> receiving    the whole request was handed over, or the final answer      [poll]
//                               came before
//   receiving   -> sending      sent to another path of the same service (307, 308):        [poll]
//               -> connecting   once per request
//               -> idle         an answer came: poll() says `answered`, once
//   all of them -> idle         lost, timed out: poll() says `failed`, once
//
// A request is risked when it is told to go, not before: in between its owner puts on record what must be on record.
//
// Deadlines: `timeout` for the whole, from open(); of it a third, but 5 s at least, for each of name look-up,
// connection, tunnel and the writing of the request, half for the TLS handshake and for the first byte of the answer;
// then at least kLeastBytes every kLeastEvery. The reason says which of them passed.
//
// A connection is kept for kKeepIdle after its last answer.
//
// Does no I/O but through its Stream; reads no clock.
// Memory: about 32 KiB in place: one request, one answer. Threads: none.
#pragma once

#include "tocsin/outbox/proxy_talk.hpp"
#include "tocsin/port.hpp"
#include "tocsin/wire/http_exchange.hpp"
#include "tocsin/wire/streams_api.hpp"

namespace tocsin {

class ServiceCall {
 public:
  // Views outlive the call.
  struct Settings {
    Endpoint endpoint;  // its opening is the call's
    std::string_view proxy_login;  // user:password, or empty
    std::string_view path_prefix;  // of the service's address; at most 200 bytes
    std::string_view token;        // in the field Authorization, as it is
    Millis timeout = seconds(30);  // one whole request, name look-up included
  };
  // `answered` and `failed` are told by poll() alone: state() is idle again by then.
  enum class State : std::uint8_t { idle, connecting, ready, sending, receiving, answered, failed };

  static constexpr Millis kKeepIdle = seconds(50);  // front ends close idle connections after a minute or so
  static constexpr std::size_t kLeastBytes = 64;    // of an answer under way
  static constexpr Millis kLeastEvery = seconds(10);
  static constexpr std::size_t kMaxPath = 240;      // bytes of path_prefix and path together

  explicit ServiceCall(Stream& stream)
      : stream_(stream), exchange_({request_, sizeof request_}, {answer_, sizeof answer_}) {}
  ServiceCall(const ServiceCall&) = delete;
  ServiceCall& operator=(const ServiceCall&) = delete;

  void configure(const Settings& settings);

  // While idle: begins a request, and its time. `needs`, in words: what its owner may wait for between ready and
  // send(), should the time pass then; the view outlives the request.
  void open(Instant now, std::string_view needs);
  // From ready on, until send():
  MutBytes body_room() { return exchange_.body_room(); }
  // The body lies at the front of body_room(). Errors: bad_value, too_big: then it is not to be sent.
  Status prepare(std::string_view method, std::string_view path, std::size_t body_size);
  void send(Instant now);
  void withdraw();

  // Does what can be done without waiting. Call it when handle() is ready for want(), and at wake().
  State poll(Instant now);
  State state() const { return state_; }
  Instant wake() const;
  Want want() const;
  int handle() const { return stream_.handle(); }
  void close();  // at any time: whatever is under way is over, without a word

  // Open, and for at least `duration` without an answer.
  bool idle_for(Millis duration, Instant now) const { return connected_ && now >= idle_since_ + duration; }

  // After `answered`, until open():
  // Views into this call; `clocks` for a Retry-After that is a date.
  Answer answer(const Clocks& clocks) const;
  bool settings_changed() const { return changed_; }  // since the request was written
  // After `failed`, until open():
  void write_reason(TextWriter& words) const;
  bool may_have_left() const { return may_have_left_; }  // a byte that the service looked at
  bool proxy_login_refused() const { return proxy_talk_.login_refused(); }

  std::uint32_t requests() const { return requests_; }  // that went, or were answered before

 private:
  enum class Cause : std::uint8_t { lost, ended_before, overdue };

  void enter(State state, Instant wake);
  void begin(State state, Millis limit, Instant now);
  Millis share(unsigned part) const;
  void begin_connecting();
  void begin_sending(Instant now);
  void watch_connecting(Instant now);
  void watch_answer(Instant now);
  Status begin_request(std::string_view method, std::string_view target, std::size_t body_size);
  Status write();
  Status read();
  bool redirected();
  void look_at_connection();
  void disconnect();
  State answered(Instant now);
  State fail(Cause cause, Code why, Instant now);
  void write_overdue(TextWriter& words) const;

  Stream& stream_;
  Settings settings_;
  std::string_view needs_;

  State state_ = State::idle;
  State failed_in_ = State::idle;
  Cause cause_ = Cause::lost;
  Phase connect_phase_ = Phase::idle;
  bool connected_ = false;
  bool told_ = false;           // to go
  bool renewed_ = false;        // the connection, for this request
  bool redirected_ = false;     // this request
  bool changed_ = false;        // the settings, since this request was written
  bool write_waits_ = false;    // while sending: for room in the socket
  bool may_have_left_ = false;
  bool whole_ = false;          // it failed when the time of the whole was over
  Instant wake_;                // while a request is under way
  Instant deadline_;            // of the whole; of what is under way: wake_
  Millis limit_;                // what wake_ was made with
  Instant idle_since_;
  std::size_t received_ = 0;     // bytes of the answer
  std::size_t received_at_ = 0;  // as they were when the deadline for the next ones began
  std::size_t body_size_ = 0;
  std::string_view method_;
  std::uint32_t requests_ = 0;

  std::uint8_t request_[kRequestHeadBytes + kRequestBodyBytes];
  std::uint8_t answer_[kHeadBytes + kAnswerBytes];
  HttpExchange exchange_;
  ProxyTalk proxy_talk_;
};

}  // namespace tocsin

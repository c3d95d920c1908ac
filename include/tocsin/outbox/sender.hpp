// SPDX-License-Identifier: MIT
// Brings the messages of one stream to the service: one connection, one request at a time.
//
//   idle        -> connecting   a message may be sent, what the answer before said is on [poll]
//                               the medium, and no connection is open
//   idle        -> preparing    the same, and one is open                                [poll]
//   connecting  -> preparing    connect() ok                                             [poll]
//   sending     -> connecting   found dead before anything was risked: once per request  [poll]
//   receiving   -> sending      sent to another path of the same service (307, 308):     [redirected]
//                  connecting   once per request
//   preparing   -> sending      every record that must precede the request is on the     [poll]
//                               medium
//   sending     -> receiving    the whole request was handed over, or the final answer   [poll]
//                               came before
//   sending, receiving -> idle  an answer came and was judged                            [judge_answer]
//   connecting, preparing, sending, receiving -> backing_off                             [give_up]
//                               lost, timed out; unknown once a byte may have left
//   receiving   -> backing_off  the service said later, or nobody knows                  [judge_answer]
//   receiving   -> held         the whole request was refused (token, address): all      [judge_answer]
//                               messages stay, the report names the reason, slow retry
//   connecting  -> held         the same of the proxy's user and password                [give_up]
//   backing_off, held -> idle   retry_at passed, or resume(); after trouble that         [poll]
//                               recipients of their own have: somebody else waits
//
// Deadlines: `timeout` for the whole; of it a third, but 5 s at least, for each of name look-up, connection,
// tunnel and the writing of the request, half for the TLS handshake and for the first byte of the answer; then at least
// kLeastBytes every kLeastEvery. The reason says which of them passed.
//
// A connection is kept for kKeepIdle after its last answer. A critical message is not risked on one that was idle for
// kAlarmIdle: what lies between may have forgotten it.
//
// Does no I/O but through its Stream; reads no clock. Which answer means what: judge().
// Memory: about 42 KiB in place: one request, one answer, one record, the verdicts. Threads: none.
#pragma once

#include "tocsin/outbox/backoff.hpp"
#include "tocsin/outbox/outbox.hpp"
#include "tocsin/outbox/proxy_talk.hpp"
#include "tocsin/port.hpp"
#include "tocsin/wire/http_exchange.hpp"
#include "tocsin/wire/streams_api.hpp"

namespace tocsin {

class Sender {
 public:
  // Views outlive the sender.
  struct Settings {
    std::string_view name;
    Endpoint endpoint;  // its opening is the sender's
    std::string_view proxy_login;  // user:password, or empty
    std::string_view path_prefix;  // of the service's address; at most 200 bytes
    std::string_view token;
    std::string_view sender;  // empty: the stream's default
    Millis timeout = seconds(30);  // one whole request, name look-up included
    Millis retry_min = seconds(5);
    Millis retry_max = minutes(15);
  };
  enum class State : std::uint8_t { idle, connecting, preparing, sending, receiving, backing_off, held };

  // `arena` may serve several senders: it is used inside poll() only.
  Sender(Outbox& outbox, Stream& stream, Observer& observer, Arena& arena)
      : outbox_(outbox), stream_(stream), observer_(observer), arena_(arena),
        exchange_({request_, sizeof request_}, {answer_, sizeof answer_}) {}
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void configure(const Settings& settings);

  // Does what can be done without waiting. Call it when handle() is ready for want(), at wake(), and
  // after anything was posted or a store finished. `random`: 32 fresh bits.
  void poll(const Clocks& clocks, std::uint32_t random);
  Instant wake() const { return wake_; }
  Want want() const;
  int handle() const { return stream_.handle(); }

  // Tries again at once: a new token, a person who asks. Ends backing off and being held.
  void resume();
  // Nothing can be sent until somebody changes something, as when there is no token: held without an end.
  void hold_until_resumed(std::string_view reason);
  // A new message of the most urgent class does not wait for a backoff: one immediate try, at most every
  // kUrgentEvery.
  static constexpr Millis kUrgentEvery = seconds(10);
  static constexpr Millis kKeepIdle = seconds(50);  // front ends close idle connections after a minute or so
  static constexpr Millis kAlarmIdle = seconds(5);
  static constexpr Millis kLastCopyAfter = minutes(2);  // what stumbles in front of the service restarts in less
  static constexpr std::size_t kLeastBytes = 64;  // of an answer under way
  static constexpr Millis kLeastEvery = seconds(10);
  void urgent(Instant now);
  // Stops after what has begun; nothing new begins. quiet(): nothing is under way any more.
  void stop() { stopping_ = true; }
  bool quiet() const { return stopping_ && resting(); }
  bool resting() const {
    return state_ == State::idle || state_ == State::backing_off || state_ == State::held;
  }
  // While resting(): the queue behind the outbox is another one now, and no ticket of the old one counts. Ends
  // stop().
  void go_on();

  State state() const { return state_; }
  // While there is a reason(): backing_off or held, also during the next try; else idle.
  State trouble() const { return reason_.view().empty() ? State::idle : trouble_; }
  static std::string_view word(State state);
  std::string_view reason() const { return reason_.view(); }  // why it backs off or is held
  Instant retry_at() const { return retry_at_; }
  const Clocks& last_accepted() const { return last_accepted_; }  // now.ms 0: none in this run
  UnixMillis service_time() const { return service_time_; }  // Date of the last answer that had one; 0: none yet
  std::uint32_t requests() const { return requests_; }
  std::string_view name() const { return settings_.name; }

 private:
  void enter(State state, Instant wake);
  void begin(State state, Millis limit, Instant now);
  Millis share(unsigned part) const;
  void begin_connecting();
  void begin_sending(Instant now);
  void watch_connecting(Instant now);
  void watch_answer(Instant now);
  Status prepare(const Clocks& clocks);
  bool compose(const Clocks& clocks);
  Status begin_request(std::string_view target);
  Status send();
  Status receive();
  bool redirected();
  void look_at_connection();
  void disconnect();
  void take_back(Instant due, const Clocks& clocks, std::string_view reason = {});
  // sender_outcome.cpp
  std::string_view words_for_answer() const;
  void judge_answer(const Clocks& clocks, std::uint32_t random);
  void judge_message(std::size_t at, std::string_view whole_reason, const Clocks& clocks,
                     std::uint32_t random);
  void give_up(std::string_view reason, const Clocks& clocks, std::uint32_t random, Code why = Code::io);
  void write_overdue(Instant now, TextWriter& words) const;
  void outcome_unknown(std::uint32_t number, std::string_view reason, const Clocks& clocks, std::uint32_t random);
  void all_unknown(std::string_view reason, const Clocks& clocks, std::uint32_t random);
  void back_off(std::string_view reason, Millis at_least, const Clocks& clocks, std::uint32_t random);
  void hold(std::uint16_t status, std::string_view reason, const Clocks& clocks, std::uint32_t random);
  void blame(Instant now);
  void go_on_with_one(Span<const std::uint32_t> troubled);
  void succeeded(const Clocks& clocks);
  void say(std::string_view condition, std::string_view reason);

  Outbox& outbox_;
  Stream& stream_;
  Observer& observer_;
  Arena& arena_;
  Settings settings_;
  FixedText<220> path_;
  std::uint32_t stream_id_ = 0;

  State state_ = State::idle;
  bool stopping_ = false;
  bool connected_ = false;
  Instant wake_;
  Instant deadline_;  // of the whole; of what is under way: wake_
  Millis limit_;      // what wake_ was made with
  Phase connect_phase_ = Phase::idle;
  bool renewed_ = false;         // the connection, for this request
  bool redirected_ = false;      // this request
  bool of_before_ = false;       // this request: of other settings than those of now
  bool write_waits_ = false;     // while sending: for room in the socket
  std::size_t received_ = 0;     // bytes of the answer
  std::size_t received_at_ = 0;  // as they were when the deadline for the next ones began
  Instant retry_at_;
  Instant others_at_;  // the same for recipients without trouble, where the trouble was others' own
  Instant idle_since_;
  Instant last_urgent_;
  unsigned failures_ = 0;
  std::size_t batch_limit_ = kMaxBatch;
  std::size_t limit_after_ = 0;  // what it is again once a recipient without trouble is served; 0: it grows
  bool to_troubled_ = false;     // the last request went to recipients in trouble
  bool others_first_ = false;    // and everybody else has not had a turn since
  static constexpr std::size_t kWords = 320;  // what a stream says at most
  FixedText<kWords> reason_;
  State trouble_ = State::idle;  // backing_off or held, whichever was last
  Clocks last_accepted_;
  UnixMillis service_time_;
  std::uint32_t requests_ = 0;

  std::uint32_t batch_[kMaxBatch] = {};
  MessageId ids_[kMaxBatch];
  std::size_t batch_size_ = 0;
  MessageVerdict verdicts_[kMaxBatch];
  std::size_t body_size_ = 0;
  Queue::Ticket wait_for_ = 0;   // what must be on the medium before this request leaves
  Queue::Ticket answered_ = 0;   // what the last answer put on record

  std::uint8_t request_[kRequestHeadBytes + kRequestBodyBytes];
  std::uint8_t answer_[kHeadBytes + kAnswerBytes];
  alignas(8) std::uint8_t scratch_[kBlock];
  HttpExchange exchange_;
  ProxyTalk proxy_talk_;
};

}  // namespace tocsin

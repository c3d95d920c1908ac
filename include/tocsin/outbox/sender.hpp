// SPDX-License-Identifier: MIT
// Brings the messages of one stream to the service, one request at a time: chooses them, and what an answer, or none,
// makes of them.
//
//   idle -> a call              a message may be sent, its pace (pace.hpp) lets it, and     [begin]
//                               what the last answer but one said is on the medium
//   preparing -> sending        every record that must precede the request is on the        [poll]
//                               medium; connecting, sending, receiving are the call's
//   a call -> idle              an answer came and was judged                               [judge_answer]
//          -> backing_off       it failed; unknown once a byte may have left                [give_up]
//          -> backing_off       the service said later, or nobody knows; idle where it      [judge_answer]
//                               only limits the rate, and the pace is known
//          -> held              the whole request was refused (token, address): all         [judge_answer]
//                               messages stay, the report names the reason, slow retry
//          -> held              the same of the proxy's user and password                   [give_up]
//   backing_off, held -> idle   retry_at passed, or resume(); after trouble that            [begin]
//                               recipients of their own have: somebody else waits
//
// While no message wants to be sent the service is asked for receipts, over the same connection (delivery.hpp): that
// never holds the stream or makes it back off, and a message that comes meanwhile waits kGiveWayAfter at most. What it
// does not tell, because it refuses that, fails twice in a row, is out, or has no known word for it, the list of the
// API key is asked for, where there is one (lookup.hpp), until it tells again.
//
// A critical message is not risked on a connection that was idle for kAlarmIdle: what lies between may have forgotten
// it.
//
// How a request is brought there, and its deadlines: service_call.hpp. Which answer means what: judge().
// Does no I/O but through its call; reads no clock.
// Memory: about 43 KiB in place: one call, one record, the verdicts. Threads: none.
#pragma once

#include "tocsin/outbox/backoff.hpp"
#include "tocsin/outbox/delivery.hpp"
#include "tocsin/outbox/lookup.hpp"
#include "tocsin/outbox/outbox.hpp"
#include "tocsin/outbox/pace.hpp"
#include "tocsin/outbox/service_call.hpp"
#include "tocsin/wire/request_form.hpp"
#include "tocsin/wire/sms_text.hpp"

namespace tocsin {

class Sender {
 public:
  // Views outlive the sender.
  struct Settings : ServiceCall::Settings {
    std::string_view name;
    std::string_view send_path = "/simple_send/";  // of the service's address; empty: nothing is sent
    const RequestForm* form = nullptr;  // of every request, one message each; one that is empty: the stream is held
    std::string_view event;   // without a form: the key of event_send; empty: simple_send is spoken
    Places variables = kAllVariables;  // of its template
    std::string_view sender;  // empty: the stream's default
    std::string_view device;  // its name, for templates
    SmsRules sms;             // what is done with a text before it is sent
    Millis retry_min = seconds(5);
    Millis retry_max = minutes(15);
    std::string_view status_path = "/messages_status/";  // as send_path
    Millis receipts_for{0};  // so long after it was accepted a message is asked for; 0: not at all
    Millis receipts_at{0};   // and then as well, whatever the gaps are; 0: not
  };
  enum class State : std::uint8_t { idle, connecting, preparing, sending, receiving, backing_off, held };

  // `arena` may serve several senders: it is used inside poll() only.
  Sender(Outbox& outbox, Stream& stream, Observer& observer, Arena& arena)
      : outbox_(outbox), observer_(observer), arena_(arena), delivery_(outbox), call_(stream) {}
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void configure(const Settings& settings);
  // Where messages whose outcome is not known are looked for; it outlives the sender. Those that an earlier run left so
  // are handed to it. After configure(), and again when the queue behind the outbox has become another one.
  void look_up_by(Lookup& lookup, const Clocks& clocks);
  // A message of this stream was found to be accepted.
  void accepted_elsewhere(Instant now);

  // Does what can be done without waiting. Call it when handle() is ready for want(), at wake(), and
  // after anything was posted or a store finished. `random`: 32 fresh bits.
  void poll(const Clocks& clocks, std::uint32_t random);
  Instant wake() const { return wake_; }
  Want want() const { return call_.want(); }
  int handle() const { return call_.handle(); }

  // Tries again at once: a new token, a person who asks. Ends backing off and being held.
  void resume();
  // Nothing can be sent until somebody changes something, as when there is no token: held without an end.
  void hold_until_resumed(std::string_view reason);
  // A new message of the most urgent class does not wait for a backoff: one immediate try, at most every
  // kUrgentEvery.
  static constexpr Millis kUrgentEvery = seconds(10);
  static constexpr Millis kAlarmIdle = seconds(5);
  static constexpr Millis kLastCopyAfter = minutes(2);  // what stumbles in front of the service restarts in less
  static constexpr Millis kGiveWayAfter = seconds(2);
  void urgent(Instant now);
  // Stops after what has begun; nothing new begins. quiet(): nothing is under way any more.
  void stop();
  bool quiet() const { return stopping_ && resting(); }
  bool resting() const { return call_.state() == ServiceCall::State::idle; }
  // While resting(): the queue behind the outbox is another one now, and no ticket of the old one counts. Ends
  // stop().
  void go_on();

  State state() const;
  // While there is a reason(): backing_off or held, also during the next try; else idle.
  State trouble() const { return reason_.view().empty() ? State::idle : trouble_; }
  // It backs off, and its last request did not leave the device: nobody there has said a word.
  bool unreachable() const { return trouble() == State::backing_off && not_left_; }
  static std::string_view word(State state);
  std::string_view reason() const { return reason_.view(); }  // why it backs off or is held
  Instant retry_at() const { return retry_at_; }
  const Clocks& last_accepted() const { return last_accepted_; }  // now.ms 0: none in this run
  UnixMillis service_time() const { return service_time_; }  // Date of the last answer that had one; 0: none yet
  Millis gap() const { return pace_.gap(); }  // between requests, as the service limits their rate; 0: it does not
  std::uint32_t requests() const { return call_.requests(); }
  std::string_view name() const { return settings_.name; }
  std::string_view receipts_reason() const { return receipts_reason_.view(); }  // why none can be asked for; or empty

 private:
  void enter(State state, Instant wake);
  bool begin(Instant now);
  Status prepare(const Clocks& clocks);
  bool compose(const Clocks& clocks);
  void take_back(Instant due, const Clocks& clocks, std::string_view reason = {});
  // sender_outcome.cpp
  Answer take_answer(const Clocks& clocks);
  void judge_answer(const Clocks& clocks, std::uint32_t random);
  void judge_message(std::size_t at, std::string_view whole_reason, const Clocks& clocks,
                     std::uint32_t random);
  void give_up(const Clocks& clocks, std::uint32_t random);
  void outcome_unknown(std::uint32_t number, std::string_view reason, const Clocks& clocks, std::uint32_t random);
  void all_unknown(std::string_view reason, const Clocks& clocks, std::uint32_t random);
  void back_off(std::string_view reason, Millis at_least, const Clocks& clocks, std::uint32_t random);
  void hold(std::uint16_t status, std::string_view reason, const Clocks& clocks, std::uint32_t random);
  void blame(Instant now);
  bool limits_the_stream(Span<const std::uint32_t> limited);
  void go_on_with_one(Span<const std::uint32_t> troubled);
  void succeeded(const Clocks& clocks);
  void say(std::string_view condition, std::string_view reason);
  // sender_receipts.cpp
  Status prepare_asking(Instant now);
  bool gives_way(Instant now, std::uint32_t random);
  void judge_receipts(const Clocks& clocks, std::uint32_t random);
  bool take_receipts(Span<const std::string_view> uuids, Span<const StatusVerdict> verdicts, const Clocks& clocks);
  void no_receipts(std::string_view reason, Millis at_least, const Clocks& clocks, std::uint32_t random);
  void say_of_receipts(std::string_view words);
  void ask_the_list();
  void set_untold(std::uint32_t number, bool untold);

  Outbox& outbox_;
  Observer& observer_;
  Arena& arena_;
  Lookup* lookup_ = nullptr;
  Settings settings_;
  std::uint32_t stream_id_ = 0;

  State state_ = State::idle;  // idle, backing_off or held; what is between is the call's
  bool stopping_ = false;
  Instant wake_;
  Instant retry_at_;
  Instant others_at_;  // the same for recipients without trouble, where the trouble was others' own
  Instant last_urgent_;
  unsigned failures_ = 0;
  std::size_t batch_limit_ = kMaxBatch;
  std::size_t limit_after_ = 0;  // what it is again once a recipient without trouble is served; 0: it grows
  Pace pace_;
  std::uint32_t limited_ = 0;    // the last message told RATE_LIMIT since a yes
  bool to_troubled_ = false;     // the last request went to recipients in trouble
  bool others_first_ = false;    // and everybody else has not had a turn since
  static constexpr std::size_t kWords = 320;  // what a stream says at most
  FixedText<kWords> reason_;
  bool not_left_ = false;  // the last request
  State trouble_ = State::idle;  // backing_off or held, whichever was last
  Clocks last_accepted_;
  UnixMillis service_time_;

  std::uint32_t batch_[kMaxBatch] = {};
  MessageId ids_[kMaxBatch];
  std::uint32_t segments_[kMaxBatch] = {};
  std::size_t batch_size_ = 0;
  MessageVerdict verdicts_[kMaxBatch];
  Naming naming_ = Naming::listed;  // of this request
  std::size_t body_size_ = 0;
  Queue::Ticket wait_for_ = 0;   // what must be on the medium before this request leaves
  Queue::Ticket last_answered_ = 0;  // what the last answer put on record
  Queue::Ticket answered_ = 0;       // and the one before: on the medium before another request leaves

  enum class Errand : std::uint8_t { messages, receipts };
  Errand errand_ = Errand::messages;  // of the call
  Instant give_way_at_ = kNever;      // with receipts: a message waits
  Delivery delivery_;
  FixedText<kMaxReason> receipts_reason_;
  bool list_asked_ = false;           // for them, in place of this

  alignas(8) std::uint8_t scratch_[kBlock];
  ServiceCall call_;
};

}  // namespace tocsin

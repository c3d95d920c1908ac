// SPDX-License-Identifier: MIT
// What the API key is for: finds out whether the service has a message whose outcome is not known, before a copy of it
// leaves, asks for what people have answered, and what became of messages that their own stream does not tell of. One
// request at a time, over a connection of its own.
//
//   idle -> a call         a message in doubt is to be looked for, or it is time for replies, or   [begin]
//                          for receipts; in this order
//   a call -> a call       the list goes on: its next page                                       [judge]
//          -> idle         the list was read: the message is accepted, or goes as it would have  [judge_messages]
//                          the answers of people were handed over, oldest first                  [judge_replies]
//                          what the list says of a phone's messages is on record                 [judge_receipts]
//                          receipts were asked for, and a message in doubt is to be looked for   [gives_way]
//                          no list: what is held back is let go, and tried again later           [trouble]
//
// A message in doubt is found by its own id (external_key), or, in an entry without one, by its phone, its text as it
// was sent, a time from kBefore before it was sent first, and a uuid that no other message has. One such entry makes it
// accepted; none, or more than one, or a list that cannot be read to its end leaves it as it was: that is no proof of
// anything. It waits kHold for that at most, and not at all where the key is known to be of no use. Where it has been
// sent again meanwhile, or has ended, nothing is looked for; one that was given up as unknown is kept back by nothing.
//
// Receipts are asked for at the times of delivery.hpp, a phone in each request, from the acceptance of its oldest
// message that is due: 5 pages at most, kReceiptsAtOnce requests after one another, and one every kReceiptsEvery after
// that: at most 75 in any hour, of all streams. An answer that does not come or cannot be read leaves that phone for
// its next time and keeps nothing else back.
//
// Answers of people are acted upon once in a run, by their uuid. A run that begins asks for those of kLookBack; they
// are told to be old, so that nobody has a second reply.
//
// Does no I/O but through its call; reads no clock. Looks for nothing while nobody knows what time it is.
// Memory: about 37 KiB in place: one call, 32 messages. Threads: none.
#pragma once

#include "tocsin/outbox/delivery.hpp"
#include "tocsin/outbox/outbox.hpp"
#include "tocsin/outbox/service_call.hpp"
#include "tocsin/wire/message_page.hpp"
#include "tocsin/wire/sms_text.hpp"

namespace tocsin {

class Lookup {
 public:
  // Views outlive the lookup. `timeout`: at most kHold is used of it.
  struct Settings : ServiceCall::Settings {
    Millis replies_every{0};  // 0: answers of people are not asked for
  };
  static constexpr Millis kHold = seconds(30);
  static constexpr Millis kLookAfter = seconds(5);   // a message is in its list a moment after it was sent
  static constexpr Millis kBefore = minutes(10);     // the service's clock and ours
  static constexpr Millis kLongestRequest = minutes(5);  // of a stream
  static constexpr Millis kLookBack = hours(1);
  static constexpr Millis kOverlap = minutes(2);     // answers may come into the list behind younger ones
  static constexpr std::size_t kMostChecks = 32;
  static constexpr std::size_t kPage = 10;           // messages; 1.6 KiB for each in an answer of kAnswerBytes
  static constexpr unsigned kMostPages = 5;          // for a message
  static constexpr unsigned kMostReplyPages = 20;    // in one go
  static constexpr unsigned kMostSeeks = 40;         // for the last page of a list
  static constexpr Millis kReceiptsEvery = minutes(1);
  static constexpr unsigned kReceiptsAtOnce = 10;

  Lookup(Outbox& outbox, Stream& stream, Observer& observer, Arena& arena)
      : outbox_(outbox), observer_(observer), arena_(arena), call_(stream) {}
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  void configure(const Settings& settings);

  // The outcome of a message has become unknown: it is held back, and looked for. `sms`: what was done with its text.
  void doubt(std::uint32_t number, const SmsRules& sms, const Clocks& clocks);
  // The same for those of a stream that an earlier run left so.
  void doubt_left(std::uint32_t stream, const SmsRules& sms, const Clocks& clocks);

  // Of that stream's messages receipts are looked for so long after they were accepted, as Delivery::configure() has
  // it, while the outbox has them asked for there (Asked::list, set_untold). The same stream again: nothing changes.
  void ask_for_receipts(std::uint32_t stream, Millis deadline, Millis also_at);
  // Which of them has changed, or one more was accepted.
  void look_for_receipts();

  // As of Sender.
  void poll(const Clocks& clocks, std::uint32_t random);
  Instant wake() const { return wake_; }
  Want want() const { return call_.want(); }
  int handle() const { return call_.handle(); }
  // Another key: asks at once, and tells how that goes also where it goes as before.
  void resume() {
    retry_at_ = wake_ = replies_at_ = Instant{0};
    told_ = false;
  }
  // Whether that answer was handed over, or told by note_heard() as one that came another way; only by its uuid.
  bool has_heard(const Webhook& reply) const;
  void note_heard(const Webhook& reply);
  // The numbers of before count no more: the queue behind the outbox is another one, or nothing is to be begun again.
  void begin_anew();

  std::string_view reason() const { return reason_.view(); }  // why nothing can be looked up; or empty

 private:
  struct Check {
    std::uint32_t number = 0;  // 0: none
    std::uint32_t stream = 0;  // that had the copy
    SmsRules sms;
    Instant look_at;
    Instant due;         // when it was to be sent
    Instant held_until;  // 0: it is not held
    UnixMillis from;     // not sent before
  };
  enum class Errand : std::uint8_t { message, replies, receipts };

  enum class Hold : std::uint8_t { no, yes };
  void add(const Entry& entry, const SmsRules& sms, Hold hold, const Clocks& clocks);
  Check* next_check();
  bool gives_way(Instant now);
  bool begin(const Clocks& clocks);
  Status prepare();
  void next_page(unsigned page, Instant now);
  void judge(const Clocks& clocks, std::uint32_t random);
  void judge_messages(Span<const Webhook> listed, std::size_t total, const Clocks& clocks);
  void judge_replies(Span<const Webhook> listed, std::size_t total, const Clocks& clocks);
  bool act_upon(Span<const Webhook> listed, const Clocks& clocks);
  bool has_seen(std::uint32_t mark) const;
  // lookup_receipts.cpp
  Instant receipts_at(Instant now);
  bool begin_receipts(const Clocks& clocks);
  void judge_receipts(Span<const Webhook> listed, std::size_t total, const Clocks& clocks);
  Status tell(std::uint32_t number, std::string_view word, std::string_view uuid, const Clocks& clocks);
  void let_go(Check& check);
  enum class Hope : std::uint8_t { none, soon };  // that it works within kHold
  void trouble(std::string_view words, Hope hope, Millis at_least, Instant now, std::uint32_t random);
  void say(std::string_view words);

  Outbox& outbox_;
  Observer& observer_;
  Arena& arena_;
  Settings settings_;
  Instant wake_;
  Instant retry_at_;
  unsigned failures_ = 0;
  FixedText<kMaxReason> reason_;
  bool told_ = false;  // reason_, of this key

  Errand errand_ = Errand::message;
  unsigned page_ = 1;
  unsigned pages_ = 0;  // read in this go

  Check checks_[kMostChecks];
  std::size_t next_ = 0;      // place, of the next one
  Check* check_ = nullptr;    // what is looked for
  unsigned hits_ = 0;         // by the text
  FixedText<kMaxUuid> uuid_;  // of the hit
  FixedText<kMaxReason> status_;

  static constexpr std::size_t kMostSeen = 256;
  static_assert(kMostSeen > kMostReplyPages * kPage, "all that one go reads again are known");
  Instant replies_at_;
  UnixMillis since_;    // 0: nothing was asked yet
  UnixMillis newest_;
  bool old_ = true;     // nothing of this run was asked before
  bool backwards_ = false;  // the list has the newest first, as far as is known
  bool seeking_ = false;    // of such a list: its last page
  unsigned within_ = 0, beyond_ = 0;  // a page that has something, and one that has nothing; 0: none yet
  std::uint32_t top_ = 0;   // mark of what the first page of this go began with
  std::uint32_t seen_[kMostSeen] = {};
  std::size_t seen_next_ = 0;

  static_assert(kMaxStreams == 4, "one for each of them");
  Delivery receipts_[kMaxStreams] = {Delivery{outbox_, Asked::list}, Delivery{outbox_, Asked::list},
                                     Delivery{outbox_, Asked::list}, Delivery{outbox_, Asked::list}};
  Delivery* round_ = nullptr;     // of receipts_: what is asked for just now
  std::uint32_t recipient_ = 0;   // whose
  Phone phone_;
  UnixMillis from_;               // accepted since then
  Instant receipts_paid_;         // each request costs kReceiptsEvery

  ServiceCall call_;
};

}  // namespace tocsin

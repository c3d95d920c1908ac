// SPDX-License-Identifier: MIT
// When the service is asked what became of the messages of one stream that it has accepted, and of which of them.
//
// A message is asked for 5, 20 and 80 s after it was accepted, then after 6 and 21 minutes, then every hour, the last
// time when its time is over; each time up to 5 s later, so that several go together. What is due goes in rounds: those
// of one round are asked for in pages of kMaxAsked, in the order of their numbers. No more than kMostAtOnce requests
// follow one another, and one every kEvery after that: at most 150 in any hour, however many messages there are. After
// a failure the wait grows from a minute to an hour.
//
// Nothing is kept of a message: when it was accepted is in the index, when it was asked for last is when its round was.
// A run that begins asks for all that are not too old once. Ages are counted in time the device was on.
//
// For the list of the API key, which is of one phone at a time: those alone that their stream does not tell of, one
// phone in each page, in no order that means anything; the same times. How often is Lookup's own then.
//
// It decides; Sender asks, and only while no message wants the connection; Lookup asks for the list.
// Memory: about 350 bytes. Threads: none.
#pragma once

#include "tocsin/outbox/outbox.hpp"

namespace tocsin {

class Delivery {
 public:
  static constexpr std::size_t kMaxAsked = 50;  // in one request: 320 bytes for each in an answer of kAnswerBytes
  static constexpr unsigned kMostAtOnce = 30;
  static constexpr Millis kEvery = seconds(30);
  static constexpr Millis kRetryMin = minutes(1);
  static constexpr Millis kRetryMax = hours(1);

  // `of`: who is asked, stream or list.
  explicit Delivery(const Outbox& outbox, Asked of = Asked::stream)
      : outbox_(outbox), of_(of), most_(of == Asked::list ? 1 : kMaxAsked) {}
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // `deadline`: how long after a message was accepted it is asked for; 0: never. `also_at`: it is asked for so long
  // after that, too; 0: not.
  void configure(std::uint32_t stream, Millis deadline, Millis also_at = Millis{0});
  std::uint32_t stream() const { return stream_; }  // 0: none yet
  void begin_anew();            // the queue behind the outbox is another one

  // When to ask next; kNever.
  Instant next(Instant now);
  void accepted(Instant now);  // a message was
  void look_again() { due_ms_ = 0; }  // others are to be asked for than before
  // Chooses the messages of the next request: asked(). Those that cannot be asked for are left out of it.
  void pick(Instant now);
  Span<const std::uint32_t> asked() const { return Span<const std::uint32_t>{asked_}.first(asked_count_); }
  void leave_out(std::size_t at);
  void goes(Instant now);  // the request, or nobody is left in it
  bool is_open(Instant now) const;  // one that the page is about still waits for its receipt
  unsigned failures() const { return failures_; }  // in a row

  // How it ended.
  // Returns how many messages are only accepted still, whose time was over in the round that has ended with it.
  std::size_t answered(Instant now);
  void wait(Instant until) { retry_at_ = until; }  // then the same again: it is no fault of the service's
  void failed(Millis at_least, Instant now, std::uint32_t random);
  // Fewer at once; one that is refused alone waits for its next time.
  void refused_as_too_many(Instant now, std::uint32_t random);

 private:
  static constexpr std::uint64_t kNotDue = UINT64_MAX;
  std::uint64_t due_ms(const Entry& entry, std::uint64_t on_ms) const;
  const Entry* first_due(std::uint64_t from, std::uint64_t by_ms, std::uint64_t on_ms) const;
  // What rounds and pages go by.
  std::uint32_t place(const Entry& entry) const { return of_ == Asked::list ? entry.recipient : entry.number; }
  std::size_t end_round();

  const Outbox& outbox_;
  const Asked of_;
  const std::size_t most_;  // in one request
  std::uint32_t stream_ = 0;
  std::uint64_t deadline_ms_ = 0;
  std::uint64_t also_at_ms_ = 0;

  // In ms that the device has been on.
  std::uint64_t asked_to_ms_ = 0;   // what was due by then has been asked for; 0: nothing in this run
  std::uint64_t round_to_ms_ = 0;   // the same of the round that goes on; 0: there is none
  std::uint64_t due_ms_ = 0;        // when the next message is due; 0: nobody has looked
  std::uint64_t round_from_ = 0;    // place: what is below it has been asked for
  std::uint64_t page_to_ = 0;       // what the page goes up to

  std::uint32_t asked_[kMaxAsked] = {};
  std::size_t asked_count_ = 0;
  std::size_t limit_ = most_;
  unsigned failures_ = 0;
  Instant retry_at_;
  Instant paid_until_;  // each request costs kEvery
};

}  // namespace tocsin

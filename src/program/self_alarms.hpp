// SPDX-License-Identifier: MIT
// What goes wrong with the device itself, on its way to a message ([alarm self]): counted, and told at most once
// an hour for each kind. Whoever owns the queue notes what it sees and makes the messages.
//
// Knows neither clock nor queue. Memory: about 2 KiB. Threads: none.
#pragma once

#include "tocsin/base/status.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

enum class SelfKind : std::uint8_t {
  medium,    // fails, or does not answer
  works,     // the medium, again
  given_up,  // messages, because the queue was full
  damage,    // found in the queue at start
  unknown,   // messages that ended so
  failed,
  budget_critical,  // of a class is spent: each has its own hour
  budget_warning,
  budget_info,
  segments,  // a stream, or a phone, has had those of the day
  held,      // a stream
  aside,     // messages that are, since requests with them alone are refused
  undelivered,  // messages that the service had accepted
};
inline constexpr std::size_t kSelfKinds = 13;

class SelfAlarms {
 public:
  static constexpr Millis kEvery = hours(1);
  static constexpr Millis kAgain = minutes(1);  // where there was no room for the message

  // It happened, `times` times; `words` say the newest of them, and where one message is one time what became of
  // it. Kept cut at 120 bytes.
  void note(SelfKind kind, std::string_view words, std::uint32_t times = 1);
  // The kind that may be told now. Errors: empty.
  Result<SelfKind> next(Instant now) const;
  Instant wake() const;  // when there is a next one; kNever
  // "3 messages given up for others: the queue was full".
  void write(SelfKind kind, TextWriter& into) const;
  void told(SelfKind kind, Instant now);
  void not_told(Instant now) { again_at_ = now + kAgain; }
  void try_again() { again_at_ = Instant{0}; }  // there may be room now

  // A run that knows nothing of those before it: none is told before `until`, so that one that ends again and
  // again does not tell the same each time. What has passed by then is taken back.
  static constexpr Millis kQuiet = minutes(1);
  void keep_quiet(Instant until) { quiet_until_ = until; }
  bool is_quiet(Instant now) const { return now < quiet_until_; }
  void take_back(SelfKind kind) { times_[at(kind)] = 0; }

  // An earlier run told this at `now` minus its age.
  void told_before(SelfKind kind, Instant next) { next_at_[at(kind)] = next; }
  // Words that write() always uses for a kind, and for no other.
  static std::string_view phrase(SelfKind kind);

 private:
  static std::size_t at(SelfKind kind) { return static_cast<std::size_t>(kind); }

  std::uint32_t times_[kSelfKinds] = {};
  FixedText<120> words_[kSelfKinds];
  Instant next_at_[kSelfKinds];
  Instant again_at_;
  Instant quiet_until_;
};

}  // namespace tocsin

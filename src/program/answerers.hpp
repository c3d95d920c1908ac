// SPDX-License-Identifier: MIT
// The phones that answered lately: when each had its last reply, and how many wrong codes it sent.
//
// The sender of a text can be forged, so a code is all that an acknowledgement shows. Who guesses has kWrongOfOne codes
// in an hour that begins with the first wrong one, then nothing of that phone is taken until it is over; and all phones
// together have kWrongOfAll, then no code is. The same wrong code again is the same message again: it is not counted.
// What is wrong in a list that all devices of an account read may be right for another of them: there kWrongListed are
// the limit, for right ones behind them. A code is one of 331,776 (four of 24 characters): an alarm that is active for
// an hour, which two windows may share, is acknowledged by guesses with a chance of 1 in 8,300 at most (by a list: 1 in
// 1,600), for a day 1 in 660, all year 41 %. A restart forgets the counts.
//
// Memory: 64 bytes a phone, of which the kMost that were heard last are known. Threads: none.
#pragma once

#include "tocsin/base/time.hpp"
#include "tocsin/wire/alarm_code.hpp"
#include "tocsin/wire/phone.hpp"

namespace tocsin {

class Answerers {
 public:
  static constexpr std::size_t kMost = 16;
  static constexpr Millis kReplyEvery = minutes(1);
  static constexpr Millis kWindow = hours(1);
  static constexpr unsigned kWrongOfOne = 5, kWrongOfAll = 20, kWrongListed = 100;

  // It sent too many wrong codes: nothing that comes from it counts.
  bool is_ignored(const Phone& phone, Instant now);
  // All of them together did: no code counts, right or wrong.
  bool takes_codes(Instant now) const { return all_.count < kWrongOfAll || now >= all_.until; }
  enum class Wrong : std::uint8_t { told_before, counted, last_of_phone, last_of_all };
  Wrong wrong(const Phone& phone, const AlarmCode& code, Instant now);
  // Whether a code of such a list counts: false for a wrong one.
  enum class Code : std::uint8_t { wrong, right };
  bool takes_listed(Code code, Instant now);
  // Once in kReplyEvery for each phone, so that nobody can have this device send to somebody whose number he writes as
  // his own. What says yes counts as a reply. A reply that is due has to wait, others come to nothing.
  enum class Reply : std::uint8_t { due, by_the_way };
  bool may_reply(const Phone& phone, Reply reply, Instant now);
  // Who waited long enough for the replies that were due, one for all of them; empty: nobody. This counts as the reply.
  Phone next_waiting(Instant now);
  Instant wake() const;  // when there is one; kNever

 private:
  struct Window {
    Instant until;
    unsigned count = 0;
    unsigned add(Instant now);  // how many they are with it
  };
  struct One {
    Phone phone;
    AlarmCode last;
    Instant heard, reply_at;
    bool waits = false;  // for reply_at
    Window wrong;
  };
  One& of(const Phone& phone, Instant now);

  One known_[kMost];
  Window all_;
  Window listed_;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// What a stream may send in a day, and to one phone, in segments of SMS: what the service bills. A part of each is for
// critical messages alone. The day of a budget begins with the first sending after the one before is over, and is
// counted in time that the device was on. The message that uses up what is left goes whole: a budget is exceeded by one
// message less a segment at most.
//
// Recipients are known by the hash of their phone, kRecipientWays * kRecipientSets of them. Where there are more, the
// one with the least is forgotten, and has a whole budget the next time; the stream's own still holds.
//
// Memory: 3 KiB for recipients, touched only where a stream limits them. Threads: none.
#pragma once

#include "tocsin/outbox/budget.hpp"
#include "tocsin/wire/sms_text.hpp"

namespace tocsin {

struct SegmentLimits {
  std::uint32_t stream = 0;         // hash of its name
  std::uint16_t per_day = 0;        // 0: no limit
  std::uint16_t per_recipient = 0;  // in a day; 0: no limit
  std::uint8_t reserve = 20;        // percent of each, for critical messages alone
  SmsRules sms;                     // what its texts become

  bool any() const { return per_day > 0 || per_recipient > 0; }
  std::uint32_t most_segments() const { return sms.max_segments > 0 ? sms.max_segments : kMostSegments; }  // of a message
};

class SegmentBudgets {
 public:
  enum class Use : std::uint8_t { normal, critical };
  // What the last spending left of a budget: something, the reserve, nothing. Told when it becomes so.
  enum class Left : std::uint8_t { some, reserve, nothing };
  enum class Whose : std::uint8_t { stream, recipient };
  struct Reached {
    Left stream = Left::some;
    Left recipient = Left::some;
  };
  struct Day {
    std::uint32_t began_s;
    std::uint32_t used;  // 0: it has not begun
  };
  static constexpr std::size_t kRecipientSets = 32, kRecipientWays = 8;
  struct Recipient {
    std::uint32_t phone;  // hash
    std::uint32_t stream;
    Day day;
  };

  // Forgets all that was spent. kMaxStreams at most.
  void configure(Span<const SegmentLimits> streams);
  bool any() const { return count_ > 0; }                 // any limits
  const SegmentLimits* find(std::uint32_t stream) const;  // nullptr: it has no limits

  // `on_s`: how long the device has been on. Whether a message may go, beside others that take so many segments of the
  // stream's budget and of the recipient's.
  bool lets(std::uint32_t stream, std::uint32_t phone, Use use, std::uint32_t on_s, std::uint32_t beside_of_stream = 0,
            std::uint32_t beside_of_recipient = 0) const;
  std::uint32_t free_at_s(std::uint32_t stream, std::uint32_t phone, Use use, std::uint32_t on_s) const;
  Reached spend(std::uint32_t stream, std::uint32_t phone, std::uint32_t segments, std::uint32_t on_s);
  // The same at `at_s`, within a day before `on_s`, as the queue has it on record, in any order.
  void spent_before(std::uint32_t stream, std::uint32_t phone, std::uint32_t segments, std::uint32_t at_s,
                    std::uint32_t on_s);
  void give_back(std::uint32_t stream, std::uint32_t phone, std::uint32_t segments);
  // What was spent by a queue of memory, where the device had been on for `other_on_s`, counts here as well.
  void add(const SegmentBudgets& other, std::uint32_t other_on_s, std::uint32_t on_s);

  // What is left of both, and until when that holds.
  Left left_of_stream(std::uint32_t stream, std::uint32_t on_s) const;
  Left left_of(const Recipient& recipient, std::uint32_t on_s) const;
  std::uint32_t used_of_stream(std::uint32_t stream, std::uint32_t on_s) const;
  std::uint32_t day_of_stream_ends_s(std::uint32_t stream) const;
  static std::uint32_t ends_s(const Day& day);
  Span<const Recipient> recipients() const;  // those with `phone` 0 are none
  const Recipient* find_recipient(std::uint32_t stream, std::uint32_t phone) const;

 private:
  std::size_t at(std::uint32_t stream) const;
  Recipient& recipient_for(std::uint32_t stream, std::uint32_t phone, std::uint32_t on_s);

  std::size_t count_ = 0;
  bool of_recipients_ = false;
  SegmentLimits limits_[kMaxStreams];
  Day days_[kMaxStreams] = {};
  Recipient recipients_[kRecipientSets * kRecipientWays];  // written by configure(), where there are limits for them
};

}  // namespace tocsin

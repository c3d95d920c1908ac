// SPDX-License-Identifier: MIT
// The recipients whose last try failed, so that one of them does not keep the others waiting. Outbox::pick()
// asks; who tells is the sender, which saw the answer.
//
// A recipient stands here from a failure until the service takes a message to it. It rests for a minute, after
// each further failure twice as long, an hour at most: so long the others go first. What it says is known in this
// run only, and only of kMaxTroubled: the one that failed longest ago is forgotten.
//
// Memory: kMaxTroubled * 24 B. Threads: none.
#pragma once

#include <cstdint>

#include "tocsin/base/time.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {

// What the last try says about the next one.
enum class Trouble : std::uint8_t {
  refused,     // the service refused the message: the next ones may be refused as well
  unanswered,  // the service named it as later, or said nothing about it: one message in a request
  request,     // a request that went to nobody else failed as a whole: alone in its request
};

class Troubled {
 public:
  struct Recipient {
    std::uint32_t stream = 0;     // hashes, as in Entry
    std::uint32_t recipient = 0;
    Trouble trouble = Trouble::refused;
    std::uint8_t failures = 0;    // in a row
    std::uint32_t order = 0;      // of the last failures of all
    Instant rests_until;
  };
  static constexpr std::size_t kNone = SIZE_MAX;

  std::size_t size() const { return size_; }
  const Recipient& operator[](std::size_t at) const { return recipients_[at]; }
  // Its place, which holds until the next failed() or works(); kNone.
  std::size_t find(std::uint32_t stream, std::uint32_t recipient) const {
    if ((maybe_ >> (recipient % 64) & 1) == 0) return kNone;  // asked for every message that waits
    for (std::size_t at = 0; at < size_; ++at)
      if (recipients_[at].recipient == recipient && recipients_[at].stream == stream) return at;
    return kNone;
  }
  void failed(std::uint32_t stream, std::uint32_t recipient, Trouble trouble, Instant now);
  void works(std::uint32_t stream, std::uint32_t recipient);
  bool rests(std::size_t at, Instant now) const { return now < recipients_[at].rests_until; }

 private:
  void look_anew();

  Recipient recipients_[kMaxTroubled];
  std::size_t size_ = 0;
  std::uint64_t maybe_ = 0;  // a bit for each: most recipients are found not to be there at once
  std::uint32_t order_ = 0;
};

}  // namespace tocsin

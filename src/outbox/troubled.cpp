// SPDX-License-Identifier: MIT
#include "tocsin/outbox/troubled.hpp"

#include "tocsin/outbox/backoff.hpp"

namespace tocsin {
namespace {

constexpr Millis kRestAtLeast = minutes(1);
constexpr Millis kRestAtMost = hours(1);

}  // namespace

void Troubled::failed(std::uint32_t stream, std::uint32_t recipient, Trouble trouble, Instant now) {
  std::size_t at = find(stream, recipient);
  if (at == kNone) {
    if (size_ < kMaxTroubled) {
      at = size_++;
    } else {
      at = 0;
      for (std::size_t i = 1; i < size_; ++i)
        if (recipients_[i].order < recipients_[at].order) at = i;
    }
    recipients_[at] = Recipient{};
    recipients_[at].stream = stream;
    recipients_[at].recipient = recipient;
  }
  Recipient& one = recipients_[at];
  one.trouble = trouble;
  one.order = ++order_;
  Millis rest = kRestAtLeast;
  for (unsigned i = 0; i < one.failures && rest < kRestAtMost; ++i) rest.count *= 2;
  one.rests_until = now + (rest < kRestAtMost ? rest : kRestAtMost);
  if (one.failures < UINT8_MAX) ++one.failures;
  look_anew();
}

void Troubled::works(std::uint32_t stream, std::uint32_t recipient) {
  const std::size_t at = find(stream, recipient);
  if (at == kNone) return;
  recipients_[at] = recipients_[--size_];
  look_anew();
}

void Troubled::look_anew() {
  maybe_ = 0;
  for (std::size_t at = 0; at < size_; ++at) maybe_ |= std::uint64_t{1} << (recipients_[at].recipient % 64);
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/outbox/backoff.hpp"

namespace tocsin {

Millis full_jitter(Millis least, Millis most, unsigned failures, std::uint32_t random) {
  std::int64_t ceiling = least.count;
  for (unsigned i = 0; i < failures && ceiling < most.count; ++i) ceiling *= 2;
  if (ceiling > most.count) ceiling = most.count;
  // 64 x 32 bits, high part: no division, no bias worth a word.
  return {static_cast<std::int64_t>(static_cast<std::uint64_t>(ceiling) * random >> 32)};
}

}  // namespace tocsin

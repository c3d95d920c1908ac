// SPDX-License-Identifier: MIT
#include "tocsin/outbox/pace.hpp"

namespace tocsin {

bool Pace::said_no(Of of, Instant now) {
  const bool first = !limited_;
  const bool known = gap_.count != 0 || (before_.count != 0 && now < first_no_ + kForget);
  if (first) first_no_ = now;
  of_ = of;
  limited_ = true;
  last_ = now;
  if (!known) return false;  // the next yes says how long it took
  if (gap_.count == 0) gap_ = before_;
  gap_.count += gap_.count / (looking_ ? 1 : 4);
  if (gap_ > kMost) gap_ = kMost;
  looking_ = false;
  return first;
}

void Pace::said_yes(Instant now) {
  if (gap_.count == 0 && limited_) {
    gap_ = now - first_no_;
    looking_ = true;
    if (gap_ > kMost) gap_ = kMost;
  } else if (gap_.count != 0 && !limited_) {
    if (now >= first_no_ + kForget) looking_ = true;
    before_ = gap_;
    gap_.count -= gap_.count / (looking_ ? 2 : 32);
    if (gap_ < kLeast) gap_ = Millis{0};
  }
  limited_ = false;
  last_ = now;
}

}  // namespace tocsin

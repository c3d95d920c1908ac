// SPDX-License-Identifier: MIT
#include "check.hpp"
#include "tocsin/outbox/backoff.hpp"

using namespace tocsin;

namespace {
constexpr Millis kLeast = seconds(5), kMost = minutes(15);
}

TEST(backoff_largest_random_comes_just_below_the_ceiling_that_doubles) {
  std::int64_t ceiling = 5000;
  for (unsigned failures = 0; failures < 40; ++failures) {
    CHECK_EQ(full_jitter(kLeast, kMost, failures, UINT32_MAX).count, ceiling - 1);
    if (ceiling < 900'000) ceiling *= 2;
    if (ceiling > 900'000) ceiling = 900'000;
  }
}

TEST(backoff_random_is_spread_over_the_whole_range) {
  CHECK_EQ(full_jitter(kLeast, kMost, 3, 0).count, 0);
  CHECK_EQ(full_jitter(kLeast, kMost, 3, UINT32_C(1) << 31).count, 20'000);
  CHECK_EQ(full_jitter(kLeast, kMost, 3, UINT32_C(1) << 30).count, 10'000);
}

TEST(backoff_least_above_most_is_held_to_most) {
  CHECK_EQ(full_jitter(hours(1), seconds(1), 0, UINT32_MAX).count, 999);
}

TEST(backoff_any_number_of_failures_does_not_overflow) {
  CHECK_EQ(full_jitter(kLeast, kMost, UINT32_MAX, UINT32_MAX).count, 899'999);
  CHECK_EQ(full_jitter(milliseconds(0), kMost, 1000, UINT32_MAX).count, 0);
}

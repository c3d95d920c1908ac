// SPDX-License-Identifier: MIT
#include "check.hpp"
#include "tocsin/outbox/troubled.hpp"

using namespace tocsin;

TEST(troubled_recipient_rests_a_minute_then_twice_as_long_an_hour_at_most) {
  Troubled troubled;
  Instant now{5'000};
  const std::int64_t minutes_of[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
  for (const std::int64_t n : minutes_of) {
    troubled.failed(1, 2, Trouble::request, now);
    CHECK_EQ(troubled.size(), 1);
    now = now + minutes(n);
    CHECK(troubled.rests(0, Instant{now.ms - 1}));
    CHECK(!troubled.rests(0, now));
  }
  for (unsigned i = 0; i < 1000; ++i) troubled.failed(1, 2, Trouble::request, now);
  CHECK(!troubled.rests(0, now + hours(1)));
  troubled.works(1, 2);
  CHECK_EQ(troubled.size(), 0);
  troubled.failed(1, 2, Trouble::request, now);
  CHECK(!troubled.rests(0, now + minutes(1)));
}

TEST(troubled_recipient_is_that_of_one_stream) {
  Troubled troubled;
  troubled.failed(1, 7, Trouble::refused, {});
  CHECK(troubled.find(1, 7) != Troubled::kNone);
  CHECK(troubled.find(2, 7) == Troubled::kNone);
  CHECK(troubled.find(1, 7 + 64) == Troubled::kNone);
  troubled.works(2, 7);
  troubled.works(1, 8);
  CHECK_EQ(troubled.size(), 1);
  troubled.failed(1, 7, Trouble::unanswered, {});
  CHECK_EQ(troubled.size(), 1);
  CHECK(troubled[0].trouble == Trouble::unanswered);
}

TEST(troubled_table_that_is_full_forgets_who_failed_longest_ago) {
  Troubled troubled;
  for (std::uint32_t i = 0; i < kMaxTroubled; ++i) troubled.failed(1, i, Trouble::refused, {});
  troubled.failed(1, 0, Trouble::refused, {});  // once more: now 1 is the one
  troubled.failed(1, 1'000, Trouble::refused, {});
  CHECK_EQ(troubled.size(), kMaxTroubled);
  CHECK(troubled.find(1, 1) == Troubled::kNone);
  for (std::uint32_t i = 0; i < kMaxTroubled; ++i) CHECK_EQ(troubled.find(1, i) != Troubled::kNone, i != 1);
  CHECK(troubled.find(1, 1'000) != Troubled::kNone);
  for (std::uint32_t i = 0; i < kMaxTroubled; ++i) troubled.works(1, i);
  CHECK_EQ(troubled.size(), 1);
  CHECK(troubled.find(1, 1'000) != Troubled::kNone);
}

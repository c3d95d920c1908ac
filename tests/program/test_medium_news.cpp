// SPDX-License-Identifier: MIT
#include "src/program/medium_news.hpp"

#include "check.hpp"

using namespace tocsin;
using News = MediumNews::News;

TEST(medium_news_of_trouble_are_told_at_once_and_that_it_works_after_a_time) {
  MediumNews news;
  Instant now{1'000};
  CHECK(news.look(false, true, now) == News::none);
  CHECK(news.wake() == kNever);
  CHECK(news.look(true, false, now) == News::trouble);
  CHECK(news.look(true, false, now) == News::none);
  CHECK(news.look(false, false, now) == News::none);  // not everything is on it yet
  CHECK(news.wake() == kNever);
  CHECK(news.look(false, true, now) == News::none);
  CHECK(news.wake() == now + MediumNews::kFirst);
  CHECK(news.look(false, true, Instant{news.wake().ms - 1}) == News::none);
  now = news.wake();
  CHECK(news.look(false, false, now) == News::none);  // something is on its way just now
  CHECK(news.look(false, true, now) == News::works);
  CHECK(news.wake() == kNever);
  CHECK(news.look(false, true, now + hours(9)) == News::none);
}

TEST(medium_news_of_a_medium_that_comes_and_goes_become_rare) {
  // UBIFS as it fills up: every ten seconds one record finds room. The log had two lines for each.
  MediumNews news;
  unsigned lines = 0;
  for (Instant now{0}; now < Instant{0} + hours(1); now = now + seconds(10)) {
    lines += news.look(true, false, now) != News::none ? 1U : 0U;
    for (Millis works{100}; works < seconds(9); works = milliseconds(works.count + 100))
      lines += news.look(false, true, now + works) != News::none ? 1U : 0U;
  }
  CHECK(lines >= 3);
  CHECK(lines <= 9);
}

TEST(medium_news_after_an_hour_without_trouble_are_as_fast_as_ever) {
  MediumNews news;
  Instant now{0};
  for (unsigned i = 0; i < 20; ++i) {
    CHECK(news.look(true, false, now) == News::trouble);
    CHECK(news.look(false, true, now) == News::none);
    CHECK(news.wake() <= now + MediumNews::kLongest);
    now = news.wake();
    CHECK(news.look(false, true, now) == News::works);
  }
  now = now + MediumNews::kForget;
  CHECK(news.look(true, false, now) == News::trouble);
  CHECK(news.look(false, true, now) == News::none);
  CHECK(news.wake() == now + MediumNews::kFirst);
}

TEST(medium_news_told_by_somebody_else_are_not_told_again) {
  MediumNews news;
  news.told_trouble();
  CHECK(news.look(true, false, Instant{5}) == News::none);
  CHECK(news.look(false, true, Instant{6}) == News::none);
  CHECK(news.look(false, true, Instant{6} + MediumNews::kFirst) == News::works);
}

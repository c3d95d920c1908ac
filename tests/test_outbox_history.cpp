// SPDX-License-Identifier: MIT
// How long texts and numbers are kept after the end: the history, counted in time the device was on.
#include <algorithm>

#include "sender_bench.hpp"

using namespace tocsin;
using fakes::Agent;

namespace {

constexpr Millis days(std::int64_t n) { return hours(24 * n); }

struct Bench : fakes::Bench {
  Millis history = days(10);

  void begin() {
    agent->history = history;
    start();
    CHECK(agent->run(seconds(1)));
  }
  void cut_power() {
    cut_to_new_clock();
    begin();
  }
  bool on_medium(std::string_view text) {
    for (unsigned file = 0; file < 2; ++file) {
      const auto& all = disk.seen(file);
      if (std::search(all.begin(), all.end(), text.begin(), text.end()) != all.end()) return true;
    }
    return false;
  }
  std::uint32_t sent(const char* text) {
    const auto number = agent->post(Class::warning, 1, text);
    CHECK(agent->run(minutes(1)));
    CHECK(agent->state(number) == State::accepted);
    return number;
  }
};

}  // namespace

TEST(history_is_kept_so_long_and_a_thirtieth_more_then_nothing_of_it_is_left) {
  Bench b;
  b.begin();
  b.sent("the first secret");
  CHECK(b->run(days(5)));
  const auto second = b.sent("the second secret");
  CHECK(b->run(days(5)));
  CHECK(b.on_medium("the first secret"));
  CHECK(b->run(hours(9)));
  CHECK(!b.on_medium("the first secret"));
  CHECK(b.on_medium("the second secret"));
  CHECK(b->state(second) == State::accepted);
  CHECK(b->run(days(5)));
  CHECK(!b.on_medium("the second secret"));
  CHECK_EQ(Agent::index().size(), 0);
}

TEST(history_never_touches_a_message_that_waits) {
  Bench b;
  b.agent->stream.refuse = {Code::io, 111};
  b.begin();
  const auto number = b->post(Class::critical, 1, "waits");
  CHECK(b->run(days(40)));
  CHECK(b->state(number) == State::queued);
  CHECK(b.on_medium("waits"));
}

TEST(history_goes_on_over_power_cuts) {
  Bench b;
  b.begin();
  b.sent("a secret");
  for (unsigned boots = 0; boots < 3; ++boots) {
    b->post(Class::critical, 1, "news");  // what is on record tells the time
    CHECK(b->run(days(3)));
    b->post(Class::critical, 1, "news");
    CHECK(b->run(minutes(1)));
    b.cut_power();
  }
  CHECK(b.on_medium("a secret"));
  b.sent("a late one");
  CHECK(b->run(days(2)));
  CHECK(!b.on_medium("a secret"));
  CHECK(b.on_medium("a late one"));
}

TEST(history_of_none_keeps_what_fits) {
  Bench b;
  b.history = Millis{0};
  b.begin();
  const auto number = b.sent("kept");
  CHECK(b->run(days(400)));
  CHECK(b->state(number) == State::accepted);
  CHECK(b.on_medium("kept"));
}

TEST(history_device_at_rest_writes_nothing) {
  Bench b;
  b.begin();
  CHECK(b->run(days(1)));
  const auto written = b->queue.written_bytes();
  CHECK(b->run(days(100)));
  CHECK_EQ(b->queue.written_bytes(), written);
}

TEST(history_purge_by_hand_forgets_all_that_has_ended_at_once) {
  Bench b;
  b.history = Millis{0};
  b.begin();
  b.sent("a secret");
  b->stream.refuse = {Code::io, 111};
  const auto waits = b->post(Class::critical, 1, "waits");
  CHECK(b->run(minutes(10)));
  CHECK_OK(b->outbox.purge(b->clocks()));
  CHECK(b->run(seconds(10)));
  CHECK(b->queue.forgot());
  CHECK(!b.on_medium("a secret"));
  CHECK(b->state(waits) == State::queued);
}

// SPDX-License-Identifier: MIT
#include <time.h>

#include "check.hpp"
#include "port/linux/clock.hpp"
#include "port/linux/entropy.hpp"

using namespace tocsin;

namespace {

TEST(clock_reads_what_the_kernel_says) {
  timespec boot{}, wall{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_REALTIME, &wall);
  const Clocks clocks = read_clocks();
  CHECK(clocks.now.ms >= static_cast<std::uint64_t>(boot.tv_sec * 1000));
  CHECK(clocks.wall.ms / 1000 >= wall.tv_sec - 1);
  CHECK(read_clocks().now >= clocks.now);
}

TEST(clock_is_trusted_from_the_build_on) {
  const Clocks clocks = read_clocks();
  CHECK_EQ(clocks.wall_trusted, clocks.wall.ms >= kBuiltAt.ms);
  CHECK(kBuiltAt.ms > 1'700'000'000'000);
}

TEST(clock_floor_rises_and_decides_what_is_trusted) {
  CHECK_EQ(clock_floor().at.ms, kBuiltAt.ms);
  CHECK(clock_floor().from == FloorFrom::build);
  raise_clock_floor(UnixMillis{kBuiltAt.ms - 1}, FloorFrom::service);
  CHECK_EQ(clock_floor().at.ms, kBuiltAt.ms);

  const std::int64_t now = read_clocks().wall.ms, day = 24 * 3600 * 1000;
  raise_clock_floor(UnixMillis{now + day / 2}, FloorFrom::record);
  CHECK(read_clocks().wall_trusted);  // half a day slow
  raise_clock_floor(UnixMillis{now + 400 * day}, FloorFrom::record);
  Clocks clocks = read_clocks();
  CHECK(!clocks.wall_trusted);
  CHECK_EQ(judged_at(clocks).ms, now + 400 * day);
  clocks.wall_trusted = true;
  CHECK_EQ(judged_at(clocks).ms, clocks.wall.ms);

  // That record was made while the clock went wrong; the service knows better.
  raise_clock_floor(UnixMillis{now + 300 * day}, FloorFrom::record);
  CHECK_EQ(clock_floor().at.ms, now + 400 * day);
  raise_clock_floor(UnixMillis{now - 1000}, FloorFrom::service);
  CHECK_EQ(clock_floor().at.ms, now - 1000);
  CHECK(read_clocks().wall_trusted);
  raise_clock_floor(UnixMillis{now - 2000}, FloorFrom::service);
  CHECK_EQ(clock_floor().at.ms, now - 1000);

  // And better than it did when its own clock was ahead.
  raise_clock_floor(UnixMillis{now + 400 * day}, FloorFrom::service);
  CHECK_EQ(clock_floor().at.ms, now + 400 * day);
  raise_clock_floor(UnixMillis{now - 2000}, FloorFrom::record);
  CHECK_EQ(clock_floor().at.ms, now + 400 * day);
  raise_clock_floor(UnixMillis{kBuiltAt.ms - 1}, FloorFrom::service);
  CHECK_EQ(clock_floor().at.ms, now + 400 * day);
  raise_clock_floor(UnixMillis{now}, FloorFrom::service);
  CHECK_EQ(clock_floor().at.ms, now);
  CHECK(read_clocks().wall_trusted);
}

TEST(entropy_fills_everything_and_differs) {
  std::uint8_t one[300] = {}, two[300] = {};
  CHECK_OK(fill_random(one));
  CHECK_OK(fill_random(two));
  CHECK(!same(one, two));
  CHECK(!same(Bytes{one}.drop(268), Bytes{two}.drop(268)));
  CHECK_OK(fill_random({}));
  CHECK(random_number() != random_number());
}

}  // namespace

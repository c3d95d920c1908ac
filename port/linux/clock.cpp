// SPDX-License-Identifier: MIT
#include "port/linux/clock.hpp"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "tocsin/base/assert.hpp"

#ifndef TOCSIN_BUILD_UNIX
#define TOCSIN_BUILD_UNIX 1793491200  // 2026-11-01
#endif

namespace tocsin {
namespace {

struct Moment {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
};

Moment read(clockid_t clock) {
#ifdef SYS_clock_gettime64
  // Only 32-bit systems have this call. Their C library may still count in 32 bits, which end in 2038.
  if (sizeof(time_t) < sizeof(std::int64_t)) {
    Moment wide;  // laid out as the kernel's __kernel_timespec
    if (syscall(SYS_clock_gettime64, clock, &wide) == 0) return wide;
    TOCSIN_ASSERT(errno == ENOSYS);  // kernels before 5.1
  }
#endif
  timespec at{};
  TOCSIN_ASSERT(clock_gettime(clock, &at) == 0);
  return {at.tv_sec, at.tv_nsec};
}

std::int64_t milliseconds_of(Moment at) { return at.seconds * 1000 + at.nanoseconds / 1'000'000; }

}  // namespace

const UnixMillis kBuiltAt{std::int64_t{TOCSIN_BUILD_UNIX} * 1000};

namespace {

constexpr std::int64_t kSlowMs = 24 * 3600 * 1000;

// Not built from kBuiltAt: constants of this file may be read before that is ready.
ClockFloor floor_now{{std::int64_t{TOCSIN_BUILD_UNIX} * 1000}, FloorFrom::build};

}  // namespace

ClockFloor clock_floor() { return floor_now; }

void raise_clock_floor(UnixMillis at, FloorFrom from) {
  // What the service says now is worth more than what was written down by a clock that went too fast, and than what
  // it, or another one, said when its own clock was days ahead.
  const bool is_news = floor_now.from == FloorFrom::record ||
                       (floor_now.from == FloorFrom::service && at.ms < floor_now.at.ms - kSlowMs);
  const bool corrects = from == FloorFrom::service && is_news && at.ms >= kBuiltAt.ms;
  if (at.ms > floor_now.at.ms || corrects) floor_now = {at, from};
}

UnixMillis judged_at(const Clocks& clocks) { return clocks.wall_trusted ? clocks.wall : floor_now.at; }

Clocks read_clocks() {
  Clocks clocks;
  clocks.now = Instant{static_cast<std::uint64_t>(milliseconds_of(read(CLOCK_BOOTTIME)))};
  clocks.wall = UnixMillis{milliseconds_of(read(CLOCK_REALTIME))};
  // A clock that is a little slow is set all the same.
  const std::int64_t slow_ms = floor_now.from == FloorFrom::build ? 0 : kSlowMs;
  clocks.wall_trusted = clocks.wall.ms >= floor_now.at.ms - slow_ms;
  return clocks;
}

Instant from_monotonic(std::uint64_t ns) {
  const std::int64_t suspended_ms = milliseconds_of(read(CLOCK_BOOTTIME)) - milliseconds_of(read(CLOCK_MONOTONIC));
  return Instant{ns / 1'000'000 + static_cast<std::uint64_t>(suspended_ms > 0 ? suspended_ms : 0)};
}

}  // namespace tocsin

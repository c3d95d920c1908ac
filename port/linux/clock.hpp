// SPDX-License-Identifier: MIT
// The two clocks of this device. 64 bits also where the C library's time_t has 32.
//
// Memory: the floor. Threads: from_monotonic() any, the others the loop.
#pragma once

#include "tocsin/base/time.hpp"

namespace tocsin {

// When this program was built, milliseconds since 1970: no right clock shows less. The build passes
// -DTOCSIN_BUILD_UNIX=SECONDS; without it, 2026-11-01.
extern const UnixMillis kBuiltAt;

// It is later than this, whatever the wall clock says: when this program was built or, if that is later, a moment
// that a service whose certificate was verified gave in an answer, in this run or in one before. It rises; only the
// service can take back what a record, or a service whose clock was days ahead, said. Against another floor than the
// first a clock may be a day slow.
enum class FloorFrom : std::uint8_t { build, record, service };
struct ClockFloor {
  UnixMillis at;
  FloorFrom from;
};
ClockFloor clock_floor();
void raise_clock_floor(UnixMillis at, FloorFrom from);

// When dates are judged: the wall clock, or the floor while that is not trusted. Never "not at all".
UnixMillis judged_at(const Clocks& clocks);

// Both clocks now: CLOCK_BOOTTIME (suspended time counts) and CLOCK_REALTIME. The wall clock is
// trusted when it is not before the floor: a device without a battery starts in 1970, or at the time
// of the newest file in its image.
Clocks read_clocks();

// A moment by CLOCK_MONOTONIC, which stands still in suspend, as the kernel stamps edges with; right for one
// since the last suspend.
Instant from_monotonic(std::uint64_t ns);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Two clocks that must not be mixed, so they are two types without a conversion.
//
//   Instant     milliseconds of the monotonic clock since the device started, suspended time
//               included; every deadline and every age is counted with it
//   UnixMillis  milliseconds since 1970-01-01 00:00:00 UTC as the wall clock says; only shown,
//               written down and sent, never subtracted for a timeout: it steps, and many devices
//               start in 1970. 64 bits everywhere: 2038 and 2106 are ordinary years.
//
// Nothing here reads a clock: time is an argument.
#pragma once

#include <cstdint>

#include "tocsin/base/text.hpp"

namespace tocsin {

struct Millis {
  std::int64_t count = 0;
};
constexpr Millis milliseconds(std::int64_t n) { return {n}; }
constexpr Millis seconds(std::int64_t n) { return {n * 1000}; }
constexpr Millis minutes(std::int64_t n) { return {n * 60 * 1000}; }
constexpr Millis hours(std::int64_t n) { return {n * 3600 * 1000}; }
constexpr bool operator<(Millis a, Millis b) { return a.count < b.count; }
constexpr bool operator>(Millis a, Millis b) { return a.count > b.count; }
constexpr bool operator==(Millis a, Millis b) { return a.count == b.count; }

struct Instant {
  std::uint64_t ms = 0;
};
inline constexpr Instant kNever{UINT64_MAX};
constexpr bool operator<(Instant a, Instant b) { return a.ms < b.ms; }
constexpr bool operator>(Instant a, Instant b) { return a.ms > b.ms; }
constexpr bool operator<=(Instant a, Instant b) { return a.ms <= b.ms; }
constexpr bool operator>=(Instant a, Instant b) { return a.ms >= b.ms; }
constexpr bool operator==(Instant a, Instant b) { return a.ms == b.ms; }
constexpr bool operator!=(Instant a, Instant b) { return a.ms != b.ms; }
constexpr Instant operator+(Instant at, Millis by) {
  return at == kNever ? kNever : Instant{at.ms + static_cast<std::uint64_t>(by.count)};
}
constexpr Millis operator-(Instant a, Instant b) { return {static_cast<std::int64_t>(a.ms - b.ms)}; }
constexpr Instant earlier(Instant a, Instant b) { return a < b ? a : b; }

struct UnixMillis {
  std::int64_t ms = 0;
};

// Both clocks of one moment, as they go on record.
struct Clocks {
  Instant now;               // since the device started
  UnixMillis wall;           // as the wall clock says
  bool wall_trusted = false; // false: show no date, the clock was never set
};

// A moment of the Gregorian calendar, UTC, as certificates and servers write it: month and day from 1. Nothing is
// checked: the 31st of February is in March.
UnixMillis from_calendar(int year, int month, int day, int hour, int minute, int second);

// "2026-11-21T08:39:00.123Z", 24 bytes (RFC 3339 5.6, always UTC); years 1970 to 9999.
void write_rfc3339(UnixMillis at, TextWriter& into);
// "2026-11-21 08:39:00 UTC", as a person reads it.
void write_date(UnixMillis at, TextWriter& into);

// "20ms", "3s", "10m", "1h", "30d": a number and a unit, as the configuration writes durations.
// Errors: bad_value (no unit, unknown unit, sign, fraction, above 10,000 days).
Result<Millis> parse_duration(std::string_view text);
// The same form back, exact, in the largest unit that divides it: 90s, not 1.5m.
void write_duration(Millis duration, TextWriter& into);
// As a person says how long there is to wait: "5 min", "24 h", "3 d"; a minute, from two hours on an hour, from two
// days on a day that is begun counts.
void write_wait(Millis wait, TextWriter& into);

}  // namespace tocsin

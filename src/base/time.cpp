// SPDX-License-Identifier: MIT
#include "tocsin/base/time.hpp"

namespace tocsin {
namespace {

struct Civil {
  std::int64_t year;
  unsigned month, day, hour, minute, second, millisecond;
};

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kYear9999EndMs = 253'402'300'799'999;

// Proleptic Gregorian calendar, counted in 400-year eras of 146,097 days that begin on 1 March,
// so that the leap day is the last of its year.
Civil civil(UnixMillis at) {
  std::int64_t ms = at.ms < 0 ? 0 : at.ms > kYear9999EndMs ? kYear9999EndMs : at.ms;
  const std::int64_t days = ms / kDayMs + 719'468;  // since 0000-03-01
  ms %= kDayMs;
  const std::int64_t era = days / 146'097;
  const std::int64_t day_of_era = days % 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;  // 0 = March
  Civil c{};
  c.day = static_cast<unsigned>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  c.month = static_cast<unsigned>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  c.year = era * 400 + year_of_era + (c.month <= 2 ? 1 : 0);
  c.hour = static_cast<unsigned>(ms / 3'600'000);
  c.minute = static_cast<unsigned>(ms / 60'000 % 60);
  c.second = static_cast<unsigned>(ms / 1000 % 60);
  c.millisecond = static_cast<unsigned>(ms % 1000);
  return c;
}

void write_day_and_time(const Civil& c, char between, TextWriter& into) {
  into.number(static_cast<std::uint64_t>(c.year), 4).character('-').number(c.month, 2).character('-');
  into.number(c.day, 2).character(between).number(c.hour, 2).character(':').number(c.minute, 2);
  into.character(':').number(c.second, 2);
}

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
// Largest first: write_duration takes the first that divides.
constexpr Unit kUnits[] = {{"d", kDayMs}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

}  // namespace

UnixMillis from_calendar(int year, int month, int day, int hour, int minute, int second) {
  const std::int64_t shifted_year = month > 2 ? year : year - 1;
  const std::int64_t shifted_month = (month + 9) % 12;
  const std::int64_t days = 365 * shifted_year + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 +
                            (153 * shifted_month + 2) / 5 + day - 1 - 719'468;
  return {(((days * 24 + hour) * 60 + minute) * 60 + second) * 1000};
}

void write_rfc3339(UnixMillis at, TextWriter& into) {
  const Civil c = civil(at);
  write_day_and_time(c, 'T', into);
  into.character('.').number(c.millisecond, 3).character('Z');
}

void write_date(UnixMillis at, TextWriter& into) {
  write_day_and_time(civil(at), ' ', into);
  into.text(" UTC");
}

Result<Millis> parse_duration(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  constexpr std::int64_t kMost = 10'000 * kDayMs;
  for (const Unit& unit : kUnits) {
    if (tail(text, digits) != unit.name) continue;
    const auto n = parse_number(head(text, digits), static_cast<std::uint64_t>(kMost / unit.ms));
    if (!n.ok()) return Code::bad_value;
    return Millis{static_cast<std::int64_t>(n.value()) * unit.ms};
  }
  return Code::bad_value;
}

void write_duration(Millis duration, TextWriter& into) {
  for (const Unit& unit : kUnits) {
    if (unit.ms != 1 && (duration.count == 0 || duration.count % unit.ms != 0)) continue;
    if (duration.count == 0) {
      into.text("0s");
    } else {
      into.signed_number(duration.count / unit.ms).text(unit.name);
    }
    return;
  }
}

void write_wait(Millis wait, TextWriter& into) {
  const auto begun = [&](std::int64_t unit) { return (wait.count + unit - 1) / unit; };
  if (begun(60'000) <= 120) {
    into.signed_number(wait.count < 60'000 ? 1 : begun(60'000)).text(" min");
  } else if (begun(3'600'000) <= 48) {
    into.signed_number(begun(3'600'000)).text(" h");
  } else {
    into.signed_number(begun(kDayMs)).text(" d");
  }
}

}  // namespace tocsin

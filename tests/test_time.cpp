// SPDX-License-Identifier: MIT
#include "tocsin/base/time.hpp"

#include <ctime>
#include <string>
#include <type_traits>

#include "check.hpp"

using namespace tocsin;

namespace {

static_assert(!std::is_convertible_v<UnixMillis, Instant>);
static_assert(!std::is_convertible_v<Instant, UnixMillis>);
static_assert((Instant{5000} - Instant{2000}).count == 3000);
static_assert((Instant{2000} - Instant{5000}).count == -3000);
static_assert(Instant{1} + seconds(2) == Instant{2001});
static_assert(kNever + hours(1) == kNever);
static_assert(earlier(Instant{3}, kNever) == Instant{3});
static_assert(minutes(2).count == 120'000 && hours(1).count == 3'600'000);

template <typename Write>
std::string text(Write write) {
  char room[64];
  TextWriter writer{Span<char>(room)};
  write(writer);
  return std::string(writer.view());
}
std::string rfc3339(std::int64_t ms) {
  return text([ms](TextWriter& into) { write_rfc3339({ms}, into); });
}
std::string duration(std::int64_t ms) {
  return text([ms](TextWriter& into) { write_duration({ms}, into); });
}

TEST(time_to_wait_is_told_in_the_unit_a_person_would_take) {
  const auto wait = [](std::int64_t ms) { return text([ms](TextWriter& into) { write_wait({ms}, into); }); };
  CHECK_TEXT(wait(0), "1 min");
  CHECK_TEXT(wait(1), "1 min");
  CHECK_TEXT(wait(60'000), "1 min");
  CHECK_TEXT(wait(60'001), "2 min");
  CHECK_TEXT(wait(120 * 60'000), "120 min");
  CHECK_TEXT(wait(120 * 60'000 + 1), "3 h");
  CHECK_TEXT(wait(24 * 3'600'000), "24 h");  // was "1440 min"
  CHECK_TEXT(wait(48 * 3'600'000), "48 h");
  CHECK_TEXT(wait(48 * 3'600'000 + 1), "3 d");
}

TEST(time_known_moments_have_their_known_dates) {
  CHECK_TEXT(rfc3339(0), "1970-01-01T00:00:00.000Z");
  CHECK_TEXT(rfc3339(951'782'399'999), "2000-02-28T23:59:59.999Z");
  CHECK_TEXT(rfc3339(951'782'400'000), "2000-02-29T00:00:00.000Z");
  CHECK_TEXT(rfc3339(951'868'800'000), "2000-03-01T00:00:00.000Z");
  CHECK_TEXT(rfc3339(1'795'250'340'123), "2026-11-21T08:39:00.123Z");
}

TEST(time_goes_on_after_2038_and_2106) {
  CHECK_TEXT(rfc3339(2'147'483'648'000), "2038-01-19T03:14:08.000Z");
  CHECK_TEXT(rfc3339(4'294'967'296'000), "2106-02-07T06:28:16.000Z");
  CHECK_TEXT(rfc3339(4'107'542'400'000), "2100-03-01T00:00:00.000Z");
}

TEST(time_outside_1970_to_9999_is_shown_at_the_edge) {
  CHECK_TEXT(rfc3339(-1), "1970-01-01T00:00:00.000Z");
  CHECK_TEXT(rfc3339(INT64_MIN), "1970-01-01T00:00:00.000Z");
  CHECK_TEXT(rfc3339(253'402'300'799'999), "9999-12-31T23:59:59.999Z");
  CHECK_TEXT(rfc3339(INT64_MAX), "9999-12-31T23:59:59.999Z");
}

// Against the C library, every day from 1970 to 2400 at an odd moment of it.
TEST(time_of_every_day_is_that_of_the_c_library) {
  for (std::int64_t day = 0; day < 157'000; ++day) {
    const std::int64_t s = day * 86'400 + day * 7'919 % 86'400;
    std::tm parts{};
    const std::time_t when = s;
    gmtime_r(&when, &parts);
    char want[32];
    std::strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.042Z", &parts);
    check::at("day=%lld", static_cast<long long>(day));
    CHECK_TEXT(rfc3339(s * 1000 + 42), want);
  }
}

TEST(time_for_a_person_has_no_fraction) {
  CHECK_TEXT(text([](TextWriter& into) { write_date({1'795'250'340'999}, into); }), "2026-11-21 08:39:00 UTC");
}

TEST(duration_with_each_unit_is_read) {
  CHECK_EQ(parse_duration("20ms").value().count, 20);
  CHECK_EQ(parse_duration("3s").value().count, 3'000);
  CHECK_EQ(parse_duration("10m").value().count, 600'000);
  CHECK_EQ(parse_duration("1h").value().count, 3'600'000);
  CHECK_EQ(parse_duration("30d").value().count, 2'592'000'000);
  CHECK_EQ(parse_duration("0s").value().count, 0);
}

TEST(duration_up_to_10000_days_is_read_and_not_more) {
  CHECK_EQ(parse_duration("10000d").value().count, 864'000'000'000);
  CHECK_CODE(parse_duration("10001d"), Code::bad_value);
  CHECK_EQ(parse_duration("864000000000ms").value().count, 864'000'000'000);
  CHECK_CODE(parse_duration("864000000001ms"), Code::bad_value);
  CHECK_CODE(parse_duration("99999999999999999999999h"), Code::bad_value);
}

TEST(duration_not_in_the_form_is_refused) {
  for (const char* wrong : {"", "5", "s", "ms", "-5s", "+5s", " 5s", "5s ", "5 s", "1.5m", "5S", "5sec",
                            "5min", "1h30m", "5w", "0x5s", "5mss", "d5"}) {
    check::at("%s", wrong);
    CHECK_CODE(parse_duration(wrong), Code::bad_value);
  }
}

TEST(duration_is_written_in_the_largest_unit_that_divides) {
  CHECK_TEXT(duration(0), "0s");
  CHECK_TEXT(duration(1), "1ms");
  CHECK_TEXT(duration(1'500), "1500ms");
  CHECK_TEXT(duration(90'000), "90s");
  CHECK_TEXT(duration(600'000), "10m");
  CHECK_TEXT(duration(5'400'000), "90m");
  CHECK_TEXT(duration(86'400'000), "1d");
  CHECK_TEXT(duration(-3'000), "-3s");
}

TEST(duration_written_and_read_again_is_the_same) {
  for (std::int64_t ms = 0; ms < 200'000'000; ms = ms * 3 / 2 + 997) {
    check::at("ms=%lld", static_cast<long long>(ms));
    CHECK_EQ(parse_duration(duration(ms)).value().count, ms);
    CHECK_EQ(parse_duration(duration(ms * 60)).value().count, ms * 60);
  }
}

}  // namespace

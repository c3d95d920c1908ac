// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_date.hpp"

namespace tocsin {
namespace {

constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::string_view kDays = "ThuFriSatSunMonTueWed";  // 1970-01-01 was a Thursday

int two_digits(std::string_view text, std::size_t at) {
  if (!is_digit(text[at]) || !is_digit(text[at + 1])) return -1;
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

}  // namespace

Result<UnixMillis> parse_http_date(std::string_view text) {
  //                                     0123456789012345678901234567 8
  constexpr std::string_view kPattern = "---, 00 --- 0000 00:00:00 GMT";
  if (text.size() != kPattern.size()) return Code::bad_value;
  for (std::size_t at = 0; at < text.size(); ++at)
    if (kPattern[at] != '-' && kPattern[at] != '0' && text[at] != kPattern[at]) return Code::bad_value;
  int month = 0;
  for (int n = 1; n <= 12; ++n)
    if (head(tail(text, 8), 3) == head(tail(kMonths, static_cast<std::size_t>(n - 1) * 3), 3)) month = n;
  const int day = two_digits(text, 5), century = two_digits(text, 12), year = two_digits(text, 14);
  const int hour = two_digits(text, 17), minute = two_digits(text, 20), second = two_digits(text, 23);
  if (month == 0 || day < 1 || century < 0 || year < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)  // 60: a leap second
    return Code::bad_value;
  const UnixMillis at = from_calendar(century * 100 + year, month, day, hour, minute, second);
  if (at.ms < 0) return Code::bad_value;
  // The day must be one of that month, and of that week.
  char written[32];
  TextWriter again{written};
  write_date(from_calendar(century * 100 + year, month, day, 0, 0, 0), again);
  if (two_digits(again.view(), 8) != day) return Code::bad_value;
  const std::size_t day_of_week = static_cast<std::size_t>(
      from_calendar(century * 100 + year, month, day, 0, 0, 0).ms / 86'400'000 % 7);
  if (head(text, 3) != head(tail(kDays, day_of_week * 3), 3)) return Code::bad_value;
  return at;
}

}  // namespace tocsin

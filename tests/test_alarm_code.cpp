// SPDX-License-Identifier: MIT
#include "tocsin/wire/alarm_code.hpp"

#include <set>
#include <string>

#include "check.hpp"

using namespace tocsin;

TEST(alarm_code_has_only_characters_that_are_not_confused) {
  for (std::uint32_t number = 1; number < 20'000; ++number) {
    const AlarmCode code = alarm_code(0x1122334455667788, number);
    CHECK_EQ(code.size(), kCodeSize);
    for (const char c : code.view()) {
      CHECK(is_digit(c) || (c >= 'A' && c <= 'Z'));
      CHECK(find("0O1IL2Z5S8BUV", c) == kNotFound || c == 'U');
    }
  }
}

// Every code once before the first comes again, for any medium.
TEST(alarm_code_comes_again_only_after_all_others) {
  for (const std::uint64_t salt : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xFEDCBA9876543210}}) {
    std::set<std::string> seen;
    for (std::uint32_t number = 7; number < 7 + kCodes; ++number)
      CHECK(seen.insert(std::string(alarm_code(salt, number).view())).second);
    CHECK_TEXT(alarm_code(salt, 7 + kCodes).view(), alarm_code(salt, 7).view());
  }
}

// Who has seen many codes of one device does not know the next, and two devices have others.
TEST(alarm_code_of_neighbours_and_of_other_media_differ) {
  std::size_t same_first = 0, same_as_other = 0;
  for (std::uint32_t number = 1; number <= 1000; ++number) {
    const AlarmCode code = alarm_code(1, number);
    same_first += code.view()[0] == alarm_code(1, number + 1).view()[0] ? 1U : 0U;
    same_as_other += code.view() == alarm_code(2, number).view() ? 1U : 0U;
  }
  CHECK(same_first < 100);  // a 24th of them is 42
  CHECK(same_as_other < 3);
}

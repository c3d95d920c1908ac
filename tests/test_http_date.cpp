// SPDX-License-Identifier: MIT
#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "table.hpp"
#include "tocsin/wire/http_date.hpp"

using namespace tocsin;

namespace {

// Ends before a guard page.
Result<UnixMillis> read(std::string_view text) {
  static GuardPage page(4096);
  return parse_http_date(page.put(text));
}

std::string words(const Result<UnixMillis>& read) {
  return read.ok() ? std::to_string(read.value().ms / 1000) : word(read.code());
}

TEST(http_date_of_today_is_read) {
  struct Case {
    const char* text;
    std::int64_t seconds;
  };
  const Case cases[] = {
      {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
      {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
      {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
      {"Tue, 19 Jan 2038 03:14:08 GMT", 2147483648},  // above 31 bits
      {"Sun, 07 Feb 2106 06:28:16 GMT", 4294967296},  // above 32 bits
      {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
      {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
  };
  for (const Case& one : cases) {
    check::at("%s", one.text);
    const auto at = read(one.text);
    check::row("Date: " + std::string(one.text), std::to_string(one.seconds), words(at));
    CHECK_OK(at);
    CHECK_EQ(at.value().ms, one.seconds * 1000);
  }
}

TEST(http_date_that_is_none_is_refused) {
  for (const char* text : {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
                           "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
                           "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
                           "Sun, 06 Nov 1994 08:49:61 GMT", "Fri, 30 Feb 2024 00:00:00 GMT",
                           "Wed, 29 Feb 2023 00:00:00 GMT", "Wed, 31 Dec 1969 23:59:59 GMT",
                           "Sun, +6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov -994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49:37 GMT "}) {
    check::at("%s", text);
    const auto at = read(text);
    check::row("Date: " + std::string(text), word(Code::bad_value), words(at));
    CHECK_CODE(at, Code::bad_value);
  }
}

// Every beginning and end of a good one, and every byte at every place: what is read is written as it was.
TEST(http_date_with_any_byte_anywhere_is_that_date_or_none) {
  const std::string good = "Sun, 06 Nov 1994 08:49:37 GMT";
  for (std::size_t at = 0; at < good.size(); ++at) {
    CHECK_CODE(read(good.substr(0, at)), Code::bad_value);
    CHECK_CODE(read(good.substr(at + 1)), Code::bad_value);
    for (unsigned byte = 0; byte < 256; ++byte) {
      check::at("at=%zu byte=%u", at, byte);
      std::string changed = good;
      changed[at] = static_cast<char>(byte);
      const auto moment = read(changed);
      if (!moment.ok() || changed == good) continue;
      char memory[40];
      TextWriter again{memory};
      write_date(moment.value(), again);
      CHECK_TEXT(again.view(), changed.substr(12, 4) + "-11-06 " + changed.substr(17, 8) + " UTC");
    }
  }
}

}  // namespace

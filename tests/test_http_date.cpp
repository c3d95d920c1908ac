// SPDX-License-Identifier: MIT
#include "check.hpp"
#include "tocsin/wire/http_date.hpp"

using namespace tocsin;

namespace {

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
    const auto read = parse_http_date(one.text);
    CHECK_OK(read);
    CHECK_EQ(read.value().ms, one.seconds * 1000);
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
    CHECK_CODE(parse_http_date(text), Code::bad_value);
  }
}

}  // namespace

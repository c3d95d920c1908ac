// SPDX-License-Identifier: MIT
// The moment that a Date field of HTTP gives.
//
// Memory, threads: none.
#pragma once

#include "tocsin/base/text.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

// "Sun, 06 Nov 1994 08:49:37 GMT", what RFC 9110 5.6.7 has every server send today; years 1970 to 9999. Errors:
// bad_value (anything else, its two obsolete forms included: nobody should go by those).
Result<UnixMillis> parse_http_date(std::string_view text);

}  // namespace tocsin

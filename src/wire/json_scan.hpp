// SPDX-License-Identifier: MIT
// Texts of JSON passed over many bytes at a time. Private to src/wire.
//
// Memory: none. Threads: any.
#pragma once

#include <cstddef>
#include <string_view>

namespace tocsin {

// Length of the run at the front of `text` that stands in JSON as it is: ASCII without control characters, quotes
// and backslashes.
std::size_t plain_run(std::string_view text);

// Length of the number at the front (RFC 8259 section 6), or 0; `text` has at least a byte.
std::size_t number_length(std::string_view text);

}  // namespace tocsin

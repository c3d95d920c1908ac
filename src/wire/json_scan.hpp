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

}  // namespace tocsin

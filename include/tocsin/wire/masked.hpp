// SPDX-License-Identifier: MIT
// An answer as somebody else may see it.
//
// Memory: none but the caller's. Threads: any.
#pragma once

#include "tocsin/base/text.hpp"

namespace tocsin {

// `body` with *** in the place of `token`, masked runs of 7 digits or more (phones) except inside of a UUID, and ? for
// each byte that is no text (control characters but line feed and tab; what is not UTF-8). `scratch` says how much of
// the body is looked at.
void write_masked_answer(std::string_view body, std::string_view token, Span<char> scratch, TextWriter& into);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Secrets: what somebody else said without one of ours in it, and whether he knows it.
//
// Memory: none. Threads: any.
#pragma once

#include "tocsin/base/text.hpp"

namespace tocsin {

// Writes `words` with *** in the place of `secret`. Words may have been cut: 8 characters of its beginning are enough,
// at their end 4.
// It may stand in JSON, with \ before its / or ".
void write_without(std::string_view secret, std::string_view words, TextWriter& into);

// Whether `given` is `mine`, which is not empty, in a time that depends on the length of `given` alone: nobody finds
// out one character after another.
bool is_secret(std::string_view mine, std::string_view given);

template <std::size_t N>
void hide(std::string_view secret, FixedText<N>& words) {
  char memory[N];
  TextWriter hidden(memory);
  write_without(secret, words.view(), hidden);
  words.assign_cut(hidden.view());
}

}  // namespace tocsin

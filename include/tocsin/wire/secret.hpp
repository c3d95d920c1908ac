// SPDX-License-Identifier: MIT
// What somebody else said, without a secret of ours in it.
//
// Memory: none. Threads: any.
#pragma once

#include "tocsin/base/text.hpp"

namespace tocsin {

// Writes `words` with *** in the place of `secret`. Words may have been cut: 8 characters of its beginning are enough,
// at their end 4.
// It may stand in JSON, with \ before its / or ".
void write_without(std::string_view secret, std::string_view words, TextWriter& into);

template <std::size_t N>
void hide(std::string_view secret, FixedText<N>& words) {
  char memory[N];
  TextWriter hidden(memory);
  write_without(secret, words.view(), hidden);
  words.assign_cut(hidden.view());
}

}  // namespace tocsin

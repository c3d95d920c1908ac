// SPDX-License-Identifier: MIT
// A short name for a secret that tells two of them apart and gives nothing away.
//
// Memory: 200 bytes of stack. Threads: no state.
#pragma once

#include "tocsin/base/text.hpp"

namespace tocsin {

// The first 8 of the 64 hexadecimal digits of the SHA-256 of `secret`: what `sha256sum` begins with.
void write_fingerprint(std::string_view secret, TextWriter& into);

}  // namespace tocsin

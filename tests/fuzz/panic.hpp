// SPDX-License-Identifier: MIT
// What every fuzzer includes, once, in its own .cpp: a failed TOCSIN_ASSERT is a finding.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "tocsin/base/assert.hpp"

void tocsin::panic(const char* place) {
  std::fprintf(stderr, "panic at %s\n", place);
  std::abort();
}

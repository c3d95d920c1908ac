// SPDX-License-Identifier: MIT
// How long to wait before the next try: full jitter (AWS Architecture Blog, "Exponential Backoff and
// Jitter"): a random time between nothing and min(most, least * 2^failures). Devices that lost the same
// router do not come back in step.
//
// Pure. Memory: none. Threads: none.
#pragma once

#include "tocsin/base/time.hpp"

namespace tocsin {

// `failures` in a row so far, 0 for the first wait. `random`: 32 fresh random bits.
Millis full_jitter(Millis least, Millis most, unsigned failures, std::uint32_t random);

}  // namespace tocsin

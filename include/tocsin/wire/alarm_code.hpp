// SPDX-License-Identifier: MIT
// The code that an alarm is named by in an answer: four characters that nobody takes for others on a small screen, so
// no 0 O, 1 I L, 2 Z, 5 S, 8 B, U V.
//
// Memory: none. Threads: none.
#pragma once

#include <cstdint>

#include "tocsin/base/text.hpp"

namespace tocsin {

inline constexpr std::size_t kCodeSize = 4;
inline constexpr std::uint32_t kCodes = 24 * 24 * 24 * 24;
using AlarmCode = FixedText<kCodeSize>;

// For the alarm whose event begins with message `number`. Mixed with the medium's salt, so that nobody counts on from a
// code to the next one; of kCodes numbers in a row no two have the same.
AlarmCode alarm_code(std::uint64_t salt, std::uint32_t number);

}  // namespace tocsin

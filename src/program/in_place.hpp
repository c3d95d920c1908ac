// SPDX-License-Identifier: MIT
// One object of a large type: in static memory, made anew at each call with the same type and place, never
// destroyed. Neither the stack nor the heap holds it, and the program needs no code to run at its exit.
// Two objects of one type that live at the same time need two places.
#pragma once

#include <new>
#include <utility>

namespace tocsin {

template <typename T, int kPlace = 0, typename... Arguments>
T& in_place(Arguments&&... arguments) {
  alignas(T) static unsigned char memory[sizeof(T)];
  if constexpr (sizeof...(Arguments) == 0) {
    return *new (memory) T;  // without (): that would write zeros over all of it first
  } else {
    return *new (memory) T(std::forward<Arguments>(arguments)...);
  }
}

}  // namespace tocsin

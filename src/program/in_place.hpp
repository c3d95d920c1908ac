// SPDX-License-Identifier: MIT
// The one object of a large type in this process: in static memory, made anew at each call, never
// destroyed. Neither the stack nor the heap holds it, and the program needs no code to run at its exit.
#pragma once

#include <new>
#include <utility>

namespace tocsin {

template <typename T, typename... Arguments>
T& in_place(Arguments&&... arguments) {
  alignas(T) static unsigned char memory[sizeof(T)];
  return *new (memory) T(std::forward<Arguments>(arguments)...);
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// TOCSIN_ASSERT: for what only the programmer can get wrong. Never for input, never for the world.
// It stays in the shipped program: a gateway that stops and is started again by its supervisor with
// its queue whole is better than one that goes on with a broken invariant.
#pragma once

#include <type_traits>

namespace tocsin {

// Ends the program. The port supplies it (port/linux), the tests supply it too: a port without it
// does not link. `where` is "file:line".
[[noreturn]] void panic(const char* where);

}  // namespace tocsin

#define TOCSIN_STRING_2(x) #x
#define TOCSIN_STRING(x) TOCSIN_STRING_2(x)
#define TOCSIN_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::tocsin::panic(__FILE__ ":" TOCSIN_STRING(__LINE__)))

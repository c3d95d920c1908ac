// SPDX-License-Identifier: MIT
#include <sys/uio.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "tocsin/base/assert.hpp"

namespace tocsin {

// Weak, so that a test program that links this folder can bring the one that says which case it was.
[[noreturn]] __attribute__((weak)) void panic(const char* where) {
  char before[] = "tocsin: stopped by an internal error at ";
  char after[] = "\n";
  char place[160];
  std::size_t size = std::strlen(where);
  if (size > sizeof place) size = sizeof place;
  std::memcpy(place, where, size);
  const iovec line[] = {{before, sizeof before - 1}, {place, size}, {after, sizeof after - 1}};
  if (writev(STDERR_FILENO, line, 3) < 0) std::abort();  // nobody left to tell
  std::abort();
}

}  // namespace tocsin

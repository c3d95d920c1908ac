// SPDX-License-Identifier: MIT
// As qsort, strstr and strtoull of the C library, in a tenth of their size: for lists of a few, and short texts.
//
// Memory: none. Threads: any. Errors: none; what does not fit is `most`.
#pragma once

#include <cstddef>

namespace tocsin {

// Stable. At most count * count / 4 exchanges.
void sort_few(void* list, std::size_t count, std::size_t size, int (*compare)(const void*, const void*));
// The first place of `part` in `text`, or nullptr.
const char* find_text(const char* text, const char* part);
// `base` is 0 (as it is written: 0x, 0, or decimal) or 2 to 36. `end`, when it is not nullptr: behind the number, or
// `text` when there is none.
unsigned long long read_number(const char* text, char** end, int base, unsigned long long most);

}  // namespace tocsin

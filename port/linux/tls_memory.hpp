// SPDX-License-Identifier: MIT
// Where Mbed TLS takes its memory from: a buffer of the program, where the library can be told (the trimmed one), else
// the heap (Debian's).
//
// Threads: the loop, which alone speaks TLS.
#pragma once

#include "port/linux/pool.hpp"

namespace tocsin {

// Gives Mbed TLS its memory, as Pool::use() wants it, before anything else uses it; it serves to the program's end. Does
// nothing where the library uses the heap.
void tls_use_arena(MutBytes memory);

// Of size 0 where the heap is used.
const Pool& tls_memory();

// Whether Mbed TLS means by `error` that there is no more of it.
bool is_out_of_memory(int error);
inline constexpr char kDoesNotFit[] = " does not fit this program's memory for TLS";  // of a file
inline constexpr char kNoMemory[] =
    "not enough memory for TLS (are the server's certificates, or the lists of crl_file, very long?)";

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Where Mbed TLS takes its memory from: buffers of the program, where the library can be told (the trimmed one), else
// the heap (Debian's). There are two: what strangers use up who call this device is none of the streams'.
//
// Threads: the loop, which alone speaks TLS.
#pragma once

#include "port/linux/pool.hpp"

namespace tocsin {

// Gives Mbed TLS its memory, as Pool::use() wants it, before anything else uses it; it serves to the program's end.
// Does nothing where the library uses the heap.
void tls_use_arena(MutBytes memory);

// Of size 0 where the heap is used.
const Pool& tls_memory();

// The second one, or none; outlives what was taken from it. While a FromSecond lives all is taken from there. What is
// given back goes to where it is of at any time.
void tls_use_second(Pool* pool);
class FromSecond {
 public:
  FromSecond();
  ~FromSecond();
  FromSecond(const FromSecond&) = delete;
  FromSecond& operator=(const FromSecond&) = delete;
};

// Whether Mbed TLS means by `error` that there is no more of it.
bool is_out_of_memory(int error);
inline constexpr char kDoesNotFit[] = " does not fit this program's memory for TLS: it must be smaller";  // of a file
inline constexpr char kNoMemory[] =
    "not enough memory for TLS (are the server's certificates, or the lists of crl_file, very long?)";

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Where Mbed TLS takes its memory from.
#pragma once

#include "tocsin/base/bytes.hpp"

namespace tocsin {

// Gives Mbed TLS its memory, before anything else uses it; the buffer serves to the program's end.
// Does nothing when the library was built without MBEDTLS_MEMORY_BUFFER_ALLOC_C.
void tls_use_arena(MutBytes memory);

// Whether Mbed TLS means by `error` that there is no more of it.
bool is_out_of_memory(int error);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Random bytes from the kernel. Memory, threads: no state; any thread may call.
#pragma once

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"

namespace tocsin {

// Fills `into`. Never waits: while the kernel's pool is not ready yet (the first seconds of a boot on
// a device without a hardware generator), /dev/urandom serves. Errors: io; `into` is then undefined.
Status fill_random(MutBytes into);

// 64 random bits for back-off and ids; 0 when the kernel gives none.
std::uint64_t random_number();

// fill_random() as Mbed TLS calls it.
int tls_random(void* nobody, unsigned char* into, std::size_t size);

}  // namespace tocsin

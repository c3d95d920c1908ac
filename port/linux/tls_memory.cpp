// SPDX-License-Identifier: MIT
#include "port/linux/tls_memory.hpp"

#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509.h>
#if defined(MBEDTLS_MEMORY_BUFFER_ALLOC_C)
#include <mbedtls/memory_buffer_alloc.h>
#endif

#include "tocsin/base/assert.hpp"

#if defined(MBEDTLS_PLATFORM_FPRINTF_MACRO)
void tocsin_tls_memory_broken(const char* text, ...) { tocsin::panic(text); }
#endif

namespace tocsin {

void tls_use_arena(MutBytes memory) {
#if defined(MBEDTLS_MEMORY_BUFFER_ALLOC_C)
  mbedtls_memory_buffer_alloc_init(memory.data(), memory.size());
#else
  static_cast<void>(memory);
#endif
}

bool is_out_of_memory(int error) {
  constexpr int kAsn1AllocFailed = 0x6A, kNumberAllocFailed = 0x10, kLow = 0x7F;
  const int high = -(-error & ~kLow), low = -error & kLow;
  return high == MBEDTLS_ERR_X509_ALLOC_FAILED || high == MBEDTLS_ERR_PEM_ALLOC_FAILED ||
         high == MBEDTLS_ERR_PK_ALLOC_FAILED || high == MBEDTLS_ERR_ECP_ALLOC_FAILED ||
         low == kAsn1AllocFailed || low == kNumberAllocFailed;
}

}  // namespace tocsin

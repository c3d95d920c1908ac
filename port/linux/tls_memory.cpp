// SPDX-License-Identifier: MIT
#include "port/linux/tls_memory.hpp"

#include <mbedtls/cipher.h>
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509.h>

namespace tocsin {
namespace {

Pool pool;
Pool* second = nullptr;
Pool* from = &pool;

#if defined(MBEDTLS_PLATFORM_MEMORY)
void* take(std::size_t count, std::size_t each) { return from->take(count, each); }
void give_back(void* piece) { (second != nullptr && second->has(piece) ? *second : pool).give_back(piece); }
#endif

}  // namespace

void tls_use_arena(MutBytes memory) {
#if defined(MBEDTLS_PLATFORM_MEMORY)
  pool.use(memory);
  mbedtls_platform_set_calloc_free(take, give_back);
#else
  static_cast<void>(memory);
#endif
}

const Pool& tls_memory() { return pool; }

void tls_use_second(Pool* other) { second = other; }

FromSecond::FromSecond() { from = second != nullptr ? second : &pool; }

FromSecond::~FromSecond() { from = &pool; }

bool is_out_of_memory(int error) {
  constexpr int kAsn1AllocFailed = 0x6A, kNumberAllocFailed = 0x10, kLow = 0x7F;
  const int low = -error & kLow;
  if (low == kAsn1AllocFailed || low == kNumberAllocFailed) return true;
  for (const int one : {MBEDTLS_ERR_SSL_ALLOC_FAILED, MBEDTLS_ERR_X509_ALLOC_FAILED, MBEDTLS_ERR_PEM_ALLOC_FAILED,
                        MBEDTLS_ERR_PK_ALLOC_FAILED, MBEDTLS_ERR_ECP_ALLOC_FAILED, MBEDTLS_ERR_MD_ALLOC_FAILED,
                        MBEDTLS_ERR_CIPHER_ALLOC_FAILED})
    if (-(-error & ~kLow) == one) return true;
  return false;
}

}  // namespace tocsin

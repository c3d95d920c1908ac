// SPDX-License-Identifier: MIT
// In place of SHA-1, in a Mbed TLS that was built to take it from here (toolchains/mbedtls_trimmed.h): nothing that was
// signed with it can be believed, and it would be 4 KB of program.
#include <mbedtls/sha1.h>

#if defined(MBEDTLS_SHA1_PROCESS_ALT)
extern "C" int mbedtls_internal_sha1_process(mbedtls_sha1_context*, const unsigned char*) {
  constexpr int kNotSupported = -0x0072;  // MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED
  return kNotSupported;
}
#endif

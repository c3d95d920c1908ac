// SPDX-License-Identifier: MIT
// What a Mbed TLS that was trimmed (toolchains/mbedtls_trimmed.h) takes from here instead of having it itself.
#include <mbedtls/aes.h>
#include <mbedtls/sha1.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>

#if defined(MBEDTLS_SHA1_PROCESS_ALT)
// Nothing that was signed with SHA-1 can be believed, and it would be 4 KB of program.
extern "C" int mbedtls_internal_sha1_process(mbedtls_sha1_context*, const unsigned char*) {
  constexpr int kNotSupported = -0x0072;  // MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED
  return kNotSupported;
}
#endif

#if defined(MBEDTLS_AES_DECRYPT_ALT)
// AES backwards, 2 KB: GCM runs it forwards to decrypt as well.
constexpr int kNoAesBackwards = -0x0023;  // MBEDTLS_ERR_AES_FEATURE_UNAVAILABLE
extern "C" int mbedtls_aes_setkey_dec(mbedtls_aes_context*, const unsigned char*, unsigned) {
  return kNoAesBackwards;
}
extern "C" int mbedtls_internal_aes_decrypt(mbedtls_aes_context*, const unsigned char*, unsigned char*) {
  return kNoAesBackwards;
}
#endif

#if defined(MBEDTLS_PLATFORM_MEMORY) && defined(MBEDTLS_SSL_PROTO_TLS1_3)
// TLS 1.3 as a server, 9 KB: who calls with a webhook speaks 1.2 as well (tls_server.cpp asks for it alone).
extern "C" int mbedtls_ssl_tls13_handshake_server_step(mbedtls_ssl_context*) {
  return MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE;
}
#endif

// SPDX-License-Identifier: MIT
#include "port/linux/fingerprint.hpp"

#include <mbedtls/sha256.h>
#include <mbedtls/version.h>

namespace tocsin {

void write_fingerprint(std::string_view secret, TextWriter& into) {
  unsigned char digest[32] = {};
  const Bytes bytes = as_bytes(secret);
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  const int failed = mbedtls_sha256(bytes.data(), bytes.size(), digest, 0);
#else
  const int failed = mbedtls_sha256_ret(bytes.data(), bytes.size(), digest, 0);
#endif
  if (failed != 0) {
    into.text("(not available)");
    return;
  }
  for (int i = 0; i < 4; ++i) into.hex(digest[i], 2);
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Errors of Mbed TLS in words, for both versions: they are numbers here, as they came from real servers
// (tests/e2e/test_tls_servers.py).
#include "port/linux/tls_words.hpp"

#include "check.hpp"

using namespace tocsin;

namespace {

void check_says(int error, Phase phase, std::string_view part) {
  const std::string_view words = tls_words(error, phase);
  for (std::size_t at = 0; at + part.size() <= words.size(); ++at)
    if (words.substr(at, part.size()) == part) return;
  CHECK_TEXT(words, part);
}

TEST(tls_words_for_what_real_servers_did) {
  check_says(-0x7280, Phase::handshaking, "closed the connection");
  check_says(-0x7780, Phase::handshaking, "refused the handshake");
  check_says(-0x7780, Phase::open, "client certificate");
  check_says(-0x7700, Phase::open, "new keys");
  check_says(-0x7200, Phase::handshaking, "not TLS");
  check_says(-0x7700, Phase::handshaking, "not TLS");
  check_says(-0x6E80, Phase::handshaking, "TLS 1.2");
  check_says(-0x7080, Phase::handshaking, "too long");   // a chain of 50 KB, 2.28
  check_says(-0x7100, Phase::handshaking, "too long");   // 3.6
  check_says(-0x262E, Phase::handshaking, "SHA-1");      // a signature that was left out of the build
  check_says(-0x3C80, Phase::handshaking, "unknown kind");
  check_says(-0x7980, Phase::handshaking, "not as TLS wants it");
  check_says(-0x7A00, Phase::handshaking, "not as TLS wants it");
  check_says(-0x7E80, Phase::handshaking, "not as TLS wants it");
  check_says(-0x7180, Phase::handshaking, "changed or damaged");
  check_says(-0x7180, Phase::open, "changed or damaged");
}

TEST(tls_words_for_want_of_memory_wherever_it_is_met) {
  for (const int error : {-0x7F00, -0x2880, -0x256A, -0x3F80, -0x0010})
    check_says(error, Phase::handshaking, "not enough memory");
  check_says(-0x7F00, Phase::open, "not enough memory");
}

TEST(tls_words_that_nobody_knows_are_none) {
  CHECK(tls_words(-0x6C00, Phase::handshaking).empty());
  CHECK(tls_words(-0x7280, Phase::open).empty());  // told as "broke it off"
}

}  // namespace

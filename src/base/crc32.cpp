// SPDX-License-Identifier: MIT
#include "tocsin/base/crc32.hpp"

#ifndef TOCSIN_CRC_TABLES
#define TOCSIN_CRC_TABLES 8
#endif

namespace tocsin {
namespace {

static_assert(TOCSIN_CRC_TABLES == 1 || TOCSIN_CRC_TABLES == 8);

struct Tables {
  std::uint32_t of[TOCSIN_CRC_TABLES][256];
};

// of[0] is the classic table; of[k][b] is the CRC of byte b followed by k zero bytes, which lets
// eight bytes be taken in one step with independent look-ups.
constexpr Tables make_tables() {
  Tables t{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
    t.of[0][b] = crc;
  }
  for (int k = 1; k < TOCSIN_CRC_TABLES; ++k)
    for (std::uint32_t b = 0; b < 256; ++b) t.of[k][b] = t.of[k - 1][b] >> 8 ^ t.of[0][t.of[k - 1][b] & 0xFF];
  return t;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::uint32_t crc32(std::uint32_t crc, Bytes more) {
  crc = ~crc;
  const std::uint8_t* p = more.data();
  std::size_t n = more.size();
#if TOCSIN_CRC_TABLES == 8
  // The second four bytes one by one: a load each, where a shift and a mask would be two instructions.
  for (const std::uint8_t* const end = p + n / 8 * 8; p != end; p += 8) {
    const std::uint32_t a = crc ^ load32(p);
    crc = kTables.of[7][a & 0xFF] ^ kTables.of[6][a >> 8 & 0xFF] ^ kTables.of[5][a >> 16 & 0xFF] ^
          kTables.of[4][a >> 24] ^ kTables.of[3][p[4]] ^ kTables.of[2][p[5]] ^ kTables.of[1][p[6]] ^
          kTables.of[0][p[7]];
  }
  n %= 8;
#else
  for (; n >= 4; n -= 4, p += 4) {
    crc ^= load32(p);
    crc = crc >> 8 ^ kTables.of[0][crc & 0xFF];
    crc = crc >> 8 ^ kTables.of[0][crc & 0xFF];
    crc = crc >> 8 ^ kTables.of[0][crc & 0xFF];
    crc = crc >> 8 ^ kTables.of[0][crc & 0xFF];
  }
#endif
  for (; n > 0; --n, ++p) crc = crc >> 8 ^ kTables.of[0][(crc ^ *p) & 0xFF];
  return ~crc;
}

}  // namespace tocsin

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

// Eight bytes.
#if TOCSIN_CRC_TABLES == 8
inline std::uint32_t eight(std::uint32_t crc, const std::uint8_t* p) {
  // The second four bytes one by one: a load each, where a shift and a mask would be two instructions.
  const std::uint32_t a = crc ^ load32(p);
  return kTables.of[7][a & 0xFF] ^ kTables.of[6][a >> 8 & 0xFF] ^ kTables.of[5][a >> 16 & 0xFF] ^
         kTables.of[4][a >> 24] ^ kTables.of[3][p[4]] ^ kTables.of[2][p[5]] ^ kTables.of[1][p[6]] ^
         kTables.of[0][p[7]];
}
#else
inline std::uint32_t one(std::uint32_t crc) { return crc >> 8 ^ kTables.of[0][crc & 0xFF]; }
inline std::uint32_t four(std::uint32_t crc) { return one(one(one(one(crc)))); }
inline std::uint32_t eight(std::uint32_t crc, const std::uint8_t* p) {
  return four(four(crc ^ load32(p)) ^ load32(p + 4));
}
#endif

// Bytes of one turn of the loop. A compiler that saves size makes calls of four steps.
#ifdef __OPTIMIZE_SIZE__
constexpr std::size_t kTurn = 8;
#else
constexpr std::size_t kTurn = 32;
#endif

}  // namespace

std::uint32_t crc32(std::uint32_t crc, Bytes more) {
  crc = ~crc;
  const std::uint8_t* p = more.data();
  std::size_t n = more.size();
  for (const std::uint8_t* const end = p + n / kTurn * kTurn; p != end; p += kTurn) {
    crc = eight(crc, p);
    if constexpr (kTurn == 32) crc = eight(eight(eight(crc, p + 8), p + 16), p + 24);
  }
  n %= kTurn;
  for (; n >= 8; n -= 8, p += 8) crc = eight(crc, p);
  for (; n > 0; --n, ++p) crc = crc >> 8 ^ kTables.of[0][(crc ^ *p) & 0xFF];
  return ~crc;
}

}  // namespace tocsin

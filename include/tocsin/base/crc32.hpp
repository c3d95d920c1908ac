// SPDX-License-Identifier: MIT
// CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), as in gzip: the check of "123456789" is 0xCBF43926.
//
// Memory: TOCSIN_CRC_TABLES tables of 1 KiB in read-only data: 8 by default (eight bytes a step),
// 1 for targets that count every KiB (about three times the instructions).
#pragma once

#include <cstdint>

#include "tocsin/base/bytes.hpp"

namespace tocsin {

// Continues `crc`, the result for what came before (0 at the start), over `more`.
std::uint32_t crc32(std::uint32_t crc, Bytes more);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/base/crc32.hpp"

#include "check.hpp"
#include "fakes/guard_page.hpp"

using namespace tocsin;

namespace {

// A bit at a time, straight from the polynomial.
std::uint32_t reference(Bytes bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const std::uint8_t b : bytes) {
    crc ^= b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
  }
  return ~crc;
}

TEST(crc32_of_known_texts_is_known) {
  CHECK_EQ(crc32(0, as_bytes("123456789")), 0xCBF43926U);
  CHECK_EQ(crc32(0, Bytes{}), 0);
  CHECK_EQ(crc32(0, as_bytes("a")), 0xE8B7BE43U);
  CHECK_EQ(crc32(0, as_bytes("The quick brown fox jumps over the lazy dog")), 0x414FA339U);
  const std::uint8_t zeros[32] = {};
  CHECK_EQ(crc32(0, Bytes(zeros)), 0x190A55ADU);
}

TEST(crc32_at_every_length_and_address_is_the_reference) {
  GuardPage guard(4096);
  for (std::size_t length = 0; length <= 100; ++length) {
    check::at("length=%zu", length);
    const MutBytes bytes = guard.last(length);
    for (std::size_t at = 0; at < length; ++at) bytes[at] = static_cast<std::uint8_t>(at * 73 + length * 31);
    CHECK_EQ(crc32(0, bytes), reference(bytes));
  }
}

TEST(crc32_continued_from_any_cut_is_that_of_the_whole) {
  std::uint8_t bytes[70];
  for (std::size_t at = 0; at < sizeof bytes; ++at) bytes[at] = static_cast<std::uint8_t>(at * at);
  const Bytes all{bytes};
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    check::at("cut=%zu", cut);
    CHECK_EQ(crc32(crc32(0, all.first(cut)), all.drop(cut)), reference(all));
  }
}

TEST(crc32_sees_every_single_flipped_bit) {
  std::uint8_t bytes[40] = {1, 2, 3};
  const std::uint32_t good = crc32(0, Bytes(bytes));
  for (std::size_t bit = 0; bit < sizeof bytes * 8; ++bit) {
    check::at("bit=%zu", bit);
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << bit % 8));
    CHECK(crc32(0, Bytes(bytes)) != good);
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << bit % 8));
  }
}

}  // namespace

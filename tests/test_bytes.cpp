// SPDX-License-Identifier: MIT
#include "tocsin/base/bytes.hpp"

#include "check.hpp"

using namespace tocsin;

namespace {

constexpr std::uint8_t kDigits[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
static_assert(Bytes(kDigits).drop(3).first(2).size() == 2);
static_assert(Bytes(kDigits).drop(3)[0] == 3);
static_assert(!std::is_convertible_v<Bytes, MutBytes>);
static_assert(std::is_convertible_v<MutBytes, Bytes>);

TEST(span_by_default_is_empty) {
  CHECK(Bytes{}.empty());
  CHECK_EQ(Bytes{}.size(), 0);
  CHECK(Bytes{}.begin() == Bytes{}.end());
}

TEST(span_first_and_drop_inside_give_the_parts) {
  const Bytes all{kDigits};
  CHECK_EQ(all.first(4).size(), 4);
  CHECK_EQ(all.drop(4).size(), 6);
  CHECK_EQ(all.drop(4)[0], 4);
  CHECK_EQ(all.first(0).size(), 0);
}

TEST(span_first_and_drop_beyond_the_end_stay_inside) {
  const Bytes all{kDigits};
  CHECK_EQ(all.first(11).size(), 10);
  CHECK_EQ(all.first(SIZE_MAX).size(), 10);
  CHECK(all.drop(10).empty());
  CHECK(all.drop(SIZE_MAX).empty());
  CHECK(all.drop(SIZE_MAX).data() == all.end());
}

TEST(span_index_outside_is_the_programmers_fault) {
  const Bytes all{kDigits};
  CHECK_PANICS(static_cast<void>(all[10]));
  CHECK_PANICS(static_cast<void>(Bytes{}[0]));
}

TEST(span_in_a_loop_gives_every_byte) {
  int sum = 0;
  for (const std::uint8_t b : Bytes{kDigits}) sum += b;
  CHECK_EQ(sum, 45);
}

TEST(text_as_bytes_and_back_is_the_same_memory) {
  const std::string_view text = "abc";
  CHECK(as_text(as_bytes(text)).data() == text.data());
  CHECK_TEXT(as_text(as_bytes(text)), "abc");
}

TEST(copy_puts_bytes_at_the_front_and_leaves_the_rest) {
  std::uint8_t into[4] = {9, 9, 9, 9};
  copy(MutBytes(into), Bytes(kDigits).first(2));
  const std::uint8_t want[] = {0, 1, 9, 9};
  CHECK_BYTES(Bytes(into), Bytes(want));
  copy(MutBytes{}, Bytes{});
}

TEST(copy_of_more_than_fits_is_the_programmers_fault) {
  std::uint8_t into[4] = {};
  CHECK_PANICS(copy(MutBytes(into), Bytes(kDigits)));
}

TEST(same_compares_length_and_bytes) {
  CHECK(same(Bytes{}, Bytes{}));
  CHECK(same(as_bytes("abc"), as_bytes("abc")));
  CHECK(!same(as_bytes("abc"), as_bytes("abd")));
  CHECK(!same(as_bytes("abc"), as_bytes("ab")));
  CHECK(!same(as_bytes("a"), Bytes{}));
}

TEST(numbers_are_little_endian_at_any_address) {
  std::uint8_t memory[16] = {};
  for (std::size_t at = 0; at < 8; ++at) {
    store64(memory + at, 0xF1E2D3C4B5A69788U);
    CHECK_EQ(memory[at], 0x88);
    CHECK_EQ(memory[at + 7], 0xF1);
    CHECK_EQ(load64(memory + at), 0xF1E2D3C4B5A69788U);
    CHECK_EQ(load32(memory + at), 0xB5A69788U);
    CHECK_EQ(load16(memory + at), 0x9788);
  }
  store32(memory, 0x80000001U);
  CHECK_EQ(load32(memory), 0x80000001U);
  store16(memory, 0xFFFE);
  CHECK_EQ(load16(memory), 0xFFFE);
}

}  // namespace

// SPDX-License-Identifier: MIT
#include "check.hpp"
#include "port/linux/pool.hpp"

#include <map>
#include <random>

using namespace tocsin;

namespace {

constexpr std::size_t kSize = 4096, kHead = 8;
alignas(8) std::uint8_t buffer[kSize];

Pool fresh(std::size_t size = kSize) {
  std::memset(buffer, 0, sizeof buffer);
  Pool pool;
  pool.use(MutBytes{buffer}.first(size));
  return pool;
}

bool is_zero(const void* piece, std::size_t size) {
  const auto* bytes = static_cast<const std::uint8_t*>(piece);
  for (std::size_t at = 0; at < size; ++at)
    if (bytes[at] != 0) return false;
  return true;
}

}  // namespace

TEST(pool_of_nothing_has_nothing) {
  Pool pool;
  CHECK(pool.take(1, 1) == nullptr);
  CHECK(pool.take(1, 0) == nullptr);
  CHECK_EQ(pool.refused(), 2);
  pool.give_back(nullptr);
  CHECK_EQ(pool.size(), 0);
}

TEST(pool_is_used_up_to_the_last_byte) {
  Pool pool = fresh(64);
  void* const whole = pool.take(7, 8);
  CHECK(whole == buffer + kHead);
  CHECK_EQ(pool.peak(), 64);
  CHECK(pool.take(1, 1) == nullptr);
  pool.give_back(whole);
  CHECK_EQ(pool.used(), 0);
  CHECK(pool.take(1, 57) == nullptr);
  CHECK_EQ(pool.refused(), 2);
  CHECK(pool.take(1, 49) == whole);  // 56 in all
}

TEST(pool_refuses_a_product_that_does_not_fit_a_number) {
  Pool pool = fresh();
  CHECK(pool.take(SIZE_MAX / 2, 3) == nullptr);
  CHECK(pool.take(SIZE_MAX, 1) == nullptr);
  CHECK(pool.take(1, SIZE_MAX - 6) == nullptr);
  CHECK_EQ(pool.refused(), 3);
  CHECK_EQ(pool.peak(), 0);
}

TEST(pool_gives_the_first_piece_that_is_large_enough_and_puts_neighbours_together) {
  Pool pool = fresh();
  void* pieces[6];
  for (void*& piece : pieces) piece = pool.take(1, 40);
  pool.give_back(pieces[1]);
  pool.give_back(pieces[3]);
  CHECK(pool.take(1, 48) > pieces[5]);     // none of the two
  CHECK(pool.take(1, 16) == pieces[1]);    // and 16 are left behind it
  pool.give_back(pieces[2]);
  void* const merged = pool.take(1, 16 + 40 + 40 + 2 * kHead);
  CHECK(merged == static_cast<std::uint8_t*>(pieces[1]) + 16 + kHead);
  CHECK_EQ(pool.used(), 7 * kHead + 40 + 16 + 112 + 40 + 40 + 48 - kHead);
}

TEST(pool_never_touches_what_nobody_needed) {
  Pool pool = fresh();
  void* const large = pool.take(1, 2000);
  CHECK(is_zero(large, 2000));
  std::memset(large, 0xEE, 100);
  pool.give_back(large);
  CHECK_EQ(pool.peak(), 2008);
  std::memset(buffer + 2008, 0x11, kSize - 2008);  // who zeroed it would be seen
  void* const larger = pool.take(1, 2400);
  CHECK(is_zero(larger, 2000));
  CHECK_EQ(static_cast<std::uint8_t*>(larger)[2000], 0x11);
}

// Against a model that knows what was given: nothing overlaps, all is zero, and it comes back whole.
TEST(pool_of_random_lives_gives_nothing_twice) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    check::at("seed %u", seed);
    std::mt19937 random{seed};
    Pool pool = fresh();
    struct Piece {
      std::size_t size;
      std::uint8_t mark;
    };
    std::map<std::uint8_t*, Piece> model;
    std::size_t most = 0;
    for (unsigned step = 0; step < 400; ++step) {
      if (model.empty() || random() % 5 < 3) {
        const std::size_t size = random() % (random() % 4 == 0 ? 700 : 60);
        auto* const piece = static_cast<std::uint8_t*>(pool.take(size > 0 ? 1 : 0, size));
        if (piece == nullptr) continue;
        CHECK(is_zero(piece, size));
        CHECK(reinterpret_cast<std::uintptr_t>(piece) % 8 == 0);
        CHECK(piece >= buffer + kHead && piece + size <= buffer + kSize);
        const auto above = model.lower_bound(piece);
        CHECK(above == model.end() || piece + size + kHead <= above->first);
        CHECK(above == model.begin() || std::prev(above)->first + std::prev(above)->second.size + kHead <= piece);
        const auto mark = static_cast<std::uint8_t>(random());
        std::memset(piece, mark, size);
        model[piece] = {size, mark};
      } else {
        auto one = model.begin();
        std::advance(one, static_cast<int>(random() % model.size()));
        for (std::size_t at = 0; at < one->second.size; ++at) CHECK_EQ(one->first[at], one->second.mark);
        pool.give_back(one->first);
        model.erase(one);
      }
      if (!model.empty()) {
        const auto& [piece, last] = *std::prev(model.end());
        most = std::max(most, static_cast<std::size_t>(piece - buffer) + last.size);
      }
      CHECK(pool.peak() >= most);
    }
    for (const auto& [piece, size] : model) pool.give_back(piece);
    CHECK_EQ(pool.used(), 0);
    void* const all = pool.take(1, kSize - kHead);
    CHECK(all == buffer + kHead);
    CHECK(is_zero(all, kSize - kHead));
  }
}

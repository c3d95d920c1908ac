// SPDX-License-Identifier: MIT
#include "tocsin/base/arena.hpp"

#include "check.hpp"
#include "fakes/guard_page.hpp"

using namespace tocsin;

namespace {

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % alignof(std::max_align_t) == 0; }

TEST(arena_pieces_are_aligned_apart_and_inside) {
  GuardPage guard(4096);
  for (std::size_t shift = 0; shift < 16; ++shift) {
    check::at("shift=%zu", shift);
    const MutBytes memory = guard.last(1000 + shift);
    Arena arena(memory);
    std::uint8_t* before = memory.data();
    for (std::size_t size = 1; size < 30; ++size) {
      auto* piece = static_cast<std::uint8_t*>(arena.take(size));
      CHECK(piece != nullptr);
      CHECK(aligned(piece));
      CHECK(piece >= before);
      std::memset(piece, 0xAB, size);
      before = piece + size;
      CHECK(before <= memory.end());
    }
  }
}

TEST(arena_that_is_full_gives_nothing_and_keeps_what_it_gave) {
  alignas(16) std::uint8_t memory[64];
  Arena arena{MutBytes(memory)};
  CHECK(arena.take(64) != nullptr);
  CHECK_EQ(arena.used(), 64);
  CHECK(arena.take(1) == nullptr);
  CHECK_EQ(arena.used(), 64);
}

TEST(arena_asked_for_too_much_can_still_give_less) {
  alignas(16) std::uint8_t memory[64];
  Arena arena{MutBytes(memory)};
  CHECK(arena.take(65) == nullptr);
  CHECK(arena.take(SIZE_MAX) == nullptr);
  CHECK(arena.take(SIZE_MAX - 15) == nullptr);
  CHECK(arena.take(10) != nullptr);
  CHECK(arena.take(48) != nullptr);
  CHECK(arena.take(1) == nullptr);
}

TEST(arena_after_reset_gives_the_same_memory_again) {
  alignas(16) std::uint8_t memory[64];
  Arena arena{MutBytes(memory)};
  void* first = arena.take(40);
  arena.reset();
  CHECK_EQ(arena.used(), 0);
  CHECK(arena.take(8) == first);
}

TEST(arena_peak_is_the_most_that_was_in_use) {
  alignas(16) std::uint8_t memory[64];
  Arena arena{MutBytes(memory)};
  CHECK(arena.take(40) != nullptr);
  arena.reset();
  CHECK(arena.take(8) != nullptr);
  CHECK_EQ(arena.peak(), 40);
  CHECK_EQ(arena.used(), 8);
}

TEST(arena_without_memory_gives_nothing) {
  Arena arena{MutBytes{}};
  CHECK(arena.take(1) == nullptr);
}

}  // namespace

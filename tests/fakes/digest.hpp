// SPDX-License-Identifier: MIT
// 128 bits of everything that was put in: two things with equal digests are taken for the same. The way of
// MurmurHash3: sixteen bytes a step, no help of the processor. Among 2^27 things two different ones share a
// digest by chance once in 2^75 runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fakes {

struct Digest {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Digest& other) const { return low == other.low && high == other.high; }
  bool nothing() const { return (low | high) == 0; }
};

class Digester {
 public:
  // Two words count as a pair: put(a, b) is not put(b, a).
  void put(std::uint64_t a, std::uint64_t b) {
    a_ ^= turned(a * kOne, 31) * kTwo;
    a_ = (turned(a_, 27) + b_) * 5 + 0x52DCE729;
    b_ ^= turned(b * kTwo, 33) * kOne;
    b_ = (turned(b_, 31) + a_) * 5 + 0x38495AB5;
    ++pairs_;
  }
  void put(const Digest& digest) { put(digest.low, digest.high); }
  // With their number, so that it is clear where they end.
  void put(const std::uint8_t* bytes, std::size_t n) {
    put(n, 0);
    for (; n > 0; bytes += n < 16 ? n : 16, n -= n < 16 ? n : 16) {
      std::uint64_t pair[2] = {};
      std::memcpy(pair, bytes, n < 16 ? n : 16);
      put(pair[0], pair[1]);
    }
  }
  Digest done() const {
    std::uint64_t a = a_ ^ pairs_, b = b_ ^ pairs_;
    a += b, b += a;
    a = scattered(a), b = scattered(b);
    a += b, b += a;
    return {a, b};
  }

 private:
  static constexpr std::uint64_t kOne = 0x87C37B91114253D5U, kTwo = 0x4CF5AD432745937FU;
  static std::uint64_t turned(std::uint64_t word, unsigned by) { return word << by | word >> (64 - by); }
  static std::uint64_t scattered(std::uint64_t word) {
    word = (word ^ word >> 33) * 0xFF51AFD7ED558CCDU;
    word = (word ^ word >> 33) * 0xC4CEB9FE1A85EC53U;
    return word ^ word >> 33;
  }
  std::uint64_t a_ = 0, b_ = 0, pairs_ = 0;
};

}  // namespace fakes

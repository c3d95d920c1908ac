// SPDX-License-Identifier: MIT
// Memory for a library that insists on malloc: hands out pieces of a caller's buffer, takes all of
// them back at once. Used for cJSON: an answer is parsed, judged, and the arena is reset.
//
// Memory: none of its own. Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tocsin/base/bytes.hpp"

namespace tocsin {

class Arena {
 public:
  explicit Arena(MutBytes memory) : memory_(memory) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `size` bytes, aligned for any type, or nullptr when they do not fit. Nothing is ever reused
  // before reset().
  void* take(std::size_t size);
  void reset() { used_ = 0; }

  std::size_t used() const { return used_; }
  std::size_t peak() const { return peak_; }  // most that was ever in use, bytes

 private:
  MutBytes memory_;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace tocsin

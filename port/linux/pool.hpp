// SPDX-License-Identifier: MIT
// Pieces of a buffer, for a library that wants a calloc and a free.
//
// Given is the first piece that is large enough, from the low end. The buffer is touched as far up as it was ever
// needed, and no further: what nobody has had yet is zero by itself.
//
// Memory: the object, 48 bytes, and 8 bytes before each piece. Threads: none.
#pragma once

#include "tocsin/base/bytes.hpp"

namespace tocsin {

class Pool {
 public:
  constexpr Pool() = default;  // of nothing

  // Begins anew with this buffer: all zeros, aligned to 8 bytes, less than 2 GiB.
  void use(MutBytes memory);

  // Zeros, aligned to 8 bytes; nullptr when they do not fit.
  void* take(std::size_t count, std::size_t each);
  void give_back(void* piece);  // or nullptr

  bool has(const void* piece) const {
    return size_ != 0 && reinterpret_cast<std::uintptr_t>(piece) - reinterpret_cast<std::uintptr_t>(base_) < size_;
  }
  std::size_t size() const { return size_; }
  std::size_t used() const { return used_; }
  std::size_t peak() const { return peak_; }            // how far up it was ever used: no less would have been enough
  std::uint32_t refused() const { return refused_; }  // times that something did not fit

 private:
  // What precedes each piece. Of those that are free no two lie side by side, and none is the last.
  struct Head {
    std::uint32_t size = 0;    // of the piece, a multiple of 8; one more when it is taken
    std::uint32_t before = 0;  // size of the piece before it, 0 for the first
    bool is_free() const { return size % 2 == 0; }
    std::uint32_t bytes() const { return size & ~1U; }
  };

  Head head_at(std::uint32_t at) const;
  void put(std::uint32_t at, Head head);
  void put_free(std::uint32_t at, std::uint32_t size, std::uint32_t before);
  void* give(std::uint32_t at, std::uint32_t size, std::uint32_t before);
  void* give_last(std::uint32_t size);

  std::uint8_t* base_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t end_ = 0;     // what lies above belongs to nobody
  std::uint32_t last_ = 0;    // size of the last piece
  std::uint32_t lowest_ = 0;  // no piece below is free
  std::uint32_t used_ = 0, peak_ = 0, refused_ = 0;
};

}  // namespace tocsin

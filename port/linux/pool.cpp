// SPDX-License-Identifier: MIT
#include "port/linux/pool.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kHead = 8, kUnit = 8, kTaken = 1;

}  // namespace

void Pool::use(MutBytes memory) {
  *this = Pool{};
  base_ = memory.data();
  size_ = static_cast<std::uint32_t>(memory.size());
}

Pool::Head Pool::head_at(std::uint32_t at) const {
  static_assert(sizeof(Head) == kHead);
  Head head;
  std::memcpy(&head, base_ + at, kHead);
  return head;
}

void Pool::put(std::uint32_t at, Head head) { std::memcpy(base_ + at, &head, kHead); }

void Pool::put_free(std::uint32_t at, std::uint32_t size, std::uint32_t before) {
  put(at, {size, before});
  const std::uint32_t next = at + kHead + size;
  put(next, {head_at(next).size, size});
}

void* Pool::give(std::uint32_t at, std::uint32_t size, std::uint32_t before) {
  put(at, {size | kTaken, before});
  used_ += kHead + size;
  return base_ + at + kHead;
}

// At the upper end; from the peak on all is zero as it was.
void* Pool::give_last(std::uint32_t size) {
  if (size > size_ - end_ || kHead > size_ - end_ - size) {
    ++refused_;
    return nullptr;
  }
  void* const piece = give(end_, size, last_);
  const std::uint32_t first = end_ + kHead;
  end_ = first + size;
  last_ = size;
  if (first < peak_) std::memset(piece, 0, end_ < peak_ ? size : peak_ - first);
  if (end_ > peak_) peak_ = end_;
  return piece;
}

void* Pool::take(std::size_t count, std::size_t each) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, each, &bytes) || bytes > size_) {
    ++refused_;
    return nullptr;
  }
  const std::uint32_t size = bytes == 0 ? kUnit : (static_cast<std::uint32_t>(bytes) + kUnit - 1) & ~(kUnit - 1);
  std::uint32_t first_free = end_;
  for (std::uint32_t at = lowest_; at < end_;) {
    const Head head = head_at(at);
    if (head.is_free()) {
      if (first_free == end_) first_free = at;
      if (head.size >= size) {
        lowest_ = first_free;
        const bool whole = head.size - size < kHead + kUnit;
        if (!whole) put_free(at + kHead + size, head.size - size - kHead, size);
        return std::memset(give(at, whole ? head.size : size, head.before), 0, size);
      }
    }
    at += kHead + head.bytes();
  }
  lowest_ = first_free;
  return give_last(size);
}

void Pool::give_back(void* piece) {
  if (piece == nullptr) return;
  std::uint32_t at = static_cast<std::uint32_t>(static_cast<std::uint8_t*>(piece) - base_) - kHead;
  Head head = head_at(at);
  TOCSIN_ASSERT(at < end_ && !head.is_free());
  std::uint32_t next = at + kHead + head.bytes();
  used_ -= next - at;
  if (next < end_ && head_at(next).is_free()) next += kHead + head_at(next).size;
  if (head.before != 0 && head_at(at - kHead - head.before).is_free()) {
    at -= kHead + head.before;
    head = head_at(at);
  }
  if (at < lowest_) lowest_ = at;
  if (next == end_) {
    end_ = at;
    last_ = head.before;
  } else {
    put_free(at, next - at - kHead, head.before);
  }
}

}  // namespace tocsin

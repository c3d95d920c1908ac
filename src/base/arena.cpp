// SPDX-License-Identifier: MIT
#include "tocsin/base/arena.hpp"

namespace tocsin {

void* Arena::take(std::size_t size) {
  constexpr std::size_t kAlign = alignof(std::max_align_t);
  const std::size_t pad = -(reinterpret_cast<std::uintptr_t>(memory_.data()) + used_) % kAlign;
  if (pad > memory_.size() - used_ || size > memory_.size() - used_ - pad) return nullptr;
  void* piece = memory_.data() + used_ + pad;
  used_ += pad + size;
  if (used_ > peak_) peak_ = used_;
  return piece;
}

}  // namespace tocsin

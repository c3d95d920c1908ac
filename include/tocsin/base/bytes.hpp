// SPDX-License-Identifier: MIT
// Views of memory: a pointer and a length that never travel separately. Nothing is owned.
//
// A view never outlives the call it was passed to, unless the callee's comment says whose buffer it
// points into and until when. first(n) and drop(n) clamp, so they cannot leave the view.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "tocsin/base/assert.hpp"

namespace tocsin {

template <typename T>
class Span {
 public:
  constexpr Span() = default;
  constexpr Span(T* data, std::size_t size) : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr Span(T (&array)[N]) : data_(array), size_(N) {}
  template <typename U, typename = std::enable_if_t<std::is_same_v<const U, T>>>
  constexpr Span(Span<U> other) : data_(other.data()), size_(other.size()) {}

  constexpr T* data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size_; }
  constexpr T& operator[](std::size_t at) const {
    TOCSIN_ASSERT(at < size_);
    return data_[at];
  }

  constexpr Span first(std::size_t n) const { return {data_, n < size_ ? n : size_}; }
  constexpr Span drop(std::size_t n) const {
    return n < size_ ? Span{data_ + n, size_ - n} : Span{data_ + size_, 0};
  }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

using Bytes = Span<const std::uint8_t>;
using MutBytes = Span<std::uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Copies `from` to the front of `into`, which must be large enough.
inline void copy(MutBytes into, Bytes from) {
  TOCSIN_ASSERT(from.size() <= into.size());
  if (!from.empty()) std::memcpy(into.data(), from.data(), from.size());
}

inline bool same(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Little-endian numbers at any address, on any machine.
inline std::uint16_t load16(const std::uint8_t* p) { return static_cast<std::uint16_t>(p[0] | p[1] << 8); }
inline std::uint32_t load32(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(p[0]) | static_cast<std::uint32_t>(p[1]) << 8 |
         static_cast<std::uint32_t>(p[2]) << 16 | static_cast<std::uint32_t>(p[3]) << 24;
}
inline std::uint64_t load64(const std::uint8_t* p) {
  return load32(p) | static_cast<std::uint64_t>(load32(p + 4)) << 32;
}
inline void store16(std::uint8_t* p, std::uint16_t v) {
  p[0] = static_cast<std::uint8_t>(v);
  p[1] = static_cast<std::uint8_t>(v >> 8);
}
inline void store32(std::uint8_t* p, std::uint32_t v) {
  store16(p, static_cast<std::uint16_t>(v));
  store16(p + 2, static_cast<std::uint16_t>(v >> 16));
}
inline void store64(std::uint8_t* p, std::uint64_t v) {
  store32(p, static_cast<std::uint32_t>(v));
  store32(p + 4, static_cast<std::uint32_t>(v >> 32));
}

}  // namespace tocsin

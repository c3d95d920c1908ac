// SPDX-License-Identifier: MIT
// Memory that ends at pages nobody may touch: one byte read or written too far stops the test.
//
//   GuardPage guard(4096);
//   MutBytes input = guard.last(7);   // the byte behind it is out of bounds
//   guard.open();                     // now it is not: more came
//
// Memory: mapped, given back by the destructor. The guard is `guard_bytes` long.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include "tocsin/base/bytes.hpp"

namespace tocsin {

class GuardPage {
 public:
  explicit GuardPage(std::size_t bytes, std::size_t guard_bytes = 1)
      : size_(whole_pages(bytes)), mapped_(size_ + whole_pages(guard_bytes)) {
    void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TOCSIN_ASSERT(memory != MAP_FAILED);
    memory_ = static_cast<std::uint8_t*>(memory);
    shut();
  }
  GuardPage(const GuardPage&) = delete;
  GuardPage& operator=(const GuardPage&) = delete;
  ~GuardPage() { munmap(memory_, mapped_); }

  std::size_t size() const { return size_; }
  // The last n bytes before the guard.
  MutBytes last(std::size_t n) {
    TOCSIN_ASSERT(n <= size_);
    return {memory_ + size_ - n, n};
  }
  // A copy of `from` that ends at the guard.
  Bytes put(Bytes from) {
    const MutBytes place = last(from.size());
    copy(place, from);
    return place;
  }
  std::string_view put(std::string_view from) { return as_text(put(as_bytes(from))); }

  // What lies behind may be touched, until shut().
  void open() { protect(PROT_READ | PROT_WRITE); }
  void shut() { protect(PROT_NONE); }

 private:
  static std::size_t whole_pages(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
  }
  void protect(int how) { TOCSIN_ASSERT(mprotect(memory_ + size_, mapped_ - size_, how) == 0); }

  std::size_t size_;
  std::size_t mapped_;
  std::uint8_t* memory_;
};

}  // namespace tocsin

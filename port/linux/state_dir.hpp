// SPDX-License-Identifier: MIT
// The state directory and its lock. Who holds STATE/lock owns the queue.
//
// Memory: the object. Threads: the loop.
#pragma once

#include "port/linux/system.hpp"

namespace tocsin {

enum class IfAbsent : std::uint8_t { make, fail };

class StateDir {
 public:
  // Opens the directory; makes its last component with mode 0700 and syncs the parent when `absent`
  // says so. Errors: not_found (with IfAbsent::fail), io.
  Status open(std::string_view path, IfAbsent absent);

  // Takes STATE/lock without waiting; it is held until unlock() or the end of the process, and child
  // programs do not inherit it. Errors: busy (holder() says who), io.
  Status lock();
  void unlock();
  bool is_locked() const { return lock_.is_open(); }

  // Process id that the last lock() which met `busy` found in the file; 0 when none was readable.
  std::uint32_t holder() const { return holder_; }

  int fd() const { return dir_.number(); }  // for openat(2); -1 before open()

 private:
  Fd dir_;
  Fd lock_;
  std::uint32_t holder_ = 0;
};

}  // namespace tocsin

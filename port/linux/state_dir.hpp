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

  // Takes STATE/lock, and the directory as well, without waiting; both are held until unlock() or the end of
  // the process, and child programs do not inherit it. Writes nothing, unless the file is not there yet: it
  // must not wait for a medium that hangs. Errors: busy (holder() says who), io.
  Status lock();
  void unlock();
  void close();

  // For another object that stands for the same path later: what it shares with `held` - the directory itself, the
  // lock - stays locked, what is another one by now is locked as lock() does. `held` goes on as it was; it may
  // become() this one then, and keeps its file descriptor's number. Errors: as lock().
  Status lock_beside(const StateDir& held);
  void become(StateDir& next);
  bool is_locked() const { return lock_.is_open(); }

  // The process that held it when the last lock() met `busy`; 0 when the kernel does not say (proc(5),
  // locks).
  std::uint32_t holder() const { return holder_; }

  int fd() const { return dir_.number(); }  // for openat(2); -1 before open()

 private:
  Status open_lock_file(Fd& into);

  Fd dir_;
  Fd lock_;
  std::uint32_t holder_ = 0;
};

}  // namespace tocsin

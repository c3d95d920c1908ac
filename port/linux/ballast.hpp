// SPDX-License-Identifier: MIT
// Room that is kept for the queue: STATE/ballast, given up when a write finds none.
//
// UBIFS and JFFS2 write everything to another place, and compress: a file full of zeros takes next to nothing
// there, and to write over it needs room on the flash. On a full medium the queue could not even note that
// a message was sent. The ballast holds bytes that do not compress.
//
// Memory: the object. Threads: the loop begins it; the file is written and removed by the storage worker, in
// which the stores run as well.
#pragma once

#include <atomic>

#include "port/linux/storage_worker.hpp"

namespace tocsin {

// Whether to write over a file in this directory needs room: it is on UBIFS or JFFS2, or on an overlay over one.
bool needs_ballast(int dir_fd);

class Ballast final : private StorageJob {
 public:
  explicit Ballast(StorageWorker& worker) : StorageJob(worker, carry_out) {}

  // Where it lies and how large it is to be; before a store may give it up.
  void open(int dir_fd, std::uint32_t bytes);
  // Begins to make it, where it is not there in its size and three times as much is free. Nothing is told of
  // a failure. Not while it is under way: poll().
  void make() { begin(); }
  bool poll();  // true: nothing is under way
  bool was_given_up() { return given_up_.exchange(false); }  // since this was asked last

  // In the worker, by a store that found no room. Whether there may be some now.
  bool give_up();

 private:
  static Status carry_out(StorageJob& self);
  Status write() const;
  bool remove() const;

  int dir_fd_ = -1;
  std::uint32_t bytes_ = 0;
  std::atomic<bool> given_up_{false};
};

}  // namespace tocsin

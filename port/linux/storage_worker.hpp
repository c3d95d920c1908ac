// SPDX-License-Identifier: MIT
// The one thread that writes to the medium, so that nobody else waits for it: an eMMC stalls for
// seconds, a sick one for ever. Serves any number of FileStores, one job of each, in the order of
// their begin().
//
// A job that hangs in the kernel hangs this thread and every job behind it; the loop goes on, and the
// program ends through _exit, which does not wait for the thread.
//
// Memory: the object, 64 KiB of stack of which a few KiB are touched. No heap. The object and every
// store with an unfinished job must live until the program ends: the thread never stops.
// Threads: start(), handle() and wait() belong to the loop.
#pragma once

#include <pthread.h>

#include "tocsin/base/time.hpp"

namespace tocsin {

class FileStore;

class StorageWorker {
 public:
  StorageWorker() = default;
  StorageWorker(const StorageWorker&) = delete;
  StorageWorker& operator=(const StorageWorker&) = delete;

  // Starts the thread, with every signal blocked in it. Once. After Resolver::start(), since a forked
  // process has no threads. Errors: io.
  Status start();

  // Readable as long as a finished job's outcome waits for its FileStore::poll(). -1 before start().
  int handle() const { return handle_; }

  // Waits until handle() is readable: for commands and tests, never for the loop. Errors: timeout, io.
  Status wait(Millis most);

 private:
  friend class FileStore;

  static void* run(void* self);
  [[noreturn]] void serve();
  void add(FileStore& store);
  Status outcome_of(FileStore& store);

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;  // guards the list and the state of its stores
  pthread_cond_t work_ = PTHREAD_COND_INITIALIZER;
  FileStore* first_ = nullptr;
  FileStore* last_ = nullptr;
  int handle_ = -1;
};

}  // namespace tocsin

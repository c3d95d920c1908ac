// SPDX-License-Identifier: MIT
// Files in a directory of the test program, and the worker that serves them.
#pragma once

#include <fcntl.h>

#include "check.hpp"
#include "port/linux/file_store.hpp"
#include "port/scratch.hpp"

namespace store_bench {

using namespace tocsin;

// Lives to the end of the program, as its header asks.
inline StorageWorker& worker() {
  static StorageWorker worker;
  if (worker.handle() < 0) CHECK_OK(worker.start());
  return worker;
}

inline int folder_fd() {
  static const int fd = ::open(scratch::folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd;
}

inline Status outcome(FileStore& store) {
  for (;;) {
    const Status status = store.poll();
    if (status.code() != Code::again) return status;
    CHECK_OK(worker().wait(seconds(60)));
  }
}

}  // namespace store_bench

// SPDX-License-Identifier: MIT
// The one thread that writes to the medium, so that nobody else waits for it: an eMMC stalls for
// seconds, a sick one for ever. Serves any number of jobs in the order in which they were begun.
//
// A job that hangs in the kernel hangs this thread and every job behind it; the loop goes on, and the
// program ends through _exit, which does not wait for the thread.
//
// Memory: the object, 64 KiB of stack of which a few KiB are touched. No heap. The object and every
// unfinished job must live until the program ends: the thread never stops.
// Threads: start(), handle() and wait() belong to the loop.
#pragma once

#include <semaphore.h>

#include <atomic>

#include "tocsin/base/status.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

class StorageWorker;

// Something that the worker does: a write and a sync, a file that is made. It is begun again and again, never
// while it is under way.
class StorageJob {
 public:
  StorageJob(const StorageJob&) = delete;
  StorageJob& operator=(const StorageJob&) = delete;

 protected:
  // What is done, in the worker's thread. Until it has returned the loop leaves alone what it uses.
  using CarryOut = Status (*)(StorageJob& self);
  StorageJob(StorageWorker& worker, CarryOut carry_out) : worker_(worker), carry_out_(carry_out) {}
  ~StorageJob() = default;

  void begin();      // asserted: not under way, and its last outcome was told
  Status outcome();  // what it came to, told once; again (not done yet); empty (not begun)

 private:
  friend class StorageWorker;
  enum class Job : std::uint8_t { none, waiting, done };

  StorageWorker& worker_;
  const CarryOut carry_out_;
  std::atomic<Job> job_{Job::none};  // done: written by the worker, behind the outcome; else by the loop
  Status outcome_;
};

class StorageWorker {
 public:
  StorageWorker() = default;
  StorageWorker(const StorageWorker&) = delete;
  StorageWorker& operator=(const StorageWorker&) = delete;

  // Starts the thread, which blocks the signals that its starter blocks. Once. After Resolver::start(), since a forked
  // process has no threads. Errors: io.
  Status start();

  // Readable as long as a finished job's outcome was not told, from a moment after outcome() knows of it on. -1 before
  // start().
  int handle() const { return handle_; }

  // Waits until handle() is readable: for commands and tests, never for the loop. Errors: timeout, io.
  Status wait(Millis most);

 private:
  friend class StorageJob;

  static void* run(void* self);
  [[noreturn]] void serve();
  void add(StorageJob& job);
  Status outcome_of(StorageJob& job);

  static constexpr unsigned kMostJobs = 8;  // under way at a time; asserted
  StorageJob* begun_[kMostJobs] = {};       // in turn; handed over with work_
  sem_t work_;                              // counts those that the worker has not taken
  unsigned put_ = 0;                        // begun by the loop, which alone knows these two
  unsigned told_ = 0;
  unsigned taken_ = 0;                      // by the worker, which alone knows it
  int handle_ = -1;
};

}  // namespace tocsin

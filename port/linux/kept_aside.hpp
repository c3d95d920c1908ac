// SPDX-License-Identifier: MIT
// Damaged blocks of a queue, kept for a technician before the queue writes over them: STATE/damaged.0 to
// damaged.3, the newest in place of the oldest. They may hold texts and numbers, so they have an end, too.
//
//   64 bytes "tocsin: damaged blocks of a queue, kept at S s", S: how long the device had been on; then for
//   each block 64 bytes "queue.F slot N" and its 4,096 bytes. Lines are filled with blanks and end in a line feed.
//
// Memory: kMost blocks in place, touched only when there is damage. Threads: the loop; files are written and
// removed by the storage worker.
#pragma once

#include "port/linux/storage_worker.hpp"
#include "tocsin/base/bytes.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {

class KeptAside final : private StorageJob {
 public:
  static constexpr std::size_t kMost = 7;  // blocks of one file
  static constexpr unsigned kFiles = 4;

  explicit KeptAside(StorageWorker& worker) : StorageJob(worker, carry_out) {}

  // Room for one more block of `file`, at `slot`; empty: there is none, or a job is under way.
  MutBytes add(unsigned file, std::uint32_t slot);
  std::size_t count() const { return count_; }
  // Begins to write what was added. Nothing is told of a failure: the queue goes on without.
  void keep(int dir_fd, std::uint32_t on_s);
  // Begins to remove the files kept before; once more is asked for later while a job is under way.
  void forget(int dir_fd, std::uint32_t before_s);
  // Looks after the job. Call it when the worker's handle is readable.
  void poll();
  // Which of the files there are: bit 0 is damaged.0. As look() found them, or the last job left them.
  unsigned files() const { return files_; }
  void look(int dir_fd) { files_ = find(dir_fd); }
  static unsigned find(int dir_fd);
  static unsigned find_in(std::string_view directory);  // for who does not own the queue
  // "STATE/damaged.0, damaged.1".
  static void write_files(unsigned files, std::string_view directory, TextWriter& into);

 private:
  static Status carry_out(StorageJob& self);
  void remove_old() const;
  Status write() const;

  static constexpr std::size_t kLine = 64;
  int dir_fd_ = -1;
  bool busy_ = false;
  bool again_ = false;                // forget() was called meanwhile
  std::uint32_t on_s_ = 0;            // keep; 0: forget
  std::uint32_t forget_before_s_ = 0;
  std::uint32_t wanted_before_s_ = 0;
  std::size_t count_ = 0;
  unsigned files_ = 0, files_after_ = 0;  // the running job
  char bytes_[kLine + kMost * (kLine + kBlock)];
};

}  // namespace tocsin

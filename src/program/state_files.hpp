// SPDX-License-Identifier: MIT
// What the queue is kept in: the state directory, its lock, and two stores, which are files in it or the
// halves of `state_device`.
//
// A start takes them one after the other and waits for the medium. A daemon that had to begin without them
// tries again with begin(), beside its loop; one whose files were taken away under it, with begin_anew().
//
// Memory: about 1 KiB. Threads: the loop; between begin() and the end of poll()'s `again` the storage worker
// uses the object and the StateDir, and nobody else does; with begin_anew() the StateDir is only read.
#pragma once

#include "port/linux/file_store.hpp"
#include "port/linux/state_dir.hpp"
#include "src/program/config.hpp"
#include "src/program/queue_places.hpp"

namespace tocsin {

class StateFiles final : private StorageJob {
 public:
  StateFiles(StorageWorker& worker, StateDir& dir) : StorageJob(worker, carry_out), dir_(dir) {}
  ~StateFiles() { drop(); }

  // Each: io, busy (a lock), bad_value (a mistake of the configuration); why() has a line for a technician.
  Status open_directory(const DeviceConfig& device);
  Status lock(const DeviceConfig& device);  // without waiting
  // Under the lock; a device has one of its own besides. One that holds something else is refused and not changed; an
  // empty one is marked.
  Status open_stores(const DeviceConfig& device);

  // All three, and then every block is read once, so that finding the queue in them waits for nothing.
  void begin(const DeviceConfig& device);
  // Makes those of the two files in use, which are in `state`, anew in their place that are not there any more; the
  // directory, too, when it is gone or was renamed. What lies there by now, and is not all zeros, is left alone:
  // bad_value. After a success swap_directory() says whether the StateDir is another one now; has() says which.
  void begin_anew(const DeviceConfig& device, const FileStore& even, const FileStore& odd);
  Status poll();  // again; empty; ok; otherwise as above, and everything is closed again
  bool swap_directory();
  bool has(std::size_t which) const { return files_[which].fd >= 0; }

  // After a success: hands the files over.
  StoreFile take(std::size_t which);
  // A block could not be read, kLooks times in a row: the queue has to do without it.
  bool has_bad_blocks() const { return bad_blocks_; }
  static constexpr unsigned kLooks = 3;
  // What had to be done to the files, for the log; nothing when they were as they should be.
  void write_changes(TextWriter& into) const;

  std::string_view why() const { return why_.view(); }  // the last failure in words

 private:
  static Status carry_out(StorageJob& self);
  Status open_all();
  Status open_anew();
  Status not_locked(Status locked, const StateDir& dir);
  Status mark_device(const DeviceConfig& device);
  Status read_through();
  Status failed(Status status, const char* what, std::string_view path, const char* advice);
  void drop();  // closes what was not taken

  StateDir& dir_;
  StateDir next_dir_;
  const DeviceConfig* device_ = nullptr;
  const FileStore* in_use_[2] = {};  // nullptr: what begin() does
  StoreFile files_[2];
  StoreChanges changes_;
  bool bad_blocks_ = false;
  unsigned looks_ = 0;
  FixedText<400> why_;
};

// Whether this is the state of a medium, which may pass: full, read-only, failing, not mounted yet. Anything
// else is a mistake that somebody has to mend.
bool is_of_medium(Status failure);

// What lies on a state_device. Reads all of one that holds no queue. Errors: as read_store(), of its first and last
// blocks.
enum class DeviceHolds : std::uint8_t { nothing, a_queue, something_else };
Result<DeviceHolds> look_at_device(const StoreFile (&files)[2]);
// " holds something else and is not touched: ...", with the command that makes it empty.
void write_something_else(const StoreFile (&files)[2], std::string_view device, TextWriter& into);

}  // namespace tocsin

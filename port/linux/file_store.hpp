// SPDX-License-Identifier: MIT
// A Store in a file, on a block device or on bare flash. Reads happen in the caller, jobs in a StorageWorker.
//
// A file is written full of zeros once, when it is made, and never changes its size: a growing file costs a
// metadata commit for each record. Where the file system compresses, or writes everything to another place
// (UBIFS, JFFS2), that reserves nothing: there ballast.hpp keeps room.
//
// Memory: the object, about 350 bytes; 4 KiB of zeros, touched while a file is made. Threads: the loop.
#pragma once

#include <sys/stat.h>

#include "port/linux/ballast.hpp"
#include "port/linux/flash.hpp"
#include "port/linux/storage_worker.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/port.hpp"

namespace tocsin {

// An open file of a fixed size. Whoever holds it closes it, or gives it to a FileStore.
struct StoreFile {
  int fd = -1;
  std::uint32_t capacity = 0;  // bytes, a multiple of kBlock, at most kMaxBlocks of them
  std::uint64_t from = 0;      // where it begins: the second half of a device
  std::int32_t missing = 0;    // an errno: there is no file at all; zeros are read, and every job fails with it
  Flash flash = {};            // how it is written, when it is bare flash
  dev_t device = 0;            // where it lies, and which it is there, of one that was opened by its name
  ino_t inode = 0;
};

// What a FileStore does with its file, for one that is not in a store yet. Writes on bare flash are of one block.
// Each waits for the medium. Errors: io.
Status read_store(const StoreFile& file, std::uint32_t at, MutBytes into);
Status write_store(const StoreFile& file, std::uint32_t at, Bytes from);
Status sync_store(const StoreFile& file);

// Opens `name` in the directory for reading and writing, and makes it when it is not there: `bytes`
// (rounded down to kBlock) of zeros under another name, synced, renamed, directory synced, so that a
// power cut leaves none or a whole one. A file that exists keeps its size. Waits for the medium.
// Errors: io; corrupt (the file has less than one block); bad_value (`bytes` is less than one block).
struct Marks {
  std::string_view made;        // goes to the second block of a file that is made; none when empty
  std::string_view lengthened;  // to the last one of a file that was shorter than any queue, and is filled up
};
Result<StoreFile> open_store(int dir_fd, std::string_view name, std::uint32_t bytes, const Marks& marks = {});

// The same file for a reader that does not own the queue; never makes it.
// Errors: not_found, io, corrupt.
Result<StoreFile> open_store_to_read(int dir_fd, std::string_view name);

// Opens two files that take turns, and makes what is missing. Both get the same size: that of the longer
// one, or `bytes` each. Where there is no room for that, a file that has to be made gets half as much, again
// and again, down to kLeastStore, and one that is too short stays so. What has lost something that the
// other one tells of gets `mark`, as Marks says. Errors, nothing is open then: io, corrupt, bad_value as above.
inline constexpr std::uint32_t kLeastStore = 8 * kBlock;
struct StoreChanges {
  bool made[2] = {};        // it was not there
  bool lengthened[2] = {};  // it was shorter than the other one, or than any queue
  bool smaller = false;     // there was no room for what was asked for
};
Status open_stores(int dir_fd, const std::string_view (&names)[2], std::uint32_t bytes, std::string_view mark,
                   StoreFile (&into)[2], StoreChanges& changes);

// A partition, a plain file of a fixed size or bare flash as two stores: its first and its second half, 16 MiB of
// each at most. To write, it is locked (file_lock.hpp), which keeps out whoever opens it like this and nobody else;
// the lock ends when both stores are closed. A partition or a UBI volume is opened for this process alone besides:
// one that is mounted is io with EBUSY. Errors, nothing is open then: io; busy and bad_value, and `why` says who has
// it, or for what reason it cannot serve.
enum class Access : std::uint8_t { write, read };
Status open_store_device(std::string_view path, Access access, StoreFile (&into)[2], TextWriter& why);

class FileStore final : public Store, private StorageJob {
 public:
  static constexpr std::size_t kMaxWrites = kJobBlocks + 4;  // of one job

  explicit FileStore(StorageWorker& worker) : StorageJob(worker, carry_out) {}

  // Takes the file; close() gives it back to the system. Not while a job is under way (asserted).
  void open(StoreFile file);
  void close();
  // What is given up when a write finds no room; that write is tried once more then. Outlives the store.
  void may_give_up(Ballast* ballast) { ballast_ = ballast; }
  // Where others look for the file. A job that syncs fails with ENOENT when it is not there any more, or another
  // file is. Both outlive the store; empty: nobody asks.
  void must_stay_at(std::string_view directory, std::string_view name) {
    directory_ = directory;
    name_ = name;
  }

  std::uint32_t capacity() const override { return file_.capacity; }
  int fd() const { return file_.fd; }
  std::uint32_t erased_together() const override { return file_.flash.together; }
  Status read(std::uint32_t at, MutBytes into) override;
  // At most kMaxWrites (asserted). A write outside the capacity: nothing is written, io with ENOSPC.
  void begin(Span<const Write> writes, Sync sync) override;
  Status poll() override;

 private:
  static Status carry_out(StorageJob& self);
  Status write_and_sync() const;
  Status is_still_there() const;
  bool look_at_its_place(struct stat& into) const;

  StoreFile file_;
  Ballast* ballast_ = nullptr;
  std::string_view directory_, name_;
  Write writes_[kMaxWrites] = {};
  std::size_t n_writes_ = 0;
  Sync sync_ = Sync::no;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/file_store.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "port/linux/file_lock.hpp"
#include "port/linux/system.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kMaxCapacity = static_cast<std::uint32_t>(kMaxBlocks * kBlock);

constexpr unsigned kMtdBlockMajor = 31;

// Without time stamps of reading a frozen or read-only medium is not written to by a read. The kernel
// grants that to the owner of the file only.
int open_quietly(int dir_fd, const char* name, int flags) {
  flags |= O_CLOEXEC | O_NONBLOCK;  // what has this name may be anything: a pipe would wait for its other end
  const int fd = ::openat(dir_fd, name, flags | O_NOATIME);
  return fd >= 0 || errno != EPERM ? fd : ::openat(dir_fd, name, flags);
}

Status write_zeros(int fd, std::uint32_t bytes) {
  static std::uint8_t zeros[kBlock];  // not const: costs no byte of the program
  for (Bytes left; bytes > 0; bytes -= static_cast<std::uint32_t>(left.size())) {
    left = Bytes{zeros}.first(bytes < kBlock ? bytes : kBlock);
    TRY(write_whole(fd, left));
  }
  return ::fdatasync(fd) == 0 ? Status{} : last_error();
}

// A block of zeros with this at its front.
Status write_mark(int fd, off_t at, std::string_view mark) {
  alignas(8) std::uint8_t block[kBlock] = {};
  copy(MutBytes{block}, as_bytes(mark));
  if (::lseek(fd, at, SEEK_SET) < 0) return last_error();
  TRY(write_whole(fd, Bytes{block}));
  return ::fdatasync(fd) == 0 ? Status{} : last_error();
}

Status make_file(int dir_fd, const Path& name, std::uint32_t bytes, std::string_view mark) {
  char spelled[kMaxPath + 1];
  TextWriter temporary{spelled};
  temporary.text(name.view()).text(".new").character('\0');
  if (temporary.cut()) return {Code::io, ENAMETOOLONG};

  // What an earlier, interrupted making left is of no use, and may be a link.
  if (::unlinkat(dir_fd, spelled, 0) != 0 && errno != ENOENT) return last_error();
  const Fd file{::openat(dir_fd, spelled, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (!file.is_open()) return last_error();
  Status made = write_zeros(file.number(), bytes);
  if (made.ok() && !mark.empty()) made = write_mark(file.number(), static_cast<off_t>(kBlock), mark);
  if (made.ok() && ::renameat(dir_fd, spelled, dir_fd, name.c_str()) != 0) made = last_error();
  if (!made.ok()) {
    ::unlinkat(dir_fd, spelled, 0);  // gives the space back; the next making does it otherwise
    return made;
  }
  return ::fsync(dir_fd) == 0 ? Status{} : last_error();
}

// A file that was cut off by somebody, or is shorter than the other one, gets zeros behind what is left of it:
// what was lost is lost, but the device starts. It has its whole size only with the mark at its end, as the next start
// would not know it for one that was cut off. Where there is no room it is left as it was.
Status lengthen(int fd, off_t from, std::uint32_t to, std::string_view mark) {
  constexpr auto kSecond = static_cast<off_t>(kBlock);
  const off_t last = static_cast<off_t>(to) - static_cast<off_t>(kBlock);
  const off_t end = from < last ? from : last;
  if (::lseek(fd, end, SEEK_SET) < 0) return last_error();
  Status filled = write_zeros(fd, static_cast<std::uint32_t>(last - end));
  if (filled.ok() && from <= kSecond && last > kSecond) filled = write_mark(fd, kSecond, mark);
  if (filled.ok()) filled = write_mark(fd, last, mark);
  if (!filled.ok() && ::ftruncate(fd, from) != 0) return last_error();
  return filled;
}

// At its front, where whatever uses it begins.
bool holds_something(int dir_fd, std::string_view name) {
  const Fd file{open_quietly(dir_fd, Path{name}.c_str(), O_RDONLY)};
  std::uint8_t front[64] = {};
  if (!file.is_open() || !read_whole(file.number(), front).ok()) return false;
  for (const std::uint8_t byte : front)
    if (byte != 0) return true;
  return false;
}

bool is_no_room(Status status) {
  if (status.code() != Code::io) return false;
  return status.detail() == ENOSPC || status.detail() == EDQUOT || status.detail() == EFBIG;
}

Result<StoreFile> measured(Fd& file, const struct stat& about) {
  // A block device has its size at its end, but not in stat(2).
  const off_t end = S_ISREG(about.st_mode) ? about.st_size : ::lseek(file.number(), 0, SEEK_END);
  if (end < 0) return errno == ESPIPE ? Status{Code::corrupt} : last_error();
  StoreFile opened;
  opened.capacity = end > static_cast<off_t>(kMaxCapacity) ? kMaxCapacity : static_cast<std::uint32_t>(end);
  opened.capacity -= opened.capacity % static_cast<std::uint32_t>(kBlock);
  if (opened.capacity == 0) return Code::corrupt;
  opened.device = about.st_dev;
  opened.inode = about.st_ino;
  opened.fd = file.release();
  return opened;
}

Status into_halves(Fd& device, std::uint64_t half, StoreFile (&into)[2]) {
  const int second = ::fcntl(device.number(), F_DUPFD_CLOEXEC, 0);
  if (second < 0) return last_error();
  into[0].fd = device.release();
  into[1].fd = second;
  into[1].from = half;
  return {};
}

Status is_held(std::uint32_t holder, TextWriter& why) {
  why.text("it is held by ");
  write_holder(holder, why);
  why.text(": stop that first, or name another one here");
  return Code::busy;
}

// To write. Where another process has it for itself, that may have locked it, and then is known.
Status open_to_write(const Path& path, int flags, Fd& into, TextWriter& why) {
  into.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC | flags));
  if (into.is_open()) return {};
  const Status failure = last_error();
  struct stat about = {};
  if (failure.detail() != EBUSY || ::stat(path.c_str(), &about) != 0) return failure;
  const std::uint32_t holder = find_holder(about);
  return holder == 0 ? failure : is_held(holder, why);
}

// Before anybody looks at what lies there.
Status lock_device(const Fd& device, TextWriter& why) {
  std::uint32_t holder = 0;
  const Status locked = lock_file(device.number(), holder);
  return locked.code() == Code::busy ? is_held(holder, why) : locked;
}

constexpr std::uint32_t kLeastGroups = 4;  // of a half: a copy and the head leave one free for what comes

Status open_flash(const Path& path, Access access, StoreFile (&into)[2], TextWriter& why) {
  const bool writes = access == Access::write;
  Fd device;
  if (writes) TRY(open_to_write(path, O_NONBLOCK, device, why));
  if (!writes) device.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!device.is_open()) return last_error();
  TRY_LET(flash, look_at_flash(device.number(), writes ? FlashUse::write : FlashUse::read, why));
  if (writes) TRY(lock_device(device, why));
  const auto most = static_cast<std::uint32_t>((kMaxBlocks - 1) / flash.together + 1);
  const std::uint32_t groups = flash.groups / 2 < most ? flash.groups / 2 : most;
  if (groups < kLeastGroups || flash.blocks_in(groups) * kBlock < kLeastStore) {
    const std::uint32_t least = flash.together == 1 ? kLeastStore / kBlock : kLeastGroups;
    why.text("it has ").number(flash.groups).text(" erase blocks, and ").number(2 * least).text(" are the least");
    return Code::bad_value;
  }
  into[0] = into[1] = {};
  into[0].capacity = into[1].capacity = flash.blocks_in(groups) * kBlock;
  into[0].flash = into[1].flash = flash;
  return into_halves(device, std::uint64_t{groups} * flash.group_bytes, into);
}

bool is_same(const struct stat& about, dev_t device, ino_t inode) {
  return about.st_dev == device && about.st_ino == inode;
}

}  // namespace

Result<StoreFile> open_store(int dir_fd, std::string_view name, std::uint32_t bytes, const Marks& marks) {
  const Path path{name};
  bytes -= bytes % static_cast<std::uint32_t>(kBlock);
  if (bytes == 0 || bytes > kMaxCapacity) return Code::bad_value;
  Fd file{open_quietly(dir_fd, path.c_str(), O_RDWR)};
  if (!file.is_open() && errno == ENOENT) {
    TRY(make_file(dir_fd, path, bytes, marks.made));
    file.reset(open_quietly(dir_fd, path.c_str(), O_RDWR));
  }
  if (!file.is_open()) return last_error();
  struct stat about = {};
  if (::fstat(file.number(), &about) != 0) return last_error();
  if (S_ISREG(about.st_mode) && bytes >= kLeastStore && about.st_size < static_cast<off_t>(kLeastStore)) {
    TRY(lengthen(file.number(), about.st_size, bytes, marks.lengthened));
    about.st_size = static_cast<off_t>(bytes);
  }
  return measured(file, about);
}

Result<StoreFile> open_store_to_read(int dir_fd, std::string_view name) {
  Fd file{open_quietly(dir_fd, Path{name}.c_str(), O_RDONLY)};
  if (!file.is_open()) return errno == ENOENT ? Status{Code::not_found} : last_error();
  struct stat about = {};
  return ::fstat(file.number(), &about) == 0 ? measured(file, about) : last_error();
}

Status open_stores(int dir_fd, const std::string_view (&names)[2], std::uint32_t bytes, std::string_view mark,
                   StoreFile (&into)[2], StoreChanges& changes) {
  changes = {};
  off_t longest = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    struct stat about = {};
    changes.made[i] = ::fstatat(dir_fd, Path{names[i]}.c_str(), &about, 0) != 0;
    if (changes.made[i] && errno != ENOENT) return last_error();
    if (changes.made[i] || !S_ISREG(about.st_mode)) continue;
    changes.lengthened[i] = about.st_size < static_cast<off_t>(kLeastStore);  // open_store() does it
    if (about.st_size > longest) longest = about.st_size;
  }
  if (longest > static_cast<off_t>(kMaxCapacity)) longest = kMaxCapacity;
  if (longest >= static_cast<off_t>(kLeastStore)) bytes = static_cast<std::uint32_t>(longest);
  bytes -= bytes % static_cast<std::uint32_t>(kBlock);

  // A first start that was cut off leaves the first one without the second, and nothing in it.
  const bool was_used = changes.made[1] && !changes.made[0] && holds_something(dir_fd, names[0]);
  const Marks marks[2] = {{changes.made[1] ? std::string_view{} : mark, mark},
                          {was_used ? mark : std::string_view{}, mark}};
  const bool asked_anew = longest < static_cast<off_t>(kLeastStore);
  for (;;) {
    const auto even = open_store(dir_fd, names[0], bytes, marks[0]);
    const auto odd = even.ok() ? open_store(dir_fd, names[1], bytes, marks[1]) : even;
    if (odd.ok()) {
      into[0] = even.value();
      into[1] = odd.value();
      break;
    }
    if (even.ok()) ::close(even.value().fd);
    // Half of a pair that has never been used: it would keep the room that both of them need.
    if (even.ok() && changes.made[0]) ::unlinkat(dir_fd, Path{names[0]}.c_str(), 0);
    const std::uint32_t less = bytes / 2 - bytes / 2 % static_cast<std::uint32_t>(kBlock);
    if (!is_no_room(odd.status()) || less < kLeastStore) return odd.status();
    bytes = less;
    changes.smaller = true;
  }
  if (asked_anew) return {};
  for (std::size_t i = 0; i < 2; ++i) {
    struct stat about = {};
    if (into[i].capacity >= bytes || ::fstat(into[i].fd, &about) != 0 || !S_ISREG(about.st_mode)) continue;
    if (lengthen(into[i].fd, about.st_size, bytes, mark).ok()) {
      into[i].capacity = bytes;
      changes.lengthened[i] = true;
    } else {
      changes.smaller = true;  // what waits has to find room in the shorter one
    }
  }
  return {};
}

Status read_store(const StoreFile& file, std::uint32_t at, MutBytes into) {
  if (file.flash.kind != Flash::Kind::none) return read_flash(file.fd, file.flash, file.from, at, into);
  auto from = static_cast<off_t>(file.from + at);
  while (!into.empty()) {
    const ssize_t n = ::pread(file.fd, into.data(), into.size(), from);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) return {Code::io, EIO};  // somebody cut the file
    into = into.drop(static_cast<std::size_t>(n));
    from += n;
  }
  return {};
}

Status write_store(const StoreFile& file, std::uint32_t at, Bytes from) {
  if (file.flash.kind != Flash::Kind::none) return write_flash(file.fd, file.flash, file.from, at, from);
  auto to = static_cast<off_t>(file.from + at);
  while (!from.empty()) {
    const ssize_t n = ::pwrite(file.fd, from.data(), from.size(), to);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) return {Code::io, EIO};
    from = from.drop(static_cast<std::size_t>(n));
    to += n;
  }
  return {};
}

Status sync_store(const StoreFile& file) {
  if (file.flash.kind != Flash::Kind::none) return sync_flash(file.fd, file.flash);
  return ::fdatasync(file.fd) == 0 ? Status{} : last_error();
}

Status open_store_device(std::string_view path, Access access, StoreFile (&into)[2], TextWriter& why) {
  const Path spelled{path};
  struct stat about = {};
  if (::stat(spelled.c_str(), &about) != 0) return last_error();
  if (S_ISCHR(about.st_mode)) return open_flash(spelled, access, into, why);
  const bool is_block = S_ISBLK(about.st_mode);
  if (is_block && major(about.st_rdev) == kMtdBlockMajor) {
    why.text("mtdblock erases what lies beside a write, and a power cut would lose it: name the flash itself, ")
        .text("/dev/mtd").number(minor(about.st_rdev)).text(", or a UBI volume on it");
    return Code::bad_value;
  }
  if (!is_block && !S_ISREG(about.st_mode)) {
    why.text("it is neither a partition nor a plain file");
    return Code::bad_value;
  }
  Fd first;
  if (access == Access::write) {
    TRY(open_to_write(spelled, is_block ? O_EXCL : 0, first, why));
    TRY(lock_device(first, why));
  }
  if (access == Access::read) first.reset(::open(spelled.c_str(), O_RDONLY | O_CLOEXEC));
  if (!first.is_open()) return last_error();
  std::uint64_t size = static_cast<std::uint64_t>(about.st_size);
  if (is_block && control(first.number(), BLKGETSIZE64, &size) != 0) return last_error();
  const std::uint64_t half = size / 2 < kMaxCapacity ? size / 2 / kBlock * kBlock : kMaxCapacity;
  if (half < kLeastStore) {
    why.text("it is smaller than ").number(2 * kLeastStore / 1024).text(" KiB");
    return Code::bad_value;
  }
  into[0] = into[1] = {};
  into[0].capacity = into[1].capacity = static_cast<std::uint32_t>(half);
  return into_halves(first, half, into);
}

void FileStore::open(StoreFile file) {
  close();
  file_ = file;
}

void FileStore::close() {
  TOCSIN_ASSERT(outcome().code() == Code::empty);
  if (file_.fd >= 0) ::close(file_.fd);
  file_ = {};
}

Status FileStore::read(std::uint32_t at, MutBytes into) {
  if (at > file_.capacity || into.size() > file_.capacity - at) return {Code::io, EINVAL};
  if (file_.missing != 0) {
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = 0;
    return {};
  }
  return read_store(file_, at, into);
}

void FileStore::begin(Span<const Write> writes, Sync sync) {
  TOCSIN_ASSERT(writes.size() <= kMaxWrites);
  TOCSIN_ASSERT(outcome().code() == Code::empty);
  for (std::size_t at = 0; at < writes.size(); ++at) writes_[at] = writes[at];
  n_writes_ = writes.size();
  sync_ = sync;
  StorageJob::begin();
}

Status FileStore::poll() { return outcome(); }

Status FileStore::carry_out(StorageJob& self) { return static_cast<FileStore&>(self).write_and_sync(); }

Status FileStore::write_and_sync() const {
  if (file_.missing != 0) return {Code::io, file_.missing};
  for (std::size_t at = 0; at < n_writes_; ++at)
    if (writes_[at].at > file_.capacity || writes_[at].from.size() > file_.capacity - writes_[at].at)
      return {Code::io, ENOSPC};

  for (std::size_t at = 0; at < n_writes_; ++at) {
    Status written = write_store(file_, writes_[at].at, writes_[at].from);
    if (written.detail() == ENOSPC && ballast_ != nullptr && ballast_->give_up())
      written = write_store(file_, writes_[at].at, writes_[at].from);
    TRY(written);
  }
  if (sync_ == Sync::no) return {};
  TRY(sync_store(file_));  // never repeated after a failure: the kernel may have marked the lost pages clean
  return is_still_there();
}

// Whether the next start would find the file: a removed one takes writes and syncs until it is closed, one in a
// directory that was renamed for ever, and one that was cut off grows again, with holes. That gets its size back, so
// that the queue can turn to it.
Status FileStore::is_still_there() const {
  struct stat there = {};
  const bool is_there = look_at_its_place(there);
  bool gone = !is_there && (errno == ENOENT || errno == ENOTDIR);  // else nobody can tell
  struct stat about = there;
  if (!is_there || !is_same(there, file_.device, file_.inode)) {
    if (::fstat(file_.fd, &about) != 0) return last_error();
    gone = gone || about.st_nlink == 0 || (is_there && !is_same(there, about.st_dev, about.st_ino));
  }
  if (!S_ISREG(about.st_mode)) return {};
  if (gone) return {Code::io, ENOENT};
  const auto end = static_cast<off_t>(file_.from + file_.capacity);
  if (about.st_size >= end) return {};
  return ::ftruncate(file_.fd, end) == 0 ? Status{Code::io, EIO} : last_error();
}

// Errors are in errno; 0: nobody asks.
bool FileStore::look_at_its_place(struct stat& into) const {
  char spelled[kMaxPath + 1];
  TextWriter path{spelled};
  path.text(directory_).text("/").text(name_).character('\0');
  errno = 0;
  return !directory_.empty() && !path.cut() && ::stat(spelled, &into) == 0;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/file_store.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/linux/system.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kMaxCapacity = static_cast<std::uint32_t>(kMaxBlocks * kBlock);

constexpr std::uint32_t kTooShort = 8 * kBlock;  // no queue is shorter

// Without time stamps of reading a frozen or read-only medium is not written to by a read. The kernel
// grants that to the owner of the file only.
int open_quietly(int dir_fd, const char* name, int flags) {
  flags |= O_CLOEXEC | O_NONBLOCK;  // what has this name may be anything: a pipe would wait for its other end
  const int fd = ::openat(dir_fd, name, flags | O_NOATIME);
  return fd >= 0 || errno != EPERM ? fd : ::openat(dir_fd, name, flags);
}

Status write_zeros(int fd, std::uint32_t bytes) {
  static std::uint8_t zeros[kBlock];  // not const: costs no byte of the program
  for (std::uint32_t at = 0; at < bytes; at += static_cast<std::uint32_t>(kBlock))
    TRY(write_whole(fd, zeros));
  return ::fdatasync(fd) == 0 ? Status{} : last_error();
}

Status make_file(int dir_fd, const Path& name, std::uint32_t bytes) {
  char spelled[kMaxPath + 1];
  TextWriter temporary{spelled};
  temporary.text(name.view()).text(".new").character('\0');
  if (temporary.cut()) return {Code::io, ENAMETOOLONG};

  // What an earlier, interrupted making left is of no use, and may be a link.
  if (::unlinkat(dir_fd, spelled, 0) != 0 && errno != ENOENT) return last_error();
  const Fd file{::openat(dir_fd, spelled, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (!file.is_open()) return last_error();
  Status made = write_zeros(file.number(), bytes);
  if (made.ok() && ::renameat(dir_fd, spelled, dir_fd, name.c_str()) != 0) made = last_error();
  if (!made.ok()) {
    ::unlinkat(dir_fd, spelled, 0);  // gives the space back; the next making does it otherwise
    return made;
  }
  return ::fsync(dir_fd) == 0 ? Status{} : last_error();
}

// A file that was cut off by somebody, too short to be of use, gets zeros behind what is left of it: what
// was lost is lost, but the device starts.
Status fill_up(const Fd& file, std::uint32_t bytes) {
  struct stat about = {};
  if (::fstat(file.number(), &about) != 0) return last_error();
  if (!S_ISREG(about.st_mode) || about.st_size >= static_cast<off_t>(kTooShort)) return {};
  if (::lseek(file.number(), 0, SEEK_END) < 0) return last_error();
  return write_zeros(file.number(), bytes - static_cast<std::uint32_t>(about.st_size));
}

Result<StoreFile> measured(Fd& file) {
  // A block device has its size at its end, but not in stat(2).
  const off_t end = ::lseek(file.number(), 0, SEEK_END);
  if (end < 0) return errno == ESPIPE ? Status{Code::corrupt} : last_error();
  StoreFile opened;
  opened.capacity = end > static_cast<off_t>(kMaxCapacity) ? kMaxCapacity : static_cast<std::uint32_t>(end);
  opened.capacity -= opened.capacity % static_cast<std::uint32_t>(kBlock);
  if (opened.capacity == 0) return Code::corrupt;
  opened.fd = file.release();
  return opened;
}

}  // namespace

Result<StoreFile> open_store(int dir_fd, std::string_view name, std::uint32_t bytes) {
  const Path path{name};
  bytes -= bytes % static_cast<std::uint32_t>(kBlock);
  if (bytes == 0 || bytes > kMaxCapacity) return Code::bad_value;
  Fd file{open_quietly(dir_fd, path.c_str(), O_RDWR)};
  if (!file.is_open() && errno == ENOENT) {
    TRY(make_file(dir_fd, path, bytes));
    file.reset(open_quietly(dir_fd, path.c_str(), O_RDWR));
  }
  if (!file.is_open()) return last_error();
  if (bytes >= kTooShort) TRY(fill_up(file, bytes));
  return measured(file);
}

Result<StoreFile> open_store_to_read(int dir_fd, std::string_view name) {
  Fd file{open_quietly(dir_fd, Path{name}.c_str(), O_RDONLY)};
  if (!file.is_open()) return errno == ENOENT ? Status{Code::not_found} : last_error();
  return measured(file);
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
  auto from = static_cast<off_t>(at);
  while (!into.empty()) {
    const ssize_t n = ::pread(file_.fd, into.data(), into.size(), from);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) return {Code::io, EIO};  // somebody cut the file
    into = into.drop(static_cast<std::size_t>(n));
    from += n;
  }
  return {};
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
    Bytes from = writes_[at].from;
    auto to = static_cast<off_t>(writes_[at].at);
    while (!from.empty()) {
      const ssize_t n = ::pwrite(file_.fd, from.data(), from.size(), to);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return last_error();
      if (n == 0) return {Code::io, EIO};
      from = from.drop(static_cast<std::size_t>(n));
      to += n;
    }
  }
  // Never repeated after a failure: the kernel may have marked the lost pages clean.
  if (sync_ == Sync::yes && ::fdatasync(file_.fd) != 0) return last_error();
  return {};
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/system.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tocsin {

void Fd::reset(int number) {
  if (number_ >= 0) ::close(number_);
  number_ = number;
}

bool is_same_file(int fd, const struct stat& other) {
  struct stat about = {};
  return ::fstat(fd, &about) == 0 && about.st_dev == other.st_dev && about.st_ino == other.st_ino;
}

Path::Path(std::string_view text) {
  if (text.size() > kMaxPath || find(text, '\0') != kNotFound) return;
  if (!text.empty()) std::memcpy(chars_, text.data(), text.size());
  size_ = text.size();
}

int open_path(const char* path, int flags) { return ::openat(AT_FDCWD, path, flags); }

int control(int fd, unsigned long request, void* argument) {
  return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}

// faccessat(2) of a C library forks where the kernel is older than 5.8, which does not know AT_EACCESS.
bool may_write_in(const char* folder) {
  constexpr int kMode = W_OK | X_OK;
  const long now = ::syscall(SYS_faccessat2, AT_FDCWD, folder, kMode, AT_EACCESS);
  return now == 0 || (errno == ENOSYS && ::access(folder, kMode) == 0);
}

Status write_whole(int fd, Bytes from) {
  while (!from.empty()) {
    const ssize_t n = ::write(fd, from.data(), from.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) return {Code::io, EIO};
    from = from.drop(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::size_t> read_some(int fd, MutBytes into) {
  ssize_t n;
  do {
    n = ::read(fd, into.data(), into.size());
  } while (n < 0 && errno == EINTR);
  return n < 0 ? Result<std::size_t>{last_error()} : static_cast<std::size_t>(n);
}

Result<std::size_t> read_whole(int fd, MutBytes into) {
  std::size_t size = 0;
  while (size < into.size()) {
    TRY_LET(more, read_some(fd, into.drop(size)));
    if (more == 0) break;
    size += more;
  }
  return size;
}

Status open_file(std::string_view path, Fd& into) {
  into.reset(open_path(Path{path}.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat about = {};
  if (!into.is_open() || ::fstat(into.number(), &about) != 0) return last_error();
  const bool ends = S_ISREG(about.st_mode) || S_ISDIR(about.st_mode);  // reading says of the other what it is
  return ends ? Status{} : Status{Code::io, ESPIPE};
}

void write_errno(int error, TextWriter& into) {
  struct Word {
    int error;
    std::string_view text;
  };
  static constexpr Word kWords[] = {
      {EACCES, "permission denied"},
      {EPERM, "not permitted"},
      {ENOENT, "no such file"},
      {ENOTDIR, "a part of the path is not a directory"},
      {EISDIR, "is a directory"},
      {ESPIPE, "is a pipe or a device"},
      {ENOSPC, "no space left"},
      {EDQUOT, "no space left (quota)"},
      {EFBIG, "a limit on the size of files (ulimit -f) is below what is needed"},
      {EROFS, "the file system is read-only"},
      {EIO, "input/output error (the medium or its driver)"},
      {EMFILE, "too many open files"},
      {ENFILE, "too many open files on this device"},
      {ENOMEM, "out of memory"},
      {EBUSY, "busy"},
      {ENODEV, "no such device"},
      {ENXIO, "no such device"},
      {ELOOP, "too many symbolic links"},
      {ECONNREFUSED, "connection refused"},
      {ECONNRESET, "connection reset by the other side"},
      {EPIPE, "connection closed by the other side"},
      {ETIMEDOUT, "no answer"},
      {EHOSTUNREACH, "no route to the host"},
      {ENETUNREACH, "no network (no route: is the link up, is there a default gateway?)"},
      {ENETDOWN, "the network is down"},
      {EADDRINUSE, "another program uses this address"},
      {EADDRNOTAVAIL, "this device has no such address"},
      {EAFNOSUPPORT, "no such kind of address"},
      {ECONNABORTED, "connection broken off"},
      {EHOSTDOWN, "the host is down"},
      {ENOBUFS, "no buffers left"},
  };
  for (const Word& word : kWords)
    if (word.error == error) {
      into.text(word.text);
      return;
    }
  into.text("error ").signed_number(error);
}

Status failed(TextWriter& why, const char* what, std::string_view path, Status status) {
  why.text(what).text(path).text(": ");
  write_errno(status.detail(), why);
  return status;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Small things that every file of this port needs: a file descriptor that closes itself, a path with
// its terminating zero, errno as a Status, and a whole write.
//
// Memory: Path is kMaxPath + 1 bytes. Threads: no shared state.
#pragma once

#include <sys/stat.h>

#include <cerrno>

#include "tocsin/base/text.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxPath = 255;  // bytes

class Fd {
 public:
  constexpr Fd() = default;
  explicit constexpr Fd(int number) : number_(number) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void reset(int number = -1);  // closes what it had
  int release() {
    const int number = number_;
    number_ = -1;
    return number;
  }

 private:
  int number_ = -1;
};

// A copy of `text` that ends in a zero byte; empty, and with that ENOENT for every system call, when
// the text is longer than kMaxPath or holds a zero byte.
class Path {
 public:
  explicit Path(std::string_view text);
  const char* c_str() const { return chars_; }
  std::string_view view() const { return {chars_, size_}; }

 private:
  std::size_t size_ = 0;
  char chars_[kMaxPath + 1] = {};
};

// Whether this is what is open as `fd`. No where the system does not say.
bool is_same_file(int fd, const struct stat& other);

inline Status last_error() { return {Code::io, errno}; }

// For reading. Waits for no writer of a pipe, and takes no pipe or device, whose bytes may never end. Errors: io.
Status open_file(std::string_view path, Fd& into);
// open(2). That of musl asks for FD_CLOEXEC a second time, for kernels before 2.6.23.
int open_path(const char* path, int flags);
// ioctl(2), without what musl's does for kernels before 5.6 on 32-bit machines: none of these requests needs it.
int control(int fd, unsigned long request, void* argument);
// Whether files can be made in this folder, by who this process acts as. errno says why not.
bool may_write_in(const char* folder);

// All of `from`, short writes and EINTR continued. May wait: for files. Errors: io.
Status write_whole(int fd, Bytes from);
// What one read gives, 0 at the end of the file; EINTR continued. Errors: io.
Result<std::size_t> read_some(int fd, MutBytes into);
// Up to into.size() bytes, to the end of the file; EINTR continued. Errors: io.
Result<std::size_t> read_whole(int fd, MutBytes into);

// "permission denied", for the errors a technician meets; "error 71" for the others. Does not
// allocate and knows no language, which strerror(3) does not promise.
void write_errno(int error, TextWriter& into);
// "cannot open /x: permission denied": `what`, `path` and the errno in `status`, which it returns.
Status failed(TextWriter& why, const char* what, std::string_view path, Status status);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/state_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace tocsin {
namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// Makes the directory and its entry in the parent durable.
Status make_directory(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  if (::mkdir(Path{path}.c_str(), S_IRWXU) != 0 && errno != EEXIST) return last_error();
  std::size_t slash = path.size();
  while (slash > 0 && path[slash - 1] != '/') --slash;
  const std::string_view parent = slash == 0 ? "." : head(path, slash);
  const Fd above{::open(Path{parent}.c_str(), kOpenDirectory)};
  if (!above.is_open() || ::fsync(above.number()) != 0) return last_error();
  return {};
}

// The process id in this line of /proc/locks, "1: FLOCK  ADVISORY  WRITE 4129 fe:00:10969125 0 EOF", when
// it is about `file` ("fe:00:10969125"); else 0.
std::uint32_t holder_in(std::string_view line, std::string_view file) {
  std::string_view words[6];
  for (std::string_view& word : words) {
    line = trim(line);
    word = take_until(line, ' ');
  }
  if (words[1] != "FLOCK" || words[5] != file) return 0;
  const auto pid = parse_number(words[4], INT32_MAX);
  return pid.ok() ? static_cast<std::uint32_t>(pid.value()) : 0;
}

// Who holds the lock on this file; 0 when the kernel does not say (an overlay shows another inode).
// Asked of the kernel, not written into the file: a write would wait for a medium that hangs.
std::uint32_t find_holder(int fd) {
  struct stat info {};
  const Fd locks{::open("/proc/locks", O_RDONLY | O_CLOEXEC)};
  if (!locks.is_open() || ::fstat(fd, &info) != 0) return 0;
  char memory[64];
  TextWriter file{memory};
  file.hex(major(info.st_dev), 2).text(":").hex(minor(info.st_dev), 2).text(":").number(info.st_ino);
  char line[160];
  std::size_t size = 0;
  for (;;) {
    std::uint8_t bytes[512];
    const auto n = read_whole(locks.number(), bytes);
    if (!n.ok() || n.value() == 0) return 0;
    for (std::size_t at = 0; at < n.value(); ++at) {
      const char c = static_cast<char>(bytes[at]);
      if (c != '\n') {
        if (size < sizeof line) line[size++] = c;
        continue;
      }
      if (const std::uint32_t pid = holder_in({line, size}, file.view()); pid != 0) return pid;
      size = 0;
    }
  }
}

}  // namespace

Status StateDir::open(std::string_view path, IfAbsent absent) {
  unlock();
  dir_.reset(::open(Path{path}.c_str(), kOpenDirectory));
  if (dir_.is_open()) return {};
  if (errno != ENOENT) return last_error();
  if (absent == IfAbsent::fail) return Code::not_found;
  TRY(make_directory(path));
  dir_.reset(::open(Path{path}.c_str(), kOpenDirectory));
  return dir_.is_open() ? Status{} : last_error();
}

// Opened as it is where it is there: O_CREAT alone may wait for a medium that hangs.
Status StateDir::open_lock_file(Fd& into) {
  into.reset(::openat(dir_.number(), "lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!into.is_open() && errno == ENOENT)
    into.reset(::openat(dir_.number(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  return into.is_open() ? Status{} : last_error();
}

Status StateDir::lock() {
  holder_ = 0;
  Fd file;
  TRY(open_lock_file(file));
  if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return last_error();
    holder_ = find_holder(file.number());
    return Code::busy;
  }
  // The directory too: somebody may have removed the file under the process that holds it. A file system
  // that locks files only (NFS) does without.
  if (::flock(dir_.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    holder_ = find_holder(dir_.number());
    return Code::busy;
  }
  lock_.reset(file.release());
  return {};
}

Status StateDir::lock_beside(const StateDir& held) {
  struct stat about = {};
  if (::fstat(dir_.number(), &about) != 0) return last_error();
  if (!held.is_locked() || !is_same_file(held.dir_.number(), about)) return lock();
  // A copy of a descriptor shares its lock, which ends with the last of them.
  dir_.reset(::fcntl(held.dir_.number(), F_DUPFD_CLOEXEC, 0));
  Fd file;
  if (!dir_.is_open()) return last_error();
  TRY(open_lock_file(file));
  if (::fstat(file.number(), &about) != 0) return last_error();
  if (is_same_file(held.lock_.number(), about)) {
    lock_.reset(::fcntl(held.lock_.number(), F_DUPFD_CLOEXEC, 0));
    return lock_.is_open() ? Status{} : last_error();
  }
  if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return last_error();
    holder_ = find_holder(file.number());
    return Code::busy;
  }
  lock_.reset(file.release());
  return {};
}

void StateDir::become(StateDir& next) {
  lock_.reset(next.lock_.release());
  if (::dup3(next.dir_.number(), dir_.number(), O_CLOEXEC) >= 0) next.dir_.reset();
}

void StateDir::unlock() {
  if (is_locked()) ::flock(dir_.number(), LOCK_UN);
  lock_.reset();
}

void StateDir::close() {  // without LOCK_UN, which would end the lock of a copy as well
  lock_.reset();
  dir_.reset();
}

}  // namespace tocsin

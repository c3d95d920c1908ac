// SPDX-License-Identifier: MIT
#include "port/linux/state_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/linux/file_lock.hpp"

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
  const Fd above{open_path(Path{parent}.c_str(), kOpenDirectory)};
  if (!above.is_open() || ::fsync(above.number()) != 0) return last_error();
  return {};
}

}  // namespace

Status StateDir::open(std::string_view path, IfAbsent absent) {
  unlock();
  dir_.reset(open_path(Path{path}.c_str(), kOpenDirectory));
  if (dir_.is_open()) return {};
  if (errno != ENOENT) return last_error();
  if (absent == IfAbsent::fail) return Code::not_found;
  TRY(make_directory(path));
  dir_.reset(open_path(Path{path}.c_str(), kOpenDirectory));
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
  Fd file;
  TRY(open_lock_file(file));
  TRY(lock_file(file.number(), holder_));
  // The directory too: somebody may have removed the file under the process that holds it. A file system
  // that locks files only (NFS) does without.
  if (lock_file(dir_.number(), holder_).code() == Code::busy) return Code::busy;
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
  TRY(lock_file(file.number(), holder_));
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

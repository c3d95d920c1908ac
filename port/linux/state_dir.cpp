// SPDX-License-Identifier: MIT
#include "port/linux/state_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
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

std::uint32_t read_pid(int fd) {
  std::uint8_t text[16];
  const auto n = read_whole(fd, text);
  if (!n.ok()) return 0;
  const auto pid = parse_number(trim(as_text(Bytes{text, n.value()})), INT32_MAX);
  return pid.ok() ? static_cast<std::uint32_t>(pid.value()) : 0;
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

Status StateDir::lock() {
  holder_ = 0;
  Fd file{::openat(dir_.number(), "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR)};
  if (!file.is_open()) return last_error();
  if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return last_error();
    holder_ = read_pid(file.number());
    return Code::busy;
  }
  // The number is for messages only: that it cannot be written (a full medium) does not matter.
  char digits[16];
  TextWriter pid{digits};
  pid.number(static_cast<std::uint64_t>(::getpid())).character('\n');
  if (::ftruncate(file.number(), 0) == 0) write_whole(file.number(), as_bytes(pid.view())).ignore();
  lock_.reset(file.release());
  return {};
}

void StateDir::unlock() { lock_.reset(); }

}  // namespace tocsin

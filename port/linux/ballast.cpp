// SPDX-License-Identifier: MIT
#include "port/linux/ballast.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "port/linux/entropy.hpp"
#include "port/linux/system.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {
namespace {

constexpr char kName[] = "ballast";
constexpr std::uint32_t kUbifs = 0x24051905, kJffs2 = 0x72b6, kOverlay = 0x794c7630;

bool writes_elsewhere(const struct statfs& about) {
  const auto type = static_cast<std::uint32_t>(about.f_type);
  return type == kUbifs || type == kJffs2;
}

// The upper directory of the overlay with this device, from a line of /proc/self/mountinfo; empty: another line.
std::string_view upper_in(std::string_view line, std::string_view device) {
  std::string_view rest = line;
  std::string_view words[3];
  for (std::string_view& word : words) word = take_until(rest, ' ');
  if (words[2] != device) return {};
  constexpr std::string_view kUpper = "upperdir=";
  while (!rest.empty()) {
    if (starts_with(rest, kUpper)) {
      rest = tail(rest, kUpper.size());
      std::string_view word = take_until(rest, ' ');
      return take_until(word, ',');
    }
    rest = tail(rest, 1);
  }
  return {};
}

bool upper_writes_elsewhere(int dir_fd) {
  struct stat about = {};
  const Fd mounts{::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)};
  if (!mounts.is_open() || ::fstat(dir_fd, &about) != 0) return false;
  char memory[24];
  TextWriter device{memory};
  device.number(major(about.st_dev)).text(":").number(minor(about.st_dev));
  char line[1024];
  std::size_t size = 0;
  for (;;) {
    std::uint8_t bytes[512];
    const auto n = read_whole(mounts.number(), bytes);
    if (!n.ok() || n.value() == 0) return false;
    for (std::size_t at = 0; at < n.value(); ++at) {
      const char c = static_cast<char>(bytes[at]);
      if (c != '\n') {
        if (size < sizeof line) line[size++] = c;
        continue;
      }
      const std::string_view upper = upper_in({line, size}, device.view());
      struct statfs below = {};
      if (!upper.empty()) return ::statfs(Path{upper}.c_str(), &below) == 0 && writes_elsewhere(below);
      size = 0;
    }
  }
}

}  // namespace

bool needs_ballast(int dir_fd) {
  struct statfs about = {};
  if (::fstatfs(dir_fd, &about) != 0) return false;
  if (static_cast<std::uint32_t>(about.f_type) == kOverlay) return upper_writes_elsewhere(dir_fd);
  return writes_elsewhere(about);
}

void Ballast::open(int dir_fd, std::uint32_t bytes) {
  dir_fd_ = dir_fd;
  bytes_ = bytes;
}

bool Ballast::poll() { return outcome().code() != Code::again; }

Status Ballast::carry_out(StorageJob& self) {
  const auto& ballast = static_cast<const Ballast&>(self);
  const Status written = ballast.write();
  if (!written.ok()) ballast.remove();  // half of it is better free
  return written;
}

Status Ballast::write() const {
  struct stat about = {};
  if (::fstatat(dir_fd_, kName, &about, AT_SYMLINK_NOFOLLOW) == 0 && about.st_size == static_cast<off_t>(bytes_))
    return {};
  struct statvfs room = {};
  if (::fstatvfs(dir_fd_, &room) != 0) return last_error();
  if (std::uint64_t{room.f_bavail} * room.f_frsize / 3 < bytes_) return {Code::io, ENOSPC};
  if (::unlinkat(dir_fd_, kName, 0) != 0 && errno != ENOENT) return last_error();
  const Fd file{::openat(dir_fd_, kName, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (!file.is_open()) return last_error();
  std::uint64_t random = random_number() | 1;
  std::uint8_t block[kBlock];
  for (std::uint32_t at = 0; at < bytes_; at += static_cast<std::uint32_t>(kBlock)) {
    for (std::size_t i = 0; i < kBlock; i += 8) {  // xorshift64*
      random ^= random >> 12;
      random ^= random << 25;
      random ^= random >> 27;
      store64(block + i, random * 0x2545F4914F6CDD1DU);
    }
    TRY(write_whole(file.number(), Bytes{block}.first(bytes_ - at < kBlock ? bytes_ - at : kBlock)));
  }
  return ::fsync(file.number()) == 0 ? Status{} : last_error();
}

bool Ballast::give_up() {
  if (!remove()) return false;
  given_up_ = true;
  return true;
}

bool Ballast::remove() const {
  if (dir_fd_ < 0 || ::unlinkat(dir_fd_, kName, 0) != 0) return false;
  ::fsync(dir_fd_);  // where the room comes back only with that; what it says does not matter
  return true;
}

}  // namespace tocsin

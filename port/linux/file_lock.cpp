// SPDX-License-Identifier: MIT
#include "port/linux/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace tocsin {
namespace {

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

}  // namespace

// Nothing where an overlay shows another inode. Asked of the kernel, not written into the file: a write would wait
// for a medium that hangs.
std::uint32_t find_holder(const struct stat& about) {
  const Fd locks{::open("/proc/locks", O_RDONLY | O_CLOEXEC)};
  if (!locks.is_open()) return 0;
  char memory[64];
  TextWriter file{memory};
  file.hex(major(about.st_dev), 2).text(":").hex(minor(about.st_dev), 2).text(":").number(about.st_ino);
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

Status lock_file(int fd, std::uint32_t& holder) {
  holder = 0;
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return last_error();
  struct stat about = {};
  if (::fstat(fd, &about) == 0) holder = find_holder(about);
  return Code::busy;
}

void write_holder(std::uint32_t holder, TextWriter& into) {
  holder == 0 ? into.text("another process") : into.text("process ").number(holder);
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "src/program/queue_places.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "tocsin/limits.hpp"

namespace tocsin {
namespace {

// Empty: a plain file.
std::string_view kind_of(const struct stat& about) {
  switch (about.st_mode & S_IFMT) {
    case S_IFREG: return {};
    case S_IFDIR: return "a directory";
    case S_IFIFO: return "a pipe";
    case S_IFSOCK: return "a socket";
    case S_IFLNK: return "a link";
    default: return "a device";
  }
}

bool is_plain(const struct stat& about, std::string_view directory, std::string_view name, TextWriter& why) {
  const std::string_view kind = kind_of(about);
  if (kind.empty()) return true;
  why.text(directory).text("/").text(name).text(" is ").text(kind).text(", not a file: move it away");
  return false;
}

}  // namespace

Status check_queue_places(int dir_fd, std::string_view directory, TextWriter& why) {
  constexpr std::uint64_t kMostBytes = std::uint64_t{kMaxBlocks} * kBlock;
  struct stat about[2] = {};
  bool is_there[2];
  for (std::size_t i = 0; i < 2; ++i) {
    is_there[i] = ::fstatat(dir_fd, Path{kQueueFiles[i]}.c_str(), &about[i], 0) == 0;
    if (!is_there[i]) continue;  // or whoever opens it says why not
    if (!is_plain(about[i], directory, kQueueFiles[i], why)) return Code::bad_value;
    if (static_cast<std::uint64_t>(about[i].st_size) <= kMostBytes) continue;
    why.text(directory).text("/").text(kQueueFiles[i]).text(" has ");
    why.number(static_cast<std::uint64_t>(about[i].st_size)).text(" bytes, and a queue file has ");
    why.number(kMostBytes).text(" at most: it is none; move it away");
    return Code::bad_value;
  }
  if (!is_there[0] || !is_there[1] || about[0].st_dev != about[1].st_dev || about[0].st_ino != about[1].st_ino)
    return {};
  why.text(directory).text("/queue.0 and queue.1 are one and the same file: remove queue.1, which is a link; ");
  why.text("`tocsin run` makes it anew");
  return Code::bad_value;
}

void write_unsealed(unsigned file, TextWriter& into) {
  into.text(kQueueFiles[file % 2]).text(" has no seal: a turn to it goes on or was cut off, and nothing is ");
  into.text("missing; or it is damaged, and what only it had is lost");
}

void write_cut_off(unsigned file, TextWriter& into) {
  into.text(kQueueFiles[file % 2])
      .text(" was cut off: what its end held is lost, and what waits may have been sent: it is sent once more at most");
}

Status check_lock_place(int dir_fd, std::string_view directory, TextWriter& why) {
  struct stat about = {};
  if (::fstatat(dir_fd, "lock", &about, AT_SYMLINK_NOFOLLOW) != 0) return {};
  return is_plain(about, directory, "lock", why) ? Status{} : Code::bad_value;
}

}  // namespace tocsin

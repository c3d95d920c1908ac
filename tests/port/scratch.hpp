// SPDX-License-Identifier: MIT
// A directory for one test program, removed when the program ends.
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace scratch {

inline const std::string& folder() {
  // Never destroyed: the removal at exit runs after the destructors of statics, and nftw of a destroyed,
  // empty name would remove the current directory.
  static const std::string& made = *new std::string([] {
    const char* base = std::getenv("TMPDIR");
    std::string pattern = std::string{base != nullptr ? base : "/tmp"} + "/tocsin-test.XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    std::atexit([] {
      if (folder().find("/tocsin-test.") == std::string::npos) std::abort();
      nftw(
          folder().c_str(), [](const char* path, const struct stat*, int, FTW*) { return std::remove(path); },
          8, FTW_DEPTH | FTW_PHYS);
    });
    return pattern;
  }());
  return made;
}

inline std::string path(const char* name) { return folder() + "/" + name; }

inline void write_file(const std::string& path, const std::string& text, mode_t mode = 0600) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
  if (::fchmod(fd, mode) != 0) std::abort();
  ::close(fd);
}

inline std::string read_file(const std::string& path) {
  std::string text;
  char piece[4096];
  const int fd = ::open(path.c_str(), O_RDONLY);
  for (ssize_t n; fd >= 0 && (n = ::read(fd, piece, sizeof piece)) > 0;)
    text.append(piece, static_cast<std::size_t>(n));
  if (fd >= 0) ::close(fd);
  return text;
}

}  // namespace scratch

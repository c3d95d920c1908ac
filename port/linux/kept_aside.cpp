// SPDX-License-Identifier: MIT
#include "port/linux/kept_aside.hpp"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/linux/system.hpp"
#include "tocsin/base/text.hpp"

namespace tocsin {
namespace {

constexpr std::string_view kHead = "tocsin: damaged blocks of a queue, kept at ";

void write_name(unsigned which, char (&name)[10]) {
  std::memcpy(name, "damaged.0", 10);
  name[8] = static_cast<char>('0' + which);
}

// How long the device had been on when this file was made; 0: nobody knows.
std::uint32_t kept_at_s(int dir_fd, const char* name) {
  // A pipe of that name would wait for its other end.
  const Fd file{::openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  char memory[64];
  if (!file.is_open() || ::read(file.number(), memory, sizeof memory) != ssize_t{sizeof memory}) return 0;
  std::string_view line{memory, sizeof memory};
  if (!starts_with(line, kHead)) return 0;
  line = tail(line, kHead.size());
  const auto s = parse_number(take_until(line, ' '), UINT32_MAX);
  return s.ok() ? static_cast<std::uint32_t>(s.value()) : 0;
}

bool is_there(int dir_fd, const char* name) {
  struct stat info = {};
  return ::fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace

MutBytes KeptAside::add(unsigned file, std::uint32_t slot) {
  if (busy_ || count_ == kMost) return {};
  char* const line = bytes_ + kLine + count_ * (kLine + kBlock);
  std::memset(line, ' ', kLine);
  TextWriter(Span<char>{line, kLine - 1}).text("queue.").number(file).text(" slot ").number(slot);
  line[kLine - 1] = '\n';
  ++count_;
  return {reinterpret_cast<std::uint8_t*>(line) + kLine, kBlock};
}

void KeptAside::keep(int dir_fd, std::uint32_t on_s) {
  if (busy_ || count_ == 0) return;
  std::memset(bytes_, ' ', kLine);
  TextWriter(Span<char>{bytes_, kLine - 1}).text(kHead).number(on_s).text(" s");
  bytes_[kLine - 1] = '\n';
  dir_fd_ = dir_fd;
  on_s_ = on_s == 0 ? 1 : on_s;
  busy_ = true;
  begin();
}

void KeptAside::forget(int dir_fd, std::uint32_t before_s) {
  dir_fd_ = dir_fd;
  if (before_s > wanted_before_s_) wanted_before_s_ = before_s;
  if (busy_) {
    again_ = true;
    return;
  }
  forget_before_s_ = wanted_before_s_;
  on_s_ = 0;
  busy_ = true;
  begin();
}

void KeptAside::poll() {
  if (!busy_) return;
  const Status done = outcome();
  if (done.code() == Code::again) return;
  busy_ = false;
  files_ = files_after_;
  if (on_s_ != 0) count_ = 0;
  if (!again_) return;
  again_ = false;
  forget(dir_fd_, wanted_before_s_);
}

Status KeptAside::carry_out(StorageJob& job) {
  auto& self = static_cast<KeptAside&>(job);
  Status done;
  if (self.on_s_ != 0) {
    done = self.write();
  } else {
    self.remove_old();
  }
  self.files_after_ = find(self.dir_fd_);
  return done;
}

unsigned KeptAside::find(int dir_fd) {
  unsigned files = 0;
  for (unsigned which = 0; which < kFiles; ++which) {
    char name[10];
    write_name(which, name);
    if (is_there(dir_fd, name)) files |= 1U << which;
  }
  return files;
}

unsigned KeptAside::find_in(std::string_view directory) {
  const Fd dir{::open(Path{directory}.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  return dir.is_open() ? find(dir.number()) : 0;
}

void KeptAside::write_files(unsigned files, std::string_view directory, TextWriter& into) {
  bool first = true;
  for (unsigned which = 0; which < kFiles; ++which) {
    if ((files & 1U << which) == 0) continue;
    if (first) into.text(directory).text("/");
    into.text(first ? "" : ", ").text("damaged.").number(which);
    first = false;
  }
}

void KeptAside::remove_old() const {
  for (unsigned which = 0; which < kFiles; ++which) {
    char name[10];
    write_name(which, name);
    if (is_there(dir_fd_, name) && kept_at_s(dir_fd_, name) < forget_before_s_) ::unlinkat(dir_fd_, name, 0);
  }
}

Status KeptAside::write() const {
  char oldest[10];
  write_name(0, oldest);
  for (unsigned which = 0; which < kFiles; ++which) {
    char name[10];
    write_name(which, name);
    const bool free = !is_there(dir_fd_, name);
    if (free || kept_at_s(dir_fd_, name) < kept_at_s(dir_fd_, oldest)) std::memcpy(oldest, name, sizeof name);
    if (free) break;
  }
  ::unlinkat(dir_fd_, oldest, 0);
  const Fd file{::openat(dir_fd_, oldest, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR)};
  const std::size_t size = kLine + count_ * (kLine + kBlock);
  if (!file.is_open() || ::write(file.number(), bytes_, size) != static_cast<ssize_t>(size) ||
      ::fsync(file.number()) != 0)
    return last_error();
  return {};
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// A tmpfs stands for UBIFS and JFFS2: a hole in a file takes no room until it is written, as zeros do there.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "check.hpp"
#include "port/linux/file_store.hpp"
#include "port/scratch.hpp"

using namespace tocsin;

namespace {

constexpr std::uint32_t kBlocks = 16;

// Lives to the end of the program, as its header asks.
StorageWorker worker;
Ballast ballast{worker};
FileStore store{worker};

void make(Ballast& which) {
  which.make();
  while (!which.poll()) worker.wait(seconds(60)).ignore();
}

Status write(std::uint32_t block) {
  static const std::uint8_t bytes[kBlock] = {1};
  const Store::Write writes[] = {{block * kBlock, bytes}};
  store.begin(Span<const Store::Write>{writes, 1}, Store::Sync::yes);
  for (;;) {
    const Status status = store.poll();
    if (status.code() != Code::again) return status;
    worker.wait(seconds(60)).ignore();
  }
}

off_t size_of(int dir, const char* name) {
  struct stat about = {};
  return ::fstatat(dir, name, &about, 0) == 0 ? about.st_size : -1;
}

// In a file system of its own, of 64 blocks.
int run_in_little_room(int (*test)(int dir)) {
  static const std::string folder = scratch::path("little");  // a skip unwinds nothing
  ::mkdir(folder.c_str(), 0700);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "nr_blocks=64") != 0)
      ::_exit(77);
    if (!worker.start().ok()) ::_exit(78);
    ::_exit(test(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  }
  int status = -1;
  CHECK_EQ(::waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) _skip(__FILE__, __LINE__);  // not root
  return WEXITSTATUS(status);
}

void fill(int dir) {
  static const std::uint8_t bytes[kBlock] = {2};
  const int fd = ::openat(dir, "other", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  while (::write(fd, bytes, sizeof bytes) == static_cast<ssize_t>(sizeof bytes)) {
  }
  ::close(fd);
}

TEST(ballast_is_given_up_for_a_write_that_finds_no_room) {
  CHECK_EQ(run_in_little_room([](int dir) {
             StoreFile file;
             file.fd = ::openat(dir, "holes", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
             file.capacity = kBlocks * kBlock;
             if (::ftruncate(file.fd, kBlocks * kBlock) != 0) return 1;
             store.open(file);
             ballast.open(dir, 4 * kBlock);
             store.may_give_up(&ballast);
             make(ballast);
             if (size_of(dir, "ballast") != 4 * kBlock) return 2;
             if (!write(0).ok() || size_of(dir, "ballast") < 0 || ballast.was_given_up()) return 3;
             fill(dir);
             for (std::uint32_t block = 1; block <= 4; ++block)
               if (!write(block).ok()) return 4;
             if (size_of(dir, "ballast") >= 0 || !ballast.was_given_up() || ballast.was_given_up()) return 5;
             if (write(5).detail() != ENOSPC) return 6;  // there is no more to give up
             make(ballast);
             if (size_of(dir, "ballast") >= 0) return 7;  // no room: not even half of it
             if (::unlinkat(dir, "other", 0) != 0) return 8;
             make(ballast);
             if (size_of(dir, "ballast") != 4 * kBlock) return 9;
             return write(5).ok() ? 0 : 10;
           }),
           0);
}

TEST(ballast_leaves_three_times_its_size_to_others) {
  CHECK_EQ(run_in_little_room([](int dir) {
             ballast.open(dir, 22 * kBlock);  // 64 blocks, one of them the directory's
             make(ballast);
             if (size_of(dir, "ballast") >= 0) return 1;
             ballast.open(dir, 16 * kBlock);
             make(ballast);
             return size_of(dir, "ballast") == 16 * kBlock ? 0 : 2;
           }),
           0);
}

TEST(ballast_half_made_by_an_earlier_run_is_made_anew_and_does_not_compress) {
  const int dir = ::open(scratch::folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  scratch::write_file(scratch::path("ballast"), std::string(100, 'b'));
  CHECK_OK(worker.start());
  ballast.open(dir, 5 * kBlock);
  make(ballast);
  const std::string made = scratch::read_file(scratch::path("ballast"));
  CHECK_EQ(made.size(), 5 * kBlock);
  unsigned seen[256] = {};
  for (const char c : made) ++seen[static_cast<unsigned char>(c)];
  for (const unsigned n : seen) CHECK(n > 30 && n < 150);  // 80 of each, if they are equal
  make(ballast);
  CHECK_TEXT(scratch::read_file(scratch::path("ballast")), made);  // there already
  CHECK(!needs_ballast(dir));  // not on the file systems that tests run on
}

}  // namespace

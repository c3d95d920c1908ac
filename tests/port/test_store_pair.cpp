// SPDX-License-Identifier: MIT
// Two stores at once: files that take turns, and the halves of a device.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "check.hpp"
#include "port/linux/file_store.hpp"
#include "port/store_bench.hpp"

using namespace tocsin;
using store_bench::folder_fd;
using store_bench::outcome;
using store_bench::worker;

namespace {

constexpr const char* kPair[2] = {"pair.0", "pair.1"};
constexpr std::string_view kNames[2] = {kPair[0], kPair[1]};

struct Pair {
  StoreFile files[2];
  StoreChanges changes;
  Status opened;
  explicit Pair(std::uint32_t bytes, int dir = folder_fd()) : opened(open_stores(dir, kNames, bytes, "lost", files, changes)) {
    for (const StoreFile& file : files)
      if (file.fd >= 0) ::close(file.fd);
  }
};

void put(std::size_t which, std::size_t blocks, char with) {
  scratch::write_file(scratch::path(kPair[which]), std::string(blocks * kBlock, with));
}
std::string marked() { return "lost" + std::string(kBlock - 4, '\0'); }
std::string got(std::size_t which) { return scratch::read_file(scratch::path(kPair[which])); }

}  // namespace

TEST(open_stores_makes_both_and_opens_them_again_unchanged) {
  const Pair made(16 * kBlock);
  CHECK_OK(made.opened);
  CHECK(made.changes.made[0] && made.changes.made[1]);
  const Pair again(64 * kBlock);
  CHECK_OK(again.opened);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK_EQ(again.files[i].capacity, 16 * kBlock);
    CHECK(!again.changes.made[i] && !again.changes.lengthened[i]);
    CHECK_TEXT(got(i), std::string(16 * kBlock, '\0'));
  }
  CHECK(!made.changes.smaller && !again.changes.smaller);
}

TEST(open_stores_gives_both_files_the_size_of_the_longer_one) {
  // A turn had to copy what one of them held into the other, where it found no room.
  for (const std::size_t which : {0U, 1U})
    for (const std::size_t blocks : {0U, 3U, 12U}) {  // cut off to nothing, to less than a queue, to a shorter one
      check::at("which=%zu blocks=%zu", which, blocks);
      put(which, blocks, 's');
      put(1 - which, 20, 'l');
      const Pair pair(16 * kBlock);
      CHECK_OK(pair.opened);
      CHECK_EQ(pair.files[0].capacity, 20 * kBlock);
      CHECK_EQ(pair.files[1].capacity, 20 * kBlock);
      // The next start has to know that something is lost, and where from.
      CHECK_TEXT(got(which).substr(0, blocks * kBlock), std::string(blocks * kBlock, 's'));
      CHECK_TEXT(got(which).substr(19 * kBlock), marked());
      CHECK_TEXT(got(which).substr(kBlock, kBlock), blocks == 0 ? marked() : std::string(kBlock, 's'));
      CHECK_TEXT(got(1 - which), std::string(20 * kBlock, 'l'));
      CHECK(pair.changes.lengthened[which]);
      CHECK(!pair.changes.lengthened[1 - which] && !pair.changes.made[0] && !pair.changes.made[1]);
    }
  for (const std::size_t which : {0U, 1U}) {
    check::at("missing=%zu", which);
    put(1 - which, 20, 'l');
    CHECK_EQ(::unlink(scratch::path(kPair[which]).c_str()), 0);
    const Pair pair(16 * kBlock);
    CHECK_OK(pair.opened);
    CHECK_EQ(pair.files[which].capacity, 20 * kBlock);
    CHECK(pair.changes.made[which] && !pair.changes.made[1 - which]);
    CHECK_TEXT(got(1 - which), std::string(20 * kBlock, 'l'));
    CHECK_TEXT(got(which), std::string(kBlock, '\0') + marked() + std::string(18 * kBlock, '\0'));
  }
  for (const std::size_t which : {0U, 1U}) {  // the other one was never used: only a first start is cut off behind the first
    check::at("missing=%zu, the other unused", which);
    put(1 - which, 20, '\0');
    CHECK_EQ(::unlink(scratch::path(kPair[which]).c_str()), 0);
    CHECK_OK(Pair(16 * kBlock).opened);
    CHECK_TEXT(got(which).substr(kBlock, kBlock), which == 0 ? marked() : std::string(kBlock, '\0'));
  }
}

// In a file system of its own, of so many blocks.
int run_in_little_room(const char* blocks, int (*test)(int dir)) {
  const std::string folder = scratch::path("little");
  ::mkdir(folder.c_str(), 0700);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, (std::string("nr_blocks=") + blocks).c_str()) != 0)
      ::_exit(77);
    ::_exit(test(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  }
  int status = -1;
  CHECK_EQ(::waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST(open_stores_without_room_makes_smaller_ones) {
  int result = run_in_little_room("100", [](int dir) {
    const Pair pair(128 * kBlock, dir);  // 256 blocks, of which 64 fit
    if (!pair.opened.ok() || !pair.changes.smaller) return 1;
    if (pair.files[0].capacity != 32 * kBlock || pair.files[1].capacity != 32 * kBlock) return 2;
    const Pair again(128 * kBlock, dir);
    if (!again.opened.ok() || again.changes.smaller || again.files[0].capacity != 32 * kBlock) return 3;
    return 0;
  });
  if (result == 77) _skip(__FILE__, __LINE__);  // not root
  CHECK_EQ(result, 0);
  result = run_in_little_room("20", [](int dir) {
    const Pair first(10 * kBlock, dir);
    if (!first.opened.ok() || first.changes.smaller) return 1;
    // One is missing, and less than it took is free now.
    if (::unlinkat(dir, "pair.1", 0) != 0) return 2;
    const int other = ::openat(dir, "other", O_WRONLY | O_CREAT, 0600);
    for (unsigned i = 0; i < 2; ++i)
      if (::write(other, std::string(kBlock, 'o').data(), kBlock) != static_cast<ssize_t>(kBlock)) return 3;
    const Pair pair(10 * kBlock, dir);
    if (pair.opened.detail() != ENOSPC) return 4;  // no queue is that short
    if (::faccessat(dir, "pair.0", F_OK, 0) != 0) return 5;  // and what there was is there
    return 0;
  });
  CHECK_EQ(result, 0);
  result = run_in_little_room("15", [](int dir) {
    const Pair pair(64 * kBlock, dir);
    if (pair.opened.detail() != ENOSPC) return 1;
    if (::faccessat(dir, "pair.0", F_OK, 0) == 0 || ::faccessat(dir, "pair.1", F_OK, 0) == 0) return 2;
    return 0;
  });
  CHECK_EQ(result, 0);
}

TEST(open_store_device_is_two_halves_that_do_not_touch_each_other) {
  const std::string path = scratch::path("device");
  scratch::write_file(path, std::string(33 * kBlock, '\0'));
  StoreFile halves[2];
  char words[300];
  TextWriter why(words);
  CHECK_OK(open_store_device(path, Access::write, halves, why));
  FileStore even{worker()}, odd{worker()};
  even.open(halves[0]);
  odd.open(halves[1]);
  CHECK_EQ(even.capacity(), 16 * kBlock);
  CHECK_EQ(odd.capacity(), 16 * kBlock);
  static const std::uint8_t e[] = {'e'}, o[] = {'o'};
  const Store::Write to_even[] = {{0, e}, {16 * kBlock - 1, e}}, to_odd[] = {{0, o}, {16 * kBlock - 1, o}};
  even.begin(Span<const Store::Write>{to_even, 2}, Store::Sync::yes);
  odd.begin(Span<const Store::Write>{to_odd, 2}, Store::Sync::yes);
  CHECK_OK(outcome(even));
  CHECK_OK(outcome(odd));
  std::uint8_t byte[1];
  CHECK_OK(odd.read(0, byte));
  CHECK_EQ(byte[0], 'o');
  CHECK_CODE(odd.read(16 * kBlock, byte), Code::io);
  const std::string whole = scratch::read_file(path);
  CHECK_EQ(whole.size(), 33 * kBlock);
  CHECK_EQ(whole[0], 'e');
  CHECK_EQ(whole[16 * kBlock - 1], 'e');
  CHECK_EQ(whole[16 * kBlock], 'o');
  CHECK_EQ(whole[32 * kBlock - 1], 'o');
  CHECK_EQ(whole[32 * kBlock], 0);
  even.close();
  odd.close();

  CHECK_EQ(::truncate(path.c_str(), 15 * kBlock), 0);
  CHECK_CODE(open_store_device(path, Access::write, halves, why), Code::bad_value);
  CHECK(why.view().find("64 KiB") != std::string_view::npos);
  why.clear();
  CHECK_CODE(open_store_device("/dev/null", Access::write, halves, why), Code::bad_value);
  CHECK(why.view().find("neither") != std::string_view::npos);
  CHECK_CODE(open_store_device(scratch::folder(), Access::write, halves, why), Code::bad_value);
  CHECK_EQ(open_store_device(scratch::path("none"), Access::write, halves, why).detail(), ENOENT);
}

TEST(open_store_device_to_write_is_for_one_until_both_halves_are_closed) {
  // Two daemons with a `state` of their own each wrote over what the other one had acknowledged.
  const std::string path = scratch::path("one-writer");
  scratch::write_file(path, std::string(32 * kBlock, '\0'));
  StoreFile mine[2], theirs[2];
  char words[300];
  TextWriter why(words);
  CHECK_OK(open_store_device(path, Access::write, mine, why));
  CHECK_CODE(open_store_device(path, Access::write, theirs, why), Code::busy);
  CHECK_TEXT(why.view(), "it is held by process " + std::to_string(::getpid()) +
                             ": stop that first, or name another one here");
  CHECK_OK(open_store_device(path, Access::read, theirs, why));
  for (const StoreFile& half : theirs) ::close(half.fd);
  ::close(mine[1].fd);
  CHECK_CODE(open_store_device(path, Access::write, theirs, why), Code::busy);
  ::close(mine[0].fd);
  CHECK_OK(open_store_device(path, Access::write, theirs, why));
  for (const StoreFile& half : theirs) ::close(half.fd);
}

TEST(open_store_device_of_many_gigabytes_uses_32_mebibytes) {
  const std::string path = scratch::path("large");
  scratch::write_file(path, "");
  CHECK_EQ(::truncate(path.c_str(), off_t{5} << 30), 0);
  StoreFile halves[2];
  char words[100];
  TextWriter why(words);
  CHECK_OK(open_store_device(path, Access::read, halves, why));
  CHECK_EQ(halves[0].capacity, 16 << 20);
  CHECK_EQ(halves[1].capacity, 16 << 20);
  CHECK_EQ(halves[1].from, 16 << 20);
  for (const StoreFile& half : halves) ::close(half.fd);
}

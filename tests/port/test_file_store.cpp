// SPDX-License-Identifier: MIT
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>

#include "check.hpp"
#include "port/linux/file_store.hpp"
#include "port/linux/system.hpp"
#include "port/store_bench.hpp"

using namespace tocsin;
using store_bench::folder_fd;
using store_bench::outcome;
using store_bench::worker;

namespace {

bool readable(int fd) {
  pollfd wanted{fd, POLLIN, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

template <std::size_t N>
Span<const Store::Write> views(const Store::Write (&writes)[N]) {
  return {writes, N};
}

TEST(file_store_when_absent_is_made_whole_and_zero) {
  const auto made = open_store(folder_fd(), "made", 3 * 4096 + 100);
  CHECK_OK(made);
  CHECK_EQ(made.value().capacity, 3 * 4096);
  CHECK_TEXT(scratch::read_file(scratch::path("made")), std::string(3 * 4096, '\0'));
  struct stat info {};
  CHECK_EQ(::fstat(made.value().fd, &info), 0);
  CHECK_EQ(info.st_mode & 0777, 0600);
  CHECK(info.st_blocks * 512 >= 3 * 4096);  // written, not only reserved or sparse
  CHECK_EQ(::access(scratch::path("made.new").c_str(), F_OK), -1);
  ::close(made.value().fd);
}

TEST(file_store_that_exists_keeps_its_size) {
  scratch::write_file(scratch::path("kept"), std::string(12 * 4096 + 17, 'k'));
  const auto opened = open_store(folder_fd(), "kept", 16 * 4096);
  CHECK_OK(opened);
  CHECK_EQ(opened.value().capacity, 12 * 4096);
  CHECK_EQ(scratch::read_file(scratch::path("kept")).size(), 12 * 4096 + 17);
  ::close(opened.value().fd);
}

TEST(file_store_half_made_by_an_earlier_run_is_made_anew) {
  scratch::write_file(scratch::path("half.new"), "rest of an interrupted making");
  const auto opened = open_store(folder_fd(), "half", 4096);
  CHECK_OK(opened);
  CHECK_TEXT(scratch::read_file(scratch::path("half")), std::string(4096, '\0'));
  ::close(opened.value().fd);
}

TEST(file_store_refuses_what_has_no_block) {
  scratch::write_file(scratch::path("stub"), std::string(4095, 's'));
  CHECK_CODE(open_store(folder_fd(), "stub", 4096), Code::corrupt);
  CHECK_CODE(open_store(folder_fd(), "never", 4095), Code::bad_value);
  CHECK_EQ(::access(scratch::path("never").c_str(), F_OK), -1);
}

TEST(file_store_in_a_missing_folder_is_io_with_the_errno) {
  const auto opened = open_store(folder_fd(), "no/such", 4096);
  CHECK_CODE(opened, Code::io);
  CHECK_EQ(opened.status().detail(), ENOENT);
}

TEST(file_store_to_read_is_never_made_and_never_written) {
  CHECK_CODE(open_store_to_read(folder_fd(), "absent"), Code::not_found);
  CHECK_EQ(::access(scratch::path("absent").c_str(), F_OK), -1);
  scratch::write_file(scratch::path("readable"), std::string(4096, 'r'));
  const auto opened = open_store_to_read(folder_fd(), "readable");
  CHECK_OK(opened);
  FileStore store{worker()};
  store.open(opened.value());
  std::uint8_t byte[1] = {};
  CHECK_OK(store.read(4095, byte));
  CHECK_EQ(byte[0], 'r');
  const Store::Write writes[] = {{0, byte}};
  store.begin(views(writes), Store::Sync::no);
  const Status refused = outcome(store);
  CHECK_CODE(refused, Code::io);
  CHECK_EQ(refused.detail(), EBADF);
  store.close();
}

TEST(file_store_job_survives_reopening) {
  FileStore store{worker()};
  const auto made = open_store(folder_fd(), "jobs", 8 * 4096);
  CHECK_OK(made);
  store.open(made.value());
  CHECK_CODE(store.poll(), Code::empty);

  static const std::uint8_t first[] = {1, 2, 3}, second[] = {4, 5}, over[] = {9};
  const Store::Write writes[] = {{0, first}, {8 * 4096 - 2, second}, {1, over}};  // in order: `over` is last
  store.begin(views(writes), Store::Sync::yes);
  CHECK_OK(outcome(store));
  CHECK_CODE(store.poll(), Code::empty);  // told once
  store.close();

  const auto again = open_store(folder_fd(), "jobs", 4096);
  CHECK_OK(again);
  store.open(again.value());
  std::uint8_t start[4], end[2];
  CHECK_OK(store.read(0, start));
  CHECK_OK(store.read(8 * 4096 - 2, end));
  static const std::uint8_t want[] = {1, 9, 3, 0};
  CHECK_BYTES(start, want);
  CHECK_BYTES(end, second);
  store.close();
}

TEST(file_store_outside_its_capacity_reads_and_writes_nothing) {
  FileStore store{worker()};
  const auto made = open_store(folder_fd(), "edge", 4096);
  CHECK_OK(made);
  store.open(made.value());
  std::uint8_t two[2] = {7, 7};
  CHECK_CODE(store.read(4095, two), Code::io);
  CHECK_CODE(store.read(UINT32_MAX, two), Code::io);
  CHECK_OK(store.read(4096, MutBytes{}));
  CHECK_EQ(two[0], 7);

  const Store::Write writes[] = {{0, two}, {4095, two}};
  store.begin(views(writes), Store::Sync::yes);
  CHECK_CODE(outcome(store), Code::io);
  CHECK_TEXT(scratch::read_file(scratch::path("edge")), std::string(4096, '\0'));
  CHECK_EQ(scratch::read_file(scratch::path("edge")).size(), 4096);
  store.close();
}

TEST(file_store_on_a_full_device_says_enospc) {
  FileStore store{worker()};
  store.open({::open("/dev/full", O_RDWR | O_CLOEXEC), 4096});
  static const std::uint8_t byte[] = {1};
  const Store::Write writes[] = {{0, byte}};
  store.begin(views(writes), Store::Sync::yes);
  const Status full = outcome(store);
  CHECK_CODE(full, Code::io);
  CHECK_EQ(full.detail(), ENOSPC);
  store.close();
}

TEST(file_store_without_a_file_reads_zeros_and_fails_every_job) {
  // What the queue is given while its files cannot be opened: a capacity, and a reason.
  FileStore store{worker()};
  StoreFile none;
  none.capacity = 2 * 4096;
  none.missing = EROFS;
  store.open(none);
  std::uint8_t byte[2] = {7, 7};
  CHECK_OK(store.read(4095, byte));
  CHECK_EQ(byte[0] + byte[1], 0);
  CHECK_CODE(store.read(8191, byte), Code::io);
  const Store::Write writes[] = {{0, byte}};
  for (unsigned time = 0; time < 2; ++time) {
    store.begin(views(writes), Store::Sync::yes);
    const Status failed = outcome(store);
    CHECK_CODE(failed, Code::io);
    CHECK_EQ(failed.detail(), EROFS);
  }
  store.close();
}

TEST(file_store_reports_a_sync_that_fails) {
  int ends[2];
  CHECK_EQ(::pipe2(ends, O_CLOEXEC), 0);
  FileStore store{worker()};
  store.open({ends[1], 4096});
  store.begin({}, Store::Sync::yes);  // a pipe cannot be synced
  const Status failed = outcome(store);
  CHECK_CODE(failed, Code::io);
  CHECK_EQ(failed.detail(), EINVAL);
  store.close();
  ::close(ends[0]);
}

TEST(file_store_that_shrank_is_io_not_short) {
  FileStore store{worker()};
  const auto made = open_store(folder_fd(), "shrunk", 2 * 4096);
  CHECK_OK(made);
  store.open(made.value());
  CHECK_EQ(::truncate(scratch::path("shrunk").c_str(), 4096), 0);
  std::uint8_t byte[1];
  CHECK_CODE(store.read(5000, byte), Code::io);
  store.close();
}

TEST(storage_worker_handle_is_readable_exactly_while_an_outcome_waits) {
  FileStore one{worker()}, two{worker()};
  one.open(open_store(folder_fd(), "one", 4096).value());
  two.open(open_store(folder_fd(), "two", 4096).value());
  CHECK(!readable(worker().handle()));
  CHECK_CODE(worker().wait(milliseconds(0)), Code::timeout);
  for (unsigned round = 0; round < 200; ++round) {
    one.begin({}, Store::Sync::no);
    two.begin({}, Store::Sync::no);
    CHECK_OK(outcome(two));  // served in order: the outcome of `one` waits too
    // That took the first wake-up. The worker may be stopped just before the second: it comes, but not at once.
    CHECK_OK(worker().wait(seconds(60)));
    CHECK_OK(one.poll());
    CHECK(!readable(worker().handle()));
  }
  one.close();
  two.close();
}

// The loop may look at the very moment between "done" and the handle's becoming readable.
TEST(storage_worker_outcome_taken_at_once_leaves_no_wake_up_behind) {
  FileStore store{worker()};
  store.open(open_store(folder_fd(), "at once", 4096).value());
  for (unsigned round = 0; round < 20'000; ++round) {
    store.begin({}, Store::Sync::no);
    Status done = Code::again;
    while (done.code() == Code::again) done = store.poll();
    CHECK_OK(done);
    CHECK(!readable(worker().handle()));
    CHECK_CODE(store.poll(), Code::empty);
  }
  store.close();
}

// In a process of its own: every fdatasync of it hangs, as on a sick eMMC.
int run_on_a_hanging_medium() {
  static StorageWorker hanging;
  static FileStore store{hanging}, behind{hanging};
  store.open(open_store(folder_fd(), "hanging", 4096).value());
  behind.open(open_store(folder_fd(), "behind", 4096).value());
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),  // and nobody answers
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof program[0], program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 77;
  const long listener =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
  if (listener < 0) return 77;
  if (!hanging.start().ok()) return 1;

  static const std::uint8_t text[] = {'h'};
  const Store::Write writes[] = {{0, text}};
  store.begin(views(writes), Store::Sync::yes);
  seccomp_notif held{};
  if (::ioctl(static_cast<int>(listener), SECCOMP_IOCTL_NOTIF_RECV, &held) != 0) return 2;  // it hangs now
  behind.begin(views(writes), Store::Sync::no);
  if (store.poll().code() != Code::again || behind.poll().code() != Code::again) return 3;
  if (hanging.wait(milliseconds(0)).code() != Code::timeout) return 4;
  std::uint8_t seen[1];
  if (!store.read(0, seen).ok() || seen[0] != 'h') return 5;  // reading goes on
  return 0;
}

TEST(storage_worker_on_a_hanging_medium_holds_up_nobody) {
  folder_fd();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run_on_a_hanging_medium());
  int status = -1;
  CHECK_EQ(::waitpid(child, &status, 0), child);  // it ends, although its thread does not
  CHECK(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) _skip(__FILE__, __LINE__);  // no seccomp here
  CHECK_EQ(WEXITSTATUS(status), 0);
}

// Ends a process at its n-th system call that changes the directory or the file.
TEST(file_store_making_cut_anywhere_leaves_none_or_a_whole_one) {
  if (std::getenv("TOCSIN_TEST_MAKES") != nullptr) {  // as the process that is cut
    const int dir = ::open(std::getenv("TOCSIN_TEST_MAKES"), O_RDONLY | O_DIRECTORY);
    CHECK_OK(open_store(dir, "cut", 3 * 4096));
    return;
  }
  const std::string folder = scratch::path("cuts");
  CHECK_EQ(::mkdir(folder.c_str(), 0700), 0);
  char self[kMaxPath + 1] = {};
  CHECK(::readlink("/proc/self/exe", self, kMaxPath) > 0);
  // unlink, open, three writes, fdatasync, rename, fsync: the call that is hit is not carried out.
  const char* const calls[] = {"unlinkat:when=1",  "write:when=1",    "write:when=2", "write:when=3",
                               "fdatasync:when=1", "renameat:when=1", "fsync:when=1"};
  for (const char* call : calls) {
    check::at("call=%s", call);
    ::unlink((folder + "/cut").c_str());
    const std::string command =
        "ASAN_OPTIONS=detect_leaks=0 TOCSIN_TEST_MAKES=" + folder + " strace -f -qq -o /dev/null -P " +
        folder + "/cut.new -P " + folder + "/cut -P " + folder +
        " -e trace=unlinkat,write,fdatasync,renameat,fsync -e inject=" + call + ":signal=SIGKILL:error=EIO " +
        self + " file_store_making_cut_anywhere_leaves_none_or_a_whole_one >/dev/null 2>&1";
    const int status = std::system(command.c_str());
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 128 + SIGKILL);
    const std::string left = scratch::read_file(folder + "/cut");
    const bool whole = std::string_view{call} == "fsync:when=1";  // renamed already
    CHECK_TEXT(left, whole ? std::string(3 * 4096, '\0') : "");
    CHECK_EQ(::access((folder + "/cut").c_str(), F_OK), whole ? 0 : -1);
    const int dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
    const auto made = open_store(dir, "cut", 3 * 4096);
    CHECK_OK(made);
    CHECK_EQ(made.value().capacity, 3 * 4096);
    ::close(made.value().fd);
    ::close(dir);
  }
}

TEST(file_store_that_was_removed_fails_instead_of_syncing_for_nobody) {
  // `rm -rf` of the state under a daemon: every send said that it was stored, and the next start found nothing.
  static FileStore store{worker()};
  store.open(open_store(folder_fd(), "removed", 2 * 4096).value());
  const std::uint8_t byte[1] = {7};
  const Store::Write write[] = {{0, byte}};
  store.begin(views(write), Store::Sync::yes);
  CHECK_OK(outcome(store));
  CHECK_EQ(::unlinkat(folder_fd(), "removed", 0), 0);
  store.begin(views(write), Store::Sync::yes);
  const Status failure = outcome(store);
  CHECK_CODE(failure, Code::io);
  CHECK_EQ(failure.detail(), ENOENT);
  store.close();
}

TEST(file_store_that_must_stay_at_its_place_fails_while_another_file_or_none_is_there) {
  // A state directory that was renamed took every message, and the next start found none of them.
  static FileStore store{worker()};
  const std::string folder = scratch::path("place"), other = scratch::path("other-place");
  CHECK_EQ(::mkdir(folder.c_str(), 0700), 0);
  const Fd dir{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  store.open(open_store(dir.number(), "queue", 2 * 4096).value());
  store.must_stay_at(folder, "queue");
  const std::uint8_t byte[1] = {7};
  const Store::Write write[] = {{0, byte}};
  const auto errno_of = [&](Store::Sync sync) {
    store.begin(views(write), sync);
    return outcome(store).detail();
  };
  CHECK_EQ(errno_of(Store::Sync::yes), 0);
  CHECK_EQ(::rename(folder.c_str(), other.c_str()), 0);
  CHECK_EQ(errno_of(Store::Sync::no), 0);
  CHECK_EQ(errno_of(Store::Sync::yes), ENOENT);
  scratch::write_file(folder, "a file");
  CHECK_EQ(errno_of(Store::Sync::yes), ENOENT);
  CHECK_EQ(::unlink(folder.c_str()), 0);
  CHECK_EQ(::mkdir(folder.c_str(), 0700), 0);
  CHECK_EQ(errno_of(Store::Sync::yes), ENOENT);
  scratch::write_file(folder + "/queue", std::string(2 * 4096, 'x'));
  CHECK_EQ(errno_of(Store::Sync::yes), ENOENT);
  CHECK_EQ(::rename((other + "/queue").c_str(), (folder + "/queue").c_str()), 0);
  CHECK_EQ(errno_of(Store::Sync::yes), 0);
  store.close();
}

TEST(file_store_that_was_cut_off_fails_once_and_has_its_size_again) {
  static FileStore store{worker()};
  const std::string path = scratch::path("shortened");
  store.open(open_store(folder_fd(), "shortened", 4 * 4096).value());
  for (const bool is_asked_for : {false, true}) {
    if (is_asked_for) store.must_stay_at(std::string_view(path).substr(0, path.rfind('/')), "shortened");
    CHECK_EQ(::truncate(path.c_str(), 0), 0);
    const std::uint8_t byte[1] = {7};
    const Store::Write write[] = {{4096, byte}};
    store.begin(views(write), Store::Sync::yes);
    const Status failure = outcome(store);
    CHECK_CODE(failure, Code::io);
    CHECK_EQ(failure.detail(), EIO);
    CHECK_EQ(scratch::read_file(path).size(), 4 * 4096);
    store.begin(views(write), Store::Sync::yes);
    CHECK_OK(outcome(store));
  }
  store.close();
}

TEST(file_store_second_job_before_the_first_is_told_panics) {
  static FileStore store{worker()};
  store.open(open_store(folder_fd(), "twice", 4096).value());
  store.begin({}, Store::Sync::no);
  CHECK_OK(worker().wait(seconds(60)));
  CHECK_PANICS(store.begin({}, Store::Sync::no));
}

}  // namespace

TEST(open_store_of_a_file_that_was_cut_off_fills_it_up_and_keeps_what_is_left) {
  // `truncate -s 0 queue.1`, of the file that was not even in use, kept the device from starting.
  for (const off_t left : {off_t{0}, off_t{10'000}}) {
    const auto made = open_store(folder_fd(), "cut", 16 * kBlock);
    CHECK_OK(made);
    const std::uint8_t byte[1] = {7};
    CHECK_EQ(::pwrite(made.value().fd, byte, 1, 9'999), 1);
    CHECK_EQ(::ftruncate(made.value().fd, left), 0);
    ::close(made.value().fd);
    const auto again = open_store(folder_fd(), "cut", 16 * kBlock);
    CHECK_OK(again);
    CHECK_EQ(again.value().capacity, 16 * kBlock);
    std::uint8_t kept[1] = {1};
    CHECK_EQ(::pread(again.value().fd, kept, 1, 9'999), 1);
    CHECK_EQ(kept[0], left == 0 ? 0 : 7);
    ::close(again.value().fd);
  }
}

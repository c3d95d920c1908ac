// SPDX-License-Identifier: MIT
#include <sys/wait.h>

#include "check.hpp"
#include "port/linux/state_dir.hpp"
#include "port/scratch.hpp"

using namespace tocsin;

namespace {

TEST(state_dir_when_absent_is_made_private) {
  StateDir dir;
  const std::string path = scratch::path("state");
  CHECK_CODE(dir.open(path, IfAbsent::fail), Code::not_found);
  CHECK_OK(dir.open(path + "//", IfAbsent::make));
  struct stat info {};
  CHECK_EQ(::stat(path.c_str(), &info), 0);
  CHECK_EQ(info.st_mode & 0777, 0700);
  CHECK_OK(dir.open(path, IfAbsent::fail));
}

TEST(state_dir_that_cannot_be_made_keeps_the_errno) {
  StateDir dir;
  scratch::write_file(scratch::path("file"), "x");
  CHECK_EQ(dir.open(scratch::path("file"), IfAbsent::make).detail(), ENOTDIR);
  CHECK_EQ(dir.open(scratch::path("no/parent"), IfAbsent::make).detail(), ENOENT);
  CHECK_EQ(dir.open(std::string(300, 'x'), IfAbsent::make).detail(), ENOENT);
}

TEST(state_dir_lock_in_another_process_is_busy_and_names_it) {
  const std::string path = scratch::path("locked");
  static StateDir mine;
  CHECK_OK(mine.open(path, IfAbsent::make));
  CHECK_OK(mine.lock());
  CHECK(mine.is_locked());

  const pid_t child = ::fork();
  if (child == 0) {
    StateDir other;
    const bool opened = other.open(path, IfAbsent::fail).ok();
    const bool busy = other.lock().code() == Code::busy && !other.is_locked();
    ::_exit(opened && busy && other.holder() == static_cast<std::uint32_t>(::getppid()) ? 0 : 1);
  }
  int status = -1;
  CHECK_EQ(::waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);

  mine.unlock();
  StateDir next;
  CHECK_OK(next.open(path, IfAbsent::fail));
  CHECK_OK(next.lock());
}

TEST(state_dir_whose_lock_file_was_removed_is_busy_all_the_same) {
  const std::string path = scratch::path("removed");
  StateDir mine, other;
  CHECK_OK(mine.open(path, IfAbsent::make));
  CHECK_OK(mine.lock());
  CHECK_EQ(::unlink((path + "/lock").c_str()), 0);
  CHECK_OK(other.open(path, IfAbsent::fail));
  CHECK_CODE(other.lock(), Code::busy);
  CHECK(!other.is_locked());
  CHECK_EQ(other.holder(), ::getpid());
  mine.unlock();
  CHECK_OK(other.lock());
}

TEST(state_dir_that_becomes_another_one_is_locked_all_the_time) {
  // The path of a directory that is locked: it, without its lock file, and another one in its place.
  const std::string path = scratch::path("becomes");
  for (const char* what : {"same", "no lock file", "another"}) {
    check::at("%s", what);
    StateDir mine, other;
    CHECK_OK(mine.open(path, IfAbsent::make));
    CHECK_OK(mine.lock());
    const int fd = mine.fd();
    if (what[0] == 'n') CHECK_EQ(::unlink((path + "/lock").c_str()), 0);
    if (what[0] == 'a') CHECK_EQ(::rename(path.c_str(), scratch::path("renamed").c_str()), 0);
    for (const bool kept : {false, true}) {
      StateDir next;
      CHECK_OK(next.open(path, IfAbsent::make));
      CHECK_OK(next.lock_beside(mine));
      CHECK_OK(other.open(path, IfAbsent::fail));
      CHECK_CODE(other.lock(), Code::busy);
      if (kept) mine.become(next);
      next.close();
      CHECK_EQ(mine.fd(), fd);
      if (kept || what[0] != 'a') CHECK_CODE(other.lock(), Code::busy);
    }
    struct stat here = {};
    CHECK_EQ(::stat(path.c_str(), &here), 0);
    CHECK(is_same_file(mine.fd(), here));
    mine.unlock();
    CHECK_OK(other.lock());
  }
}

TEST(state_dir_beside_one_that_somebody_else_holds_is_busy) {
  const std::string path = scratch::path("held");
  StateDir mine, theirs, next;
  CHECK_OK(mine.open(path, IfAbsent::make));
  CHECK_OK(mine.lock());
  CHECK_EQ(::rename(path.c_str(), scratch::path("held-renamed").c_str()), 0);
  CHECK_OK(theirs.open(path, IfAbsent::make));
  CHECK_OK(theirs.lock());
  CHECK_OK(next.open(path, IfAbsent::make));
  CHECK_CODE(next.lock_beside(mine), Code::busy);
  CHECK_EQ(next.holder(), ::getpid());
}

TEST(state_dir_lock_ends_with_its_process_however_it_ends) {
  const std::string path = scratch::path("killed");
  StateDir dir;
  CHECK_OK(dir.open(path, IfAbsent::make));
  int ready[2];
  CHECK_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    StateDir theirs;
    const bool locked = theirs.open(path, IfAbsent::fail).ok() && theirs.lock().ok();
    const char answer = locked ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char answer = 0;
  CHECK_EQ(::read(ready[0], &answer, 1), 1);
  CHECK_EQ(answer, 'y');
  CHECK_CODE(dir.lock(), Code::busy);
  CHECK_EQ(dir.holder(), child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_OK(dir.lock());
}

TEST(state_dir_lock_is_not_inherited_by_programs) {
  StateDir dir;
  CHECK_OK(dir.open(scratch::path("exec"), IfAbsent::make));
  CHECK_OK(dir.lock());
  CHECK_EQ(::fcntl(dir.fd(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  const std::string shown = "test -z \"$(ls -l /proc/self/fd | grep " + scratch::path("exec") + ")\"";
  CHECK_EQ(std::system(shown.c_str()), 0);
}

}  // namespace

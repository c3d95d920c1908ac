// SPDX-License-Identifier: MIT
#include "src/program/queue_places.hpp"

#include <fcntl.h>

#include <string>

#include "check.hpp"
#include "port/scratch.hpp"
#include "tocsin/limits.hpp"

using namespace tocsin;

namespace {

// What is said of a directory with these in it; empty: nothing is wrong.
struct Places {
  explicit Places(const char* name) : folder(scratch::path(name)) {
    CHECK_EQ(::mkdir(folder.c_str(), 0700), 0);
    fd.reset(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  std::string at(const char* name) const { return folder + "/" + name; }
  std::string queue() const {
    char words[400];
    TextWriter why(words);
    const Status checked = check_queue_places(fd.number(), "STATE", why);
    CHECK(checked.ok() ? why.view().empty() : checked.code() == Code::bad_value);
    return std::string(why.view());
  }
  std::string lock() const {
    char words[400];
    TextWriter why(words);
    const Status checked = check_lock_place(fd.number(), "STATE", why);
    CHECK(checked.ok() ? why.view().empty() : checked.code() == Code::bad_value);
    return std::string(why.view());
  }
  std::string folder;
  Fd fd;
};

}  // namespace

TEST(queue_places_with_nothing_or_files_in_them_are_right) {
  const Places places("right");
  CHECK_TEXT(places.queue(), "");
  CHECK_TEXT(places.lock(), "");
  scratch::write_file(places.at("queue.1"), "x");
  CHECK_TEXT(places.queue(), "");
  scratch::write_file(places.at("queue.0"), "");
  scratch::write_file(places.at("lock"), "");
  CHECK_EQ(::truncate(places.at("queue.0").c_str(), static_cast<off_t>(kMaxBlocks * kBlock)), 0);
  CHECK_TEXT(places.queue(), "");
  CHECK_TEXT(places.lock(), "");
  CHECK_EQ(::rename(places.at("queue.0").c_str(), places.at("elsewhere").c_str()), 0);
  CHECK_EQ(::symlink("elsewhere", places.at("queue.0").c_str()), 0);  // another file, wherever it lies
  CHECK_TEXT(places.queue(), "");
}

TEST(queue_places_with_one_file_in_both_of_them_are_refused) {
  const Places places("linked");
  scratch::write_file(places.at("queue.0"), "x");
  const char* const said = "STATE/queue.0 and queue.1 are one and the same file: remove queue.1, which is a link; "
                           "`tocsin run` makes it anew";
  CHECK_EQ(::link(places.at("queue.0").c_str(), places.at("queue.1").c_str()), 0);
  CHECK_TEXT(places.queue(), said);
  CHECK_EQ(::unlink(places.at("queue.1").c_str()), 0);
  CHECK_EQ(::symlink("queue.0", places.at("queue.1").c_str()), 0);
  CHECK_TEXT(places.queue(), said);
}

TEST(queue_places_with_a_file_above_the_largest_are_refused) {
  const Places places("large");
  scratch::write_file(places.at("queue.1"), "x");
  CHECK_EQ(::truncate(places.at("queue.1").c_str(), static_cast<off_t>(kMaxBlocks * kBlock + 1)), 0);
  CHECK_TEXT(places.queue(), "STATE/queue.1 has 16777217 bytes, and a queue file has 16777216 at most: it is none; "
                             "move it away");
}

TEST(queue_places_with_something_else_in_them_are_refused) {
  const Places places("else");
  for (const char* name : {"queue.0", "lock"}) {
    const auto said = [&] { return name[0] == 'q' ? places.queue() : places.lock(); };
    const std::string path = places.at(name), is = std::string("STATE/") + name + " is ";
    CHECK_EQ(::mkdir(path.c_str(), 0700), 0);
    CHECK_TEXT(said(), is + "a directory, not a file: move it away");
    CHECK_EQ(::rmdir(path.c_str()), 0);
    CHECK_EQ(::mkfifo(path.c_str(), 0600), 0);
    CHECK_TEXT(said(), is + "a pipe, not a file: move it away");
    CHECK_EQ(::unlink(path.c_str()), 0);
    CHECK_EQ(::symlink("/dev/null", path.c_str()), 0);
    CHECK_TEXT(said(), is + (name[0] == 'q' ? "a device" : "a link") + ", not a file: move it away");
    CHECK_EQ(::unlink(path.c_str()), 0);
  }
}

// SPDX-License-Identifier: MIT
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "check.hpp"
#include "port/linux/log.hpp"
#include "port/scratch.hpp"

using namespace tocsin;

namespace {

class Pipe {
 public:
  explicit Pipe(Log& log) {
    CHECK_EQ(::pipe2(ends_, O_NONBLOCK | O_CLOEXEC), 0);
    log.to_stderr(in());
  }
  int in() const { return ends_[1]; }
  std::string take() const {
    char bytes[70'000];
    const ssize_t n = ::read(ends_[0], bytes, sizeof bytes);
    return n > 0 ? std::string(bytes, static_cast<std::size_t>(n)) : std::string{};
  }

 private:
  int ends_[2];
};

Instant at(std::int64_t s) { return Instant{1'000'000} + seconds(s); }

TEST(log_on_stderr_names_the_level_of_trouble_only) {
  Log log;
  const Pipe pipe{log};
  log.line(at(0), LogLevel::info, "started");
  log.line(at(0), LogLevel::warning, "clock not set");
  log.line(at(0), LogLevel::error, "queue full");
  CHECK_TEXT(pipe.take(), "tocsin: started\ntocsin: warning: clock not set\ntocsin: error: queue full\n");
}

TEST(log_of_a_repeated_line_says_it_once_a_minute_with_the_count) {
  Log log;
  const Pipe pipe{log};
  CHECK(log.due() == kNever);
  for (int second = 0; second < 38; ++second) log.line(at(second), LogLevel::info, "no route");
  CHECK_TEXT(pipe.take(), "tocsin: no route\n");
  CHECK(log.due() == at(60));
  log.poll(at(59));
  CHECK_TEXT(pipe.take(), "");
  log.poll(at(60));
  CHECK_TEXT(pipe.take(), "tocsin: no route (repeated 37 times)\n");
  CHECK(log.due() == kNever);
  log.line(at(61), LogLevel::info, "no route");
  CHECK_TEXT(pipe.take(), "");
  CHECK(log.due() == at(120));
  log.line(at(500), LogLevel::info, "no route");  // without a poll() in time
  CHECK_TEXT(pipe.take(), "tocsin: no route (repeated 2 times)\n");
  log.line(at(900), LogLevel::info, "no route");
  CHECK_TEXT(pipe.take(), "tocsin: no route\n");
}

// A stream that is held again after it was resumed: the last line must not say that it is tried.
TEST(log_that_begins_anew_says_what_it_said_before_again) {
  Log log;
  const Pipe pipe{log};
  for (int second = 0; second < 3; ++second) log.line(at(second), LogLevel::error, "held: 403");
  CHECK_TEXT(pipe.take(), "tocsin: error: held: 403\n");
  log.begin_anew(at(3));
  CHECK_TEXT(pipe.take(), "tocsin: error: held: 403 (repeated 2 times)\n");
  CHECK(log.due() == kNever);
  log.line(at(4), LogLevel::error, "held: 403");
  CHECK_TEXT(pipe.take(), "tocsin: error: held: 403\n");
}

TEST(log_tells_lines_apart_that_differ_late_or_in_level) {
  Log log;
  const Pipe pipe{log};
  const std::string long_one(300, 'x');
  log.line(at(0), LogLevel::info, long_one + "1");
  log.line(at(0), LogLevel::info, long_one + "2");
  log.line(at(0), LogLevel::info, "same");
  log.line(at(0), LogLevel::warning, "same");
  CHECK_TEXT(pipe.take(),
             "tocsin: " + long_one + "1\ntocsin: " + long_one + "2\ntocsin: same\ntocsin: warning: same\n");
}

TEST(log_of_more_lines_than_it_remembers_loses_no_count) {
  Log log;
  const Pipe pipe{log};
  log.line(at(0), LogLevel::info, "first");
  log.line(at(0), LogLevel::info, "first");
  for (char c = 'a'; c < 'a' + 8; ++c) log.line(at(1 + c - 'a'), LogLevel::info, {&c, 1});
  const std::string said = pipe.take();
  CHECK(said.find("first (repeated 1 time)\n") != std::string::npos);
  CHECK_EQ(std::count(said.begin(), said.end(), '\n'), 10);
}

TEST(log_line_stays_one_line_and_bounded) {
  Log log;
  const Pipe pipe{log};
  log.line(at(0), LogLevel::info, "bad\r\ntocsin: forged\x1b[2J\x7f");
  CHECK_TEXT(pipe.take(), "tocsin: bad??tocsin: forged?[2J?\n");
  log.line(at(0), LogLevel::error, std::string(5000, 'y'));
  const std::string cut = pipe.take();
  CHECK(cut.size() <= Log::kMaxLine + 1);
  CHECK_EQ(cut.back(), '\n');
}

TEST(log_into_a_full_pipe_does_not_wait) {
  Log log;
  const Pipe pipe{log};
  ::fcntl(pipe.in(), F_SETFL, 0);  // blocking, as stderr is
  for (unsigned n = 0; log.dropped() == 0; ++n) {
    CHECK(n < 10'000);
    log.line(at(0), LogLevel::info, std::to_string(n) + std::string(200, '.'));
  }
  CHECK(!pipe.take().empty());
  const std::uint32_t dropped = log.dropped();
  log.line(at(0), LogLevel::info, "goes on");
  CHECK_EQ(log.dropped(), dropped);
}

TEST(log_into_a_pipe_without_a_reader_does_not_end_the_program) {
  int ends[2];
  CHECK_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ::close(ends[0]);
  Log log;
  log.to_stderr(ends[1]);
  log.line(at(0), LogLevel::info, "nobody reads");
  CHECK_EQ(log.dropped(), 1);
}

int syslog_daemon(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_un here{};
  here.sun_family = AF_UNIX;
  std::snprintf(here.sun_path, sizeof here.sun_path, "%s", path.c_str());
  ::unlink(path.c_str());
  CHECK_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&here), sizeof here), 0);
  return fd;
}

std::string datagram(int fd) {
  char bytes[1000];
  const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
  return n > 0 ? std::string(bytes, static_cast<std::size_t>(n)) : std::string{};
}

TEST(log_to_syslog_sends_datagrams_and_survives_a_new_daemon) {
  const std::string path = scratch::path("devlog");
  const std::string pid = "tocsin[" + std::to_string(::getpid()) + "]: ";
  Log log;
  CHECK_CODE(log.to_syslog(path), Code::io);
  int daemon = syslog_daemon(path);
  CHECK_OK(log.to_syslog(path));
  log.line(at(0), LogLevel::error, "queue full");
  CHECK_TEXT(datagram(daemon), "<27>" + pid + "queue full");
  ::close(daemon);
  log.line(at(1), LogLevel::info, "nobody");
  CHECK_EQ(log.dropped(), 1);
  daemon = syslog_daemon(path);
  log.line(at(2), LogLevel::info, "back");
  CHECK_TEXT(datagram(daemon), "<30>" + pid + "back");
}

}  // namespace

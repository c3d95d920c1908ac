// SPDX-License-Identifier: MIT
// What the supervisor hears, through a real socket.
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "check.hpp"
#include "port/linux/supervisor.hpp"

using namespace tocsin;

namespace {

// An abstract socket of this test.
struct Ear {
  std::string name = "@tocsin-test-" + std::to_string(::getpid());
  Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  Ear() {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path + 1, name.data() + 1, name.size() - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    CHECK(::bind(socket.number(), reinterpret_cast<const sockaddr*>(&at), size) == 0);
  }
  std::string heard() {
    char text[200];
    const ssize_t n = ::recv(socket.number(), text, sizeof text, 0);
    return n < 0 ? "nothing" : std::string(text, static_cast<std::size_t>(n));
  }
};

}  // namespace

TEST(supervisor_is_told_ready_then_fed_at_half_its_time_then_stopping) {
  Ear ear;
  Supervisor supervisor;
  const std::string own = std::to_string(::getpid());
  supervisor.open(ear.name.c_str(), "30000000", own.c_str());
  CHECK(supervisor.due() == kNever);
  supervisor.ready(Instant{1000});
  CHECK_TEXT(ear.heard(), "READY=1");
  supervisor.poll(Instant{1000});
  CHECK_TEXT(ear.heard(), "WATCHDOG=1");
  CHECK_EQ(supervisor.due().ms, 16'000);
  supervisor.poll(Instant{15'999});
  CHECK_TEXT(ear.heard(), "nothing");
  supervisor.poll(Instant{16'000});
  CHECK_TEXT(ear.heard(), "WATCHDOG=1");
  supervisor.stopping();
  CHECK_TEXT(ear.heard(), "STOPPING=1");
  CHECK(supervisor.due() == kNever);
}

TEST(supervisor_watchdog_of_another_process_is_left_alone) {
  Ear ear;
  Supervisor supervisor;
  supervisor.open(ear.name.c_str(), "30000000", "1");
  supervisor.ready(Instant{1000});
  CHECK_TEXT(ear.heard(), "READY=1");
  CHECK(supervisor.due() == kNever);
}

TEST(supervisor_that_is_not_there_or_has_an_odd_address_is_told_nothing) {
  const std::string too_long = "/" + std::string(200, 'x');
  for (const char* address :
       {static_cast<const char*>(nullptr), "", "@", "relative", "/nowhere/notify", too_long.c_str()}) {
    Supervisor supervisor;
    supervisor.open(address, "x", nullptr);
    supervisor.ready(Instant{1000});
    supervisor.poll(Instant{99'000});
    supervisor.stopping();
    CHECK(supervisor.due() == kNever);
  }
}

// SPDX-License-Identifier: MIT
#include "port/linux/supervisor.hpp"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

namespace tocsin {
namespace {

std::string_view text_or_empty(const char* text) { return text == nullptr ? std::string_view{} : text; }

}  // namespace

void Supervisor::open(const char* socket, const char* watchdog_usec, const char* watchdog_pid) {
  const std::string_view path = text_or_empty(socket);
  if (path.size() < 2 || path.size() > path_.capacity() || (path.front() != '/' && path.front() != '@')) return;
  path_.assign_cut(path);
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto usec = parse_number(text_or_empty(watchdog_usec), UINT32_MAX);
  const auto pid = parse_number(text_or_empty(watchdog_pid), INT32_MAX);
  if (watchdog_pid != nullptr && (!pid.ok() || pid.value() != static_cast<std::uint64_t>(::getpid()))) return;
  if (usec.ok()) feed_ = milliseconds(static_cast<std::int64_t>(usec.value() / 2000));
}

void Supervisor::ready(Instant now) {
  tell("READY=1");
  if (feed_.count > 0) due_ = now;
}

void Supervisor::stopping() {
  tell("STOPPING=1");
  due_ = kNever;
}

void Supervisor::poll(Instant now) {
  if (now < due_) return;
  tell("WATCHDOG=1");
  due_ = now + feed_;
}

void Supervisor::tell(std::string_view state) const {
  if (!socket_.is_open()) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const std::string_view path = path_.view();
  std::memcpy(to.sun_path, path.data(), path.size());
  if (path.front() == '@') to.sun_path[0] = '\0';  // an abstract one
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const ssize_t n = ::sendto(socket_.number(), state.data(), state.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&to), size);
  static_cast<void>(n);
}

}  // namespace tocsin

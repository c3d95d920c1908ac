// SPDX-License-Identifier: MIT
// The caller's side of the control socket.
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "port/linux/clock.hpp"
#include "src/program/control.hpp"

namespace tocsin {
namespace {

// Waits until the socket is `events` or the deadline has passed. Errors: timeout, io.
Status wait_for(int fd, short events, Instant deadline) {
  for (;;) {
    const Instant now = read_clocks().now;
    if (now >= deadline) return Code::timeout;
    const Millis left = deadline - now;
    pollfd watched{fd, events, 0};
    const int n = ::poll(&watched, 1, left.count > 60'000 ? 60'000 : static_cast<int>(left.count));
    if (n > 0) return {};
    if (n < 0 && errno != EINTR) return last_error();
  }
}

Status connect_by(int fd, const sockaddr_un& address, Instant deadline) {
  for (;;) {
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
    switch (errno) {
      case EINTR: break;
      case ENOENT:
      case ENOTDIR:
      case ENOTSOCK:
      case ECONNREFUSED: return {Code::not_found, errno};
      case EAGAIN: {
        // The queue of those who wait to be accepted is full; nothing tells when it is not.
        if (read_clocks().now >= deadline) return Code::timeout;
        ::poll(nullptr, 0, 20);
        break;
      }
      default: return last_error();
    }
  }
}

}  // namespace

Result<ControlReply> call_control(std::string_view path, const ControlRequest& request, Millis timeout,
                                  MutBytes memory) {
  sockaddr_un address{};
  if (path.empty() || path.size() > kMaxControlPath || find(path, '\0') != kNotFound) return Code::too_big;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());

  // The request is spelled where the reply will be.
  TRY_LET(size, encode_request(request, memory));
  const Instant deadline = read_clocks().now + timeout;
  const Fd fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd.is_open()) return last_error();
  TRY(connect_by(fd.number(), address, deadline));
  for (;;) {
    const ssize_t n = ::send(fd.number(), memory.data(), size, MSG_NOSIGNAL);
    if (n >= 0) break;
    if (errno == EPIPE || errno == ECONNRESET) return Status{Code::not_found, errno};
    if (errno == EAGAIN) {
      TRY(wait_for(fd.number(), POLLOUT, deadline));
    } else if (errno != EINTR) {
      return last_error();
    }
  }
  for (;;) {
    const ssize_t n = ::recv(fd.number(), memory.data(), memory.size(), MSG_TRUNC);
    if (n > 0 && static_cast<std::size_t>(n) <= memory.size())
      return decode_reply(Bytes{memory.data(), static_cast<std::size_t>(n)});
    if (n > 0) return Code::protocol;
    if (n == 0) return Code::closed;
    // Linux says so when the other side ended with this request unread: whoever it was did nothing.
    if (errno == ECONNRESET) return Status{Code::not_found, errno};
    if (errno == EAGAIN) {
      TRY(wait_for(fd.number(), POLLIN, deadline));
    } else if (errno != EINTR) {
      return last_error();
    }
  }
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "src/program/control.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "src/program/control_packet.hpp"

namespace tocsin {
namespace {

// False: the path is too long.
bool make_address(std::string_view path, sockaddr_un& address) {
  static_assert(sizeof address.sun_path == kMaxControlPath + 1);
  if (path.empty() || path.size() > kMaxControlPath || find(path, '\0') != kNotFound) return false;
  address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return true;
}

const sockaddr* as_sockaddr(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

Status too_long(TextWriter& why) {
  why.text("the path of the control socket has more than ").number(kMaxControlPath).text(" bytes: set a shorter ");
  why.text("`control` in [device]");
  return Code::too_big;
}

// Empty: the one where the program is, or the root.
std::string_view folder_of(std::string_view path) {
  std::size_t slash = path.size();
  while (slash > 0 && path[slash - 1] != '/') --slash;
  return head(path, slash <= 1 ? 0 : slash - 1);
}

// The folder of the socket, made when only it is missing.
Status make_folder(std::string_view path, TextWriter& why) {
  const std::string_view folder = folder_of(path);
  if (folder.empty()) return {};
  const Path name{folder};
  struct stat info {};
  if (::stat(name.c_str(), &info) == 0) return {};  // not a folder: bind() says so
  if (::mkdir(name.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return failed(why, "cannot make the folder of the control socket, ", folder, last_error());
}

bool is_socket(const sockaddr_un& address, const struct stat& info, TextWriter& why) {
  if (S_ISSOCK(info.st_mode)) return true;
  why.text(address.sun_path).text(" is not a socket: remove it, or set `control` in [device]");
  return false;
}

// Takes away a socket that nobody serves any more.
Status clear_place(const sockaddr_un& address, TextWriter& why) {
  struct stat info {};
  if (::lstat(address.sun_path, &info) != 0) return {};  // nothing there, or bind() says why not
  if (!is_socket(address, info, why)) return Code::bad_value;
  const Fd probe{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!probe.is_open()) return failed(why, "cannot make a socket for ", address.sun_path, last_error());
  if (::connect(probe.number(), as_sockaddr(address), sizeof address) == 0 || errno == EAGAIN) {
    why.text("another tocsin serves ").text(address.sun_path).text(": stop it, or set `control` in [device]");
    return Code::busy;
  }
  if (errno != ECONNREFUSED)
    return failed(why, "cannot use the control socket ", address.sun_path, last_error());
  if (::unlink(address.sun_path) != 0 && errno != ENOENT)
    return failed(why, "cannot remove the old control socket ", address.sun_path, last_error());
  return {};
}

bool hung_up(const Fd& fd) {
  pollfd peer{fd.number(), 0, 0};
  return ::poll(&peer, 1, 0) > 0 && (peer.revents & (POLLHUP | POLLERR)) != 0;
}

// Or has gone.
bool has_asked(const Fd& fd) {
  pollfd peer{fd.number(), POLLIN, 0};
  return ::poll(&peer, 1, 0) > 0;
}

}  // namespace

Status ControlServer::open(std::string_view path, TextWriter& why) {
  close();
  sockaddr_un address;
  if (!make_address(path, address)) return too_long(why);
  TRY(make_folder(path, why));
  TRY(clear_place(address, why));

  Fd listener{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!listener.is_open()) return failed(why, "cannot make a socket for ", path, last_error());
  // Linux gives the file the mode of the socket: it is never open to more than it will be.
  if (::fchmod(listener.number(), 0660) != 0) return failed(why, "cannot protect ", path, last_error());
  if (::bind(listener.number(), as_sockaddr(address), sizeof address) != 0)
    return failed(why, "cannot make the control socket ", path, last_error());
  struct stat info {};
  if (::lstat(address.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode))
    return failed(why, "cannot find the control socket ", path, last_error());
  // What the umask took away.
  if ((info.st_mode & 0777) != 0660 && ::chmod(address.sun_path, 0660) != 0)
    return failed(why, "cannot protect ", path, last_error());
  if (::listen(listener.number(), kMaxControlClients) != 0)
    return failed(why, "cannot listen at ", path, last_error());

  device_ = info.st_dev;
  inode_ = info.st_ino;
  path_.assign(path).ignore();  // fits: make_address measured it
  listener_.reset(listener.release());
  return {};
}

Status check_control_place(std::string_view path, TextWriter& why) {
  sockaddr_un address;
  if (!make_address(path, address)) return too_long(why);
  struct stat info {};
  if (::lstat(address.sun_path, &info) == 0 && !is_socket(address, info, why)) return Code::bad_value;
  std::string_view folder = folder_of(path);
  if (::stat(Path{folder}.c_str(), &info) != 0 && errno == ENOENT) folder = folder_of(folder);  // open() makes one
  if (folder.empty()) folder = path.front() == '/' ? "/" : ".";
  if (may_write_in(Path{folder}.c_str())) return {};
  return failed(why, "cannot make the control socket ", path, last_error());
}

void ControlServer::close() {
  for (Slot& slot : slots_) slot.fd.reset();
  if (!listener_.is_open()) return;
  listener_.reset();
  const Path path{path_.view()};
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_)
    ::unlink(path.c_str());
}

std::size_t ControlServer::handles(Span<Handle> into) const {
  std::size_t count = 0;
  bool room = false;
  for (const Slot& slot : slots_) {
    room = room || !slot.fd.is_open() || slot.answered;
    if (slot.fd.is_open() && count < into.size())
      into[count++] = {slot.fd.number(), slot.waiting ? Want::nothing : Want::readable};
  }
  if (room && listener_.is_open() && count < into.size())
    into[count++] = {listener_.number(), Want::readable};
  return count;
}

Result<ControlServer::Client> ControlServer::next(Instant now) {
  accept_all(now);
  const std::size_t first = first_;
  for (std::size_t n = 0; n < kMaxControlClients; ++n) {
    Slot& slot = slots_[(first + n) % kMaxControlClients];
    if (!slot.fd.is_open()) continue;
    if (slot.waiting) {
      if (hung_up(slot.fd)) slot.fd.reset();
      continue;
    }
    if (const Status received = receive(slot, now); received.ok()) {
      first_ = (first + n + 1) % kMaxControlClients;
      return Client{slot.number};
    }
    if (slot.fd.is_open() && now >= slot.idle_since + kControlIdle) slot.fd.reset();
  }
  return Code::again;
}

void ControlServer::accept_all(Instant now) {
  if (!listener_.is_open() || nobody_calls_) return;
  for (Slot* slot = place(); slot != nullptr; slot = place()) {
    const int fd = ::accept4(listener_.number(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;  // nobody, or nothing that helps now: the next call tries again
    slot->fd.reset(fd);
    slot->number = ++last_number_;
    slot->idle_since = now;
    slot->waiting = slot->answered = false;
  }
}

// For one who waits to be accepted: a free one, else that of the client that was answered first of all and has not
// asked again. nullptr: there is none.
ControlServer::Slot* ControlServer::place() {
  Slot* found = nullptr;
  for (Slot& slot : slots_) {
    if (!slot.fd.is_open()) return &slot;
    if (slot.answered && !has_asked(slot.fd) && (found == nullptr || slot.idle_since < found->idle_since)) found = &slot;
  }
  return found;
}

// ok: request_ is a request. Everything else is dealt with here.
Status ControlServer::receive(Slot& slot, Instant now) {
  for (;;) {
    const ssize_t n = ::recv(slot.fd.number(), packet_, sizeof packet_, MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return Code::again;
    if (n <= 0) {
      slot.fd.reset();
      return Code::closed;
    }
    if (hung_up(slot.fd)) {  // it gave up waiting and said that nothing was done
      slot.fd.reset();
      return Code::closed;
    }
    char memory[160];
    TextWriter why{memory};
    why.text("tocsin: bad request: ");
    const auto size = static_cast<std::size_t>(n);
    Status status = Code::too_big;
    if (size > sizeof packet_) {
      why.text("it has ").number(size).text(" bytes and may have ").number(sizeof packet_);
    } else {
      status = decode_request(Bytes{packet_, size}, request_, why);
    }
    slot.waiting = true;
    slot.answered = false;
    if (status.ok()) return {};
    why.text("\n");
    answer(slot, {Exit::internal, {}, why.view()}, now);
    return status;
  }
}

bool ControlServer::waits(Client client) const {
  for (const Slot& slot : slots_)
    if (slot.fd.is_open() && slot.number == client.number) return slot.waiting;
  return false;
}

void ControlServer::reply(Client to, const ControlReply& reply, Instant now) {
  for (Slot& slot : slots_)
    if (slot.fd.is_open() && slot.number == to.number && slot.waiting) answer(slot, reply, now);
}

void ControlServer::answer(Slot& slot, const ControlReply& reply, Instant now) {
  // Sent from where the texts are, without a packet in memory.
  ReplyFrame frame{reply};
  iovec parts[4];
  std::size_t count = 0;
  for (const Bytes part : {frame.front(), as_bytes(frame.out()), frame.middle(), as_bytes(frame.err())}) {
    parts[count].iov_base = const_cast<std::uint8_t*>(part.data());
    parts[count++].iov_len = part.size();
  }
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);  // an int with musl
  ssize_t n;
  do {
    n = ::sendmsg(slot.fd.number(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  slot.waiting = false;
  slot.answered = true;
  slot.idle_since = now;
  if (n < 0) slot.fd.reset();  // it has gone, or asks without ever reading
}

Instant ControlServer::due() const {
  Instant first = kNever;
  for (const Slot& slot : slots_)
    if (slot.fd.is_open() && !slot.waiting) first = earlier(first, slot.idle_since + kControlIdle);
  return first;
}

}  // namespace tocsin

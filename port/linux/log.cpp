// SPDX-License-Identifier: MIT
#include "port/linux/log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "port/linux/system.hpp"
#include "tocsin/base/crc32.hpp"

namespace tocsin {
namespace {

constexpr unsigned kDaemonFacility = 3;  // RFC 3164 4.1.1

// A line is one line: what came from outside cannot begin another one or move a terminal's cursor.
void write_visible(std::string_view text, TextWriter& into) {
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x20 && byte != 0x7F) continue;
    into.text(head(tail(text, start), at - start)).character('?');
    start = at + 1;
  }
  into.text(tail(text, start));
}

}  // namespace

void Log::to_stderr(int fd) {
  if (syslog_ >= 0) ::close(syslog_);
  syslog_ = -1;
  fd_ = fd;
}

Status Log::to_syslog(std::string_view socket_path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof to.sun_path) return {Code::io, ENAMETOOLONG};
  std::memcpy(to.sun_path, socket_path.data(), socket_path.size());
  Fd made{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!made.is_open()) return last_error();
  if (::connect(made.number(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return last_error();
  if (syslog_ >= 0) ::close(syslog_);
  syslog_ = made.release();
  syslog_path_.assign(socket_path).ignore();  // shorter than sun_path
  return {};
}

void Log::line(Instant now, LogLevel level, std::string_view text) {
  const std::uint32_t check = crc32(static_cast<std::uint32_t>(level), as_bytes(text));
  Recent* place = &recent_[0];
  for (Recent& recent : recent_) {
    if (recent.used && recent.check == check && recent.level == level &&
        starts_with(text, recent.start.view())) {
      if (now < recent.said + kSayAgain) {
        ++recent.repeated;
      } else if (recent.repeated > 0) {
        ++recent.repeated;
        say_again(recent, now);
      } else {
        put(level, text, 0);
        recent.said = now;
      }
      return;
    }
    if (!recent.used || (place->used && recent.said < place->said)) place = &recent;
  }
  if (place->used && place->repeated > 0) say_again(*place, now);
  put(level, text, 0);
  place->start.assign_cut(text);
  place->check = check;
  place->repeated = 0;
  place->said = now;
  place->level = level;
  place->used = true;
}

void Log::poll(Instant now) {
  for (Recent& recent : recent_)
    if (recent.repeated > 0 && now >= recent.said + kSayAgain) say_again(recent, now);
}

void Log::begin_anew(Instant now) {
  for (Recent& recent : recent_) {
    if (recent.repeated > 0) say_again(recent, now);
    recent.used = false;
  }
}

Instant Log::due() const {
  Instant due = kNever;
  for (const Recent& recent : recent_)
    if (recent.repeated > 0) due = earlier(due, recent.said + kSayAgain);
  return due;
}

void Log::say_again(Recent& recent, Instant now) {
  put(recent.level, recent.start.view(), recent.repeated);
  recent.repeated = 0;
  recent.said = now;
}

void Log::put(LogLevel level, std::string_view text, std::uint32_t repeated) {
  char memory[kMaxLine + 64];
  TextWriter out{memory};
  const bool syslog = syslog_ >= 0;
  if (syslog) out.character('<').number(kDaemonFacility * 8 + static_cast<unsigned>(level)).character('>');
  out.text("tocsin");
  if (syslog) out.character('[').number(static_cast<std::uint64_t>(::getpid())).character(']');
  out.text(": ");
  // stderr has no field for the level; an ordinary line needs none.
  if (!syslog && level == LogLevel::error) out.text("error: ");
  if (!syslog && level == LogLevel::warning) out.text("warning: ");
  write_visible(head(text, kMaxLine - 40), out);
  if (repeated > 0) out.text(" (repeated ").number(repeated).text(repeated == 1 ? " time)" : " times)");
  if (!syslog) out.character('\n');

  if (syslog ? !send(out.view()) : !write(out.view())) ++dropped_;
}

bool Log::write(std::string_view whole) const {
  // A terminal stopped with XOFF or a pipe nobody empties must not stop the loop, and one whose
  // reader is gone (POLLERR) must not end it by SIGPIPE.
  pollfd ready{fd_, POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT) return false;
  return ::write(fd_, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size());
}

bool Log::send(std::string_view datagram) {
  if (::send(syslog_, datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0) return true;
  if (errno != ECONNREFUSED && errno != ENOTCONN && errno != ECONNRESET) return false;
  // The daemon was started anew: its socket is another one under the old name.
  FixedText<108> path = syslog_path_;
  return to_syslog(path.view()).ok() && ::send(syslog_, datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/connector.hpp"

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstring>

#include "port/linux/tls_words.hpp"

namespace tocsin {

void take_turns(Addresses& all) {
  for (std::uint32_t at = 1; at < all.count; ++at) {
    std::uint32_t next = at;
    while (next < all.count && all.list[next].any.sa_family == all.list[at - 1].any.sa_family) ++next;
    if (next == all.count) return;  // the rest is of one family
    const Address chosen = all.list[next];
    for (; next > at; --next) all.list[next] = all.list[next - 1];
    all.list[at] = chosen;
  }
}

Status Connector::connect(std::string_view host, std::uint16_t port) {
  if (phase_ == Phase::looking_up) return look_up();
  if (phase_ == Phase::connecting) return race();
  close();
  addresses_.count = 0;
  looked_up_ = {};
  if (const auto literal = parse_address(host, port); literal.ok()) {
    addresses_.list[0] = literal.value();
    addresses_.count = 1;
    return begin_race();
  }
  const auto ticket = resolver_.begin(host, port);
  if (!ticket.ok()) return fail(looked_up_ = ticket.status());
  looked_up_ = Code::timeout;  // as long as it lasts
  ticket_ = ticket.value();
  phase_ = Phase::looking_up;
  return Code::again;
}

Status Connector::reconnect() {
  const Address again = peer();
  close();
  addresses_.list[0] = again;
  addresses_.count = 1;
  return begin_race();
}

Status Connector::look_up() {
  const Status found = resolver_.poll(ticket_, addresses_);
  if (found.code() == Code::again) return found;
  ticket_ = -1;
  looked_up_ = found.ok() && addresses_.count == 0 ? Status{Code::not_found} : found;
  if (!looked_up_.ok()) {
    addresses_.count = 0;
    return fail(looked_up_);
  }
  take_turns(addresses_);
  put_blamed_last();
  return begin_race();
}

// Those behind it come first, so that several that are no good do not hide another one.
void Connector::put_blamed_last() {
  const auto is_blamed = [this](const Address& one) {
    return one.size == blamed_.size && std::memcmp(&one.v6, &blamed_.v6, one.size) == 0;
  };
  std::uint32_t ahead = 0;
  while (ahead < addresses_.count && !is_blamed(addresses_.list[ahead])) ++ahead;
  if (ahead == addresses_.count) return;
  for (++ahead; ahead > 0; --ahead) {
    const Address first = addresses_.list[0];
    for (std::uint32_t at = 1; at < addresses_.count; ++at) addresses_.list[at - 1] = addresses_.list[at];
    addresses_.list[addresses_.count - 1] = first;
  }
}

Status Connector::begin_race() {
  phase_ = Phase::connecting;
  started_ = winner_ = 0;
  for (int& error : errors_) error = 0;
  if (addresses_.count == 1) return start_next();
  events_.reset(::epoll_create1(EPOLL_CLOEXEC));
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  epoll_event readable{};
  readable.events = EPOLLIN;
  if (!events_.is_open() || !timer_.is_open() ||
      ::epoll_ctl(events_.number(), EPOLL_CTL_ADD, timer_.number(), &readable) != 0) {
    errors_[0] = errno;
    started_ = 1;
    return fail(last_error());
  }
  return start_next();
}

Status Connector::race() {
  bool failed = false;
  for (std::uint32_t at = 0; at < started_; ++at) {
    if (!sockets_[at].is_open()) continue;
    // Called once more it tells what has become of it.
    const Address& to = addresses_.list[at];
    const int error = ::connect(sockets_[at].number(), &to.any, to.size) == 0 ? 0 : errno;
    if (error == EALREADY) continue;
    if (error == 0 || error == EISCONN) {
      winner_ = at;
      won_.reset(sockets_[at].release());
      end_race();
      return {};
    }
    errors_[at] = error;
    sockets_[at].reset();
    failed = true;
  }
  std::uint64_t expired = 0;
  const bool silent = timer_.is_open() && ::read(timer_.number(), &expired, sizeof expired) == sizeof expired;
  if (failed || silent) return start_next();
  return Code::again;
}

// Errors: again (one of them may still connect), io (none can).
Status Connector::start_next() {
  while (started_ < addresses_.count) {
    const std::uint32_t at = started_++;
    const Status begun = start(at);
    if (begun.ok()) {
      if (timer_.is_open()) set_timer(started_ < addresses_.count ? kStagger : Millis{0});
      return Code::again;
    }
    errors_[at] = begun.detail();
    sockets_[at].reset();
  }
  for (const Fd& socket : sockets_)
    if (socket.is_open()) return Code::again;
  return fail({Code::io, errors_[addresses_.count - 1]});
}

// A connection that is there at once makes the handle ready as well.
Status Connector::start(std::uint32_t at) {
  const Address& to = addresses_.list[at];
  Fd& socket = sockets_[at];
  socket.reset(::socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!socket.is_open()) return last_error();
  const int on = 1;
  ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket.number(), &to.any, to.size) != 0 && errno != EINPROGRESS) return last_error();
  if (!events_.is_open()) return {};
  epoll_event writable{};
  writable.events = EPOLLOUT;
  return ::epoll_ctl(events_.number(), EPOLL_CTL_ADD, socket.number(), &writable) == 0 ? Status{} : last_error();
}

void Connector::set_timer(Millis time) {
  itimerspec at{};
  at.it_value.tv_nsec = static_cast<long>(time.count * 1'000'000);  // 0: off
  ::timerfd_settime(timer_.number(), 0, &at, nullptr);
}

Status Connector::fail(Status status) {
  end_race();
  return status.code() == Code::io ? status : Status{Code::io, status.detail() != 0 ? status.detail() : EADDRNOTAVAIL};
}

void Connector::end_race() {
  for (Fd& socket : sockets_) socket.reset();
  timer_.reset();
  events_.reset();
  phase_ = Phase::idle;
}

void Connector::close() {
  if (ticket_ >= 0) resolver_.cancel(ticket_);
  ticket_ = -1;
  won_.reset();
  end_race();
}

void Connector::write_problem(std::string_view host, std::uint16_t port, TextWriter& into) const {
  if (addresses_.count == 0) {
    into.text("cannot look up ").text(host).text(": ");
    return Resolver::write_problem(looked_up_, into);
  }
  const bool one = addresses_.count == 1;
  into.text("cannot connect to ").text(host).text(one ? " (" : " port ");
  if (!one) into.number(port).text(": ");
  const std::uint32_t shown = addresses_.count < kShown ? addresses_.count : kShown;
  for (std::uint32_t at = 0; at < shown; ++at) {
    if (at > 0) into.text("; ");
    write_address(addresses_.list[at], into);
    if (one) into.text(" port ").number(port).text(")");
    into.text(": ");
    if (at >= started_) {
      into.text("not tried yet");
    } else if (errors_[at] == 0) {
      into.text("no answer");
    } else {
      write_errno(errors_[at], into);
    }
  }
  if (shown < addresses_.count) into.text("; and ").number(addresses_.count - shown).text(" more");
  if (shown == started_) into.text(network_advice(errors_[shown - 1]));
}

}  // namespace tocsin

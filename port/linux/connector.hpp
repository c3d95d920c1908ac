// SPDX-License-Identifier: MIT
// The way to a port of a name: look-up, then several addresses side by side (RFC 8305 in small).
//
//   idle --connect()--> looking_up --> connecting --> a socket to take(), the others are closed
//     ^                 (not for an    (the next address as soon as one before it fails or has been
//     |                  address)       silent for kStagger; the first to connect wins)
//     '---close()------- failure: write_problem() says what each address said
//
// The families take turns, the one first that the system's order has first. Addresses are asked for anew each
// time. An address that connects and then is good for nothing comes last the next time,
// those behind it first. Nothing here ends a connection that stays silent: the caller has the deadline.
//
// Memory: 500 B, and 10 descriptors at most while it connects, one where there is one address. Threads: the loop.
#pragma once

#include "port/linux/resolver.hpp"
#include "port/linux/system.hpp"
#include "tocsin/port.hpp"

namespace tocsin {

// The order in which they are tried.
void take_turns(Addresses& all);

class Connector {
 public:
  static constexpr Millis kStagger = milliseconds(250);

  explicit Connector(Resolver& resolver) : resolver_(resolver) {}
  ~Connector() { close(); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // Begins or goes on: after `again` repeat it when handle() is as want() says. Errors: again; io (an errno, a
  // negative EAI_ code). After anything but `again` it is idle.
  Status connect(std::string_view host, std::uint16_t port);
  // The same without a look-up, to the address that won the last time.
  Status reconnect();
  int take() { return won_.release(); }  // the socket, once it is connected; the caller closes it
  const Address& peer() const { return addresses_.list[winner_]; }
  // What came behind the connection failed, or did not come: the next connect() tries this peer last.
  void blame_peer() { blamed_ = peer(); }
  void forgive() { blamed_.size = 0; }

  Phase phase() const { return phase_; }
  int handle() const {
    return phase_ == Phase::looking_up ? ticket_ : events_.is_open() ? events_.number() : sockets_[0].number();
  }
  Want want() const {
    return phase_ == Phase::connecting && !events_.is_open() ? Want::writable : Want::readable;
  }
  // What failed, or what is waited for: "cannot connect to sms.test port 443: 192.0.2.1: no answer". At most
  // kShown addresses are told.
  static constexpr std::uint32_t kShown = 4;
  void write_problem(std::string_view host, std::uint16_t port, TextWriter& into) const;
  void close();

 private:
  Status look_up();
  void put_blamed_last();
  Status begin_race();
  Status race();
  Status start_next();
  Status start(std::uint32_t at);
  Status fail(Status status);
  void set_timer(Millis time);
  void end_race();

  Resolver& resolver_;
  Phase phase_ = Phase::idle;
  Resolver::Ticket ticket_ = -1;
  Status looked_up_;             // why there is no address
  Addresses addresses_;
  Address blamed_;  // size 0: none
  std::uint32_t started_ = 0;    // of them
  std::uint32_t winner_ = 0;
  int errors_[kMaxAddresses] = {};  // an errno; 0: silent so far
  Fd sockets_[kMaxAddresses];
  Fd events_;  // epoll: of the sockets and the timer, where there are several
  Fd timer_;
  Fd won_;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Name look-up that cannot hang the loop: getaddrinfo(3) runs in processes of its own.
//
//   loop --request + one end of a socket pair--> keeper --fork--> child: alarm, getaddrinfo, answer
//     '<---------------------- answer, or end of file ------------------'
//
// The keeper is forked first of all, before a lock or a socket is open, and dies with the program.
// Each look-up has a child and a socket of its own: several go on at once, an answer wakes only the
// one that waits for it, and a child that dies or is killed at its deadline ends its socket. When the
// keeper dies every look-up fails, in words; the daemon starts itself anew to have another one.
//
// Memory: an int here; the keeper shares the program's pages. Threads: the loop; start() before any
// thread exists.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "tocsin/base/text.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxHost = 253;     // bytes of a name (RFC 1035 2.3.4)
inline constexpr std::size_t kMaxAddresses = 8;  // of one name; the rest is not tried
inline constexpr unsigned kLookUpSeconds = 20;   // two rounds over two silent DNS servers

// An IPv4 or IPv6 address with a port, as connect(2) takes it.
struct Address {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  socklen_t size = 0;

  Address() : v6{} {}
};

struct Addresses {
  std::uint32_t count = 0;
  Address list[kMaxAddresses];
};

// "192.0.2.1" or "2001:db8::1", without the port.
void write_address(const Address& address, TextWriter& into);
// The address that `host` spells (brackets around IPv6 allowed). Errors: bad_value (it is a name).
Result<Address> parse_address(std::string_view host, std::uint16_t port);
bool is_loopback(const Address& address);

class Resolver {
 public:
  // Looks `host` up and fills `into`; 0 or an EAI_ code. Runs in a child. Tests bring their own.
  using LookUp = int (*)(const char* host, std::uint16_t port, Addresses& into);
  static int system_look_up(const char* host, std::uint16_t port, Addresses& into);

  // One look-up: the handle for the loop's poll(2), readable when poll() has an answer.
  using Ticket = int;

  Resolver() = default;
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Forks the keeper. Call it first of all in the program. Errors: io.
  Status start(LookUp look_up = system_look_up);

  // Asks; address literals go no further than parse_address(), which is the caller's first try.
  // Errors: bad_value (not a host name), again (the keeper's queue is full), io (the keeper is gone).
  Result<Ticket> begin(std::string_view host, std::uint16_t port, unsigned deadline_s = kLookUpSeconds);

  // Errors: again; not_found (no such name); timeout (the child was killed at its deadline); io
  // (detail: a negative EAI_ code, or an errno). After anything but `again` the ticket is gone.
  Status poll(Ticket ticket, Addresses& into);
  void cancel(Ticket ticket);

  // A failure of begin() or poll() in words, such as "name not known (check DNS: /etc/resolv.conf)".
  static void write_problem(Status failure, TextWriter& into);

  int keeper() const { return keeper_; }  // its process id, for status and tests; 0 before start()

 private:
  int socket_ = -1;
  int keeper_ = 0;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Asks a proxy for the way to a server, on a socket that is connected to the proxy. What is said there: Opening.
//
// The request, and with it a password, is on the stack while it is written, and wiped. Memory: 24 B, and 1.3 KiB of
// stack. Threads: the loop.
#pragma once

#include "tocsin/base/text.hpp"
#include "tocsin/port.hpp"

namespace tocsin {

class Tunnel {
 public:
  // Repeat open() after `again`, when the socket is ready for want(). ok: the socket leads to the server now. Errors:
  // again; io (detail: an errno; EPROTO: the answer is no way through).
  void begin(Opening& talk);
  Status open(int socket, Opening& talk);
  Want want() const { return want_; }

  void write_problem(const Opening& talk, TextWriter& into) const;  // what is waited for, or has failed

 private:
  Status ask(int socket, const Opening& talk);

  std::size_t sent_ = 0;
  Want want_ = Want::writable;
  int error_ = 0;
};

}  // namespace tocsin

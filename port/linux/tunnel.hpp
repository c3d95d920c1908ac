// SPDX-License-Identifier: MIT
// Asks an HTTP proxy for the way to a server, on a socket that is connected to the proxy.
//
// The login is on the stack while the request is written, and wiped. Of what the proxy says only the status is kept and
// told. Memory: 40 B, and 1.3 KiB of stack. Threads: the loop.
#pragma once

#include "tocsin/port.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/wire/http_tunnel.hpp"

namespace tocsin {

class Tunnel {
 public:
  void begin() { sent_ = 0, answer_.reset(), failure_ = {}; }

  // Repeat it after `again`, when the socket is ready for want(). ok: the socket leads to the server now.
  // Errors: again; io (detail: an errno; EPROTO for what is no answer of HTTP, ECONNREFUSED for a refusal).
  Status open(int socket, const Endpoint& to);
  Want want() const { return want_; }

  // What is waited for or has failed, "the proxy wants a user and password: ..."; `to` as for open().
  void write_problem(const Endpoint& to, TextWriter& into) const;

 private:
  Status ask(int socket, const Endpoint& to);
  Status fail(Status status) { return failure_ = status; }

  std::size_t sent_ = 0;
  Want want_ = Want::writable;
  TunnelAnswer answer_;
  Status failure_;
};

}  // namespace tocsin

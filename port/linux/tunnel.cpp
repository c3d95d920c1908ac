// SPDX-License-Identifier: MIT
#include "port/linux/tunnel.hpp"

#include <string.h>
#include <sys/socket.h>

#include "port/linux/system.hpp"

namespace tocsin {

// The same bytes each time, so that nothing of them has to be kept.
Status Tunnel::ask(int socket, const Endpoint& to) {
  std::uint8_t request[kTunnelRequestBytes];
  const auto size = write_tunnel_request(to.host, to.port, to.proxy_login, request);
  ssize_t n = 0;
  while (size.ok() && sent_ < size.value()) {
    n = ::send(socket, request + sent_, size.value() - sent_, MSG_NOSIGNAL);
    if (n < 0) break;
    sent_ += static_cast<std::size_t>(n);
  }
  const int error = errno;
  ::explicit_bzero(request, sizeof request);
  if (!size.ok()) return {Code::io, EINVAL};
  want_ = n < 0 ? Want::writable : Want::readable;
  if (n >= 0) return {};
  return error == EAGAIN || error == EINTR ? Status{Code::again} : Status{Code::io, error};
}

Status Tunnel::open(int socket, const Endpoint& to) {
  if (const Status asked = ask(socket, to); !asked.ok()) return asked.code() == Code::again ? asked : fail(asked);
  for (;;) {
    std::uint8_t piece[256];
    const ssize_t n = ::recv(socket, piece, sizeof piece, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Code::again;
    if (n < 0) return fail(last_error());
    if (n == 0) return fail({Code::io, EPIPE});
    const Status read = answer_.take(Bytes{piece, static_cast<std::size_t>(n)});
    if (read.code() == Code::again) continue;
    // A server's first word comes after ours: what is there already is the proxy's own.
    const bool opened = read.ok() && answer_.status() < 300;
    if (!read.ok() || (opened && answer_.excess())) return fail({Code::io, EPROTO});
    return opened ? Status{} : fail({Code::io, ECONNREFUSED});
  }
}

void Tunnel::write_problem(const Endpoint& to, TextWriter& into) const {
  const unsigned status = answer_.status();
  if (failure_.ok()) {
    into.text("no answer to CONNECT (is this the port of an HTTP proxy?)");
  } else if (failure_.detail() == EPROTO) {
    into.text("what answers is no HTTP proxy (look at `proxy`)");
  } else if (failure_.detail() == EPIPE) {
    into.text("it closed the connection before it answered");
  } else if (failure_.detail() != ECONNREFUSED || status < 300) {
    write_errno(failure_.detail(), into);
  } else if (status == 407) {
    into.text(to.proxy_login.empty() ? "the proxy wants a user and password: proxy_auth_file"
                                     : "the proxy does not take user and password: look at proxy_auth_file");
  } else {
    into.text(status >= 500 ? "the proxy cannot reach " : "the proxy does not let through to ");
    into.text(to.host).text(" port ").number(to.port).text(" (HTTP ").number(status).text(")");
  }
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/tunnel.hpp"

#include <string.h>
#include <sys/socket.h>

#include "port/linux/system.hpp"
#include "port/linux/tls_words.hpp"

namespace tocsin {

void Tunnel::begin(Opening& talk) {
  sent_ = 0;
  error_ = 0;
  talk.begin();
}

// The same bytes each time, so that nothing of them has to be kept. Errors: again, io.
Status Tunnel::ask(int socket, const Opening& talk) {
  std::uint8_t request[Opening::kRequestBytes];
  const std::size_t size = talk.write(request);
  int error = size == 0 ? EINVAL : 0;
  while (error == 0 && sent_ < size) {
    const ssize_t n = ::send(socket, request + sent_, size - sent_, MSG_NOSIGNAL);
    if (n < 0) error = errno;
    if (n > 0) sent_ += static_cast<std::size_t>(n);
  }
  ::explicit_bzero(request, sizeof request);
  want_ = error != 0 ? Want::writable : Want::readable;
  if (error == EAGAIN || error == EINTR) return Code::again;
  return error == 0 ? Status{} : Status{Code::io, error};
}

Status Tunnel::open(int socket, Opening& talk) {
  Status status = ask(socket, talk);
  while (status.ok()) {
    std::uint8_t piece[256];
    const ssize_t n = ::recv(socket, piece, sizeof piece, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Code::again;
    if (n <= 0) {
      status = n < 0 ? last_error() : Status{Code::io, EPIPE};
    } else if (const Status read = talk.read(Bytes{piece, static_cast<std::size_t>(n)}); read.ok()) {
      return read;
    } else if (read.code() != Code::again) {
      status = {Code::io, EPROTO};
    }
  }
  error_ = status.detail();
  return status;
}

void Tunnel::write_problem(const Opening& talk, TextWriter& into) const {
  if (error_ == EPIPE) {
    into.text("it closed the connection before it answered (is it an HTTP proxy?)");
  } else if (error_ != 0 && error_ != EPROTO) {
    write_errno(error_, into);
    into.text(network_advice(error_));
  } else {
    talk.write_problem(into);
  }
}

}  // namespace tocsin

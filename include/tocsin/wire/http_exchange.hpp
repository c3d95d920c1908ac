// SPDX-License-Identifier: MIT
// One HTTP/1.1 request and its response, as bytes in and bytes out. Does no I/O: the caller moves the
// bytes between it and a Stream.
//
//   body_room() -> write the body there -> begin(request, body size)
//   to_send() -> write() -> sent(n)   ...until to_send() is empty
//   to_fill() -> read()  -> got(n)    ...until done()
//
// An answer may come while the request is still being sent (RFC 9112 9.3, 9.5): the caller reads too
// as soon as the stream has something, and stops sending when done(); the connection is then not kept.
//
// Head and body of the request lie behind each other, so that a small request is one TLS record.
// Memory: two buffers of the caller. Threads: none.
#pragma once

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_request.hpp"
#include "tocsin/wire/http_response.hpp"

namespace tocsin {

class HttpExchange {
 public:
  // `request`: kRequestHeadBytes + room for the body. `answer`: kHeadBytes + kAnswerBytes.
  HttpExchange(MutBytes request, MutBytes answer) : request_(request), response_(answer) {}
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  MutBytes body_room() { return request_.drop(kRequestHeadBytes); }
  // The body lies at the front of body_room(). Forgets the exchange before.
  // Errors: bad_value, too_big: nothing to send then.
  Status begin(const HttpRequest& request, std::size_t body_size);

  Bytes to_send() const { return to_send_; }
  void sent(std::size_t n);
  // True once a byte of the request was handed out by to_send() and taken, or may have been: from then
  // on a lost answer is an unknown outcome. The caller says so before its first write().
  void mark_may_have_left() { may_have_left_ = true; }
  bool may_have_left() const { return may_have_left_; }

  MutBytes to_fill() { return response_.to_fill(); }
  Status got(std::size_t n) { return response_.got(n); }  // errors as HttpResponse::got
  bool done() const { return response_.done(); }
  const HttpResponse& response() const { return response_; }
  // The connection can carry the next request: answer complete, whole request sent, nothing behind it.
  bool reusable() const;

 private:
  MutBytes request_;
  Bytes to_send_;
  bool may_have_left_ = false;
  HttpResponse response_;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Reads one HTTP/1.1 response (RFC 9112), however its bytes are cut, into one buffer of the caller.
//
//   to_fill() -> read into it -> got(n)    ...until done()
//
// Strict where a mistake could make an answer be taken for another: version, status line, field names
// (tokens), no bare CR or LF, no folded lines, Content-Length (digits only, repeated only when equal,
// never beside Transfer-Encoding), chunked coding as the only and last one (RFC 9112 6.1, 6.3, 7.1),
// trailers checked and dropped. Interim answers (1xx) are skipped, a bounded number of them.
// 204 and 304 have no body. Without a length the body ends with the connection.
// A Content-Encoding other than identity is not decoded: encoded() says so and the body is unreadable.
// Limits: head kHeadBytes, body kAnswerBytes, chunk extensions and trailers count as head.
//
// Memory: the caller's buffer of at least kHeadBytes + kAnswerBytes, in which head and body stay until
// reset(). Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"

namespace tocsin {

class HttpResponse {
 public:
  explicit HttpResponse(MutBytes buffer) : buffer_(buffer) {}
  HttpResponse(const HttpResponse&) = delete;
  HttpResponse& operator=(const HttpResponse&) = delete;

  void reset();

  // Where the next bytes go: never empty before done() or an error.
  MutBytes to_fill();
  // n bytes came; 0 says that the peer ended the connection. After an error nothing works until reset().
  // Errors: protocol   something RFC 9112 does not allow; fault() says what
  //         closed     the peer ended too early
  //         too_big    head or body above its limit
  Status got(std::size_t n);
  bool done() const;
  bool started() const;  // at least one byte came
  // Bytes behind the answer, which nobody asked for: the connection must not be used again.
  bool excess() const;

  // Valid once done():
  std::uint16_t status() const { return status_; }   // 200..599
  bool keep_alive() const;                           // the connection may carry another request
  bool encoded() const;                              // Content-Encoding was not identity
  Bytes body() const;
  std::string_view retry_after() const;              // field value as it came, or empty (RFC 9110 10.2.3)
  std::string_view date() const;                     // field value as it came, or empty
  const char* fault() const { return fault_; }       // why it was refused, for the log; "" when it was not
};

}  // namespace tocsin

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
// Limits: head kHeadBytes, body kAnswerBytes; interim heads, chunk sizes, chunk extensions and trailers
// count as head.
// A line is judged when it is complete, so the result does not depend on how the bytes were cut.
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
  explicit HttpResponse(MutBytes buffer);
  HttpResponse(const HttpResponse&) = delete;
  HttpResponse& operator=(const HttpResponse&) = delete;

  void reset();

  // Where the next bytes go: never empty, also after done(), so that excess bytes can be seen.
  MutBytes to_fill();
  // n bytes came; 0 says that the peer ended the connection. After an error every call returns the same
  // error until reset(). After done() it never fails: what comes then only ends keep_alive().
  // Errors: protocol   something RFC 9112 does not allow; fault() says what
  //         closed     the peer ended too early
  //         too_big    head or body above its limit
  Status got(std::size_t n);
  bool done() const { return stage_ == Stage::done; }
  bool started() const { return fill_ > 0; }  // at least one byte came
  // Bytes behind the answer, which nobody asked for: the connection must not be used again.
  bool excess() const { return excess_; }

  // Valid once done():
  std::uint16_t status() const { return status_; }                        // 200..599
  bool keep_alive() const { return keep_alive_ && !excess_; }             // may carry another request
  bool encoded() const { return encoded_; }                               // Content-Encoding was not identity
  Bytes body() const { return Bytes{buffer_}.drop(body_at_).first(body_size_); }
  std::string_view retry_after() const { return retry_after_; }  // as it came, or empty (RFC 9110 10.2.3)
  std::string_view date() const { return date_; }                // as it came, or empty
  std::string_view location() const { return location_; }        // the same; empty also when there are several
  const char* fault() const { return fault_; }  // why it was refused, for the log; "" when it was not

 private:
  enum class Stage : std::uint8_t {
    status_line,
    fields,
    counted_body,
    body_until_close,
    chunk_size,
    chunk_data,
    chunk_end,
    trailers,
    done,
    failed
  };
  enum class Step : std::uint8_t { on, wait };  // go on with the next stage, or when more bytes came

  Step step();
  Step status_line();
  Step fields();
  Step head_done();
  Step chunk_size();
  Step chunk_end();
  Step take_data();
  bool line_is_here() { return searched_ <= at_ || line_came(); }  // or may be: it was not looked at yet
  bool line_came();
  Step line_cut_short(const std::uint8_t* end);
  Step bad_line(const char* fault);
  const std::uint8_t* line_limit() const;
  std::size_t offset(const std::uint8_t* p) const { return static_cast<std::size_t>(p - buffer_.data()); }
  bool take_field(std::string_view name, std::string_view value);
  bool take_length(std::string_view value);
  void take_connection(std::string_view value);
  Step fail(Code code, const char* fault);
  void finish();

  MutBytes buffer_;
  std::size_t fill_ = 0;       // bytes that came, all of them still in buffer_
  std::size_t at_ = 0;         // the next byte to look at; for a line its first
  std::size_t searched_ = 0;   // no line ends before here
  std::size_t body_at_ = 0;
  std::size_t body_size_ = 0;
  std::uint64_t length_ = 0;   // of the body, or what is left of the chunk
  std::string_view retry_after_;
  std::string_view date_;
  std::string_view location_;
  const char* fault_ = "";
  Stage stage_ = Stage::status_line;
  Code error_ = Code::ok;
  std::uint16_t status_ = 0;
  std::uint8_t interims_ = 0;
  std::uint8_t spare_[1] = {};  // where excess goes when the buffer is full
  bool version_1_1_ = false;
  bool has_length_ = false;
  bool chunked_ = false;
  bool encoded_ = false;
  bool located_ = false;        // a Location came
  bool close_ = false;          // Connection: close
  bool keep_ = false;           // Connection: keep-alive
  bool keep_alive_ = false;
  bool excess_ = false;
};

}  // namespace tocsin

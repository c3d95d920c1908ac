// SPDX-License-Identifier: MIT
// Reads one HTTP/1.1 or 1.0 request (RFC 9112) that somebody makes of this device, however its bytes are cut, into
// one buffer of the caller.
//
//   to_fill() -> read into it -> got(n)    ...until done()
//
// Strict where two readers could see different requests: one space between the parts of the request line, CR LF ends
// a line and neither stands elsewhere, no folded lines, field names are tokens, Host once (HTTP/1.1), one length at
// most, chunked as the only coding. One empty line before the request is passed over (RFC 9112 2.2). A target may be
// absolute ("http://HOST/..."): what stands before its path is not looked at. Trailers are checked and dropped.
// One request a connection: what comes behind it is not looked at.
// Limits: head kHookHeadBytes, of it a line kHookLineBytes, kMostFields fields; body kHookBodyBytes; chunk sizes and
// trailers count as head. A line is judged when it is complete, so the result does not depend on how the bytes
// were cut.
//
// Memory: the caller's buffer of at least kHookHeadBytes + kHookBodyBytes, in which everything stays until reset().
// Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"

namespace tocsin {

class HttpIncoming {
 public:
  static constexpr unsigned kMostFields = 64;

  // `secret_name`: the field whose value secret() is; outlives this.
  HttpIncoming(MutBytes buffer, std::string_view secret_name);
  HttpIncoming(const HttpIncoming&) = delete;
  HttpIncoming& operator=(const HttpIncoming&) = delete;

  void reset();

  // Where the next bytes go: never empty until done() or an error.
  MutBytes to_fill();
  // n bytes came; 0 says that the peer sends no more. After an error every call returns the same error, and after
  // done() ok, until reset().
  // Errors: protocol   it is refused: refusal() is the status to answer with, fault() says why
  //         closed     the peer ended too early: nobody waits for an answer
  Status got(std::size_t n);
  bool done() const { return stage_ == Stage::done; }
  bool started() const { return fill_ > 0; }
  // The head is complete and the peer waits for "100 Continue" before it sends the body.
  bool waits_to_continue() const { return expects_ && in_body() && at_ == fill_ && body_size_ == 0; }

  std::uint16_t refusal() const { return refusal_; }  // 400 to 505; 0: it was not refused
  const char* fault() const { return fault_; }

  // Valid once done(). What is MutBytes may be changed in place, and is not used again.
  std::string_view method() const { return method_; }
  std::string_view path() const { return path_; }          // of the target, as it came
  MutBytes query() const { return query_; }                // behind its "?", as it came
  std::string_view content_type() const { return content_type_; }
  std::string_view secret() const { return secret_; }      // empty: none came
  MutBytes body() const { return buffer_.drop(body_at_).first(body_size_); }

 private:
  enum class Stage : std::uint8_t {
    request_line,
    fields,
    counted_body,
    chunk_size,
    chunk_data,
    chunk_end,
    trailers,
    done,
    failed
  };

  bool in_body() const { return stage_ >= Stage::counted_body && stage_ < Stage::trailers; }
  bool step();  // false: more bytes have to come
  bool request_line(const std::uint8_t* line, const std::uint8_t* end);
  bool take_target(std::uint8_t* from, std::uint8_t* end);
  bool field(const std::uint8_t* line, const std::uint8_t* end);
  bool take_field(std::string_view name, std::string_view value);
  bool take_length(std::string_view value);
  bool head_done();
  bool chunk_size(const std::uint8_t* line, const std::uint8_t* end);
  bool take_data();
  bool fail(std::uint16_t refusal, const char* fault);
  std::uint8_t* data() const { return buffer_.data(); }

  MutBytes buffer_;
  std::string_view secret_name_;
  std::size_t fill_ = 0;      // bytes that came, all of them still in buffer_
  std::size_t at_ = 0;        // the next byte to look at; for a line its first
  std::size_t searched_ = 0;  // no line ends before here
  std::size_t body_at_ = 0;
  std::size_t body_size_ = 0;
  std::size_t left_ = 0;      // of the body, or of the chunk
  std::string_view method_;
  std::string_view path_;
  MutBytes query_;
  std::string_view content_type_;
  std::string_view secret_;
  const char* fault_ = "";
  std::uint16_t refusal_ = 0;
  Stage stage_ = Stage::request_line;
  bool closed_ = false;
  bool version_1_1_ = false;
  bool passed_empty_line_ = false;
  bool has_host_ = false;
  bool has_length_ = false;
  bool chunked_ = false;
  bool expects_ = false;
  bool has_secret_ = false;
  std::uint8_t fields_ = 0;
};

}  // namespace tocsin

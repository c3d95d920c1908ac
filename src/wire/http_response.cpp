// SPDX-License-Identifier: MIT
// One stage for each part of an answer. How the bytes of a line are looked at: http_scan.hpp.
#include "tocsin/wire/http_response.hpp"

#include "http_scan.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {
namespace {

constexpr unsigned kMaxInterims = 8;
constexpr const char* kBadStatusLine = "not a status line of HTTP/1.0 or HTTP/1.1";

}  // namespace

HttpResponse::HttpResponse(MutBytes buffer) : buffer_(buffer) {
  TOCSIN_ASSERT(buffer.size() >= kHeadBytes + kAnswerBytes);
}

void HttpResponse::reset() {
  fill_ = at_ = searched_ = body_at_ = body_size_ = 0;
  length_ = 0;
  retry_after_ = date_ = location_ = {};
  fault_ = "";
  stage_ = Stage::status_line;
  error_ = Code::ok;
  status_ = 0;
  interims_ = 0;
  version_1_1_ = has_length_ = chunked_ = encoded_ = located_ = close_ = keep_ = keep_alive_ = excess_ = false;
}

// Heads, chunk sizes and trailers stay within kHeadBytes, the body within kAnswerBytes; so the buffer can
// only be full when the body until close is as long as allowed, or behind the answer.
MutBytes HttpResponse::to_fill() { return fill_ < buffer_.size() ? buffer_.drop(fill_) : MutBytes{spare_}; }

Status HttpResponse::got(std::size_t n) {
  TOCSIN_ASSERT(n <= to_fill().size());
  if (stage_ == Stage::failed) return error_;
  if (n == 0) {
    if (stage_ == Stage::body_until_close) finish();
    else if (stage_ != Stage::done) fail(Code::closed, "the connection ended before the answer was complete");
    keep_alive_ = false;
    return error_;
  }
  if (fill_ == buffer_.size()) {
    excess_ = true;
    if (stage_ != Stage::done) fail(Code::too_big, "the answer's body is too long");
    return error_;
  }
  fill_ += n;
  while (step() == Step::on) {
  }
  return error_;
}

HttpResponse::Step HttpResponse::step() {
  switch (stage_) {
    case Stage::status_line: return status_line();
    case Stage::fields:
    case Stage::trailers: return fields();
    case Stage::chunk_size: return chunk_size();
    case Stage::chunk_end: return chunk_end();
    case Stage::counted_body:
    case Stage::body_until_close:
    case Stage::chunk_data: return take_data();
    case Stage::done:
    case Stage::failed: break;
  }
  if (fill_ > at_) excess_ = true;
  return Step::wait;
}

HttpResponse::Step HttpResponse::fail(Code code, const char* fault) {
  stage_ = Stage::failed;
  error_ = code;
  fault_ = fault;
  return Step::wait;
}

void HttpResponse::finish() {
  keep_alive_ = stage_ != Stage::body_until_close && (version_1_1_ ? !close_ : keep_ && !close_);
  stage_ = Stage::done;
}

// Everything up to at_ that is not body counts as head.
const std::uint8_t* HttpResponse::line_limit() const {
  const std::size_t limit = kHeadBytes + body_size_;
  return buffer_.data() + (fill_ < limit ? fill_ : limit);
}

// Whether the end came of a line that was once found incomplete. Only the new bytes are searched, so that a
// peer who sends byte by byte costs no more than one look at each byte.
bool HttpResponse::line_came() {
  const std::uint8_t* const from = buffer_.data() + searched_;
  const std::uint8_t* const end = line_limit();
  if (std::memchr(from, '\n', static_cast<std::size_t>(end - from)) != nullptr) return true;
  line_cut_short(end);
  return false;
}

HttpResponse::Step HttpResponse::line_cut_short(const std::uint8_t* end) {
  if (static_cast<std::size_t>(end - buffer_.data()) == kHeadBytes + body_size_)
    return fail(Code::too_big, "the answer's head is too long");
  searched_ = fill_;
  return Step::wait;
}

// The line at at_ is not as it should be. That is a fault only when its end is there; else the rest has
// yet to come.
HttpResponse::Step HttpResponse::bad_line(const char* fault) {
  const std::uint8_t* const from = buffer_.data() + at_;
  const std::uint8_t* const end = line_limit();
  if (from != end && std::memchr(from, '\n', static_cast<std::size_t>(end - from)) != nullptr)
    return fail(Code::protocol, fault);
  return line_cut_short(end);
}

// RFC 9112 4: HTTP-version SP status-code SP [reason-phrase]. The second space may be missing together
// with the reason, which some servers leave out; nothing can be mistaken by that.
HttpResponse::Step HttpResponse::status_line() {
  if (!line_is_here()) return Step::wait;
  const std::uint8_t* const line = buffer_.data() + at_;
  const std::uint8_t* const end = line_limit();
  constexpr std::size_t kCodeAt = 9, kReasonAt = 12;
  const auto digit = [line](std::size_t at) { return static_cast<unsigned>(line[at]) - '0'; };
  if (static_cast<std::size_t>(end - line) < kReasonAt + 2 || std::memcmp(line, "HTTP/1.", 7) != 0 ||
      (line[7] != '1' && line[7] != '0') || line[8] != ' ' || digit(kCodeAt) > 9 || digit(kCodeAt + 1) > 9 ||
      digit(kCodeAt + 2) > 9)
    return bad_line(kBadStatusLine);
  const std::uint8_t* p = line + kReasonAt;
  const Window window(line, end);
  if (*p == ' ') p = skip_text(p + 1, window);
  if (!is_line_end(p, window)) return bad_line(kBadStatusLine);
  const unsigned code = digit(kCodeAt) * 100 + digit(kCodeAt + 1) * 10 + digit(kCodeAt + 2);
  if (code < 100 || code > 599) return fail(Code::protocol, "status outside 100 to 599");
  version_1_1_ = line[7] == '1';
  status_ = static_cast<std::uint16_t>(code);
  at_ = offset(p + 2);
  stage_ = Stage::fields;
  return Step::on;
}

// Header fields or trailer fields up to the empty line (RFC 9112 5, 7.1.2).
HttpResponse::Step HttpResponse::fields() {
  if (!line_is_here()) return Step::wait;
  const std::uint8_t* p = buffer_.data() + at_;
  const std::uint8_t* const end = line_limit();
  const Window window(p, end);
  for (;;) {
    const std::uint8_t* const line = p;
    p = skip_token(p, window);
    if (p == line && is_line_end(p, window)) break;
    if (p == end || *p != ':' || p == line) {
      at_ = offset(line);
      return bad_line(p == line && p != end && is_blank(*p) ? "folded line" : "bad field name");
    }
    const std::uint8_t* const colon = p++;
    while (p != end && is_blank(*p)) ++p;
    const std::uint8_t* const value = p;
    p = skip_text(p, window);
    if (!is_line_end(p, window)) {
      at_ = offset(line);
      return bad_line("bad byte in a field value");
    }
    const std::uint8_t* value_end = p;
    while (value_end != value && is_blank(value_end[-1])) --value_end;
    if (stage_ == Stage::fields && !take_field(text_of(line, colon), text_of(value, value_end)))
      return Step::wait;
    p += 2;
  }
  at_ = offset(p + 2);
  if (stage_ == Stage::fields) return head_done();
  finish();
  return Step::on;
}

// False when the field makes the whole answer unacceptable.
bool HttpResponse::take_field(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 4:
      if (is_named(name, "date") && date_.empty()) date_ = value;
      break;
    case 8:
      if (!is_named(name, "location")) break;
      location_ = located_ ? std::string_view{} : value;
      located_ = true;
      break;
    case 10:
      if (is_named(name, "connection")) take_connection(value);
      break;
    case 11:
      if (is_named(name, "retry-after") && retry_after_.empty()) retry_after_ = value;
      break;
    case 14:
      if (is_named(name, "content-length")) return take_length(value);
      break;
    case 16:
      if (is_named(name, "content-encoding") && !value.empty() && !is_named(value, "identity"))
        encoded_ = true;
      break;
    case 17:
      if (!is_named(name, "transfer-encoding")) break;
      // Only this one coding, named once: anything else is a length that two readers may see differently.
      if (chunked_ || !is_named(value, "chunked")) {
        fail(Code::protocol, "Transfer-Encoding is not chunked alone");
        return false;
      }
      chunked_ = true;
      break;
    default: break;
  }
  return true;
}

bool HttpResponse::take_length(std::string_view value) {
  std::uint64_t length = 0;
  bool digits = !value.empty();
  for (const char c : value) {
    if (!is_digit(c)) digits = false;
    if (length <= kAnswerBytes)
      length = length * 10 + static_cast<std::uint64_t>(c - '0');  // beyond, it only matters that it is
  }
  if (!digits || (has_length_ && length != length_)) {
    fail(Code::protocol, digits ? "two different Content-Lengths" : "Content-Length is not a number");
    return false;
  }
  has_length_ = true;
  length_ = length;
  return true;
}

void HttpResponse::take_connection(std::string_view value) {
  if (is_named(value, "keep-alive")) {
    keep_ = true;
    return;
  }
  while (!value.empty()) {
    const std::string_view option = without_blanks(take_until(value, ','));
    if (is_named(option, "close")) close_ = true;
    if (is_named(option, "keep-alive")) keep_ = true;
  }
}

// RFC 9112 6.3: what ends the body.
HttpResponse::Step HttpResponse::head_done() {
  body_at_ = at_;
  if (chunked_ && has_length_) return fail(Code::protocol, "Content-Length beside Transfer-Encoding");
  if (chunked_ && !version_1_1_) return fail(Code::protocol, "Transfer-Encoding in HTTP/1.0");
  if (status_ < 200) {
    if (status_ == 101) return fail(Code::protocol, "101 without having been asked");
    if (++interims_ > kMaxInterims) return fail(Code::protocol, "too many interim answers");
    has_length_ = chunked_ = encoded_ = located_ = close_ = keep_ = false;
    date_ = retry_after_ = location_ = {};
    stage_ = Stage::status_line;
    return Step::on;
  }
  if (status_ == 204 || status_ == 304) {
    // A server that announces a body here may send one: what it would look like is not waited for.
    if (chunked_ || (has_length_ && length_ > 0)) close_ = true;
    finish();
  } else if (chunked_) {
    stage_ = Stage::chunk_size;
  } else if (!has_length_) {
    stage_ = Stage::body_until_close;
  } else if (length_ > kAnswerBytes) {
    return fail(Code::too_big, "the answer's body is too long");
  } else if (length_ == 0) {
    finish();
  } else {
    stage_ = Stage::counted_body;
  }
  return Step::on;
}

HttpResponse::Step HttpResponse::take_data() {
  const std::size_t here = fill_ - at_;
  if (stage_ == Stage::body_until_close) {
    if (here > kAnswerBytes - body_size_) return fail(Code::too_big, "the answer's body is too long");
    body_size_ += here;
    at_ = fill_;
    return Step::wait;
  }
  const std::size_t n = here < length_ ? here : static_cast<std::size_t>(length_);
  if (body_size_ == 0) body_at_ = at_;
  // Chunks are joined in place; the first one stays where it came.
  if (body_at_ + body_size_ != at_)
    std::memmove(buffer_.data() + body_at_ + body_size_, buffer_.data() + at_, n);
  body_size_ += n;
  at_ += n;
  length_ -= n;
  if (length_ > 0) return Step::wait;
  if (stage_ == Stage::chunk_data) stage_ = Stage::chunk_end;
  else finish();
  return Step::on;
}

// RFC 9112 7.1: 1*HEXDIG *( BWS ";" ... ) CRLF. What an extension says is not looked at.
HttpResponse::Step HttpResponse::chunk_size() {
  if (!line_is_here()) return Step::wait;
  const std::uint8_t* const line = buffer_.data() + at_;
  const std::uint8_t* const end = line_limit();
  const std::uint8_t* p = line;
  std::uint64_t size = 0;
  for (; p != end; ++p) {
    const int digit = hex_value(*p);
    if (digit < 0) break;
    if (size <= kAnswerBytes)
      size = size * 16 + static_cast<unsigned>(digit);  // beyond, it only matters that it is
  }
  if (p == line) return bad_line("chunk without a size");
  const Window window(line, end);
  if (!is_line_end(p, window)) {
    while (p != end && is_blank(*p)) ++p;
    if (p != end && *p == ';') p = skip_text(p, window);
    else p = end;
    if (!is_line_end(p, window)) return bad_line("bad chunk size");
  }
  at_ = offset(p + 2);
  if (size > kAnswerBytes - body_size_) return fail(Code::too_big, "the answer's body is too long");
  length_ = size;
  stage_ = size == 0 ? Stage::trailers : Stage::chunk_data;
  return Step::on;
}

HttpResponse::Step HttpResponse::chunk_end() {
  const std::uint8_t* const p = buffer_.data() + at_;
  const std::size_t here = fill_ - at_;
  if (at_ + 2 > kHeadBytes + body_size_) return fail(Code::too_big, "the answer's head is too long");
  if ((here >= 1 && p[0] != '\r') || (here >= 2 && p[1] != '\n'))
    return fail(Code::protocol, "chunk longer than its size");
  if (here < 2) return Step::wait;
  at_ += 2;
  stage_ = Stage::chunk_size;
  return Step::on;
}

}  // namespace tocsin

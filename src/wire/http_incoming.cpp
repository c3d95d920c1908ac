// SPDX-License-Identifier: MIT
// One stage for each part of a request. How the bytes of a line are looked at: http_scan.hpp.
#include "tocsin/wire/http_incoming.hpp"

#include "http_scan.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {

HttpIncoming::HttpIncoming(MutBytes buffer, std::string_view secret_name)
    : buffer_(buffer.first(kHookHeadBytes + kHookBodyBytes)), secret_name_(secret_name) {
  TOCSIN_ASSERT(buffer.size() >= kHookHeadBytes + kHookBodyBytes);
}

void HttpIncoming::reset() {
  fill_ = at_ = searched_ = body_at_ = body_size_ = left_ = 0;
  method_ = path_ = content_type_ = secret_ = {};
  query_ = {};
  fault_ = "";
  refusal_ = 0;
  stage_ = Stage::request_line;
  closed_ = version_1_1_ = passed_empty_line_ = has_host_ = has_length_ = chunked_ = expects_ = has_secret_ = false;
  fields_ = 0;
}

// Lines stay within kHookHeadBytes and the body within kHookBodyBytes, or it is refused: the buffer is full only
// when it is done or refused.
MutBytes HttpIncoming::to_fill() { return buffer_.drop(fill_); }

Status HttpIncoming::got(std::size_t n) {
  TOCSIN_ASSERT(n <= buffer_.size() - fill_ || stage_ == Stage::done);
  if (stage_ == Stage::done) return {};
  if (n == 0 && stage_ != Stage::failed) {
    closed_ = true;
    stage_ = Stage::failed;
    fault_ = "the connection ended before the request was complete";
  }
  if (stage_ != Stage::failed) {
    fill_ += n;
    while (step()) {
    }
  }
  if (stage_ != Stage::failed) return {};
  return closed_ ? Code::closed : Code::protocol;
}

bool HttpIncoming::fail(std::uint16_t refusal, const char* fault) {
  stage_ = Stage::failed;
  refusal_ = refusal;
  fault_ = fault;
  return false;
}

bool HttpIncoming::step() {
  if (stage_ == Stage::counted_body || stage_ == Stage::chunk_data) return take_data();
  if (stage_ == Stage::done || stage_ == Stage::failed) return false;

  // A line, judged when its end is there. Everything up to it that is not body counts as head.
  const std::size_t head_end = kHookHeadBytes + body_size_;
  const std::size_t line_end = at_ + kHookLineBytes < head_end ? at_ + kHookLineBytes : head_end;
  const std::size_t end = fill_ < line_end ? fill_ : line_end;
  const std::size_t from = searched_ > at_ ? searched_ : at_;
  const void* const found = from < end ? std::memchr(data() + from, '\n', end - from) : nullptr;
  if (found == nullptr) {
    searched_ = end;
    if (end < line_end) return false;
    return line_end == head_end ? fail(431, "the head is too long") : fail(414, "a line of the head is too long");
  }
  const std::uint8_t* const line = data() + at_;
  const auto* line_feed = static_cast<const std::uint8_t*>(found);
  if (line_feed == line || line_feed[-1] != '\r') return fail(400, "a line without CR before its LF");
  const std::uint8_t* const line_stop = line_feed - 1;
  if (skip_text(line, Window(line, line_stop)) != line_stop) return fail(400, "a control character in the head");
  at_ = static_cast<std::size_t>(line_feed + 1 - data());
  if (stage_ == Stage::request_line) {
    if (line != line_stop || passed_empty_line_) return request_line(line, line_stop);
    passed_empty_line_ = true;
    return true;
  }
  if (stage_ == Stage::chunk_size) return chunk_size(line, line_stop);
  if (stage_ == Stage::chunk_end) {
    stage_ = Stage::chunk_size;
    return line == line_stop || fail(400, "a chunk longer than its size");
  }
  if (line != line_stop) return field(line, line_stop);
  if (stage_ == Stage::fields) return head_done();
  stage_ = Stage::done;
  return false;
}

// RFC 9112 3: method SP request-target SP HTTP-version, one space each.
bool HttpIncoming::request_line(const std::uint8_t* line, const std::uint8_t* end) {
  constexpr std::size_t kVersion = 8;
  const Window window(line, end);
  const std::uint8_t* p = skip_token(line, window);
  method_ = text_of(line, p);
  const std::string_view version = tail(text_of(line, end), static_cast<std::size_t>(end - line) - kVersion);
  if (method_.empty() || static_cast<std::size_t>(end - p) < kVersion + 3 || *p != ' ' ||
      version.data()[-1] != ' ' || !starts_with(version, "HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7]))
    return fail(400, "not a request line");
  if (version[5] != '1' || version[7] > '1') return fail(505, "not HTTP/1.0 or HTTP/1.1");
  version_1_1_ = version[7] == '1';
  std::uint8_t* const target = data() + (p + 1 - data());
  if (!take_target(target, target + (end - p) - 1 - (kVersion + 1))) return fail(400, "a target that is not a path");
  stage_ = Stage::fields;
  return true;
}

// Origin form, or absolute form (RFC 9112 3.2): the path, and what stands behind a "?".
bool HttpIncoming::take_target(std::uint8_t* from, std::uint8_t* end) {
  std::string_view target = text_of(from, end);
  if (!all_printable(target, '!') || find(target, '#') != kNotFound) return false;
  for (const std::string_view scheme : {std::string_view{"http://"}, std::string_view{"https://"}})
    if (same_ignoring_case(head(target, scheme.size()), scheme)) {
      target = tail(target, scheme.size());
      std::size_t host = 0;
      while (host < target.size() && target[host] != '/') ++host;
      target = tail(target, host);
    }
  if (!starts_with(target, "/")) return false;
  path_ = take_until(target, '?');
  query_ = {end - target.size(), target.size()};
  return true;
}

bool HttpIncoming::field(const std::uint8_t* line, const std::uint8_t* end) {
  const std::uint8_t* const colon = skip_token(line, Window(line, end));
  if (colon == line || colon == end || *colon != ':')
    return fail(400, is_blank(*line) ? "a folded line" : "a bad field name");
  if (++fields_ > kMostFields) return fail(431, "too many fields");
  return stage_ == Stage::trailers || take_field(text_of(line, colon), without_blanks(text_of(colon + 1, end)));
}

// False when the field makes the whole request unacceptable.
bool HttpIncoming::take_field(std::string_view name, std::string_view value) {
  if (!secret_name_.empty() && same_ignoring_case(name, secret_name_)) {
    if (has_secret_) return fail(400, "the secret stands twice");
    has_secret_ = true;
    secret_ = value;
  }
  if (is_named(name, "host")) {
    if (has_host_) return fail(400, "two Hosts");
    has_host_ = true;
  } else if (is_named(name, "content-length")) {
    return take_length(value);
  } else if (is_named(name, "transfer-encoding")) {
    if (chunked_) return fail(400, "Transfer-Encoding stands twice");
    if (!is_named(value, "chunked")) return fail(501, "a Transfer-Encoding other than chunked alone");
    chunked_ = true;
  } else if (is_named(name, "content-encoding")) {
    if (!value.empty() && !is_named(value, "identity")) return fail(415, "an encoded body");
  } else if (is_named(name, "content-type")) {
    content_type_ = value;
  } else if (is_named(name, "expect")) {
    if (!same_ignoring_case(value, "100-continue")) return fail(417, "an unknown Expect");
    expects_ = true;
  }
  return true;
}

bool HttpIncoming::take_length(std::string_view value) {
  if (has_length_) return fail(400, "two Content-Lengths");
  has_length_ = true;
  if (value.empty()) return fail(400, "Content-Length is not a number");
  for (const char c : value) {
    if (!is_digit(c)) return fail(400, "Content-Length is not a number");
    if (left_ <= kHookBodyBytes) left_ = left_ * 10 + static_cast<std::size_t>(c - '0');  // beyond, only that it is
  }
  return true;
}

// RFC 9112 6.3: what ends the body.
bool HttpIncoming::head_done() {
  if (version_1_1_ && !has_host_) return fail(400, "no Host");
  if (chunked_ && has_length_) return fail(400, "Content-Length beside Transfer-Encoding");
  if (chunked_ && !version_1_1_) return fail(400, "Transfer-Encoding in HTTP/1.0");
  if (left_ > kHookBodyBytes) return fail(413, "the body is too long");
  expects_ = expects_ && version_1_1_;
  body_at_ = at_;
  stage_ = chunked_ ? Stage::chunk_size : Stage::counted_body;
  return true;
}

// RFC 9112 7.1: chunk-size [chunk-ext]. The size of the last one is 0.
bool HttpIncoming::chunk_size(const std::uint8_t* line, const std::uint8_t* end) {
  const std::uint8_t* p = line;
  left_ = 0;
  for (; p != end && hex_value(*p) >= 0; ++p)
    if (left_ <= kHookBodyBytes) left_ = left_ * 16 + static_cast<std::size_t>(hex_value(*p));
  const std::string_view beyond = without_blanks(text_of(p, end));
  if (p == line || (p != end && !starts_with(beyond, ";"))) return fail(400, "a bad chunk size");
  if (left_ > kHookBodyBytes - body_size_) return fail(413, "the body is too long");
  stage_ = left_ == 0 ? Stage::trailers : Stage::chunk_data;
  return true;
}

// What came of the body, or of a chunk, which moves to the end of those before it.
bool HttpIncoming::take_data() {
  const std::size_t came = fill_ - at_ < left_ ? fill_ - at_ : left_;
  std::uint8_t* const to = data() + body_at_ + body_size_;
  if (came > 0 && to != data() + at_) std::memmove(to, data() + at_, came);
  body_size_ += came;
  at_ += came;
  left_ -= came;
  if (left_ > 0) return false;
  stage_ = chunked_ ? Stage::chunk_end : Stage::done;
  return chunked_;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// The head of one HTTP/1.1 request (RFC 9112 section 3), with injection refused.
//
// Memory: the caller's buffer. Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"

namespace tocsin {

struct HttpRequest {
  std::string_view method = "POST";
  std::string_view target = "/";         // origin form: begins with "/"
  std::string_view host;                 // as in the address: name or literal
  std::uint16_t port = 443;              // written behind the host unless it is 443
  std::string_view
      authorization;  // the stream's token as it is, no "Bearer"; none when empty
  std::string_view content_type = "application/json";
};

// Writes the head, the empty line included, for a body of `body_size` bytes: Host, Authorization,
// Content-Type, Content-Length, Accept-Encoding: identity, User-Agent; the connection is kept. A GET without a body
// says nothing of one.
// A method that is not a token (RFC 9110 5.6.2), a target or field value with anything but visible
// ASCII (plus inner spaces in values) is refused before a byte is written: CR, LF and NUL above all.
// Returns the bytes written. Errors: bad_value, too_big (for `into`).
Result<std::size_t> write_request_head(const HttpRequest& request, std::size_t body_size, MutBytes into);

}  // namespace tocsin

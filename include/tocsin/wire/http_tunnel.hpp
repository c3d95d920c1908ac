// SPDX-License-Identifier: MIT
// The way through an HTTP proxy: CONNECT and its answer (RFC 9110 9.3.6). What comes behind is the service's TLS.
//
// Memory: 32 B. Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"

namespace tocsin {

// 1 KiB has room for any host of 253 bytes and a login of kMaxProxyLogin.
// Writes the request for a way to host:port, with `login` ("user:password"; empty: none) for Basic authentication
// (RFC 7617). Returns the bytes written. Errors: bad_value (no host), too_big (for `into`).
Result<std::size_t> write_tunnel_request(std::string_view host, std::uint16_t port, std::string_view login,
                                         MutBytes into);

// Reads the head of the answer, however its bytes are cut, and keeps nothing but its status. As strict as HttpResponse:
// status line of HTTP/1.0 or 1.1, field names (tokens), no bare CR or LF, no folded lines; interim answers are skipped.
// All of it together has at most kHeadBytes.
class TunnelAnswer {
 public:
  void reset() { *this = {}; }

  // ok: the head is complete, status() and excess() hold. Errors: again (more is needed), protocol (no answer of
  // HTTP), too_big. After an error other than `again` it stays.
  Status take(Bytes came);
  unsigned status() const { return status_; }  // 200 to 599
  bool excess() const { return excess_; }      // bytes came behind the head

 private:
  enum class Stage : std::uint8_t { version, code, reason, name_or_end, name, value, line_end, head_end, done, failed };

  Stage step(std::uint8_t c);
  Stage end_of_head();

  Stage stage_ = Stage::version;
  std::uint8_t at_ = 0;  // within version or code
  bool excess_ = false;
  std::uint16_t status_ = 0;
  std::uint16_t came_ = 0;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_exchange.hpp"

namespace tocsin {

Status HttpExchange::begin(const HttpRequest& request, std::size_t body_size) {
  response_.reset();
  to_send_ = {};
  may_have_left_ = false;
  // The framing of an answer to these depends on the request (RFC 9112 6.3), which HttpResponse does not
  // know.
  using namespace std::string_view_literals;
  if (request.method == "HEAD"sv || request.method == "CONNECT"sv) return Code::bad_value;
  if (body_size > body_room().size()) return Code::too_big;
  const MutBytes room = request_.first(kRequestHeadBytes);
  TRY_LET(head_size, write_request_head(request, body_size, room));
  // The length of the head is known only now; it goes to where the body begins.
  const MutBytes all = request_.drop(kRequestHeadBytes - head_size).first(head_size + body_size);
  std::memmove(all.data(), room.data(), head_size);
  to_send_ = all;
  return {};
}

void HttpExchange::sent(std::size_t n) {
  TOCSIN_ASSERT(n <= to_send_.size());
  if (n > 0) may_have_left_ = true;
  to_send_ = to_send_.drop(n);
}

bool HttpExchange::reusable() const { return response_.done() && to_send_.empty() && response_.keep_alive(); }

}  // namespace tocsin

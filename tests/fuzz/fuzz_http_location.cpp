// SPDX-License-Identifier: MIT
// Whatever a redirect says: what is followed is of the host that was asked, and a request can be made of it. The first
// byte chooses the host.
#include <cstdlib>

#include "fakes/guard_page.hpp"
#include "panic.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_location.hpp"
#include "tocsin/wire/http_request.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  if (size == 0 || size > 4096) return 0;
  static GuardPage page(4096);
  const std::string_view location = page.put(as_text(Bytes{data, size}.drop(1)));
  const bool six = (data[0] & 1) != 0;
  const std::string_view host = six ? "2001:db8::1" : "sms.test";
  const std::uint16_t port = (data[0] & 2) != 0 ? 8443 : 443;
  const auto target = redirect_target(location, host, port);
  if (!target.ok()) return 0;
  HttpRequest request;
  request.target = target.value();
  request.host = host;
  std::uint8_t head_bytes[kRequestHeadBytes];
  if (!write_request_head(request, 1, head_bytes).ok() || target.value().size() > kMaxTarget) std::abort();
  if (starts_with(location, "/") && !starts_with(location, "//")) return 0;
  // Spelled with a host: it is this one, and what follows it can be nothing that makes it another.
  std::size_t at = starts_with(location, "//") ? 2 : 8;
  if (at == 8 && !same_ignoring_case(head(location, 8), "https://")) std::abort();
  if (six && location[at++] != '[') std::abort();
  if (!same_ignoring_case(head(tail(location, at), host.size()), host)) std::abort();
  at += host.size();
  if (six && location[at++] != ']') std::abort();
  if (at < location.size() && find(":/#", location[at]) == kNotFound) std::abort();
  return 0;
}

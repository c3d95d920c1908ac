// SPDX-License-Identifier: MIT
// Whatever stands behind base_url or proxy (the first byte chooses): a host that can be asked, and no other than the
// one that stands there, or one mistake in words.
#include <cstdlib>
#include <string>

#include "fakes/guard_page.hpp"
#include "panic.hpp"
#include "src/program/config_values.hpp"
#include "tocsin/wire/http_request.hpp"
#include "tocsin/wire/http_tunnel.hpp"

namespace {

using namespace tocsin;

void must(bool holds) {
  if (!holds) std::abort();
}

// The host stands at the front of what is written, and its port, unless that is the usual one, behind it.
void is_of(std::string_view written, std::string_view host, std::uint16_t port, std::uint16_t usual) {
  must(!host.empty() && host.size() <= kMaxHost);
  for (const char c : host) must(c > ' ' && c < 0x7F && find("/?#@\\[]%\"", c) == kNotFound);
  const bool bracketed = find(host, ':') != kNotFound;
  if (bracketed) must(starts_with(written, "["));
  written = tail(written, bracketed ? 1 : 0);
  must(head(written, host.size()) == host);
  written = tail(written, host.size());
  if (bracketed) must(starts_with(written, "]"));
  written = tail(written, bracketed ? 1 : 0);
  if (!starts_with(written, ":")) {
    must(port == usual && (written.empty() || written.front() == '/'));
    return;
  }
  written = tail(written, 1);
  std::uint64_t number = 0;
  while (!written.empty() && is_digit(written.front()) && number < 100'000) {
    number = number * 10 + static_cast<unsigned>(written.front() - '0');
    written = tail(written, 1);
  }
  must(number == port && port != 0 && (written.empty() || written.front() == '/'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 2000) return 0;
  static GuardPage page(4096);
  static ConfigErrors errors;
  static std::uint8_t head_bytes[1024 + kRequestHeadBytes];
  const std::string_view written = page.put(as_text(Bytes{data, size}.drop(1)));
  const bool is_url = data[0] % 2 == 0;
  errors.begin("f");
  StreamConfig stream;
  const Value value{is_url ? "base_url" : "proxy", written, 1, errors};
  is_url ? value.base_url(stream) : value.proxy(stream);
  must(errors.count() <= 1);
  if (errors.count() == 1) {
    must(stream.host == StreamConfig{}.host && stream.proxy_host.empty() && !errors.entry(0).text.view().empty());
    return 0;
  }
  if (!is_url) {
    is_of(written, stream.proxy_host, stream.proxy_port, 0);
    must(write_tunnel_request(stream.proxy_host, stream.proxy_port, {}, head_bytes).ok());
    return 0;
  }
  must(same_ignoring_case(head(written, 8), "https://"));
  is_of(tail(written, 8), stream.host, stream.port, 443);
  must(stream.path_prefix.empty() || stream.path_prefix.front() == '/');
  const std::string target = std::string(stream.path_prefix) + "/simple_send/";
  HttpRequest request;
  request.host = stream.host;
  request.port = stream.port;
  request.target = target;
  must(write_request_head(request, 1, head_bytes).ok());
  return 0;
}

// SPDX-License-Identifier: MIT
#include "tocsin/outbox/proxy_talk.hpp"

#include "tocsin/base/text.hpp"

namespace tocsin {
namespace {

constexpr std::string_view kBasic = "basic";

}  // namespace

void ProxyTalk::configure(std::string_view host, std::uint16_t port, std::string_view login) {
  host_ = host;
  port_ = port;
  login_ = login;
}

void ProxyTalk::begin() {
  odd_ = false;
  basic_ = 0;
  answer_.reset();
}

std::size_t ProxyTalk::write(MutBytes into) const {
  const auto size = write_tunnel_request(host_, port_, login_, into);
  return size.ok() ? size.value() : 0;
}

Status ProxyTalk::read(Bytes came) {
  for (const std::uint8_t byte : came) {
    if (basic_ == kBasic.size()) break;
    const char c = to_lower(static_cast<char>(byte));
    if (c != kBasic[basic_]) basic_ = 0;
    if (c == kBasic[basic_]) ++basic_;
  }
  const Status read = answer_.take(came);
  if (read.code() == Code::again) return read;
  const bool opened = read.ok() && answer_.status() < 300;
  // A server's first word comes after ours: what is there already is the proxy's own.
  odd_ = !read.ok() || (opened && answer_.excess());
  return opened && !odd_ ? Status{} : Code::protocol;
}

void ProxyTalk::write_problem(TextWriter& into) const {
  const unsigned status = answer_.status();
  if (odd_ || status == 400 || status == 405 || status == 501) {  // what servers say to CONNECT
    into.text("what answers is no HTTP proxy (look at `proxy`)");
  } else if (status < 300) {
    into.text("no answer to CONNECT (is this the port of an HTTP proxy?)");
  } else if (status == 407) {
    into.text(basic_ < kBasic.size() ? "the proxy takes no Basic login (NTLM, Digest?): allow that there, or this device without"
              : login_.empty()       ? "the proxy wants a user and password: proxy_auth_file"
                                     : "the proxy does not take user and password: look at proxy_auth_file");
  } else {
    into.text(status >= 500 ? "the proxy cannot reach " : "the proxy does not let through to ");
    into.text(host_).text(" port ").number(port_).text(" (HTTP ").number(status).text(")");
  }
}

}  // namespace tocsin

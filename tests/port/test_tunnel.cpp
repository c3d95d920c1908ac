// SPDX-License-Identifier: MIT
// The way through a proxy, over a socket whose other end is the test's: what goes out, and what its answers lead to.
#include "port/linux/tunnel.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "check.hpp"
#include "port/linux/system.hpp"
#include "tocsin/outbox/proxy_talk.hpp"

using namespace tocsin;

namespace {

struct Bench {
  Fd ours, theirs;
  Tunnel tunnel;
  ProxyTalk talk;

  explicit Bench(std::string_view login = {}) {
    int ends[2];
    CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
    talk.configure("sms.test", 443, login);
    tunnel.begin(talk);
  }
  Status open() { return tunnel.open(ours.number(), talk); }
  void answer(std::string_view text) { CHECK_EQ(::send(theirs.number(), text.data(), text.size(), 0), text.size()); }
  std::string asked() {
    char text[4096];
    const ssize_t n = ::recv(theirs.number(), text, sizeof text, 0);
    return n < 0 ? std::string{} : std::string(text, static_cast<std::size_t>(n));
  }
  std::string problem() const {
    char text[300];
    TextWriter into{text};
    tunnel.write_problem(talk, into);
    return std::string(into.view());
  }
};

const std::string kAsked = "CONNECT sms.test:443 HTTP/1.1\r\nHost: sms.test:443\r\nUser-Agent: tocsin\r\n\r\n";

TEST(tunnel_asks_once_and_is_open_when_the_proxy_says_so) {
  Bench b;
  CHECK_CODE(b.open(), Code::again);
  CHECK(b.tunnel.want() == Want::readable);
  CHECK_TEXT(b.problem(), "no answer to CONNECT (is this the port of an HTTP proxy?)");
  CHECK_TEXT(b.asked(), kAsked);
  const std::string answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n";
  for (std::size_t at = 0; at + 1 < answer.size(); ++at) {
    b.answer(answer.substr(at, 1));
    CHECK_CODE(b.open(), Code::again);
  }
  b.answer("\n");
  CHECK_OK(b.open());
  CHECK_TEXT(b.asked(), "");  // nothing goes out in the clear behind it
}

TEST(tunnel_request_that_does_not_fit_the_socket_goes_in_parts) {
  Bench b{"user:password"};
  std::string fill(4096, 'x');
  const int small = 1;
  ::setsockopt(b.ours.number(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  while (::send(b.ours.number(), fill.data(), 1, MSG_NOSIGNAL) == 1) {
  }
  CHECK_CODE(b.open(), Code::again);
  CHECK(b.tunnel.want() == Want::writable);
  std::string came;
  while (came.find("\r\n\r\n") == std::string::npos) {
    came += b.asked();
    CHECK_CODE(b.open(), Code::again);
  }
  came.erase(0, came.find("CONNECT"));
  CHECK_TEXT(came, "CONNECT sms.test:443 HTTP/1.1\r\nHost: sms.test:443\r\nProxy-Authorization: Basic "
                   "dXNlcjpwYXNzd29yZA==\r\nUser-Agent: tocsin\r\n\r\n");
}

void refused(const char* answer, int detail, const char* words, std::string_view login = {}) {
  check::at("%s", answer);
  Bench b{login};
  CHECK_CODE(b.open(), Code::again);
  b.asked();
  if (answer[0] != '\0') b.answer(answer);
  b.theirs.reset();
  const Status failed = b.open();
  CHECK_CODE(failed, Code::io);
  CHECK_EQ(failed.detail(), detail);
  CHECK_TEXT(b.problem(), words);
  CHECK(b.problem().find("password!") == std::string::npos);
}

TEST(tunnel_refused_says_what_to_do) {
  const char* const wants =
      "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"password!\"\r\n\r\n";
  refused(wants, EPROTO, "the proxy wants a user and password: proxy_auth_file");
  refused(wants, EPROTO, "the proxy does not take user and password: look at proxy_auth_file", "user:password!");
  const char* const no_basic = "the proxy takes no Basic login (NTLM, Digest?): allow that there, or this device without";
  for (const char* const login : {"", "user:password!"}) {
    refused("HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n", EPROTO, no_basic, login);
    refused("HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=\"basis, bas ic\", nonce=\"1\"\r\n\r\n", EPROTO, no_basic,
            login);
  }
  refused("HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM, bBASIC realm=\"x\"\r\n\r\n", EPROTO,
          "the proxy wants a user and password: proxy_auth_file");
  refused("HTTP/1.1 403 Filtered\r\n\r\nhtml", EPROTO,
          "the proxy does not let through to sms.test port 443 (HTTP 403)");
  refused("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", EPROTO,
          "the proxy does not let through to sms.test port 443 (HTTP 302)");
  refused("HTTP/1.1 503 No\r\n\r\n", EPROTO, "the proxy cannot reach sms.test port 443 (HTTP 503)");
}

TEST(tunnel_answered_by_something_else_is_no_tunnel) {
  const char* const words = "what answers is no HTTP proxy (look at `proxy`)";
  refused("SSH-2.0-OpenSSH_9.2\r\n", EPROTO, words);
  refused("HTTP/1.1 200 OK\n\n", EPROTO, words);
  for (const char* const server : {"HTTP/1.1 400 Bad\r\n\r\n", "HTTP/1.1 405 No\r\n\r\n", "HTTP/1.1 501 Un\r\n\r\n"})
    refused(server, EPROTO, words);
  refused("\x15\x03\x01", EPROTO, words);
  refused("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", EPROTO, words);  // said before we did: not the server
  refused("", EPIPE, "it closed the connection before it answered (is it an HTTP proxy?)");
  refused("HTTP/1.1 200 O", EPIPE, "it closed the connection before it answered (is it an HTTP proxy?)");
}

TEST(tunnel_begins_anew_after_a_failure) {
  Bench b;
  CHECK_CODE(b.open(), Code::again);
  b.answer("HTTP/1.1 407 No\r\n\r\n");
  CHECK_CODE(b.open(), Code::io);
  b.asked();
  b.tunnel.begin(b.talk);
  CHECK_CODE(b.open(), Code::again);
  CHECK_TEXT(b.asked(), kAsked);
  b.answer("HTTP/1.1 200 OK\r\n\r\n");
  CHECK_OK(b.open());
}

}  // namespace

// SPDX-License-Identifier: MIT
// CONNECT and what proxies answer, however it is cut.
#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "table.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_tunnel.hpp"
#include "vectors/vectors.hpp"

using namespace tocsin;

namespace {

std::string written(std::string_view host, std::uint16_t port, std::string_view login,
                    std::size_t room = 1024) {
  std::string into(room, '\0');
  const auto n = write_tunnel_request(host, port, login, {reinterpret_cast<std::uint8_t*>(into.data()), into.size()});
  return n.ok() ? into.substr(0, n.value()) : std::string("refused: ") + word(n.code());
}

// "200", "403 and more", "again", or the error; each piece ends before a guard page.
class Outcome {
 public:
  void take(std::string_view piece) {
    if (status_.code() == Code::again && !piece.empty()) status_ = reader_.take(as_bytes(page().put(piece)));
  }
  std::string text() const {
    if (!status_.ok()) return word(status_.code());
    return std::to_string(reader_.status()) + (reader_.excess() ? " and more" : "");
  }

 private:
  static GuardPage& page() {
    static GuardPage page(65536);
    return page;
  }
  TunnelAnswer reader_;
  Status status_ = Code::again;
};

std::string whole(std::string_view answer) {
  Outcome outcome;
  outcome.take(answer);
  return outcome.text();
}

// Whole, in pieces of a few sizes, and in two pieces at every place (of a long one at every 31st).
std::string outcome(std::string_view answer) {
  const std::string want = whole(answer);
  // What is behind the head may not have come yet.
  const auto same = [&](const std::string& other) { return other == want || other + " and more" == want; };
  for (const std::size_t size : {1U, 2U, 3U, 7U, 100U}) {
    Outcome pieces;
    for (std::size_t at = 0; at < answer.size(); at += size) pieces.take(head(tail(answer, at), size));
    if (!same(pieces.text()))
      return want + ", but in pieces of " + std::to_string(size) + " bytes " + pieces.text();
  }
  for (std::size_t cut = 1; cut < answer.size(); cut += answer.size() < 1000 ? 1U : 31U) {
    Outcome two;
    two.take(head(answer, cut));
    two.take(tail(answer, cut));
    if (!same(two.text())) return want + ", but cut behind " + std::to_string(cut) + " " + two.text();
  }
  return want;
}

void expect(std::string_view answer, std::string_view want) {
  const std::string got = outcome(answer);
  check::row("proxy: " + std::string(answer), want, got);
  CHECK_TEXT(std::string(answer) + got, std::string(answer) + std::string(want));
}

TEST(tunnel_request_is_exactly_this) {
  CHECK_TEXT(written("sms.test", 443, {}),
             "CONNECT sms.test:443 HTTP/1.1\r\nHost: sms.test:443\r\nUser-Agent: tocsin\r\n\r\n");
  CHECK_TEXT(written("2001:db8::1", 8443, "Aladdin:open sesame"),
             "CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n"
             "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nUser-Agent: tocsin\r\n\r\n");
  for (const char* const login : {"a:", "a:b", "a:bc", "a:bcd"})
    CHECK(written("h", 1, login).find("Basic YT") != std::string::npos);
  CHECK(written("h", 1, "a:").find("Basic YTo=\r\n") != std::string::npos);
  CHECK(written("h", 1, "a:b").find("Basic YTpi\r\n") != std::string::npos);
  CHECK(written("h", 1, "a:bc").find("Basic YTpiYw==\r\n") != std::string::npos);
  CHECK(written("h", 1, "\xFF\xFE\xFD").find("Basic //79\r\n") != std::string::npos);
}

TEST(tunnel_request_has_room_for_the_longest_and_refuses_what_is_no_host) {
  const std::string host(253, 'h'), login(kMaxProxyLogin, 'l');
  CHECK(written(host, 65535, login).find("refused") == std::string::npos);
  for (std::size_t room = 0; room < 80; ++room) {
    const std::string text = written("sms.test", 443, {}, room);
    CHECK(text == "refused: too big" || text.find("\r\n\r\n") == text.size() - 4);
  }
  for (const char* bad : {"", "a b", "a\r\nX: y", "a/b", "a@b", "a?b", "a#b"})
    CHECK_TEXT(written(bad, 443, {}), "refused: bad value");
}

TEST(tunnel_answers_of_proxies_are_read) {
  expect("HTTP/1.1 200 Connection established\r\n\r\n", "200");
  expect("HTTP/1.0 200 OK\r\nProxy-agent: tinyproxy/1.11.1\r\n\r\n", "200");
  expect("HTTP/1.1 200\r\n\r\n", "200");
  expect("HTTP/1.1 299 \r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nEmpty:\r\n\r\n", "299");
  expect("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", "407");
  expect("HTTP/1.1 403 Filtered\r\nContent-Length: 3\r\n\r\nNo!", "403 and more");
  expect("HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "200");
  expect("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03", "200 and more");
  expect("HTTP/1.1 200 OK\r\nA: \xE4\tb\r\n\r\n", "200");
}

TEST(tunnel_answer_that_is_not_complete_waits) {
  const std::string answer = "HTTP/1.1 200 OK\r\nVia: 1.1 x\r\n\r\n";
  for (std::size_t cut = 0; cut < answer.size(); ++cut) expect(head(answer, cut), "again");
}

TEST(tunnel_answer_that_is_not_http_is_refused) {
  for (const char* bad : {"SSH-2.0-OpenSSH_9.2\r\n",        "HTTP/2 200 OK\r\n\r\n",
                          "HTTP/1.2 200 OK\r\n\r\n",        "http/1.1 200 OK\r\n\r\n",
                          "HTTP/1.1  200 OK\r\n\r\n",       "HTTP/1.1 2000 OK\r\n\r\n",
                          "HTTP/1.1 20 OK\r\n\r\n",         "HTTP/1.1 2x0 OK\r\n\r\n",
                          "HTTP/1.1 200\tOK\r\n\r\n",       "HTTP/1.1 200 OK\n\n",
                          "HTTP/1.1 200 OK\r\r\n\r\n",      "HTTP/1.1 200 OK\r\n\n",
                          "HTTP/1.1 200 O\x01K\r\n\r\n",    "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
                          "HTTP/1.1 200 OK\r\n: x\r\n\r\n", "HTTP/1.1 200 OK\r\nA : x\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nA\r\n\r\n",   "HTTP/1.1 200 OK\r\nA: x\ny\r\n\r\n",
                          "HTTP/1.1 200 OK\r\nA: x\r\n\rX", "HTTP/1.1 099 OK\r\n\r\n",
                          "HTTP/1.1 600 OK\r\n\r\n",        "HTTP/1.1 101 Switching\r\n\r\n",
                          "\r\nHTTP/1.1 200 OK\r\n\r\n",    "\x15\x03\x01"})
    expect(bad, "protocol error");
  expect({"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", 25}, "protocol error");
}

TEST(tunnel_answer_without_an_end_is_too_big) {
  const std::string begin = "HTTP/1.1 200 OK\r\nA: ";
  expect(begin + std::string(kHeadBytes, 'a'), "too big");
  expect(begin + std::string(kHeadBytes - begin.size() - 4, 'a') + "\r\n\r\n", "200");
  expect(begin + std::string(kHeadBytes - begin.size() - 3, 'a') + "\r\n\r\n", "too big");
  std::string interims;
  while (interims.size() <= kHeadBytes) interims += "HTTP/1.1 100 Continue\r\n\r\n";
  expect(interims, "too big");
}

// The vectors of HttpResponse: the same head is an answer of a proxy, or is none. Behind a good one stands the
// service's TLS, so nothing that its fields say of a body counts (RFC 9110 9.3.6).
TEST(tunnel_answer_is_read_as_strictly_as_the_services) {
  std::size_t agreed = 0;
  for (const vectors::Vector& v : vectors::read_folder("tests/vectors/http")) {
    check::at("%s", v.name.c_str());
    const std::string got = outcome(v.bytes), want = v.at("expect");
    CHECK(got.find("but") == std::string::npos);
    const bool head_alone = v.file.find("status_line") != std::string::npos ||
                            v.file.find("fields") != std::string::npos || v.name == "switching_protocols_is_refused";
    if (want.rfind("ok ", 0) == 0) {
      CHECK_TEXT(got.substr(0, 3), want.substr(3, 3));
    } else if (head_alone && want == "protocol") {
      CHECK_TEXT(got, "protocol error");
    } else {
      continue;
    }
    ++agreed;
  }
  CHECK(agreed > 100);
}

}  // namespace

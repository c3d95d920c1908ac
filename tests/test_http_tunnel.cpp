// SPDX-License-Identifier: MIT
// CONNECT and what proxies answer, however it is cut.
#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_tunnel.hpp"

using namespace tocsin;

namespace {

std::string written(std::string_view host, std::uint16_t port, std::string_view login,
                    std::size_t room = 1024) {
  std::string into(room, '\0');
  const auto n = write_tunnel_request(host, port, login, {reinterpret_cast<std::uint8_t*>(into.data()), into.size()});
  return n.ok() ? into.substr(0, n.value()) : std::string("refused: ") + word(n.code());
}

// In pieces of that size, each before a guard page. "200", "403 and more", "again", or the error.
std::string outcome(std::string_view answer, std::size_t piece) {
  static GuardPage page(8192);
  TunnelAnswer reader;
  Status status = Code::again;
  for (std::size_t at = 0; at < answer.size() && status.code() == Code::again; at += piece)
    status = reader.take(as_bytes(page.put(answer.substr(at, piece))));
  if (!status.ok()) return word(status.code());
  return std::to_string(reader.status()) + (reader.excess() ? " and more" : "");
}

std::string outcome(std::string_view answer) {
  const std::string whole = outcome(answer, answer.size() + 1);
  std::string pieces = outcome(answer, 1);
  for (const std::size_t piece : {2U, 3U, 7U, 100U}) {
    const std::string other = outcome(answer, piece);
    if (other != pieces && other != whole) pieces = other;
  }
  const bool same = pieces == whole || pieces + " and more" == whole;  // what is behind may not have come yet
  return same ? whole : whole + ", but in pieces " + pieces;
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
  CHECK_TEXT(outcome("HTTP/1.1 200 Connection established\r\n\r\n"), "200");
  CHECK_TEXT(outcome("HTTP/1.0 200 OK\r\nProxy-agent: tinyproxy/1.11.1\r\n\r\n"), "200");
  CHECK_TEXT(outcome("HTTP/1.1 200\r\n\r\n"), "200");
  CHECK_TEXT(outcome("HTTP/1.1 299 \r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nEmpty:\r\n\r\n"), "299");
  CHECK_TEXT(
      outcome("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n"),
      "407");
  CHECK_TEXT(outcome("HTTP/1.1 403 Filtered\r\nContent-Length: 3\r\n\r\nNo!"), "403 and more");
  CHECK_TEXT(outcome("HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), "200");
  CHECK_TEXT(outcome("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"), "200 and more");
  CHECK_TEXT(outcome("HTTP/1.1 200 OK\r\nA: \xE4\tb\r\n\r\n"), "200");
}

TEST(tunnel_answer_that_is_not_complete_waits) {
  const std::string answer = "HTTP/1.1 200 OK\r\nVia: 1.1 x\r\n\r\n";
  for (std::size_t cut = 0; cut < answer.size(); ++cut) CHECK_TEXT(outcome(answer.substr(0, cut)), "again");
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
    CHECK_TEXT(std::string(bad) + outcome(bad), std::string(bad) + "protocol error");
  CHECK_TEXT(outcome({"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", 25}), "protocol error");
}

TEST(tunnel_answer_without_an_end_is_too_big) {
  const std::string begin = "HTTP/1.1 200 OK\r\nA: ";
  CHECK_TEXT(outcome(begin + std::string(kHeadBytes, 'a')), "too big");
  CHECK_TEXT(outcome(begin + std::string(kHeadBytes - begin.size() - 4, 'a') + "\r\n\r\n"), "200");
  CHECK_TEXT(outcome(begin + std::string(kHeadBytes - begin.size() - 3, 'a') + "\r\n\r\n"), "too big");
  std::string interims;
  while (interims.size() <= kHeadBytes) interims += "HTTP/1.1 100 Continue\r\n\r\n";
  CHECK_TEXT(outcome(interims), "too big");
}

}  // namespace

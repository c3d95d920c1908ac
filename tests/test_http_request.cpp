// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_request.hpp"

#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "tocsin/limits.hpp"

using namespace tocsin;

namespace {

HttpRequest simple() {
  HttpRequest request;
  request.target = "/simple_send/";
  request.host = "sendsms.commpeak.com";
  request.authorization = "secret-token";
  return request;
}

std::string written(const HttpRequest& request, std::size_t body_size = 7) {
  static std::uint8_t room[2048];
  const auto n = write_request_head(request, body_size, room);
  return n.ok() ? std::string(as_text(Bytes{room, n.value()})) : word(n.code());
}

TEST(http_request_head_is_exactly_this) {
  CHECK_TEXT(written(simple(), 300),
             "POST /simple_send/ HTTP/1.1\r\n"
             "Host: sendsms.commpeak.com\r\n"
             "Authorization: secret-token\r\n"
             "Content-Type: application/json\r\n"
             "Content-Length: 300\r\n"
             "Accept-Encoding: identity\r\n"
             "User-Agent: tocsin\r\n"
             "\r\n");
}

TEST(http_request_without_a_token_or_type_leaves_their_fields_out) {
  HttpRequest request = simple();
  request.authorization = request.content_type = "";
  const std::string text = written(request);
  CHECK(text.find("Authorization") == std::string::npos);
  CHECK(text.find("Content-Type") == std::string::npos);
  CHECK(text.find("Host: sendsms.commpeak.com\r\nContent-Length: 7\r\n") != std::string::npos);
}

TEST(http_request_get_without_a_body_says_nothing_of_one) {
  HttpRequest request = simple();
  request.method = "GET";
  request.target = "/textpeak/streams/messages?phone=447700900123&page=1";
  CHECK_TEXT(written(request, 0),
             "GET /textpeak/streams/messages?phone=447700900123&page=1 HTTP/1.1\r\n"
             "Host: sendsms.commpeak.com\r\n"
             "Authorization: secret-token\r\n"
             "Accept-Encoding: identity\r\n"
             "User-Agent: tocsin\r\n"
             "\r\n");
  CHECK(written(request, 1).find("\r\nContent-Length: 1\r\n") != std::string::npos);
  request.method = "POST";
  CHECK(written(request, 0).find("\r\nContent-Length: 0\r\n") != std::string::npos);
}

TEST(http_request_host_names_another_port_than_443) {
  HttpRequest request = simple();
  request.port = 8443;
  CHECK(written(request).find("\r\nHost: sendsms.commpeak.com:8443\r\n") != std::string::npos);
  request.port = 443;
  CHECK(written(request).find("\r\nHost: sendsms.commpeak.com\r\n") != std::string::npos);
}

TEST(http_request_host_that_is_an_ipv6_literal_stands_in_brackets) {
  HttpRequest request = simple();
  request.port = 8443;
  request.host = "::1";
  CHECK(written(request).find("\r\nHost: [::1]:8443\r\n") != std::string::npos);
  request.host = "[::1]";
  CHECK(written(request).find("\r\nHost: [::1]:8443\r\n") != std::string::npos);
}

// Every byte in the middle of every part: what may not stand there is refused before a byte is written.
TEST(http_request_bytes_that_could_inject_are_refused_everywhere) {
  for (unsigned i = 0; i < 4 * 256; ++i) {  // alone, before, behind and among more than a machine word
    const unsigned c = i % 256;
    const std::string more = "abcdefghi";
    const std::string odd = (i & 256 ? more : "a") + static_cast<char>(c) + (i & 512 ? more : "b");
    check::at("byte=%u in %s", c, odd.c_str());
    const bool visible = c > 0x20 && c < 0x7F;
    const auto accepted = [](const HttpRequest& request) {
      static std::uint8_t room[2048];
      room[0] = 0xEE;
      const auto n = write_request_head(request, 0, room);
      if (!n.ok()) CHECK_EQ(room[0], 0xEE);
      return n.ok();
    };
    HttpRequest request = simple();
    request.authorization = odd;
    CHECK_EQ(accepted(request), visible || c == ' ');
    request = simple();
    request.content_type = odd;
    CHECK_EQ(accepted(request), visible || c == ' ');
    request = simple();
    const std::string path = "/" + odd;
    request.target = path;
    CHECK_EQ(accepted(request), visible && c != '#');
    request = simple();
    request.host = odd;
    CHECK_EQ(accepted(request),
             visible && std::string_view("/?#@\\,\"<>").find(static_cast<char>(c)) == std::string_view::npos);
    request = simple();
    request.method = odd;
    CHECK_EQ(accepted(request),
             visible && std::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(c)) ==
                            std::string_view::npos);
  }
}

TEST(http_request_bytes_at_the_ends_of_a_value_are_refused) {
  for (const char c : {'\r', '\n', '\0', ' ', '\t', '\x7f', '\x80'}) {
    HttpRequest request = simple();
    const std::string front = c + std::string("token"), back = std::string("token") + c;
    request.authorization = front;
    CHECK_TEXT(written(request), "bad value");
    request.authorization = back;
    CHECK_TEXT(written(request), "bad value");
  }
}

TEST(http_request_parts_that_must_be_there) {
  HttpRequest request = simple();
  request.host = "";
  CHECK_TEXT(written(request), "bad value");
  request = simple();
  request.method = "";
  CHECK_TEXT(written(request), "bad value");
  request = simple();
  request.target = "";
  CHECK_TEXT(written(request), "bad value");
  request.target = "https://elsewhere.example/";
  CHECK_TEXT(written(request), "bad value");
  request.target = "*";
  CHECK_TEXT(written(request), "bad value");
}

TEST(http_request_in_any_smaller_room_is_too_big_and_stays_inside) {
  const std::size_t needed = written(simple()).size();
  for (std::size_t room = 0; room < needed; ++room) {
    check::at("room=%zu", room);
    GuardPage guard(4096);
    CHECK_CODE(write_request_head(simple(), 7, guard.last(room)), Code::too_big);
  }
  GuardPage guard(4096);
  CHECK_EQ(write_request_head(simple(), 7, guard.last(needed)).value(), needed);
}

TEST(http_request_with_the_longest_token_fits_its_room) {
  HttpRequest request = simple();
  const std::string token(kMaxToken, 't'), path = "/" + std::string(120, 'p'), host(253, 'h');
  request.authorization = token;
  request.target = path;
  request.host = host;
  request.port = 65535;
  CHECK(written(request, kRequestBodyBytes).size() <= kRequestHeadBytes);
}

TEST(http_request_body_size_is_written_in_full) {
  CHECK(written(simple(), 0).find("\r\nContent-Length: 0\r\n") != std::string::npos);
  CHECK(written(simple(), 4294967295U).find("\r\nContent-Length: 4294967295\r\n") != std::string::npos);
}

}  // namespace

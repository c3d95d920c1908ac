// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_exchange.hpp"

#include <string>

#include "check.hpp"

using namespace tocsin;

namespace {

constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

struct Pair {
  std::uint8_t request[kRequestHeadBytes + 100];
  std::uint8_t answer[kHeadBytes + kAnswerBytes];
  HttpExchange exchange{MutBytes(request), MutBytes(answer)};

  Status begin(std::string_view body, std::string_view token = "secret") {
    HttpRequest head;
    head.target = "/simple_send/";
    head.host = "sendsms.commpeak.com";
    head.authorization = token;
    copy(exchange.body_room(), as_bytes(body));
    return exchange.begin(head, body.size());
  }
  void send_all() { exchange.sent(exchange.to_send().size()); }
  Status receive(std::string_view bytes) {
    copy(exchange.to_fill(), as_bytes(bytes));
    return exchange.got(bytes.size());
  }
};

TEST(http_exchange_request_is_head_and_body_in_one_piece) {
  static Pair p;
  CHECK_OK(p.begin("{\"a\":1}"));
  const std::string sent(as_text(p.exchange.to_send()));
  CHECK_TEXT(sent.substr(0, 29), "POST /simple_send/ HTTP/1.1\r\n");
  CHECK(sent.find("\r\nContent-Length: 7\r\n") != std::string::npos);
  CHECK_TEXT(sent.substr(sent.size() - 11), "\r\n\r\n{\"a\":1}");
}

TEST(http_exchange_sent_in_pieces_hands_out_the_rest) {
  static Pair p;
  CHECK_OK(p.begin("body"));
  const std::string all(as_text(p.exchange.to_send()));
  std::string sent;
  for (std::size_t n = 1; !p.exchange.to_send().empty(); n = n % 7 + 1) {
    const Bytes piece = p.exchange.to_send().first(n);
    sent += as_text(piece);
    p.exchange.sent(piece.size());
  }
  CHECK_TEXT(sent, all);
}

TEST(http_exchange_complete_is_reusable) {
  static Pair p;
  CHECK_OK(p.begin("body"));
  p.send_all();
  CHECK(!p.exchange.done());
  CHECK(!p.exchange.reusable());
  CHECK_OK(p.receive(kAnswer));
  CHECK(p.exchange.done());
  CHECK_EQ(p.exchange.response().status(), 200);
  CHECK_TEXT(as_text(p.exchange.response().body()), "hi");
  CHECK(p.exchange.reusable());
}

TEST(http_exchange_answered_before_the_request_was_sent_is_not_reusable) {
  static Pair p;
  CHECK_OK(p.begin("body"));
  p.exchange.sent(p.exchange.to_send().size() - 1);
  CHECK_OK(p.receive("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
  CHECK(p.exchange.done());
  CHECK(p.exchange.response().keep_alive());
  CHECK(!p.exchange.reusable());
}

TEST(http_exchange_with_bytes_behind_the_answer_is_not_reusable) {
  static Pair p;
  CHECK_OK(p.begin("body"));
  p.send_all();
  CHECK_OK(p.receive(std::string(kAnswer) + "HTTP/1.1"));
  CHECK(p.exchange.done());
  CHECK(p.exchange.response().excess());
  CHECK(!p.exchange.reusable());
}

TEST(http_exchange_closed_by_the_server_is_not_reusable) {
  static Pair p;
  CHECK_OK(p.begin("body"));
  p.send_all();
  CHECK_OK(p.receive("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
  CHECK(p.exchange.done());
  CHECK(!p.exchange.reusable());
}

TEST(http_exchange_lost_answer_is_closed) {
  static Pair p;
  CHECK_OK(p.begin("body"));
  p.send_all();
  CHECK_CODE(p.exchange.got(0), Code::closed);
  CHECK(!p.exchange.done());
  CHECK(!p.exchange.reusable());
}

TEST(http_exchange_may_have_left_is_told_from_the_first_byte_on) {
  static Pair p;
  CHECK_OK(p.begin("body"));
  CHECK(!p.exchange.may_have_left());
  p.exchange.sent(0);
  CHECK(!p.exchange.may_have_left());
  p.exchange.sent(1);
  CHECK(p.exchange.may_have_left());
  CHECK_OK(p.begin("body"));
  CHECK(!p.exchange.may_have_left());
  p.exchange.mark_may_have_left();
  CHECK(p.exchange.may_have_left());
}

TEST(http_exchange_begun_again_forgets_the_one_before) {
  static Pair p;
  CHECK_OK(p.begin("one"));
  p.send_all();
  CHECK_OK(p.receive(kAnswer));
  CHECK_OK(p.begin("the other"));
  CHECK(!p.exchange.done());
  const std::string sent(as_text(p.exchange.to_send()));
  CHECK_TEXT(sent.substr(sent.size() - 13), "\r\n\r\nthe other");
  p.send_all();
  CHECK_OK(p.receive(kAnswer));
  CHECK(p.exchange.reusable());
}

TEST(http_exchange_with_a_bad_token_has_nothing_to_send) {
  static Pair p;
  CHECK_OK(p.begin("one"));
  CHECK_CODE(p.begin("two", "to\r\nken"), Code::bad_value);
  CHECK(p.exchange.to_send().empty());
  CHECK(!p.exchange.may_have_left());
}

TEST(http_exchange_with_too_long_a_head_or_body_has_nothing_to_send) {
  static Pair p;
  CHECK_CODE(p.begin("x", std::string(kRequestHeadBytes, 't')), Code::too_big);
  CHECK(p.exchange.to_send().empty());
  HttpRequest head;
  head.host = "h";
  CHECK_CODE(p.exchange.begin(head, p.exchange.body_room().size() + 1), Code::too_big);
  CHECK(p.exchange.to_send().empty());
  CHECK_OK(p.exchange.begin(head, p.exchange.body_room().size()));
}

TEST(http_exchange_of_a_method_that_changes_the_framing_is_refused) {
  static Pair p;
  HttpRequest head;
  head.host = "h";
  head.method = "HEAD";
  CHECK_CODE(p.exchange.begin(head, 0), Code::bad_value);
  head.method = "CONNECT";
  CHECK_CODE(p.exchange.begin(head, 0), Code::bad_value);
}

TEST(http_exchange_told_of_more_sent_than_there_was_is_the_programmers_fault) {
  static Pair p;
  CHECK_OK(p.begin("body"));
  CHECK_PANICS(p.exchange.sent(p.exchange.to_send().size() + 1));
}

}  // namespace

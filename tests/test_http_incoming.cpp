// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_incoming.hpp"

#include <string>
#include <vector>

#include "check.hpp"
#include "feed_incoming.hpp"
#include "table.hpp"
#include "tocsin/base/text.hpp"

using namespace tocsin;

namespace {

struct Row {
  std::string name, bytes, expect;
  bool ends = false;  // the peer closes behind it
};

std::string get(const std::string& fields, const std::string& line = "GET /hook HTTP/1.1") {
  return line + "\r\nHost: d\r\n" + fields + "\r\n";
}
std::string post(const std::string& fields, const std::string& body) {
  return get(fields, "POST /hook HTTP/1.1") + body;
}
std::string posted(const std::string& body) { return "POST path=/hook query= type= secret= body=" + body; }
constexpr const char* kGot = "GET path=/hook query= type= secret= body=";
const std::string kChunked = "Transfer-Encoding: chunked\r\n";

std::vector<Row> make_rows() {
  std::vector<Row> rows;
  const auto add = [&rows](std::string name, std::string bytes, std::string expect, bool ends = false) {
    rows.push_back({std::move(name), std::move(bytes), std::move(expect), ends});
  };
  add("plain GET", get(""), kGot);
  add("query", get("", "GET /hook?text=ACK%20K7QP&from=1 HTTP/1.1"),
      "GET path=/hook query=text=ACK%20K7QP&from=1 type= secret= body=");
  add("empty query", get("", "GET /hook? HTTP/1.1"), kGot);
  add("two question marks", get("", "GET /hook?a?b HTTP/1.1"), "GET path=/hook query=a?b type= secret= body=");
  add("absolute form", get("", "GET http://d:80/hook?a HTTP/1.1"), "GET path=/hook query=a type= secret= body=");
  add("absolute form, https, other case", get("", "GET HTTPS://d/hook HTTP/1.1"), kGot);
  add("absolute form without a path", get("", "GET http://d HTTP/1.1"), "400 a target that is not a path");
  add("HTTP/1.0 without Host", "GET /hook HTTP/1.0\r\n\r\n", kGot);
  add("one empty line before", "\r\n" + get(""), kGot);
  add("two empty lines before", "\r\n\r\n" + get(""), "400 not a request line");
  add("any method", get("", "M-SEARCH /hook HTTP/1.1"), "M-SEARCH path=/hook query= type= secret= body=");
  add("content type and secret", post("content-type: application/json\r\nx-secret:  s3cret \r\nContent-Length: 2\r\n", "{}"),
      "POST path=/hook query= type=application/json secret=s3cret body={}");
  add("length", post("Content-Length: 5\r\n", "hello"), posted("hello"));
  add("length 0", post("Content-Length: 0\r\n", ""), posted(""));
  add("length with zeros before", post("Content-Length: 0005\r\n", "hello"), posted("hello"));
  add("what is behind", post("Content-Length: 5\r\n", "helloGET / HTTP/1.1\r\n\r\n"), posted("hello"));
  add("no length, no body", post("", "hello"), posted(""));
  add("chunks", post(kChunked, "3\r\nhel\r\n02\r\nlo\r\n0\r\n\r\n"), posted("hello"));
  add("chunk extension", post(kChunked, "3;a=\"b\"\r\nhel\r\n2 ;c\r\nlo\r\n0\r\n\r\n"), posted("hello"));
  add("capital hex", post(kChunked, "A\r\n0123456789\r\n0\r\n\r\n"), posted("0123456789"));
  add("trailers", post(kChunked, "1\r\nx\r\n0\r\nX-Secret: late\r\nHost: again\r\n\r\n"), posted("x"));
  add("chunked in other case", post("transfer-encoding: Chunked\r\n", "0\r\n\r\n"), posted(""));
  add("identity", post("Content-Encoding: identity\r\nContent-Length: 1\r\n", "x"), posted("x"));
  add("expectation", post("Expect: 100-Continue\r\nContent-Length: 1\r\n", "x"), posted("x"));
  add("bytes above 0x7F in a value", get("X-A: \xC3\xA9\r\n"), kGot);
  add("a tab in a value", get("X-A: a\tb\r\n"), kGot);

  add("no space", get("", "GET/hook HTTP/1.1"), "400 not a request line");
  add("no target", get("", "GET HTTP/1.1"), "400 not a request line");
  add("two spaces", get("", "GET  /hook HTTP/1.1"), "400 a target that is not a path");
  add("two spaces before the version", get("", "GET /hook  HTTP/1.1"), "400 a target that is not a path");
  add("a space behind the version", get("", "GET /hook HTTP/1.1 "), "400 not a request line");
  add("a tab between", get("", "GET\t/hook HTTP/1.1"), "400 not a request line");
  add("no version", get("", "GET /hook"), "400 not a request line");
  add("HTTP/0.9", "GET /\r\n", "400 not a request line");
  add("HTTP/2.0", get("", "GET /hook HTTP/2.0"), "505 not HTTP/1.0 or HTTP/1.1");
  add("HTTP/1.2", get("", "GET /hook HTTP/1.2"), "505 not HTTP/1.0 or HTTP/1.1");
  add("HTTP/1.x", get("", "GET /hook HTTP/1.x"), "400 not a request line");
  add("HTTP/x.1", get("", "GET /hook HTTP/x.1"), "400 not a request line");
  add("HTTP/1,1", get("", "GET /hook HTTP/1,1"), "400 not a request line");
  add("http/1.1", get("", "GET /hook http/1.1"), "400 not a request line");
  add("HTTP/11", get("", "GET /hook HTTP/11"), "400 not a request line");
  add("no method", get("", " /hook HTTP/1.1"), "400 not a request line");
  add("a method that is no token", get("", "G(T /hook HTTP/1.1"), "400 not a request line");
  add("asterisk form", get("", "OPTIONS * HTTP/1.1"), "400 a target that is not a path");
  add("authority form", get("", "CONNECT d:443 HTTP/1.1"), "400 a target that is not a path");
  add("fragment", get("", "GET /hook#a HTTP/1.1"), "400 a target that is not a path");
  add("a space in the target", get("", "GET /ho ok HTTP/1.1"), "400 a target that is not a path");
  add("bytes above 0x7F in the target", get("", "GET /\xC3\xA9 HTTP/1.1"), "400 a target that is not a path");
  add("NUL in the target", get("", std::string("GET /a\0b HTTP/1.1", 17)), "400 a control character in the head");
  add("a TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12), "400 a line without CR before its LF");
  add("bare LF behind the request line", "GET /hook HTTP/1.1\nHost: d\r\n\r\n", "400 a line without CR before its LF");
  add("bare LF first", "\n" + get(""), "400 a line without CR before its LF");
  add("bare LF behind a field", "GET /hook HTTP/1.1\r\nHost: d\n\r\n", "400 a line without CR before its LF");
  add("bare CR in a value", get("X-A: a\rb\r\n"), "400 a control character in the head");
  add("CR CR LF", get("X-A: a\r\r\n"), "400 a control character in the head");
  add("NUL in a value", get(std::string("X-A: a\0\r\n", 9)), "400 a control character in the head");
  add("folded line", get("X-A: a\r\n b\r\n"), "400 a folded line");
  add("folded by a tab", get("X-A: a\r\n\tb\r\n"), "400 a folded line");
  add("no colon", get("X-A\r\n"), "400 a bad field name");
  add("no name", get(": a\r\n"), "400 a bad field name");
  add("a space before the colon", get("X-A : a\r\n"), "400 a bad field name");
  add("a bad trailer", post(kChunked, "0\r\nX A: a\r\n\r\n"), "400 a bad field name");
  add("no Host", "GET /hook HTTP/1.1\r\n\r\n", "400 no Host");
  add("two Hosts", get("Host: e\r\n"), "400 two Hosts");
  add("the secret twice", get("X-Secret: a\r\nX-SECRET: a\r\n"), "400 the secret stands twice");
  add("both lengths", post(kChunked + "Content-Length: 5\r\n", "hello"), "400 Content-Length beside Transfer-Encoding");
  add("both lengths, the other way round", post("Content-Length: 5\r\n" + kChunked, "0\r\n\r\n"),
      "400 Content-Length beside Transfer-Encoding");
  add("two lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "400 two Content-Lengths");
  add("a list of lengths", post("Content-Length: 5, 5\r\n", "hello"), "400 Content-Length is not a number");
  add("no number", post("Content-Length: five\r\n", "hello"), "400 Content-Length is not a number");
  add("empty length", post("Content-Length:\r\n", "hello"), "400 Content-Length is not a number");
  add("a sign", post("Content-Length: +5\r\n", "hello"), "400 Content-Length is not a number");
  add("chunked twice", post(kChunked + kChunked, "0\r\n\r\n"), "400 Transfer-Encoding stands twice");
  add("gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", ""), "501 a Transfer-Encoding other than chunked alone");
  add("chunked in HTTP/1.0", "POST /hook HTTP/1.0\r\n" + kChunked + "\r\n0\r\n\r\n", "400 Transfer-Encoding in HTTP/1.0");
  add("gzip body", post("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "x"), "415 an encoded body");
  add("empty coding", post("Content-Encoding:\r\nContent-Length: 1\r\n", "x"), posted("x"));
  add("another expectation", post("Expect: tea\r\nContent-Length: 1\r\n", "x"), "417 an unknown Expect");
  add("chunk without a size", post(kChunked, "\r\n"), "400 a bad chunk size");
  add("chunk size in words", post(kChunked, "five\r\n"), "400 a bad chunk size");
  add("something behind the size", post(kChunked, "5 x\r\nhello"), "400 a bad chunk size");
  add("only an extension", post(kChunked, ";a\r\n"), "400 a bad chunk size");
  add("a negative size", post(kChunked, "-1\r\n"), "400 a bad chunk size");
  add("a bare LF behind the size", post(kChunked, "5\nhello"), "400 a line without CR before its LF");
  add("chunk longer than its size", post(kChunked, "3\r\nhello\r\n"), "400 a chunk longer than its size");
  add("chunk with a bare LF behind it", post(kChunked, "3\r\nhel\n0\r\n\r\n"), "400 a line without CR before its LF");

  const std::string most(kHookBodyBytes, 'x');
  add("the longest body", post("Content-Length: 8192\r\n", most), posted(most));
  add("one byte more", post("Content-Length: 8193\r\n", ""), "413 the body is too long");
  add("a number without end", post("Content-Length: " + std::string(40, '9') + "\r\n", ""), "413 the body is too long");
  add("the longest body in a chunk", post(kChunked, "2000\r\n" + most + "\r\n0\r\n\r\n"), posted(most));
  add("two chunks of one byte more", post(kChunked, "2000\r\n" + most + "\r\n1\r\n"), "413 the body is too long");
  add("a chunk without end", post(kChunked, std::string(40, 'f') + "\r\n"), "413 the body is too long");
  // A line of 2,048 bytes with its line end, and a head of 4,096.
  const auto line_of = [](std::size_t size) { return "X-A: " + std::string(size - 7, 'a') + "\r\n"; };
  add("the longest line", get(line_of(kHookLineBytes)), kGot);
  add("a longer line", get(line_of(kHookLineBytes + 1)), "414 a line of the head is too long");
  add("a request line without end", "GET /" + std::string(kHookLineBytes, 'a'), "414 a line of the head is too long");
  add("what is no line", std::string(kHookLineBytes, '\0'), "414 a line of the head is too long");
  const std::size_t rest = kHookHeadBytes - get("").size();
  add("the longest head", get(line_of(kHookLineBytes) + line_of(rest - kHookLineBytes)), kGot);
  add("a longer head", get(line_of(kHookLineBytes) + line_of(rest - kHookLineBytes + 1)), "431 the head is too long");
  std::string fields, chunks;
  for (unsigned n = 1; n < HttpIncoming::kMostFields; ++n) fields += "A: b\r\n";
  add("as many fields as may be", get(fields), kGot);
  add("one more", get(fields + "A: b\r\n"), "431 too many fields");
  for (unsigned n = 0; n < 1000; ++n) chunks += "1\r\nx\r\n";
  add("chunks that make the head too long", post(kChunked, chunks), "431 the head is too long");

  add("nothing yet", "", "more");
  add("half a line", "GET /ho", "more");
  add("half a head", "GET /hook HTTP/1.1\r\nHost: d\r\n", "more");
  add("half a body", post("Content-Length: 5\r\n", "hel"), "more");
  add("half a chunk", post(kChunked, "5\r\nhel"), "more");
  add("no end of the chunks", post(kChunked, "5\r\nhello\r\n"), "more");
  add("no end of the trailers", post(kChunked, "0\r\nA: b\r\n"), "more");
  add("closed at once", "", "closed", true);
  add("closed in the head", "GET /ho", "closed", true);
  add("closed in the body", post("Content-Length: 5\r\n", "hel"), "closed", true);
  add("closed behind it", get(""), kGot, true);
  return rows;
}

const std::vector<Row>& all() {
  static const std::vector<Row> rows = make_rows();
  return rows;
}

}  // namespace

TEST(http_incoming_fed_whole_gives_the_expected_result) {
  for (const Row& row : all()) {
    check::at("row=%s", row.name.c_str());
    IncomingFeeder feeder;
    feeder.feed(row.bytes);
    if (row.ends) feeder.close();
    CHECK_TEXT(feeder.outcome(), row.expect);
    check::row(row.name, row.expect.substr(0, 60), feeder.outcome().substr(0, 60));
  }
  CHECK(all().size() > 100);
}

TEST(http_incoming_fed_byte_by_byte_gives_the_same_result) {
  for (const Row& row : all()) {
    check::at("row=%s", row.name.c_str());
    IncomingFeeder feeder;
    for (const char& c : row.bytes) feeder.feed({&c, 1});
    if (row.ends) feeder.close();
    CHECK_TEXT(feeder.outcome(), row.expect);
  }
}

// Nothing is looked at that has not come: what has ends where a page begins that cannot be read.
TEST(http_incoming_before_a_guard_reads_no_further) {
  for (const Row& row : all()) {
    if (row.bytes.size() > 300) continue;
    for (std::size_t size = 1; size <= row.bytes.size(); ++size) {
      check::at("row=%s size=%zu", row.name.c_str(), size);
      IncomingFeeder feeder(size);
      feeder.feed(head(row.bytes, size / 2));
      feeder.feed(tail(head(row.bytes, size), size / 2));
      if (size == row.bytes.size() && !row.ends) CHECK_TEXT(feeder.outcome(), row.expect);
    }
  }
}

TEST(http_incoming_cut_at_every_position_gives_the_same_result) {
  IncomingFeeder feeder;
  for (const Row& row : all()) {
    const std::size_t stride = row.bytes.size() > 500 ? 37 : 1;
    for (std::size_t cut = 1; cut < row.bytes.size(); cut += stride) {
      check::at("row=%s cut=%zu", row.name.c_str(), cut);
      feeder.reset();
      feeder.feed(head(row.bytes, cut));
      feeder.feed(tail(row.bytes, cut));
      if (row.ends) feeder.close();
      CHECK_TEXT(feeder.outcome(), row.expect);
    }
  }
}

TEST(http_incoming_error_stays_and_the_next_begins_anew) {
  IncomingFeeder feeder;
  feeder.feed(get("", "GET /hook HTTP/2.0"));
  CHECK_CODE(feeder.incoming().got(0), Code::protocol);
  CHECK_EQ(feeder.incoming().refusal(), 505);
  CHECK(feeder.incoming().started());
  feeder.reset();
  CHECK(!feeder.incoming().started());
  CHECK_TEXT(feeder.incoming().fault(), "");
  CHECK_EQ(feeder.incoming().refusal(), 0);
  feeder.close();
  CHECK_CODE(feeder.incoming().got(5), Code::closed);
  feeder.reset();
  feeder.feed(post("Content-Length: 1\r\nX-Secret: one\r\n", "x"));
  CHECK_CODE(feeder.incoming().got(1), Code::ok);  // behind it
  feeder.reset();
  feeder.feed(post("Content-Length: 1\r\n", "y"));
  CHECK_TEXT(feeder.outcome(), posted("y"));
}

// Asked for before the body came, and no more once some of it did.
TEST(http_incoming_waits_to_continue_between_head_and_body) {
  for (const char* const fields : {"Content-Length: 2\r\nExpect: 100-continue\r\n",
                                   "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"}) {
    IncomingFeeder feeder;
    const std::string whole = post(fields, "");
    feeder.feed(head(whole, whole.size() - 1));
    CHECK(!feeder.incoming().waits_to_continue());
    feeder.feed("\n");
    CHECK(feeder.incoming().waits_to_continue());
    feeder.feed("1");
    CHECK(!feeder.incoming().waits_to_continue());
  }
  for (const std::string& none : {post("Content-Length: 2\r\n", ""), post("Content-Length: 0\r\nExpect: 100-continue\r\n", ""),
                                  std::string("POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")}) {
    IncomingFeeder feeder;
    feeder.feed(none);
    CHECK(!feeder.incoming().waits_to_continue());
  }
}

// No secret is asked for: a field of no name is none.
TEST(http_incoming_without_a_secret_name_takes_none) {
  GuardPage guard(kHookHeadBytes + kHookBodyBytes);
  HttpIncoming incoming(guard.last(kHookHeadBytes + kHookBodyBytes), {});
  const std::string bytes = get("X-Secret: a\r\n");
  copy(incoming.to_fill(), as_bytes(bytes));
  CHECK_OK(incoming.got(bytes.size()));
  CHECK(incoming.done());
  CHECK(incoming.secret().empty());
}

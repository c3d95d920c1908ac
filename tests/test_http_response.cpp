// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_response.hpp"

#include "check.hpp"
#include "feed_response.hpp"
#include "table.hpp"
#include "tocsin/base/text.hpp"
#include "vectors/vectors.hpp"

using namespace tocsin;
using vectors::Vector;

namespace {

const std::vector<Vector>& all() {
  static const std::vector<Vector> vectors = vectors::read_folder("tests/vectors/http");
  return vectors;
}

// Runs `test` over every vector, or over the one that vector=N names.
template <typename Test>
void over_vectors(Test test) {
  const bool one = check::has_option("vector");
  for (std::size_t n = one ? check::option("vector", 0) : 0; n < all().size(); ++n) {
    check::at("vector=%zu name=%s", n, all()[n].name.c_str());
    test(all()[n], n);
    if (one) break;
  }
}

std::string whole(const Vector& v) {
  ResponseFeeder feeder(v.bytes.size());
  feeder.feed(v.bytes);
  if (v.has("end")) feeder.close();
  return feeder.outcome();
}

std::string expected(const Vector& v, const std::string& got) {
  const std::string expect = v.at("expect");
  if (expect == "more") return expect;
  if (expect.rfind("ok ", 0) == 0) {
    std::string text = expect;
    if (v.has("encoded")) text += " encoded";
    if (v.has("excess")) text += " excess";
    text += " retry-after=" + v.at("retry-after") + " date=" + v.at("date");
    if (v.has("location")) text += " location=" + v.at("location");
    return text + " body=" + v.at("body");
  }
  const std::string words = expect == "protocol" ? "protocol error" : expect == "too_big" ? "too big" : expect;
  if (v.has("fault")) return words + " (" + v.at("fault") + ")";
  // No words are asked for; that there are some is.
  return got.rfind(words + " (", 0) == 0 && got != words + " ()" ? got : words + " (in any words)";
}

TEST(http_response_vectors_say_why_and_what) {
  over_vectors([](const Vector& v, std::size_t) {
    CHECK(v.why.size() > 5);
    CHECK(v.has("expect"));
  });
  CHECK(all().size() > 150);
}

TEST(http_response_fed_whole_gives_the_expected_result) {
  over_vectors([](const Vector& v, std::size_t) {
    const std::string got = whole(v), want = expected(v, got);
    const bool in_any_words = want[0] == 'p' && !v.has("fault");
    check::row(v.name + ": " + v.why, in_any_words ? "protocol error" : want, got);
    CHECK_TEXT(got, want);
  });
}

TEST(http_response_fed_byte_by_byte_gives_the_same_result) {
  over_vectors([](const Vector& v, std::size_t) {
    ResponseFeeder feeder(v.bytes.size());
    for (const char& c : v.bytes) {
      if (!feeder.status().ok()) break;
      feeder.feed({&c, 1});
    }
    if (v.has("end")) feeder.close();
    CHECK_TEXT(feeder.outcome(), whole(v));
  });
}

// In two pieces at every place: a page that cannot be read lies right behind the first one while it is looked at.
TEST(http_response_cut_at_every_position_gives_the_same_result) {
  over_vectors([](const Vector& v, std::size_t n) {
    const std::string want = whole(v);
    ResponseFeeder feeder;
    const bool one = check::has_option("cut");
    for (std::size_t cut = one ? check::option("cut", 0) : 1; cut < v.bytes.size(); ++cut) {
      check::at("vector=%zu cut=%zu name=%s", n, cut, v.name.c_str());
      feeder.place(cut);
      feeder.feed(head(v.bytes, cut));
      feeder.open_guard();
      if (feeder.status().ok()) feeder.feed(tail(v.bytes, cut));
      if (v.has("end")) feeder.close();
      CHECK_TEXT(feeder.outcome(), want);
      if (one) break;
    }
  });
}

// The same byte by byte, of those that are short enough for every byte to have its turn as the last one.
TEST(http_response_byte_by_byte_before_a_guard_gives_the_same_result) {
  over_vectors([](const Vector& v, std::size_t n) {
    if (v.bytes.size() > 400) return;
    const std::string want = whole(v);
    ResponseFeeder feeder;
    for (std::size_t cut = 1; cut <= v.bytes.size(); ++cut) {
      check::at("vector=%zu cut=%zu name=%s", n, cut, v.name.c_str());
      feeder.place(cut);
      for (std::size_t at = 0; at < v.bytes.size() && feeder.status().ok(); ++at) {
        if (at == cut) feeder.open_guard();
        feeder.feed({v.bytes.data() + at, 1});
      }
      if (v.has("end")) feeder.close();
      CHECK_TEXT(feeder.outcome(), want);
    }
  });
}

// Wherever the peer goes away: closed, unless the answer was over, or refused, before.
TEST(http_response_closed_at_every_position_is_never_an_answer) {
  over_vectors([](const Vector& v, std::size_t n) {
    ResponseFeeder bytewise(v.bytes.size()), feeder(v.bytes.size());
    const bool ends_by_close = v.name.rfind("body_until_close", 0) == 0 || v.has("until_close");
    for (std::size_t cut = 0; cut < v.bytes.size(); ++cut) {
      check::at("vector=%zu cut=%zu name=%s", n, cut, v.name.c_str());
      if (cut > 0) bytewise.feed({v.bytes.data() + cut - 1, 1});
      if (!bytewise.status().ok()) break;
      feeder.reset();
      feeder.feed(head(v.bytes, cut));
      const bool complete = feeder.response().done();
      CHECK_EQ(complete, bytewise.response().done());
      feeder.close();
      if (ends_by_close && feeder.status().ok()) continue;
      if (complete) CHECK(feeder.status().ok() && !feeder.response().keep_alive());
      else CHECK_CODE(feeder.status(), Code::closed);
    }
  });
}

// Vectors with a few bytes changed, taken out or doubled, whole against cut into random pieces: whatever
// it makes of them, it is the same. Rerun one with case=N.
TEST(http_response_mutated_gives_the_same_result_however_cut) {
  std::vector<const Vector*> shorter;
  for (const Vector& v : all())
    if (v.bytes.size() < 1000) shorter.push_back(&v);
  const bool one = check::has_option("case");
  for (std::uint64_t n = one ? check::option("case", 0) : 0; n < 30'000; ++n) {
    check::at("case=%u", static_cast<unsigned>(n));
    std::uint64_t random = n * 0x9E3779B97F4A7C15U + 1;
    const auto below = [&random](std::size_t limit) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      return limit == 0 ? std::size_t{0} : static_cast<std::size_t>(random >> 11) % limit;
    };
    std::string bytes = shorter[below(shorter.size())]->bytes;
    for (std::size_t changes = 1 + below(3); changes > 0 && !bytes.empty(); --changes) {
      constexpr char kTelling[] = "\r\n\0\t :;,0159afAFx-+\x7f\x80\xff";
      const std::size_t at = below(bytes.size());
      const char c = kTelling[below(sizeof kTelling - 1)];
      switch (below(4)) {
        case 0: bytes[at] = c; break;
        case 1: bytes.erase(at, 1 + below(4)); break;
        case 2: bytes.insert(at, 1, c); break;
        default: bytes.insert(at, bytes.substr(below(bytes.size()), below(60))); break;
      }
    }
    ResponseFeeder at_once(bytes.size()), in_pieces(bytes.size());
    at_once.feed(bytes);
    at_once.close();
    std::string_view rest = bytes;
    while (!rest.empty() && in_pieces.status().ok()) {
      const std::size_t piece = 1 + below(below(2) == 0 ? 5 : 60);
      in_pieces.feed(head(rest, piece));
      rest = tail(rest, piece);
    }
    in_pieces.close();
    CHECK_TEXT(in_pieces.outcome(), at_once.outcome());
    if (one) break;
  }
}

TEST(http_response_before_any_byte_has_not_started) {
  ResponseFeeder feeder;
  CHECK(!feeder.response().started());
  CHECK(!feeder.response().done());
  CHECK(!feeder.response().keep_alive());
  CHECK(!feeder.response().to_fill().empty());
  feeder.feed("H");
  CHECK(feeder.response().started());
}

TEST(http_response_after_an_error_repeats_it_until_reset) {
  ResponseFeeder feeder;
  HttpResponse& response = feeder.response();
  feeder.feed("HTTP/1.1 999 No\r\n");
  CHECK_CODE(feeder.status(), Code::protocol);
  CHECK_CODE(response.got(0), Code::protocol);
  CHECK_TEXT(response.fault(), "status outside 100 to 599");
  CHECK(!response.done());
  feeder.reset();
  CHECK_TEXT(response.fault(), "");
  feeder.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  CHECK_OK(feeder.status());
  CHECK_TEXT(as_text(response.body()), "hi");
}

TEST(http_response_after_reset_forgets_every_field) {
  ResponseFeeder feeder;
  feeder.feed("HTTP/1.0 503 X\r\nRetry-After: 7\r\nDate: today\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
              "Content-Length: 2\r\n\r\nhiX");
  CHECK_TEXT(feeder.outcome(), "ok 503 close encoded excess retry-after=7 date=today body=hi");
  feeder.reset();
  CHECK(!feeder.response().started());
  CHECK(!feeder.response().excess());
  feeder.feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  CHECK_TEXT(feeder.outcome(), "ok 200 keep-alive retry-after= date= body=");
}

TEST(http_response_excess_that_comes_later_ends_keep_alive) {
  ResponseFeeder feeder;
  feeder.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  CHECK(feeder.response().keep_alive());
  feeder.feed("H");
  CHECK_OK(feeder.status());
  CHECK(feeder.response().excess());
  CHECK(!feeder.response().keep_alive());
  CHECK_TEXT(as_text(feeder.response().body()), "hi");
}

TEST(http_response_excess_without_end_finds_room) {
  ResponseFeeder feeder;
  feeder.feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  for (int n = 0; n < 30; ++n) feeder.feed(std::string(1000, 'x'));
  CHECK_OK(feeder.status());
  CHECK(feeder.response().excess());
  CHECK_TEXT(as_text(feeder.response().body()), "hi");
}

TEST(http_response_with_too_small_a_buffer_is_the_programmers_fault) {
  static std::uint8_t small[kHeadBytes + kAnswerBytes - 1];
  CHECK_PANICS(HttpResponse response{MutBytes(small)});
}

TEST(http_response_told_of_more_than_fits_is_the_programmers_fault) {
  ResponseFeeder feeder;
  CHECK_PANICS(feeder.response().got(feeder.response().to_fill().size() + 1).ignore());
}

}  // namespace

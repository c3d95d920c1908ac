// SPDX-License-Identifier: MIT
// Chunked bodies against a second reading of RFC 9112 7.1, as plain as can be: both take the same bodies, and find
// the same end. What the second one has no limits for (head and body) is left out of the comparison alone.
#include <cstdlib>
#include <optional>
#include <string>

#include "feed_response.hpp"
#include "panic.hpp"

namespace {

struct Plain {
  std::string body;
  std::size_t end = 0;  // of all, trailers included
};

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool all_text(std::string_view text) {
  for (const char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) return false;
  return true;
}

bool is_name(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~0123456789";
  for (const char c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) && kOthers.find(c) == std::string_view::npos)
      return false;
  return !text.empty();
}

// What stands there, or nothing: it is no whole body in chunks.
std::optional<Plain> read_plainly(std::string_view all) {
  constexpr std::string_view kHex = "0123456789abcdefABCDEF";
  Plain found;
  std::size_t at = 0;
  const auto line = [&]() -> std::optional<std::string_view> {
    const std::size_t end = all.find("\r\n", at);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = all.substr(at, end - at);
    at = end + 2;
    if (!all_text(text)) return std::nullopt;
    return text;
  };
  for (;;) {
    const auto text = line();
    if (!text) return std::nullopt;
    const std::size_t digits = std::min(text->find_first_not_of(kHex), text->size());
    std::size_t rest = digits;
    while (rest < text->size() && is_blank((*text)[rest])) ++rest;
    if (digits == 0 || (digits < text->size() && (rest == text->size() || (*text)[rest] != ';'))) return std::nullopt;
    std::size_t size = 0;
    for (const char c : text->substr(0, digits)) {
      if (size > 100'000) return std::nullopt;
      size = size * 16 + static_cast<std::size_t>(std::strtoul(std::string(1, c).c_str(), nullptr, 16));
    }
    if (size == 0) break;
    if (size + 2 > all.size() - at || all.substr(at + size, 2) != "\r\n") return std::nullopt;
    found.body += all.substr(at, size);
    at += size + 2;
  }
  for (;;) {
    const auto text = line();
    if (!text) return std::nullopt;
    if (text->empty()) break;
    const std::size_t colon = text->find(':');
    if (colon == std::string_view::npos || !is_name(text->substr(0, colon))) return std::nullopt;
  }
  found.end = at;
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  static ResponseFeeder whole, split;
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  if (size == 0 || size > kHeadBytes + kAnswerBytes) return 0;
  const std::string_view body = as_text(Bytes{data, size}.drop(1));
  const std::string all = head + std::string(body);
  whole.reset();
  whole.feed(all);
  // In two pieces, the first of them before a guard.
  const std::size_t cut = head.size() + body.size() * data[0] / 256;
  split.place(cut);
  split.feed({all.data(), cut});
  split.open_guard();
  if (split.status().ok()) split.feed({all.data() + cut, all.size() - cut});
  if (whole.outcome() != split.outcome()) std::abort();

  if (whole.status().code() == Code::too_big) return 0;
  const auto plainly = read_plainly(body);
  const bool done = whole.response().done();
  if (done != plainly.has_value()) std::abort();
  if (!done) return 0;
  if (as_text(whole.response().body()) != plainly->body) std::abort();
  if (whole.response().excess() != (plainly->end < body.size())) std::abort();
  return 0;
}

// SPDX-License-Identifier: MIT
// Any bytes, fed whole and in pieces, must give the same outcome, and memory that was not written must not be
// read. The first byte of an input chooses the pieces. Built by `make fuzz`; without libFuzzer it runs
// the files it is given.
#include <cstdlib>
#include <string>

#include "feed_response.hpp"
#include "panic.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  if (size == 0) return 0;
  static ResponseFeeder at_once, in_pieces;
  const std::string_view bytes = as_text(Bytes{data, size}.drop(1));
  at_once.reset();
  at_once.feed(bytes);
  at_once.close();

  in_pieces.reset();
  std::uint32_t random = data[0] * 2654435761U + 1;
  for (std::string_view rest = bytes; !rest.empty() && in_pieces.status().ok();) {
    random ^= random << 13, random ^= random >> 17, random ^= random << 5;
    const std::size_t most = data[0] < 64 ? 1 : data[0] < 128 ? 4 : 300;
    const std::size_t n = 1 + random % most;
    in_pieces.feed({rest.data(), n < rest.size() ? n : rest.size()});
    rest.remove_prefix(n < rest.size() ? n : rest.size());
  }
  in_pieces.close();

  const std::string a = at_once.outcome(), b = in_pieces.outcome();
  if (a != b) {
    std::fprintf(stderr, "whole:  %s\npieces: %s\n", a.c_str(), b.c_str());
    std::abort();
  }
  if (at_once.status().ok() && at_once.response().done()) {
    const HttpResponse& response = at_once.response();
    if (response.status() < 200 || response.status() > 599 || response.body().size() > kAnswerBytes) std::abort();
  }
  return 0;
}

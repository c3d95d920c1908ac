// SPDX-License-Identifier: MIT
#include "tocsin/wire/secret.hpp"

namespace tocsin {

void write_without(std::string_view secret, std::string_view words, TextWriter& into) {
  constexpr std::size_t kTelling = 4, kPart = 8;
  for (std::size_t at = 0; at < words.size();) {
    const std::string_view rest = tail(words, at);
    std::size_t same = 0, end = 0;
    for (; end < rest.size() && same < secret.size(); ++end) {
      if (rest[end] == secret[same]) {
        ++same;
      } else if (rest[end] != '\\' || same == 0) {
        break;
      }
    }
    const bool whole = end == rest.size() || same == secret.size();
    const bool found = same >= (whole ? kTelling : kPart);
    into.text(found ? "***" : head(rest, 1));
    at += found ? end : 1;
  }
}

bool is_secret(std::string_view mine, std::string_view given) {
  volatile unsigned char differs = mine.size() != given.size() ? 1 : 0;  // volatile: no compiler ends the loop early
  for (std::size_t at = 0; at < given.size(); ++at)
    differs = static_cast<unsigned char>(differs | (mine[at < mine.size() ? at : 0] ^ given[at]));
  return differs == 0;
}

}  // namespace tocsin

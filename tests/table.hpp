// SPDX-License-Identifier: MIT
// With table=1 behind the name of a case, each thing it looks at is a line: | what | expected | seen |. What is there
// of the HTTP client: make http-table.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "check.hpp"

namespace check {

// On one line, with its middle left out when it is long.
inline std::string cell(std::string_view text) {
  constexpr std::size_t kMost = 100, kEnd = 30;
  std::string into;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.size() > kMost && at == kMost - kEnd) {
      at = text.size() - kEnd;
      into += "...";
    }
    const char c = text[at];
    char escaped[8] = {c};
    if (c == '\r' || c == '\n') std::snprintf(escaped, sizeof escaped, "\\%c", c == '\r' ? 'r' : 'n');
    else if (c == '|') std::snprintf(escaped, sizeof escaped, "\\|");
    else if (static_cast<unsigned char>(c - 0x20) > 0x7E - 0x20)
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    into += escaped;
  }
  return into;
}

inline void row(std::string_view what, std::string_view expected, std::string_view seen) {
  if (option("table", 0) == 0) return;
  std::printf("| %s | %s | %s |\n", cell(what).c_str(), cell(expected).c_str(), cell(seen).c_str());
}

}  // namespace check

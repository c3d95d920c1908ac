// SPDX-License-Identifier: MIT
// A configuration read from text, and what was said about it: what the tests of the configuration have in
// common.
#pragma once

#include <string>

#include "check.hpp"
#include "src/program/config.hpp"

namespace config_bench {

using namespace tocsin;

inline Config config;
inline ConfigErrors errors;

inline std::string said() {
  std::string all;
  for (std::size_t at = 0; at < errors.kept(); ++at) {
    char memory[600];
    TextWriter line{memory};
    errors.write(at, line);
    all += std::string{line.view()} + "\n";
  }
  return all;
}

// What is said about `text`; empty when it is good and nothing is to be warned of. The text outlives the call: views point into it.
inline std::string read(const std::string& text) {
  static std::string kept;
  kept = text;
  const Status status = parse_config("f", kept, config, errors);
  CHECK_EQ(status.ok(), errors.count() == 0);
  return said();
}

inline const std::string kDevice = "[device]\nname = d\n";
inline const std::string kStream = "[stream s]\ntype = marketing\ntoken_file = /t\n";

}  // namespace config_bench

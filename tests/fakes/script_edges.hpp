// SPDX-License-Identifier: MIT
// An input line that a test writes down beforehand: edges to come, and the level that is read now.
#pragma once

#include <vector>

#include "tocsin/port.hpp"

namespace fakes {

class ScriptEdges final : public tocsin::EdgeSource {
 public:
  std::vector<tocsin::Edge> coming;  // oldest first
  tocsin::Level now = tocsin::Level::low;
  bool lost = false;                 // every call fails

  // An edge as the kernel tells it; `skipped` edges before it were dropped.
  void edge(tocsin::Level level, std::uint32_t skipped = 0) {
    number_ += 1 + skipped;
    coming.push_back({number_ * 1000U, number_, level});
    now = level;
  }

  tocsin::Result<tocsin::Edge> next() override {
    if (lost) return {tocsin::Code::io, 19};
    if (at_ == coming.size()) return tocsin::Code::again;
    return coming[at_++];
  }
  tocsin::Result<tocsin::Level> level() override {
    if (lost) return {tocsin::Code::io, 19};
    return now;
  }
  int handle() const override { return -1; }

 private:
  std::uint32_t number_ = 0;
  std::size_t at_ = 0;
};

}  // namespace fakes

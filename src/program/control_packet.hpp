// SPDX-License-Identifier: MIT
// The parts of a control packet that both sides spell. Only for control*.cpp.
//
// Memory: the object; out() and err() point into the reply's texts. Threads: none.
#pragma once

#include "src/program/control.hpp"

namespace tocsin {

inline constexpr std::uint8_t kControlVersion = 1;
inline constexpr std::size_t kFieldHead = 3;  // tag and length

// A reply in four parts: front, out, middle, err. Texts that do not fit kMaxControlReply are cut, `err` last.
class ReplyFrame {
 public:
  explicit ReplyFrame(const ControlReply& reply);
  Bytes front() const { return front_; }
  std::string_view out() const { return out_; }
  Bytes middle() const { return middle_; }
  std::string_view err() const { return err_; }

 private:
  std::uint8_t front_[2 + kFieldHead];
  std::uint8_t middle_[kFieldHead];
  std::string_view out_;
  std::string_view err_;
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// What somebody wants who answers an alarm.
//
//   ACK K7QP   STATUS   STOP   START      in whatever case, with blanks and punctuation around the words; what
//                                         follows them does not matter
//
// Memory: views. Threads: none.
#pragma once

#include <cstdint>
#include <string_view>

namespace tocsin {

struct Instruction {
  enum class Kind : std::uint8_t { none, acknowledge, status, stop, start };
  Kind kind = Kind::none;
  std::string_view code;  // of the alarm to acknowledge, as it was written; empty: there is none
};

Instruction read_instruction(std::string_view text);

}  // namespace tocsin

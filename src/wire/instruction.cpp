// SPDX-License-Identifier: MIT
#include "tocsin/wire/instruction.hpp"

#include "tocsin/base/text.hpp"

namespace tocsin {
namespace {

bool is_of_word(char c) { return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'z'); }

std::string_view next_word(std::string_view& rest) {
  std::size_t from = 0;
  while (from < rest.size() && !is_of_word(rest[from])) ++from;
  std::size_t to = from;
  while (to < rest.size() && is_of_word(rest[to])) ++to;
  const std::string_view word = tail(head(rest, to), from);
  rest = tail(rest, to);
  return word;
}

}  // namespace

Instruction read_instruction(std::string_view text) {
  const std::string_view word = next_word(text);
  if (same_ignoring_case(word, "ack")) return {Instruction::Kind::acknowledge, next_word(text)};
  if (same_ignoring_case(word, "status")) return {Instruction::Kind::status, {}};
  if (same_ignoring_case(word, "stop")) return {Instruction::Kind::stop, {}};
  if (same_ignoring_case(word, "start")) return {Instruction::Kind::start, {}};
  return {};
}

}  // namespace tocsin

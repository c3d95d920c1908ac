// SPDX-License-Identifier: MIT
#include "tocsin/wire/instruction.hpp"

#include "check.hpp"

using namespace tocsin;

TEST(instruction_is_found_however_it_is_written) {
  struct Row {
    const char* text;
    Instruction::Kind kind;
    const char* code;
  };
  using Kind = Instruction::Kind;
  const Row rows[] = {
      {"ACK K7QP", Kind::acknowledge, "K7QP"},
      {" ack  k7qp. Thanks, Anna", Kind::acknowledge, "k7qp"},
      {"\"Ack\": K7QP\r\n", Kind::acknowledge, "K7QP"},
      {"ACK", Kind::acknowledge, ""},
      {"ack!", Kind::acknowledge, ""},
      {"STATUS", Kind::status, ""},
      {"status?", Kind::status, ""},
      {"Stop", Kind::stop, ""},
      {"STOP please", Kind::stop, ""},
      {"START", Kind::start, ""},
      {"", Kind::none, ""},
      {"...", Kind::none, ""},
      {"ACKK7QP", Kind::none, ""},
      {"K7QP ACK", Kind::none, ""},
      {"STOPP", Kind::none, ""},
      {"do not STOP", Kind::none, ""},
      {"\xC3\x84"
       "CK K7QP",
       Kind::none, ""},
      {"ok", Kind::none, ""},
  };
  for (const Row& row : rows) {
    check::at("text=%s", row.text);
    const Instruction found = read_instruction(row.text);
    CHECK(found.kind == row.kind);
    CHECK_TEXT(found.code, row.code);
  }
  CHECK(read_instruction({"\0STOP\0", 6}).kind == Kind::stop);
}

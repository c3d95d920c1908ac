// SPDX-License-Identifier: MIT
#include "tocsin/wire/masked.hpp"

#include <string>

#include "check.hpp"

using namespace tocsin;

namespace {

std::string masked(std::string_view body, std::string_view token = "tkn-5ecret-Qq81hVb0") {
  char scratch[400], memory[400];
  TextWriter into(memory);
  write_masked_answer(body, token, scratch, into);
  return std::string(into.view());
}

}  // namespace

TEST(masked_answer_has_no_token_and_no_phone_and_keeps_ids) {
  CHECK_TEXT(masked(R"({"to":"447700900123","uuid":"0562f2aa-5945-4f41-824a-b774fc2e2b2a","token":"tkn-5ecret-Qq81hVb0","n":1003})"),
             R"({"to":"44*******123","uuid":"0562f2aa-5945-4f41-824a-b774fc2e2b2a","token":"***","n":1003})");
  // Digits alone are an id too, where they have the form of one.
  CHECK_TEXT(masked("12345678-1234-1234-1234-123456789012 123456789012"), "12345678-1234-1234-1234-123456789012 12*******012");
  CHECK_TEXT(masked("0562f2aa-5945-4f41-824a-b774fc2e2b2"), "0562f2aa-5945-4f41-824a-b774fc2e2b2");  // one short
  CHECK_TEXT(masked("447700900123-5945-4f41"), "44*******123-5945-4f41");
}

TEST(masked_answer_has_no_token_that_json_has_changed) {
  CHECK_TEXT(masked(R"({"a":"tkn\/5ecret\"Qq81\\\\hV","b":1})", R"(tkn/5ecret"Qq81\\hV)"), R"({"a":"***","b":1})");
  CHECK_TEXT(masked(R"(tkn\5ecret)", "tkn/5ecret"), R"(tkn\5ecret)");
}

TEST(masked_answer_has_no_phone_as_people_write_it) {
  CHECK_TEXT(masked("+44 7700 900123 or +1 (415) 555-0123."), "+44 **** ***123 or +1 (4**) ***-*123.");
  CHECK_TEXT(masked("0049/30/1234567, (07700) 900123; 44 7700 900 123"), "00**/**/****567, (07***) ***123; 44 **** *** 123");
  CHECK_TEXT(masked("44-7700-900123, 1-415-555-0123;415-555-012 3"), "44-****-***123, 1-4**-***-*123;41*-***-012 3");
  // What is none: dates, addresses, a few digits.
  const char* const kNone[] = {"2026-11-22 10:05:07", "(1970-01-01), 2099-01-01", "192.168.100.200:8443", "10.0.0.12",
                               "+44", "0 of 20, 3 left", "+", "0.5 s - 0",
                               "2026-11-22-10-05-07", "12-345-678", "room-2024-4821-100123 id 1-22"};
  for (const char* none : kNone) CHECK_TEXT(masked(none), none);
}

TEST(masked_answer_is_text_whatever_it_was) {
  CHECK_TEXT(masked("<a>\r\n\tÖl\x01\x1B[31m\xFF\x7F end"), "<a>?\n\tÖl??[31m?? end");
  CHECK_TEXT(masked(std::string_view("\x1F\x8B\0\xC3", 4)), "????");
  CHECK_TEXT(masked(""), "");
}

TEST(masked_answer_that_is_cut_in_a_token_shows_none_of_it) {
  char scratch[20], memory[100];
  for (std::size_t before = 0; before < 16; ++before) {
    TextWriter into(memory);
    write_masked_answer(std::string(before, 'x') + "tkn-5ecret-Qq81hVb0", "tkn-5ecret-Qq81hVb0", scratch, into);
    CHECK_TEXT(into.view(), std::string(before, 'x') + "***");
  }
}

// SPDX-License-Identifier: MIT
#include <random>
#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "src/program/ini.hpp"
#include "tocsin/limits.hpp"

using namespace tocsin;

namespace {

// Every item and error as a line: "1 [kind|name]", "2 key|value", "3 ! what: what to do".
std::string items(std::string_view text) {
  IniReader reader{text};
  std::string all;
  for (;;) {
    const auto item = reader.next();
    if (item.code() == Code::empty) return all;
    all += std::to_string(reader.line());
    if (!item.ok()) {
      all += " ! " + std::string{reader.problem()} + "\n";
      continue;
    }
    CHECK_EQ(item.value().line, reader.line());
    const bool section = item.value().kind == IniItem::Kind::section;
    all += section ? " [" : " ";
    all += std::string{item.value().word} + "|" + std::string{item.value().rest} + (section ? "]\n" : "\n");
  }
}

}  // namespace

TEST(ini_sections_keys_and_comments_are_told_apart) {
  CHECK_TEXT(items("# comment = 1\n[device]\n  ; [x]\n\nname = a\n[stream  sms one ]\n\tx\t=\ty z \n"),
             "2 [device|]\n5 name|a\n6 [stream|sms one]\n7 x|y z\n");
}

TEST(ini_value_keeps_hash_semicolon_equals_and_brackets) {
  CHECK_TEXT(items("text = a #1; b = [c] ; d\nempty =\nx=#"), "1 text|a #1; b = [c] ; d\n2 empty|\n3 x|#\n");
}

TEST(ini_crlf_and_byte_order_mark_are_taken_off) {
  CHECK_TEXT(items("\xEF\xBB\xBF[a]\r\nk = v\r\n\r\nl = w\r"), "1 [a|]\n2 k|v\n4 l|w\n");
}

TEST(ini_byte_order_mark_inside_is_text) {
  CHECK_TEXT(items("[a]\nk = \xEF\xBB\xBFv\n"), "1 [a|]\n2 k|\xEF\xBB\xBFv\n");
}

TEST(ini_of_nothing_is_empty) {
  CHECK_TEXT(items(""), "");
  CHECK_TEXT(items("\xEF\xBB\xBF"), "");
  CHECK_TEXT(items("\n\n  \n# x"), "");
}

TEST(ini_bad_lines_are_named_and_reading_goes_on) {
  CHECK_TEXT(items("[a\n[]\n[ ]\n[a] x\nword\n= v\nk = v\n"),
             "1 ! a section without its ]: write [kind] or [kind name]\n"
             "2 ! a section without a kind: write [kind] or [kind name]\n"
             "3 ! a section without a kind: write [kind] or [kind name]\n"
             "4 ! something stands behind the ] of a section: give it a line of its own, comments too\n"
             "5 ! this is no section, no key and no comment: write key = value\n"
             "6 ! nothing stands in front of the =: write key = value\n"
             "7 k|v\n");
}

TEST(ini_bad_section_line_is_told_from_a_bad_key) {
  IniReader reader{"[a\nk\n[b] x\n[c]\n"};
  CHECK_CODE(reader.next(), Code::bad_value);
  CHECK(reader.lost_section());
  CHECK_CODE(reader.next(), Code::bad_value);
  CHECK(!reader.lost_section());
  CHECK_CODE(reader.next(), Code::bad_value);
  CHECK(reader.lost_section());
  CHECK_OK(reader.next());
  CHECK(!reader.lost_section());
}

TEST(ini_bytes_that_are_no_text_are_refused_with_their_position) {
  using namespace std::string_view_literals;
  CHECK_TEXT(items("k = \0v\nl = w\n"sv), "1 ! a NUL byte at position 5: remove it\n2 l|w\n");
  CHECK_TEXT(items("k = \x1B[0m\n"), "1 ! a control character at position 5: remove it\n");
  CHECK_TEXT(items("a\rb = c\n"), "1 ! a control character at position 2: remove it\n");
  CHECK_TEXT(items("k = \xC3\xA4\xFF\n"),
             "1 ! the byte at position 7 is not UTF-8: save the file as UTF-8\n");
  CHECK_TEXT(items("k = \xED\xA0\x80\n"),
             "1 ! the byte at position 5 is not UTF-8: save the file as UTF-8\n");
  CHECK_TEXT(items("# \xFF\n"), "1 ! the byte at position 3 is not UTF-8: save the file as UTF-8\n");
}

TEST(ini_utf16_is_said_once) {
  using namespace std::string_view_literals;
  CHECK_TEXT(items("\xFF\xFE[\0a\0]\0\n\0k\0=\0v\0\n\0"sv), "1 ! the file is UTF-16: save it as UTF-8\n");
  CHECK_TEXT(items("\xFE\xFF\0[\0a\0]\0\n"sv), "1 ! the file is UTF-16: save it as UTF-8\n");
}

TEST(ini_line_at_the_limit_is_taken_and_one_byte_more_refused) {
  const std::string longest = "k = " + std::string(kMaxConfigLine - 4, 'v');
  CHECK_TEXT(items(longest + "\r\nl = w"), "1 k|" + longest.substr(4) + "\n2 l|w\n");
  CHECK_TEXT(items(longest + "v\nl = w"),
             "1 ! the line has 1025 bytes and may have 1024: make it shorter\n2 l|w\n");
  CHECK_TEXT(items("#" + longest), "1 ! the line has 1025 bytes and may have 1024: make it shorter\n");
}

TEST(ini_random_bytes_end_and_stay_inside_the_text) {
  const std::uint64_t rounds = check::option("rounds", 20'000);
  const bool one = check::has_option("seed");
  GuardPage guard{4096, 4096};
  for (std::uint64_t seed = one ? check::option("seed", 0) : 0; seed < rounds; ++seed) {
    check::at("seed=%u", static_cast<unsigned>(seed));
    std::mt19937 random{static_cast<std::uint32_t>(seed)};
    const std::size_t size = random() % 200;
    const MutBytes bytes = guard.last(size);
    // Half of them of what an INI file is made of.
    constexpr std::string_view kUsual = "[]=\n\r \t#;ab\xC3\xA4\xEF\xBB\xBF";
    for (std::uint8_t& byte : bytes) {
      const std::size_t drawn = random();
      byte = static_cast<std::uint8_t>(
          seed % 2 == 0 ? drawn : static_cast<std::uint8_t>(kUsual[drawn % kUsual.size()]));
    }
    const std::string got = items(as_text(bytes));
    CHECK(is_utf8(got));
    if (one) break;
  }
}

// SPDX-License-Identifier: MIT
#include "tocsin/base/text.hpp"

#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"

using namespace tocsin;

namespace {

static_assert(head("abc", 2) == "ab" && head("abc", 9) == "abc");
static_assert(tail("abc", 2) == "c" && tail("abc", 3).empty() && tail("abc", 9).empty());
static_assert(starts_with("abc", "ab") && !starts_with("a", "ab") && starts_with("", ""));
static_assert(ends_with("abc", "bc") && !ends_with("c", "bc") && ends_with("abc", ""));
static_assert(find("abcb", 'b') == 1 && find("abcb", 'b', 2) == 3 && find("abc", 'x') == kNotFound);
static_assert(find("abc", 'a', 99) == kNotFound);

TEST(text_ignoring_case_is_ascii_only) {
  CHECK(same_ignoring_case("Content-LENGTH", "content-length"));
  CHECK(same_ignoring_case("", ""));
  CHECK(!same_ignoring_case("abc", "abcd"));
  CHECK(!same_ignoring_case("a-b", "a_b"));
  CHECK(!same_ignoring_case("@", "`"));
  CHECK(!same_ignoring_case("[", "{"));
  CHECK(!same_ignoring_case("\xc3\x89", "\xc3\xa9"));
}

TEST(text_trim_takes_blanks_off_both_ends_only) {
  CHECK_TEXT(trim(" \t a b \r\n"), "a b");
  CHECK_TEXT(trim(" \t\r\n"), "");
  CHECK_TEXT(trim(""), "");
  CHECK_TEXT(trim("a"), "a");
}

TEST(text_take_until_gives_the_parts_in_turn) {
  std::string_view rest = "a,,b";
  CHECK_TEXT(take_until(rest, ','), "a");
  CHECK_TEXT(take_until(rest, ','), "");
  CHECK_TEXT(take_until(rest, ','), "b");
  CHECK(rest.empty());
  CHECK_TEXT(take_until(rest, ','), "");
}

TEST(text_take_until_of_a_last_separator_leaves_nothing) {
  std::string_view rest = "a,";
  CHECK_TEXT(take_until(rest, ','), "a");
  CHECK(rest.empty());
}

TEST(number_of_digits_is_read) {
  CHECK_EQ(parse_number("0").value(), 0);
  CHECK_EQ(parse_number("007").value(), 7);
  CHECK(parse_number("18446744073709551615").value() == UINT64_MAX);
  CHECK_EQ(parse_number("255", 255).value(), 255);
}

TEST(number_above_the_most_is_refused) {
  CHECK_CODE(parse_number("18446744073709551616"), Code::bad_value);
  CHECK_CODE(parse_number("99999999999999999999999999"), Code::bad_value);
  CHECK_CODE(parse_number("256", 255), Code::bad_value);
  CHECK_CODE(parse_number("1", 0), Code::bad_value);
  CHECK_CODE(parse_number("10", 5), Code::bad_value);
}

TEST(number_not_of_digits_is_refused) {
  for (const char* wrong : {"", " 1", "1 ", "+1", "-1", "0x1", "1e3", "1.0", "\xd9\xa1"}) {
    check::at("%s", wrong);
    CHECK_CODE(parse_number(wrong), Code::bad_value);
  }
}

// Every code point that is a character, encoded by the definition, and its neighbours that are none.
TEST(utf8_of_every_code_point_has_its_length) {
  for (std::uint32_t c = 0; c <= 0x110000; ++c) {
    char bytes[4];
    std::size_t n = 0;
    const auto put = [&](std::uint32_t byte) { bytes[n++] = static_cast<char>(byte); };
    if (c < 0x80) put(c);
    else if (c < 0x800) put(0xC0 | c >> 6), put(0x80 | (c & 63));
    else if (c < 0x10000) put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    else put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    const bool character = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    if (utf8_length({bytes, n}) != (character ? n : 0)) {
      check::at("code=0x%x", static_cast<unsigned>(c));
      CHECK_EQ(utf8_length({bytes, n}), character ? n : 0);
    }
    for (std::size_t cut = 0; cut < n; ++cut)
      if (utf8_length({bytes, cut}) != 0) CHECK_EQ(utf8_length({bytes, cut}), 0);
  }
}

// Eight bytes are looked at together where they can be.
TEST(utf8_that_is_wrong_is_found_at_every_place) {
  for (std::size_t size = 1; size <= 40; ++size) {
    std::string text(size, 'a');
    CHECK(is_utf8(text));
    for (char& c : text) {
      c = '\x80';
      CHECK(!is_utf8(text));
      c = 'a';
    }
    for (std::size_t at = 0; at + 2 <= size; ++at) {
      std::string accented = text;
      accented.replace(at, 2, "\xc3\xa9");
      CHECK(is_utf8(accented));
      accented[at + 1] = 'a';
      CHECK(!is_utf8(accented));
    }
  }
}

TEST(utf8_overlong_and_stray_bytes_are_none) {
  for (const char* wrong :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\xfe", "\xc3(", "\xe2\x82(", "\xe2(\xac",
        "\xf0\x9f\x9a(", "\xf0\x9f(\xa8", "\xf0(\x9a\xa8"}) {
    CHECK_EQ(utf8_length(wrong), 0);
    CHECK(!is_utf8(wrong));
    CHECK(!is_utf8(std::string("before ") + wrong + " after"));
  }
  CHECK(is_utf8(""));
  CHECK(is_utf8("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa8"));
}

TEST(utf8_at_the_end_of_memory_reads_nothing_behind) {
  GuardPage guard(4096);
  for (const char* text : {"\xc3", "\xe2\x82", "\xf0\x9f\x9a", "\xf0"}) CHECK_EQ(utf8_length(guard.put(text)), 0);
}

TEST(fixed_text_takes_what_fits_and_refuses_the_rest_unchanged) {
  FixedText<4> text;
  CHECK(text.empty());
  CHECK_OK(text.assign("abcd"));
  CHECK_CODE(text.assign("12345"), Code::too_big);
  CHECK_TEXT(text.view(), "abcd");
  CHECK_OK(text.assign(""));
  CHECK(text.empty());
  CHECK_EQ(FixedText<4>::capacity(), 4);
}

TEST(fixed_text_assigned_from_itself_is_right) {
  FixedText<8> text;
  CHECK_OK(text.assign("abcdefgh"));
  CHECK_OK(text.assign(tail(text.view(), 3)));
  CHECK_TEXT(text.view(), "defgh");
}

TEST(fixed_text_cut_is_cut_between_characters) {
  FixedText<4> text;
  text.assign_cut("abc\xc3\xa9");
  CHECK_TEXT(text.view(), "abc");
  text.assign_cut("ab\xc3\xa9");
  CHECK_TEXT(text.view(), "ab\xc3\xa9");
  text.assign_cut("\xf0\x9f\x9a\xa8\xf0\x9f\x9a\xa8");
  CHECK_TEXT(text.view(), "\xf0\x9f\x9a\xa8");
  text.assign_cut("a\xf0\x9f\x9a\xa8");
  CHECK_TEXT(text.view(), "a");
}

TEST(text_writer_formats_every_kind) {
  char room[200];
  TextWriter writer{Span<char>(room)};
  writer.text("a").character('-').number(0).character(' ').number(42, 5).character(' ').number(UINT64_MAX);
  writer.character(' ').signed_number(-7).character(' ').signed_number(INT64_MIN).character(' ').signed_number(8);
  writer.character(' ').hex(0).character(' ').hex(0xBEEF, 8).character(' ').hex(UINT64_MAX);
  CHECK_TEXT(writer.view(), "a-0 00042 18446744073709551615 -7 -9223372036854775808 8 0 0000beef ffffffffffffffff");
  CHECK(!writer.cut());
  writer.clear();
  CHECK_EQ(writer.size(), 0);
}

TEST(text_writer_with_more_digits_asked_for_than_there_can_be_stays_inside) {
  char room[64];
  TextWriter writer{Span<char>(room)};
  writer.number(7, 99).character(' ').hex(7, 99);
  CHECK_TEXT(writer.view(), "00000000000000000007 0000000000000007");
}

TEST(text_writer_without_room_cuts_and_remembers) {
  GuardPage guard(4096);
  const MutBytes room = guard.last(5);
  TextWriter writer({reinterpret_cast<char*>(room.data()), room.size()});
  writer.text("abc").text("def");
  CHECK_TEXT(writer.view(), "abcde");
  CHECK(writer.cut());
  writer.text("");
  CHECK(writer.cut());
  writer.clear();
  CHECK(!writer.cut());
  writer.text("12345");
  CHECK(!writer.cut());
}

TEST(text_writer_cuts_between_characters) {
  char room[5];
  TextWriter writer{Span<char>(room)};
  writer.text("abc\xe2\x82\xac");
  CHECK_TEXT(writer.view(), "abc");
  CHECK(writer.cut());
}

// What is cut off stays off: a later, shorter piece would leave a hole in the middle of a sentence.
TEST(text_writer_once_cut_takes_nothing_more) {
  char room[5];
  TextWriter writer{Span<char>(room)};
  writer.text("abc\xe2\x82\xac").text("d");
  CHECK_TEXT(writer.view(), "abc");
}

TEST(text_writer_with_an_empty_room_is_cut_at_once) {
  TextWriter writer({});
  writer.text("");
  CHECK(!writer.cut());
  writer.text("a");
  CHECK(writer.cut());
  CHECK(writer.view().empty());
}

}  // namespace

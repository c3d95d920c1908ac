// SPDX-License-Identifier: MIT
#include "tocsin/wire/phone.hpp"

#include "check.hpp"

using namespace tocsin;

namespace {

constexpr std::string_view kNoDigits = "it has no digits";
constexpr std::string_view kCharacter = "write one number, of digits, spaces and + - . / ( )";
constexpr std::string_view kPlus = "one + may stand in front, and nowhere else";
constexpr std::string_view kNational =
    "a national number begins with 0: write it with its country code, as +44..., or set country_code in [device]";
constexpr std::string_view kCountry = "no country code begins with 0";
constexpr std::string_view kShort = "it has fewer than 7 digits";
constexpr std::string_view kLong = "it has more than 15 digits";

struct Written {
  std::string_view text, digits;
};

TEST(phone_as_people_write_it_is_read) {
  const Written cases[] = {
      {"447700900123", "447700900123"},
      {"+447700900123", "447700900123"},
      {"+44 7700 900123", "447700900123"},
      {"+44 (0)7700 900123", "447700900123"},
      {"44 (0) 7700 900123", "447700900123"},
      {"0044 (0)7700 900123", "447700900123"},
      {"+44(0)7700/900-123", "447700900123"},
      {"00447700900123", "447700900123"},
      {"00 44 7700 900123", "447700900123"},
      {"(+44) 7700 900123", "447700900123"},
      {" +44 7700 900123 ", "447700900123"},
      {"+ 44 7700 900123", "447700900123"},
      {"+44.7700.900.123", "447700900123"},
      {"+44-7700-900-123", "447700900123"},
      {"+44 77 (0)0 900123", "447700900123"},  // a digit in brackets, not behind the country code
      {"+44 (7700) 900-124", "447700900124"},
      {"\u202A+44\u00A07700\u2011900\u202F123\u202C", "447700900123"},  // as copied from a page
      {"1234567", "1234567"},
      {"+123456789012345", "123456789012345"},
      {"00123456789012345", "123456789012345"},
  };
  for (const Written& one : cases) {
    check::at("text='%.*s'", static_cast<int>(one.text.size()), one.text.data());
    const Result<Phone> phone = parse_phone(one.text);
    CHECK_OK(phone);
    CHECK_TEXT(phone.value().view(), one.digits);
    CHECK_TEXT(phone_problem(one.text), "");
  }
}

// The prefix of a call inside the country. Where a number may begin with 0, nobody knows.
TEST(phone_with_a_trunk_zero_behind_its_country_code_is_read_without_it_where_no_number_has_one) {
  const Written cases[] = {{"+44 07700 900123", "447700900123"}, {"0044 07700 900123", "447700900123"},
                           {"4407700900123", "447700900123"},    {"+353 087 1234567", "353871234567"},
                           {"+49 0170 1234567", "491701234567"}, {"+44012345678901234", ""},
                           {"+4401234567890123", "441234567890123"},
                           {"+39 06 12345678", "390612345678"},  {"+229 01 90 12 34 56", "2290190123456"},
                           {"+225 07 12 34 56 78", "2250712345678"}, {"+44 00770 0900123", "44007700900123"},
                           {"+450 7700 900", "4507700900"}};
  for (const Written& one : cases) {
    check::at("text='%.*s'", static_cast<int>(one.text.size()), one.text.data());
    const Result<Phone> phone = parse_phone(one.text);
    CHECK_TEXT(phone.ok() ? phone.value().view() : std::string_view{}, one.digits);
  }
  CHECK_CODE(parse_phone("+44 0 1234"), Code::bad_value);  // too short without it
}

void check_refused(std::string_view text, std::string_view problem) {
  check::at("text='%.*s'", static_cast<int>(text.size()), text.data());
  CHECK_CODE(parse_phone(text), Code::bad_value);
  CHECK_TEXT(phone_problem(text), problem);
}

TEST(phone_without_digits_is_refused) {
  for (const std::string_view text : {"", "+", " ", "()", "+ - .", "00", "0 0"})
    check_refused(text, kNoDigits);
}

TEST(phone_with_other_characters_is_refused) {
  for (const std::string_view text :
       {"4477OO900123", "+44 7700 900123 ext 5", "+44 7700 900123x5", "44770090012a", "tel:+447700900123",
        "+44\t7700900123", "447700900123\n", "+44 7700 900123#", "+44,7700900123", "*447700900123",
        "operations", "+44 7700\u2026900123", "+44 7700\u00B0900123", "+447700900123\xE2\x80", "+447700900123\xC2"})
    check_refused(text, kCharacter);
  check_refused({"447700900123\0", 13}, kCharacter);
}

TEST(phone_with_digits_of_another_script_is_refused) {
  check_refused("\xD9\xA4\xD9\xA4\xD9\xA7\xD9\xA7\xD9\xA0\xD9\xA0\xD9\xA9", kCharacter);  // Arabic-Indic
  check_refused("44770090012\xEF\xBC\x93", kCharacter);                                   // fullwidth 3
}

TEST(phone_with_a_plus_elsewhere_is_refused) {
  for (const std::string_view text : {"++447700900123", "+44+7700900123", "447700900123+", "00+447700900123"})
    check_refused(text, kPlus);
}

TEST(phone_national_is_refused_with_a_hint) {
  for (const std::string_view text :
       {"07700 900123", "(0)7700 900123", "(07700) 900123", "0", "0 7700 900123 000 00", "0(0)44 7700 900123"})
    check_refused(text, kNational);
}

TEST(phone_national_gets_the_country_code) {
  struct National {
    std::string_view text, country, digits;
  };
  const National cases[] = {
      {"07700 900123", "44", "447700900123"},
      {"(0)7700 900123", "44", "447700900123"},
      {"(07700) 900-123", "44", "447700900123"},
      {"0770.0900.123", "44", "447700900123"},
      {"+44 (0)7700 900123", "44", "447700900123"},  // what names its country keeps it
      {"00447700900123", "353", "447700900123"},
      {"447700900123", "353", "447700900123"},
      {"087 123 4567", "353", "353871234567"},
      {"06 20 123 4567", "36", "36201234567"},
      {"02 1234 5678", "39", "390212345678"},
      {"07 07 12 34 56", "225", "2250707123456"},
      {"0123456789012", "44", "44123456789012"},
      {"01234567890123", "44", "441234567890123"},
  };
  for (const National& one : cases) {
    check::at("text='%.*s'", static_cast<int>(one.text.size()), one.text.data());
    const Result<Phone> phone = parse_phone(one.text, one.country);
    CHECK_OK(phone);
    CHECK_TEXT(phone.value().view(), one.digits);
    CHECK_TEXT(phone_problem(one.text, one.country), "");
  }
  const National refused[] = {
      {"0", "44", kShort},
      {"01234", "44", kShort},
      {"012345678901234", "44", kLong},
      {"0123456789012345678901234567890", "44", kLong},
      {"+07700 900123", "44", kCountry},
      {"0007700 900123", "44", kCountry},
      {"0(0)44 7700 900123", "44", "(0) may stand behind a country code, and nowhere else"},
      {"077 (0)0 900123", "44", "(0) may stand behind a country code, and nowhere else"},
      {"0 20 123 4567", "36", "national numbers of this country_code begin with 06"},
  };
  for (const National& one : refused) {
    check::at("text='%.*s'", static_cast<int>(one.text.size()), one.text.data());
    CHECK_CODE(parse_phone(one.text, one.country), Code::bad_value);
    CHECK_TEXT(phone_problem(one.text, one.country), one.digits);
  }
}

// E.164: no code is the beginning of another one.
TEST(phone_country_codes_are_told_from_other_digits) {
  for (const std::string_view code : {"1", "7", "20", "27", "33", "39", "44", "49", "52", "61", "86", "98", "211", "353",
                                      "378", "423", "850", "998"})
    CHECK(is_country_code(code));
  for (const std::string_view text : {"", "0", "2", "4", "10", "71", "21", "35", "440", "491", "1868", "3531", "044", "+44",
                                      "4a", "44 "})
    CHECK(!is_country_code(text));
  unsigned numbers = 0;  // each number of three digits begins with one code, or none
  for (unsigned n = 100; n < 1000; ++n) {
    const char digits[] = {static_cast<char>('0' + n / 100), static_cast<char>('0' + n / 10 % 10),
                           static_cast<char>('0' + n % 10)};
    unsigned codes = 0;
    for (std::size_t size = 1; size <= 3; ++size) codes += is_country_code({digits, size}) ? 1U : 0U;
    CHECK_EQ(codes, 1);
    ++numbers;
  }
  CHECK_EQ(numbers, 900);
}

TEST(phone_with_a_country_code_of_0_is_refused) {
  for (const std::string_view text :
       {"+07700900123", "0007700900123", "+(0)7700900123", "00 (0)7700900123", "+0044 7700 900123"})
    check_refused(text, kCountry);
}

TEST(phone_too_short_is_refused) {
  for (const std::string_view text : {"112", "123456", "+123456", "00123456", "+44 (0)7700"})
    check_refused(text, kShort);
}

TEST(phone_too_long_is_refused) {
  for (const std::string_view text : {"1234567890123456", "+1234567890123456", "001234567890123456"})
    check_refused(text, kLong);
  static char many[4096];
  std::memset(many, '7', sizeof many);
  CHECK_TEXT(phone_problem({many, sizeof many}), kLong);
}

// Every six of the characters that matter, in front of 777: what is read is a number, and has no problem.
TEST(phone_of_any_short_text_is_digits_or_a_problem) {
  const std::string_view alphabet = "+0147() x";
  char text[9] = "";
  for (unsigned n = 0; n < 9 * 9 * 9 * 9 * 9 * 9; ++n) {
    unsigned rest = n;
    for (std::size_t at = 0; at < 6; ++at, rest /= 9) text[at] = alphabet[rest % 9];
    text[6] = '7', text[7] = '7', text[8] = '7';
    const Result<Phone> phone = parse_phone({text, sizeof text});
    if (phone.ok() != phone_problem({text, sizeof text}).empty()) check_refused({text, sizeof text}, "");
    if (!phone.ok()) continue;
    const std::string_view digits = phone.value().view();
    if (digits.size() < 7 || digits.size() > 15 || digits[0] == '0')
      check_refused({text, sizeof text}, "not a number");
    // A country code changes nothing of what is a number without it.
    CHECK_TEXT(parse_phone({text, sizeof text}, "44").value().view(), digits);
  }
}

std::string_view masked(std::string_view digits) {
  static char line[64];
  TextWriter into(line);
  write_masked(digits, into);
  return into.view();
}

TEST(phone_masked_shows_two_digits_and_three) {
  CHECK_TEXT(masked("447700900123"), "44*******123");
  CHECK_TEXT(masked("1234567"), "12**567");
  CHECK_TEXT(masked("123456789012345"), "12**********345");
}

TEST(phone_masked_of_what_is_no_number_shows_nothing) {
  CHECK_TEXT(masked("12345"), "*****");
  CHECK_TEXT(masked("1"), "*");
  CHECK_TEXT(masked(""), "");
}

}  // namespace

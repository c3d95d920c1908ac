// SPDX-License-Identifier: MIT
#include "tocsin/wire/phone.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kFewestDigits = 7;
constexpr std::size_t kCountryDigits = 3;  // ITU-T E.164: a country code has one to three

enum class Problem : std::uint8_t { none, nothing, character, plus, national, country, too_short, too_long };

bool separates(char c) { return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')'; }

Problem read(std::string_view written, Phone& phone) {
  char digits[Phone::capacity() + 2];  // and "00" in front
  std::size_t count = 0;
  bool plus = false;
  for (std::size_t at = 0; at < written.size(); ++at) {
    const char c = written[at];
    if (c == '+') {
      if (plus || count > 0) return Problem::plus;
      plus = true;
    } else if (is_digit(c)) {
      if (count < sizeof digits) digits[count] = c;
      ++count;
    } else if (!separates(c)) {
      return Problem::character;
    } else if (starts_with(tail(written, at), "(0)")) {
      // Only behind a country code is it the trunk prefix that is not dialled from abroad. In front of
      // everything it begins a national number, further behind it is a digit in brackets.
      const std::size_t prefix = !plus && count >= 2 && digits[0] == '0' && digits[1] == '0' ? 2 : 0;
      if (count > prefix && count <= prefix + kCountryDigits) at += 2;
    }
  }
  if (count == 0) return Problem::nothing;
  const bool zeros = !plus && count >= 2 && digits[0] == '0' && digits[1] == '0';
  const std::size_t from = zeros ? 2 : 0;
  if (count == from) return Problem::nothing;
  if (digits[from] == '0') return plus || zeros ? Problem::country : Problem::national;
  if (count - from < kFewestDigits) return Problem::too_short;
  if (count - from > Phone::capacity()) return Problem::too_long;
  phone.assign({digits + from, count - from}).ignore();  // fits: measured above
  return Problem::none;
}

}  // namespace

Result<Phone> parse_phone(std::string_view written) {
  Phone phone;
  if (read(written, phone) != Problem::none) return Code::bad_value;
  return phone;
}

std::string_view phone_problem(std::string_view written) {
  Phone phone;
  switch (read(written, phone)) {
    case Problem::none: break;
    case Problem::nothing: return "it has no digits";
    case Problem::character: return "only digits, spaces and + - . / ( ) may stand in a number";
    case Problem::plus: return "one + may stand in front, and nowhere else";
    case Problem::national:
      return "a national number begins with 0: write it with its country code, as +44...";
    case Problem::country: return "no country code begins with 0";
    case Problem::too_short: return "it has fewer than 7 digits";
    case Problem::too_long: return "it has more than 15 digits";
  }
  return {};
}

void write_masked(std::string_view digits, TextWriter& into) {
  constexpr std::size_t kFront = 2, kBack = 3;
  const bool whole = digits.size() > kFront + kBack;  // else what is shown would be the number
  const std::size_t hidden = whole ? digits.size() - kFront - kBack : digits.size();
  if (whole) into.text(head(digits, kFront));
  for (std::size_t at = 0; at < hidden; ++at) into.character('*');
  if (whole) into.text(tail(digits, digits.size() - kBack));
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/wire/phone.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kFewestDigits = 7;
constexpr std::size_t kCountryDigits = 3;  // ITU-T E.164: a country code has one to three

enum class Problem : std::uint8_t {
  none, nothing, character, plus, national, trunk, brackets, country, too_short, too_long
};

bool separates(char c) { return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')'; }

// Of what is copied with a number from a page or a list of contacts and looks like a blank, a hyphen or nothing: a
// blank that no line ends at, U+2000 to U+2015 and U+2028 to U+202F. 0: it is none of them.
std::size_t copied_length(std::string_view text) {
  if (starts_with(text, "\xC2\xA0")) return 2;
  if (!starts_with(text, "\xE2\x80") || text.size() < 3) return 0;
  const auto last = static_cast<unsigned char>(text[2]);
  return (last >= 0x80 && last <= 0x95) || (last >= 0xA8 && last <= 0xAF) ? 3 : 0;
}

// Where a national number does not begin with a 0 that is left out behind the country code.
struct Trunk {
  std::string_view country, prefix;
};
constexpr Trunk kTrunks[] = {{"36", "06"}, {"39", ""}, {"225", ""}, {"242", ""}, {"378", ""}};

std::string_view trunk_prefix(std::string_view country_code) {
  for (const Trunk& one : kTrunks)
    if (one.country == country_code) return one.prefix;
  return "0";
}

// Countries whose trunk prefix is 0, and where no number begins with a 0 behind the country code: one that was left
// there ("+44 07700 900123") is the prefix. Of others, as Italy or Benin, it may be part of the number.
constexpr std::string_view kDropZero =
    "20 27 31 32 33 40 41 43 44 46 49 60 61 62 63 64 66 81 84 90 91 92 94 98 233 234 254 255 256 353 355 358 359 380 381 "
    "385 386 387 389 421 880 886 962 966 971 972";

// Where it is in these digits; 0: nowhere.
std::size_t find_left_zero(std::string_view digits) {
  for (std::string_view rest = kDropZero; !rest.empty();) {
    const std::string_view code = take_until(rest, ' '), behind = tail(digits, code.size());
    if (starts_with(digits, code) && starts_with(behind, "0") && !starts_with(behind, "00")) return code.size();
  }
  return 0;
}

// `national` begins with a 0.
Problem read_national(std::string_view national, std::string_view country_code, Phone& phone) {
  if (country_code.empty()) return Problem::national;
  const std::string_view prefix = trunk_prefix(country_code);
  if (!starts_with(national, prefix)) return Problem::trunk;
  national.remove_prefix(prefix.size());
  if (country_code.size() + national.size() < kFewestDigits) return Problem::too_short;
  char digits[Phone::capacity()];
  TextWriter writer(digits);
  writer.text(country_code).text(national);
  if (writer.cut()) return Problem::too_long;
  phone.assign(writer.view()).ignore();  // fits: of the same size
  return Problem::none;
}

Problem read(std::string_view written, std::string_view country_code, Phone& phone) {
  char digits[Phone::capacity() + 2];  // and "00" in front
  std::size_t count = 0;
  bool plus = false;
  bool brackets = false;  // a (0) was left out
  for (std::size_t at = 0; at < written.size(); ++at) {
    const char c = written[at];
    if (c == '+') {
      if (plus || count > 0) return Problem::plus;
      plus = true;
    } else if (is_digit(c)) {
      if (count < sizeof digits) digits[count] = c;
      ++count;
    } else if (const std::size_t copied = copied_length(tail(written, at)); copied > 0) {
      at += copied - 1;
    } else if (!separates(c)) {
      return Problem::character;
    } else if (starts_with(tail(written, at), "(0)")) {
      // Only behind a country code is it the trunk prefix that is not dialled from abroad. In front of
      // everything it begins a national number, further behind it is a digit in brackets.
      const std::size_t prefix = !plus && count >= 2 && digits[0] == '0' && digits[1] == '0' ? 2 : 0;
      if (count > prefix && count <= prefix + kCountryDigits) {
        at += 2;
        brackets = true;
      }
    }
  }
  if (count == 0) return Problem::nothing;
  const bool zeros = !plus && count >= 2 && digits[0] == '0' && digits[1] == '0';
  const std::size_t from = zeros ? 2 : 0;
  if (count == from) return Problem::nothing;
  if (digits[from] == '0' && (plus || zeros)) return Problem::country;
  if (digits[0] == '0' && !zeros) {
    if (brackets && !country_code.empty()) return Problem::brackets;  // behind no country code: who knows what is meant
    return read_national({digits, count < sizeof digits ? count : sizeof digits}, country_code, phone);
  }
  if (count > sizeof digits) return Problem::too_long;
  const std::string_view written_digits{digits + from, count - from};
  const std::size_t zero = find_left_zero(written_digits);
  const std::size_t size = written_digits.size() - (zero > 0 ? 1 : 0);
  if (size < kFewestDigits) return Problem::too_short;
  if (size > Phone::capacity()) return Problem::too_long;
  char without[Phone::capacity()];
  TextWriter writer(without);
  writer.text(head(written_digits, zero)).text(tail(written_digits, zero > 0 ? zero + 1 : 0));
  phone.assign(writer.view()).ignore();  // fits: measured above
  return Problem::none;
}

constexpr std::size_t kFront = 2, kBack = 3;  // digits that a masked number shows

std::size_t count_digits(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += is_digit(c) ? 1U : 0U;
  return count;
}

// Groups of digits from this place to the last one, with one or two of `between` between two.
std::size_t groups_length(std::string_view words, std::size_t at, std::string_view between, std::size_t most) {
  std::size_t end = words[at] == '+' ? at + 1 : at;
  if (end == words.size() || !is_digit(words[end])) return 0;
  for (;;) {
    while (end < words.size() && is_digit(words[end])) ++end;
    std::size_t next = end;
    while (next < words.size() && next < end + most && find(between, words[next]) != kNotFound) ++next;
    if (next == words.size() || next == end || !is_digit(words[next])) return end - at;
    end = next;
  }
}

bool begins_with_date(std::string_view text) {
  const auto part = [text](std::size_t at, std::size_t size) { return parse_number(head(tail(text, at), size)); };
  const auto year = part(0, 4), month = part(5, 2), day = part(8, 2);
  return text.size() >= 10 && text[4] == '-' && text[7] == '-' && year.ok() && year.value() >= 1970 &&
         year.value() < 2200 && month.ok() && month.value() <= 12 && day.ok() && day.value() <= 31;
}

// Of the digits at this place that may be a phone, to the last one. People set blanks between them, and behind a + or a
// 0 in front more. Hyphens alone, too, where so many digits are no date; with a hyphen, a dot or a stroke before them
// they are part of a date, an address or an id.
std::size_t run_length(std::string_view words, std::size_t at) {
  constexpr std::size_t kLeastHyphened = 9, kMost = Phone::capacity();
  const bool inside = at > 0 && find("-./", words[at - 1]) != kNotFound;
  if (words[at] == '+' || (words[at] == '0' && !inside)) return groups_length(words, at, " -./()", 2);
  const std::size_t size = inside ? 0 : groups_length(words, at, "-", 1);
  const std::string_view run = head(tail(words, at), size);
  const std::size_t count = count_digits(run);
  if (count >= kLeastHyphened && count <= kMost && !begins_with_date(run)) return size;
  return groups_length(words, at, " ", 2);
}

}  // namespace

Result<Phone> parse_phone(std::string_view written, std::string_view country_code) {
  Phone phone;
  if (read(written, country_code, phone) != Problem::none) return Code::bad_value;
  return phone;
}

std::string_view phone_problem(std::string_view written, std::string_view country_code) {
  Phone phone;
  switch (read(written, country_code, phone)) {
    case Problem::none: break;
    case Problem::nothing: return "it has no digits";
    case Problem::character: return "write one number, of digits, spaces and + - . / ( )";
    case Problem::plus: return "one + may stand in front, and nowhere else";
    case Problem::national:
      return "a national number begins with 0: write it with its country code, as +44..., or set country_code in [device]";
    case Problem::trunk: return "national numbers of this country_code begin with 06";
    case Problem::brackets: return "(0) may stand behind a country code, and nowhere else";
    case Problem::country: return "no country code begins with 0";
    case Problem::too_short: return "it has fewer than 7 digits";
    case Problem::too_long: return "it has more than 15 digits";
  }
  return {};
}

bool is_country_code(std::string_view digits) {
  // Those of two digits; the others have one, 1 and 7, or three.
  constexpr std::string_view kTwo =
      "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 "
      "91 92 93 94 95 98 ";
  for (const char c : digits)
    if (!is_digit(c)) return false;
  if (digits == "1" || digits == "7") return true;
  if (digits.size() < 2 || digits.size() > 3 || find("017", digits[0]) != kNotFound) return false;
  bool two = false;
  for (std::size_t at = 0; at < kTwo.size(); at += 3) two = two || starts_with(digits, head(tail(kTwo, at), 2));
  return two == (digits.size() == 2);
}

void write_masked(std::string_view digits, TextWriter& into) {
  // Else what is shown would be the number.
  const std::size_t count = count_digits(digits), hides_from = count > kFront + kBack ? kFront : 0;
  const std::size_t hides_to = hides_from == 0 ? count : count - kBack;
  std::size_t seen = 0;
  for (const char c : digits) {
    const bool hidden = is_digit(c) && seen >= hides_from && seen < hides_to;
    seen += is_digit(c) ? 1U : 0U;
    into.character(hidden ? '*' : c);
  }
}

void write_without_phones(std::string_view words, TextWriter& into) {
  constexpr std::size_t kLeastDigits = 7;
  for (std::size_t at = 0, end = 0; at < words.size(); at = end) {
    const std::string_view run = head(tail(words, at), run_length(words, at));
    end = at + (run.empty() ? 1 : run.size());
    count_digits(run) >= kLeastDigits ? write_masked(run, into) : static_cast<void>(into.text(tail(head(words, end), at)));
  }
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Values of the configuration that say how texts and numbers travel.
#include "src/program/config_reader.hpp"
#include "src/program/config_values.hpp"

namespace tocsin {
namespace {

bool all_digits(std::string_view text) {
  for (const char c : text)
    if (!is_digit(c)) return false;
  return !text.empty();
}

}  // namespace

// Elsewhere they would be no part of the value. In a text "Pump #3" is likelier than a comment.
void Value::warn_of_surroundings() const {
  const bool is_text = key == "text" || key == "clear_text";
  const char first = written.front();
  const bool quoted = (first == '"' || first == '\'') && written.size() > 1 && written.back() == first;
  bool comment = false;
  for (std::size_t at = 1; at < written.size(); ++at) {
    const bool blank_behind = at + 1 == written.size() || written[at + 1] == ' ';
    comment |= (written[at] == '#' || written[at] == ';') && written[at - 1] == ' ' && (blank_behind || !is_text);
  }
  for (std::size_t at = 1; is_text && at < written.size(); ++at)
    if (written[at - 1] == '\\' && written[at] == 'n') {
      Complaint{errors, line, ConfigErrors::Kind::warning}.code(key).text(
          " has \\n, and that is sent as it stands: a text of the configuration is one line");
      return;
    }
  if (!quoted && !comment) return;
  Complaint{errors, line, ConfigErrors::Kind::warning}.code(key).text(
      quoted ? " stands in quotes, and they are part of the value: remove them"
             : " has a # or ; behind a blank, and what follows is part of the value: give a comment its own line");
}

// 3GPP TS 23.040 9.1.2.5: eleven septets, or the digits of a number.
void Value::sender(std::string_view& into) const {
  if (written.size() > kMaxSender) {
    Complaint{errors, line}
        .code(key)
        .text(" is longer than ")
        .number(kMaxSender)
        .text(" bytes: make it shorter");
    return;
  }
  into = written;
  const std::string_view digits = written.front() == '+' ? tail(written, 1) : written;
  const bool is_number = all_digits(digits);
  const SmsLength length = measure_sms(written);
  const std::uint32_t most = is_number ? 15 : 11;
  const std::size_t has = is_number ? digits.size() : length.units;
  if (length.alphabet != Alphabet::gsm) {
    Complaint complaint{errors, line, ConfigErrors::Kind::warning};
    const std::string_view rest = tail(written, find_not_gsm(written));
    complaint.code(key).text(" has ").code(head(rest, first_character(rest).size));
    complaint.text(", which the GSM alphabet does not have: use letters and digits, or phones may show something else");
  } else if (has > most) {
    Complaint complaint{errors, line, ConfigErrors::Kind::warning};
    complaint.code(key).text(" has ").number(has).text(is_number ? " digits" : " characters");
    complaint.text(" and networks take ").number(most).text(": use a shorter one, or it may be cut or refused");
  }
}

void Value::country_code(std::string_view& into) const {
  const std::string_view digits = written.front() == '+' ? tail(written, 1) : written;
  if (is_country_code(digits)) {
    into = digits;
    return;
  }
  Complaint{errors, line}.code(written).text(" is no country code: write its digits, as 44 or 353");
}

void Value::max_segments(std::uint8_t& into) const {
  const auto parsed = parse_number(written, kMostSegments);
  if (written == "all" || (parsed.ok() && parsed.value() > 0)) {
    into = parsed.ok() ? static_cast<std::uint8_t>(parsed.value()) : std::uint8_t{0};
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(key).text(" is ").text(head(written, 60)).text(": write a number from 1 to ").number(kMostSegments);
  complaint.text(", or all to send every text whole");
}

void Value::segments(std::uint16_t& into) const {
  constexpr std::uint64_t kMost = 60'000;
  const auto parsed = parse_number(written, kMost);
  if (written == "none" || (parsed.ok() && parsed.value() > 0)) {
    into = parsed.ok() ? static_cast<std::uint16_t>(parsed.value()) : std::uint16_t{0};
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(key).text(" is ").text(head(written, 60)).text(": write how many segments, from 1 to ").number(kMost);
  complaint.text(", or none for no limit");
}

void Value::percent(std::uint8_t most, std::uint8_t& into) const {
  const auto parsed = parse_number(head(written, written.size() - 1), most);
  if (ends_with(written, "%") && parsed.ok()) {
    into = static_cast<std::uint8_t>(parsed.value());
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(key).text(" is ").text(head(written, 60)).text(": write a part, from 0% to ").number(most).text("%");
}

void Value::segment_size(Reference& into) const {
  if (written == "153" || written == "152") {
    into = written == "153" ? Reference::bits8 : Reference::bits16;
    return;
  }
  Complaint{errors, line}.code(key).text(" is ").text(head(written, 60)).text(
      ": write 153 or 152, what each of several segments holds");
}

void Value::yes_or_no(bool& into) const {
  if (written == "yes" || written == "no") {
    into = written == "yes";
    return;
  }
  Complaint{errors, line}.code(key).text(" is ").text(head(written, 60)).text(": write yes or no");
}

}  // namespace tocsin

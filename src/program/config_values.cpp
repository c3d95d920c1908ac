// SPDX-License-Identifier: MIT
#include "src/program/config_values.hpp"

#include "port/linux/gpio_lines.hpp"
#include "port/linux/pin.hpp"
#include "src/program/config_reader.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kLeastQueue = 64 * 1024;
constexpr std::uint32_t kMostQueue = 32 * 1024 * 1024;
static_assert(kMostQueue <= 2 * kMaxBlocks * kBlock);


bool is_name(std::string_view text) {
  for (const char c : text)
    if (!is_letter(c) && !is_digit(c) && find("._-", c) == kNotFound) return false;
  return !text.empty();
}

}  // namespace

std::string_view name_problem(std::string_view name) {
  static_assert(kMaxName == 32);
  if (name.size() > kMaxName) return "a name has at most 32 characters";
  if (!is_name(name)) return "use letters, digits and . _ - only";
  for (const char c : name)
    if (is_letter(c)) return {};
  return "it needs a letter, or it could be taken for a number";
}

void Value::device_name(std::string_view& into) const {
  if (is_name(written) && written.size() <= kMaxDeviceName) {
    into = written;
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(written).text(" cannot be the name of a device: use 1 to ").number(kMaxDeviceName);
  complaint.text(" letters, digits and . _ - only");
}

void Value::path(std::size_t longest, std::string_view& into) const {
  if (written.front() != '/') {
    Complaint{errors, line}.code(key).text(" is not a whole path: begin it with /");
  } else if (written.size() > longest) {
    Complaint{errors, line}
        .code(key)
        .text(" is longer than ")
        .number(longest)
        .text(" bytes: use a shorter path");
  } else {
    into = written;
  }
}

void Value::queue_size(std::uint32_t& into) const {
  const char unit = to_lower(written.back());
  const std::uint64_t factor = unit == 'k' ? 1024 : 1024 * 1024;
  const auto number = parse_number(head(written, written.size() - 1), kMostQueue);
  if ((unit != 'k' && unit != 'm') || !number.ok()) {
    Complaint{errors, line}.code(written).text(" is no size: write a number and K or M, as 512K");
    return;
  }
  const std::uint64_t bytes = number.value() * factor;
  if (bytes < kLeastQueue || bytes > kMostQueue) {
    Complaint{errors, line}.code(key).text(" is ").text(written).text(": it may be from 64K to 32M");
    return;
  }
  constexpr std::uint32_t kStep = 2 * kBlock;  // two files of whole blocks
  into = static_cast<std::uint32_t>(bytes) / kStep * kStep;
}

void Value::field_name(std::string_view& into) const {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  bool good = written.size() <= kMaxName;
  for (const char c : written) good = good && (is_letter(c) || is_digit(c) || tocsin::find(kOthers, c) != kNotFound);
  for (const char* const taken : {"Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Expect"})
    good = good && !same_ignoring_case(written, taken);
  if (good) {
    into = written;
    return;
  }
  Complaint{errors, line}.code(written).text(" cannot be the header with the secret: write a name as X-Webhook-Secret");
}

void Value::pins(std::string_view& into) const {
  Pins pins;
  const Status parsed = parse_pins(written, pins);
  if (parsed.ok()) {
    into = written;
    return;
  }
  Complaint complaint{errors, line};
  if (parsed.code() == Code::full) {
    complaint.text("more than ").number(kMaxPins).text(" keys: leave out the oldest");
  } else {
    complaint.code(written).text(
        " is no pin: write the SHA-256 of the server's or its CA's public key in base64, 44 characters, with "
        "commas between several");
  }
}

void Value::duration(Millis least, Millis most, Millis& into, std::string_view or_word) const {
  const auto parsed = parse_duration(written);
  if (!parsed.ok()) {
    Complaint complaint{errors, line};
    complaint.code(written);
    const bool bare = parse_number(written).ok();
    complaint.text(bare ? " has no unit: write it as "
                        : " is no duration: write a number and its unit, 20ms, 3s, 10m, 1h or 30d");
    bool more = false;
    for (const std::string_view unit : {"ms", "s", "m", "h", "d"}) {
      char words[32];
      const std::string_view meant = TextWriter(words).text(written).text(unit).view();
      const auto meant_time = parse_duration(meant);
      if (!bare || !meant_time.ok() || meant_time.value() < least || meant_time.value() > most) continue;
      complaint.text(more ? " or " : "").text(meant);
      more = true;
    }
    if (bare && !more) complaint.text(written).text("s, say");
    return;
  }
  if (parsed.value() < least || parsed.value() > most) {
    Complaint complaint{errors, line};
    complaint.code(key).text(" is ").text(written).text(": it may be from ");
    write_duration(least, complaint.words());
    complaint.text(" to ");
    write_duration(most, complaint.words());
    if (!or_word.empty()) complaint.text(", or ").text(or_word);
    return;
  }
  into = parsed.value();
}

void Value::duration_or(std::string_view word, Millis least, Millis most, Millis& into) const {
  if (written != word) return duration(least, most, into, word);
  into = milliseconds(0);
}

void Value::limit(std::uint16_t& into) const {
  constexpr std::uint64_t kMost = 10'000;
  const auto parsed = parse_number(written, kMost);
  if (written == "none" || (parsed.ok() && parsed.value() > 0)) {
    into = parsed.ok() ? static_cast<std::uint16_t>(parsed.value()) : std::uint16_t{0};
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(key).text(" is ").text(written).text(": write how many messages, from 1 to ").number(kMost);
  complaint.text(", or none for no limit");
}

void Value::on_unknown(OnUnknown& into) const {
  if (const auto parsed = parse_on_unknown(written); parsed.ok()) {
    into = parsed.value();
    return;
  }
  Complaint{errors, line}.code(key).text(" is ").text(written).text(
      ": write resend, or hold to send once at most");
}

void Value::phone(std::string_view country_code, Phone& into) const {
  const auto parsed = parse_phone(written, country_code);
  if (parsed.ok()) {
    into = parsed.value();
    return;
  }
  Complaint{errors, line}.code(written).text(" is not a phone number: ").text(phone_problem(written, country_code));
}

void Value::gpio(std::string_view& into) const {
  if (parse_gpio_spec(written).ok()) {
    into = written;
    if (parse_number(written).ok())
      Complaint{errors, line, ConfigErrors::Kind::warning}.code(written).text(
          " is taken for the name of a line: write gpiochip0:").text(written).text(" if that is meant");
    return;
  }
  Complaint complaint{errors, line};
  complaint.code(written).text(" is no line: write gpiochip0:17 or the name of a line (up to ");
  complaint.number(kMaxLineName).text(" characters)");
}

void Value::level(Level& into) const {
  if (written == "high" || written == "low") {
    into = written == "high" ? Level::high : Level::low;
    return;
  }
  Complaint{errors, line}.code(written).text(" is no level: write high or low");
}

void Value::message_class(Class& into) const {
  if (const auto parsed = parse_class(written); parsed.ok()) {
    into = parsed.value();
    return;
  }
  Complaint{errors, line}.text("there is no class ").code(written).text(": use critical, warning or info");
}

}  // namespace tocsin

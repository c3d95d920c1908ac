// SPDX-License-Identifier: MIT
#include "port/linux/pin.hpp"

#include <mbedtls/sha256.h>
#include <mbedtls/version.h>

#include "port/linux/base64.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kDigits = 43;  // 32 bytes, and one "=" behind them

bool parse_pin(std::string_view text, Pin& into) {
  if (starts_with(text, "sha256/")) {
    text = tail(text, 7);
    if (text.size() == kDigits + 2 && text[0] == '/') text = tail(text, 1);  // else it is the first digit
  }
  if (text.size() != kDigits + 1 || text[kDigits] != '=') return false;
  std::uint32_t bits = 0;
  unsigned count = 0;
  std::size_t filled = 0;
  for (std::size_t at = 0; at < kDigits; ++at) {
    const std::uint8_t value = base64_value(text[at]);
    if (value == kNoDigit) return false;
    bits = (bits << 6 | value) & 0xFFFF;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    into.sha256[filled++] = static_cast<std::uint8_t>(bits >> count);
  }
  return (bits & 3) == 0;  // the two bits that are left over
}

}  // namespace

Status parse_pins(std::string_view text, Pins& into) {
  into.count = 0;
  for (bool more = true; more;) {
    more = find(text, ',') != kNotFound;
    Pin pin;
    if (!parse_pin(trim(take_until(text, ',')), pin)) return Code::bad_value;
    if (into.count == kMaxPins) return Code::full;
    into.list[into.count++] = pin;
  }
  return {};
}

Pin pin_of(Bytes key) {
  Pin pin;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  const int failed = mbedtls_sha256(key.data(), key.size(), pin.sha256, 0);
#else
  const int failed = mbedtls_sha256_ret(key.data(), key.size(), pin.sha256, 0);
#endif
  return failed == 0 ? pin : Pin{};
}

bool is_pinned(const Pins& pins, Bytes key) {
  const Pin pin = pin_of(key);
  if (same(pin.sha256, Pin{}.sha256)) return false;
  for (std::size_t at = 0; at < pins.count; ++at)
    if (same(pins.list[at].sha256, pin.sha256)) return true;
  return false;
}

void write_pin(const Pin& pin, TextWriter& into) {
  for (std::size_t at = 0; at < sizeof pin.sha256; at += 3) {
    const bool last = at + 3 > sizeof pin.sha256;  // of which two bytes are there
    const unsigned bits = static_cast<unsigned>(pin.sha256[at]) << 16 |
                          static_cast<unsigned>(pin.sha256[at + 1]) << 8 | (last ? 0U : pin.sha256[at + 2]);
    into.character(base64_digit(bits >> 18)).character(base64_digit(bits >> 12));
    into.character(base64_digit(bits >> 6)).character(last ? '=' : base64_digit(bits));
  }
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// The digits of base64 (RFC 4648 section 4).
#pragma once

#include "tocsin/base/text.hpp"

namespace tocsin {

inline constexpr std::uint8_t kNoDigit = 64;

constexpr std::uint8_t base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint8_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<std::uint8_t>(c - 'a' + 26);
  if (is_digit(c)) return static_cast<std::uint8_t>(c - '0' + 52);
  return c == '+' ? 62 : c == '/' ? 63 : kNoDigit;
}

constexpr char base64_digit(unsigned value) {
  const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return digits[value & 63];
}

}  // namespace tocsin

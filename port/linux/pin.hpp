// SPDX-License-Identifier: MIT
// Pinned keys: SHA-256 of a SubjectPublicKeyInfo, written in base64 as curl and browsers do (RFC 7469 2.4).
//
// Memory: 32 bytes a pin. Threads: none.
#pragma once

#include "tocsin/base/text.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxPins = 4;

struct Pin {
  std::uint8_t sha256[32] = {};
};

struct Pins {
  Pin list[kMaxPins];
  std::size_t count = 0;
};

// "BASE64, BASE64": 44 characters each, with "sha256/" or "sha256//" before them or without. Errors: bad_value
// (one is not a pin, or none is there), full (above kMaxPins).
Status parse_pins(std::string_view text, Pins& into);

// Of a key (DER SubjectPublicKeyInfo); all zero, which no key has, when the hash fails.
Pin pin_of(Bytes key);
bool is_pinned(const Pins& pins, Bytes key);
void write_pin(const Pin& pin, TextWriter& into);  // 44 characters

}  // namespace tocsin

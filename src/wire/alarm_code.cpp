// SPDX-License-Identifier: MIT
#include "tocsin/wire/alarm_code.hpp"

namespace tocsin {
namespace {

constexpr std::string_view kAlphabet = "ACDEFGHJKMNPQRTUWXY34679";
static_assert(kAlphabet.size() * kAlphabet.size() * kAlphabet.size() * kAlphabet.size() == kCodes);
constexpr std::uint32_t kHalfBits = 10, kHalf = (1U << kHalfBits) - 1;
static_assert(kCodes <= 1U << 2 * kHalfBits);

// A permutation of the numbers below 2^20 that the salt chooses (a Feistel network of four rounds).
std::uint32_t mixed(std::uint64_t salt, std::uint32_t number) {
  std::uint32_t left = number >> kHalfBits, right = number & kHalf;
  for (unsigned round = 0; round < 4; ++round) {
    const std::uint64_t key = (salt >> 16 * round | 1U) + right * 0x9E3779B97F4A7C15U;
    const auto turned = static_cast<std::uint32_t>(key * 0x2545F4914F6CDD1DU >> 40) & kHalf;
    const std::uint32_t next = left ^ turned;
    left = right;
    right = next;
  }
  return left << kHalfBits | right;
}

}  // namespace

AlarmCode alarm_code(std::uint64_t salt, std::uint32_t number) {
  // Where it leads above the codes it goes on from there: that is a permutation of those below.
  std::uint32_t code = number % kCodes;
  do code = mixed(salt, code);
  while (code >= kCodes);
  char text[kCodeSize];
  for (char& c : text) {
    c = kAlphabet[code % kAlphabet.size()];
    code /= static_cast<std::uint32_t>(kAlphabet.size());
  }
  AlarmCode written;
  written.assign_cut({text, kCodeSize});
  return written;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// What musl's resolver takes from the C library, made small: hosts and resolv.conf are short, and so is a list of
// addresses. The library's own are 7 KB of program that nothing else needs. (A glibc is shared, and has them anyway.)
#include "port/linux/libc_left_out.hpp"

#include <cstdlib>
#include <cstring>
#include <cwchar>

namespace tocsin {

void sort_few(void* list, std::size_t count, std::size_t size, int (*compare)(const void*, const void*)) {
  char* const end = static_cast<char*>(list) + count * size;
  for (char* next = static_cast<char*>(list); next != end; next += size)
    for (char* at = next; at != list && compare(at - size, at) > 0; at -= size)
      for (std::size_t byte = 0; byte < size; ++byte) {
        const char kept = at[byte];
        at[byte] = *(at - size + byte);
        *(at - size + byte) = kept;
      }
}

const char* find_text(const char* text, const char* part) {
  const std::size_t size = std::strlen(part);
  for (;; ++text) {
    if (std::strncmp(text, part, size) == 0) return text;
    if (*text == '\0') return nullptr;
  }
}

unsigned long long read_number(const char* text, char** end, int base, unsigned long long most) {
  const auto digit = [&] {
    const unsigned c = static_cast<unsigned char>(*text);
    const unsigned letter = (c | 32U) - 'a';
    return c - '0' < 10 ? c - '0' : letter < 26 ? letter + 10 : 99;
  };
  const char* ended = text;
  while (*text == ' ' || (*text >= '\t' && *text <= '\r')) ++text;
  const bool minus = *text == '-';
  if (minus || *text == '+') ++text;
  if ((base == 0 || base == 16) && *text == '0') {
    ended = ++text;
    if ((*text | 32) == 'x') {
      ++text;
      base = 16;
    } else if (base == 0) {
      base = 8;
    }
  }
  if (base == 0) base = 10;
  const auto radix = static_cast<unsigned>(base);
  unsigned long long value = 0;
  bool over = false;
  for (; digit() < radix; ended = ++text) {
    over = over || value > (most - digit()) / radix;
    value = value * radix + digit();
  }
  if (end != nullptr) std::memcpy(end, &ended, sizeof ended);
  return over ? most : minus ? 0 - value : value;
}

}  // namespace tocsin

#if !defined(__GLIBC__)
extern "C" {
void qsort(void* list, size_t count, size_t size, int (*compare)(const void*, const void*)) {
  tocsin::sort_few(list, count, size, compare);
}
char* strstr(const char* text, const char* part) { return const_cast<char*>(tocsin::find_text(text, part)); }
unsigned long strtoul(const char* text, char** end, int base) {
  return static_cast<unsigned long>(tocsin::read_number(text, end, base, ~0UL));
}
unsigned long long strtoull(const char* text, char** end, int base) {
  return tocsin::read_number(text, end, base, ~0ULL);
}
// Of a host's name, whether its bytes are characters: in the C locale each is.
size_t mbstowcs(wchar_t*, const char* text, size_t) { return std::strlen(text); }
}
#endif

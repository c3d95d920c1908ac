// SPDX-License-Identifier: MIT
// What every test program includes, once, in its own .cpp: CMocka, the CHECK_ macros, tocsin::panic and main().
//
//   TEST(text_trim_of_blanks_is_empty) { CHECK_TEXT(trim(" \t"), ""); }
//
//   test_text                        every case
//   test_text 'text_trim*'           the cases whose name matches (* and ?)
//   test_text 'name cut=30 case=7'   one case of a sweep: check::option("cut", 0) is 30 then
//
// A failed case prints the command that runs it alone again; a sweep says where it stands with
// check::at("cut=%u case=%u", ...), which becomes part of that command.
// A failed CHECK_ leaves the test by longjmp, destructors do not run: not in callbacks or destructors.
#pragma once

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <type_traits>

extern "C" {
#include <cmocka.h>
}
// Macros with names that code under test and the C++ library use.
#undef fail
#undef skip
#undef mock

#include "tocsin/base/assert.hpp"
#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"

namespace check {

struct Case {
  Case(const char* its_name, void (*body)()) : name(its_name), run(body) {
    *end() = this;
    end() = &next;
  }
  const char* name;
  void (*run)();
  Case* next = nullptr;

  static Case*& first() {
    static Case* first = nullptr;
    return first;
  }

 private:
  static Case**& end() {
    static Case** end = &first();
    return end;
  }
};

inline const char* program = "";
inline char arguments[256] = "";  // "cut=30 case=7"
inline char where[200] = "";      // what check::at() said last
inline bool returned = false;     // the case came to its end
inline std::jmp_buf* panic_expected = nullptr;
inline const char* panic_place = "";

// Where a sweep stands; shown, and part of the command, when the case fails.
__attribute__((format(printf, 1, 2))) inline void at(const char* format, ...) {
  va_list values;
  va_start(values, format);
  std::vsnprintf(where, sizeof where, format, values);
  va_end(values);
}

inline bool has_option(const char* name) {
  const std::size_t n = std::strlen(name);
  for (const char* p = std::strstr(arguments, name); p != nullptr; p = std::strstr(p + 1, name))
    if ((p == arguments || p[-1] == ' ') && p[n] == '=') return true;
  return false;
}
// The number behind "name=" on the command line.
inline std::uint64_t option(const char* name, std::uint64_t otherwise) {
  const std::size_t n = std::strlen(name);
  for (const char* p = std::strstr(arguments, name); p != nullptr; p = std::strstr(p + 1, name))
    if ((p == arguments || p[-1] == ' ') && p[n] == '=') return std::strtoull(p + n + 1, nullptr, 0);
  return otherwise;
}

inline void print_again(const char* name) {
  print_error("again: make one T=%s CASE='%s%s%s'\n", program, name, where[0] != '\0' ? " " : "", where);
}

inline tocsin::Status status_of(tocsin::Status status) { return status; }
template <typename T>
tocsin::Status status_of(const tocsin::Result<T>& result) {
  return result.status();
}

inline void code(tocsin::Status got, tocsin::Code want, const char* text, const char* file, int line) {
  if (got.code() == want) return;
  print_error("%s: %s (detail %d), not %s\n", text, word(got.code()), static_cast<int>(got.detail()), word(want));
  _fail(file, line);
}

inline void holds(bool truth, const char* text, const char* file, int line) {
  if (truth) return;
  print_error("not so: %s\n", text);
  _fail(file, line);
}

template <typename A, typename B>
void equal(A got, B want, const char* text, const char* file, int line) {
  const auto a = static_cast<long long>(got);
  const auto b = static_cast<long long>(want);
  if (a == b) return;
  print_error("%s: %lld (0x%llx), not %lld (0x%llx)\n", text, a, static_cast<unsigned long long>(a), b,
              static_cast<unsigned long long>(b));
  _fail(file, line);
}

inline void print_escaped(const char* label, std::string_view text) {
  print_error("  %s %zu bytes \"", label, text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned>(static_cast<unsigned char>(c));
    if (c == '\r') print_error("\\r");
    else if (c == '\n') print_error("\\n\n    ");
    else if (byte < 0x20 || byte >= 0x7F || c == '\\') print_error("\\x%02x", byte);
    else print_error("%c", c);
  }
  print_error("\"\n");
}

inline void same_text(std::string_view got, std::string_view want, const char* text, const char* file, int line) {
  if (got == want) return;
  print_error("%s differs:\n", text);
  print_escaped("got ", got);
  print_escaped("want", want);
  _fail(file, line);
}

inline void print_hex(const char* label, tocsin::Bytes bytes, std::size_t from) {
  print_error("  %s %zu bytes, from %zu:", label, bytes.size(), from);
  const tocsin::Bytes shown = bytes.drop(from).first(16);
  for (const std::uint8_t b : shown) print_error(" %02x", static_cast<unsigned>(b));
  print_error("\n");
}

inline void same_bytes(tocsin::Bytes got, tocsin::Bytes want, const char* text, const char* file, int line) {
  if (tocsin::same(got, want)) return;
  std::size_t at = 0;
  while (at < got.size() && at < want.size() && got.data()[at] == want.data()[at]) ++at;
  print_error("%s differs first at byte %zu\n", text, at);
  print_hex("got ", got, at);
  print_hex("want", want, at);
  _fail(file, line);
}

inline int before(void**) {
  where[0] = '\0';
  returned = false;
  panic_expected = nullptr;
  return 0;
}
inline int after(void** state) {
  if (!returned) print_again(static_cast<Case*>(*state)->name);
  return 0;
}
inline unsigned ran = 0;
inline void run(void** state) {
  ++ran;
  static_cast<Case*>(*state)->run();
  returned = true;
}

inline int run_all(int argc, char** argv) {
  program = std::strrchr(argv[0], '/') != nullptr ? std::strrchr(argv[0], '/') + 1 : argv[0];
  static char pattern[256] = "";
  if (argc > 1) {
    const std::size_t length = std::strcspn(argv[1], " ");
    std::snprintf(pattern, sizeof pattern, "%.*s", static_cast<int>(length), argv[1]);
    if (argv[1][length] != '\0') std::snprintf(arguments, sizeof arguments, "%s", argv[1] + length + 1);
  }
  for (int n = 2; n < argc; ++n) {
    const std::size_t used = std::strlen(arguments);
    std::snprintf(arguments + used, sizeof arguments - used, "%s%s", used > 0 ? " " : "", argv[n]);
  }
  if (pattern[0] != '\0') cmocka_set_test_filter(pattern);
  static CMUnitTest tests[512];
  std::size_t n = 0;
  for (Case* c = Case::first(); c != nullptr; c = c->next) {
    if (n == sizeof tests / sizeof tests[0]) {
      std::fprintf(stderr, "%s: more than %zu cases\n", program, n);
      return 1;
    }
    tests[n++] = CMUnitTest{c->name, run, before, after, c};
  }
  const bool passed = _cmocka_run_group_tests(program, tests, n, nullptr, nullptr) == 0;
  if (ran == 0) print_error("%s: no case is called '%s'\n", program, pattern);
  std::fflush(nullptr);
  if (!passed || ran == 0) std::_Exit(1);  // a failed case leaks what its destructors would have freed: no news
  return 0;
}

}  // namespace check

// A panic ends the program with the place and the command to rerun, unless CHECK_PANICS waits for it.
void tocsin::panic(const char* place) {
  check::panic_place = place;
  if (check::panic_expected != nullptr) std::longjmp(*check::panic_expected, 1);
  std::fprintf(stderr, "panic at %s%s%s\n", place, check::where[0] != '\0' ? ", " : "", check::where);
  std::fflush(stdout);
  std::abort();
}

#define TEST(name)                                     \
  static void name();                                  \
  static ::check::Case case_##name{#name, name};       \
  static void name()

#define CHECK(truth) ::check::holds(static_cast<bool>(truth), #truth, __FILE__, __LINE__)
// Numbers, characters and enumerators.
#define CHECK_EQ(got, want) ::check::equal((got), (want), #got, __FILE__, __LINE__)
// A Status or a Result.
#define CHECK_OK(call) ::check::code(::check::status_of(call), ::tocsin::Code::ok, #call, __FILE__, __LINE__)
#define CHECK_CODE(call, want) ::check::code(::check::status_of(call), (want), #call, __FILE__, __LINE__)
#define CHECK_TEXT(got, want) ::check::same_text((got), (want), #got, __FILE__, __LINE__)
#define CHECK_BYTES(got, want) ::check::same_bytes((got), (want), #got, __FILE__, __LINE__)
// The statement asserts something that does not hold. Locals changed inside it are indeterminate after.
#define CHECK_PANICS(statement)                                            \
  do {                                                                     \
    std::jmp_buf here_;                                                    \
    ::check::panic_expected = &here_;                                      \
    volatile bool panicked_ = false;                                       \
    if (setjmp(here_) == 0) {                                              \
      statement;                                                           \
    } else {                                                               \
      panicked_ = true;                                                    \
    }                                                                      \
    ::check::panic_expected = nullptr;                                     \
    ::check::holds(panicked_, "panics: " #statement, __FILE__, __LINE__);  \
  } while (false)

#ifndef CHECK_NO_MAIN  // a program with arguments of its own calls check::run_all itself
int main(int argc, char** argv) { return check::run_all(argc, argv); }
#endif

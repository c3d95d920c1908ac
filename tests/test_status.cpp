// SPDX-License-Identifier: MIT
#include "tocsin/base/status.hpp"

#include "check.hpp"

using namespace tocsin;

namespace {

struct Point {
  int x = 0;
  int y = 0;
};

Status fails_when(bool so) { return so ? Status{Code::io, 28} : Status{}; }

Status passes_on(bool so, bool* reached) {
  TRY(fails_when(so));
  *reached = true;
  return {};
}

Result<int> half(int n) {
  if (n % 2 != 0) return {Code::bad_value, n};
  return n / 2;
}

Result<int> quarter(int n) {
  TRY_LET(once, half(n));
  TRY_LET(twice, half(once));
  return twice;
}

TEST(status_by_default_is_ok) {
  CHECK_OK(Status{});
  CHECK_EQ(Status{}.detail(), 0);
}

TEST(status_of_a_code_keeps_code_and_detail) {
  const Status status{Code::tls, -0x2700};
  CHECK_CODE(status, Code::tls);
  CHECK_EQ(status.detail(), -0x2700);
  CHECK(!status.ok());
}

TEST(status_takes_4_bytes) { CHECK_EQ(sizeof(Status), 4); }

TEST(status_keeps_a_detail_of_24_bits) {
  for (const std::int32_t detail : {8'388'607, -8'388'608, -1}) {
    CHECK_CODE((Status{Code::corrupt, detail}), Code::corrupt);
    CHECK_EQ((Status{Code::corrupt, detail}.detail()), detail);
  }
}

TEST(try_on_an_error_returns_it_at_once) {
  bool reached = false;
  const Status status = passes_on(true, &reached);
  CHECK_CODE(status, Code::io);
  CHECK_EQ(status.detail(), 28);
  CHECK(!reached);
}

TEST(try_on_ok_goes_on) {
  bool reached = false;
  CHECK_OK(passes_on(false, &reached));
  CHECK(reached);
}

TEST(result_with_a_value_is_ok) {
  const Result<Point> result = Point{3, 4};
  CHECK_OK(result);
  CHECK_EQ(result.value().y, 4);
}

TEST(result_with_an_error_has_code_and_detail) {
  const Result<int> result = half(7);
  CHECK_CODE(result, Code::bad_value);
  CHECK_EQ(result.status().detail(), 7);
}

TEST(try_let_names_the_value_or_returns_the_error) {
  CHECK_EQ(quarter(12).value(), 3);
  CHECK_CODE(quarter(6), Code::bad_value);
  CHECK_EQ(quarter(6).status().detail(), 3);
}

TEST(word_of_every_code_is_its_own) {
  for (int a = 0; a <= static_cast<int>(Code::refused); ++a) {
    const char* mine = word(static_cast<Code>(a));
    CHECK(std::string_view{mine} != "unknown");
    for (int b = 0; b < a; ++b) CHECK(std::string_view{mine} != word(static_cast<Code>(b)));
  }
  CHECK_TEXT(word(static_cast<Code>(200)), "unknown");
}

TEST(check_panics_sees_a_broken_promise) { CHECK_PANICS(TOCSIN_ASSERT(1 + 1 == 3)); }

}  // namespace

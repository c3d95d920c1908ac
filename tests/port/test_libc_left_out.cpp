// SPDX-License-Identifier: MIT
// Each against the C library's own.
#include <cstdlib>
#include <cstring>

#include "check.hpp"
#include "port/linux/libc_left_out.hpp"

using namespace tocsin;

namespace {

struct Weighed {
  int weight, place;
};
int by_weight(const void* a, const void* b) {
  return static_cast<const Weighed*>(a)->weight - static_cast<const Weighed*>(b)->weight;
}

TEST(sort_few_orders_and_keeps_the_order_of_equals) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::srand(seed);
    Weighed list[48];
    const std::size_t count = seed % 49;
    for (std::size_t at = 0; at < count; ++at) list[at] = {std::rand() % 10, static_cast<int>(at)};
    sort_few(list, count, sizeof list[0], by_weight);
    for (std::size_t at = 1; at < count; ++at) {
      CHECK(list[at - 1].weight <= list[at].weight);
      if (list[at - 1].weight == list[at].weight) CHECK(list[at - 1].place < list[at].place);
    }
  }
}

TEST(find_text_finds_what_the_library_finds) {
  const char* const texts[] = {"", "a", "ab", "aab", "127.0.0.1 localhost\n", "aaaaab", "ba"};
  for (const char* text : texts)
    for (const char* part : texts) CHECK(find_text(text, part) == std::strstr(text, part));
}

TEST(read_number_reads_what_the_library_reads) {
  const char* const texts[] = {"", "0", "00", "017", "08", "0x", "0x1F", "0X1f.", "1f", "10.0.0.1", " \t\n42", "+7", "-7", "- 7",
                               "443x", "4294967295", "4294967296", "18446744073709551615", "18446744073709551616",
                               "99999999999999999999999", "0xg", "zz", "eth0"};
  for (const char* text : texts)
    for (const int base : {0, 8, 10, 16, 36}) {
      char *own = nullptr, *theirs = nullptr;
      const unsigned long long value = read_number(text, &own, base, ~0ULL);
      CHECK_EQ(value, std::strtoull(text, &theirs, base));
      CHECK(own == theirs);
      CHECK_EQ(read_number(text, nullptr, base, ~0ULL), value);
    }
}

}  // namespace

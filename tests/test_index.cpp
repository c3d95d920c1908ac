// SPDX-License-Identifier: MIT
#include <set>

#include "check.hpp"
#include "tocsin/outbox/index.hpp"

using namespace tocsin;

namespace {
Index entries;

void fill(std::initializer_list<std::uint32_t> numbers) {
  entries.clear();
  for (const std::uint32_t number : numbers) CHECK(entries.find_or_add(number) != nullptr);
  entries.settle();
}
}  // namespace

TEST(index_added_in_any_order_is_ordered_by_number) {
  fill({5, 1, 9, 3, 7, 3, 5});
  CHECK_EQ(entries.size(), 5);
  for (std::size_t at = 0; at < 5; ++at) CHECK_EQ(entries[at].number, 2 * at + 1);
}

TEST(index_finds_what_is_there_and_nothing_else) {
  fill({2, 4, 6});
  for (std::uint32_t number = 0; number < 9; ++number) {
    const bool there = number == 2 || number == 4 || number == 6;
    CHECK_EQ(entries.find(number) != nullptr, there);
    if (there) CHECK_EQ(entries.find(number)->number, number);
  }
  entries.clear();
  CHECK(entries.find(2) == nullptr);
}

TEST(index_first_from_is_the_first_that_is_not_below) {
  fill({2, 4, 6});
  CHECK_EQ(entries.first_from(0)->number, 2);
  CHECK_EQ(entries.first_from(2)->number, 2);
  CHECK_EQ(entries.first_from(3)->number, 4);
  CHECK_EQ(entries.first_from(6)->number, 6);
  CHECK(entries.first_from(7) == nullptr);
}

TEST(index_new_entry_in_an_old_place_is_empty) {
  fill({1, 3});
  entries.find(3)->sends = 3;
  entries.find(3)->lost = true;
  CHECK_EQ(entries.find_or_add(2)->sends, 0);
  entries.settle();
  CHECK_EQ(entries.find(3)->sends, 3);
  entries.forget_unless([](const Entry& entry) { return entry.number != 3; });
  CHECK_EQ(entries.find_or_add(4)->sends, 0);
  CHECK(!entries.find(4)->lost);
}

TEST(index_forgets_those_that_are_not_kept) {
  fill({1, 2, 3, 4, 5, 6});
  entries.forget_unless([](const Entry& entry) { return entry.number % 3 != 0; });
  CHECK_EQ(entries.size(), 4);
  for (const std::uint32_t number : {1U, 2U, 4U, 5U}) CHECK(entries.find(number) != nullptr);
  CHECK(entries.find(3) == nullptr && entries.find(6) == nullptr);
}

// In the order of the files' slots: runs, some of them before earlier ones, found again and let go.
TEST(index_added_in_runs_is_the_same_as_a_set) {
  std::set<std::uint32_t> model;
  std::uint32_t noise = 12345;
  const auto below = [&noise](std::uint32_t most) {
    noise = noise * 1664525U + 1013904223U;
    return noise / 65536U % most;
  };
  entries.clear();
  for (unsigned step = 0; step < 2000; ++step) {
    check::at("step=%u", step);
    const std::uint32_t first = 1 + below(3000), run = 1 + below(step % 7 == 0 ? 200 : 9);
    for (std::uint32_t number = first; number < first + run; ++number) {
      CHECK_EQ(entries.find_or_add(number)->number, number);
      model.insert(number);
    }
    if (below(3) > 0) continue;
    entries.settle();
    if (step % 97 == 0) {
      const std::uint32_t kept = 2 + below(5);
      entries.forget_unless([kept](const Entry& entry) { return entry.number % kept != 0; });
      for (auto at = model.begin(); at != model.end();)
        at = *at % kept == 0 ? model.erase(at) : std::next(at);
    }
    if (step % 101 == 100) {
      entries.clear();
      model.clear();
    }
    CHECK_EQ(entries.size(), model.size());
    std::size_t at = 0;
    for (const std::uint32_t number : model) CHECK_EQ(entries[at++].number, number);
  }
}

TEST(index_that_is_full_takes_no_more_and_stays_as_it_is) {
  entries.clear();
  for (std::uint32_t number = 1; number <= kMaxMessages; ++number)
    CHECK(entries.find_or_add(2 * number) != nullptr);
  CHECK(entries.find_or_add(1) == nullptr);
  CHECK(entries.find_or_add(UINT32_MAX) == nullptr);
  CHECK(entries.find_or_add(2) != nullptr);
  CHECK_EQ(entries.size(), kMaxMessages);
  CHECK_EQ(entries[kMaxMessages - 1].number, 2 * kMaxMessages);
}

TEST(index_that_becomes_full_in_front_of_others_takes_no_more_and_is_ordered) {
  entries.clear();
  for (std::uint32_t number = 5000; number < 5000 + kMaxMessages - 9; ++number) entries.find_or_add(number);
  for (std::uint32_t number = 10; number < 19; ++number) CHECK_EQ(entries.find_or_add(number)->number, number);
  CHECK(entries.find_or_add(19) == nullptr);
  CHECK_EQ(entries.find_or_add(18)->number, 18);
  CHECK_EQ(entries.size(), kMaxMessages);
  for (std::size_t at = 0; at < 9; ++at) CHECK_EQ(entries[at].number, 10 + at);
  for (std::size_t at = 9; at < kMaxMessages; ++at) CHECK_EQ(entries[at].number, 5000 + at - 9);
}

TEST(index_entry_is_as_small_as_the_header_says) { CHECK_EQ(sizeof(Entry), 64); }

TEST(index_stream_names_have_different_hashes) {
  std::set<std::uint32_t> seen;
  for (const char* name : {"", "sms", "SMS", "sms2", "whatsapp", "otp", "two-way"})
    CHECK(seen.insert(name_hash(name)).second);
}

// SPDX-License-Identifier: MIT
#include "tocsin/outbox/budget.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kNoLimit = UINT32_MAX;
constexpr std::uint32_t kHour = 3600, kDay = 86400;

bool hour_over(const Spent& spent, std::uint32_t on_s) { return on_s - spent.hour_began_s >= kHour; }
bool day_over(const Spent& spent, std::uint32_t on_s) { return on_s - spent.day_began_s >= kDay; }

std::uint32_t left(std::uint16_t limit, std::uint16_t used, bool over) {
  if (limit == 0) return kNoLimit;
  if (over) return limit;
  return used < limit ? std::uint32_t{limit} - used : 0;
}

void count(std::uint16_t& used) {
  if (used < UINT16_MAX) ++used;
}

}  // namespace

Rules default_rules() {
  Rules rules;
  rules.of[0] = {OnUnknown::resend, milliseconds(0), 100, 500};
  rules.of[1] = {OnUnknown::resend, hours(3 * 24), 50, 200};
  rules.of[2] = {OnUnknown::hold, hours(24), 20, 100};
  return rules;
}

std::uint32_t may_send(const ClassRules& rules, const Spent& spent, std::uint32_t on_s) {
  const std::uint32_t hour = left(rules.per_hour, spent.in_hour, hour_over(spent, on_s));
  const std::uint32_t day = left(rules.per_day, spent.in_day, day_over(spent, on_s));
  return hour < day ? hour : day;
}

std::uint32_t may_send_at_s(const ClassRules& rules, const Spent& spent, std::uint32_t on_s) {
  std::uint32_t at = on_s;
  if (left(rules.per_hour, spent.in_hour, hour_over(spent, on_s)) == 0) at = spent.hour_began_s + kHour;
  const std::uint32_t day_ends = spent.day_began_s + kDay;
  if (left(rules.per_day, spent.in_day, day_over(spent, on_s)) == 0 && day_ends > at) at = day_ends;
  return at;
}

void spend(Spent& spent, std::uint32_t on_s) {
  if (hour_over(spent, on_s) || spent.in_hour == 0) {
    spent.hour_began_s = on_s;
    spent.in_hour = 0;
  }
  if (day_over(spent, on_s) || spent.in_day == 0) {
    spent.day_began_s = on_s;
    spent.in_day = 0;
  }
  count(spent.in_hour);
  count(spent.in_day);
}

void add_spent(Spent& spent, const Spent& other, std::uint32_t other_on_s, std::uint32_t on_s) {
  const auto add = [](std::uint16_t& used, std::uint16_t more) {
    used = more < UINT16_MAX - used ? static_cast<std::uint16_t>(used + more) : UINT16_MAX;
  };
  if (other.in_hour > 0 && !hour_over(other, other_on_s)) {
    if (hour_over(spent, on_s) || spent.in_hour == 0) {
      spent.hour_began_s = on_s - (other_on_s - other.hour_began_s);
      spent.in_hour = 0;
    }
    add(spent.in_hour, other.in_hour);
  }
  if (other.in_day > 0 && !day_over(other, other_on_s)) {
    if (day_over(spent, on_s) || spent.in_day == 0) {
      spent.day_began_s = on_s - (other_on_s - other.day_began_s);
      spent.in_day = 0;
    }
    add(spent.in_day, other.in_day);
  }
}

void give_back(Spent& spent) {
  if (spent.in_hour > 0) --spent.in_hour;
  if (spent.in_day > 0) --spent.in_day;
}

}  // namespace tocsin

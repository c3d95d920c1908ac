// SPDX-License-Identifier: MIT
// What a class may send in an hour and in a day, so that no fault makes a flood and no class uses up what
// another may need. The hour, and the day, begin with the first sending after the one before is over; they
// are counted in time that the device was on (Stamp::on_ms), so no clock step ends one.
//
// Memory: none beside Spent. Threads: none.
#pragma once

#include "tocsin/base/time.hpp"
#include "tocsin/wire/message.hpp"

namespace tocsin {

// How the messages of one class are treated.
struct ClassRules {
  OnUnknown on_unknown = OnUnknown::resend;
  Millis expire{0};            // 0: never
  std::uint16_t per_hour = 0;  // sendings, copies counted; 0: no limit
  std::uint16_t per_day = 0;
};
struct Rules {
  ClassRules of[kClasses];
  const ClassRules& operator[](Class c) const { return of[static_cast<std::size_t>(c)]; }
};
// critical: resent, never expires, 100 an hour, 500 a day. warning: resent, 3 days, 50, 200.
// info: sent once at most, 1 day, 20, 100.
Rules default_rules();

// `on_s`: how long the device has been on, never less than at an earlier call.
// Sendings that are free now.
std::uint32_t may_send(const ClassRules& rules, const Spent& spent, std::uint32_t on_s);
// When something is free again; `on_s` when something is.
std::uint32_t may_send_at_s(const ClassRules& rules, const Spent& spent, std::uint32_t on_s);
void spend(Spent& spent, std::uint32_t on_s);
// What was spent in a queue of memory, where the device had been on for `other_on_s`, counts here as well.
void add_spent(Spent& spent, const Spent& other, std::uint32_t other_on_s, std::uint32_t on_s);
void give_back(Spent& spent);  // nothing left the device after all

}  // namespace tocsin

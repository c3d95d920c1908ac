// SPDX-License-Identifier: MIT
#include "src/program/answerers.hpp"

namespace tocsin {

unsigned Answerers::Window::add(Instant now) {
  if (now >= until) {
    until = now + kWindow;
    count = 0;
  }
  return ++count;
}

// In place of who was heard longest ago.
Answerers::One& Answerers::of(const Phone& phone, Instant now) {
  One* place = &known_[0];
  for (One& one : known_) {
    if (one.phone.view() == phone.view()) {
      one.heard = now;
      return one;
    }
    if (one.heard < place->heard) place = &one;
  }
  *place = One{};
  place->phone = phone;
  place->heard = now;
  return *place;
}

bool Answerers::is_ignored(const Phone& phone, Instant now) {
  const Window& wrong = of(phone, now).wrong;
  return wrong.count >= kWrongOfOne && now < wrong.until;
}

Answerers::Wrong Answerers::wrong(const Phone& phone, const AlarmCode& code, Instant now) {
  One& one = of(phone, now);
  if (now < one.wrong.until && one.last.view() == code.view()) return Wrong::told_before;
  one.last = code;
  const unsigned of_all = all_.add(now);
  if (one.wrong.add(now) == kWrongOfOne) return Wrong::last_of_phone;
  return of_all == kWrongOfAll ? Wrong::last_of_all : Wrong::counted;
}

bool Answerers::takes_listed(Code code, Instant now) {
  if (code == Code::wrong) listed_.add(now);
  return code == Code::right && (listed_.count < kWrongListed || now >= listed_.until);
}

bool Answerers::may_reply(const Phone& phone, Instant now) {
  One& one = of(phone, now);
  if (now < one.reply_at) return false;
  one.reply_at = now + kReplyEvery;
  return true;
}

}  // namespace tocsin

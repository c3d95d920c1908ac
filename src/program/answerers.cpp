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

// In place of who was heard longest ago and waits for nothing.
Answerers::One& Answerers::of(const Phone& phone, Instant now) {
  One* place = &known_[0];
  for (One& one : known_) {
    if (one.phone.view() == phone.view()) {
      one.heard = now;
      return one;
    }
    if (one.waits != place->waits ? place->waits : one.heard < place->heard) place = &one;
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
  const unsigned of_one = one.wrong.add(now);
  if (all_.add(now) == kWrongOfAll) return Wrong::last_of_all;
  return of_one == kWrongOfOne ? Wrong::last_of_phone : Wrong::counted;
}

bool Answerers::takes_listed(Code code, Instant now) {
  if (code == Code::wrong) listed_.add(now);
  return code == Code::right && (listed_.count < kWrongListed || now >= listed_.until);
}

bool Answerers::may_reply(const Phone& phone, Reply reply, Instant now) {
  One& one = of(phone, now);
  const bool may = now >= one.reply_at;
  if (may) one.reply_at = now + kReplyEvery;
  one.waits = !may && (one.waits || reply == Reply::due);
  return may;
}

Phone Answerers::next_waiting(Instant now) {
  for (One& one : known_)
    if (one.waits && now >= one.reply_at) return may_reply(one.phone, Reply::due, now), one.phone;
  return {};
}

Instant Answerers::wake() const {
  Instant at = kNever;
  for (const One& one : known_)
    if (one.waits) at = earlier(at, one.reply_at);
  return at;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "src/program/self_alarms.hpp"

namespace tocsin {
namespace {

constexpr SelfKind kAll[] = {SelfKind::medium,         SelfKind::works,       SelfKind::given_up, SelfKind::damage,
                             SelfKind::unknown,        SelfKind::failed,      SelfKind::budget_critical,
                             SelfKind::budget_warning, SelfKind::budget_info, SelfKind::held,     SelfKind::aside,
                             SelfKind::segments,       SelfKind::undelivered};
static_assert(sizeof kAll / sizeof kAll[0] == kSelfKinds);

bool counts_messages(SelfKind kind) {
  return kind == SelfKind::given_up || kind == SelfKind::unknown || kind == SelfKind::failed || kind == SelfKind::aside ||
         kind == SelfKind::undelivered;
}

}  // namespace

std::string_view SelfAlarms::phrase(SelfKind kind) {
  switch (kind) {
    case SelfKind::medium: return "the medium is in trouble";
    case SelfKind::works: return "the medium works again";
    case SelfKind::given_up: return "given up, the queue was full";
    case SelfKind::damage: return "the queue was damaged";
    case SelfKind::unknown: return "may not have arrived";
    case SelfKind::failed: return "will not be sent";
    case SelfKind::budget_critical: return "class critical has sent as many messages as it may";
    case SelfKind::budget_warning: return "class warning has sent as many messages as it may";
    case SelfKind::budget_info: return "class info has sent as many messages as it may";
    case SelfKind::segments: return "has had its segments of the day";
    case SelfKind::held: return "is held";
    case SelfKind::aside: return "set aside";
    case SelfKind::undelivered: return "not delivered";
  }
  return {};
}

void SelfAlarms::note(SelfKind kind, std::string_view words, std::uint32_t times) {
  std::uint32_t& sum = times_[at(kind)];
  sum = sum > UINT32_MAX - times ? UINT32_MAX : sum + times;
  char plain[120];
  std::size_t size = 0;
  for (const char c : head(words, sizeof plain)) {  // a service may say anything; a message takes no control characters
    const auto byte = static_cast<unsigned char>(c);
    plain[size++] = byte < 0x20 || byte == 0x7F ? ' ' : c;
  }
  while (size > 0 && !is_utf8({plain, size})) --size;  // cut within a character, or never was a text
  words_[at(kind)].assign_cut({plain, size});
}

Result<SelfKind> SelfAlarms::next(Instant now) const {
  if (now < again_at_ || is_quiet(now)) return Code::empty;
  for (const SelfKind kind : kAll)
    if (times_[at(kind)] > 0 && now >= next_at_[at(kind)]) return kind;
  return Code::empty;
}

Instant SelfAlarms::wake() const {
  Instant wake = kNever;
  for (const SelfKind kind : kAll)
    if (times_[at(kind)] > 0) wake = earlier(wake, next_at_[at(kind)]);
  const Instant earliest = again_at_ < quiet_until_ ? quiet_until_ : again_at_;
  return wake < earliest ? earliest : wake;
}

void SelfAlarms::write(SelfKind kind, TextWriter& into) const {
  const std::uint32_t times = times_[at(kind)];
  const std::string_view words = words_[at(kind)].view();
  if (counts_messages(kind)) {
    into.number(times).text(times == 1 ? " message " : " messages ").text(phrase(kind));
  } else if (kind == SelfKind::held || kind == SelfKind::segments) {
    into.text(words).text(" ").text(phrase(kind));  // "stream sms"
  } else {
    into.text(phrase(kind));
  }
  const bool has_more = !words.empty() && kind != SelfKind::held && kind != SelfKind::segments;
  if (has_more) into.text(": ").text(words);
  if (times > 1 && !counts_messages(kind)) into.text(" (").number(times).text(" times)");
}

void SelfAlarms::told(SelfKind kind, Instant now) {
  times_[at(kind)] = 0;
  next_at_[at(kind)] = now + kEvery;
}

}  // namespace tocsin

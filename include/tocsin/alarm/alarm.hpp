// SPDX-License-Identifier: MIT
// An alarm: raised and cleared, by its line or by hand. A transition and everybody's messages are one
// event, so that a power cut leaves both or none. The state itself is the queue's record of the last
// transition; there is no second copy that could differ.
//
//   cleared -> raised    the input became active, or `raise`     text goes to everybody
//   raised  -> acknowledged   somebody looks after it: `ack`, or an answer with its code
//   raised, acknowledged -> cleared   the input became inactive, or `clear`   clear_text, if there is one, to everybody
//
// Each time that it is raised it gets a code, by which an answer names it.
//
// Memory: none; 1 KiB of stack for the text. Threads: none.
#pragma once

#include "tocsin/outbox/outbox.hpp"

namespace tocsin {

// Views outlive the call.
struct AlarmRule {
  std::string_view name;
  Class cls = Class::critical;
  std::string_view stream;
  std::string_view text;        // with {device} {alarm} {time} {duration} {code}
  std::string_view clear_text;  // empty: the end is not told
  Span<const Phone> phones;
};

bool is_raised(const Queue& queue, std::string_view alarm);  // or acknowledged

// Makes the transition, whose edge came `edge_before` ago: {time} is then. Errors: empty (it is in that state
// already, nothing to do); as Outbox::post(): nothing changed then, and the same call later makes up for it.
Result<Queue::Pushed> change_alarm(Outbox& outbox, const AlarmRule& rule, Transition to,
                                   std::string_view device_name, const Clocks& clocks,
                                   Millis edge_before = Millis{0});

// Fills an alarm's text. {time} is the wall clock, or says that the clock is not set; {duration} is how
// long the alarm has been active, "12 min 5 s", or says that it is not known; {code} is what it is raised with.
void write_alarm_text(std::string_view text, std::string_view device_name, std::string_view alarm,
                      const Clocks& at, Result<Millis> duration, std::string_view code, TextWriter& into);

}  // namespace tocsin

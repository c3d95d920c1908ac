// SPDX-License-Identifier: MIT
// The JSON body of a request as the service's portal shows it, with places for what each message has of its own:
//
//   {"event":"alarm","recipients":[{"internal_id":"{{internal_id}}","recipient_phone":"{{recipient}}",
//     "template_variables":{"text":"{{text}}"}}]}
//
// So requests can be spoken whose form is documented in the portal only. A place stands inside of a text, alone or with
// other text around it, never in a name; kPlaces has them all, of one-time codes too. What is filled in is escaped
// (RFC 8259 section 7); the rest travels as it is written. One form is one message.
//
// Memory: the form is a view into the caller's memory. Threads: none.
#pragma once

#include "tocsin/wire/streams_api.hpp"

namespace tocsin {

class RequestForm {
 public:
  enum class Of : std::uint8_t { message, code, verification };
  struct Problem {
    std::uint32_t line = 0;  // where, from 1; 0: the form as a whole
    FixedText<300> words;    // "what is wrong: what to do"
  };

  // Takes `json` for the form; it stays the caller's, and must stay. A byte order mark and blanks around it are no part
  // of it. Errors, with the problem: too_big (above kMaxForm, or so with the longest values that a request cannot hold
  // it); bad_value (not one object of strict JSON in UTF-8, at most kFormDepth deep; a place that is not known, or not
  // in the text of a value; no {{recipient}}; nothing that says what happened, {{text}} or {{alarm}}; a value of
  // internal_id that is not {{internal_id}}, so that no answer could be matched). Nothing changed then. Of one-time
  // codes: only {{recipient}}, {{code}}, {{sender}} and {{device}} are known; no {{code}} in a verification is an
  // error; internal_id may be anything.
  Status read(std::string_view json, Problem& problem, Of of = Of::message);
  bool has(Place place) const { return tocsin::has(places_, place); }
  bool has_internal_id() const { return has_internal_id_; }  // under that name, which is where an answer has it
  bool empty() const { return json_.empty(); }

  // The body for one message. Errors: full; bad_value (a value is not UTF-8). Nothing of `into` counts then.
  Result<std::string_view> fill(const OutgoingText& message, Span<char> into) const;

 private:
  std::string_view json_;
  Places places_ = 0;
  bool has_internal_id_ = false;
};

}  // namespace tocsin

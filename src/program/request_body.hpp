// SPDX-License-Identifier: MIT
// `request_body`, `auth_body` and `verify_body`: the form of a stream's requests, read from its file.
//
// Memory: the caller's; the form is a view into it. Threads: none. Calls the system, and may wait for the medium.
#pragma once

#include "src/program/config.hpp"
#include "tocsin/wire/request_form.hpp"

namespace tocsin {

// Reads the file that the stream names into `memory` (kMaxForm + 1 bytes) and takes it for the form. Errors, with `why`
// in one line, "FILE:LINE: what is wrong: what to do": io; too_big, bad_value (what is in it, as
// RequestForm::read() says; a place for a sender that the stream does not have). The form is empty then.
Status read_request_body(const StreamConfig& stream, Span<char> memory, RequestForm& into, TextWriter& why);
// The same for `auth_body` (Of::code) and `verify_body` (Of::verification).
Status read_code_body(const StreamConfig& stream, RequestForm::Of of, Span<char> memory, RequestForm& into,
                      TextWriter& why);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// What a stream's keys together say of its requests: which one is spoken, and where it goes. Only for
// config_sections.cpp.
//
// Memory: tables that never change. Threads: any.
#pragma once

#include "src/program/config.hpp"

namespace tocsin {

// Lines of the keys that somebody wrote; 0: that key is not there.
struct RequestLines {
  std::uint32_t section, service, base_url, send_path, request, request_body, event, variables, auth_path, verify_path,
      auth_body, verify_body, status_for;
};

// Makes request, service, address and path of what is written, by the rules of README's table of requests. Every
// contradiction is an error; the stream is not good for use then.
void settle_requests(const RequestLines& lines, StreamConfig& stream, ConfigErrors& errors);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// A request of the control socket with everything in it: what the tests of its packets and of its server share.
#pragma once

#include "check.hpp"
#include "src/program/control_packet.hpp"

inline tocsin::ControlRequest full_send() {
  tocsin::ControlRequest request;
  request.ask = tocsin::Ask::send;
  request.cls = tocsin::Class::critical;
  request.stream = "sms";
  request.text = "Pumpe l\xC3\xA4uft";
  request.wait = tocsin::seconds(90);
  for (const char* phone : {"447700900123", "447700900456"})
    CHECK_OK(request.phones[request.phone_count++].assign(phone));
  return request;
}

// SPDX-License-Identifier: MIT
#include "tocsin/base/status.hpp"

namespace tocsin {

const char* word(Code code) {
  switch (code) {
    case Code::ok: return "ok";
    case Code::again: return "again";
    case Code::empty: return "empty";
    case Code::full: return "full";
    case Code::too_big: return "too big";
    case Code::bad_value: return "bad value";
    case Code::not_found: return "not found";
    case Code::busy: return "busy";
    case Code::timeout: return "timeout";
    case Code::closed: return "closed";
    case Code::io: return "input/output error";
    case Code::tls: return "TLS error";
    case Code::protocol: return "protocol error";
    case Code::corrupt: return "corrupt";
    case Code::refused: return "refused";
  }
  return "unknown";
}

}  // namespace tocsin

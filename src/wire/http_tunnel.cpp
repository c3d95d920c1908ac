// SPDX-License-Identifier: MIT
#include "tocsin/wire/http_tunnel.hpp"

#include "http_scan.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {

Status TunnelAnswer::take(Bytes came) {
  for (const std::uint8_t c : came) {
    if (stage_ < Stage::done && ++came_ > kHeadBytes) stage_ = Stage::failed;
    stage_ = step(c);
  }
  if (stage_ == Stage::done) return {};
  if (stage_ != Stage::failed) return Code::again;
  return came_ > kHeadBytes ? Code::too_big : Code::protocol;
}

TunnelAnswer::Stage TunnelAnswer::step(std::uint8_t c) {
  constexpr std::string_view kVersion = "HTTP/1.";
  constexpr std::size_t kMinor = kVersion.size(), kSpace = kMinor + 1;
  switch (stage_) {
    case Stage::version: {
      const bool right = at_ < kMinor ? c == static_cast<std::uint8_t>(kVersion[at_])
                         : at_ == kMinor ? c == '0' || c == '1'
                                         : c == ' ';
      if (!right) return Stage::failed;
      if (at_++ < kSpace) return Stage::version;
      at_ = 0;
      status_ = 0;
      return Stage::code;
    }
    case Stage::code:
      if (at_ == 3) return c == ' ' ? Stage::reason : c == '\r' ? Stage::line_end : Stage::failed;
      if (!is_digit(static_cast<char>(c))) return Stage::failed;
      status_ = static_cast<std::uint16_t>(status_ * 10 + (c - '0'));
      ++at_;
      return Stage::code;
    case Stage::name_or_end:
      if (c == '\r') return Stage::head_end;
      return is_token(c) ? Stage::name : Stage::failed;
    case Stage::name:
      if (c == ':') return Stage::value;
      return is_token(c) ? Stage::name : Stage::failed;
    case Stage::reason:
    case Stage::value:
      if (c == '\r') return Stage::line_end;
      return is_text(c) ? stage_ : Stage::failed;
    case Stage::line_end: return c == '\n' ? Stage::name_or_end : Stage::failed;
    case Stage::head_end: return c == '\n' ? end_of_head() : Stage::failed;
    case Stage::done: excess_ = true; break;
    case Stage::failed: break;
  }
  return stage_;
}

TunnelAnswer::Stage TunnelAnswer::end_of_head() {
  if (status_ < 100 || status_ > 599 || status_ == 101) return Stage::failed;
  at_ = 0;
  return status_ < 200 ? Stage::version : Stage::done;
}

}  // namespace tocsin

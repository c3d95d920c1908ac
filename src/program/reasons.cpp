// SPDX-License-Identifier: MIT
#include "src/program/reasons.hpp"

#include "tocsin/outbox/index.hpp"

namespace tocsin {

Reasons::Reasons(const Config& config) {
  ControlRequest request;
  request.ask = Ask::reasons;
  const auto reply = call_control(config.device.control, request, seconds(2), memory_);
  running_ = reply.ok();
  is_there_ = reply.code() != Code::not_found;
  if (reply.ok()) text_ = reply.value().out;
}

std::string_view Reasons::of(std::string_view stream) const {
  std::string_view said;
  return line_of(stream, said) ? said : "the stream is not in the running configuration";
}

std::string_view Reasons::of(Class cls) const {
  char words[24];
  return line_of(TextWriter(words).text("[class ").text(word(cls)).text("]").view());
}

std::string_view Reasons::of_segments(const Event& event, std::string_view stream, const Phone& phone) const {
  const bool critical = event.cls == Class::critical || event.alarm == kSelfAlarm;
  for (const bool of_phone : {false, true}) {
    char words[kMaxName + 40];
    TextWriter name(words);
    name.text("[segments ").text(stream);
    const auto digits = parse_number(phone.view());
    if (of_phone) name.text(" ").number(phone_hash(digits.ok() ? digits.value() : 0));
    const std::string_view said = line_of(name.text(critical ? " critical]" : "]").view());
    if (!said.empty()) return said;
  }
  return {};
}

bool Reasons::line_of(std::string_view name, std::string_view& said) const {
  std::string_view rest = text_;
  while (!rest.empty()) {
    said = take_until(rest, '\n');
    if (take_until(said, '\t') == name) return true;
  }
  return false;
}

std::string_view Reasons::line_of(std::string_view name) const {
  std::string_view said;
  return line_of(name, said) ? said : std::string_view{};
}

}  // namespace tocsin

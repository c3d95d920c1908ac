// SPDX-License-Identifier: MIT
#include "src/program/memory_list.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kItemHead = 10;
constexpr Millis kPatience = seconds(2);  // somebody looks at a screen

}  // namespace

bool add_to_list(const Entry& entry, const Queue::Body& body, const Result<MessageState>& state, MutBytes into,
                 std::size_t& size) {
  Event event = body.event;
  const Phone phone = event.phone(entry.number - body.first_number);
  event.phones = Span<const Phone>{&phone, 1};
  event.packed_phones = {};
  const std::size_t event_bytes = event_size(event);
  std::uint8_t last[kMaxMessageStateBytes];
  std::size_t state_bytes = 0;
  if (state.ok()) {
    MessageState now = state.value();
    now.state = entry.state;
    state_bytes = encode_message_state(now, last);
  } else if (entry.state != State::queued) {
    MessageState now;
    now.state = entry.state;
    now.way = entry.way;
    now.closed = entry.closed;
    state_bytes = encode_message_state(now, last);
  }
  if (kItemHead + event_bytes + state_bytes > into.size() - size) return false;
  std::uint8_t* const p = into.data() + size;
  store32(p, entry.number);
  store16(p + 4, entry.attempts);
  store16(p + 6, static_cast<std::uint16_t>(event_bytes));
  store16(p + 8, static_cast<std::uint16_t>(state_bytes));
  encode_event(event, into.drop(size + kItemHead));
  copy(into.drop(size + kItemHead + event_bytes), Bytes{last, state_bytes});
  size += kItemHead + event_bytes + state_bytes;
  return true;
}

Result<Reader::Message> take_from_list(Bytes& rest) {
  if (rest.empty()) return Code::empty;
  if (rest.size() < kItemHead) return Code::corrupt;
  const std::size_t event_bytes = load16(rest.data() + 6), state_bytes = load16(rest.data() + 8);
  if (rest.size() - kItemHead < event_bytes + state_bytes) return Code::corrupt;
  Reader::Message message;
  message.body.first_number = load32(rest.data());
  message.attempts = load16(rest.data() + 4);
  TRY(decode_event(rest.drop(kItemHead).first(event_bytes), message.body.event));
  if (message.body.event.phone_count() != 1) return Code::corrupt;
  message.phone = message.body.event.phone(0);
  message.id = message_id(message.body.event.id_prefix, message.body.first_number);
  message.has_state = state_bytes > 0;
  if (message.has_state) {
    TRY_LET(state, decode_message_state(rest.drop(kItemHead + event_bytes).first(state_bytes)));
    message.state = state;
  }
  rest = rest.drop(kItemHead + event_bytes + state_bytes);
  return message;
}

bool MemoryList::next(Reader::Message& into, std::uint32_t& number) {
  for (;;) {
    const auto message = take_from_list(rest_);
    if (message.ok() && message.value().body.first_number >= from_) {  // or it would go round for ever
      into = message.value();
      number = into.body.first_number;
      from_ = std::uint64_t{number} + 1;
      over_ = over_ || from_ > UINT32_MAX;
      return true;
    }
    if (over_ || message.code() != Code::empty) return false;
    ControlRequest request;
    request.ask = Ask::in_memory;
    request.subject = id_;
    request.from = static_cast<std::uint32_t>(from_);
    request.files_gone = files_ == Files::gone;
    const auto reply = call_control(control_, request, kPatience, memory_);
    over_ = !id_.empty() || !reply.ok() || reply.value().exit != Exit::done || reply.value().out.empty();
    if (!reply.ok()) return false;
    rest_ = as_bytes(reply.value().out);
    remark_ = reply.value().err;
  }
}

}  // namespace tocsin

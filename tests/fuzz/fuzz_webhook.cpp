// SPDX-License-Identifier: MIT
// Whatever is sent to the listener: read whole, and in two pieces with a guard behind the first, it is the same
// request; and what its webhooks say is made of what came. The first byte says where the pieces are cut.
#include <cstdlib>
#include <string>

#include "feed_incoming.hpp"
#include "panic.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/wire/instruction.hpp"
#include "tocsin/wire/phone.hpp"
#include "tocsin/wire/status_reply.hpp"
#include "tocsin/wire/webhook.hpp"

namespace {

using namespace tocsin;

bool is_plain(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  return is_utf8(text);
}

void look_at(const Webhook& hook, std::size_t room) {
  for (const std::string_view value : {hook.uuid, hook.own_id, hook.status, hook.from, hook.to, hook.time})
    if (!is_plain(value) || value.size() > room) std::abort();
  const bool told = !hook.uuid.empty() || !hook.own_id.empty();
  const Webhook::Kind kind = !hook.status.empty() ? (told ? Webhook::Kind::receipt : Webhook::Kind::unknown)
                             : !hook.text.empty() ? Webhook::Kind::incoming
                                                  : Webhook::Kind::unknown;
  if (hook.kind != kind) std::abort();
  const Instruction instruction = read_instruction(hook.text);
  if (instruction.code.size() > hook.text.size()) std::abort();
  char words[200];
  TextWriter masked(words);
  write_without_phones(hook.text, masked);
  static_cast<void>(parse_phone(hook.from).ok());
  static_cast<void>(receipt_of(hook.status));
}

void look_at(HttpIncoming& incoming) {
  alignas(16) static std::uint8_t memory[kReplyArenaBytes];
  Arena arena(memory);
  const std::size_t room = incoming.query().size() + incoming.body().size();
  Webhook events[kMaxHookEvents];
  const std::size_t count = read_webhooks(incoming.query(), incoming.body(), arena, events);
  if (count == 0 || count > kHookBodyBytes) std::abort();
  for (std::size_t at = 0; at < count && at < kMaxHookEvents; ++at) look_at(events[at], room);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > kHookHeadBytes + kHookBodyBytes) return 0;
  const std::string_view all = as_text(Bytes{data, size}.drop(1));
  IncomingFeeder whole(all.size()), split;
  whole.feed(all);
  const std::size_t cut = all.size() * data[0] / 256;
  split.feed(head(all, cut));
  split.feed(tail(all, cut));
  if (whole.outcome() != split.outcome()) std::abort();
  const HttpIncoming& incoming = whole.incoming();
  if (whole.status().ok() != (incoming.refusal() == 0)) std::abort();
  if (!incoming.done()) return 0;
  if (incoming.path().empty() || incoming.path()[0] != '/' || incoming.body().size() > kHookBodyBytes) std::abort();
  look_at(whole.incoming());
  return 0;
}

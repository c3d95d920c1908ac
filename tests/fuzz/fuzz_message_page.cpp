// SPDX-License-Identifier: MIT
// read_message_page() on any bytes. The first byte chooses the status ('0' is 200), the rest is the body. What must hold
// for every answer is asserted: nothing is listed that the body does not have, and what is shown is fit for it.
// make fuzz T=message_page
#include "panic.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/wire/message_page.hpp"

using namespace tocsin;

namespace {

constexpr std::uint16_t kStatuses[] = {200, 201, 204, 401, 422, 429, 503, 500};
alignas(16) std::uint8_t memory[kReplyArenaBytes];

bool printable(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  return is_utf8(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Answer answer;
  answer.status = kStatuses[data[0] % 8];
  answer.body = {data + 1, size - 1};
  Webhook messages[4];
  Arena arena{MutBytes{memory}};
  const MessagePage page = read_message_page(answer, messages, arena);
  TOCSIN_ASSERT(!page.reason.empty() && printable(page.reason.view()));
  TOCSIN_ASSERT(page.count <= 4 && page.count <= page.total);
  if (page.whole != Whole::judged) TOCSIN_ASSERT(page.count == 0 && page.total == 0);
  if (page.whole == Whole::judged) TOCSIN_ASSERT(answer.status == 200 || answer.status == 201);
  for (const Webhook& one : Span<const Webhook>{messages}.first(page.count)) {
    for (const std::string_view value : {one.uuid, one.own_id, one.status, one.from, one.to, one.time})
      TOCSIN_ASSERT(printable(value) && value.size() <= size);
    TOCSIN_ASSERT(is_utf8(one.text) && one.text.size() <= size);
    const auto at = parse_service_date(one.time);
    if (at.ok()) TOCSIN_ASSERT(at.value().ms >= 0);
  }
  const auto date = parse_service_date(as_text(answer.body));
  if (date.ok()) {
    char text[40];
    TextWriter writer(text);
    write_service_date(date.value(), writer);
    TOCSIN_ASSERT(writer.view().size() == 21);
  }
  return 0;
}

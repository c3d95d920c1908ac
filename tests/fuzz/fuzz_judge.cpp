// SPDX-License-Identifier: MIT
// judge() and judge_otp() on any bytes. The first byte chooses the status ('0' is 200) and how the request named its
// messages, the rest is the body, and its front is the Retry-After as well. What must hold for every answer is asserted.
// make fuzz T=judge
#include "panic.hpp"
#include "tocsin/wire/otp.hpp"

using namespace tocsin;

namespace {

constexpr std::uint16_t kStatuses[] = {200, 201, 204, 401, 422, 429, 503, 500};
const std::string_view kIds[] = {"1003", "a-1", "a-2"};
constexpr std::size_t kCount = 3;
alignas(16) std::uint8_t memory[kReplyArenaBytes];

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool printable(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  return is_utf8(text);
}

void check(const Answer& answer, const Judgement& judgement, const MessageVerdict& one, std::string_view id,
           Naming naming) {
  TOCSIN_ASSERT(printable(one.reason.view()));
  if (judgement.whole == Whole::unknown) TOCSIN_ASSERT(one.fate == Fate::unknown);
  if (judgement.whole != Whole::unknown && judgement.whole != Whole::judged)
    TOCSIN_ASSERT(one.fate == Fate::later);
  if (one.fate == Fate::later && judgement.whole == Whole::judged) TOCSIN_ASSERT(judgement.rate_limited);
  const std::string_view body = as_text(answer.body);
  const bool escapes = contains(body, "\\");
  if (one.fate != Fate::accepted) TOCSIN_ASSERT(one.uuid.empty());
  if (one.fate == Fate::accepted || one.fate == Fate::refused) {
    TOCSIN_ASSERT(answer.status == 200 || answer.status == 201);
    // A number may be written as 1.003e3.
    TOCSIN_ASSERT(escapes || id == "1003" || naming == Naming::anonymous || contains(body, id));
    TOCSIN_ASSERT(escapes || naming != Naming::listed || contains(body, "\"messages\""));
  }
  if (one.fate == Fate::accepted) {
    TOCSIN_ASSERT(escapes || (contains(body, "\"message_uuid\"") && contains(body, one.uuid.view())));
    for (const char c : one.uuid.view()) TOCSIN_ASSERT(c > 0x20 && c < 0x7F);
  }
  if (one.fate == Fate::refused) TOCSIN_ASSERT(!one.reason.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Answer answer;
  answer.status = kStatuses[data[0] % 8];
  answer.body = {data + 1, size - 1};
  answer.retry_after = as_text(answer.body.first(12));
  MessageVerdict verdicts[kCount];
  Arena arena{MutBytes{memory}};
  // Digits are lists, as ever: '0' to '7'.
  const auto naming = data[0] < 0x40 ? Naming::listed : data[0] < 0xA0 ? Naming::single : Naming::anonymous;
  const std::size_t count = naming == Naming::listed ? kCount : 1;
  const Judgement judgement = judge(answer, Span<const std::string_view>{kIds, count},
                                    Span<MessageVerdict>{verdicts, count}, arena, naming);
  TOCSIN_ASSERT(judgement.retry_after_s <= 86'400);
  TOCSIN_ASSERT(!judgement.reason.empty() && printable(judgement.reason.view()));
  TOCSIN_ASSERT(arena.used() == 0);
  for (std::size_t i = 0; i < count; ++i) check(answer, judgement, verdicts[i], kIds[i], naming);
  const OtpVerdict code = judge_otp(answer, arena);
  TOCSIN_ASSERT(printable(code.reason.view()) && arena.used() == 0);
  TOCSIN_ASSERT(code.reason.empty() == (code.fate == OtpFate::done));
  if (code.fate != OtpFate::done) return 0;
  TOCSIN_ASSERT(answer.status == 200 || answer.status == 201);
  TOCSIN_ASSERT(contains(as_text(answer.body), "true"));
  TOCSIN_ASSERT(contains(as_text(answer.body), "\"status\"") || contains(as_text(answer.body), "\\"));
  return 0;
}

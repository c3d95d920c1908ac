// SPDX-License-Identifier: MIT
// judge_status() on any bytes. The first byte chooses the status ('0' is 200), the rest is the body. What must hold for
// every answer is asserted: nothing is final that the body does not say.
// make fuzz T=status_reply
#include "panic.hpp"
#include "tocsin/wire/status_reply.hpp"

using namespace tocsin;

namespace {

constexpr std::uint16_t kStatuses[] = {200, 201, 204, 401, 422, 429, 503, 500};
const std::string_view kUuids[] = {"u-1", "e6b7ae60-6bbc-4db5-bfe4-7c9af27b8bdc", "U-1"};
constexpr std::size_t kCount = 3;
alignas(16) std::uint8_t memory[kReplyArenaBytes];

bool contains(std::string_view text, std::string_view part) {
  for (std::size_t at = 0; at + part.size() <= text.size(); ++at)
    if (same_ignoring_case(head(tail(text, at), part.size()), part)) return true;
  return false;
}

bool printable(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  return is_utf8(text);
}

void check(const Answer& answer, const StatusJudgement& judgement, const StatusVerdict& one, std::string_view uuid) {
  char text[kMaxReason];
  TextWriter shown(text);
  write_receipt(one, shown);
  TOCSIN_ASSERT(printable(shown.view()));
  if (one.receipt == Receipt::not_reported) {
    TOCSIN_ASSERT(one.word.empty() && one.error.empty());
    return;
  }
  TOCSIN_ASSERT(judgement.whole == Whole::judged && (answer.status == 200 || answer.status == 201));
  const std::string_view body = as_text(answer.body);
  const bool escapes = contains(body, "\\");
  TOCSIN_ASSERT(escapes || contains(body, uuid));
  TOCSIN_ASSERT(escapes || contains(body, one.word));
  const bool ended = one.receipt == Receipt::delivered || one.receipt == Receipt::failed;
  if (ended) TOCSIN_ASSERT(escapes || !one.word.empty() || contains(body, "\"error\""));
  if (one.receipt == Receipt::delivered)
    TOCSIN_ASSERT(escapes || contains(body, "deliv") || contains(body, "read") || contains(body, "seen"));
  if (!ended) TOCSIN_ASSERT(!one.word.empty() || !one.error.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Answer answer;
  answer.status = kStatuses[data[0] % 8];
  answer.body = {data + 1, size - 1};
  StatusVerdict verdicts[kCount];
  Arena arena{MutBytes{memory}};
  const StatusJudgement judgement = judge_status(answer, kUuids, verdicts, arena);
  TOCSIN_ASSERT(!judgement.reason.empty() && printable(judgement.reason.view()));
  std::size_t reported = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    check(answer, judgement, verdicts[i], kUuids[i]);
    reported += verdicts[i].receipt != Receipt::not_reported ? 1U : 0U;
  }
  TOCSIN_ASSERT(reported == judgement.reported);
  TOCSIN_ASSERT(verdicts[0].receipt == verdicts[2].receipt);  // the same uuid, twice asked for
  return 0;
}

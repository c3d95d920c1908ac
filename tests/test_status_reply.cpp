// SPDX-License-Identifier: MIT
// judge_status() against tests/vectors/api/status.txt, and what no list of vectors can hold. Run from the top folder.
#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "tocsin/wire/status_reply.hpp"
#include "vectors/vectors.hpp"

using namespace tocsin;

namespace {

alignas(16) std::uint8_t arena_memory[kReplyArenaBytes];
Arena arena{MutBytes{arena_memory}};
const std::string kOne = "e6b7ae60-6bbc-4db5-bfe4-7c9af27b8bdc", kTwo = "81e766af-06eb-4676-ac83-0ca32b8aff85";
const std::string_view kUuids[] = {kOne, kTwo};
StatusVerdict verdicts[2];

std::string with_uuids(std::string body) {
  std::string capitals = kOne;
  for (char& c : capitals)
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  const std::pair<const char*, std::string> places[] = {{"@1", kOne}, {"@2", kTwo}, {"@A", capitals}};
  for (const auto& [mark, uuid] : places)
    for (std::size_t at = 0; (at = body.find(mark, at)) != std::string::npos;) body.replace(at, 2, uuid);
  return body;
}

StatusJudgement judge_guarded(Answer answer, std::string_view body) {
  static GuardPage page(65'536);
  answer.body = as_bytes(page.put(body));
  for (StatusVerdict& one : verdicts) one = {Receipt::delivered, "must not", "survive"};
  return judge_status(answer, kUuids, verdicts, arena);
}

StatusJudgement judge_200(std::string_view body) {
  Answer answer;
  answer.status = 200;
  return judge_guarded(answer, body);
}

const char* const kWholes[] = {"judged", "held", "halve", "later", "unknown"};
const char* const kReceipts[] = {"not_reported", "unclear", "pending", "delivered", "failed"};

std::string seen(const StatusVerdict& one) {
  if (one.receipt == Receipt::not_reported && one.word.empty() && one.error.empty()) return "";
  return std::string(kReceipts[static_cast<int>(one.receipt)]) + "|" + std::string(one.word) + "|" + std::string(one.error);
}

}  // namespace

TEST(status_reply_of_every_shape_has_the_expected_receipts) {
  unsigned number = 0;
  for (const vectors::Vector& v : vectors::read_file("tests/vectors/api/status.txt")) {
    check::at("vector=%u %s", ++number, v.name.c_str());
    CHECK(!v.why.empty());
    Answer answer;
    answer.status = static_cast<std::uint16_t>(v.has("status") ? std::stoi(v.at("status")) : 200);
    answer.encoded = v.has("encoded");
    const std::string retry_after = v.at("retry-after");
    answer.retry_after = retry_after;
    const StatusJudgement got = judge_guarded(answer, with_uuids(v.bytes));
    CHECK_TEXT(kWholes[static_cast<int>(got.whole)], v.has("whole") ? v.at("whole") : "judged");
    CHECK_TEXT(seen(verdicts[0]), v.at("one"));
    CHECK_TEXT(seen(verdicts[1]), v.at("two"));
    CHECK_EQ(got.rate_limited, v.has("rate-limited"));
    CHECK_EQ(got.retry_after_s, v.has("retry") ? std::stoul(v.at("retry")) : 0);
    const bool none = !v.has("one") && !v.has("two");
    const bool unclear = starts_with(v.at("one"), "unclear") || starts_with(v.at("two"), "unclear");
    const bool judged = got.whole == Whole::judged && (none || unclear);
    CHECK_EQ(got.odd, (judged || got.whole == Whole::unknown) && answer.status / 100 == 2 && !v.bytes.empty());
    CHECK_EQ(got.reported, (v.has("one") ? 1U : 0U) + (v.has("two") ? 1U : 0U));
    if (v.has("reason")) CHECK_TEXT(got.reason.view(), v.at("reason"));
    CHECK(!got.reason.view().empty());
  }
  CHECK(number > 80);
}

// A failure of the request says nothing of any message, whatever stands in its body.
TEST(status_reply_of_other_statuses_than_2xx_says_nothing) {
  const std::string body = with_uuids(R"([{"uuid":"@1","status":"delivered"},{"uuid":"@2","status":"failed"}])");
  for (unsigned status = 0; status < 1000; ++status) {
    check::at("status=%u", status);
    Answer answer;
    answer.status = static_cast<std::uint16_t>(status);
    const StatusJudgement got = judge_guarded(answer, body);
    const bool counts = status >= 200 && status < 300 && status != 204 && status != 205;
    CHECK_EQ(got.whole == Whole::judged, counts);
    for (const StatusVerdict& one : verdicts) CHECK_EQ(one.receipt == Receipt::not_reported, !counts);
  }
}

TEST(status_reply_of_an_id_that_two_messages_have_is_clear_for_none) {
  const std::string_view same[] = {kOne, kTwo, kOne};
  StatusVerdict said[3];
  Answer answer;
  answer.status = 200;
  const std::string body = with_uuids(R"([{"uuid":"@1","status":"delivered"},{"uuid":"@2","status":"delivered"}])");
  answer.body = as_bytes(body);
  CHECK(judge_status(answer, same, said, arena).whole == Whole::judged);
  CHECK_TEXT(seen(said[0]), "unclear||contradictory: the id of two messages");
  CHECK_TEXT(seen(said[1]), "delivered|delivered|");
  CHECK_TEXT(seen(said[2]), "unclear||contradictory: the id of two messages");
}

TEST(status_reply_cut_off_anywhere_says_nothing) {
  const std::string body = with_uuids(R"({"messages":{"@1":{"status":"delivered"},"@2":{"status":"undelivered"}}})");
  for (std::size_t size = 0; size < body.size(); ++size) {
    check::at("size=%zu", size);
    CHECK(judge_200(head(body, size)).whole == Whole::unknown);
    for (const StatusVerdict& one : verdicts) CHECK(one.receipt == Receipt::not_reported);
  }
  CHECK(judge_200(body).whole == Whole::judged);
}

TEST(status_reply_larger_than_the_arena_says_nothing) {
  std::string body = "[";
  while (body.size() < kAnswerBytes - 100) body += "[],";
  body += with_uuids(R"({"uuid":"@1","status":"delivered"}])");
  CHECK(judge_200(body).whole == Whole::unknown);
  CHECK(verdicts[0].receipt == Receipt::not_reported);
}

// As long as it may be: what a list shows is bounded and disturbs no terminal.
TEST(status_receipt_is_shown_clean_and_bounded) {
  char text[kMaxReason];
  const std::string word = "a\x1b[31m\xE2\x80\xAE" + std::string(200, 'w');
  TextWriter into(text);
  write_receipt({Receipt::unclear, word, "line\nfeed"}, into);
  const std::string shown(into.view());
  CHECK_TEXT(head(shown, 28), "not a known status: a [31m w");
  CHECK_TEXT(tail(shown, shown.size() - 11), ": line feed");
  CHECK(shown.size() < 80);
  into.clear();
  write_receipt({Receipt::failed, "undelivered", {}}, into);
  CHECK_TEXT(into.view(), "undelivered");
  into.clear();
  write_receipt({Receipt::failed, {}, "absent subscriber"}, into);
  CHECK_TEXT(into.view(), "absent subscriber");
}

TEST(messages_status_body_lists_the_uuids) {
  char text[200];
  JsonWriter json(text);
  open_messages_status(json);
  for (const std::string_view uuid : kUuids) json.element(uuid);
  close_messages_status(json);
  CHECK_TEXT(json.finish().value(), "{\"message_uuids\":[\"" + kOne + "\",\"" + kTwo + "\"]}");
  CHECK(is_plain_uuid(kOne) && is_plain_uuid("A_1.b:2"));
  for (const char* odd : {"", "a\"b", "a\\b", "a b", "a/b", "\xC3\xA9"}) CHECK(!is_plain_uuid(odd));
}

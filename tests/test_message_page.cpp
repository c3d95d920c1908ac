// SPDX-License-Identifier: MIT
// read_message_page() against tests/vectors/api/page.txt, and the dates of these lists. Run from the top folder.
#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "tocsin/wire/message_page.hpp"
#include "vectors/vectors.hpp"

using namespace tocsin;

namespace {

alignas(16) std::uint8_t arena_memory[kReplyArenaBytes];
Arena arena{MutBytes{arena_memory}};
Webhook messages[3];

MessagePage read_guarded(Answer answer, std::string_view body) {
  static GuardPage page(65'536);
  answer.body = as_bytes(page.put(body));
  for (Webhook& one : messages) one = {};
  return read_message_page(answer, messages, arena);
}

const char* const kWholes[] = {"judged", "held", "halve", "later", "unknown"};

std::string seen(const Webhook& one) {
  std::string all;
  for (const std::string_view part : {one.uuid, one.own_id, one.to, one.from, one.status, one.time, one.text})
    all += std::string(part) + "|";
  all.pop_back();
  return all == "||||||" ? "" : all;
}

}  // namespace

TEST(message_page_of_every_shape_has_the_expected_messages) {
  unsigned number = 0;
  for (const vectors::Vector& v : vectors::read_file("tests/vectors/api/page.txt")) {
    check::at("vector=%u %s", ++number, v.name.c_str());
    CHECK(!v.why.empty());
    Answer answer;
    answer.status = static_cast<std::uint16_t>(v.has("status") ? std::stoi(v.at("status")) : 200);
    const std::string retry_after = v.at("retry-after");
    answer.retry_after = retry_after;
    const MessagePage got = read_guarded(answer, v.bytes);
    const auto expected = [&v](const char* key) { return v.at(key) == "||||||" ? std::string() : v.at(key); };
    CHECK_TEXT(kWholes[static_cast<int>(got.whole)], v.has("whole") ? v.at("whole") : "judged");
    CHECK_EQ(got.count, v.has("count") ? std::stoul(v.at("count")) : 0);
    CHECK_EQ(got.total, v.has("total") ? std::stoul(v.at("total")) : 0);
    CHECK_EQ(got.retry_after_s, v.has("retry") ? std::stoul(v.at("retry")) : 0);
    CHECK_TEXT(seen(messages[0]), expected("one"));
    CHECK_TEXT(seen(messages[1]), expected("two"));
    if (v.has("reason")) CHECK_TEXT(got.reason.view(), v.at("reason"));
    CHECK(!got.reason.view().empty());
  }
  CHECK(number > 20);
}

TEST(message_page_cut_off_anywhere_says_nothing) {
  const std::string body = R"({"items":[{"message_uuid":"u-1","text":"x"}],"total":1})";
  Answer answer;
  answer.status = 200;
  for (std::size_t size = 0; size < body.size(); ++size) {
    check::at("size=%zu", size);
    const MessagePage got = read_guarded(answer, head(body, size));
    CHECK(got.whole == Whole::unknown);
    CHECK_EQ(got.count, 0);
  }
  CHECK_EQ(read_guarded(answer, body).count, 1);
}

TEST(message_page_that_is_encoded_says_nothing) {
  Answer answer;
  answer.status = 200;
  answer.encoded = true;
  CHECK(read_guarded(answer, R"({"items":[]})").whole == Whole::unknown);
}

TEST(service_date_of_every_form_is_the_same_moment) {
  const std::int64_t moment = 1'795'347'300'000;  // 2026-11-22 11:35:00
  for (const char* text : {"2026-11-22 11:35:00", "2026-11-22T11:35:00", "2026-11-22T11:35:00Z", "2026-11-22 11:35:00.123456",
                           "2026-11-22T11:35:00.5Z", "2026-11-22T11:35:00+00:00"}) {
    check::at("%s", text);
    const auto read = parse_service_date(text);
    CHECK(read.ok());
    CHECK_EQ(read.value().ms, moment);
  }
  char memory[40];
  TextWriter writer(memory);
  write_service_date(UnixMillis{moment}, writer);
  CHECK_TEXT(writer.view(), "2026-11-22%2011:35:00");
}

TEST(service_date_at_the_ends_of_a_year_a_day_and_an_hour_is_one) {
  std::int64_t before = -1;
  for (const char* text : {"1970-01-01 00:00:00", "2026-01-01 00:00:00", "2026-01-31 11:59:59", "2026-12-31 23:59:59",
                           "2026-12-31 23:59:60"}) {
    check::at("%s", text);
    const auto read = parse_service_date(text);
    CHECK(read.ok() && read.value().ms > before);
    if (read.ok()) before = read.value().ms;
  }
}

TEST(service_date_that_is_none_is_refused) {
  for (const char* text : {"", "2026-11-22", "2026-11-22 11:35", "22.11.2026 11:35:00", "2026-11-22 11:35:00 CET",
                           "2026-11-22T11:35:00+02:00", "2026-13-22 11:35:00", "2026-00-22 11:35:00", "2026-11-32 11:35:00",
                           "2026-11-22 24:35:00", "2026-11-22 11:60:00", "1969-11-22 11:35:00", "2026-11-2x 11:35:00",
                           "1795347300", "2026-11-22_11:35:00"}) {
    check::at("%s", text);
    CHECK(!parse_service_date(text).ok());
  }
}

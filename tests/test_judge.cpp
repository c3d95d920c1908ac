// SPDX-License-Identifier: MIT
// judge() against tests/vectors/api (read its README.md), and what no list of vectors can hold: every
// truncation, every missing byte, limits. Run from the top folder.
#include <cjson/cJSON.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "check.hpp"
#include "tocsin/wire/streams_api.hpp"

using namespace tocsin;

namespace {

alignas(16) std::uint8_t arena_memory[kReplyArenaBytes];
Arena arena{MutBytes{arena_memory}};
MessageVerdict verdicts[kMaxBatch];

// `text` right in front of a page that cannot be read: one byte too many ends the program, in cJSON too, which
// the sanitizers do not see.
Bytes guarded(std::string_view text) {
  constexpr std::size_t kRoom = 65'536;
  static std::uint8_t* const page = [] {
    void* room = mmap(nullptr, 2 * kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    auto* const end = static_cast<std::uint8_t*>(room) + kRoom;
    return mprotect(end, kRoom, PROT_NONE) == 0 ? end : nullptr;
  }();
  CHECK(page != nullptr && text.size() <= kRoom);
  copy({page - text.size(), text.size()}, as_bytes(text));
  return {page - text.size(), text.size()};
}

Judgement judge_guarded(Answer answer, std::string_view body, Span<const std::string_view> ids,
                        Naming naming = Naming::listed) {
  answer.body = guarded(body);
  for (MessageVerdict& one : verdicts) one.fate = Fate::accepted;  // must not survive
  return judge(answer, ids, Span<MessageVerdict>{verdicts, ids.size()}, arena, naming);
}

Judgement judge_200(std::string_view body, Span<const std::string_view> ids) {
  Answer answer;
  answer.status = 200;
  return judge_guarded(answer, body, ids);
}

// ---- vectors -------------------------------------------------------------------------------------------

// Until the next call. (Static, as a failing CHECK runs no destructor.)
const std::string& read_file(const char* path) {
  static std::string text;
  text.clear();
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) {
    print_error("%s cannot be read: run from the top folder\n", path);
    _fail(__FILE__, __LINE__);
  }
  char part[4096];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, file)) > 0;) text.append(part, n);
  std::fclose(file);
  return text;
}

std::string unescape(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    if (text[0] == '%') {
      plain += static_cast<char>(std::strtoul(std::string(head(tail(text, 1), 2)).c_str(), nullptr, 16));
      text = tail(text, 3);
    } else {
      if (text[0] != '\n') plain += text[0];
      text = tail(text, 1);
    }
  }
  return plain;
}

const char* const kWholes[] = {"judged", "held", "halve", "later", "unknown"};
const std::string_view kNamings[] = {"listed", "single", "anonymous"};
const char* const kFates[] = {"unknown", "accepted", "refused", "later"};

struct Expected {
  std::string_view id, fate, uuid, reason;
};

struct Vector {
  Answer answer;
  std::string_view whole, reason, why;
  Naming naming = Naming::listed;
  bool rate_limited = false;
  std::uint64_t retry = 0;
  std::string_view ids[kMaxBatch];
  std::size_t id_count = 0, fate_count = 0;
  Expected fates[kMaxBatch];
  std::string body;
};

// Takes one case (without its == line) apart.
const Vector& parse(std::string_view rest) {
  static Vector v;
  v = Vector{};
  while (!rest.empty()) {
    std::string_view value = take_until(rest, '\n');
    const std::string_view key = take_until(value, ':');
    if (!value.empty()) value.remove_prefix(1);
    if (key == "body") v.body = rest;
    if (key == "body%") v.body = unescape(rest);
    if (key == "body" || key == "body%") return v;
    if (key == "why") {
      v.why = value;
    } else if (key == "status") {
      v.answer.status = static_cast<std::uint16_t>(parse_number(value, 999).value());
    } else if (key == "retry-after") {
      v.answer.retry_after = value;
    } else if (key == "date") {
      v.answer.date = value;
    } else if (key == "now") {
      v.answer.now.ms = static_cast<std::int64_t>(parse_number(value).value()) * 1000;
    } else if (key == "naming") {
      const auto* const found = std::find(std::begin(kNamings), std::end(kNamings), value);
      CHECK(found != std::end(kNamings));
      v.naming = static_cast<Naming>(found - kNamings);
    } else if (key == "encoded") {
      v.answer.encoded = value == "yes";
    } else if (key == "ids") {
      while (!value.empty() && v.id_count < kMaxBatch) v.ids[v.id_count++] = take_until(value, ' ');
    } else if (key == "whole") {
      v.whole = value;
    } else if (key == "rate-limited") {
      v.rate_limited = value == "yes";
    } else if (key == "retry") {
      v.retry = parse_number(value).value();
    } else if (key == "fate" && v.fate_count < kMaxBatch) {
      Expected& fate = v.fates[v.fate_count++];
      fate.id = take_until(value, ' ');
      fate.fate = take_until(value, ' ');
      if (fate.fate == "accepted") fate.uuid = take_until(value, ' ');
      if (fate.uuid == "-") fate.uuid = "";
      fate.reason = value;
    } else if (key == "reason") {
      v.reason = value;
    } else {
      print_error("no field '%.*s'\n", static_cast<int>(key.size()), key.data());
      _fail(__FILE__, __LINE__);
    }
  }
  print_error("no body\n");
  _fail(__FILE__, __LINE__);
  return v;
}

void check_vector(std::string_view text) {
  const Vector& v = parse(text);
  CHECK(!v.why.empty());
  CHECK(v.id_count > 0);
  CHECK_EQ(v.fate_count, v.id_count);
  const Judgement got = judge_guarded(v.answer, v.body, {v.ids, v.id_count}, v.naming);
  CHECK_TEXT(got.reason.view(), v.reason);
  CHECK_TEXT(kWholes[static_cast<int>(got.whole)], v.whole);
  CHECK_EQ(got.rate_limited, v.rate_limited);
  const bool unclear = std::any_of(v.fates, v.fates + v.id_count, [](const Expected& one) { return one.fate == "unknown"; });
  CHECK_EQ(got.odd, unclear && v.answer.status / 100 == 2 && !v.body.empty());
  CHECK_EQ(got.retry_after_s, v.retry);
  for (std::size_t i = 0; i < v.id_count; ++i) {
    CHECK_TEXT(v.ids[i], v.fates[i].id);
    CHECK_TEXT(kFates[static_cast<int>(verdicts[i].fate)], v.fates[i].fate);
    CHECK_TEXT(verdicts[i].uuid.view(), v.fates[i].uuid);
    CHECK_TEXT(verdicts[i].reason.view(), v.fates[i].reason);
  }
}

// Calls `visit` with the text of every case of a file, or of the one that vector=N names.
template <typename Visit>
void for_each_vector(const char* path, const Visit& visit) {
  std::string_view rest = read_file(path);
  if (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
  while (starts_with(rest, "#")) take_until(rest, '\n');
  const std::uint64_t only = check::option("vector", 0);
  unsigned number = 0;
  while (starts_with(rest, "== ")) {
    const std::string_view name = tail(take_until(rest, '\n'), 3);
    const std::size_t end = std::min(rest.find("\n== "), rest.size());
    const std::string_view text = head(rest, end);
    rest = tail(rest, end + 1);
    ++number;
    if (only != 0 && number != only) continue;
    check::at("vector=%u %.*s", number, static_cast<int>(name.size()), name.data());
    visit(text);
  }
  check::at("%s", "");
  CHECK(rest.empty());
  CHECK(number > 0);
}

// Verdicts are used again and again.
TEST(judge_leaves_nothing_of_the_answer_before) {
  const std::string_view ids[] = {"a-1"};
  for (const std::string_view body : {R"({"messages":7})", R"({"messages":[],"messages":[]})", "{}", "[]", ""}) {
    judge_200(R"({"messages":[{"internal_id":"a-1","message_uuid":"u-1","error":null}]})", ids);
    CHECK_TEXT(verdicts[0].uuid.view(), "u-1");
    verdicts[0].reason.assign_cut("of the answer before");
    judge_200(body, ids);
    CHECK_TEXT(verdicts[0].uuid.view(), "");
    CHECK(verdicts[0].reason.view() != "of the answer before");
    CHECK(verdicts[0].fate != Fate::accepted);
  }
}

// The first member of a name counts, whatever a second one says.
TEST(judge_rate_limit_named_by_a_second_member_is_none) {
  const std::string_view ids[] = {"a-1"};
  const Judgement first = judge_200(R"({"error":"RATE_LIMIT","error":null,"messages":[]})", ids);
  CHECK(first.rate_limited);
  const Judgement second = judge_200(R"({"error":null,"error":"RATE_LIMIT","messages":[]})", ids);
  CHECK(!second.rate_limited);
  CHECK(!judge_200(R"({"title":"RATE_LIMIT","messages":[]})", ids).rate_limited);
  CHECK(judge_200(R"({"title":"RATE_LIMIT","detail":"rate_limit","messages":[]})", ids).rate_limited);
}

TEST(judge_recorded_answers_have_the_documented_outcome) {
  for_each_vector("tests/vectors/api/recorded.txt", check_vector);
}
TEST(judge_known_forms_have_the_expected_outcome) {
  for_each_vector("tests/vectors/api/contract.txt", check_vector);
}
TEST(judge_answers_to_single_messages_have_the_expected_outcome) {
  for_each_vector("tests/vectors/api/single.txt", check_vector);
}
// What names nobody is nobody's where many were asked about, or where the request had an id to give back.
TEST(judge_answers_without_an_id_mean_nothing_to_who_gave_one) {
  for_each_vector("tests/vectors/api/single.txt", [](std::string_view text) {
    const Vector& v = parse(text);
    if (v.naming != Naming::anonymous) return;
    for (const Naming other : {Naming::listed, Naming::single}) {
      judge_guarded(v.answer, v.body, {v.ids, 1}, other);
      CHECK(verdicts[0].fate != Fate::accepted && verdicts[0].fate != Fate::refused);
    }
  });
}
TEST(judge_odd_answers_are_never_guessed) { for_each_vector("tests/vectors/api/odd.txt", check_vector); }

// A refusal, a time to wait or a 5xx cannot be turned into an acceptance by any body.
TEST(judge_statuses_other_than_2xx_accept_nothing) {
  for_each_vector("tests/vectors/api/recorded.txt", [](std::string_view text) {
    const Vector& v = parse(text);
    for (unsigned status = 0; status < 1000; ++status) {
      Answer answer;
      answer.status = static_cast<std::uint16_t>(status);
      const Judgement got = judge_guarded(answer, v.body, {v.ids, v.id_count});
      const bool body_counts = status >= 200 && status < 300 && status != 204 && status != 205;
      CHECK(body_counts || got.whole != Whole::judged);
      for (std::size_t i = 0; i < v.id_count; ++i) {
        CHECK(body_counts || verdicts[i].fate == (got.whole == Whole::unknown ? Fate::unknown : Fate::later));
      }
    }
  });
}

// ---- the recorded success, damaged ---------------------------------------------------------------------

const std::string_view kIds[] = {"1003", "1004"};
const std::string_view kUuids[] = {"0562f2aa-5945-4f41-824a-b774fc2e2b2a",
                                   "ed8258f4-43f4-4873-8dc3-49989940edf5"};

std::string recorded_success() {
  const std::string& file = read_file("tests/vectors/api/recorded.txt");
  const std::size_t from = file.find("body:\n") + 6;
  return file.substr(from, file.find("\n== ", from) - from);
}

TEST(judge_of_every_truncation_is_unknown) {
  const std::string body = recorded_success();
  CHECK_EQ(judge_200(body, kIds).whole, Whole::judged);
  CHECK_EQ(verdicts[1].fate, Fate::accepted);
  for (std::size_t cut = check::option("cut", 0); cut < body.size(); ++cut) {
    check::at("cut=%zu", cut);
    CHECK_EQ(judge_200(head(body, cut), kIds).whole, Whole::unknown);
    CHECK_EQ(verdicts[0].fate, Fate::unknown);
    CHECK_EQ(verdicts[1].fate, Fate::unknown);
  }
}

// No damage of one byte may give a message the other one's id, a refusal, or a "later" that is not counted.
void check_damaged(std::string_view body) {
  judge_200(body, kIds);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(verdicts[i].fate == Fate::unknown || verdicts[i].fate == Fate::accepted);
    CHECK(verdicts[i].uuid.view() != kUuids[1 - i]);
  }
}

TEST(judge_without_any_one_byte_never_mixes_messages) {
  const std::string body = recorded_success();
  for (std::size_t gone = check::option("gone", 0); gone < body.size(); ++gone) {
    check::at("gone=%zu", gone);
    std::string damaged = body;
    damaged.erase(gone, 1);
    check_damaged(damaged);
  }
}

TEST(judge_with_any_one_bit_flipped_never_mixes_messages) {
  const std::string body = recorded_success();
  for (std::size_t bit = check::option("bit", 0); bit < body.size() * 8; ++bit) {
    check::at("bit=%zu", bit);
    std::string damaged = body;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    if (damaged.find("\"1003\"") == damaged.rfind("\"1003\"") &&
        damaged.find("\"1004\"") == damaged.rfind("\"1004\""))
      check_damaged(damaged);  // else the flip made one id the other one
  }
}

TEST(judge_with_any_line_gone_or_twice_never_mixes_messages) {
  const std::string body = recorded_success();
  for (std::size_t from = 0; from < body.size();) {
    const std::size_t end = std::min(body.find('\n', from), body.size() - 1) + 1;
    check::at("line_at=%zu", from);
    check_damaged(body.substr(0, from) + body.substr(end));
    check_damaged(body.substr(0, end) + body.substr(from));
    from = end;
  }
}

TEST(judge_of_an_id_turned_into_the_other_keeps_the_first) {
  std::string body = recorded_success();
  body[body.find("\"1004\"") + 4] = '3';
  judge_200(body, kIds);
  CHECK_TEXT(verdicts[0].uuid.view(), kUuids[0]);
  CHECK_EQ(verdicts[1].fate, Fate::unknown);
}

// The small programs read numbers by themselves (toolchains/cjson_trimmed.h), the others with the C library's strtod.
TEST(judge_of_an_id_turned_into_a_number_reads_it_however_it_is_written) {
  struct Written {
    const char* number;
    const char* id;
  };
  const Written same[] = {{"0", "0"},
                          {"-0", "0"},
                          {"7.0", "7"},
                          {"7e0", "7"},
                          {"70e-1", "7"},
                          {"0.7E+1", "7"},
                          {"0.0000000000000000000000007e25", "7"},
                          {"7000000000000000000000000e-24", "7"},
                          {"0e99999999999999999999", "0"},
                          {"80000000000000010e-1", "8000000000000001"},
                          {"900719925474099.1e1", "9007199254740991"},
                          {"9007199254740991.000", "9007199254740991"}};
  for (const Written& written : same) {
    check::at("%s", written.number);
    const std::string_view ids[] = {written.id};
    judge_200(R"({"messages":[{"internal_id":)" + std::string(written.number) + R"(,"message_uuid":"u-1"}]})", ids);
    CHECK_EQ(verdicts[0].fate, Fate::accepted);
  }
  const Written other[] = {{"7.5", "7"},        {"-7", "7"},
                           {"7e-1", "7"},       {"6.99999", "7"},
                           {"1e-99999", "1"},   {"1e99999", "1"},
                           {"0.1e-400", "0.1"}, {"9007199254740993", "9007199254740992"},
                           {"7e1", "7"},        {"18446744073709551623", "7"}};
  for (const Written& written : other) {
    check::at("%s", written.number);
    const std::string_view ids[] = {written.id};
    judge_200(R"({"messages":[{"internal_id":)" + std::string(written.number) + R"(,"message_uuid":"u-1"}]})", ids);
    CHECK_EQ(verdicts[0].fate, Fate::unknown);
  }
}

// ---- limits --------------------------------------------------------------------------------------------

std::string padded_to(std::size_t size) {
  std::string body = R"({"messages":[{"internal_id":"a-1","message_uuid":"u-1"}],"pad":")";
  body.append(size - body.size() - 2, 'x');
  return body + "\"}";
}

TEST(judge_of_the_largest_answer_reads_it) {
  const std::string_view ids[] = {"a-1"};
  judge_200(padded_to(kAnswerBytes), ids);
  CHECK_EQ(verdicts[0].fate, Fate::accepted);
}

TEST(judge_of_an_answer_one_byte_larger_is_unknown) {
  const std::string_view ids[] = {"a-1"};
  const Judgement got = judge_200(padded_to(kAnswerBytes + 1), ids);
  CHECK_EQ(got.whole, Whole::unknown);
  CHECK_EQ(verdicts[0].fate, Fate::unknown);
}

TEST(judge_of_more_values_than_the_arena_holds_is_unknown) {
  const std::string_view ids[] = {"a-1"};
  std::string body = R"({"messages":[{"internal_id":"a-1","message_uuid":"u-1"}],"many":[0)";
  while (body.size() + 4 < kAnswerBytes) body += ",0";
  const Judgement got = judge_200(body + "]}", ids);
  CHECK_EQ(got.whole, Whole::unknown);
  CHECK_EQ(verdicts[0].fate, Fate::unknown);
}

// The largest batch, every key that was ever seen, the longest ids and details as long as we keep.
TEST(judge_of_a_full_batch_fits_the_arena) {
  std::string ids[kMaxBatch];
  std::string_view views[kMaxBatch];
  std::string body = R"({"status":true,"task_id":"251a4cfb-f098-4a84-83a1-66f6273bbb1d","messages":[)";
  for (std::size_t i = 0; i < kMaxBatch; ++i) {
    ids[i] = std::string(kMaxId - 2, 'i') + static_cast<char>('a' + i) + "0";
    views[i] = ids[i];
    body +=
        std::string(i > 0 ? "," : "") + R"({"internal_id":")" + ids[i] + R"(","message_uuid":")" +
        std::string(kMaxUuid - 1, 'u') + static_cast<char>('a' + i) +
        R"(","conversation_uuid":"251a4cfb-f098-4a84-83a1-66f6273bbb1d","error":null,"error_description":null,)"
        R"("details":")" +
        std::string(kMaxReason, 'd') + "\"}";
  }
  Arena fresh{MutBytes{arena_memory}};
  Answer answer;
  answer.status = 200;
  body += "]}";
  answer.body = as_bytes(body);
  const Judgement got = judge(answer, views, verdicts, fresh);
  CHECK_EQ(got.whole, Whole::judged);
  for (std::size_t i = 0; i < kMaxBatch; ++i) {
    CHECK_EQ(verdicts[i].fate, Fate::accepted);
    CHECK_EQ(verdicts[i].uuid.view().back(), 'a' + static_cast<int>(i));
  }
  CHECK(fresh.peak() < kReplyArenaBytes / 2);
  CHECK_EQ(fresh.used(), 0);
}

TEST(judge_with_any_arena_size_is_right_or_unknown) {
  const std::string body = recorded_success();
  Answer answer;
  answer.status = 200;
  answer.body = as_bytes(body);
  bool fitted = false;
  for (std::size_t size = check::option("size", 0); size < 4096; ++size) {
    check::at("size=%zu", size);
    Arena small{MutBytes{arena_memory, size}};
    const Judgement got = judge(answer, kIds, Span<MessageVerdict>{verdicts, 2}, small);
    fitted = got.whole == Whole::judged;
    CHECK_EQ(verdicts[0].fate, fitted ? Fate::accepted : Fate::unknown);
  }
  CHECK(fitted);
}

TEST(judge_leaves_the_allocator_of_cjson_as_it_was) {
  judge_200(recorded_success(), kIds);
  cJSON* mine = cJSON_CreateString("on the heap");
  CHECK(reinterpret_cast<std::uint8_t*>(mine) < arena_memory ||
        reinterpret_cast<std::uint8_t*>(mine) >= arena_memory + sizeof arena_memory);
  cJSON_Delete(mine);
}

TEST(judge_with_fewer_verdicts_than_ids_panics) {
  const Answer answer;
  CHECK_PANICS(judge(answer, kIds, Span<MessageVerdict>{verdicts, 1}, arena));
}

}  // namespace

// SPDX-License-Identifier: MIT
// judge_otp() against tests/vectors/api/otp.txt, and the two bodies. Run from the top folder.
#include "tocsin/wire/otp.hpp"

#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "vectors/vectors.hpp"

using namespace tocsin;

namespace {

alignas(16) std::uint8_t arena_memory[kReplyArenaBytes];
Arena arena{MutBytes{arena_memory}};
const char* const kFates[] = {"done", "refused", "token", "address", "later", "unknown"};

OtpVerdict judge_guarded(Answer answer, std::string_view body) {
  static GuardPage page(65'536);
  answer.body = as_bytes(page.put(body));
  return judge_otp(answer, arena);
}

std::string seen(unsigned status, std::string_view body) {
  Answer answer;
  answer.status = static_cast<std::uint16_t>(status);
  return kFates[static_cast<int>(judge_guarded(answer, body).fate)];
}

template <typename Write>
std::string written(const Write& write) {
  char room[300];
  JsonWriter json(room);
  write(json);
  const auto body = json.finish();
  CHECK_OK(body);
  return std::string(body.value());
}

}  // namespace

TEST(otp_answer_of_every_form_has_the_expected_fate) {
  unsigned number = 0;
  for (const vectors::Vector& v : vectors::read_file("tests/vectors/api/otp.txt")) {
    check::at("vector=%u %s", ++number, v.name.c_str());
    CHECK(!v.why.empty());
    Answer answer;
    answer.status = static_cast<std::uint16_t>(v.has("status") ? std::stoi(v.at("status")) : 200);
    answer.encoded = v.has("encoded");
    const std::string retry_after = v.at("retry-after");
    answer.retry_after = retry_after;
    const OtpVerdict got = judge_guarded(answer, v.bytes);
    CHECK_TEXT(kFates[static_cast<int>(got.fate)], v.at("fate"));
    CHECK_EQ(got.retry_after_s, v.has("retry") ? std::stoul(v.at("retry")) : 0);
    CHECK_EQ(got.odd, got.fate == OtpFate::unknown && answer.status / 100 == 2 && !v.bytes.empty());
    if (v.has("reason")) CHECK_TEXT(got.reason.view(), v.at("reason"));
    CHECK(got.fate == OtpFate::done || !got.reason.view().empty());
  }
  CHECK(number > 40);
}

TEST(otp_yes_with_any_other_status_than_2xx_is_none) {
  for (unsigned status = 0; status < 1000; ++status) {
    check::at("status=%u", status);
    const bool good = status >= 200 && status < 300 && status != 204 && status != 205;
    CHECK_EQ(seen(status, R"({"status":true})") == "done", good);
  }
}

// One byte of an answer that was changed on its way does not make a yes of a no.
TEST(otp_no_with_any_byte_changed_is_never_a_yes) {
  const std::string no = R"({"status":false,"message":"Wrong code"})";
  for (std::size_t at = 0; at < no.size(); ++at)
    for (unsigned byte = 0; byte < 256; ++byte) {
      check::at("at=%zu byte=%u", at, byte);
      std::string changed = no;
      changed[at] = static_cast<char>(byte);
      CHECK(seen(200, changed) != "done");
    }
}

TEST(otp_yes_cut_anywhere_is_none) {
  const std::string yes = R"({"status":true,"data":{"verified":true}})";
  CHECK_TEXT(seen(200, yes), "done");
  for (std::size_t size = 0; size < yes.size(); ++size) {
    check::at("size=%zu", size);
    CHECK_TEXT(seen(200, yes.substr(0, size)), "unknown");
  }
}

TEST(otp_auth_body_has_what_was_observed_and_nothing_that_is_empty) {
  const auto body = [](std::string_view code, std::string_view sender) {
    return written([&](JsonWriter& json) { write_otp_auth("447700900123", code, sender, json); });
  };
  CHECK_TEXT(body("48213", "GLOBAL"),
             R"({"recipient_phone":"447700900123","template_variables":{"code":"48213"},"sender":"GLOBAL"})");
  CHECK_TEXT(body("", "GLOBAL"), R"({"recipient_phone":"447700900123","sender":"GLOBAL"})");
  CHECK_TEXT(body("48213", ""), R"({"recipient_phone":"447700900123","template_variables":{"code":"48213"}})");
  CHECK_TEXT(body("", ""), R"({"recipient_phone":"447700900123"})");
  CHECK_TEXT(body("", "A\"B"), R"({"recipient_phone":"447700900123","sender":"A\"B"})");
}

TEST(otp_verify_body_has_phone_and_code) {
  CHECK_TEXT(written([](JsonWriter& json) { write_otp_verify("447700900123", "48213", json); }),
             R"({"recipient_phone":"447700900123","code":"48213"})");
}

TEST(otp_code_has_4_to_32_letters_digits_and_hyphens) {
  for (const char* good : {"1234", "48213", "AB-12", "00000", "abcdefghijklmnopqrstuvwxyz012345"}) CHECK(is_code(good));
  for (const char* bad : {"", "123", "12 34", "1234\n", "\xC3\xA9\xC3\xA9", "12345_", "abcdefghijklmnopqrstuvwxyz0123456"})
    CHECK(!is_code(bad));
}

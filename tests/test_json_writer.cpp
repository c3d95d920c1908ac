// SPDX-License-Identifier: MIT
#include "tocsin/wire/json_writer.hpp"

#include <cjson/cJSON.h>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "tocsin/base/text.hpp"
#include "vectors/vectors.hpp"

using namespace tocsin;
using namespace std::string_view_literals;
using vectors::Vector;

namespace {

const std::vector<Vector>& texts() {
  static const std::vector<Vector> texts = vectors::read_file("tests/vectors/json/texts.txt");
  return texts;
}

// [text] written into exactly `room` bytes that end at a guard.
Result<std::string_view> write_array_of(std::string_view text, MutBytes room) {
  JsonWriter json({reinterpret_cast<char*>(room.data()), room.size()});
  json.open_array();
  json.element(text);
  json.close_array();
  return json.finish();
}

// What any text becomes, character by character: slow, and too simple to be wrong.
std::string reference(std::string_view text, bool& good) {
  std::string out = "\"";
  good = is_utf8(text);
  for (const char c : text) {
    char four[8];
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        std::snprintf(four, sizeof four, "\\u%04x", static_cast<unsigned>(c));
        out += c >= 0 && c < 0x20 ? std::string(four) : std::string(1, c);
    }
  }
  return out + "\"";
}

TEST(json_writer_text_vectors_come_out_as_written_down) {
  for (std::size_t n = check::option("vector", 0); n < texts().size(); ++n) {
    const Vector& v = texts()[n];
    check::at("vector=%zu name=%s", n, v.name.c_str());
    GuardPage in(4096), out(4096);
    const std::string_view text = in.put(v.bytes);
    if (v.has("bad")) {
      CHECK_CODE(write_array_of(text, out.last(4096)), Code::bad_value);
      continue;
    }
    const std::string want = "[" + v.at("json") + "]";
    const auto written = write_array_of(text, out.last(want.size()));
    CHECK_OK(written);
    CHECK_TEXT(written.value(), want);
  }
}

// A machine word at a time must not change what a byte at a time would do, wherever in it the byte lies:
// every byte value at every place of texts of up to 40 bytes.
TEST(json_writer_any_byte_at_any_place_is_treated_the_same) {
  GuardPage in(4096), out(4096);
  const std::size_t from = check::option("length", 1), to = check::has_option("length") ? from : 40;
  for (std::size_t length = from; length <= to; ++length)
    for (std::size_t at = 0; at < length; ++at)
      for (unsigned c = 0; c < 256; ++c) {
        check::at("length=%zu place=%zu byte=%u", length, at, c);
        std::string text(length, 'a');
        for (std::size_t k = 0; k < length; ++k) text[k] = " !#[]~\x7fz"[(k + length) % 8];
        text[at] = static_cast<char>(c);
        bool good = false;
        const std::string want = "[" + reference(text, good) + "]";
        const auto written = write_array_of(in.put(text), out.last(want.size()));
        CHECK_CODE(written, good ? Code::ok : Code::bad_value);
        if (good) CHECK_TEXT(written.value(), want);
      }
}

TEST(json_writer_random_texts_are_escaped_like_the_reference) {
  GuardPage in(4096), out(8192);
  std::uint64_t random = 88172645463325252U;
  const auto below = [&random](std::size_t limit) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    return static_cast<std::size_t>(random >> 11) % limit;
  };
  const char* const parts[] = {"\"", "\\", "\n", "\x01", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\xa8", "plain", "a",
                               "a longer run of plain text", "\xc3", "\x80"};
  for (int n = 0; n < 20'000; ++n) {
    check::at("case=%d", n);
    std::string text;
    for (std::size_t k = below(20); k > 0; --k) text += parts[below(below(4) == 0 ? 12 : 10)];
    bool good = false;
    const std::string want = "[" + reference(text, good) + "]";
    const auto written = write_array_of(in.put(text), out.last(want.size()));
    CHECK_CODE(written, good ? Code::ok : Code::bad_value);
    if (good) CHECK_TEXT(written.value(), want);
  }
}

void write_everything(JsonWriter& json) {
  json.open_object();
  json.field("text", "a \"quoted\" word"sv);
  json.field("a key with \"quotes\" and \xc3\xa9", std::string_view{});
  json.field("number", std::uint64_t{18446744073709551615U});
  json.field("negative", std::int64_t{INT64_MIN});
  json.field("small", std::uint32_t{7});
  json.field("small_negative", std::int32_t{-7});
  json.field("yes", true);
  json.field("no", false);
  json.null_field("nothing");
  json.text_or_null("absent", "");
  json.text_or_null("present", "p");
  json.open_object("object");
  json.close_object();
  json.open_array("array");
  json.element("x");
  json.element("");
  json.open_object();
  json.field("deep", "er"sv);
  json.close_object();
  json.open_array();
  json.close_array();
  json.close_array();
  json.field("last", 0U);
  json.close_object();
}

constexpr std::string_view kEverything =
    "{\"text\":\"a \\\"quoted\\\" word\",\"a key with \\\"quotes\\\" and \xc3\xa9\":\"\","
    "\"number\":18446744073709551615,\"negative\":-9223372036854775808,\"small\":7,\"small_negative\":-7,"
    "\"yes\":true,\"no\":false,\"nothing\":null,\"absent\":null,\"present\":\"p\",\"object\":{},"
    "\"array\":[\"x\",\"\",{\"deep\":\"er\"},[]],\"last\":0}";

TEST(json_writer_every_kind_of_value_in_its_place) {
  GuardPage out(4096);
  const MutBytes room = out.last(kEverything.size());
  JsonWriter json({reinterpret_cast<char*>(room.data()), room.size()});
  write_everything(json);
  const auto text = json.finish();
  CHECK_OK(text);
  CHECK_TEXT(text.value(), kEverything);
  CHECK_EQ(json.size(), kEverything.size());
  cJSON* parsed = cJSON_ParseWithLength(text.value().data(), text.value().size());
  CHECK(parsed != nullptr);
  cJSON_Delete(parsed);
}

TEST(json_writer_at_every_size_of_buffer_is_whole_or_full) {
  for (std::size_t room = 0; room < kEverything.size(); ++room) {
    check::at("room=%zu", room);
    GuardPage out(4096);
    const MutBytes into = out.last(room);
    JsonWriter json({reinterpret_cast<char*>(into.data()), into.size()});
    write_everything(json);
    CHECK_CODE(json.finish(), Code::full);
    CHECK_EQ(json.size(), kEverything.size());
  }
}

TEST(json_writer_with_an_empty_buffer_measures) {
  JsonWriter json({});
  write_everything(json);
  CHECK_CODE(json.finish(), Code::full);
  CHECK_EQ(json.size(), kEverything.size());
}

TEST(json_writer_bad_utf8_sticks_and_is_told_before_full) {
  char room[8];
  JsonWriter json(room);
  json.open_object();
  json.field("a", "\xff"sv);
  json.field("b", "fine, but much too long for the buffer"sv);
  json.close_object();
  CHECK_CODE(json.finish(), Code::bad_value);
}

TEST(json_writer_bad_utf8_in_a_key_is_refused) {
  char room[64];
  JsonWriter json(room);
  json.open_object();
  json.field("\xc3", "x"sv);
  json.close_object();
  CHECK_CODE(json.finish(), Code::bad_value);
}

TEST(json_writer_32_deep_is_written_and_33_is_too_big) {
  for (int depth = 32; depth <= 100; depth += depth < 34 ? 1 : 33) {
    check::at("depth=%d", depth);
    char room[512];
    JsonWriter json(room);
    for (int n = 0; n < depth; ++n) json.open_array();
    for (int n = 0; n < depth; ++n) json.close_array();
    const auto text = json.finish();
    CHECK_CODE(text, depth <= 32 ? Code::ok : Code::too_big);
    if (depth <= 32) CHECK_TEXT(text.value(), std::string(32, '[') + std::string(32, ']'));
  }
}

TEST(json_writer_commas_return_with_their_depth) {
  char room[256];
  JsonWriter json(room);
  json.open_array();
  for (int n = 0; n < 31; ++n) json.open_array();
  json.element("x");
  json.element("y");
  for (int n = 0; n < 31; ++n) {
    json.close_array();
    json.element("z");
  }
  json.close_array();
  const auto text = json.finish();
  CHECK_OK(text);
  std::string want = std::string(32, '[') + "\"x\",\"y\"]";
  for (int n = 0; n < 31; ++n) want += ",\"z\"]";
  CHECK_TEXT(text.value(), want);
}

TEST(json_writer_misused_is_the_programmers_fault) {
  char room[64];
  CHECK_PANICS(JsonWriter json(room); json.open_object(); json.finish().status().ignore());
  CHECK_PANICS(JsonWriter json(room); json.close_object());
  CHECK_PANICS(JsonWriter json(room); json.open_object(); json.close_array());
  CHECK_PANICS(JsonWriter json(room); json.open_array(); json.close_object());
  CHECK_PANICS(JsonWriter json(room); json.field("key", "outside"sv));
  CHECK_PANICS(JsonWriter json(room); json.open_array(); json.field("key", "in an array"sv));
  CHECK_PANICS(JsonWriter json(room); json.open_array(); json.null_field("in an array"));
  CHECK_PANICS(JsonWriter json(room); json.open_object(); json.element("without a key"));
  CHECK_PANICS(JsonWriter json(room); json.open_array(); json.close_array(); json.open_array());
}

}  // namespace

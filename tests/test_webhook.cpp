// SPDX-License-Identifier: MIT
#include "tocsin/wire/webhook.hpp"

#include <string>

#include "check.hpp"
#include "tocsin/base/text.hpp"

using namespace tocsin;

namespace {

std::uint8_t arena_memory[32'768];

MutBytes bytes_of(std::string& text) { return {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}; }

// All that was found, in words; several with " | " between them, and how many there were where not all are there.
std::string read(std::string query, std::string body, std::size_t room = 8) {
  Arena arena({arena_memory, sizeof arena_memory});
  Webhook hooks[8];
  const std::size_t count = read_webhooks(bytes_of(query), bytes_of(body), arena, Span<Webhook>{hooks}.first(room));
  std::string text;
  for (std::size_t at = 0; at < count && at < room; ++at) {
    const Webhook& hook = hooks[at];
    text += at > 0 ? " | " : "";
    text += hook.kind == Webhook::Kind::incoming  ? "incoming"
            : hook.kind == Webhook::Kind::receipt ? "receipt"
                                                  : "unknown";
    const auto add = [&text](const char* name, std::string_view value) {
      if (!value.empty()) text.append(" ").append(name).append("=").append(value);
    };
    add("uuid", hook.uuid), add("id", hook.own_id), add("status", hook.status), add("text", hook.text);
    add("from", hook.from), add("to", hook.to), add("time", hook.time);
  }
  return count <= room ? text : text + " of " + std::to_string(count);
}

}  // namespace

TEST(webhook_incoming_is_found_in_each_form) {
  const std::string expect = "incoming text=ACK K7QP from=447700900123 to=447700900999 time=2026-11-22 08:00:00";
  CHECK_TEXT(read("text=ACK%20K7QP&from=447700900123&to=447700900999&received_at=2026-11-22+08%3a00%3A00", ""), expect);
  CHECK_TEXT(read("", "body=ACK+K7QP&source_number=447700900123&destination_number=447700900999&date=2026-11-22+08:00:00"),
             expect);
  CHECK_TEXT(read("", R"({"text":"ACK K7QP","from":447700900123,"to":"447700900999","received_at":"2026-11-22 08:00:00"})"),
             expect);
  CHECK_TEXT(read("", R"( {"type":"incoming","data":{"content":{"type":"text","body":"ACK K7QP"},"sender":"447700900123",
                           "recipient":447700900999},"timestamp":"2026-11-22 08:00:00"})"), expect);
}

TEST(webhook_receipt_is_found_in_each_form) {
  const std::string expect = "receipt uuid=0562f2aa id=dev-x7qz-17 status=delivered";
  CHECK_TEXT(read("message_uuid=0562f2aa&internal_id=dev-x7qz-17&status=delivered", ""), expect);
  CHECK_TEXT(read("", "uuid=0562f2aa&external_key=dev-x7qz-17&message_status=delivered"), expect);
  CHECK_TEXT(read("", R"({"id":"0562f2aa","internal_id":"dev-x7qz-17","delivery_status":"delivered"})"), expect);
  CHECK_TEXT(read("", R"({"message":{"id":"0562f2aa","status":"delivered"},"internal_id":"dev-x7qz-17"})"), expect);
  CHECK_TEXT(read("", R"({"internal_id":17,"status":"teleported","text":"Sump"})"),
             "receipt id=17 status=teleported text=Sump");
}

TEST(webhook_first_name_in_the_stated_order_counts) {
  CHECK_TEXT(read("id=c&uuid=b&message_uuid=a&status=s", ""), "receipt uuid=a status=s");
  CHECK_TEXT(read("", R"({"id":"c","uuid":"b","status":"s"})"), "receipt uuid=b status=s");
  CHECK_TEXT(read("text=1&text=2", ""), "incoming text=1");
  CHECK_TEXT(read("message_content=4&message=3&body=2&text=1", ""), "incoming text=1");
  // The outer object before those in it, and an earlier name in those before a later one outside.
  CHECK_TEXT(read("", R"({"a":{"text":"in"},"text":"out"})"), "incoming text=out");
  CHECK_TEXT(read("", R"({"a":{"text":"in"},"body":"out"})"), "incoming text=in");
  CHECK_TEXT(read("", R"({"a":{"b":{"text":"deep"}},"c":{"text":"less"}})"), "incoming text=deep");
}

// Body before query, and each value by itself: some services name the device in the address.
TEST(webhook_query_fills_what_the_body_does_not_say) {
  CHECK_TEXT(read("from=1&text=query", R"({"text":"body"})"), "incoming text=body from=1");
  CHECK_TEXT(read("from=1&text=query", "text=body"), "incoming text=body from=1");
  CHECK_TEXT(read("from=1&text=query", "<xml/>"), "incoming text=query from=1");
}

TEST(webhook_kind_follows_from_what_is_there) {
  CHECK_TEXT(read("", ""), "unknown");
  CHECK_TEXT(read("status=delivered", ""), "unknown status=delivered");
  CHECK_TEXT(read("status=delivered&text=a", ""), "unknown status=delivered text=a");
  CHECK_TEXT(read("uuid=a", ""), "unknown uuid=a");
  CHECK_TEXT(read("from=1", ""), "unknown from=1");
  CHECK_TEXT(read("", "{\"text\":\"a\"} x"), "unknown");
}

TEST(webhook_values_of_other_types_count_as_absent) {
  CHECK_TEXT(read("", R"({"status":true,"id":1,"text":"a"})"), "incoming uuid=1 text=a");
  CHECK_TEXT(read("", R"({"status":1,"id":1,"text":"a"})"), "incoming uuid=1 text=a");
  CHECK_TEXT(read("", R"({"uuid":null,"id":"a","status":"sent"})"), "receipt uuid=a status=sent");
  CHECK_TEXT(read("", R"({"uuid":["b"],"id":"a","status":"sent"})"), "receipt uuid=a status=sent");
  CHECK_TEXT(read("", R"({"text":"","body":"a"})"), "incoming text=a");
  CHECK_TEXT(read("", R"({"text":7,"from":1.5,"sender":-1,"sender_phone":9007199254740993})"), "unknown");
  CHECK_TEXT(read("", R"({"text":"a","from":9007199254740991})"), "incoming text=a from=9007199254740991");
  CHECK_TEXT(read("", R"({"text":"a","from":{"name":"b"},"sender":"1"})"), "incoming text=a from=1");
}

TEST(webhook_broken_characters_make_a_value_absent_but_a_text) {
  CHECK_TEXT(read("text=a%00b%FF&from=1%002&source_number=1%FF&sender=3", ""),
             std::string("incoming text=a\0b\xFF from=3", 25));
  CHECK_TEXT(read("", R"({"uuid":"a\u0007","id":"b","status":"se\nnt","message_status":"sent"})"),
             "receipt uuid=b status=sent");
  CHECK_TEXT(read("status=sent%7F&id=1&text=a", ""), "incoming uuid=1 text=a");
}

TEST(webhook_percent_codes_that_are_none_stay) {
  CHECK_TEXT(read("text=50%25+%2+%zz+%", ""), "incoming text=50% %2 %zz %");
  CHECK_TEXT(read("text=a%3Db%26c=d&te%78t=e", ""), "incoming text=a=b&c=d");
  CHECK_TEXT(read("&&=&text&text=&te%78t=e&", ""), "unknown");
  CHECK_TEXT(read("&&=&text&te%78t=e&", ""), "incoming text=e");
}

TEST(webhook_of_many_pairs_is_read_as_far_as_there_is_room) {
  std::string pairs;
  for (int n = 0; n < 31; ++n) pairs += "a" + std::to_string(n) + "=b&";
  CHECK_TEXT(read(pairs + "text=in", ""), "incoming text=in");
  CHECK_TEXT(read(pairs + "x=y&text=out", ""), "unknown");
}

TEST(webhook_of_a_list_tells_of_each_element_by_itself) {
  const std::string list = R"([{"from":"1","text":"a"},{"id":"b","status":"sent"},{"x":1},{"from":"2","text":"c"}])";
  const std::string expect = "incoming text=a from=1 | receipt uuid=b status=sent | unknown | incoming text=c from=2";
  CHECK_TEXT(read("", list), expect);
  CHECK_TEXT(read("", R"({"messages":)" + list + "}"), expect);
  CHECK_TEXT(read("", R"({"status":"ok","n":[1],"e":[],"data":{"x":{},"items":)" + list + "}}"), expect);
  CHECK_TEXT(read("to=3", R"([{"text":"a"},{"text":"b"}])"), "incoming text=a to=3 | incoming text=b to=3");
  // Which of several counts; what tells of something by itself is one.
  CHECK_TEXT(read("", R"({"in":{"l":[{"text":"in"}]},"l":[{"text":"out"}],"m":[{"text":"more"}]})"), "incoming text=out");
  CHECK_TEXT(read("", R"({"text":"a","l":[{"text":"b"},{"text":"c"}]})"), "incoming text=a");
  // What is no list of objects is none.
  for (const char* none : {"[]", "[1]", R"(["text"])", R"([[{"text":"a"}]])", R"({"l":[[{"text":"a"}]]})", R"([null,{"text":"a"}])"})
    CHECK_TEXT(read("", none), "unknown");
  CHECK_TEXT(read("", R"([{"text":"a"},null,7,"text"])"), "incoming text=a | unknown | unknown | unknown");
}

TEST(webhook_of_more_than_there_is_room_for_says_how_many) {
  CHECK_TEXT(read("", R"([{"text":"a"},{"text":"b"},{"text":"c"}])", 3), "incoming text=a | incoming text=b | incoming text=c");
  CHECK_TEXT(read("", R"([{"text":"a"},{"text":"b"},{"text":"c"}])", 2), "incoming text=a | incoming text=b of 3");
}

// An arena too small for the JSON, or for the digits: absent, never something else.
TEST(webhook_without_memory_finds_nothing_wrong) {
  std::uint8_t body[] = R"({"text":"ACK K7QP","from":447700900123,"to":447700900999})";
  for (std::size_t size = 0; size < 2048; size += 8) {
    check::at("size=%zu", size);
    Arena arena({arena_memory, size});
    Webhook hook;
    CHECK_EQ(read_webhooks({}, {body, sizeof body - 1}, arena, {&hook, 1}), 1);
    CHECK(hook.text.empty() || hook.text == "ACK K7QP");
    CHECK(hook.from.empty() || hook.from == "447700900123");
    CHECK(hook.to.empty() || hook.to == "447700900999");
  }
}

// SPDX-License-Identifier: MIT
#include "tocsin/wire/streams_api.hpp"

#include <cjson/cJSON.h>

#include "check.hpp"

using namespace tocsin;

namespace {

char buffer[kRequestBodyBytes];

std::string_view written(Span<const OutgoingText> messages) {
  JsonWriter json(buffer);
  open_simple_send(json);
  for (const OutgoingText& one : messages) add_message(json, one);
  close_simple_send(json);
  const Result<std::string_view> body = json.finish();
  CHECK_OK(body);
  return body.value();
}

std::string_view field(const cJSON* message, const char* key) {
  const cJSON* value = cJSON_GetObjectItemCaseSensitive(message, key);
  CHECK(cJSON_IsString(value) != 0);
  return value->valuestring;
}

// What another reader of JSON finds is exactly what was given.
void check_round_trip(Span<const OutgoingText> messages) {
  const std::string_view body = written(messages);
  cJSON* root = cJSON_ParseWithLength(body.data(), body.size());
  CHECK(root != nullptr);
  CHECK_EQ(cJSON_GetArraySize(root), 1);
  const cJSON* list = cJSON_GetObjectItemCaseSensitive(root, "messages");
  CHECK(cJSON_IsArray(list) != 0);
  CHECK_EQ(cJSON_GetArraySize(list), messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const cJSON* got = cJSON_GetArrayItem(list, static_cast<int>(i));
    const OutgoingText& want = messages[i];
    CHECK_EQ(cJSON_GetArraySize(got), want.sender.empty() ? 3 : 4);
    CHECK_TEXT(field(got, "internal_id"), want.internal_id);
    CHECK_TEXT(field(got, "recipient_phone"), want.phone);
    CHECK_TEXT(field(got, "message_content"), want.text);
    if (want.sender.empty()) {
      CHECK(cJSON_GetObjectItem(got, "sender") == nullptr);
    } else {
      CHECK_TEXT(field(got, "sender"), want.sender);
    }
  }
  cJSON_Delete(root);
}

TEST(simple_send_of_two_messages_is_the_documented_body) {
  const OutgoingText messages[] = {{"1003", "GLOBAL", "972524265292", "test message 1"},
                                   {"1004", "GLOBAL", "972545330008", "test message 2"}};
  CHECK_TEXT(written(messages), R"({"messages":[)"
                                R"({"internal_id":"1003","sender":"GLOBAL","recipient_phone":"972524265292",)"
                                R"("message_content":"test message 1"},)"
                                R"({"internal_id":"1004","sender":"GLOBAL","recipient_phone":"972545330008",)"
                                R"("message_content":"test message 2"}]})");
  check_round_trip(messages);
}

TEST(simple_send_without_a_sender_leaves_the_key_out) {
  const OutgoingText messages[] = {{"gw7-1", "", "447700900123", "Pump 3: level high"},
                                   {"gw7-2", "PUMPS", "447700900124", "Pump 3: level high"}};
  CHECK(written(messages).find("\"\"") == std::string_view::npos);
  check_round_trip(messages);
}

TEST(simple_send_of_hostile_texts_arrives_as_given) {
  const OutgoingText messages[] = {
      {"a\"b", "\\", "447700900123", "\"},{\"internal_id\":\"evil\",\"recipient_phone\":\"447700900999"},
      {"id\\", "A\"B", "447700900124", "line 1\nline 2\r\n\ttab \b\f\x1B[31m \x01\x1F end\\"},
      {"i", "s", "447700900125",
       "\xF0\x9F\x94\xA5 fire \xE2\x80\xA8 separator \xE2\x80\xA9 \xC2\xB0"
       "C \x7F \xEF\xBF\xBD"},
      {"i/1", "</script>", "447700900126", "\\u0041 \\n {{text}} %s ' ` </script> &amp;"},
      {"e", "", "447700900127", ""},
  };
  check_round_trip(messages);
}

TEST(simple_send_of_bad_utf8_is_an_error) {
  JsonWriter json(buffer);
  open_simple_send(json);
  add_message(json, {"gw7-1", "", "447700900123",
                     "30 \xB0"
                     "C"});
  close_simple_send(json);
  CHECK_CODE(json.finish(), Code::bad_value);
}

TEST(simple_send_larger_than_the_buffer_is_full) {
  const OutgoingText message{"gw7-1", "PUMPS", "447700900123", "Pump 3: level high"};
  const std::size_t size = written({&message, 1}).size();
  for (std::size_t room = 0; room <= size; ++room) {
    JsonWriter json({buffer, room});
    open_simple_send(json);
    add_message(json, message);
    close_simple_send(json);
    CHECK_CODE(json.finish(), room < size ? Code::full : Code::ok);
    CHECK_EQ(json.size(), size);
  }
}

// As a live integration sends it.
TEST(event_send_of_two_messages_is_the_form_that_was_seen) {
  JsonWriter json(buffer);
  open_event_send(json, "alarm");
  OutgoingText message{"gw7-125", "GLOBAL", "447700900123", "Pump 3: level \"high\"", "gw7", "high-level", "critical", "raised"};
  add_recipient(json, message, kAllVariables);
  message.internal_id = "gw7-126";
  message.sender = message.alarm = message.state = {};
  add_recipient(json, message, 1 | 4);
  close_event_send(json);
  const auto body = json.finish();
  CHECK_OK(body);
  CHECK_TEXT(body.value(),
             R"({"event":"alarm","recipients":[)"
             R"({"internal_id":"gw7-125","recipient_phone":"447700900123","sender":"GLOBAL","template_variables":)"
             R"({"text":"Pump 3: level \"high\"","device":"gw7","alarm":"high-level","class":"critical","state":"raised"}},)"
             R"({"internal_id":"gw7-126","recipient_phone":"447700900123","template_variables":)"
             R"({"text":"Pump 3: level \"high\"","alarm":""}}]})");
}

// Any text travels at most six times as long (\u001f), so a batch of one always fits.
TEST(simple_send_of_the_longest_message_fits_a_request) {
  static char text[kMaxText];
  static char name[kMaxId];
  std::memset(text, 0x1F, sizeof text);
  std::memset(name, '"', sizeof name);
  const OutgoingText message{{name, kMaxId}, {name, kMaxSender}, "447700900123456", {text, kMaxText}};
  check_round_trip({&message, 1});
  static char key[kMaxEvent];
  std::memset(key, '"', sizeof key);
  const OutgoingText of_event{{name, kMaxId}, {name, kMaxSender}, "447700900123456", {text, kMaxText},
                              {name, kMaxDeviceName}, {name, kMaxName}, "critical", "cleared"};
  JsonWriter json(buffer);
  open_event_send(json, {key, sizeof key});
  add_recipient(json, of_event, kAllVariables);
  close_event_send(json);
  CHECK_OK(json.finish());
}

}  // namespace

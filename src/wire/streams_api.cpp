// SPDX-License-Identifier: MIT
#include "tocsin/wire/streams_api.hpp"

namespace tocsin {

using namespace std::string_view_literals;

void open_simple_send(JsonWriter& json) {
  json.open_object();
  json.open_array("messages");
}

void add_message(JsonWriter& json, const OutgoingText& message) {
  json.open_object();
  json.field("internal_id"sv, message.internal_id);
  if (!message.sender.empty()) json.field("sender"sv, message.sender);  // "" would not mean the default
  json.field("recipient_phone"sv, message.phone);
  json.field("message_content"sv, message.text);
  json.close_object();
}

void close_simple_send(JsonWriter& json) {
  json.close_array();
  json.close_object();
}

}  // namespace tocsin

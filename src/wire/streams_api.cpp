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

std::size_t find_place(std::string_view name) {
  for (std::size_t at = 0; at < kPlaceCount; ++at)
    if (kPlaces[at] == name) return at;
  return kNotFound;
}

std::string_view value_at(std::size_t place, const OutgoingText& message) {
  const std::string_view values[] = {message.text,  message.device, message.alarm,       message.message_class,
                                     message.state, message.phone,  message.internal_id, message.sender,
                                     message.code};
  static_assert(sizeof values / sizeof *values == kPlaceCount);
  return values[place];
}

void open_event_send(JsonWriter& json, std::string_view event) {
  json.open_object();
  json.field("event"sv, event);
  json.open_array("recipients");
}

void add_recipient(JsonWriter& json, const OutgoingText& message, Places variables) {
  json.open_object();
  json.field("internal_id"sv, message.internal_id);
  json.field("recipient_phone"sv, message.phone);
  if (!message.sender.empty()) json.field("sender"sv, message.sender);
  json.open_object("template_variables");
  for (std::size_t at = 0; at < kVariables; ++at)
    if (has(variables, at)) json.field(kPlaces[at], value_at(at, message));
  json.close_object();
  json.close_object();
}

void close_event_send(JsonWriter& json) { close_simple_send(json); }

}  // namespace tocsin

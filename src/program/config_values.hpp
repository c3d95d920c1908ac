// SPDX-License-Identifier: MIT
// One value of the configuration, checked into its type. Only for config_*.cpp.
//
// A value that is no good is reported and leaves `into` as it was. Memory: views. Threads: none.
#pragma once

#include "port/linux/resolver.hpp"
#include "src/program/config.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxControlPathBytes = 107;  // sockaddr_un, without its zero
inline constexpr std::size_t kMaxUrlPath = 128;  // bytes of base_url's path: the request head has its limit
inline constexpr std::size_t kMaxSendPath = 90;  // bytes of a path behind it

struct Value {
  std::string_view key;
  std::string_view written;  // never empty
  std::uint32_t line;
  ConfigErrors& errors;

  void warn_of_surroundings() const;  // quotes, a comment behind the value, a \n
  void device_name(std::string_view& into) const;
  void path(std::size_t longest, std::string_view& into) const;
  void queue_size(std::uint32_t& into) const;
  void stream_type(StreamType& into) const;
  void service(Service& into) const;
  void base_url(StreamConfig& into) const;
  void url_path(std::string_view& into) const;
  void request_kind(RequestKind& into) const;
  void event(std::string_view& into) const;
  void variables(Places& into) const;
  void proxy(StreamConfig& into) const;
  void listen(HookConfig& into) const;
  void field_name(std::string_view& into) const;
  void sender(std::string_view& into) const;  // warns of what networks do not take
  void pins(std::string_view& into) const;
  void duration(Millis least, Millis most, Millis& into, std::string_view or_word = {}) const;
  void duration_or(std::string_view word, Millis least, Millis most, Millis& into) const;  // the word: 0
  void limit(std::uint16_t& into) const;                                                   // none: 0
  void on_unknown(OnUnknown& into) const;
  void phone(std::string_view country_code, Phone& into) const;
  void country_code(std::string_view& into) const;
  void max_segments(std::uint8_t& into) const;  // all: 0
  void segments(std::uint16_t& into) const;  // of a day; none: 0
  void percent(std::uint8_t most, std::uint8_t& into) const;
  void segment_size(Reference& into) const;
  void yes_or_no(bool& into) const;
  void gpio(std::string_view& into) const;
  void level(Level& into) const;
  void message_class(Class& into) const;
};

inline bool is_letter(char c) { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }

// Why this cannot be the name of a section, or empty.
std::string_view name_problem(std::string_view name);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// The sections and keys that a configuration may have, and what is said of others. Only for config_sections.cpp.
//
// Memory: tables that never change. Threads: any.
#pragma once

#include "src/program/config_reader.hpp"

namespace tocsin {

enum class Section : std::uint8_t { device, stream, contact, group, alarm, cls, webhook, account, none };

Section find_section(std::string_view kind);  // none: there is no such one
std::string_view shown(Section section);      // "[alarm NAME]"

enum class Need : std::uint8_t { optional, required, later };

// How a value is read; `reference`: kept as it was written, for check_config().
enum class As : std::uint8_t {
  reference, path, control, duration, device_name, queue_size, country_code, stream_type, service, base_url, api_url, url_path,
  request_kind, event, variables, sender, pins, proxy, max_segments, yes_or_no, segment_size, segments, percent, gpio, level,
  message_class, on_unknown, limit, listen, field_name,
};

// Of durations.
struct Bounds {
  Millis least, most;
  std::string_view or_word;  // that stands for 0; empty: none does
};
enum class Range : std::uint8_t { timeout, retry, status_for, fallback, undelivered, debounce, expire, history, replies };
extern const Bounds kBounds[];

struct Key {
  Section section;
  std::string_view name;
  Need need;
  std::string_view example;
  As as = As::reference;
  std::uint16_t at = 0;  // where it is in the struct of its section
  Range range = Range::timeout;
};
inline constexpr std::size_t kKeyCount = 68;
extern const Key kKeys[kKeyCount];

// kNotFound: the section has no such key.
std::size_t find_key(Section section, std::string_view name);

void complain_of_section(std::string_view kind, std::uint32_t line, ConfigErrors& errors);
void complain_of_key(Section section, std::string_view name, std::uint32_t line, ConfigErrors& errors);

}  // namespace tocsin

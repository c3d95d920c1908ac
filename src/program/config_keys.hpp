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

struct Key {
  Section section;
  std::string_view name;
  Need need;
  std::string_view example;
};
inline constexpr std::size_t kKeyCount = 66;
extern const Key kKeys[kKeyCount];

// kNotFound: the section has no such key.
std::size_t find_key(Section section, std::string_view name);

void complain_of_section(std::string_view kind, std::uint32_t line, ConfigErrors& errors);
void complain_of_key(Section section, std::string_view name, std::uint32_t line, ConfigErrors& errors);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/system.hpp"
#include "src/program/commands.hpp"

namespace tocsin {

void print(std::string_view text) { write_whole(1, as_bytes(text)).ignore(); }  // nobody is left to tell

void print_json(JsonWriter& json, Span<char> text) {
  const auto whole = json.finish();
  if (!whole.ok()) return complain("the answer does not fit its buffer");
  text[whole.value().size()] = '\n';
  print({text.data(), whole.value().size() + 1});
}

void complain(std::string_view line) {
  char text[600];
  TextWriter writer({text, sizeof text - 1});
  writer.text("tocsin: ").text(line);
  text[writer.size()] = '\n';
  write_whole(2, as_bytes({text, writer.size() + 1})).ignore();
}

}  // namespace tocsin

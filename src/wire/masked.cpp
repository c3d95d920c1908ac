// SPDX-License-Identifier: MIT
#include "tocsin/wire/masked.hpp"

#include "tocsin/wire/phone.hpp"
#include "tocsin/wire/secret.hpp"

namespace tocsin {
namespace {

constexpr std::size_t kUuid = 36;

bool begins_with_uuid(std::string_view text) {
  if (text.size() < kUuid) return false;
  for (std::size_t at = 0; at < kUuid; ++at) {
    const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
    const bool hex = is_digit(text[at]) || (to_lower(text[at]) >= 'a' && to_lower(text[at]) <= 'f');
    if (dash ? text[at] != '-' : !hex) return false;
  }
  return true;
}

}  // namespace

void write_masked_answer(std::string_view body, std::string_view token, Span<char> scratch, TextWriter& into) {
  TextWriter plain(scratch);
  write_without(token, head(body, scratch.size()), plain);
  for (std::size_t at = 0; at < plain.size();) {
    const auto byte = static_cast<unsigned char>(scratch[at]);
    const std::size_t n = utf8_length(tail(plain.view(), at));
    const bool is_text = n > 1 || (n == 1 && byte != 0x7F && (byte >= 0x20 || byte == '\n' || byte == '\t'));
    if (!is_text) scratch[at] = '?';
    at += is_text ? n : 1;
  }
  const std::string_view text = plain.view();
  std::size_t from = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!begins_with_uuid(tail(text, at))) continue;
    write_without_phones(head(tail(text, from), at - from), into);
    into.text(head(tail(text, at), kUuid));
    from = at + kUuid;
    at = from - 1;
  }
  write_without_phones(tail(text, from), into);
}

}  // namespace tocsin

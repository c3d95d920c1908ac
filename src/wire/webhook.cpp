// SPDX-License-Identifier: MIT
#include "tocsin/wire/webhook.hpp"

#include "http_scan.hpp"
#include "webhook_object.hpp"
#include "tocsin/base/text.hpp"

namespace tocsin {
namespace {

// The names of one value with commas between them: the first that is there counts.
constexpr std::string_view kUuid = "message_uuid,uuid,id", kOwnId = "internal_id,external_key",
                           kStatus = "status,message_status,delivery_status",
                           kText = "text,body,message,message_content",
                           kFrom = "from,source_number,sender,sender_phone",
                           kTo = "to,destination_number,recipient_phone,recipient",
                           kTime = "received_at,sent_at,delivered_at,timestamp,date";

// Neither control characters nor broken UTF-8: it can be shown and compared.
bool is_plain(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  return is_utf8(text);
}

// Percent-encoding and "+" for a space, in place. What is no code stays as it is.
std::string_view decode(MutBytes bytes) {
  std::uint8_t* to = bytes.data();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::uint8_t c = bytes[at];
    if (c == '+') c = ' ';
    if (c == '%' && bytes.size() - at > 2 && hex_value(bytes[at + 1]) >= 0 && hex_value(bytes[at + 2]) >= 0) {
      c = static_cast<std::uint8_t>(hex_value(bytes[at + 1]) * 16 + hex_value(bytes[at + 2]));
      at += 2;
    }
    *to++ = c;
  }
  return text_of(bytes.data(), to);
}

// name=value pairs with & between them.
class Form {
 public:
  explicit Form(MutBytes bytes) {
    while (!bytes.empty() && count_ < kMostPairs) {
      const std::size_t end = find(as_text(bytes), '&');
      const MutBytes pair = bytes.first(end);
      bytes = end == kNotFound ? MutBytes{} : bytes.drop(end + 1);
      const std::size_t equals = find(as_text(pair), '=');
      if (equals == kNotFound) continue;
      pairs_[count_++] = {decode(pair.first(equals)), decode(pair.drop(equals + 1))};
    }
  }

  std::string_view value(std::string_view name, bool) const {
    for (std::size_t at = 0; at < count_; ++at)
      if (pairs_[at].name == name) return pairs_[at].value;
    return {};
  }

 private:
  static constexpr std::size_t kMostPairs = 32;  // what is behind them does not count
  struct Pair {
    std::string_view name, value;
  };
  Pair pairs_[kMostPairs];
  std::size_t count_ = 0;
};

class Json {
 public:
  Json(JsonValue root, Arena& arena) : root_(root), arena_(arena) {}

  std::string_view value(std::string_view name, bool numbers) const { return value_in(root_, name, numbers); }

 private:
  // In this object before those inside it; they are kJsonDepth deep at most.
  std::string_view value_in(JsonValue object, std::string_view name, bool numbers) const {
    for (JsonValue one = object.first(); !one.absent(); one = one.next()) {
      if (!one.named(name)) continue;
      const std::string_view text = one.is(JsonValue::Kind::text) ? one.text() : number(one, numbers);
      if (!text.empty()) return text;
    }
    for (JsonValue one = object.first(); !one.absent(); one = one.next()) {
      if (!one.is(JsonValue::Kind::object)) continue;
      const std::string_view text = value_in(one, name, numbers);
      if (!text.empty()) return text;
    }
    return {};
  }

  // The digits of a whole number that a double holds exactly.
  std::string_view number(JsonValue value, bool numbers) const {
    constexpr double kExact = 9'007'199'254'740'992.0;
    constexpr std::size_t kDigits = 16;
    const double n = value.number();
    if (!numbers || !(n >= 1 && n < kExact)) return {};
    const auto whole = static_cast<std::uint64_t>(n);
    if (static_cast<double>(whole) < n) return {};
    auto* const digits = static_cast<char*>(arena_.take(kDigits));
    if (digits == nullptr) return {};
    TextWriter writer({digits, kDigits});
    return writer.number(whole).view();
  }

  JsonValue root_;
  Arena& arena_;
};

enum Need : std::uint8_t { plain_text, plain, word };

template <typename Source>
void look_up(const Source& source, std::string_view names, Need need, std::string_view& into) {
  while (into.empty() && !names.empty()) {
    const std::string_view found = source.value(take_until(names, ','), need == plain);
    if (need == plain_text || is_plain(found)) into = found;
  }
}

template <typename Source>
void look_up(const Source& source, Webhook& into) {
  look_up(source, kUuid, plain, into.uuid);
  look_up(source, kOwnId, plain, into.own_id);
  look_up(source, kStatus, word, into.status);
  look_up(source, kText, plain_text, into.text);
  look_up(source, kFrom, plain, into.from);
  look_up(source, kTo, plain, into.to);
  look_up(source, kTime, plain, into.time);
}

// The body's own source before the query.
template <typename Source>
Webhook read(const Source& body, const Form& query) {
  Webhook hook;
  look_up(body, hook);
  look_up(query, hook);
  const bool tells_of_one = !hook.uuid.empty() || !hook.own_id.empty();
  if (!hook.status.empty() && tells_of_one) hook.kind = Webhook::Kind::receipt;
  if (hook.status.empty() && !hook.text.empty()) hook.kind = Webhook::Kind::incoming;
  return hook;
}

JsonValue list_in(JsonValue value) {
  if (value.is(JsonValue::Kind::array)) return value.first().is(JsonValue::Kind::object) ? value : JsonValue{};
  if (!value.is(JsonValue::Kind::object)) return {};
  for (const auto kind : {JsonValue::Kind::array, JsonValue::Kind::object})
    for (JsonValue one = value.first(); !one.absent(); one = one.next()) {
      const JsonValue list = one.is(kind) ? list_in(one) : JsonValue{};
      if (!list.absent()) return list;
    }
  return {};
}

}  // namespace

Webhook read_webhook_object(JsonValue object, Arena& arena) {
  Webhook hook;
  look_up(Json(object, arena), hook);
  return hook;
}

std::size_t read_webhooks(MutBytes query, MutBytes body, Arena& arena, Span<Webhook> into) {
  const JsonValue root = read_object_or_array(body, arena);
  const JsonValue object = root.is(JsonValue::Kind::object) ? root : JsonValue{};
  const Form names(query);
  into[0] = root.absent() ? read(Form(body), names) : read(Json(object, arena), names);
  const bool is_one = !object.absent() && into[0].kind != Webhook::Kind::unknown;
  const JsonValue list = is_one ? JsonValue{} : list_in(root);
  std::size_t count = 0;
  for (JsonValue one = list.first(); !one.absent(); one = one.next(), ++count)
    if (count < into.size()) into[count] = read(Json(one, arena), names);
  return count == 0 ? 1 : count;
}

}  // namespace tocsin

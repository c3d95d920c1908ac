// SPDX-License-Identifier: MIT
// Sections and keys into values. What refers to another section waits for config_check.cpp.
#include "port/linux/gpio_lines.hpp"
#include "port/linux/system.hpp"
#include "src/program/config_keys.hpp"
#include "src/program/config_reader.hpp"
#include "src/program/config_request.hpp"
#include "src/program/config_values.hpp"
#include "src/program/ini.hpp"
#include "tocsin/outbox/index.hpp"

namespace tocsin {
namespace {

class ConfigReader {
 public:
  ConfigReader(std::string_view text, Config& config, ConfigErrors& errors)
      : ini_(text), config_(config), errors_(errors) {}

  void read() {
    for (;;) {
      const auto item = ini_.next();
      if (item.code() == Code::empty) break;
      if (!item.ok()) {
        Complaint{errors_, ini_.line()}.text(ini_.problem());
        if (ini_.lost_section()) skip_section();
      } else if (item.value().kind == IniItem::Kind::section) {
        end_section();
        begin_section(item.value());
      } else {
        key(item.value());
      }
    }
    end_section();
    const std::uint32_t last_line = ini_.line() == 0 ? 1 : ini_.line();
    if (device_line_ == 0)
      Complaint{errors_, last_line}.text("there is no [device] section: add one with `name = ...`");
    check_config(pending_, last_line, config_, errors_);
  }

 private:
  void begin_section(const IniItem& item);
  // Its keys must not be taken for those of the section before.
  void skip_section() {
    end_section();
    section_ = Section::none;
    began_ = true;
  }
  void begin_class(const IniItem& item);
  // The sections of one kind that were there so far, whatever their type.
  struct Named {
    const void* first;
    std::size_t count, most;
    std::string_view (*name)(const void* first, std::size_t at);
    std::uint32_t (*line)(const void* first, std::size_t at);
  };
  bool has_place(const IniItem& item, const Named& all);
  template <typename T, std::size_t kMost>
  void begin_named(const IniItem& item, T (&all)[kMost], std::uint8_t& count);
  void end_section();
  void key(const IniItem& item);
  void value(const Key& key, const IniItem& item);
  void reference(const Key& key, const IniItem& item);
  void api_url(const Value& value);
  void begin_single(const IniItem& item, std::uint32_t& first_line, void* target);
  void end_hook();

  bool in_self() const {
    return section_ == Section::alarm && config_.alarms[config_.alarm_count - 1].name == kSelfAlarm;
  }
  void check_needs(const char* key, const char* other);
  void check_no_sms(StreamConfig& stream);
  std::uint32_t line_of(std::string_view name) const { return seen_[find_key(section_, name)]; }

  IniReader ini_;
  Config& config_;
  ConfigErrors& errors_;
  PendingReferences pending_;
  Section section_ = Section::none;
  void* target_ = nullptr;  // what its values are kept in
  bool began_ = false;  // a section, known or not
  std::uint32_t section_line_ = 0;
  std::uint32_t device_line_ = 0;
  std::uint32_t hook_line_ = 0;
  std::uint32_t account_line_ = 0;
  bool type_is_known_ = false;  // of this stream
  std::uint32_t class_line_[kClasses] = {};
  std::uint8_t overflow_ = 0;           // kinds whose limit was reported, a bit each
  std::uint32_t seen_[kKeyCount] = {};  // line of each key in this section
};

void ConfigReader::begin_section(const IniItem& item) {
  began_ = true;
  section_ = Section::none;
  section_line_ = item.line;
  for (std::uint32_t& line : seen_) line = 0;
  type_is_known_ = false;

  const Section section = find_section(item.word);
  switch (section) {
    case Section::none: return complain_of_section(item.word, item.line, errors_);
    case Section::cls: return begin_class(item);
    case Section::device: return begin_single(item, device_line_, &config_.device);
    case Section::webhook: return begin_single(item, hook_line_, &config_.webhook);
    case Section::account: return begin_single(item, account_line_, &config_.account);
    case Section::stream: section_ = section; return begin_named(item, config_.streams, config_.stream_count);
    case Section::contact:
      section_ = section;
      return begin_named(item, config_.contacts, config_.contact_count);
    case Section::group: section_ = section; return begin_named(item, config_.groups, config_.group_count);
    case Section::alarm:
      section_ = section;
      begin_named(item, config_.alarms, config_.alarm_count);
      if (!in_self()) return;
      config_.alarms[config_.alarm_count - 1].cls = kSelfClass;
      config_.alarms[config_.alarm_count - 1].text = kSelfText;
      return;
  }
}

// There is one such section, and it has no name.
void ConfigReader::begin_single(const IniItem& item, std::uint32_t& first_line, void* target) {
  if (!item.rest.empty()) {
    Complaint complaint{errors_, item.line};
    complaint.text("[").text(item.word).text("] takes no name: write [").text(item.word).text("]");
    if (item.word == "device") complaint.text(" and a key `name = ...`");
  } else if (first_line != 0) {
    Complaint complaint{errors_, item.line};
    complaint.text("a second [").text(item.word).text("] section, the first is on line ").number(first_line);
    complaint.text(": make one of them");
    return;
  }
  first_line = item.line;
  target_ = target;
  section_ = find_section(item.word);
}

// The classes are built in; a section changes how one of them is treated.
void ConfigReader::begin_class(const IniItem& item) {
  const auto cls = parse_class(item.rest);
  if (!cls.ok()) {
    Complaint{errors_, item.line}.text("there is no class ").code(item.rest).text(
        ": write [class critical], [class warning] or [class info]");
    return;
  }
  const auto at = static_cast<std::size_t>(cls.value());
  if (class_line_[at] != 0) {
    Complaint complaint{errors_, item.line};
    complaint.text("a second section [class ").text(item.rest).text("], the first is on line ");
    complaint.number(class_line_[at]).text(": make one of them");
    return;
  }
  class_line_[at] = item.line;
  target_ = &config_.rules.of[at];
  section_ = Section::cls;
}

// Whether there is a place for this section; its keys are skipped when there is none.
bool ConfigReader::has_place(const IniItem& item, const Named& all) {
  const Section section = section_;
  section_ = Section::none;
  for (std::size_t at = 0; at < all.count; ++at)
    if (!item.rest.empty() && all.name(all.first, at) == item.rest) {
      Complaint complaint{errors_, item.line};
      complaint.text("a second section [").text(item.word).text(" ").text(head(item.rest, kMaxName));
      complaint.text("], the first is on line ").number(all.line(all.first, at)).text(": rename or remove one");
      return false;
    }
  if (all.count == all.most) {
    const auto bit = static_cast<std::uint8_t>(1U << static_cast<unsigned>(section));
    if ((overflow_ & bit) == 0) {
      Complaint complaint{errors_, item.line};
      complaint.text("more than ").number(all.most).text(" sections ").text(shown(section));
      complaint.text(": remove some, or raise the limit in limits.hpp and build again");
    }
    overflow_ = static_cast<std::uint8_t>(overflow_ | bit);
    return false;
  }
  if (item.rest.empty()) {
    Complaint{errors_, item.line}.text("the section has no name: write ").text(shown(section));
  } else if (const std::string_view problem = name_problem(item.rest); !problem.empty()) {
    Complaint{errors_, item.line}.code(item.rest).text(" cannot be a name: ").text(problem);
  }
  section_ = section;
  return true;
}

template <typename T, std::size_t kMost>
void ConfigReader::begin_named(const IniItem& item, T (&all)[kMost], std::uint8_t& count) {
  static_assert(kMost < 255);
  const Named named{all, count, kMost,
                    [](const void* first, std::size_t at) { return static_cast<const T*>(first)[at].name; },
                    [](const void* first, std::size_t at) { return static_cast<const T*>(first)[at].line; }};
  if (!has_place(item, named)) return;
  all[count] = T{};
  all[count].name = item.rest;
  all[count].line = item.line;
  target_ = &all[count];
  ++count;
}

void ConfigReader::check_needs(const char* key, const char* other) {
  if (line_of(key) == 0 || line_of(other) != 0) return;
  Complaint{errors_, line_of(key)}.code(key).text(" stands here and no ").code(other).text(": add it, or remove this");
}

void ConfigReader::check_no_sms(StreamConfig& stream) {
  for (const char* key : {"max_segments", "transliterate", "segment_size", "segments_per_day",
                          "recipient_segments_per_day", "critical_reserve"})
    if (line_of(key) != 0)
      Complaint{errors_, line_of(key)}.code(key).text(" is about SMS, and a stream of type whatsapp sends none: remove it");
  stream.sms = SmsRules{};
}

void ConfigReader::end_section() {
  if (section_ == Section::none) return;
  for (std::size_t at = 0; at < kKeyCount; ++at) {
    const Key& key = kKeys[at];
    if (key.section != section_ || key.need != Need::required || seen_[at] != 0) continue;
    if (in_self() && key.name == "text") continue;
    Complaint complaint{errors_, section_line_};
    complaint.text("this section has no ")
        .code(key.name)
        .text(": add ")
        .text(key.name)
        .text(" = ")
        .text(key.example);
  }
  if (section_ == Section::webhook) return end_hook();
  if (section_ != Section::stream) return;
  StreamConfig& stream = config_.streams[config_.stream_count - 1];
  stream.undelivered_line = line_of("undelivered_after");
  check_needs("proxy_auth_file", "proxy");
  check_needs("client_cert_file", "client_key_file");
  check_needs("client_key_file", "client_cert_file");
  if (type_is_known_)
    settle_requests({section_line_, line_of("service"), line_of("base_url"), line_of("send_path"), line_of("request"),
                     line_of("request_body"), line_of("event"), line_of("variables"), line_of("auth_path"),
                     line_of("verify_path"), line_of("auth_body"), line_of("verify_body"),
                     line_of("status_for")},
                    stream, errors_);
  if (type_is_known_ && stream.type == StreamType::whatsapp) check_no_sms(stream);
  if (stream.retry_min > stream.retry_max) {
    const std::uint32_t min_line = line_of("retry_min");
    Complaint complaint{errors_, min_line != 0 ? min_line : line_of("retry_max")};
    complaint.text("`retry_min` is ");
    write_duration(stream.retry_min, complaint.words());
    complaint.text(" and `retry_max` only ");
    write_duration(stream.retry_max, complaint.words());
    complaint.text(": the first may not be the longer one");
  }
}

// Whoever can reach the address could acknowledge alarms.
void ConfigReader::end_hook() {
  check_needs("header", "secret_file");
  check_needs("secret_file", "header");
  check_needs("cert_file", "key_file");
  check_needs("key_file", "cert_file");
  const auto address = parse_address(config_.webhook.host, 0);
  if (!address.ok() || line_of("secret_file") != 0 || line_of("header") != 0 || is_loopback(address.value())) return;
  Complaint{errors_, line_of("listen")}.text(
      "`listen` is no loopback address: add `header` and `secret_file`, a secret that the service sends with each call");
}

void ConfigReader::key(const IniItem& item) {
  if (!began_) {
    began_ = true;  // once is enough
    Complaint{errors_, item.line}.code(item.word).text(
        " stands before the first section: begin with [device]");
  }
  if (section_ == Section::none) return;  // its section is reported
  const std::size_t at = find_key(section_, item.word);
  if (at == kNotFound) return complain_of_key(section_, item.word, item.line, errors_);
  const Key& key = kKeys[at];
  if (seen_[at] != 0) {
    Complaint{errors_, item.line}
        .code(item.word)
        .text(" stands twice, first on line ")
        .number(seen_[at])
        .text(": remove one");
    return;
  }
  seen_[at] = item.line;
  const bool of_a_line = key.name == "gpio" || key.name == "active" || key.name == "debounce";
  if (in_self() && (of_a_line || key.name == "clear_text")) {
    Complaint{errors_, item.line}.code(item.word).text(
        of_a_line ? " is not for [alarm self], which no line raises: remove it"
                  : " is not for [alarm self], which has no end: remove it");
  } else if (key.need == Need::later) {
    Complaint{errors_, item.line}.code(item.word).text(" is not supported yet: remove it");
  } else if (item.rest.empty()) {
    Complaint{errors_, item.line}
        .code(item.word)
        .text(" has no value: write ")
        .text(key.name)
        .text(" = ")
        .text(key.example)
        .text(key.need == Need::required ? "" : ", or remove it");
  } else {
    value(key, item);
  }
}

void ConfigReader::value(const Key& key, const IniItem& item) {
  const Value value{key.name, item.rest, item.line, errors_};
  value.warn_of_surroundings();
  void* const place = static_cast<char*>(target_) + key.at;
  auto* const text = static_cast<std::string_view*>(place);
  auto* const number = static_cast<std::uint16_t*>(place);
  auto* const small = static_cast<std::uint8_t*>(place);
  switch (key.as) {
    case As::reference: return reference(key, item);
    case As::path: return value.path(kMaxPath, *text);
    case As::control: return value.path(kMaxControlPathBytes, *text);
    case As::duration: {
      const Bounds& bounds = kBounds[static_cast<std::size_t>(key.range)];
      return value.duration_or(bounds.or_word, bounds.least, bounds.most, *static_cast<Millis*>(place));
    }
    case As::device_name: return value.device_name(*text);
    case As::queue_size: return value.queue_size(*static_cast<std::uint32_t*>(place));
    case As::country_code: return value.country_code(*text);
    case As::stream_type: {
      const std::size_t before = errors_.count();
      value.stream_type(*static_cast<StreamType*>(place));
      type_is_known_ = errors_.count() == before;
      return;
    }
    case As::service: return value.service(*static_cast<Service*>(place));
    case As::base_url: return value.base_url(*static_cast<StreamConfig*>(place));
    case As::api_url: return api_url(value);
    case As::url_path: return value.url_path(*text);
    case As::request_kind: return value.request_kind(*static_cast<RequestKind*>(place));
    case As::event: return value.event(*text);
    case As::variables: return value.variables(*static_cast<Places*>(place));
    case As::sender: return value.sender(*text);
    case As::pins: return value.pins(*text);
    case As::proxy: return value.proxy(*static_cast<StreamConfig*>(place));
    case As::max_segments: return value.max_segments(*small);
    case As::yes_or_no: return value.yes_or_no(*static_cast<bool*>(place));
    case As::segment_size: return value.segment_size(*static_cast<Reference*>(place));
    case As::segments: return value.segments(*number);
    case As::percent: return value.percent(90, *small);
    case As::gpio: return value.gpio(*text);
    case As::level: return value.level(*static_cast<Level*>(place));
    case As::message_class: return value.message_class(*static_cast<Class*>(place));
    case As::on_unknown: return value.on_unknown(*static_cast<OnUnknown*>(place));
    case As::limit: return value.limit(*number);
    case As::listen: return value.listen(*static_cast<HookConfig*>(place));
    case As::field_name: return value.field_name(*text);
  }
}

void ConfigReader::api_url(const Value& value) {
  AccountConfig& account = config_.account;
  StreamConfig address;
  address.host = account.host;
  address.path_prefix = account.path_prefix;
  value.base_url(address);
  account.host = address.host;
  account.port = address.port;
  account.path_prefix = address.path_prefix;
}

void ConfigReader::reference(const Key& key, const IniItem& item) {
  const PendingReferences::Reference written{item.rest, item.line};
  if (section_ == Section::contact) pending_.phones[config_.contact_count - 1] = written;
  if (section_ == Section::group) pending_.members[config_.group_count - 1] = written;
  if (section_ != Section::alarm) return;
  AlarmConfig& alarm = config_.alarms[config_.alarm_count - 1];
  PendingReferences::OfAlarm& pending = pending_.alarms[config_.alarm_count - 1];
  if (key.name == "stream") {
    pending.stream = written;
  } else if (key.name == "to") {
    alarm.to = item.rest;
    pending.to = written;
  } else {
    const bool clear = key.name == "clear_text";
    (clear ? alarm.clear_text : alarm.text) = item.rest;
    (clear ? pending.clear_text : pending.text) = written;
    check_placeholders(item.rest, alarm, item.line, errors_);
  }
}

}  // namespace

Status parse_config(std::string_view file_name, std::string_view text, Config& into, ConfigErrors& errors) {
  errors.begin(file_name);
  into.device = {};
  into.rules = default_rules();
  into.webhook = {};
  into.account = {};
  into.stream_count = into.contact_count = into.group_count = into.alarm_count = 0;
  ConfigReader{text, into, errors}.read();
  return errors.count() == 0 ? Status{} : Code::bad_value;
}

}  // namespace tocsin

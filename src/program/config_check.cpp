// SPDX-License-Identifier: MIT
// What can be checked only when the whole file is read: references, and what two sections must not share.
#include "port/linux/gpio_lines.hpp"
#include "src/program/config_reader.hpp"
#include "src/program/config_values.hpp"
#include "tocsin/alarm/alarm.hpp"
#include "tocsin/outbox/index.hpp"

namespace tocsin {
namespace {

// Bytes that a placeholder may become: "2026-11-21 08:39:00 UTC", and "3650d 23h 59m" with room.
constexpr std::size_t kTimeBytes = 24;
constexpr std::size_t kDurationBytes = 24;
constexpr std::size_t kReasonBytes = 200;

template <typename T>
std::string_view near_name(std::string_view word, const T* all, std::size_t count) {
  std::string_view names[kMaxContacts > kMaxStreams ? kMaxContacts : kMaxStreams];
  for (std::size_t at = 0; at < count; ++at) names[at] = all[at].name;
  return nearest(word, {names, count});
}

void resolve_members(const PendingReferences::Reference& members, GroupConfig& group, const Config& config,
                     ConfigErrors& errors) {
  if (members.line == 0) return;
  std::string_view rest = members.written;
  bool too_many = false;
  for (bool more = true; more;) {
    more = find(rest, ',') != kNotFound;
    const std::string_view name = trim(take_until(rest, ','));
    if (name.empty()) {
      Complaint{errors, members.line}.text("a member is missing: write contacts with one comma between two");
      continue;
    }
    const std::size_t at = config.find_contact(name);
    if (at == kNotFound) {
      Complaint complaint{errors, members.line};
      const bool is_group = config.find_group(name) != kNotFound;
      complaint.text(is_group ? "a group cannot have the group " : "there is no contact ")
          .code(name)
          .text(": ");
      const std::string_view near = near_name(name, config.contacts, config.contact_count);
      if (is_group) {
        complaint.text("name its contacts");
      } else if (!near.empty()) {
        complaint.text("did you mean ").code(near).text("?");
      } else {
        complaint.text(no_name_advice(name, "add a [contact NAME] section for it"));
      }
      continue;
    }
    bool twice = false;
    for (std::size_t n = 0; n < group.member_count; ++n) twice = twice || group.members[n] == at;
    if (twice) {
      Complaint{errors, members.line}.code(name).text(" stands twice: leave one");
    } else if (group.member_count < kMaxMembers) {
      group.members[group.member_count++] = static_cast<std::uint8_t>(at);
    } else {
      too_many = true;
    }
  }
  if (too_many)
    Complaint{errors, members.line}.text("more than ").number(kMaxMembers).text(" members: make two groups");
}

std::size_t filled_size(std::string_view text, const Config& config, const AlarmConfig& alarm) {
  std::size_t size = text.size();
  for (std::size_t at = find(text, '{'); at != kNotFound; at = find(text, '{', at + 1)) {
    const std::size_t end = find(text, '}', at);
    if (end == kNotFound) break;
    const std::string_view name = tail(head(text, end), at + 1);
    if (name == "device") size += config.device.name.size();
    if (name == "alarm") size += alarm.name.size();
    if (name == "time") size += kTimeBytes;
    if (name == "duration") size += kDurationBytes;
    if (name == "code") size += kCodeSize;
    if (name == "reason") size += kReasonBytes;
    size -= name.size() + 2;
  }
  return size;
}

// Whether it is known to fit into a message.
bool check_text_size(const PendingReferences::Reference& text, const Config& config, const AlarmConfig& alarm,
                     ConfigErrors& errors) {
  if (text.line == 0) return false;
  // The outbox would refuse it, when the alarm comes.
  if (find(text.written, '\t') != kNotFound)
    Complaint{errors, text.line}.text("a message cannot have a tab: write spaces instead");
  const std::size_t size = filled_size(text.written, config, alarm);
  if (size <= kMaxText) return true;
  Complaint complaint{errors, text.line};
  complaint.text("the text may become ").number(size).text(" bytes and a message has at most ");
  complaint.number(kMaxText).text(": make it shorter");
  return false;
}

// The end of an alarm's text that is never sent should be no surprise.
void check_segments(const PendingReferences::Reference& text, const Config& config, const AlarmConfig& alarm,
                    ConfigErrors& errors) {
  char filled[kMaxText], memory[kMaxSentText];
  TextWriter writer{filled};
  Clocks at;
  at.wall_trusted = true;
  write_alarm_text(text.written, config.device.name, alarm.name, at, hours(1000), "K7QP", writer);
  for (std::size_t n = 0; n < alarm.ways.count; ++n) {
    const SmsRules& rules = config.streams[alarm.ways.at[n]].sms;
    if (!as_sent(writer.view(), rules, Copy::first, memory).shortened) continue;
    Complaint complaint{errors, text.line, ConfigErrors::Kind::warning};
    complaint.text("the text takes more than ").number(rules.max_segments);
    complaint.text(rules.max_segments == 1 ? " segment" : " segments");
    complaint.text(" and its end is not sent: make it shorter, or raise max_segments of its stream (tocsin text)");
    return;
  }
}

void check_line_is_free(std::size_t at, const Config& config, ConfigErrors& errors) {
  const AlarmConfig& alarm = config.alarms[at];
  const auto mine = parse_gpio_spec(alarm.gpio);
  if (alarm.gpio.empty() || !mine.ok()) return;
  for (std::size_t n = 0; n < at; ++n) {
    const auto other = parse_gpio_spec(config.alarms[n].gpio);
    if (config.alarms[n].gpio.empty() || !other.ok() || other.value().by_name != mine.value().by_name)
      continue;
    const bool same = mine.value().by_name ? other.value().name == mine.value().name
                                           : other.value().chip == mine.value().chip &&
                                                 other.value().offset == mine.value().offset;
    if (!same) continue;
    Complaint complaint{errors, alarm.line};
    complaint.text("the line ").code(alarm.gpio).text(" belongs to the alarm ").code(config.alarms[n].name);
    complaint.text(" already: give each alarm a line of its own");
    return;
  }
}

void resolve_alarm(const PendingReferences::OfAlarm& pending, AlarmConfig& alarm, const Config& config,
                   ConfigErrors& errors) {
  if (pending.to.line != 0) {
    PhoneList phones;
    char memory[240];
    TextWriter why{memory};
    if (!add_recipients(config, alarm.to, phones, why).ok())
      Complaint{errors, pending.to.line}.text(why.view());
  }
  char memory[300];
  TextWriter why{memory};
  const Status named = read_ways(config, pending.stream.written, alarm.ways, why);
  if (!named.ok() && (config.stream_count > 0 || pending.stream.line != 0))
    Complaint{errors, pending.stream.line != 0 ? pending.stream.line : alarm.line}.text(why.view());
  for (const PendingReferences::Reference& text : {pending.text, pending.clear_text})
    if (check_text_size(text, config, alarm, errors)) check_segments(text, config, alarm, errors);
}

// Nothing goes on to the next stream for want of a receipt where none can come.
void check_receipts(const Config& config, ConfigErrors& errors) {
  for (std::size_t at = 0; at < config.stream_count; ++at) {
    const StreamConfig& stream = config.streams[at];
    if (stream.undelivered_after.count == 0) continue;
    if (stream.status_for.count == 0 && config.webhook.host.empty())
      Complaint{errors, stream.undelivered_line}.text(
          "`undelivered_after` needs receipts, and none come: set status_for, or add [webhook]");
    if (stream.status_for.count != 0 && stream.status_for < stream.undelivered_after)
      Complaint{errors, stream.undelivered_line}.text(
          "`undelivered_after` is longer than `status_for`: receipts are not asked for so long");
  }
}

void check_streams(const Config& config, std::uint32_t last_line, ConfigErrors& errors) {
  check_receipts(config, errors);
  if (config.stream_count == 0)
    Complaint{errors, last_line}.text("there is no stream to send by: add a [stream NAME] section");
  // The queue knows a message's stream by this hash.
  for (std::size_t at = 1; at < config.stream_count; ++at)
    for (std::size_t n = 0; n < at; ++n)
      if (name_hash(config.streams[at].name) == name_hash(config.streams[n].name)) {
        Complaint complaint{errors, config.streams[at].line};
        complaint.text("the queue cannot tell the streams ").code(config.streams[n].name).text(" and ");
        complaint.code(config.streams[at].name).text(" apart (one checksum): give one another name");
      }
}

void check_groups_and_contacts(const Config& config, ConfigErrors& errors) {
  for (std::size_t at = 0; at < config.group_count; ++at) {
    const GroupConfig& group = config.groups[at];
    const std::size_t contact = config.find_contact(group.name);
    if (contact == kNotFound) continue;
    const std::uint32_t other = config.contacts[contact].line;
    Complaint complaint{errors, group.line > other ? group.line : other};
    complaint.text("a contact and a group have the name ").code(group.name).text(": rename one");
  }
}

}  // namespace

void check_placeholders(std::string_view text, const AlarmConfig& alarm, std::uint32_t line, ConfigErrors& errors) {
  for (std::size_t at = find(text, '{'); at != kNotFound; at = find(text, '{', at + 1)) {
    const std::size_t end = find(text, '}', at);
    if (end == kNotFound) {
      Complaint{errors, line}.text("a { without its }: write {device}, {alarm}, {time}, {duration} or {code}");
      return;
    }
    const std::string_view name = tail(head(text, end), at + 1);
    bool known = false;
    for (const std::string_view placeholder : kPlaceholders) known = known || placeholder == name;
    const bool is_self = alarm.name == kSelfAlarm;
    if (is_self ? known && name != "code" : known) continue;
    if (is_self && name == "reason") continue;
    Complaint complaint{errors, line};
    if (known) {
      complaint.text("{code} is not for [alarm self], which nobody acknowledges: remove it");
      continue;
    }
    if (name == "reason") {
      complaint.text("{reason} is known in [alarm self] only: remove it");
      continue;
    }
    complaint.text("unknown placeholder ")
        .code(head(tail(text, at), end + 1 - at))
        .text(": the known ones are ");
    for (const std::string_view placeholder : kPlaceholders)
      complaint.text(placeholder == kPlaceholders[0] ? "{" : ", {").text(placeholder).text("}");
  }
}

void check_config(const PendingReferences& pending, std::uint32_t last_line, Config& config,
                  ConfigErrors& errors) {
  check_streams(config, last_line, errors);
  check_groups_and_contacts(config, errors);
  for (std::size_t at = 0; at < config.contact_count; ++at)
    if (const auto& phone = pending.phones[at]; phone.line != 0)
      Value{"phone", phone.written, phone.line, errors}.phone(config.device.country_code, config.contacts[at].phone);
  for (std::size_t at = 0; at < config.group_count; ++at)
    resolve_members(pending.members[at], config.groups[at], config, errors);
  for (std::size_t at = 0; at < config.alarm_count; ++at) {
    resolve_alarm(pending.alarms[at], config.alarms[at], config, errors);
    check_line_is_free(at, config, errors);
  }
}

}  // namespace tocsin

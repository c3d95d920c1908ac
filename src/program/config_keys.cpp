// SPDX-License-Identifier: MIT
#include "src/program/config_keys.hpp"

#include <cstddef>

#include "src/program/config_values.hpp"

namespace tocsin {
namespace {

struct SectionWord {
  Section section;
  std::string_view kind;
  std::string_view shown;
};
constexpr SectionWord kSections[] = {
    {Section::device, "device", "[device]"},         {Section::stream, "stream", "[stream NAME]"},
    {Section::contact, "contact", "[contact NAME]"}, {Section::group, "group", "[group NAME]"},
    {Section::alarm, "alarm", "[alarm NAME]"},       {Section::cls, "class", "[class NAME]"},
    {Section::webhook, "webhook", "[webhook]"},      {Section::account, "account", "[account]"},
};

using D = DeviceConfig;
using S = StreamConfig;
using A = AlarmConfig;
using C = ClassRules;
using H = HookConfig;
using K = AccountConfig;

}  // namespace

constexpr Key kKeys[kKeyCount] = {
    {Section::device, "name", Need::required, "boiler-room-7", As::device_name, offsetof(D, name)},
    {Section::device, "state", Need::optional, "/var/lib/tocsin", As::path, offsetof(D, state)},
    {Section::device, "control", Need::optional, "/run/tocsin/control", As::control, offsetof(D, control)},
    {Section::device, "queue_size", Need::optional, "512K", As::queue_size, offsetof(D, queue_bytes)},
    {Section::device, "history", Need::optional, "30d, or unlimited", As::duration, offsetof(D, history), Range::history},
    {Section::device, "state_device", Need::optional, "/dev/mmcblk0p7", As::path, offsetof(D, state_device)},
    {Section::device, "country_code", Need::optional, "44", As::country_code, offsetof(D, country_code)},
    {Section::stream, "type", Need::required, "marketing", As::stream_type, offsetof(S, type)},
    {Section::stream, "base_url", Need::optional, "https://sendsms.commpeak.com", As::base_url},
    {Section::stream, "token_file", Need::required, "/etc/tocsin/sms.token", As::path, offsetof(S, token_file)},
    {Section::stream, "sender", Need::optional, "GLOBAL", As::sender, offsetof(S, sender)},
    {Section::stream, "ca_file", Need::optional, "/etc/ssl/certs/ca-certificates.crt", As::path, offsetof(S, ca_file)},
    {Section::stream, "timeout", Need::optional, "30s", As::duration, offsetof(S, timeout), Range::timeout},
    {Section::stream, "retry_min", Need::optional, "5s", As::duration, offsetof(S, retry_min), Range::retry},
    {Section::stream, "retry_max", Need::optional, "15m", As::duration, offsetof(S, retry_max), Range::retry},
    {Section::stream, "status_for", Need::optional, "24h, or off", As::duration, offsetof(S, status_for), Range::status_for},
    {Section::stream, "fallback_after", Need::optional, "10m", As::duration, offsetof(S, fallback_after), Range::fallback},
    {Section::stream, "undelivered_after", Need::optional, "10m, or off", As::duration, offsetof(S, undelivered_after), Range::undelivered},
    {Section::stream, "crl_file", Need::optional, "/etc/tocsin/revoked.pem", As::path, offsetof(S, crl_file)},
    {Section::stream, "pin_sha256", Need::optional, "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", As::pins, offsetof(S, pin_sha256)},
    {Section::stream, "client_cert_file", Need::optional, "/etc/tocsin/device.pem", As::path, offsetof(S, client_cert_file)},
    {Section::stream, "client_key_file", Need::optional, "/etc/tocsin/device.key", As::path, offsetof(S, client_key_file)},
    {Section::stream, "session_file", Need::optional, "/var/lib/tocsin/sms.session", As::path, offsetof(S, session_file)},
    {Section::stream, "proxy", Need::optional, "proxy.plant:3128", As::proxy},
    {Section::stream, "proxy_auth_file", Need::optional, "/etc/tocsin/proxy.login", As::path, offsetof(S, proxy_auth_file)},
    {Section::stream, "service", Need::optional, "streams", As::service, offsetof(S, service)},
    {Section::stream, "send_path", Need::optional, "/simple_send/", As::url_path, offsetof(S, send_path)},
    {Section::stream, "auth_path", Need::optional, "/otp/auth/", As::url_path, offsetof(S, auth_path)},
    {Section::stream, "verify_path", Need::optional, "/otp/verify/", As::url_path, offsetof(S, verify_path)},
    {Section::stream, "auth_body", Need::optional, "/etc/tocsin/code.json", As::path, offsetof(S, auth_body)},
    {Section::stream, "verify_body", Need::optional, "/etc/tocsin/verify.json", As::path, offsetof(S, verify_body)},
    {Section::stream, "request", Need::optional, "simple_send", As::request_kind, offsetof(S, request)},
    {Section::stream, "request_body", Need::optional, "/etc/tocsin/whatsapp.json", As::path, offsetof(S, request_body)},
    {Section::stream, "event", Need::optional, "alarm", As::event, offsetof(S, event)},
    {Section::stream, "variables", Need::optional, "text, alarm", As::variables, offsetof(S, variables)},
    {Section::stream, "max_segments", Need::optional, "3, or all", As::max_segments, offsetof(S, sms.max_segments)},
    {Section::stream, "transliterate", Need::optional, "no", As::yes_or_no, offsetof(S, sms.transliterate)},
    {Section::stream, "segment_size", Need::optional, "153", As::segment_size, offsetof(S, sms.reference)},
    {Section::stream, "segments_per_day", Need::optional, "300, or none", As::segments, offsetof(S, segments_per_day)},
    {Section::stream, "recipient_segments_per_day", Need::optional, "60, or none", As::segments, offsetof(S, recipient_segments_per_day)},
    {Section::stream, "critical_reserve", Need::optional, "20%", As::percent, offsetof(S, critical_reserve)},
    {Section::contact, "phone", Need::required, "+44..."},
    {Section::group, "members", Need::required, "anna, ben"},
    {Section::alarm, "gpio", Need::optional, "gpiochip0:17", As::gpio, offsetof(A, gpio)},
    {Section::alarm, "active", Need::optional, "low", As::level, offsetof(A, active)},
    {Section::alarm, "debounce", Need::optional, "20ms", As::duration, offsetof(A, debounce), Range::debounce},
    {Section::alarm, "class", Need::optional, "critical", As::message_class, offsetof(A, cls)},
    {Section::alarm, "to", Need::required, "oncall"},
    {Section::alarm, "stream", Need::optional, "sms"},
    {Section::alarm, "text", Need::required, "{device}: {alarm} since {time}"},
    {Section::alarm, "clear_text", Need::optional, "{device}: {alarm} over after {duration}"},
    {Section::alarm, "on_delay", Need::later, ""},
    {Section::alarm, "off_delay", Need::later, ""},
    {Section::alarm, "remind", Need::later, ""},
    {Section::alarm, "escalate_after", Need::later, ""},
    {Section::cls, "expire", Need::optional, "1d, or never", As::duration, offsetof(C, expire), Range::expire},
    {Section::cls, "on_unknown", Need::optional, "resend", As::on_unknown, offsetof(C, on_unknown)},
    {Section::cls, "per_hour", Need::optional, "20, or none", As::limit, offsetof(C, per_hour)},
    {Section::cls, "per_day", Need::optional, "100, or none", As::limit, offsetof(C, per_day)},
    {Section::webhook, "listen", Need::required, "192.0.2.7:8080", As::listen},
    {Section::webhook, "path", Need::optional, "/streams", As::url_path, offsetof(H, path)},
    {Section::webhook, "header", Need::optional, "X-Webhook-Secret", As::field_name, offsetof(H, header)},
    {Section::webhook, "secret_file", Need::optional, "/etc/tocsin/webhook.secret", As::path, offsetof(H, secret_file)},
    {Section::webhook, "cert_file", Need::optional, "/etc/tocsin/webhook.pem", As::path, offsetof(H, cert_file)},
    {Section::webhook, "key_file", Need::optional, "/etc/tocsin/webhook.key", As::path, offsetof(H, key_file)},
    {Section::account, "api_key_file", Need::required, "/etc/tocsin/api.key", As::path, offsetof(K, api_key_file)},
    {Section::account, "api_url", Need::optional, "https://gw.commpeak.com/textpeak", As::api_url},
    {Section::account, "replies_every", Need::optional, "1m, or off", As::duration, offsetof(K, replies_every), Range::replies},
};

constexpr Bounds kBounds[] = {
    {seconds(5), minutes(5), {}},               // timeout
    {seconds(1), hours(24), {}},                // retry
    {minutes(1), hours(30 * 24), "off"},        // status_for
    {seconds(10), hours(7 * 24), {}},           // fallback
    {seconds(10), hours(7 * 24), "off"},        // undelivered
    {milliseconds(0), seconds(10), {}},         // debounce
    {minutes(1), hours(365 * 24), "never"},     // expire
    {hours(1), hours(3650 * 24), "unlimited"},  // history
    {seconds(10), hours(1), "off"},             // replies
};

constexpr std::size_t kMostListed = 16;  // keys that one line has room for

Section find_section(std::string_view kind) {
  for (const SectionWord& known : kSections)
    if (known.kind == kind) return known.section;
  return Section::none;
}

std::string_view shown(Section section) { return kSections[static_cast<std::size_t>(section)].shown; }

std::size_t find_key(Section section, std::string_view name) {
  for (std::size_t at = 0; at < kKeyCount; ++at)
    if (kKeys[at].section == section && kKeys[at].name == name) return at;
  return kNotFound;
}

void complain_of_section(std::string_view kind, std::uint32_t line, ConfigErrors& errors) {
  std::string_view kinds[sizeof kSections / sizeof kSections[0]];
  std::size_t count = 0;
  for (const SectionWord& known : kSections) kinds[count++] = known.kind;
  const std::string_view near = nearest(kind, kinds);
  Complaint complaint{errors, line};
  complaint.text("unknown section ").code(kind).text(": ");
  if (near.empty()) {
    complaint.text(
        "the sections are [device], [stream NAME], [contact NAME], [group NAME], [alarm NAME], [class NAME], "
        "[webhook] and [account]");
  } else {
    complaint.text("did you mean ").code(near).text("?");
  }
}

void complain_of_key(Section section, std::string_view name, std::uint32_t line, ConfigErrors& errors) {
  std::string_view names[kKeyCount];
  std::size_t count = 0;
  for (const Key& key : kKeys)
    if (key.section == section) names[count++] = key.name;
  const std::string_view near = nearest(name, {names, count});

  Complaint complaint{errors, line};
  if (near.empty()) {
    for (const Key& key : kKeys)
      if (key.name == name) {
        complaint.code(name).text(" is no key of ").text(shown(section)).text(": it belongs to ");
        complaint.text(shown(key.section));
        return;
      }
  }
  complaint.text("unknown key ").code(name).text(": ");
  if (!near.empty()) {
    complaint.text("did you mean ").code(near).text("?");
    return;
  }
  if (count > kMostListed) {
    complaint.text("the README lists the keys of ").text(shown(section));
    return;
  }
  complaint.text("the keys of ").text(shown(section)).text(" are ");
  bool first = true;
  for (const Key& key : kKeys) {
    if (key.section != section || key.need == Need::later) continue;
    complaint.text(first ? "" : ", ").text(key.name);
    first = false;
  }
}

}  // namespace tocsin

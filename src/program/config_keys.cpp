// SPDX-License-Identifier: MIT
#include "src/program/config_keys.hpp"

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

}  // namespace

constexpr Key kKeys[kKeyCount] = {
    {Section::device, "name", Need::required, "boiler-room-7"},
    {Section::device, "state", Need::optional, "/var/lib/tocsin"},
    {Section::device, "control", Need::optional, "/run/tocsin/control"},
    {Section::device, "queue_size", Need::optional, "512K"},
    {Section::device, "history", Need::optional, "30d, or unlimited"},
    {Section::device, "state_device", Need::optional, "/dev/mmcblk0p7"},
    {Section::device, "country_code", Need::optional, "44"},
    {Section::stream, "type", Need::required, "marketing"},
    {Section::stream, "base_url", Need::optional, "https://sendsms.commpeak.com"},
    {Section::stream, "token_file", Need::required, "/etc/tocsin/sms.token"},
    {Section::stream, "sender", Need::optional, "GLOBAL"},
    {Section::stream, "ca_file", Need::optional, "/etc/ssl/certs/ca-certificates.crt"},
    {Section::stream, "timeout", Need::optional, "30s"},
    {Section::stream, "retry_min", Need::optional, "5s"},
    {Section::stream, "retry_max", Need::optional, "15m"},
    {Section::stream, "status_for", Need::optional, "24h, or off"},
    {Section::stream, "fallback_after", Need::optional, "10m"},
    {Section::stream, "undelivered_after", Need::optional, "10m, or off"},
    {Section::stream, "crl_file", Need::optional, "/etc/tocsin/revoked.pem"},
    {Section::stream, "pin_sha256", Need::optional, "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="},
    {Section::stream, "client_cert_file", Need::optional, "/etc/tocsin/device.pem"},
    {Section::stream, "client_key_file", Need::optional, "/etc/tocsin/device.key"},
    {Section::stream, "session_file", Need::optional, "/var/lib/tocsin/sms.session"},
    {Section::stream, "proxy", Need::optional, "proxy.plant:3128"},
    {Section::stream, "proxy_auth_file", Need::optional, "/etc/tocsin/proxy.login"},
    {Section::stream, "service", Need::optional, "streams"},
    {Section::stream, "send_path", Need::optional, "/simple_send/"},
    {Section::stream, "auth_path", Need::optional, "/otp/auth/"},
    {Section::stream, "verify_path", Need::optional, "/otp/verify/"},
    {Section::stream, "auth_body", Need::optional, "/etc/tocsin/code.json"},
    {Section::stream, "verify_body", Need::optional, "/etc/tocsin/verify.json"},
    {Section::stream, "request", Need::optional, "simple_send"},
    {Section::stream, "request_body", Need::optional, "/etc/tocsin/whatsapp.json"},
    {Section::stream, "event", Need::optional, "alarm"},
    {Section::stream, "variables", Need::optional, "text, alarm"},
    {Section::stream, "max_segments", Need::optional, "3, or all"},
    {Section::stream, "transliterate", Need::optional, "no"},
    {Section::stream, "segment_size", Need::optional, "153"},
    {Section::stream, "segments_per_day", Need::optional, "300, or none"},
    {Section::stream, "recipient_segments_per_day", Need::optional, "60, or none"},
    {Section::stream, "critical_reserve", Need::optional, "20%"},
    {Section::contact, "phone", Need::required, "+44..."},
    {Section::group, "members", Need::required, "anna, ben"},
    {Section::alarm, "gpio", Need::optional, "gpiochip0:17"},
    {Section::alarm, "active", Need::optional, "low"},
    {Section::alarm, "debounce", Need::optional, "20ms"},
    {Section::alarm, "class", Need::optional, "critical"},
    {Section::alarm, "to", Need::required, "oncall"},
    {Section::alarm, "stream", Need::optional, "sms"},
    {Section::alarm, "text", Need::required, "{device}: {alarm} since {time}"},
    {Section::alarm, "clear_text", Need::optional, "{device}: {alarm} over after {duration}"},
    {Section::alarm, "on_delay", Need::later, ""},
    {Section::alarm, "off_delay", Need::later, ""},
    {Section::alarm, "remind", Need::later, ""},
    {Section::alarm, "escalate_after", Need::later, ""},
    {Section::cls, "expire", Need::optional, "1d, or never"},
    {Section::cls, "on_unknown", Need::optional, "resend"},
    {Section::cls, "per_hour", Need::optional, "20, or none"},
    {Section::cls, "per_day", Need::optional, "100, or none"},
    {Section::webhook, "listen", Need::required, "192.0.2.7:8080"},
    {Section::webhook, "path", Need::optional, "/streams"},
    {Section::webhook, "header", Need::optional, "X-Webhook-Secret"},
    {Section::webhook, "secret_file", Need::optional, "/etc/tocsin/webhook.secret"},
    {Section::account, "api_key_file", Need::required, "/etc/tocsin/api.key"},
    {Section::account, "api_url", Need::optional, "https://gw.commpeak.com/textpeak"},
    {Section::account, "replies_every", Need::optional, "1m, or off"},
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

// SPDX-License-Identifier: MIT
#include "src/program/config_request.hpp"

#include "src/program/config_reader.hpp"
#include "src/program/config_values.hpp"

namespace tocsin {
namespace {

struct Preset {
  std::string_view word, host, path_prefix, simple_send, event_send, messages_status;  // an empty path: not known
};
constexpr Preset kServices[] = {
    {"sendsms", "sendsms.commpeak.com", "", "/simple_send/", "/event_send/", "/messages_status/"},
    {"streams", "textpeak-streams.commpeak.com", "", "/simple_send/", "/event_send/", "/messages_status/"},
    {"gateway", "gw.commpeak.com", "/textpeak", "/streams/simple_send", "", ""},
};
constexpr std::string_view kTypes[] = {"marketing", "two-way", "transactional", "otp", "whatsapp"};

const Preset& preset_of(Service service) { return kServices[static_cast<std::size_t>(service)]; }

// The one that is at this address; one that nobody knows is spoken to as the first.
Service service_at(std::string_view host) {
  for (std::size_t at = 0; at < sizeof kServices / sizeof *kServices; ++at)
    if (same_ignoring_case(host, kServices[at].host)) return static_cast<Service>(at);
  return Service::sendsms;
}

bool sends_messages(const StreamConfig& stream) { return stream.type != StreamType::otp; }

void settle_kind(const RequestLines& lines, StreamConfig& stream, ConfigErrors& errors) {
  const auto refuse = [&errors](std::uint32_t line, std::string_view key, std::string_view why) {
    if (line != 0) Complaint{errors, line}.code(key).text(why);
  };
  if (!sends_messages(stream)) {
    constexpr std::string_view kWhy = " is not for a stream of type otp: remove it";
    refuse(lines.send_path, "send_path", kWhy);
    refuse(lines.request, "request", kWhy);
    refuse(lines.request_body, "request_body", kWhy);
    refuse(lines.event, "event", kWhy);
    refuse(lines.variables, "variables", kWhy);
    return;
  }
  constexpr std::string_view kOfCodes = " is for streams of type otp: remove it";
  refuse(lines.auth_path, "auth_path", kOfCodes);
  refuse(lines.verify_path, "verify_path", kOfCodes);
  refuse(lines.auth_body, "auth_body", kOfCodes);
  refuse(lines.verify_body, "verify_body", kOfCodes);
  if (lines.request_body != 0) {
    constexpr std::string_view kWhy = " is not for a stream with request_body, which has the whole request: remove it";
    refuse(lines.request, "request", kWhy);
    refuse(lines.event, "event", kWhy);
    refuse(lines.variables, "variables", kWhy);
    stream.request = RequestKind::form;
    return;
  }
  const bool of_templates = stream.type == StreamType::transactional || stream.type == StreamType::whatsapp;
  if (lines.request == 0 && of_templates) stream.request = RequestKind::event_send;
  if (stream.request == RequestKind::event_send) {
    if (lines.event != 0) return;
    Complaint complaint{errors, lines.request != 0 ? lines.request : lines.section};
    complaint.text("event_send needs an event: add event = KEY as the portal shows it, or ");
    complaint.text(stream.type == StreamType::whatsapp ? "request_body = FILE with the whole request that it shows"
                                                       : "request = simple_send for plain texts");
    return;
  }
  constexpr std::string_view kWhy = " is not for simple_send: remove it, or write request = event_send";
  refuse(lines.event, "event", kWhy);
  if (lines.event == 0) refuse(lines.variables, "variables", kWhy);
}

void settle_address(const RequestLines& lines, StreamConfig& stream, ConfigErrors& errors) {
  // Where nobody says, the host that the request is documented for.
  const bool of_form = stream.request == RequestKind::form;
  const bool is_simple = of_form ? stream.type == StreamType::marketing || stream.type == StreamType::two_way
                                 : sends_messages(stream) && stream.request == RequestKind::simple_send;
  if (lines.service == 0)
    stream.service = lines.base_url != 0 ? service_at(stream.host) : is_simple ? Service::sendsms : Service::streams;
  const Preset& preset = preset_of(stream.service);
  if (lines.base_url == 0) {
    stream.host = preset.host;
    stream.path_prefix = preset.path_prefix;
  } else if (stream.path_prefix.empty() && !preset.path_prefix.empty() && same_ignoring_case(stream.host, preset.host)) {
    Complaint complaint{errors, lines.base_url};
    complaint.text("the path of ").text(preset.host).text(" is missing: write https://").text(preset.host);
    complaint.text(preset.path_prefix);
  }
  if (!sends_messages(stream)) {
    stream.send_path = {};
    if (stream.service != Service::gateway || (lines.auth_path != 0 && lines.verify_path != 0)) return;
    Complaint complaint{errors, lines.section};
    complaint.text("the paths of one-time codes on ").text(preset.host).text(" are not known: add auth_path and verify_path");
    complaint.text(" as the portal shows them, or use service = streams");
    return;
  }
  if (lines.send_path != 0) return;
  stream.send_path = is_simple ? preset.simple_send : preset.event_send;
  if (of_form && stream.type == StreamType::whatsapp) stream.send_path = {};  // whatever the host
  if (!stream.send_path.empty()) return;
  Complaint complaint{errors, lines.section};
  complaint.text("where this request goes on ").text(stream.host).text(" is not known: add send_path = /...");
  complaint.text(" as the portal shows it").text(of_form ? "" : ", or use service = streams");
}

// What was accepted is asked for where somebody knows how.
void settle_status(const RequestLines& lines, StreamConfig& stream, ConfigErrors& errors) {
  stream.status_path = sends_messages(stream) ? preset_of(stream.service).messages_status : std::string_view{};
  if (!stream.status_path.empty()) return;
  if (lines.status_for != 0 && stream.status_for.count != 0) {
    Complaint complaint{errors, lines.status_for};
    if (sends_messages(stream)) {
      complaint.text("how to ask ").text(preset_of(stream.service).host).text(" for receipts is not known: ");
    } else {
      complaint.text("a stream of type otp has no messages to ask for: ");
    }
    complaint.text("remove status_for");
  }
  stream.status_for = Millis{0};
}

// "marketing, two-way or otp"
void write_choice(Span<const std::string_view> words, TextWriter& into) {
  for (std::size_t at = 0; at < words.size(); ++at)
    into.text(at == 0 ? "" : at + 1 < words.size() ? ", " : " or ").text(words[at]);
}

}  // namespace

void settle_requests(const RequestLines& lines, StreamConfig& stream, ConfigErrors& errors) {
  settle_kind(lines, stream, errors);
  settle_address(lines, stream, errors);
  settle_status(lines, stream, errors);
}

void Value::stream_type(StreamType& into) const {
  for (std::size_t at = 0; at < sizeof kTypes / sizeof *kTypes; ++at)
    if (written == kTypes[at]) {
      into = static_cast<StreamType>(at);
      return;
    }
  Complaint complaint{errors, line};
  write_choice(kTypes, complaint.text("unknown type ").code(written).text(": use ").words());
}

void Value::service(Service& into) const {
  for (std::size_t at = 0; at < sizeof kServices / sizeof *kServices; ++at)
    if (written == kServices[at].word) {
      into = static_cast<Service>(at);
      return;
    }
  constexpr std::string_view kWords[] = {kServices[0].word, kServices[1].word, kServices[2].word};
  Complaint complaint{errors, line};
  write_choice(kWords, complaint.text("unknown service ").code(written).text(": use ").words());
}

void Value::request_kind(RequestKind& into) const {
  if (written == "simple_send" || written == "event_send") {
    into = written == "simple_send" ? RequestKind::simple_send : RequestKind::event_send;
    return;
  }
  Complaint{errors, line}.text("unknown request ").code(written).text(": use simple_send or event_send");
}

void Value::event(std::string_view& into) const {
  if (written.size() <= kMaxEvent) {
    into = written;
    return;
  }
  Complaint{errors, line}.code(key).text(" is longer than ").number(kMaxEvent).text(" bytes: is this the key?");
}

void Value::variables(Places& into) const {
  Places set = 0;
  std::string_view rest = written;
  for (bool more = true; more;) {
    more = find(rest, ',') != kNotFound;
    const std::string_view name = trim(take_until(rest, ','));
    const std::size_t at = find_place(name);
    if (at >= kVariables) {
      Complaint complaint{errors, line};
      write_choice({kPlaces, kVariables}, complaint.code(name).text(" is no variable: use ").words());
      return;
    }
    set = static_cast<Places>(set | 1U << at);
  }
  into = set;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// The configuration: what a technician wrote, checked as a whole, ready for use.
//
//   1. Nothing is ignored: an unknown key or section is an error, also one that a later version will know.
//   2. Every mistake of a file is found in one reading (the first kMaxConfigErrors are kept).
//   3. After an ok() every reference is an index that exists and every number is inside its limits.
//
// Memory: ConfigFile is 64 KiB of text and about 12 KiB of values, static, two of them where a reload must
// leave the old one in force. ConfigErrors is about 20 KiB. Threads: none. Only load_config() calls the
// system.
#pragma once

#include "tocsin/base/text.hpp"
#include "tocsin/base/time.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/outbox/budget.hpp"
#include "tocsin/port.hpp"
#include "tocsin/wire/message.hpp"
#include "tocsin/wire/phone.hpp"
#include "tocsin/wire/sms_text.hpp"
#include "tocsin/wire/json_writer.hpp"
#include "tocsin/wire/streams_api.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxConfigFile = 65'536;  // bytes
inline constexpr std::size_t kMaxConfigErrors = 50;    // kept; the others are counted
inline constexpr std::string_view kDefaultConfigPath = "/etc/tocsin/tocsin.conf";

struct DeviceConfig {
  std::string_view name;                            // 1 to kMaxDeviceName of [A-Za-z0-9._-]
  std::string_view state = "/var/lib/tocsin";       // directory, absolute
  std::string_view state_device;                    // absolute; empty: the queue is in two files in `state`
  std::string_view control = "/run/tocsin/control";  // socket, absolute
  std::uint32_t queue_bytes = 512 * 1024;           // both files together, a multiple of 2 * kBlock
  Millis history = hours(30 * 24);                  // how long ended messages are kept; 0: while there is room
  std::string_view country_code;                    // digits; of national numbers. Empty: they are refused

  std::string_view place() const { return state_device.empty() ? state : state_device; }  // of the queue
};

inline constexpr SmsRules kDefaultSmsRules = {3, false, Reference::bits8};

enum class StreamType : std::uint8_t { marketing, two_way, transactional, otp, whatsapp };
// The hosts of the service that are known: what their addresses and paths are.
enum class Service : std::uint8_t { sendsms, streams, gateway };
enum class RequestKind : std::uint8_t { simple_send, event_send, form };

struct StreamConfig {
  std::string_view name;
  StreamType type = StreamType::marketing;
  std::string_view host = "sendsms.commpeak.com";  // of base_url; an IPv6 address without its brackets
  std::uint16_t port = 443;
  std::string_view path_prefix;                    // of base_url: empty, or "/..." without a "/" at its end
  std::string_view send_path = "/simple_send/";    // behind it; empty for otp
  std::string_view auth_path = "/otp/auth/", verify_path = "/otp/verify/";  // of otp only
  std::string_view auth_body, verify_body;         // the same: files of forms; empty: built in
  Service service = Service::sendsms;              // whose paths are used
  RequestKind request = RequestKind::simple_send;  // nothing of the kind for otp
  std::string_view request_body;                   // the file of a form
  std::string_view status_path = "/messages_status/";  // behind path_prefix; empty: not known
  Millis status_for = hours(24);                   // so long receipts are asked for; 0: not at all
  Millis fallback_after = minutes(10);             // as in StreamRules
  Millis undelivered_after{0};
  std::uint32_t undelivered_line = 0;              // of that key
  std::string_view event;                          // of event_send only
  Places variables = kAllVariables;              // of its template
  std::string_view token_file;
  std::string_view sender;                         // empty: the stream's own default
  std::string_view proxy_host;                     // empty: no proxy; an IPv6 address without its brackets
  std::uint16_t proxy_port = 0;
  std::string_view proxy_auth_file;                // empty: the proxy wants no user and password
  std::string_view ca_file = "/etc/ssl/certs/ca-certificates.crt";
  std::string_view crl_file;                       // empty: revocation is not looked at
  std::string_view pin_sha256;                     // checked; empty: any key
  std::string_view session_file;                   // empty: TLS sessions are kept in memory only
  std::string_view client_cert_file, client_key_file;  // both or none
  SmsRules sms = kDefaultSmsRules;
  std::uint16_t segments_per_day = 0;              // 0: no limit
  std::uint16_t recipient_segments_per_day = 0;    // to one phone, by this stream
  std::uint8_t critical_reserve = 20;              // percent of both
  Millis timeout = seconds(30);                    // one whole request, name look-up included
  Millis retry_min = seconds(5);
  Millis retry_max = minutes(15);
  std::uint32_t line = 0;                          // of its section, for what is said about it later
};

struct ContactConfig {
  std::string_view name;
  Phone phone;
  std::uint32_t line = 0;
};

struct GroupConfig {
  std::string_view name;
  std::uint8_t members[kMaxMembers] = {};  // indexes of contacts, in the order written, none twice
  std::uint8_t member_count = 0;
  std::uint32_t line = 0;
};

// Indexes of streams, in the order in which a message goes by them; none twice.
struct Ways {
  std::uint8_t at[kMaxWays] = {};
  std::uint8_t count = 0;
};

struct AlarmConfig {
  std::string_view name;
  std::string_view gpio;           // empty: raised by command only
  Level active = Level::high;
  Millis debounce = milliseconds(20);
  Class cls = Class::critical;
  std::string_view to;             // checked; add_recipients() makes phones of it
  Ways ways;                       // the first stream unless the file names some
  std::string_view text;           // with placeholders; fits kMaxText when they are filled in
  std::string_view clear_text;     // empty: the end is not told
  std::uint32_t line = 0;
};

// Where the service calls this device.
struct HookConfig {
  std::string_view host;         // an address, IPv6 without its brackets; empty: nowhere
  std::uint16_t port = 0;
  std::string_view path = "/";
  std::string_view header;       // the field with the shared secret; empty: none, at a loopback address only
  std::string_view secret_file;  // with `header`
  std::string_view cert_file, key_file;  // both or none: with TLS
};

// The service's account, whose API key opens its lists of messages.
struct AccountConfig {
  std::string_view api_key_file;              // empty: there is none, and the rest is not used
  std::string_view host = "gw.commpeak.com";  // of api_url, as in StreamConfig
  std::uint16_t port = 443;
  std::string_view path_prefix = "/textpeak";
  Millis replies_every;  // 0: answers of people are not asked for
};
inline constexpr std::string_view kAccount = "account";  // in the place of a stream, for `token`

// The alarm about the device itself, [alarm self]: what it has when the file does not say so.
inline constexpr Class kSelfClass = Class::warning;
inline constexpr std::string_view kSelfText = "{device}: {reason}";

struct Config {
  Config() {}
  DeviceConfig device;
  Rules rules;  // of the classes
  HookConfig webhook;
  AccountConfig account;
  std::uint8_t stream_count = 0;
  std::uint8_t contact_count = 0;
  std::uint8_t group_count = 0;
  std::uint8_t alarm_count = 0;
  union {  // so that what is not used is not touched
    StreamConfig streams[kMaxStreams];
  };
  union {
    ContactConfig contacts[kMaxContacts];
  };
  union {
    GroupConfig groups[kMaxGroups];
  };
  union {
    AlarmConfig alarms[kMaxAlarms];
  };

  // The index of the one with this name, or kNotFound.
  std::size_t find_stream(std::string_view name) const;
  std::size_t find_contact(std::string_view name) const;
  std::size_t find_group(std::string_view name) const;
  std::size_t find_alarm(std::string_view name) const;
  // The first that takes messages (type otp does not), or kNotFound.
  std::size_t first_stream() const;
};

// What is wrong with a file, or only worth a look, in the order of its lines.
class ConfigErrors {
 public:
  enum class Kind : std::uint8_t { mistake, warning };
  struct Entry {
    std::uint32_t line = 0;   // 0: the file as a whole
    Kind kind = Kind::mistake;
    FixedText<400> text;      // "what is wrong: what to do"
  };

  ConfigErrors() {}
  ConfigErrors(const ConfigErrors&) = delete;
  ConfigErrors& operator=(const ConfigErrors&) = delete;

  void begin(std::string_view file_name);  // forgets what there was; the name must outlive the errors
  void add(std::uint32_t line, std::string_view text, Kind kind = Kind::mistake);
  std::size_t count() const { return count_; }     // of mistakes
  std::size_t kept() const { return kept_; }       // mistakes and warnings, those that entry() has
  bool all_kept() const { return all_kept_; }
  const Entry& entry(std::size_t at) const { return entries_[at]; }
  // "FILE:LINE: what is wrong: what to do", without a line end; "FILE: ..." for the file as a whole. A warning is
  // "FILE:LINE: warning: ..." with `warning` between them.
  void write(std::size_t at, TextWriter& into, std::string_view warning = " warning:") const;

 private:
  std::string_view file_name_;
  std::size_t count_ = 0;
  std::size_t kept_ = 0;
  bool all_kept_ = true;
  union {  // so that what is not used is not touched
    Entry entries_[kMaxConfigErrors];
  };
};

class Fd;

// A configuration together with the text that its views point into.
struct ConfigFile {
  ConfigFile() = default;
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;

  char text[kMaxConfigFile];
  std::size_t size = 0;
  Config config;
};

// For the program that execv() starts in this one's place: its first load_config() reads this text, which was found
// good, whatever becomes of the file meanwhile. Where that cannot be, it reads the file.
void keep_text(const ConfigFile& file, Fd& into);
void carry_over(const Fd& text);  // right before execv()

// Reads the whole of `text` into `into`, whose views point into `text`. Warnings are no errors. Errors: bad_value;
// `errors` has every one, `into` is half filled and only good for the next call.
Status parse_config(std::string_view file_name, std::string_view text, Config& into, ConfigErrors& errors);

// Reads the file and parses it. May wait for the medium. Errors: not_found, io, bad_value (not a file, or
// what is in it), too_big (above kMaxConfigFile); `errors` has at least one line for each.
Status load_config(std::string_view path, ConfigFile& into, ConfigErrors& errors);

struct PhoneList {
  Phone phones[kMaxPhones];
  std::size_t count = 0;
  char streams[kMaxWayNames];  // room for the names of an alarm's
  Span<const Phone> view() const { return {phones, count}; }
};

// Adds the phones of `to`: names of contacts and groups and numbers, with commas between them. A phone
// that is there already is not added again. Errors, with `why` in one line ("what: what to do"):
// not_found (a name), bad_value (a number, an empty part), full (above kMaxPhones). `into` may have some.
Status add_recipients(const Config& config, std::string_view to, PhoneList& into, TextWriter& why);

// The streams that `written` names, in its order; empty: the first that takes messages. Errors, with `why` in one line
// ("what: what to do"): not_found (a name), bad_value (an empty part, one twice, too many), empty (it takes no
// messages, or none does). `into` may have some.
Status read_ways(const Config& config, std::string_view written, Ways& into, TextWriter& why);
// Their names with `between` between them; with a comma as in Event::stream.
void write_ways(const Config& config, const Ways& ways, std::string_view between, TextWriter& into);

void write_ways(const Config& config, const Ways& ways, JsonWriter& json);  // the same as the field "streams"

// The placeholders of an alarm's texts, as they are written without braces; {reason} is known in [alarm self].
inline constexpr std::string_view kPlaceholders[] = {"device", "alarm", "time", "duration", "code"};

// The word of `known` that is nearest to `word` by edit distance, else one that begins with it, else empty.
std::string_view nearest(std::string_view word, Span<const std::string_view> known);

// What to do about a word of a list that names nothing: `otherwise`, if it could be a name.
std::string_view no_name_advice(std::string_view word, std::string_view otherwise);

// What somebody wrote, as a message quotes it: `...`, cut after 60 bytes, with ? for each byte that is no
// text.
void write_quoted(std::string_view written, TextWriter& into);

// "it has sms, fax"
void write_streams(const Config& config, TextWriter& into);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// `tocsin check`: what a right configuration names has to be there as well. Changes nothing.
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "port/linux/file_store.hpp"
#include "port/linux/own_certificate.hpp"
#include "port/linux/secret_file.hpp"
#include "port/linux/tls_stream.hpp"
#include "src/program/commands.hpp"
#include "src/program/in_place.hpp"
#include "src/program/queue_places.hpp"
#include "src/program/request_body.hpp"
#include "src/program/state_files.hpp"

namespace tocsin {
namespace {

struct FileSystem {
  std::uint32_t type;  // statfs(2)
  std::string_view name;
};
constexpr std::uint32_t kTmpfs = 0x01021994, kRamfs = 0x858458f6;
constexpr FileSystem kFileSystems[] = {
    {0xEF53, "ext4"},  {0x4d44, "vfat"},         {0x72b6, "JFFS2"},    {0x24051905, "UBIFS"}, {kTmpfs, "tmpfs"},
    {kRamfs, "ramfs"}, {0x794c7630, "overlay"},  {0xF2F52010, "F2FS"}, {0x9123683E, "btrfs"}, {0x58465342, "XFS"},
    {0x6969, "NFS"},
};

constexpr std::string_view kAdvice = ": look at `state` in [device], or mount what belongs there";

void write_size(std::uint64_t bytes, TextWriter& into) {
  const bool is_large = bytes >= std::uint64_t{10} << 20;
  into.number(is_large ? bytes >> 20 : bytes >> 10).text(is_large ? " MiB" : " KiB");
}

// What the queue's files still need of a directory; 0: they are there.
std::uint64_t wanted_bytes(const DeviceConfig& device, int dir_fd) {
  std::uint64_t wanted = 0;
  for (const std::string_view name : kQueueFiles) {
    struct stat about = {};
    if (dir_fd < 0 || ::fstatat(dir_fd, Path{name}.c_str(), &about, 0) != 0) wanted += device.queue_bytes / 2;
  }
  return wanted;
}

// Errors: `line` says then why a daemon could not use the directory.
Status describe_state(const DeviceConfig& device, TextWriter& line) {
  line.text("state ").text(device.state).text(": ");
  std::string_view folder = device.state;
  const Fd dir{::open(Path{folder}.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  const bool is_there = dir.is_open();
  if (!is_there && errno != ENOENT) {
    const Status failure = last_error();
    write_errno(failure.detail(), line);
    line.text(kAdvice);
    return failure;
  }
  if (!is_there) {
    while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
    while (!folder.empty() && folder.back() != '/') folder.remove_suffix(1);
    while (folder.size() > 1 && folder.back() == '/') folder.remove_suffix(1);
    if (folder.empty()) folder = ".";
  }
  const Path path{folder};
  struct statfs kind = {};
  if (!may_write_in(path.c_str()) || ::statfs(path.c_str(), &kind) != 0) {
    const Status failure = last_error();
    if (!is_there) line.text("cannot be made in ").text(folder).text(": ");
    write_errno(failure.detail(), line);
    line.text(kAdvice);
    return failure;
  }
  if (is_there) {
    TRY(check_lock_place(dir.number(), device.state, line));
    if (device.state_device.empty()) TRY(check_queue_places(dir.number(), device.state, line));
  }
  const auto type = static_cast<std::uint32_t>(kind.f_type);
  const FileSystem* known = nullptr;
  for (const FileSystem& one : kFileSystems)
    if (one.type == type) known = &one;
  if (!is_there) line.text("not there yet, made by `tocsin run` in ").text(folder).text("; ");
  line.text("on ");
  if (known != nullptr) {
    line.text(known->name);
  } else {
    line.text("a file system of type 0x").hex(type);
  }
  const std::uint64_t free = std::uint64_t{kind.f_bavail} * static_cast<std::uint64_t>(kind.f_frsize);
  line.text(", ");
  write_size(free, line);
  line.text(" free");
  if (!device.state_device.empty()) return {};
  const std::uint64_t wanted = wanted_bytes(device, dir.number());
  if (wanted == 0) line.text(", has the queue files");
  if (wanted > 0) {
    line.text(", the queue files will take ");
    write_size(wanted, line);
  }
  if (wanted > 0 && free < 2 * std::uint64_t{kLeastStore}) {
    line.text(": free some space");
    return {Code::io, ENOSPC};
  }
  if (wanted > free) line.text(": they will be smaller, and fewer messages can wait");
  if (type == kTmpfs || type == kRamfs) line.text("; that is memory: when the power goes, so does the queue");
  return {};
}

Status describe_device(const DeviceConfig& device, TextWriter& line) {
  line.text("state_device ").text(device.state_device).text(": ");
  StoreFile halves[2];
  const Status opened = open_store_device(device.state_device, Access::read, halves, line);
  if (opened.code() == Code::io) write_errno(opened.detail(), line);
  TRY(opened);
  const auto holds = look_at_device(halves);
  Status good = holds.status();
  if (!holds.ok()) {
    write_errno(good.detail(), line);
  } else if (holds.value() == DeviceHolds::something_else) {
    line.clear();
    write_something_else(halves, device.state_device, line.text("state_device ").text(device.state_device));
    good = Code::bad_value;
  } else {
    line.text("twice ");
    write_size(halves[0].capacity, line);
    line.text(holds.value() == DeviceHolds::a_queue ? ", has a queue" : ", empty");
  }
  for (const StoreFile& half : halves) ::close(half.fd);
  return good;
}

// What was found beside the text of the file; the first one says how the command ends.
class Findings {
 public:
  explicit Findings(ConfigErrors& errors) : errors_(errors) {}
  void look(const Status& found, std::uint32_t line, TextWriter& why, Exit exit = Exit::config) {
    if (!found.ok()) {
      errors_.add(line, why.view());
      if (exit_ == Exit::done) exit_ = exit;
    }
    why.clear();
  }
  void warn(std::uint32_t line, TextWriter& why) {
    if (!why.view().empty()) errors_.add(line, why.view(), ConfigErrors::Kind::warning);
    why.clear();
  }
  Exit exit() const { return exit_; }

 private:
  ConfigErrors& errors_;
  Exit exit_ = Exit::done;
};

void check_files(const StreamConfig& stream, Findings& findings) {
  char token[kMaxToken];
  char words[400];
  TextWriter why(words);
  findings.look(read_token(stream.token_file, token, why).status(), stream.line, why);
  if (!stream.proxy_auth_file.empty())
    findings.look(read_proxy_login(stream.proxy_auth_file, Span<char>{token, kMaxProxyLogin}, why).status(),
                  stream.line, why);
  ::explicit_bzero(token, sizeof token);
  static char form_text[kMaxForm + 1];
  RequestForm form;
  if (stream.request == RequestKind::form)
    findings.look(read_request_body(stream, form_text, form, why), stream.line, why);
  for (const RequestForm::Of of : {RequestForm::Of::code, RequestForm::Of::verification}) {
    const std::string_view file = of == RequestForm::Of::code ? stream.auth_body : stream.verify_body;
    if (!file.empty()) findings.look(read_code_body(stream, of, form_text, form, why), stream.line, why);
  }
  TlsContext authorities;
  const Status opened = authorities.open({stream.ca_file, stream.crl_file, stream.pin_sha256, stream.client_cert_file,
                                          stream.client_key_file});
  if (!opened.ok()) why.text(authorities.problem());
  findings.look(opened, stream.line, why);
  Fd session;
  const Status kept =
      stream.session_file.empty() ? Status{} : open_secret(stream.session_file, "session", {}, session, why);
  findings.look(session.is_open() ? kept : Status{}, stream.line, why);  // one that is not there yet will be made
  authorities.write_warning(why);
  findings.warn(stream.line, why);
}

void check_certificate(const HookConfig& hook, Findings& findings) {
  OwnCertificate own(OwnCertificate::kOfWebhook);
  char words[400];
  TextWriter why(words);
  own.name(hook.cert_file, hook.key_file);
  const Status taken = own.take(why);
  findings.look(taken, 0, why);
  if (!taken.ok() || hook.cert_file.empty()) return;
  own.write_warning(judged_at(read_clocks()), why);
  findings.warn(0, why);
  if (own.is_rsa())
    why.text("the webhook key is of RSA: a handshake with one of EC (P-256) is far less work for this device");
  findings.warn(0, why);
  own.give_back();
}

// Adds to the texts of the two lines.
void check_state(const DeviceConfig& device, TextWriter& into, Findings& findings) {
  for (const bool of_device : {false, true}) {
    if (of_device && device.state_device.empty()) continue;
    char words[800];
    TextWriter line(words);
    const Status described = of_device ? describe_device(device, line) : describe_state(device, line);
    into.text(into.view().empty() ? "" : "\n").text(line.view());
    findings.look(described, 0, line, Exit::cannot_create);
  }
}

}  // namespace

void write_remarks(const ConfigErrors& remarks, JsonWriter& json) {
  using Kind = ConfigErrors::Kind;
  for (const Kind kind : {Kind::mistake, Kind::warning}) {
    json.open_array(kind == Kind::mistake ? "mistakes" : "warnings");
    for (std::size_t at = 0; at < remarks.kept(); ++at) {
      if (remarks.entry(at).kind != kind) continue;
      json.open_object();
      json.field("line", remarks.entry(at).line);
      json.field("text", remarks.entry(at).text.view());
      json.close_object();
    }
    json.close_array();
  }
}

void complain_of(const ConfigErrors& remarks) {
  char text[600];
  for (std::size_t at = 0; at < remarks.kept(); ++at) {
    TextWriter line(text);
    remarks.write(at, line);
    complain(line.view());
  }
  if (!remarks.all_kept()) complain("and more mistakes: mend these first");
}

Exit check_configuration(const Call& call) {
  // The file itself was found right.
  Findings findings(call.remarks);
  tls_use_arena(in_place<TlsMemory>().bytes);
  for (std::size_t i = 0; i < call.config.stream_count; ++i) check_files(call.config.streams[i], findings);
  char secret[kMaxToken > kMaxHookSecret ? kMaxToken : kMaxHookSecret], problem[400];
  TextWriter why(problem);
  if (const std::string_view file = call.config.account.api_key_file; !file.empty())
    findings.look(read_api_key(file, secret, why).status(), 0, why);
  if (const std::string_view file = call.config.webhook.secret_file; !file.empty())
    findings.look(read_hook_secret(file, Span<char>{secret, kMaxHookSecret}, why).status(), 0, why);
  ::explicit_bzero(secret, sizeof secret);
  check_certificate(call.config.webhook, findings);
  static char memory[32'768];  // with kMaxConfigErrors warnings of 300 bytes, escaped
  char words[1700], about[440];
  TextWriter state(words), control(about);
  check_state(call.config.device, state, findings);
  const Status place = check_control_place(call.config.device.control, why);
  if (!place.ok()) control.text(why.text("; look at `control` in [device]").view());
  findings.look(place, 0, why);
  if (call.arguments.json) {
    JsonWriter json({memory, sizeof memory - 1});
    json.open_object();
    json.field("file", call.config_path);
    json.field("good", findings.exit() == Exit::done);
    write_remarks(call.remarks, json);
    json.field("state", state.view());
    json.text_or_null("control", control.view());
    json.open_array("alarms");
    for (std::size_t at = 0; at < call.config.alarm_count; ++at) {
      json.open_object();
      json.field("name", call.config.alarms[at].name);
      write_ways(call.config, call.config.alarms[at].ways, json);
      json.close_object();
    }
    json.close_array();
    json.close_object();
    print_json(json, memory);
    return findings.exit();
  }
  complain_of(call.remarks);
  if (findings.exit() != Exit::done) return findings.exit();
  TextWriter out(memory);
  out.text(call.config_path).text(": good\n").text(state.view()).text("\n");
  for (std::size_t at = 0; at < call.config.alarm_count; ++at) {
    const AlarmConfig& alarm = call.config.alarms[at];
    if (alarm.ways.count < 2) continue;
    write_ways(call.config, alarm.ways, ", then ", out.text("alarm ").text(alarm.name).text(" goes by "));
    out.text("\n");
  }
  print(out.view());
  return Exit::done;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// `tocsin otp send` and `otp verify`: one exchange with the service by this process itself. Nothing is queued,
// nothing is tried again, and neither code nor token is written anywhere.
#include <poll.h>
#include <string.h>

#include "port/linux/clock.hpp"
#include "port/linux/secret_file.hpp"
#include "port/linux/tls_memory.hpp"
#include "port/linux/tls_stream.hpp"
#include "src/program/commands.hpp"
#include "src/program/in_place.hpp"
#include "src/program/known_time.hpp"
#include "src/program/odd_answers.hpp"
#include "src/program/owner.hpp"
#include "src/program/request_body.hpp"
#include "tocsin/outbox/service_call.hpp"
#include "tocsin/wire/otp.hpp"
#include "tocsin/wire/secret.hpp"

namespace tocsin {
namespace {

struct Secrets {
  char token[kMaxToken], login[kMaxProxyLogin], code[kMaxText + 2];
  std::size_t token_size = 0, login_size = 0;

  std::string_view token_view() const { return {token, token_size}; }
  std::string_view login_view() const { return {login, login_size}; }
};

struct Question {
  Command asks;
  const StreamConfig& stream;
  std::string_view phone, code;
  const DeviceConfig& device;
  const RequestForm& form;  // empty: the body is built in
};

bool verifies(const Question& question) { return question.asks == Command::otp_verify; }

const StreamConfig* find_stream(const Call& call, TextWriter& why) {
  const std::string_view name = call.arguments.stream;
  bool is_there = false;
  for (std::size_t at = 0; at < call.config.stream_count; ++at) {
    const StreamConfig& stream = call.config.streams[at];
    is_there = is_there || stream.name == name;
    if (stream.type == StreamType::otp && (name.empty() || stream.name == name)) return &stream;
  }
  if (name.empty()) {
    why.text("no stream of type otp is in ").text(call.config_path);
    why.text(": add a [stream NAME] with `type = otp`");
  } else if (is_there) {
    why.text("the stream ").text(name).text(" is not for one-time codes: name one of type otp with --stream");
  } else {
    why.text("there is no [stream ").text(name).text("] in ").text(call.config_path).text(": ");
    write_streams(call.config, why);
  }
  return nullptr;
}

Exit read_phone(const Call& call, Phone& into, TextWriter& why) {
  PhoneList phones;
  if (!add_recipients(call.config, call.arguments.subject, phones, why).ok()) return Exit::bad_data;
  if (phones.count != 1) {
    why.text("a one-time code goes to one phone and ").text(call.arguments.subject);
    why.text(" is several: name one");
    return Exit::bad_data;
  }
  into = phones.phones[0];
  return Exit::done;
}

Exit read_code(const Call& call, Secrets& secrets, std::string_view& code, TextWriter& why) {
  code = call.arguments.code;
  if (code == "-") {
    const Exit read = read_text(0, secrets.code, code, why);
    if (read != Exit::done) return read;
  }
  const bool may_lack = call.arguments.command == Command::otp_send;  // the service makes one then
  if ((code.empty() && may_lack) || is_code(code)) return Exit::done;
  why.text("this cannot be a code: write ").number(kLeastCode).text(" to ").number(kMaxCode);
  why.text(" letters, digits and hyphens");
  return Exit::bad_data;
}

// The request that somebody copied from the portal, where there is one.
Exit read_form(const Call& call, const StreamConfig& stream, std::string_view code, RequestForm& into,
               TextWriter& why) {
  static char memory[kMaxForm + 1];
  const bool verifies = call.arguments.command == Command::otp_verify;
  const std::string_view file = verifies ? stream.verify_body : stream.auth_body;
  if (file.empty()) return Exit::done;
  const auto of = verifies ? RequestForm::Of::verification : RequestForm::Of::code;
  if (!read_code_body(stream, of, memory, into, why).ok()) return Exit::config;
  if (into.has(Place::code) != code.empty()) return Exit::done;
  why.text(file);
  why.text(code.empty() ? " has a place for a code of yours: add --code CODE"
                        : " has no place for a code of yours: leave --code out, or add {{code}} to it");
  return Exit::usage;
}

Exit read_secrets(const StreamConfig& stream, Secrets& into, TextWriter& why) {
  const auto token = read_token(stream.token_file, into.token, why);
  if (!token.ok()) return Exit::config;
  into.token_size = token.value();
  if (stream.proxy_auth_file.empty()) return Exit::done;
  const auto login = read_proxy_login(stream.proxy_auth_file, into.login, why);
  if (!login.ok()) return Exit::config;
  into.login_size = login.value();
  return Exit::done;
}

Status prepare(const Question& question, ServiceCall& call) {
  const MutBytes room = call.body_room();
  const Span<char> text{reinterpret_cast<char*>(room.data()), room.size()};
  const std::string_view path = verifies(question) ? question.stream.verify_path : question.stream.auth_path;
  if (!question.form.empty()) {
    OutgoingText values;
    values.phone = question.phone;
    values.code = question.code;
    values.device = question.device.name;
    values.sender = question.stream.sender;
    TRY_LET(filled, question.form.fill(values, text));
    return call.prepare("POST", path, filled.size());
  }
  JsonWriter json(text);
  if (verifies(question)) {
    write_otp_verify(question.phone, question.code, json);
  } else {
    write_otp_auth(question.phone, question.code, question.stream.sender, json);
  }
  TRY_LET(body, json.finish());
  return call.prepare("POST", path, body.size());
}

void wait_for(const ServiceCall& call, Instant now) {
  const Want want = call.want();
  const int reads = want == Want::readable || want == Want::either ? POLLIN : 0;
  const int writes = want == Want::writable || want == Want::either ? POLLOUT : 0;
  pollfd watched{call.handle(), static_cast<short>(reads | writes), 0};
  const std::int64_t left = (call.wake() - now).count;
  ::poll(&watched, 1, left > 60'000 ? 60'000 : left < 0 ? 0 : static_cast<int>(left));
}

// To its end: answered, or failed; `ready` when the request cannot be written.
ServiceCall::State ask(const Question& question, ServiceCall& call) {
  call.open(read_clocks().now, {});
  for (;;) {
    const Instant now = read_clocks().now;
    const ServiceCall::State state = call.poll(now);
    switch (state) {
      case ServiceCall::State::ready:
        if (!prepare(question, call).ok()) return state;
        call.send(now);
        break;
      case ServiceCall::State::connecting:
      case ServiceCall::State::sending:
      case ServiceCall::State::receiving: wait_for(call, now); break;
      case ServiceCall::State::idle:
      case ServiceCall::State::answered:
      case ServiceCall::State::failed: return state;
    }
  }
}

Exit nobody_knows(const Question& question, TextWriter& why) {
  why.text(verifies(question) ? "not verified, since nobody knows: "
                              : "it is not known whether a code was sent: ");
  return Exit::later;
}

Exit judge_failure(const Question& question, const ServiceCall& call, TextWriter& why) {
  const Exit exit = call.may_have_left() ? nobody_knows(question, why) : Exit::unreachable;
  if (exit == Exit::unreachable) why.text("nothing was asked: ");
  call.write_reason(why);
  return call.proxy_login_refused() ? Exit::token : exit;
}

// For support, without what could be a code: no digit of it is kept.
void keep_odd(const Question& question, const Answer& answer, std::string_view reason, std::string_view token,
              TextWriter& why) {
  StorageWorker nobody;
  static char without[OddAnswers::kMost], room[OddAnswers::kMost];
  TextWriter plain(room), first(without);
  write_without(token, as_text(answer.body), first);
  write_without(question.code, first.view(), plain);
  for (std::size_t at = 0; at < plain.size(); ++at)
    if (is_digit(room[at])) room[at] = '#';
  char memory[kMaxPath + 48];
  TextWriter name(memory);
  if (in_place<OddAnswers>(nobody).keep_now(
          question.device.state, {question.stream.name, OddAnswer::Of::whole, reason, as_bytes(plain.view())}, {},
          read_clocks(), name))
    why.text(". The answer is in ").text(name.view()).text(", without token and numbers: send it to support");
}

Exit judge_answer(const Question& question, const ServiceCall& call, std::string_view token,
                  TextWriter& why) {
  static std::uint8_t memory[kReplyArenaBytes];
  Arena arena{memory};
  const Answer answer = call.answer(read_clocks());
  OtpVerdict verdict = judge_otp(answer, arena);
  hide(token, verdict.reason);
  hide(question.code, verdict.reason);
  const std::string_view reason = verdict.reason.view();
  switch (verdict.fate) {
    case OtpFate::done: return Exit::done;
    case OtpFate::refused:
      why.text(verifies(question) ? "not verified: " : "refused: ").text(reason);
      return Exit::refused;
    case OtpFate::token:
      why.text(reason).text(". Set the token again (tocsin token set ").text(question.stream.name);
      why.text(") or look at the stream's allowed IPs");
      return Exit::token;
    case OtpFate::address:
      why.text(reason).text(". Look at base_url and ").text(verifies(question) ? "verify_path" : "auth_path");
      why.text(" of the stream ").text(question.stream.name);
      return Exit::token;
    case OtpFate::later:
      why.text("nothing was done: ").text(reason).text(". Ask again ");
      if (verdict.retry_after_s == 0) why.text("later");
      if (verdict.retry_after_s != 0) why.text("in ").number(verdict.retry_after_s).text(" s");
      return Exit::later;
    case OtpFate::unknown: break;
  }
  const Exit exit = nobody_knows(question, why);
  why.text(reason);
  if (verdict.odd) keep_odd(question, answer, reason, token, why);
  return exit;
}

Exit ask_service(const Question& question, const Secrets& secrets, TextWriter& why) {
  static Resolver resolver;
  const StreamConfig& from = question.stream;
  const std::string_view looked_up = from.proxy_host.empty() ? from.host : from.proxy_host;
  if (!parse_address(looked_up, 0).ok() && !resolver.start().ok()) {
    why.text("cannot start the name resolver process: out of processes or memory?");
    return Exit::internal;
  }
  tls_use_arena(in_place<TlsMemory>().bytes);
  auto& context = in_place<TlsContext>();
  const Status opened = context.open(
      {from.ca_file, from.crl_file, from.pin_sha256, from.client_cert_file, from.client_key_file});
  if (!opened.ok()) {
    why.text(context.problem());
    return Exit::config;
  }
  auto& stream = in_place<TlsStream>(context, resolver);
  auto& call = in_place<ServiceCall>(stream);
  ServiceCall::Settings settings;
  settings.endpoint = {from.host, from.port, from.proxy_host, from.proxy_port};
  settings.proxy_login = secrets.login_view();
  settings.path_prefix = from.path_prefix;
  settings.token = secrets.token_view();
  settings.timeout = from.timeout;
  call.configure(settings);
  const ServiceCall::State end = ask(question, call);
  Exit exit = Exit::config;
  if (end == ServiceCall::State::ready) why.text("the request cannot be written: look at token and address");
  if (end == ServiceCall::State::failed) exit = judge_failure(question, call, why);
  if (end == ServiceCall::State::answered) exit = judge_answer(question, call, secrets.token_view(), why);
  call.close();
  return exit;
}

}  // namespace

Exit ask_for_code(const Call& call) {
  auto& secrets = in_place<Secrets>();
  char words[700];
  TextWriter why(words);
  Phone phone;
  std::string_view code;
  const StreamConfig* const stream = find_stream(call, why);
  Exit exit = call.arguments.stream.empty() ? Exit::config : Exit::bad_data;
  if (stream != nullptr) exit = read_phone(call, phone, why);
  if (exit == Exit::done) exit = read_code(call, secrets, code, why);
  RequestForm form;
  if (exit == Exit::done) exit = read_form(call, *stream, code, form, why);
  if (exit == Exit::done) exit = read_secrets(*stream, secrets, why);
  if (exit == Exit::done) {
    const Question question{call.arguments.command, *stream, phone.view(), code, call.config.device, form};
    learn_time(call.config);
    exit = ask_service(question, secrets, why);
    if (exit == Exit::done) print(verifies(question) ? "verified\n" : "sent\n");
  }
  ::explicit_bzero(&secrets, sizeof secrets);
  if (!why.view().empty()) complain(why.view());
  return exit;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// How streams begin and end: certificates, tokens, saved sessions; files that were not right when the owner began.
#include <string.h>

#include <new>

#include "port/linux/clock.hpp"
#include "port/linux/secret_file.hpp"
#include "src/program/owner.hpp"

namespace tocsin {
namespace {

constexpr Millis kLookAtStreams = seconds(10);
constexpr Millis kWriteWithin = seconds(1);

bool same_trust(const StreamConfig& a, const StreamConfig& b) {
  return a.ca_file == b.ca_file && a.crl_file == b.crl_file && a.pin_sha256 == b.pin_sha256 &&
         a.client_cert_file == b.client_cert_file && a.client_key_file == b.client_key_file;
}

}  // namespace

bool Owner::looks_up(const Config& config) {
  for (const StreamConfig& stream : Span<const StreamConfig>{config.streams}.first(config.stream_count)) {
    const std::string_view host = stream.proxy_host.empty() ? stream.host : stream.proxy_host;
    if (!parse_address(host, 0).ok()) return true;
  }
  const std::string_view host = config.streams[0].proxy_host.empty() ? config.account.host : std::string_view{};
  return !config.account.api_key_file.empty() && !host.empty() && !parse_address(host, 0).ok();
}

Exit Owner::load_token(std::size_t stream, TextWriter& why) {
  const std::string_view file = config_->streams[stream].token_file;
  token_files_[stream] = file_id(file);  // first: what is written meanwhile is noticed
  char token[kMaxToken];
  const auto size = read_token(file, token, why);
  if (!size.ok()) return Exit::config;  // the one before, if there is one, stays
  std::memcpy(tokens_[stream], token, size.value());
  token_sizes_[stream] = size.value();
  ::explicit_bzero(token, sizeof token);
  return Exit::done;
}

Exit Owner::load_login(std::size_t stream, TextWriter& why) {
  const std::string_view file = config_->streams[stream].proxy_auth_file;
  if (file.empty()) return Exit::done;
  login_files_[stream] = file_id(file);
  char login[kMaxProxyLogin];
  const auto size = read_proxy_login(file, login, why);
  if (!size.ok()) return Exit::config;
  std::memcpy(logins_[stream], login, size.value());
  login_sizes_[stream] = size.value();
  ::explicit_bzero(login, sizeof login);
  return Exit::done;
}

// The sender is told whatever came of it: no new one of them is sent in the length of the one before.
Exit Owner::load_secrets(std::size_t stream, TextWriter& why) {
  Exit loaded = load_login(stream, why);
  if (loaded == Exit::done) loaded = load_token(stream, why);
  configure_sender(stream);
  return loaded;
}

void Owner::configure_sender(std::size_t stream) {
  const StreamConfig& from = config_->streams[stream];
  Sender::Settings settings;
  settings.name = from.name;
  settings.endpoint = {from.host, from.port, from.proxy_host, from.proxy_port};
  settings.proxy_login = {logins_[stream], login_sizes_[stream]};
  settings.path_prefix = from.path_prefix;
  settings.send_path = from.send_path;
  if (from.request == RequestKind::form) settings.form = &forms_[stream];
  settings.event = from.event;
  settings.variables = from.variables;
  settings.device = config_->device.name;
  settings.token = {tokens_[stream], token_sizes_[stream]};
  settings.sender = from.sender;
  settings.sms = from.sms;
  settings.timeout = from.timeout;
  settings.retry_min = from.retry_min;
  settings.retry_max = from.retry_max;
  settings.status_path = from.status_path;
  settings.receipts_at = from.undelivered_after;
  if (role_ == Role::daemon) settings.receipts_for = from.status_for;  // a command has no time for it
  senders_[stream]->configure(settings);
}

// Of the first stream that believes the same.
TlsContext& Owner::context_of(std::size_t stream) {
  std::size_t first = 0;
  while (!same_trust(config_->streams[first], config_->streams[stream])) ++first;
  if (contexts_[first] == nullptr) contexts_[first] = new (context_memory_[first]) TlsContext;
  return *contexts_[first];
}

TlsStream& Owner::make_stream(std::size_t as, void* memory) { return *new (memory) TlsStream(context_of(as), resolver_); }

// All that a stream needs of files.
Exit Owner::load_files(std::size_t stream, TextWriter& why) {
  const StreamConfig& from = config_->streams[stream];
  if (from.request == RequestKind::form &&
      !read_request_body(from, form_texts_[stream], forms_[stream], why).ok())
    return Exit::config;
  TlsContext& context = context_of(stream);
  if (!context.is_open()) {
    if (!context.open({from.ca_file, from.crl_file, from.pin_sha256, from.client_cert_file, from.client_key_file}).ok()) {
      why.text(context.problem());
      return Exit::config;
    }
    char words[400];
    TextWriter warning(words);
    context.write_warning(warning);
    if (!warning.view().empty()) log_line(LogLevel::warning, warning.view());
  }
  return load_secrets(stream, why);
}

Exit Owner::open_streams(TextWriter& why) {
  tls_use_arena(tls_arena_);
  Exit worst = Exit::done;
  for (std::size_t i = 0; i < config_->stream_count; ++i) {
    char words[400];
    TextWriter problem(words);
    streams_[i] = &make_stream(i, stream_memory_[i]);
    senders_[i] = new (sender_memory_[i]) Sender(outbox_, *streams_[i], *this, arena_);
    stream_count_ = i + 1;
    const Exit loaded = load_files(i, problem);
    configure_sender(i);
    if (loaded == Exit::done) {
      load_session(i);
      continue;
    }
    needs_files_[i] = true;
    look_at_streams_ = read_clocks().now + kLookAtStreams;
    senders_[i]->hold_until_resumed(problem.view());
    if (worst == Exit::done) why.text(problem.view());
    worst = Exit::config;
  }
  look_at_account_ = Instant{};
  return worst;
}

bool Owner::secrets_changed(std::size_t stream) const {
  const StreamConfig& from = config_->streams[stream];
  return !(file_id(from.token_file) == token_files_[stream]) ||
         (!from.proxy_auth_file.empty() && !(file_id(from.proxy_auth_file) == login_files_[stream]));
}

// Whoever mends a file need not know how to tell the daemon.
void Owner::look_at_streams(Instant now) {
  const auto held = [this](std::size_t i) { return senders_[i]->state() == Sender::State::held; };
  for (std::size_t i = 0; i < stream_count_ && look_at_streams_ == kNever; ++i)
    if (held(i)) look_at_streams_ = now + kLookAtStreams;  // perhaps because of a secret
  if (now < look_at_streams_) return;
  look_at_streams_ = kNever;
  for (std::size_t i = 0; i < stream_count_; ++i) {
    if (!needs_files_[i] && (!held(i) || !secrets_changed(i))) continue;
    char words[400];
    TextWriter problem(words);
    needs_files_[i] = load_files(i, problem) != Exit::done;
    if (!needs_files_[i]) {
      senders_[i]->resume();
      continue;
    }
    look_at_streams_ = now + kLookAtStreams;
    if (head(problem.view(), senders_[i]->reason().size()) != senders_[i]->reason())
      senders_[i]->hold_until_resumed(problem.view());
  }
}

void Owner::resume(std::size_t stream) {
  if (needs_files_[stream]) {
    look_at_streams_ = Instant{0};
  } else {
    senders_[stream]->resume();
  }
}

void Owner::answer_not_understood(const OddAnswer& answer) {
  const bool is_list = OddAnswer::is_list(answer.of);
  const std::size_t at = is_list ? OddAnswers::kNoStream : config_->find_stream(answer.stream);
  if (role_ != Role::daemon || in_memory_ || at == kNotFound) return;
  const std::string_view secret =
      is_list ? std::string_view{key_, key_size_} : std::string_view{tokens_[at], token_sizes_[at]};
  odd_answers_.keep(config_->device.state, at, answer, secret, read_clocks());
}

void Owner::load_session(std::size_t stream) {
  const StreamConfig& from = config_->streams[stream];
  if (from.session_file.empty()) return;
  char text[Log::kMaxLine];
  TextWriter line(text);
  const auto size = session_file_.read(from.session_file, line);
  if (size.code() == Code::not_found) return;
  Status loaded = size.status();
  if (loaded.ok()) {
    loaded = streams_[stream]->load_session({from.host, from.port}, as_bytes({tokens_[stream], token_sizes_[stream]}),
                                            Bytes{session_file_.room()}.first(size.value()));
    line.text("the session in ").text(from.session_file).text(" is damaged, or of other settings");
  }
  session_file_.wipe();
  if (!loaded.ok()) log_line(LogLevel::warning, line.text(": ignored, a new one is made").view());
}

// Last of all, when nothing waits for the medium any more. What is not written within a moment is not waited for.
void Owner::save_sessions() {
  const Instant until = read_clocks().now + kWriteWithin;
  for (std::size_t i = 0; let_go_ && i < stream_count_; ++i) {
    if (config_->streams[i].session_file.empty()) continue;
    const auto size = streams_[i]->save_session(as_bytes({tokens_[i], token_sizes_[i]}), session_file_.room());
    if (!size.ok()) continue;
    session_file_.begin_writing(config_->streams[i].session_file, size.value());
    char text[Log::kMaxLine];
    TextWriter line(text);
    Status written = session_file_.outcome(line);
    for (Instant now = read_clocks().now; written.code() == Code::again && now < until; now = read_clocks().now) {
      worker_.wait(until - now).ignore();
      written = session_file_.outcome(line);
    }
    if (written.code() == Code::again) return;
    if (!written.ok()) log_line(LogLevel::warning, line.view());
  }
}

}  // namespace tocsin

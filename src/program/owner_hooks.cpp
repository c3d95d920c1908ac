// SPDX-License-Identifier: MIT
// What the service calls this device for: answers of people who are told, and what became of messages.
#include "port/linux/clock.hpp"
#include "port/linux/secret_file.hpp"
#include "src/program/owner.hpp"
#include "tocsin/wire/instruction.hpp"
#include "tocsin/wire/secret.hpp"
#include "tocsin/wire/status_reply.hpp"
#include "tocsin/wire/webhook.hpp"

namespace tocsin {
namespace {

constexpr Millis kOpenAgain = seconds(10);
constexpr Millis kTellRefused = minutes(1);
constexpr std::size_t kMostNamed = 4;  // alarms in an answer to STATUS
constexpr std::size_t kMostLookedAt = 64;  // messages, for a uuid

FixedText<kMaxName> mark_of(const Phone& phone) {
  char text[kMaxName];
  TextWriter writer(text);
  FixedText<kMaxName> mark;
  mark.assign_cut(writer.text("+").text(phone.view()).view());
  return mark;
}

void write_words_of_others(std::string_view words, TextWriter& into) {
  char text[200];
  TextWriter masked(text);
  write_without_phones(words, masked);
  write_quoted(masked.view(), into);
}

}  // namespace

void Owner::open_hooks() {
  look_at_hooks_ = Instant{};
  look_at_hooks(read_clocks().now);
}

void Owner::look_at_hooks(Instant now) {
  if (now < look_at_hooks_) return;
  look_at_hooks_ = kNever;
  const HookConfig& hook = config_->webhook;
  if (hook.host.empty()) return;
  char text[Log::kMaxLine];
  TextWriter line(text);
  Result<std::size_t> secret = std::size_t{0};
  if (!hook.secret_file.empty()) secret = read_hook_secret(hook.secret_file, hook_secret_, line);
  Status opened = secret.status();
  hook_secret_size_ = secret.ok() ? secret.value() : 0;
  if (opened.ok())
    opened = hooks_.open({hook.host, hook.port, hook.path, hook.header, {hook_secret_, hook_secret_size_}}, line);
  if (opened.ok()) return;
  look_at_hooks_ = now + kOpenAgain;
  log_line(LogLevel::error, line.text(": no webhook is taken until that is mended").view());
}

void Owner::poll_hooks(Instant now) {
  look_at_hooks(now);
  if (!hooks_.is_open()) return;
  for (;;) {
    const auto hook = hooks_.next(now);
    if (!hook.ok()) break;
    hooks_.answer(take_hook(hook.value()), now);
  }
  char text[Log::kMaxLine];
  TextWriter line(text);
  if (now < tell_refused_ || !hooks_.write_refused(line.text("webhook: "))) return;
  tell_refused_ = now + kTellRefused;
  log_line(LogLevel::warning, line.view());
}

HookServer::Taken Owner::take_hook(const HookServer::Hook& hook) {
  // As it came; reading it changes it.
  const Bytes came = hook.body.empty() ? Bytes{hook.query} : Bytes{hook.body};
  std::uint8_t kept[OddAnswers::kMost];
  const Bytes raw = Bytes{kept}.first(came.size());
  copy(kept, came.first(raw.size()));
  arena_.reset();
  const Webhook read = read_webhook(hook.query, hook.body, arena_);
  char text[Log::kMaxLine], shown[200];
  TextWriter line(text), plain(shown);
  auto taken = HookServer::Taken::yes;
  switch (read.kind) {
    case Webhook::Kind::incoming: take_answer(read); break;
    case Webhook::Kind::receipt: taken = take_receipt(read); break;
    case Webhook::Kind::unknown:
      write_without({hook_secret_, hook_secret_size_}, as_text(raw.first(sizeof shown)), plain);
      write_words_of_others(plain.view(), line.text("webhook not understood: "));
      odd_answers_.keep(config_->device.state, OddAnswers::kWebhook,
                        {"webhook", OddAnswer::Of::whole, "a webhook of an unknown form", raw}, {hook_secret_, hook_secret_size_},
                        read_clocks());
      log_line(LogLevel::warning, line.view());
      break;
  }
  arena_.reset();
  return taken;
}

// By the whole id that was sent with it, else by the service's uuid, which is looked for among the newest alone: each
// look reads a record.
const Entry* Owner::find_accepted(const Webhook& hook) const {
  const Entry* entry = find(hook.own_id, '-') != kNotFound ? queue_.find(hook.own_id) : nullptr;
  if (entry != nullptr || hook.uuid.empty()) return entry;
  std::size_t looks = 0;
  alignas(8) std::uint8_t scratch[kBlock];
  for (std::size_t at = index_.size(); at > 0 && looks < kMostLookedAt; --at) {
    if (index_[at - 1].state != State::accepted) continue;
    ++looks;
    const auto state = queue_.read_state(index_[at - 1], scratch);
    if (state.ok() && same_ignoring_case(state.value().uuid, hook.uuid)) return &index_[at - 1];
  }
  return nullptr;
}

// The same as an answer of messages_status says of it.
HookServer::Taken Owner::take_receipt(const Webhook& hook) {
  const Entry* entry = find_accepted(hook);
  if (entry == nullptr) return HookServer::Taken::yes;  // of another device, or forgotten
  StatusVerdict verdict;
  verdict.receipt = receipt_of(hook.status);
  verdict.word = hook.status;
  char text[kMaxReason];
  TextWriter words(text);
  write_receipt(verdict, words);
  Clocks clocks = read_clocks();
  for (std::size_t i = 0; i < stream_count_; ++i)
    if (name_hash(senders_[i]->name()) == entry->stream) clocks = vouched_for(clocks, i);
  const Status noted = outbox_.receipt(entry->number, verdict.receipt, words.view(), clocks);
  return noted.code() == Code::full ? HookServer::Taken::not_now : HookServer::Taken::yes;
}

// The sender of a text can be forged: only what a contact may want is done, and nothing that an alarm would be lost by.
void Owner::take_answer(const Webhook& hook) {
  char text[Log::kMaxLine], answer[kMaxText];
  TextWriter line(text), reply(answer);
  const auto from = parse_phone(hook.from, config_->device.country_code);
  const Instruction instruction = read_instruction(hook.text);
  const bool obeyed = from.ok() && is_known(from.value()) && instruction.kind != Instruction::Kind::none;
  line.text("answer from ");
  from.ok() ? write_masked(from.value().view(), line) : static_cast<void>(line.text("nobody"));
  line.text(": ");
  write_words_of_others(hook.text, line);
  if (!from.ok()) line.text(", no number: ignored");
  else if (!is_known(from.value())) line.text(", no contact: ignored");
  else if (!obeyed) line.text(", not understood: ignored");
  log_line(obeyed ? LogLevel::info : LogLevel::warning, line.view());
  if (!obeyed) return;
  reply.text(config_->device.name).text(": ");
  obey(instruction, from.value(), reply);
  reply_to(from.value(), reply.view(), read_clocks().now);
}

void Owner::obey(const Instruction& instruction, const Phone& from, TextWriter& reply) {
  char text[40];
  TextWriter who(text);
  switch (instruction.kind) {
    case Instruction::Kind::none: return;
    case Instruction::Kind::acknowledge:
      write_masked(from.view(), who.text("by "));
      return acknowledge_by_code(instruction.code, who.view(), reply);
    case Instruction::Kind::status: return write_alarms(reply);
    case Instruction::Kind::stop: return stop_or_start(from, Transition::raised, reply);
    case Instruction::Kind::start: return stop_or_start(from, Transition::cleared, reply);
  }
}

void Owner::acknowledge_by_code(std::string_view code, std::string_view who, TextWriter& reply) {
  const Queue::Alarm* found = nullptr;
  for (const Queue::Alarm& alarm : queue_.alarms())
    if (alarm.is_active() && !alarm.code.empty() && same_ignoring_case(alarm.code.view(), code)) found = &alarm;
  if (found == nullptr) {
    reply.text("no active alarm has the code ").text(head(code, 2 * kCodeSize)).text(", send ACK and the code in the alarm's text");
    return;
  }
  char words[200];
  TextWriter why(words);
  const std::string_view name = found->name.view();
  const Posted posted = acknowledge(name, who, why);
  reply.text(name);
  if (posted.exit != Exit::done) reply.text(" could not be acknowledged, try again");
  else reply.text(posted.unchanged == kNotFound ? " acknowledged" : " is acknowledged already");
}

void Owner::write_alarms(TextWriter& into) const {
  std::size_t active = 0;
  for (const Queue::Alarm& alarm : queue_.alarms()) active += alarm.is_active() && !alarm.is_mark() ? 1U : 0U;
  active == 0 ? into.text("no alarm") : into.number(active).text(active == 1 ? " alarm" : " alarms");
  into.text(" active");
  std::size_t named = 0;
  for (const Queue::Alarm& alarm : queue_.alarms()) {
    if (!alarm.is_active() || alarm.is_mark() || named == kMostNamed) continue;
    into.text(named++ == 0 ? ": " : ", ").text(alarm.name.view());
    if (alarm.last == Transition::acknowledged) into.text(" acknowledged");
    else if (!alarm.code.empty()) into.text(" code ").text(alarm.code.view());
  }
  if (named < active) into.text(" and ").number(active - named).text(" more");
  std::size_t waiting = 0;
  for (std::size_t at = 0; at < index_.size(); ++at) waiting += ended(index_[at].state) ? 0U : 1U;
  into.text(", ").number(waiting).text(waiting == 1 ? " message waits" : " messages wait");
}

// A mark is an alarm of its own: it is kept as they are.
void Owner::stop_or_start(const Phone& phone, Transition to, TextWriter& reply) {
  const auto mark = mark_of(phone);
  const bool stop = to == Transition::raised;
  if (is_stopped(phone) != stop && queue_.has_place(mark.view())) {
    Event event;
    event.transition = to;
    event.stream = config_->streams[0].name;
    event.alarm = mark.view();
    outbox_.post(event, config_->device.name, read_clocks()).status().ignore();  // what came of it is told
  }
  if (is_stopped(phone) != stop) {
    reply.text("that could not be noted, try again later");
  } else if (stop) {
    reply.text("from now on you are told of critical alarms only, send START to be told of all");
  } else {
    reply.text("you are told of all alarms");
  }
}

bool Owner::is_known(const Phone& phone) const {
  for (std::size_t at = 0; at < config_->contact_count; ++at)
    if (config_->contacts[at].phone.view() == phone.view()) return true;
  char words[200];
  for (std::size_t at = 0; at < config_->alarm_count; ++at) {
    PhoneList phones;
    TextWriter why(words);
    add_recipients(*config_, config_->alarms[at].to, phones, why).ignore();
    for (const Phone& one : phones.view())
      if (one.view() == phone.view()) return true;
  }
  return false;
}

bool Owner::is_stopped(const Phone& phone) const { return is_raised(queue_, mark_of(phone).view()); }

// Unless nobody would be left.
void Owner::leave_out_stopped(PhoneList& phones) const {
  PhoneList told;
  for (const Phone& phone : phones.view())
    if (!is_stopped(phone)) told.phones[told.count++] = phone;
  if (told.count > 0) phones = told;
}

// One a minute to each, so that nobody can have this device send to somebody whose number he writes as his own.
void Owner::reply_to(const Phone& phone, std::string_view text, Instant now) {
  Replied* place = &replied_[0];
  for (Replied& one : replied_) {
    if (one.at < place->at) place = &one;
    if (one.phone.view() != phone.view()) continue;
    place = &one;
    break;
  }
  const std::size_t stream = config_->first_stream();
  if (stream == kNotFound || (place->at.ms != 0 && now < place->at + kReplyEvery)) return;
  place->phone = phone;
  place->at = now;
  Event event;
  event.cls = Class::info;
  event.stream = config_->streams[stream].name;
  event.text = text;
  event.phones = {&phone, 1};
  char words[300], said[Log::kMaxLine];
  TextWriter why(words), line(said);
  const auto pushed = outbox_.post(event, config_->device.name, read_clocks());
  if (pushed.ok()) return;
  not_posted(pushed.code(), "no reply to an answer", why);
  log_line(LogLevel::warning, line.text(why.view()).view());
}

}  // namespace tocsin

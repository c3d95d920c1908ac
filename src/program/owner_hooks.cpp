// SPDX-License-Identifier: MIT
// What the service calls this device for: answers of people who are told, and what became of messages.
#include "port/linux/clock.hpp"
#include "port/linux/secret_file.hpp"
#include "src/program/owner.hpp"
#include "tocsin/wire/instruction.hpp"
#include "tocsin/wire/secret.hpp"
#include "tocsin/wire/webhook.hpp"

namespace tocsin {
namespace {

constexpr Millis kLookAtHooks = seconds(10);
constexpr Millis kTellRefused = minutes(1);
constexpr std::size_t kMostNamed = 4;  // alarms in an answer to STATUS
constexpr std::string_view kTellsCritical = "you are told of critical alarms only, send START to be told of all";
constexpr std::string_view kTellsAll = "you are told of all alarms";

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
  const bool was_open = hooks_.is_open();
  const Status looked = was_open ? hooks_.renew(line) : open_hooks(line);
  const bool has_tls = !hook.cert_file.empty(), is_same = looked.code() == Code::again;
  if (!looked.ok() || has_tls) look_at_hooks_ = now + kLookAtHooks;
  if (is_same && hook_fails_) return;
  hook_fails_ = !looked.ok() && !is_same;
  if (hook_fails_) line.text(was_open ? ": the one before stays in use" : ": no webhook is taken until that is mended");
  else if (has_tls) hooks_.tls().certificate().write_warning(judged_at(read_clocks()), line);
  if (looked.ok() && was_open) log_line(LogLevel::info, "webhook: the renewed certificate is in use");
  if (line.view() == hook_problem_.view()) return;
  hook_problem_.assign_cut(line.view());
  if (!line.view().empty()) log_line(hook_fails_ ? LogLevel::error : LogLevel::warning, line.view());
}

Status Owner::open_hooks(TextWriter& why) {
  const HookConfig& hook = config_->webhook;
  Result<std::size_t> secret = std::size_t{0};
  if (!hook.secret_file.empty()) secret = read_hook_secret(hook.secret_file, hook_secret_, why);
  hook_secret_size_ = secret.ok() ? secret.value() : 0;
  TRY(secret.status());
  return hooks_.open({hook.host, hook.port, hook.path, hook.header, {hook_secret_, hook_secret_size_}, hook.cert_file,
                      hook.key_file},
                     why);
}

void Owner::poll_hooks(Instant now) {
  look_at_hooks(now);
  if (!closing_) reply_to_waiting(now);
  if (!hooks_.is_open()) return;
  for (;;) {
    const auto hook = hooks_.next(now);
    if (!hook.ok()) break;
    take_hook(hook.value(), now);
  }
  char text[Log::kMaxLine];
  TextWriter line(text);
  if (now < tell_refused_ || !hooks_.write_refused(line.text("webhook: "))) return;
  tell_refused_ = now + kTellRefused;
  log_line(LogLevel::warning, line.view());
}

// All that it tells of, or nothing: who is sent away sends all of it again, and what counted counts once.
void Owner::take_hook(const HookServer::Hook& hook, Instant now) {
  // As it came; reading it changes it.
  const Bytes came = hook.body.empty() ? Bytes{hook.query} : Bytes{hook.body};
  std::uint8_t kept[OddAnswers::kMost];
  const Bytes raw = Bytes{kept}.first(came.size());
  copy(kept, came.first(raw.size()));
  arena_.reset();
  Webhook events[kMaxHookEvents];
  const std::size_t count = read_webhooks(hook.query, hook.body, arena_, events);
  Queue::Ticket safe_at = 0;
  auto taken = count > kMaxHookEvents ? HookServer::Taken::too_many : HookServer::Taken::yes;
  for (std::size_t at = 0; at < count && taken != HookServer::Taken::too_many; ++at) {
    const auto changed = take_event(events[at], raw);
    if (!changed.ok()) taken = HookServer::Taken::not_now;
    else if (changed.value() > safe_at) safe_at = changed.value();
  }
  arena_.reset();
  taken == HookServer::Taken::yes && !queue_.on_medium(safe_at) ? hooks_.keep(safe_at, now) : hooks_.answer(taken, now);
}

Result<Queue::Ticket> Owner::take_event(const Webhook& event, Bytes raw) {
  char text[Log::kMaxLine], shown[200];
  TextWriter line(text), plain(shown);
  switch (event.kind) {
    case Webhook::Kind::incoming: {
      if (lookup_ != nullptr && lookup_->has_heard(event)) return outbox_.newest();  // in the list, or from here
      TRY_LET(changed, take_incoming(event.from, event.text, Heard::now));
      if (lookup_ != nullptr) lookup_->note_heard(event);
      return changed;
    }
    case Webhook::Kind::receipt: return take_receipt(event);
    case Webhook::Kind::unknown:
      write_without({hook_secret_, hook_secret_size_}, as_text(raw.first(sizeof shown)), plain);
      write_words_of_others(plain.view(), line.text("webhook not understood: "));
      odd_answers_.keep(config_->device.state, OddAnswers::kNoStream,
                        {"webhook", OddAnswer::Of::whole, "a webhook of an unknown form", raw},
                        {hook_secret_, hook_secret_size_}, read_clocks());
      log_line(LogLevel::warning, line.view());
      break;
  }
  return Queue::Ticket{0};
}

// The same as an answer of messages_status says of it. What goes on by its next stream, or needs no copy any more, is
// not asked for after a power cut: its ticket, else 0. Errors: full.
Result<Queue::Ticket> Owner::take_receipt(const Webhook& hook) {
  const Entry* entry = outbox_.find_told(hook.own_id, hook.uuid);
  if (entry == nullptr) return Queue::Ticket{0};  // of another device, or forgotten
  const bool waited = !ended(entry->state);
  Clocks clocks = read_clocks();
  if (const std::size_t stream = stream_of(entry); stream != kNotFound) clocks = vouched_for(clocks, stream);
  const Status noted = outbox_.told(entry->number, hook.status, clocks, hook.uuid);
  if (noted.code() == Code::full) return noted;
  return noted.ok() && (waited || !ended(entry->state)) ? outbox_.newest() : Queue::Ticket{0};
}

// What somebody wrote, however it came here. The ticket of what it changed: who brought it may forget it when that is
// on the medium; 0: it changed nothing. The same once more is harmless. Errors: full: nothing changed, bring it again.
// The sender of a text can be forged: only what a contact may want is done, and nothing that an alarm would be lost by.
Result<Queue::Ticket> Owner::take_incoming(std::string_view sender, std::string_view words, Heard heard) {
  char text[Log::kMaxLine], answer[kMaxText];
  TextWriter line(text), reply(answer);
  const Instant now = read_clocks().now;
  const auto from = parse_phone(sender, config_->device.country_code);
  const Instruction instruction = read_instruction(words);
  line.text("answer from ");
  from.ok() ? write_masked(from.value().view(), line) : static_cast<void>(line.text("nobody"));
  line.text(": ");
  write_words_of_others(words, line);
  const std::string_view ignored = !from.ok()                                       ? ", no number: ignored"
                                   : !is_known(from.value())                        ? ", no contact: ignored"
                                   : answerers_.is_ignored(from.value(), now)       ? ", too many wrong codes: ignored"
                                   : instruction.kind == Instruction::Kind::none ? ", not understood: ignored"
                                                                                    : "";
  const bool told = heard == Heard::before;  // the run before may have said it
  if (told) line.text(" (from before this start)");
  log_line(ignored.empty() || told ? LogLevel::info : LogLevel::warning, line.text(ignored).view());
  if (!ignored.empty()) return Queue::Ticket{0};
  if (heard != Heard::now && !is_for_this(instruction, heard, now)) return Queue::Ticket{0};
  reply.text(config_->device.name).text(": ");
  TRY_LET(changed, obey(instruction, from.value(), reply));
  if (heard == Heard::before) return changed;
  // That it is ignored from now on is told, whatever it was told before.
  const auto due = changed > 0 ? Answerers::Reply::due : Answerers::Reply::by_the_way;
  if (answerers_.may_reply(from.value(), due, now) || answerers_.is_ignored(from.value(), now))
    reply_to(from.value(), reply.view());
  return changed;
}

// How it stands by now confirms whatever was asked for since the reply before.
void Owner::reply_to_waiting(Instant now) {
  for (Phone phone = answerers_.next_waiting(now); !phone.empty(); phone = answerers_.next_waiting(now)) {
    char answer[kMaxText];
    TextWriter reply(answer);
    write_alarms(reply.text(config_->device.name).text(": "));
    reply_to(phone, reply.text("; ").text(is_stopped(phone) ? kTellsCritical : kTellsAll).view());
  }
}

Result<Queue::Ticket> Owner::obey(const Instruction& instruction, const Phone& from, TextWriter& reply) {
  switch (instruction.kind) {
    case Instruction::Kind::none: break;
    case Instruction::Kind::acknowledge: return acknowledge_by_code(instruction.code, from, reply);
    case Instruction::Kind::status: write_alarms(reply); break;
    case Instruction::Kind::stop: return stop_or_start(from, Transition::raised, reply);
    case Instruction::Kind::start: return stop_or_start(from, Transition::cleared, reply);
  }
  return Queue::Ticket{0};
}

const Queue::Alarm* Owner::with_code(std::string_view code) const {
  const Queue::Alarm* found = nullptr;
  for (const Queue::Alarm& alarm : queue_.alarms())
    if (alarm.is_active() && !alarm.code.empty() && same_ignoring_case(alarm.code.view(), code)) found = &alarm;
  return found;
}

// A code in the account's list that is not of this device may be another one's, or over: it is not told to be wrong. A
// question of long ago wants no answer.
bool Owner::is_for_this(const Instruction& instruction, Heard heard, Instant now) {
  if (instruction.kind != Instruction::Kind::acknowledge)
    return heard == Heard::listed || instruction.kind != Instruction::Kind::status;
  using IsIt = Answerers::Code;
  if (instruction.code.size() == kCodeSize)
    return answerers_.takes_listed(with_code(instruction.code) != nullptr ? IsIt::right : IsIt::wrong, now);
  bool waits = false;  // for an acknowledgement: who forgot the code is told by the devices that do
  for (const Queue::Alarm& alarm : queue_.alarms()) waits |= alarm.last == Transition::raised && !alarm.code.empty();
  return heard == Heard::listed && waits;
}

Result<Queue::Ticket> Owner::acknowledge_by_code(std::string_view code, const Phone& from, TextWriter& reply) {
  const Instant now = read_clocks().now;
  if (!answerers_.takes_codes(now)) {
    reply.text("too many wrong codes came, none is taken for up to an hour");
    return Queue::Ticket{0};
  }
  const Queue::Alarm* const found = with_code(code);
  if (found == nullptr) {
    wrong_code(code, from, reply);
    return Queue::Ticket{0};
  }
  char text[40], words[200];
  TextWriter who(text), why(words);
  const std::string_view name = found->name.view();
  write_masked(from.view(), who.text("by "));
  const Posted posted = acknowledge(name, who.view(), why);
  if (posted.exit != Exit::done && posted.exit != Exit::bad_data) return Code::full;
  reply.text(name);
  if (posted.exit != Exit::done) reply.text(" is not in the configuration any more");
  else reply.text(posted.unchanged == kNotFound ? " acknowledged" : " is acknowledged already");
  return posted.pushed.ticket;
}

void Owner::wrong_code(std::string_view code, const Phone& from, TextWriter& reply) {
  reply.text(code.empty() ? "ACK came without a code" : "no active alarm has the code ").text(head(code, 2 * kCodeSize));
  AlarmCode guess;
  guess.assign_cut(code);
  using Wrong = Answerers::Wrong;
  const Wrong wrong = code.size() != kCodeSize ? Wrong::told_before  // as "ACK please": it could not be right
                                               : answerers_.wrong(from, guess, read_clocks().now);
  char text[Log::kMaxLine];
  TextWriter line(text);
  switch (wrong) {
    case Wrong::told_before:
    case Wrong::counted: reply.text(", send ACK and the code in the alarm's text"); return;
    case Wrong::last_of_phone:
      reply.text(": too many wrong codes, what comes from this number is ignored for up to an hour");
      write_masked(from.view(), line);
      line.text(" has sent too many wrong codes: it is ignored until their hour is over");
      break;
    case Wrong::last_of_all:
      reply.text(": too many wrong codes came, none is taken for up to an hour");
      line.text("too many wrong codes came: no ACK is taken until their hour is over; is a sender forged?");
      break;
  }
  log_line(LogLevel::error, line.view());
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
  std::size_t waiting = 0;  // neither replies nor what the device says of itself
  for (std::size_t at = 0; at < index_.size(); ++at)
    waiting += !ended(index_[at].state) && index_[at].alarm != 0 && index_[at].alarm != name_hash(kSelfAlarm) ? 1U : 0U;
  into.text(", ").number(waiting).text(waiting == 1 ? " alarm message waits" : " alarm messages wait");
}

// A mark is an alarm of its own: it is kept as they are.
Result<Queue::Ticket> Owner::stop_or_start(const Phone& phone, Transition to, TextWriter& reply) {
  const auto mark = mark_of(phone);
  const bool stop = to == Transition::raised;
  Queue::Ticket changed = is_safe(mark.view()) ? 0 : queue_.newest();
  if (is_stopped(phone) != stop && queue_.has_place(mark.view())) {
    Event event;
    event.transition = to;
    event.stream = config_->streams[0].name;
    event.alarm = mark.view();
    TRY_LET(pushed, outbox_.post(event, config_->device.name, read_clocks()));
    changed = pushed.ticket;
  }
  if (is_stopped(phone) != stop) {
    reply.text("that could not be noted, too many have sent STOP");
  } else {
    reply.text(stop ? kTellsCritical : kTellsAll);
  }
  return changed;
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

void Owner::reply_to(const Phone& phone, std::string_view text) {
  const std::size_t stream = config_->first_stream();
  if (stream == kNotFound) return;
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

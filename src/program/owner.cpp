// SPDX-License-Identifier: MIT
// The owner at work. How it begins and ends: owner_open.cpp.
#include "src/program/owner.hpp"

#include "port/linux/clock.hpp"

namespace tocsin {
namespace {

constexpr Millis kMediumPatience{Queue::kStall.count + 300};

// Of one poll(2).
TlsStream::Heard heard(const TlsStream& stream, Span<const pollfd> fds) {
  for (const pollfd& one : fds) {
    if (one.fd != stream.handle() || (one.events & POLLIN) == 0) continue;
    const int came = one.revents & ~POLLOUT;
    return came == 0        ? TlsStream::Heard::nothing
           : came == POLLIN ? TlsStream::Heard::data
                            : TlsStream::Heard::unknown;
  }
  return TlsStream::Heard::unknown;
}

bool is_silent(int fd, Span<const pollfd> fds) {
  for (const pollfd& one : fds)
    if (one.fd == fd) return one.revents == 0;
  return false;
}

}  // namespace

Owner::Owner(Resolver& resolver, Log& log)
    : resolver_(resolver), log_(log), files_(worker_, state_), even_(worker_), odd_(worker_), ballast_(worker_),
      queue_(even_, odd_, index_), outbox_(queue_, index_, *this), arena_({arena_memory_, sizeof arena_memory_}),
      odd_answers_(worker_), kept_aside_(worker_), session_file_(worker_) {}

// For the jitter of retries: seeded by the kernel, then without a system call (xorshift64*).
std::uint32_t Owner::next_random() {
  random_state_ ^= random_state_ >> 12;
  random_state_ ^= random_state_ << 25;
  random_state_ ^= random_state_ >> 27;
  return static_cast<std::uint32_t>(random_state_ * 0x2545F4914F6CDD1DU >> 32);
}

void Owner::log_line(LogLevel level, std::string_view text) { log_.line(read_clocks().now, level, text); }

std::size_t Owner::handles(Span<pollfd> into) const {
  std::size_t n = 0;
  const auto add = [&](int fd, Want want, int with_reading = 0) {
    if (fd < 0 || n == into.size()) return;
    into[n++] = {fd,
                 static_cast<short>(want == Want::writable   ? POLLOUT
                                    : want == Want::readable ? POLLIN | with_reading
                                    : want == Want::either   ? POLLIN | POLLOUT | with_reading
                                                             : 0),
                 0};
  };
  add(worker_.handle(), Want::readable);
  if (control_.is_open()) {
    ControlServer::Handle control[kMaxControlClients + 1];
    const std::size_t count = control_.handles(control);
    for (std::size_t i = 0; i < count; ++i) add(control[i].fd, control[i].want);
  }
  for (std::size_t i = 0; i < stream_count_; ++i)
    if (senders_[i]->want() != Want::nothing) add(senders_[i]->handle(), senders_[i]->want(), POLLRDHUP);
  if (lookup_ != nullptr && lookup_->want() != Want::nothing) add(lookup_->handle(), lookup_->want(), POLLRDHUP);
  int hooks[HookServer::kMaxHandles];
  const std::size_t hook_count = hooks_.handles(hooks, read_clocks().now);
  for (std::size_t i = 0; i < hook_count; ++i) add(hooks[i], Want::readable);
  for (std::size_t i = 0; i < config_->alarm_count; ++i)
    if (lines_[i] != nullptr && !input_pending_[i])  // its next edges wait until there is room for this one
      add(lines_[i]->handle(), Want::readable);
  return n;
}

void Owner::poll() {
  const Clocks clocks = read_clocks();
  queue_.poll(clocks.now);
  poll_lines(clocks.now);
  serve(clocks.now);
  poll_hooks(clocks.now);
  outbox_.poll(clocks);
  poll_self(clocks);
  look_at_account(clocks.now);
  if (lookup_ != nullptr && !closing_) poll_lookup(clocks);
  Queue::Ticket safe;
  bool stalled;
  do {
    safe = queue_.safe();
    stalled = queue_.stalled(clocks.now);
    for (std::size_t i = 0; i < stream_count_; ++i)
      senders_[i]->poll(vouched_for(clocks, i), next_random());
    if (last_ != nullptr && decided(*last_)) end_run();
    queue_.poll(clocks.now);  // what the senders put on record goes out in this turn
    // That may have taken in the sync that a sender waits for, or its failure; nothing else would wake it.
  } while (queue_.safe() != safe || queue_.stalled(clocks.now) != stalled);
  learn_time_from_services();
  for (Waiting& waiting : waiting_)
    if (waiting.used) look_after(waiting, clocks.now);
  hooks_.settle(queue_.safe(), queue_.failing() ? HookServer::Medium::fails : HookServer::Medium::works, clocks.now);
  look_at_state(clocks.now);
  look_at_files(clocks.now);
  look_at_ballast(clocks.now);
  look_at_streams(clocks.now);
  if (!carried_.empty() || !carried_.alarms().empty()) carry_on();
  report_medium(clocks.now);
  forget_damage(clocks.now);
  char name[kMaxPath + 48];
  TextWriter kept(name);
  if (odd_answers_.poll(kept)) {
    char text[Log::kMaxLine];
    TextWriter line(text);
    line.text("an answer that could not be understood is in ").text(kept.view());
    log_line(LogLevel::warning, line.text(", without token and numbers: send it to support").view());
  }
  log_.poll(clocks.now);
}

Instant Owner::wake() const {
  Instant at = earlier(earlier(earlier(earlier(queue_.wake(), outbox_.wake()), look_at_kept_), log_.due()),
                       earlier(retry_lines_, look_at_streams_));
  if (in_memory_) at = earlier(at, look_at_state_);
  if (files_are_gone()) at = earlier(at, look_at_files_);
  if (looks_whether_gone()) at = earlier(at, look_whether_gone_);
  at = earlier(earlier(at, look_at_ballast_), medium_news_.wake());
  if (control_.is_open()) at = earlier(at, control_.due());
  if (self_begun_) at = earlier(at, self_.wake());
  at = earlier(earlier(at, look_at_hooks_), hooks_.due());
  if (!closing_) at = earlier(at, answerers_.wake());
  at = earlier(at, look_at_account_);
  if (lookup_ != nullptr && !closing_) at = earlier(at, lookup_->wake());
  for (std::size_t i = 0; i < stream_count_; ++i) at = earlier(at, senders_[i]->wake());
  for (const Waiting& waiting : waiting_)
    if (waiting.used) at = earlier(at, waiting.acknowledged ? waiting.until : waiting.medium_until);
  return at;
}

bool Owner::turn(Instant until, int extra) {
  const Instant now = read_clocks().now;
  const Instant at = earlier(until, wake());
  pollfd fds[kMaxHandles + 1];
  std::size_t n = handles(Span<pollfd>{fds, kMaxHandles});
  const std::size_t extra_at = n;
  if (extra >= 0) fds[n++] = {extra, POLLIN, 0};
  const std::int64_t wait = at == kNever ? 60'000 : at <= now ? 0 : (at - now).count;
  // Who has no signals to look for does at once what is due. Where nobody was asked nothing is known.
  const bool at_once = wait == 0 && extra < 0;
  if (at_once || ::poll(fds, n, wait > 60'000 ? 60'000 : static_cast<int>(wait)) < 0) n = 0;
  for (std::size_t i = 0; i < stream_count_; ++i) streams_[i]->heard(heard(*streams_[i], {fds, n}));
  if (lookup_ != nullptr) lookup_stream_->heard(heard(*lookup_stream_, {fds, n}));
  control_.nobody_calls(at_once || is_silent(control_.listener(), {fds, n}));
  poll();
  control_.nobody_calls(false);
  for (std::size_t i = 0; i < stream_count_; ++i) streams_[i]->heard(TlsStream::Heard::unknown);
  if (lookup_ != nullptr) lookup_stream_->heard(TlsStream::Heard::unknown);
  return extra >= 0 && (fds[extra_at].revents & POLLIN) != 0;
}

Exit Owner::settle(Queue::Ticket ticket) {
  const Instant until = read_clocks().now + kMediumPatience;
  queue_.poll(read_clocks().now);
  while (!queue_.on_medium(ticket)) {
    const Instant now = read_clocks().now;
    if (now >= until || queue_.failing()) return Exit::medium;
    turn(until, -1);
  }
  return Exit::done;
}

void Owner::message_ended(const MessageId& id, std::uint32_t number, State state, std::string_view reason) {
  ++messages_ended_;
  if (state == State::accepted) note_accepted(number);
  tell_end(id, number, state, reason, SelfKind::failed);
}

void Owner::receipt_came(const MessageId& id, std::uint32_t number, State state, std::string_view reason) {
  if (state == State::accepted) note_accepted(number);
  tell_end(id, number, state, reason, SelfKind::undelivered);
}

void Owner::tell_end(const MessageId& id, std::uint32_t number, State state, std::string_view reason,
                     SelfKind failed) {
  char text[Log::kMaxLine], masked[kMaxReason];
  TextWriter line(text), words(masked);
  line.text("message ");
  id.view().empty() ? line.number(number) : line.text(id.view());
  line.text(" ").text(tocsin::word(state));
  write_without_phones(reason, words);
  if (!reason.empty()) line.text(": ").text(words.view());
  note_end(number, state, words.view(), failed);
  if (state == State::unknown) line.text(": it may have arrived; nothing more is sent by itself");
  const bool is_good = state == State::accepted || state == State::delivered;
  log_line(is_good                   ? LogLevel::info
           : state == State::dropped ? LogLevel::warning  // as somebody asked for it
                                     : LogLevel::error,
           line.view());
}

void Owner::message_goes_on(const MessageId& id, std::uint32_t, std::string_view words) {
  char text[Log::kMaxLine];
  TextWriter line(text);
  line.text("message ").text(id.view()).text(" goes on by its next stream: ");
  write_without_phones(words, line);
  log_line(LogLevel::warning, line.view());
}

void Owner::message_set_aside(const MessageId& id, std::uint32_t number, std::string_view reason) {
  char text[Log::kMaxLine], masked[kMaxReason];
  TextWriter line(text), words(masked);
  write_without_phones(reason, words);
  const Entry* entry = index_.find(number);
  if (entry != nullptr && entry->alarm != name_hash(kSelfAlarm)) note_self(SelfKind::aside, words.view());
  line.text("message ").text(id.view()).text(" set aside");
  if (const std::size_t stream = stream_of(entry); stream != kNotFound && entry->place_of(1) != 0)
    line.text(" by stream ").text(config_->streams[stream].name);
  line.text(" for an hour or so: ").text(words.view());
  log_line(LogLevel::error, line.text(" (at once: tocsin queue retry ").text(id.view()).text(")").view());
}

void Owner::stream_changed(std::string_view stream, std::string_view condition, std::string_view reason) {
  char text[Log::kMaxLine];
  TextWriter line(text);
  note_stream(stream, condition);
  if (condition == "resumed") log_.begin_anew(read_clocks().now);  // held again is news, in the same words, too
  line.text("stream ").text(stream).text(" ").text(condition).text(": ");
  write_without_phones(reason, line);
  log_line(condition == "held"                                ? LogLevel::error
           : condition == "working" || condition == "resumed" ? LogLevel::info
                                                              : LogLevel::warning,
           line.view());
}

void Owner::receipts_changed(std::string_view stream, std::string_view words) {
  char text[Log::kMaxLine];
  TextWriter line(text);
  write_without_phones(words, line.text("stream ").text(stream).text(": delivery status: "));
  log_line(LogLevel::warning, line.view());
}

void Owner::budget_spent(Class cls, Instant until) {
  char text[Log::kMaxLine];
  TextWriter line(text);
  const Millis wait = until - read_clocks().now;
  constexpr SelfKind kKinds[] = {SelfKind::budget_critical, SelfKind::budget_warning, SelfKind::budget_info};
  note_self(kKinds[static_cast<std::size_t>(cls)], {});
  line.text("class ").text(tocsin::word(cls)).text(" has sent as many messages as it may: the others wait ");
  write_wait(wait, line);
  line.text("; see [class ");
  log_line(LogLevel::error, line.text(tocsin::word(cls)).text("] in the configuration").view());
}

void Owner::segments_spent(std::uint32_t number, SegmentBudgets::Whose whose, SegmentBudgets::Left left, Instant until) {
  const Entry* entry = index_.find(number);
  char text[Log::kMaxLine], words[kMaxName + 60];
  TextWriter line(text), what(words);
  if (const std::size_t at = stream_of(entry); at != kNotFound) {
    const StreamConfig& stream = config_->streams[at];
    const bool of_phone = whose == SegmentBudgets::Whose::recipient;
    if (of_phone) {
      alignas(8) std::uint8_t scratch[kBlock];
      const auto message = outbox_.read(number, scratch);
      write_masked(message.ok() ? message.value().phone.view() : std::string_view{}, what.text("phone "));
      what.text(" by ");
    }
    what.text("stream ").text(stream.name);
    line.text(what.view()).text(" has had ");
    line.number(of_phone ? stream.recipient_segments_per_day : stream.segments_per_day).text(" segments of the day");
    if (left == SegmentBudgets::Left::reserve) line.text(" but for those of critical messages");
    line.text(": the others wait ");
    write_wait(until - read_clocks().now, line);
    line.text("; see ").text(of_phone ? "recipient_segments_per_day" : "segments_per_day");
    log_line(LogLevel::error, line.view());
    if (entry->alarm != name_hash(kSelfAlarm)) note_self(SelfKind::segments, what.view());
  }
}

std::size_t Owner::stream_of(const Entry* entry) const {
  for (std::size_t i = 0; entry != nullptr && i < stream_count_; ++i)
    if (name_hash(senders_[i]->name()) == outbox_.stream_of(*entry)) return i;
  return kNotFound;
}

std::string_view Owner::trouble_of(std::uint32_t stream) const {
  for (std::size_t i = 0; i < stream_count_; ++i)
    if (name_hash(senders_[i]->name()) == stream) return senders_[i]->reason();
  return {};
}

void Owner::write_medium_reason(Instant now, TextWriter& into) const {
  if (in_memory_ || (files_are_gone() && !memory_reason_.view().empty())) {
    into.text(memory_reason_.view());
  } else if (queue_.failing()) {
    write_errno(queue_.last_errno(), into);
  } else if (queue_.stalled(now)) {
    into.text("it does not answer");
  }
}

void Owner::report_medium(Instant now) {
  const auto news = medium_news_.look(queue_.stalled(now), queue_.idle() && carried_.empty(), now);
  if (news == MediumNews::News::none) return;
  char text[200];
  TextWriter line(text);
  if (news == MediumNews::News::works) {
    self_.is_quiet(now) ? self_.take_back(SelfKind::medium) : note_self(SelfKind::works, {});
    return log_line(LogLevel::info, "the medium works again: everything is on it");
  }
  note_self(SelfKind::medium, queue_.failing() ? "it fails, new alarms are kept in memory only"
                                               : "it does not answer, new alarms are kept in memory only");
  line.text("the medium of ").text(config_->device.place());
  if (queue_.failing()) {
    line.text(" fails (");
    write_errno(queue_.last_errno(), line);
    line.text("): new alarms are kept in memory only; look at the disk");
  } else {
    line.text(" does not answer: new alarms are kept in memory only; look at the disk");
  }
  log_line(LogLevel::error, line.view());
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// A daemon whose state cannot be used: it goes on in memory, and moves to the state as soon as that opens.
#include <errno.h>

#include <new>

#include "port/linux/clock.hpp"
#include "port/linux/entropy.hpp"
#include "src/program/memory_list.hpp"
#include "src/program/owner.hpp"

namespace tocsin {
namespace {

constexpr Millis kLookAgain = seconds(10);
constexpr Millis kLookAtBallast = hours(1);
constexpr Millis kLookWhetherGone = minutes(1);
// For as long the requests that are under way may take; then no new one begins until the move is done.
constexpr Millis kMovePatience = seconds(10);

}  // namespace

void Owner::begin_in_memory(Status failure, std::string_view why) {
  in_memory_ = true;
  medium_news_.told_trouble();
  memory_reason_.assign_cut(why);
  even_.open(no_file(failure));
  odd_.open(no_file(failure));
  state_.close();  // behind the files of the stores
  const auto found = queue_.load();
  TOCSIN_ASSERT(found.ok());  // a store without a file reads zeros: a queue that is empty
  found_ = {};
  look_at_state_ = read_clocks().now + kLookAgain;
  char text[Log::kMaxLine];
  TextWriter line(text);
  line.text(why).text(": everything is kept in memory only until it can be used; tried again every 10 s");
  log_line(LogLevel::error, line.view());
  note_self(SelfKind::medium, "it cannot be used, everything is kept in memory only");
}

StoreFile Owner::no_file(Status failure) const {
  StoreFile none;
  none.capacity = config_->device.queue_bytes / 2;
  none.missing = failure.detail() != 0 ? failure.detail() : EIO;
  return none;
}

std::size_t Owner::only_in_memory() const {
  if (!in_memory_ && !queue_.stalled(read_clocks().now)) return carried_.messages();
  std::size_t count = carried_.messages();
  for (std::size_t at = 0; at < index_.size(); ++at) count += is_lost(index_[at]) ? 1U : 0U;
  return count;
}

// With this process, while the medium fails.
bool Owner::is_lost(const Entry& entry) const {
  return !ended(entry.state) && (entry.body_staged || files_are_gone());
}

// The first of only_in_memory() by their ids; of those that wait for room only how many.
void Owner::write_lost(std::size_t count, TextWriter& into) const {
  constexpr std::size_t kMost = 8;
  std::size_t named = 0;
  alignas(8) std::uint8_t scratch[kBlock];
  for (std::size_t at = 0; count > carried_.messages() && at < index_.size() && named < kMost; ++at) {
    if (!is_lost(index_[at])) continue;
    const auto body = queue_.read_body(index_[at], scratch);
    if (!body.ok()) continue;
    into.text(named++ == 0 ? ": " : ", ").text(message_id(body.value().event.id_prefix, index_[at].number).view());
  }
  if (named > 0 && count > named) into.text(" and ").number(count - named).text(" more");
}

// Without a state, or where its files are gone, everything, also what has ended; where the medium is only slow or
// failing, what waits and is in no file.
std::size_t Owner::list_memory(const ControlRequest& request, MutBytes into, TextWriter& remark) const {
  std::size_t size = 0;
  if (carried_.messages() > 0)
    remark.number(carried_.messages()).text(carried_.messages() == 1 ? " message" : " messages")
        .text(" from memory wait for room in the queue and are not listed");
  if (request.files_gone && role_ == Role::daemon) {
    remark.text(remark.view().empty() ? "" : "; ").text("the daemon ");
    if (in_memory_) remark.text("cannot use its state and has everything in memory only: see `tocsin status`");
    else
      remark.text("has files in ").text(config_->device.state)
          .text(" open that were removed, and makes them anew: look again");
  }
  if (!in_memory_ && !request.files_gone && !queue_.stalled(read_clocks().now)) return 0;
  const Entry* const asked = request.subject.empty() ? nullptr : queue_.find(request.subject);
  if (!request.subject.empty() && asked == nullptr) return 0;
  const bool all = in_memory_ || files_are_gone() || request.files_gone;
  alignas(8) std::uint8_t scratch[kBlock], last[kBlock];
  for (std::size_t at = 0; at < index_.size(); ++at) {
    const Entry& entry = index_[at];
    if (entry.number < request.from || (asked != nullptr && &entry != asked)) continue;
    if (!all && (ended(entry.state) || !entry.body_staged)) continue;
    const auto body = queue_.read_body(entry, scratch);
    if (body.ok() && !add_to_list(entry, body.value(), queue_.read_state(entry, last), into, size)) break;
  }
  return size;
}

void Owner::look_at_state(Instant now) {
  if (!in_memory_) return;
  if (!state_opens_) {
    const Status opened = files_.poll();
    if (opened.code() == Code::again) return;
    if (opened.code() == Code::empty) {
      if (now < look_at_state_) return;
      files_.begin(config_->device);
      look_at_state_ = kNever;  // the worker wakes the loop
      return;
    }
    look_at_state_ = now + kLookAgain;
    if (!opened.ok()) {
      if (memory_reason_.view() != files_.why()) log_line(LogLevel::error, files_.why());
      memory_reason_.assign_cut(files_.why());
      return;
    }
    state_opens_ = true;
    look_at_state_ = now + kMovePatience;
  }
  bool resting = queue_.resting();
  for (std::size_t i = 0; i < stream_count_; ++i) {
    resting = resting && senders_[i]->resting();
    if (now >= look_at_state_) senders_[i]->stop();
  }
  if (resting) return move_to_state(now);
  if (now >= look_at_state_) look_at_state_ = kNever;
}

// The files' queue is loaded in the place of the one that only memory had, and what waited there is queued anew
// behind what was found: its numbers may be those of others in the files.
void Owner::move_to_state(Instant now) {
  state_opens_ = false;
  look_at_state_ = now + kLookAgain;
  for (Waiting& waiting : waiting_) {  // nobody waits for long while the medium fails
    if (waiting.used && control_.waits(waiting.client))
      reply(waiting.client, Exit::later, {}, "the medium works again: look with `tocsin queue list`", now);
    waiting = Waiting{};
  }
  hooks_.settle(0, HookServer::Medium::fails, now);
  look_at_kept_ = Instant{};
  forgetting_ = false;
  if (lookup_ != nullptr) lookup_->begin_anew();
  const Tally tally = outbox_.tally();
  const SegmentBudgets segments = outbox_.segments();
  const auto on_s = static_cast<std::uint32_t>(queue_.on_ms(now) / 1000);
  carried_.save(queue_, index_, on_s);
  even_.close();
  odd_.close();
  open_files();
  renew_queue();
  auto found = queue_.load(files_.has_bad_blocks() ? Queue::BadBlocks::leave_out : Queue::BadBlocks::refuse);
  if (found.ok()) {
    in_memory_ = false;
    memory_reason_.clear();
    begin_ballast();
    take_found(found.value());
    char text[Log::kMaxLine];
    TextWriter line(text);
    files_.write_changes(line);
    if (!line.view().empty()) log_line(LogLevel::warning, line.view());
    line.clear();
    std::size_t waiting = 0;
    for (std::size_t at = 0; at < index_.size(); ++at) waiting += ended(index_[at].state) ? 0U : 1U;
    line.text("the state in ").text(config_->device.place()).text(" can be used again: ");
    line.number(waiting).text(waiting == 1 ? " message waits in it, " : " messages wait in it, ");
    line.number(carried_.messages());
    line.text(carried_.messages() == 1 ? " comes from memory" : " come from memory");
    log_line(LogLevel::info, line.view());
  } else {
    char words[300];
    TextWriter why(words);
    write_unreadable(found.status(), why);
    even_.close();
    odd_.close();
    renew_queue();
    begin_in_memory(found.status(), why.view());
  }
  begin_run();
  begin_outbox();
  begin_self();
  outbox_.count_spent(tally, segments, on_s, read_clocks());
  for (std::size_t i = 0; i < stream_count_; ++i) senders_[i]->go_on();
  carry_on();
  look_up_left();
  if (carried_.lost() > 0) {
    char text[Log::kMaxLine];
    TextWriter line(text);
    log_line(LogLevel::error, line.number(carried_.lost()).text(" messages were lost on the way").view());
  }
  if (in_memory_) return;
  // The alarms of the files count, and then what is known to be otherwise.
  for (std::size_t i = 0; i < config_->alarm_count; ++i) {
    if (lines_[i] != nullptr) input_pending_[i] = true;
    if (!clear_later_[i]) continue;
    clear_later_[i] = false;
    char words[300];
    TextWriter why(words);
    if (change(config_->alarms[i].name, Transition::cleared, why).exit != Exit::done)
      log_line(LogLevel::error, why.view());
  }
}

// Half of one file: a turn copies two fifths of it at most, and the rest takes what comes meanwhile.
void Owner::begin_ballast() {
  if (!config_->device.state_device.empty() || !needs_ballast(state_.fd())) return;
  ballast_.open(state_.fd(), even_.capacity() / 2);
  even_.may_give_up(&ballast_);
  odd_.may_give_up(&ballast_);
  if (role_ == Role::daemon) look_at_ballast_ = Instant{0};
}

// Never while the medium is in trouble: what was given up is needed by others first.
void Owner::look_at_ballast(Instant now) {
  const bool rests = ballast_.poll();
  if (ballast_.was_given_up())
    log_line(LogLevel::error,
             "the medium is full: the ballast was given up, so that the queue goes on; free some space");
  if (now < look_at_ballast_) return;
  look_at_ballast_ = now + kLookAtBallast;
  if (rests && !in_memory_ && !queue_.stalled(now)) ballast_.make();
}

// Removed, renamed, or in a directory that was: nobody else would find them. They are open here, and what counts
// can still be read.
bool Owner::files_are_gone() const {
  return !in_memory_ && config_->device.state_device.empty() && queue_.failing() && queue_.last_errno() == ENOENT;
}

bool Owner::looks_whether_gone() const {
  return !in_memory_ && role_ == Role::daemon && config_->device.state_device.empty();
}

// They are made anew in their place. The queue turns to the one that it does not use, as it does after any failure,
// and then the other one can be replaced.
void Owner::look_at_files(Instant now) {
  if (in_memory_) return;
  FileStore* const stores[] = {&even_, &odd_};
  const Status made = files_.poll();
  if (made.code() == Code::again) return;
  if (made.code() == Code::empty) {
    if (look_whether_gone_ == kNever) look_whether_gone_ = now + kLookWhetherGone;
    const bool may_be_gone = looks_whether_gone() && now >= look_whether_gone_;
    if ((files_are_gone() && now >= look_at_files_) || may_be_gone) {
      files_.begin_anew(config_->device, even_, odd_);
      look_at_files_ = look_whether_gone_ = kNever;  // the worker wakes the loop
      return;
    }
  } else {
    look_at_files_ = now + kLookAgain;
    look_whether_gone_ = now + kLookWhetherGone;
    if (!made.ok()) {
      const bool is_new = memory_reason_.view() != files_.why();
      if (is_new) log_line(LogLevel::error, files_.why());
      memory_reason_.assign_cut(files_.why());
      if (is_new) touch_files();
      return;
    }
    memory_reason_.clear();
    const bool were_gone = files_are_gone();
    if (files_.swap_directory()) begin_ballast();
    if (files_.has(0) || files_.has(1)) queue_.renew_tag(random_number());
    char text[Log::kMaxLine];
    TextWriter line(text);
    line.text("the queue files in ").text(config_->device.state).text(" were gone: they are ");
    line.text(files_.has(0) || files_.has(1) ? "made anew" : "back in their place");
    if (were_gone || files_.has(0) || files_.has(1)) log_line(LogLevel::warning, line.view());
    if (!were_gone && files_.has(queue_.active_file())) touch_files();
  }
  for (unsigned i = 0; i < 2; ++i)
    if (files_.has(i) && queue_.active_file() != i && queue_.resting() && !queue_.turning()) {
      stores[i]->open(files_.take(i));
      queue_.try_again();
      queue_.poll(now);
    }
}

// A record that says nothing new: its sync finds out that the file in use is gone, and the queue leaves it.
void Owner::touch_files() { queue_.note(queue_.tally()).status().ignore(); }

// Both are made anew in their place. What refers to them, the senders, goes on with these.
void Owner::renew_queue() {
  index_.clear();
  queue_.~Queue();
  new (&queue_) Queue(even_, odd_, index_);
  know_streams();
  outbox_.~Outbox();
  new (&outbox_) Outbox(queue_, index_, *this);
}

// As many as find room; the others when there is more of it.
void Owner::carry_on() {
  const auto is_newer = [this](const Queue::Alarm& known, const Stamp& than) {
    return known.since.boot == queue_.run().boot && known.since.clocks.now > than.clocks.now;
  };
  Carried::Front front;
  const Clocks clocks = read_clocks();
  while (carried_.front(front)) {
    // What is on record of its alarm may be newer by now.
    const Queue::Alarm* const alarm = queue_.alarm(front.event.alarm);
    if (alarm != nullptr && is_newer(*alarm, front.event.queued)) front.event.transition = Transition::none;
    const auto pushed = outbox_.post(front.event, config_->device.name, front.event.queued.clocks);
    if (!pushed.ok()) {
      if (pushed.code() == Code::full) return;
      log_line(LogLevel::error, "a message from memory cannot be queued again: it is lost");
    }
    for (std::size_t i = 0; pushed.ok() && i < front.count; ++i) {
      const std::uint32_t number = pushed.value().first_number + static_cast<std::uint32_t>(i);
      outbox_.recall(number, front.messages[i].past, clocks).ignore();  // no room: counted in memory
      alignas(8) std::uint8_t scratch[kBlock];
      const auto body = queue_.read_body(*index_.find(number), scratch);
      char text[Log::kMaxLine];
      TextWriter line(text);
      line.text("message ").text(message_id(front.event.id_prefix, front.messages[i].number).view());
      line.text(" is now ").text(message_id(body.value().event.id_prefix, number).view());
      log_line(LogLevel::info, line.view());
    }
    carried_.pop();
  }
  // An alarm whose messages have all ended has changed all the same.
  for (const Queue::Alarm& alarm : carried_.alarms()) {
    const Queue::Alarm* const known = queue_.alarm(alarm.name.view());
    const bool active = known != nullptr && known->is_active();
    if (known != nullptr && is_newer(*known, alarm.since)) continue;
    if (alarm.last == Transition::none) continue;
    if (active != alarm.is_active()) {
      Event event;
      event.cls = Class::critical;
      event.transition = active ? Transition::cleared : Transition::raised;
      event.stream = config_->streams[0].name;
      event.alarm = alarm.name.view();
      event.code = alarm.code.view();
      if (!outbox_.post(event, config_->device.name, alarm.since.clocks).ok()) return;
    }
    if (alarm.last == Transition::acknowledged && queue_.acknowledge(alarm.name.view()).code() == Code::full) return;
  }
  carried_.forget_alarms();
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// How the owner begins and ends: lock, queue, control socket.
#include <fcntl.h>
#include <unistd.h>

#include "port/linux/clock.hpp"
#include "port/linux/entropy.hpp"
#include "port/linux/file_lock.hpp"
#include "src/program/known_time.hpp"
#include "src/program/owner.hpp"
#include "tocsin/base/crc32.hpp"

namespace tocsin {
namespace {

constexpr Millis kLockPatience = seconds(5);
constexpr std::size_t kScanBytes = 7 * kBlock;
constexpr Millis kEndPatience = seconds(1);
constexpr Millis kGuestLooks = milliseconds(50);
constexpr Millis kDaemonLooks = milliseconds(5);  // many guests in a row must not keep it out

std::size_t read_file(const char* path, Span<char> into) {
  Fd file(open_path(path, O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return 0;
  const auto n = read_some(file.number(), {reinterpret_cast<std::uint8_t*>(into.data()), into.size()});
  return n.ok() ? n.value() : 0;
}

// What tells one start of the device, and one device, from another.
Queue::Start this_start() {
  Queue::Start start;
  start.clocks = read_clocks();
  char text[64];
  const std::string_view boot = head({text, read_file("/proc/sys/kernel/random/boot_id", text)}, 36);
  store32(start.boot_id, crc32(0, as_bytes(boot)));
  store32(start.boot_id + 4, crc32(1, as_bytes(boot)));
  store32(start.boot_id + 8, crc32(2, as_bytes(boot)));
  store32(start.boot_id + 12, static_cast<std::uint32_t>(boot.size()));
  const std::string_view machine = trim({text, read_file("/etc/machine-id", text)});
  start.machine = crc32(0, as_bytes(machine)) | static_cast<std::uint64_t>(crc32(1, as_bytes(machine))) << 32;
  std::uint8_t random[2 * sizeof(std::uint64_t)] = {};
  fill_random(random).ignore();
  for (std::size_t at = 0; at < 2; ++at) start.random[at] = load64(random + at * sizeof(std::uint64_t));
  return start;
}

void wait_a_little(Millis time) { ::poll(nullptr, 0, static_cast<int>(time.count)); }

}  // namespace

// Another command may hold the lock for a moment; one that waits for an answer gives way to a daemon.
// Errors: busy, with what to do about it in `why` unless a guest met an owner that answers; io.
Status Owner::lock_state(TextWriter& why) {
  const DeviceConfig& device = config_->device;
  const Instant until = read_clocks().now + kLockPatience;
  for (;;) {
    const Status locked = files_.lock(device);
    if (locked.code() != Code::busy) return locked;
    // A daemon that is just starting, or starting anew, has the lock before it has the socket.
    ControlRequest request;
    request.ask = role_ == Role::daemon ? Ask::give_way : Ask::ping;
    const auto reply = call_control(device.control, request, seconds(1),
                                    {reinterpret_cast<std::uint8_t*>(reply_), sizeof reply_});
    if (role_ == Role::guest) {
      met_owner_ = reply.ok();
      if (met_owner_) return Code::busy;
    } else if (reply.ok() && reply.value().exit != Exit::done) {
      why.text("another tocsin (");
      write_holder(state_.holder(), why);
      why.text(") runs on ").text(device.state);
      why.text(": stop it first");
      return Code::busy;
    }
    if (read_clocks().now >= until) {
      why.text("the queue in ").text(device.state).text(" is locked by ");
      write_holder(state_.holder(), why);
      why.text(", which does not answer at ").text(device.control);
      why.text(": nothing was stored; is that its `control`? Look at that process");
      return Code::busy;
    }
    wait_a_little(role_ == Role::daemon ? kDaemonLooks : kGuestLooks);
  }
}

// A command with another `state` may have the device for a moment, and a process that ends lets go of one thing after
// the other. Errors: as StateFiles::open_stores(); busy is said in `why`.
Status Owner::open_stores(TextWriter& why) {
  const Instant begun = read_clocks().now;
  for (;;) {
    const Status opened = files_.open_stores(config_->device);
    const bool is_held = opened.code() == Code::busy;
    const bool may_pass = is_held || (opened.code() == Code::io && opened.detail() == EBUSY);
    if (!may_pass || read_clocks().now >= begun + (is_held ? kLockPatience : kEndPatience)) {
      if (is_held) why.text(files_.why());
      return opened;
    }
    wait_a_little(kGuestLooks);
  }
}

// A daemon in memory has no lock, as its state cannot be used; it has the socket.
bool Owner::is_served(TextWriter& why) {
  ControlRequest request;
  const auto reply = call_control(config_->device.control, request, seconds(1),
                                  {reinterpret_cast<std::uint8_t*>(reply_), sizeof reply_});
  if (!reply.ok()) return false;
  why.text("another tocsin serves ").text(config_->device.control).text(": stop it first, or give this one a ");
  why.text("`control` of its own");
  return true;
}

void Owner::write_unreadable(Status failure, TextWriter& into) const {
  into.text("cannot read the queue in ").text(config_->device.place()).text(": ");
  if (failure.code() == Code::bad_value) {
    into.text("its format is version ").number(static_cast<std::uint64_t>(failure.detail()));
    into.text(", made by a newer tocsin: use that one");
  } else if (failure.code() == Code::io) {
    write_errno(failure.detail(), into);
  } else {
    into.text("queue.0 or queue.1 has a size that cannot be: move both away");
  }
}

void Owner::open_files() {
  even_.open(files_.take(0));
  odd_.open(files_.take(1));
  if (!config_->device.state_device.empty()) return;
  even_.must_stay_at(config_->device.state, kQueueFiles[0]);
  odd_.must_stay_at(config_->device.state, kQueueFiles[1]);
}

// Errors: as Queue::load().
Status Owner::load_queue() {
  char text[Log::kMaxLine];
  TextWriter line(text);
  files_.write_changes(line);
  const DeviceConfig& device = config_->device;
  if (line.view().empty() && device.state_device.empty() &&
      even_.capacity() + odd_.capacity() != device.queue_bytes) {
    line.text("queue_size is ")
        .number(device.queue_bytes / 1024)
        .text(" KiB, but the queue was made with ");
    line.number((even_.capacity() + odd_.capacity()) / 1024)
        .text(" KiB and keeps that: a new state directory takes it");
  }
  if (!line.view().empty()) log_line(LogLevel::warning, line.view());
  // No stream is open yet, and the first that is uses all of this; it has to be zeros then, as it was.
  const MutBytes room = MutBytes{tls_arena_}.first(kScanBytes);
  auto found = queue_.load(Queue::BadBlocks::refuse, room);
  for (unsigned looks = 1; found.code() == Code::io && looks < StateFiles::kLooks; ++looks) {
    ::sleep(1);
    const bool last = looks + 1 == StateFiles::kLooks;
    found = queue_.load(last ? Queue::BadBlocks::leave_out : Queue::BadBlocks::refuse, room);
  }
  std::memset(room.data(), 0, room.size());
  if (found.ok()) take_found(found.value());
  return found.status();
}

void Owner::take_found(const Queue::Found& found) {
  found_ = found;
  if (found_.bad_blocks > 0) {
    char text[Log::kMaxLine];
    TextWriter line(text);
    line.number(found_.bad_blocks).text(" blocks of 4 KiB of the queue in ").text(config_->device.place());
    log_line(LogLevel::error, line.text(" cannot be read: what lay there is lost; look at the medium").view());
  }
}

void Owner::know_streams() {
  for (std::size_t i = 0; i < config_->stream_count; ++i) queue_.know_streams(config_->streams[i].name);
}

void Owner::begin_run() {
  const Queue::Start start = this_start();
  random_state_ = start.random[0] | 1;
  queue_.start(start);
  if (in_memory_) return;
  if (role_ == Role::daemon) kept_aside_.look(state_.fd());  // the worker has nothing to do yet
  keep_damage(start.clocks.now);
}

void Owner::begin_outbox() {
  outbox_.configure(config_->rules, config_->device.history);
  SegmentLimits limits[kMaxStreams];
  StreamRules rules[kMaxStreams];
  for (std::size_t i = 0; i < config_->stream_count; ++i) {
    const StreamConfig& stream = config_->streams[i];
    limits[i] = {name_hash(stream.name), stream.segments_per_day, stream.recipient_segments_per_day,
                 stream.critical_reserve, stream.sms};
    rules[i] = {limits[i].stream, stream.fallback_after, stream.undelivered_after,
                stream.status_for.count != 0 ? Asked::stream : Asked::nobody};
    if (stream.type == StreamType::otp) rules[i].fallback_after = Millis{0};  // it takes no messages any more
  }
  outbox_.limit_segments({limits, config_->stream_count});
  if (!in_memory_) learn_time_from_record(queue_, index_);
  outbox_.configure_streams({rules, config_->stream_count});
  outbox_.load(read_clocks());
  if (role_ == Role::daemon) tell_spent(read_clocks().now);
}

// What was spent before this start keeps messages back as well, and nobody says so when they come.
void Owner::tell_spent(Instant now) {
  char text[Log::kMaxLine];
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    TextWriter line(text);
    const Millis wait = budget_wait(cls, now);
    if (wait.count == 0) continue;
    write_budget_spent(cls, wait, line);
    log_line(LogLevel::warning, line.view());
  }
  TextWriter all(reply_), line(text);
  write_segments_spent(now, all);
  if (all.view().empty()) return;
  std::string_view rest = all.view();
  const std::string_view first = take_until(rest, '\n');
  line.text(tail(first, find(first, '\t') + 1)).text("; `tocsin queue list` has every message that waits");
  log_line(LogLevel::warning, line.view());
}

Exit Owner::open(const Config& config, Role role, TextWriter& why) {
  config_ = &config;
  role_ = role;
  know_streams();
  Status state = files_.open_directory(config.device);
  if (state.ok()) state = lock_state(why);
  if (state.code() == Code::busy) return Exit::later;
  if (role == Role::daemon && is_served(why)) return Exit::later;
  const Status started = worker_.start();
  if (!started.ok()) {
    why.text("cannot start the storage thread: ");
    write_errno(started.detail(), why);
    return Exit::internal;
  }
  if (state.ok()) state = open_stores(why);
  if (state.code() == Code::busy) return Exit::later;
  char words[400];
  TextWriter reason(words);
  Exit failure = Exit::cannot_create;
  if (!state.ok()) {
    reason.text(files_.why());
  } else {
    open_files();
    state = load_queue();
    failure = Exit::medium;
    if (!state.ok()) write_unreadable(state, reason);
  }
  if (!state.ok() && (role == Role::guest || !is_of_medium(state))) {
    why.text(reason.view());
    return failure;
  }
  state.ok() ? begin_ballast() : begin_in_memory(state, reason.view());
  begin_run();
  settle(queue_.start_ticket());  // a medium that hangs is said below and everywhere; the work goes on
  begin_outbox();
  begin_self();
  if (role == Role::guest) poll_self(read_clocks());  // it may not take another turn
  if (in_memory_) self_.keep_quiet(read_clocks().now + SelfAlarms::kQuiet);
  TextWriter problem(words);
  const Status served = control_.open(config.device.control, problem);
  if (served.code() == Code::busy && in_memory_) {  // there is nothing else that would keep two of them apart
    why.text(problem.view());
    return Exit::later;
  }
  if (!served.ok()) {
    problem.text(": other commands cannot talk to this process; look at `control` in [device]");
    log_line(LogLevel::warning, problem.view());
  }
  return Exit::done;
}

void Owner::end_run() {
  if (queue_.newest() == run_end_) return;  // nothing came behind it
  const auto staged = queue_.stop();
  if (staged.ok()) run_end_ = staged.value();  // without it the numbers only go on with a gap
}

void Owner::close(Millis most) {
  const Instant now = read_clocks().now, until = now + most;
  if (medium_works(now)) reply_to_waiting(now + Answerers::kReplyEvery);  // the next run does not know of them
  closing_ = true;
  hooks_.close();
  look_at_hooks_ = kNever;
  self_begun_ = false;  // nothing is queued any more behind the last record
  look_at_account_ = kNever;
  if (lookup_ != nullptr) lookup_->begin_anew();
  for (std::size_t i = 0; i < stream_count_; ++i) senders_[i]->stop();
  const auto quiet = [this] {
    for (std::size_t i = 0; i < stream_count_; ++i)
      if (!senders_[i]->quiet()) return false;
    return true;
  };
  while (!quiet() && read_clocks().now < until) turn(until, -1);
  for (std::size_t i = 0; i < stream_count_; ++i) streams_[i]->close();
  end_run();
  queue_.poll(read_clocks().now);  // begins it now, not when turn() wakes
  while (!in_memory_ && !queue_.idle() && read_clocks().now < until) turn(until, -1);
  if (const std::size_t lost = only_in_memory(); role_ == Role::daemon && lost > 0) {
    char text[Log::kMaxLine];
    TextWriter line(text);
    line.number(lost).text(lost == 1 ? " message was" : " messages were");
    line.text(" in memory only, as the medium fails: lost now");
    write_lost(lost, line);
    log_line(LogLevel::error, line.view());
  }
  control_.close();
  let_go();
  save_sessions();
}

// The stores first: who waits for the lock opens them at once, and perhaps for itself alone.
void Owner::let_go() {
  if (in_memory_ || !queue_.resting() || files_.poll().code() == Code::again) return;  // it is the storage worker's
  even_.close();
  odd_.close();
  state_.unlock();
  let_go_ = true;
}

}  // namespace tocsin

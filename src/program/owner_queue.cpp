// SPDX-License-Identifier: MIT
// What a person changes in the queue: a message is asked for again or dropped, what has ended is forgotten.
#include "port/linux/clock.hpp"
#include "src/program/owner.hpp"

namespace tocsin {

Owner::Posted Owner::act(const ControlRequest& request, TextWriter& why) {
  switch (request.ask) {
    case Ask::send: return post(request, why);
    case Ask::raise: return change(request.subject, Transition::raised, why);
    case Ask::clear: return change(request.subject, Transition::cleared, why);
    case Ask::ack: return acknowledge(request.subject, "by hand", why);
    case Ask::retry:
    case Ask::drop: return change_message(request, why);
    case Ask::purge: return purge(why);
    case Ask::ping:
    case Ask::status:
    case Ask::reload_token:
    case Ask::give_way:
    case Ask::reasons:
    case Ask::in_memory:
    case Ask::memory: break;
  }
  TOCSIN_ASSERT(false);
  return {};
}

void Owner::write_unchanged(const Posted& posted, TextWriter& into) const {
  if (posted.unchanged == kNotFound) return;
  const std::string_view alarm = config_->alarms[posted.unchanged].name;
  const Queue::Alarm* const state = queue_.alarm(alarm);
  const bool acknowledged = state != nullptr && state->last == Transition::acknowledged;
  into.text(alarm).text(posted.of_ack && acknowledged  ? " is acknowledged already"
                        : is_raised(queue_, alarm) ? " is active already"
                                                   : " is not active");
  into.text(": nothing changed");
}

Owner::Posted Owner::change_message(const ControlRequest& request, TextWriter& why) {
  Posted posted;
  const Entry* entry = queue_.find(request.subject);
  if (entry == nullptr) {
    why.text("there is no message ").text(request.subject).text(" in the queue: see `tocsin queue list`");
    posted.exit = Exit::bad_data;
    return posted;
  }
  const std::uint32_t number = entry->number;
  const State state = entry->state;
  const Clocks clocks = read_clocks();
  const bool retry = request.ask == Ask::retry;
  const Status changed = retry ? outbox_.retry(number, clocks) : outbox_.drop(number, clocks);
  if (changed.code() == Code::bad_value) {
    why.text("message ").text(request.subject).text(" is ").text(tocsin::word(state));
    why.text(!retry                    ? ": there is nothing to drop"
             : state == State::merged ? ": a newer message of its alarm took its place"
                                      : ": the service has it; `send` a new one if it has to go again");
    posted.exit = Exit::bad_data;
  } else if (changed.code() == Code::busy) {
    why.text("message ").text(request.subject).text(" is being sent at this moment: try again in a moment");
    posted.exit = Exit::later;
  } else if (changed.code() == Code::full) {
    posted.exit = not_posted(changed.code(), request.subject, why);
  } else if (!changed.ok()) {
    why.text("message ").text(request.subject).text(" cannot be read back from the medium: `send` it anew");
    posted.exit = Exit::medium;
  }
  if (!changed.ok()) return posted;
  posted.pushed = {number, queue_.newest()};
  posted.count = 1;
  entry = index_.find(number);
  for (std::size_t i = 0; retry && entry != nullptr && i < stream_count_; ++i)
    if (name_hash(senders_[i]->name()) == outbox_.stream_of(*entry)) resume(i);
  return posted;
}

Owner::Posted Owner::purge(TextWriter& why) {
  Posted posted;
  for (std::size_t at = 0; at < index_.size(); ++at) posted.count += ended(index_[at].state) ? 1U : 0U;
  const Status begun = outbox_.purge(read_clocks());
  if (!begun.ok()) posted.exit = not_posted(begun.code(), "not purged", why);
  if (begun.ok() && !in_memory_) odd_answers_.forget(*config_);  // done before the queue's own jobs
  posted.pushed.ticket = queue_.newest();
  return posted;
}

// How a purge ended, or is getting on.
Exit Owner::purged(const Posted& posted, TextWriter& out, TextWriter& why) const {
  if (queue_.forgetting()) {
    why.text("it goes on: what has ended is not listed any more once it is done");
    return Exit::later;
  }
  if (!queue_.forgot() && closing_) {
    why.text("the process that had begun it ends: the next `tocsin run` or command goes on with it");
    return Exit::later;
  }
  if (!queue_.forgot()) {
    why.text("the medium did not take it (");
    write_errno(queue_.last_errno(), why);
    why.text("): it is tried again within an hour, and when the daemon starts");
    return Exit::medium;
  }
  out.number(posted.count).text(posted.count == 1 ? " ended message" : " ended messages").text(" forgotten\n");
  return Exit::done;
}

// Before the queue writes over them; its first job comes behind this one.
void Owner::keep_damage(Instant now) {
  char text[Log::kMaxLine];
  TextWriter line(text);
  const bool unsealed = found_.unsealed != Queue::Found::kNoFile;
  const bool begun = unsealed && found_.fresh;  // by a start; else by a turn
  if (unsealed) write_unsealed(found_.unsealed, line);
  if (unsealed && !begun) {
    log_line(LogLevel::warning, line.view());
    line.clear();
  }
  const bool nothing_new = found_.damaged == 0 && found_.bad_blocks == 0 && !found_.unreadable && !begun;
  if (nothing_new && kept_aside_.files() != 0 && role_ == Role::daemon) {
    KeptAside::write_files(kept_aside_.files(), config_->device.state,
                           line.text("blocks that were found damaged before are in "));
    log_line(LogLevel::warning, line.text(": look at the medium").view());
  }
  if (nothing_new) return;
  alignas(8) std::uint8_t block[kBlock];
  if (begun && !queue_.next_damaged({}, block).ok()) return;
  for (Queue::Place from;; ++from.slot) {
    const auto place = queue_.next_damaged(from, block);
    if (!place.ok()) break;
    from = place.value();
    const MutBytes into = kept_aside_.add(from.file, from.slot);
    if (into.empty()) break;
    copy(into, block);
  }
  if (found_.unreadable) {
    line.clear();
    line.text("queue.0 and queue.1 held no queue that can be read: an empty one is begun");
  } else if (found_.cut_off != Queue::Found::kNoFile) {
    write_cut_off(found_.cut_off, line);
  } else if (found_.heads == Queue::Heads::unknown) {
    line.text("queue.").number(queue_.active_file() ^ 1);
    line.text(" cannot be read at all: what waits in the other file may have been sent, and is sent once more at most");
  } else if (!begun) {
    const bool one = found_.damaged == 1;
    line.number(found_.damaged).text(one ? " record of" : " records of");
    line.text(" the queue in ").text(config_->device.place());
    line.text(one ? " is damaged and left out" : " are damaged and left out");
  }
  if (kept_aside_.count() > 0)
    line.text("; their blocks are kept in ").text(config_->device.state).text("/damaged.*");
  log_line(LogLevel::error, line.text(": look at the medium").view());
  kept_aside_.keep(state_.fd(), static_cast<std::uint32_t>(queue_.on_ms(now) / 1000));
}

// What was kept aside holds texts and numbers, and is forgotten with the others.
void Owner::forget_damage(Instant now) {
  kept_aside_.poll();
  const bool begun = queue_.forgetting() && !forgetting_;
  forgetting_ = queue_.forgetting();
  if (begun && !in_memory_) kept_aside_.forget(state_.fd(), queue_.tally().forget_before_s);
  if (now < look_at_kept_) return;
  look_at_kept_ = now + hours(24);
  if (in_memory_) return;
  const auto on_s = queue_.on_ms(now) / 1000;
  const auto history_s = static_cast<std::uint64_t>(config_->device.history.count / 1000);
  if (history_s > 0 && on_s > history_s)
    kept_aside_.forget(state_.fd(), static_cast<std::uint32_t>(on_s - history_s));
}

}  // namespace tocsin

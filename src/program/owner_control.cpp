// SPDX-License-Identifier: MIT
// What other commands ask of the owner.
#include "port/linux/clock.hpp"
#include "src/program/owner.hpp"

namespace tocsin {
namespace {

constexpr Millis kMediumPatience{Queue::kStall.count + 300};
constexpr Millis kLookPatience = seconds(1);  // of who looks at a screen

// What has become of an order while the medium fails.
std::string_view in_memory_words(Ask ask) {
  if (ask == Ask::purge) return "nothing is forgotten, purge again when it works";
  if (ask == Ask::drop) return "dropped in memory only, a power cut would bring it back";
  return "kept in memory only, a power cut would lose it";
}

}  // namespace

void Owner::write_budget_spent(Class cls, Millis wait, TextWriter& into) {
  into.text("class ").text(tocsin::word(cls)).text(" has sent as many messages as it may: the next in ");
  write_wait(wait, into);
  into.text("; see [class ").text(tocsin::word(cls)).text("] in the configuration");
}

// A line for each budget in segments of which nothing is left, or the reserve alone: "[segments sms]", and with the
// hash of a phone "[segments sms 123456]"; "... critical]" where critical messages wait too.
void Owner::write_segments_spent(Instant now, TextWriter& into) const {
  using Left = SegmentBudgets::Left;
  const SegmentBudgets& budgets = outbox_.segments();
  const std::uint64_t on_ms = queue_.on_ms(now);
  const auto on_s = static_cast<std::uint32_t>(on_ms / 1000);
  const auto write = [&](const StreamConfig& stream, const SegmentBudgets::Recipient* recipient, Left left,
                         std::uint32_t ends_s) {
    for (const bool critical : {false, true}) {
      if (left == Left::some || (critical && left == Left::reserve)) continue;
      into.text("[segments ").text(stream.name);
      if (recipient != nullptr) into.text(" ").number(recipient->phone);
      into.text(critical ? " critical]\t" : "]\t").text(recipient != nullptr ? "its phone by stream " : "stream ");
      into.text(stream.name).text(" has had its segments of the day: the next in ");
      write_wait(milliseconds(static_cast<std::int64_t>(std::uint64_t{ends_s} * 1000 - on_ms)), into);
      into.text("; see ").text(recipient != nullptr ? "recipient_segments_per_day\n" : "segments_per_day\n");
    }
  };
  for (std::size_t i = 0; i < config_->stream_count; ++i) {
    const StreamConfig& stream = config_->streams[i];
    const std::uint32_t id = name_hash(stream.name);
    if (budgets.find(id) == nullptr) continue;
    if (const Left left = budgets.left_of_stream(id, on_s); left != Left::some)
      write(stream, nullptr, left, budgets.day_of_stream_ends_s(id));
    for (const SegmentBudgets::Recipient& one : budgets.recipients())
      if (one.stream == id) write(stream, &one, budgets.left_of(one, on_s), SegmentBudgets::ends_s(one.day));
  }
}

bool Owner::medium_works(Instant now) const {
  return !in_memory_ && !queue_.failing() && !queue_.stalled(now);
}

void Owner::serve(Instant now) {
  if (!control_.is_open()) return;
  for (;;) {
    const auto client = control_.next(now);
    if (!client.ok()) return;
    answer(client.value(), now);
    if (!control_.is_open()) return;
  }
}

void Owner::reply(ControlServer::Client client, Exit exit, std::string_view out, std::string_view err,
                  Instant now) {
  ControlReply answer_to;
  answer_to.exit = exit;
  answer_to.out = out;
  answer_to.err = err;
  control_.reply(client, answer_to, now);
}

void Owner::answer(ControlServer::Client client, Instant now) {
  const ControlRequest& request = control_.request();
  char words[400];
  TextWriter why(words);
  TextWriter out(reply_);
  switch (request.ask) {
    case Ask::ping: return reply(client, Exit::done, out.signed_number(clock_floor().at.ms).view(), {}, now);
    case Ask::status:
      write_status(*config_, queue_, index_, found_, this, read_clocks(), request.json, out);
      return reply(client, Exit::done, out.view(), {}, now);
    case Ask::memory:
      tls_memory().size() > 0 ? out.number(tls_memory().peak()) : out.text("-");
      out.text(" ").number(arena_.peak());
      return reply(client, Exit::done, out.view(), {}, now);
    case Ask::reasons:
      // Somebody looks at the files next: what was learnt of deliveries is to be there.
      if (const Queue::Ticket learnt = queue_.write_all(); learnt != 0 && medium_works(now)) {
        Posted posted;
        posted.pushed.ticket = learnt;
        Waiting& waiting = wait_for(client, posted);
        waiting.medium_until = now + kLookPatience;
        waiting.ask = Ask::reasons;
        return;
      }
      return answer_reasons(client, now);
    case Ask::in_memory: {
      const MutBytes into{reinterpret_cast<std::uint8_t*>(reply_), sizeof reply_ - sizeof words};
      const std::size_t size = list_memory(request, into, why);
      if (request.files_gone && look_whether_gone_ != kNever) look_whether_gone_ = earlier(look_whether_gone_, now);
      return reply(client, Exit::done, {reply_, size}, why.view(), now);
    }
    case Ask::reload_token: {
      const std::size_t at = config_->find_stream(request.subject);
      if (at == kNotFound && request.subject == kAccount && !config_->account.api_key_file.empty())
        return reply(client, load_key(why), {}, why.view(), now);
      if (at == kNotFound || at >= stream_count_) {
        why.text(request.subject == kAccount ? "there is no [" : "there is no [stream ").text(request.subject);
        why.text("] in its configuration yet: send it a SIGHUP");
        return reply(client, Exit::bad_data, {}, why.view(), now);
      }
      const Exit loaded = load_secrets(at, why);
      if (loaded == Exit::done) resume(at);
      return reply(client, loaded, {}, why.view(), now);
    }
    case Ask::give_way:
      if (role_ == Role::daemon) return reply(client, Exit::later, {}, "a daemon does not give way", now);
      gave_way_ = true;  // the command that is the owner sees it and lets go
      return reply(client, Exit::done, {}, {}, now);
    case Ask::send:
    case Ask::raise:
    case Ask::clear:
    case Ask::ack:
    case Ask::retry:
    case Ask::drop:
    case Ask::purge: break;
  }

  if (closing_ && !medium_works(now)) {
    why.text("the daemon is stopping and the medium fails: not taken, it would be lost; try again when it runs");
    return reply(client, Exit::later, {}, why.view(), now);
  }
  const Posted posted = act(request, why);
  if (posted.exit != Exit::done || posted.pushed.ticket == 0) {
    const std::size_t at = config_->find_alarm(request.subject);
    if (posted.exit == Exit::done && in_memory_ && request.ask == Ask::clear &&
        queue_.alarm(request.subject) == nullptr) {
      clear_later_[at] = true;
      why.text("the medium fails, so nobody knows whether ").text(request.subject);
      why.text(" is active: in memory only, cleared when the medium works again");
      return reply(client, Exit::medium, {}, why.view(), now);
    }
    if (posted.exit == Exit::done) write_unchanged(posted, why);
    return reply(client, posted.exit, {}, why.view(), now);
  }
  Waiting& waiting = wait_for(client, posted);
  waiting.medium_until = now + kMediumPatience;
  waiting.to_the_end = request.ask == Ask::send && request.wait > milliseconds(0);
  waiting.until = crowded() ? now : now + request.wait;
  waiting.ask = request.ask;
  if (waiting.ask == Ask::purge) waiting.until = now + kPurgePatience;
}

Owner::Waiting& Owner::wait_for(ControlServer::Client client, const Posted& posted) {
  std::size_t at = 0;  // as many places as clients
  while (waiting_[at].used && control_.waits(waiting_[at].client)) ++at;
  waiting_[at] = Waiting{};
  waiting_[at].used = true;
  waiting_[at].client = client;
  waiting_[at].posted = posted;
  return waiting_[at];
}

void Owner::answer_reasons(ControlServer::Client client, Instant now) {
  TextWriter out(reply_);
  for (std::size_t i = 0; i < stream_count_; ++i) {
    const bool takes_none = config_->streams[i].type == StreamType::otp;
    out.text(senders_[i]->name()).text("\t");
    out.text(takes_none ? "its stream is for one-time codes alone now (type otp)" : senders_[i]->reason()).text("\n");
  }
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    const Millis wait = budget_wait(cls, now);
    if (wait.count == 0) continue;
    out.text("[class ").text(tocsin::word(cls)).text("]\t");
    write_budget_spent(cls, wait, out);
    out.text("\n");
  }
  if (in_memory_) out.text("[files]\tit is in files that the daemon cannot use now: see `tocsin status`\n");
  if (!medium_works(now))
    out.text("[medium]\tthe medium fails, and has to have its sending on record first: see `tocsin status`\n");
  write_segments_spent(now, out);  // last: of many phones it may be cut
  reply(client, Exit::done, out.view(), {}, now);
}

// Commands that wait for the service may be there for a day. They never take every place, or an alarm would
// find none.
bool Owner::crowded() const {
  std::size_t patient = 0;
  for (const Waiting& waiting : waiting_) patient += waiting.used && waiting.to_the_end ? 1U : 0U;
  return patient > kMaxControlClients / 2;
}

// A client is told as soon as its messages are on the medium, or that the medium does not take them, or,
// with --wait, how the service decided.
void Owner::look_after(Waiting& waiting, Instant now) {
  if (!control_.waits(waiting.client)) {
    waiting.used = false;
    return;
  }
  char words[300];
  TextWriter why(words);
  Exit exit = Exit::done;
  if (!waiting.acknowledged) {
    if (!queue_.on_medium(waiting.posted.pushed.ticket) && now < waiting.medium_until && !queue_.failing()) return;
    waiting.acknowledged = true;
  }
  if (waiting.ask == Ask::reasons) {
    waiting.used = false;
    return answer_reasons(waiting.client, now);
  }
  if (waiting.to_the_end) {
    if (!waiting.decided && decided(waiting.posted)) {
      waiting.decided = true;
      waiting.end = queue_.newest();
      waiting.until = now + kMediumPatience;
    }
    // What is told is what the next command finds on the medium, where that answers.
    const bool open = !waiting.decided || (!queue_.on_medium(waiting.end) && medium_works(now));
    if (open && now < waiting.until) return;
    exit = outcome(waiting.posted.pushed.first_number, waiting.posted.count);
    write_outcome(waiting.posted, exit, why);
  }
  if (!queue_.on_medium(waiting.posted.pushed.ticket) && !(waiting.to_the_end && waiting.decided)) {
    exit = Exit::medium;
    why.clear();
    why.text("the medium does not take it: ").text(in_memory_words(waiting.ask)).text("; look at the disk");
  }
  TextWriter out(reply_);
  if (exit == Exit::done && waiting.ask == Ask::purge) {
    if (queue_.forgetting() && now < waiting.until) return;
    exit = purged(waiting.posted, out, why);
  } else if (waiting.ask != Ask::purge) {
    write_ids(waiting.posted, out);
    if (exit == Exit::done) write_unchanged(waiting.posted, why);
  }
  reply(waiting.client, exit, out.view(), why.view(), now);
  waiting.used = false;
}

Owner::Posted Owner::post(const ControlRequest& request, TextWriter& why) {
  Posted posted;
  Ways ways;
  if (const Status named = read_ways(*config_, request.stream, ways, why); !named.ok()) {
    posted.exit = request.stream.empty() ? Exit::config : Exit::bad_data;
    if (named.code() == Code::not_found) write_older_file(why);
    return posted;
  }
  char names[kMaxWayNames];
  TextWriter stream(names);
  write_ways(*config_, ways, ",", stream);
  Event event;
  event.cls = request.cls;
  event.stream = stream.view();
  event.text = request.text;
  event.phones = request.recipients();
  const Clocks clocks = read_clocks();
  const auto pushed = outbox_.post(event, config_->device.name, clocks);
  if (!pushed.ok()) {
    posted.exit = not_posted(pushed.code(), "not accepted", why);
    return posted;
  }
  posted.pushed = pushed.value();
  posted.count = request.phone_count;
  hurry(event.stream, event.cls, clocks.now);
  return posted;
}

void Owner::write_ids(const Posted& posted, TextWriter& into) const {
  alignas(8) std::uint8_t scratch[kBlock];
  for (std::uint32_t i = 0; i < posted.count; ++i) {
    const Entry* entry = index_.find(posted.pushed.first_number + i);
    const auto body =
        entry != nullptr ? queue_.read_body(*entry, scratch) : Result<Queue::Body>{Code::not_found};
    if (body.ok()) into.text(message_id(body.value().event.id_prefix, entry->number).view()).text("\n");
  }
}

bool Owner::decided(const Posted& posted) const {
  for (std::uint32_t i = 0; i < posted.count; ++i) {
    const Entry* entry = index_.find(posted.pushed.first_number + i);
    if (entry != nullptr && !ended(entry->state)) return false;
  }
  return true;
}

Exit Owner::outcome(std::uint32_t first, std::size_t count) const {
  Exit worst = Exit::done;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Entry* entry = index_.find(first + i);
    if (entry == nullptr || entry->state == State::accepted || entry->state == State::delivered) continue;
    Exit exit = Exit::later;
    if (entry->state == State::failed) exit = Exit::refused;
    if (!ended(entry->state))
      for (std::size_t s = 0; s < stream_count_; ++s)
        if (name_hash(senders_[s]->name()) == outbox_.stream_of(*entry)) {
          if (senders_[s]->trouble() == Sender::State::held) exit = Exit::token;
          if (senders_[s]->unreachable() && entry->sends == 0) exit = Exit::unreachable;
        }
    worst = worse(worst, exit);
  }
  return worst;
}

void Owner::write_outcome(const Posted& posted, Exit exit, TextWriter& into) const {
  if (exit == Exit::done) return;
  into.text(exit == Exit::refused ? "refused by the service"
            : decided(posted)     ? "the outcome is not known"
                                  : "not accepted yet, it stays in the queue");
  bool told = false;
  const Entry* entry = index_.find(posted.pushed.first_number);
  unsigned by = 0;
  for (std::size_t s = 0; s < stream_count_; ++s) {
    if (senders_[s]->reason().empty()) continue;
    const unsigned place = queue_.names().place(name_hash(senders_[s]->name()));
    if (entry != nullptr && !ended(entry->state) && !entry->goes_by(place, by)) continue;  // it concerns others
    into.text(": ");
    if (entry != nullptr && entry->place_of(1) != 0) into.text(senders_[s]->name()).text(": ");
    into.text(senders_[s]->reason());
    told = true;
  }
  if (entry != nullptr && !ended(entry->state)) {
    const Millis wait = budget_wait(entry->cls, read_clocks().now);
    if (wait.count > 0) write_budget_spent(entry->cls, wait, into.text(": "));
    if (entry->in_flight && !told) {
      into.text(": its request has no answer yet");
      told = true;
    }
    if (outbox_.segments_free_at(*entry, read_clocks().now) > read_clocks().now)
      into.text(": its stream or its phone has had its segments of the day; see segments_per_day");
  }
  if (exit == Exit::refused || decided(posted) || !told) into.text(" (tocsin queue show has the words)");
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/outbox/lookup.hpp"

#include "tocsin/outbox/backoff.hpp"
#include "tocsin/wire/secret.hpp"

namespace tocsin {
namespace {

constexpr Millis kRetryMin = seconds(5);
constexpr Millis kRetryMax = minutes(15);
constexpr Millis kRefusedFor = minutes(5);
constexpr std::string_view kFound = "found in the service's list, by the API key";

UnixMillis before(UnixMillis at, Millis by) { return {at.ms - by.count}; }

// Digits alone, as a phone is kept.
std::string_view digits_of(std::string_view phone) {
  if (!phone.empty() && phone[0] == '+') phone.remove_prefix(1);
  return phone;
}

}  // namespace

void Lookup::configure(const Settings& settings) {
  settings_ = settings;
  if (settings_.timeout > kHold) settings_.timeout = kHold;
  call_.configure(settings_);
}

void Lookup::begin_anew() {
  call_.close();
  for (Check& check : checks_) check = Check{};
  check_ = nullptr;
  for (Delivery& one : receipts_) one.begin_anew();
}

void Lookup::doubt(std::uint32_t number, const SmsRules& sms, const Clocks& clocks) {
  const Entry* entry = outbox_.find_doubtful(number);
  // A message is held back once: behind its second copy it rests by itself.
  if (entry != nullptr) add(*entry, sms, entry->sends <= 1 ? Hold::yes : Hold::no, clocks);
}

void Lookup::doubt_left(std::uint32_t stream, const SmsRules& sms, const Clocks& clocks) {
  for (const Entry* one = outbox_.next_doubtful(stream, 0, clocks.now); one != nullptr;
       one = outbox_.next_doubtful(stream, one->number + 1, clocks.now))
    add(*one, sms, Hold::yes, clocks);
}

void Lookup::add(const Entry& entry, const SmsRules& sms, Hold hold, const Clocks& clocks) {
  if (!clocks.wall_trusted) return;
  UnixMillis from = before(clocks.wall, Millis{kLongestRequest.count + kBefore.count});
  if (entry.sends > 1 || !entry.this_run) {  // when it was sent first is not known
    alignas(8) std::uint8_t scratch[kBlock];
    const auto body = outbox_.queue().read_body(entry, scratch);
    if (!body.ok() || !body.value().event.queued.clocks.wall_trusted) return;
    from = before(body.value().event.queued.clocks.wall, kBefore);
  }
  Check* place = &checks_[next_ % kMostChecks];
  for (Check& one : checks_)
    if (one.number == entry.number) place = &one;
  if (place == check_) return;  // it is looked for just now
  if (place == &checks_[next_ % kMostChecks]) ++next_;
  *place = Check{};
  place->number = entry.number;
  place->stream = outbox_.stream_of(entry);
  place->sms = sms;
  place->look_at = clocks.now + kLookAfter;
  place->from = from;
  wake_ = Instant{0};
  const Instant until = clocks.now + kHold;
  if (hold == Hold::no || ended(entry.state) || entry.due_ms >= until.ms || retry_at_ > place->look_at) return;
  place->due = Instant{entry.due_ms};
  place->held_until = until;
  outbox_.postpone(outbox_.stream_of(entry), entry.number, until);
}

// What was held back goes when it would have gone.
void Lookup::let_go(Check& check) {
  const Entry* entry = outbox_.find_doubtful(check.number);
  if (entry != nullptr && check.held_until.ms != 0 && entry->due_ms == check.held_until.ms)
    outbox_.postpone(outbox_.stream_of(*entry), check.number, check.due);
  check.held_until = Instant{};
}

void Lookup::poll(const Clocks& clocks, std::uint32_t random) {
  for (;;) {
    switch (call_.poll(clocks.now)) {
      case ServiceCall::State::idle:
        if (!begin(clocks)) return;
        break;
      case ServiceCall::State::ready:
        if (gives_way(clocks.now)) break;
        if (const Status prepared = prepare(); prepared.ok()) {
          call_.send(clocks.now);
        } else {
          call_.withdraw();
          if (prepared.code() == Code::bad_value || prepared.code() == Code::too_big)
            trouble("the request cannot be written: look at api_url and the key", Hope::none, kRetryMax, clocks.now,
                    random);
          else check_->number = 0;  // sent again meanwhile, or ended, or not to be read
        }
        break;
      case ServiceCall::State::sending:
      case ServiceCall::State::receiving:
        if (gives_way(clocks.now)) break;
        [[fallthrough]];
      case ServiceCall::State::connecting:  // that serves all
        wake_ = call_.wake();
        if (const Check* doubt = errand_ == Errand::receipts ? next_check() : nullptr;
            doubt != nullptr && doubt->look_at > clocks.now)
          wake_ = earlier(wake_, doubt->look_at);
        return;
      case ServiceCall::State::answered: judge(clocks, random); break;
      case ServiceCall::State::failed: {
        char words[kMaxReason];
        TextWriter reason(words);
        call_.write_reason(reason);
        trouble(reason.view(), call_.may_have_left() ? Hope::none : Hope::soon, Millis{0}, clocks.now, random);
        break;
      }
    }
  }
}

// The one to look for next; nullptr: none.
Lookup::Check* Lookup::next_check() {
  Check* next = nullptr;
  for (Check& check : checks_) {
    if (check.number != 0 && outbox_.find_doubtful(check.number) == nullptr) check.number = 0;
    if (check.number != 0 && (next == nullptr || check.look_at < next->look_at)) next = &check;
  }
  return next;
}

// Receipts, to a message in doubt.
bool Lookup::gives_way(Instant now) {
  const Check* doubt = errand_ == Errand::receipts ? next_check() : nullptr;
  if (doubt == nullptr || doubt->look_at > now) return false;
  call_.state() == ServiceCall::State::ready ? call_.withdraw() : call_.close();
  return true;
}

// False: nothing may be asked now, and wake_ says when to look again.
bool Lookup::begin(const Clocks& clocks) {
  check_ = next_check();
  Instant at = check_ != nullptr ? check_->look_at : kNever;
  errand_ = Errand::message;
  if (settings_.replies_every.count > 0 && clocks.wall_trusted && replies_at_ < at) {
    at = replies_at_;
    errand_ = Errand::replies;
    check_ = nullptr;
  }
  const Instant receipts = clocks.wall_trusted && at > clocks.now ? receipts_at(clocks.now) : kNever;
  if (receipts < at) {
    at = receipts;
    errand_ = Errand::receipts;
    check_ = nullptr;
  }
  if (at < retry_at_) at = retry_at_;
  wake_ = earlier(at, call_.wake());
  if (at > clocks.now) {
    check_ = nullptr;
    return false;
  }
  // A clock that was ahead and was set right: what people answer now lies before what is asked for.
  if (errand_ == Errand::replies && (since_.ms == 0 || since_.ms > clocks.wall.ms + kOverlap.count)) {
    since_ = newest_ = before(clocks.wall, kLookBack);
    old_ = true;
  }
  hits_ = pages_ = 0;
  within_ = beyond_ = 0;
  seeking_ = true;
  uuid_.clear();
  if (errand_ == Errand::receipts && !begin_receipts(clocks)) return true;
  next_page(1, clocks.now);
  return true;
}

void Lookup::next_page(unsigned page, Instant now) {
  page_ = page;
  ++pages_;
  if (errand_ == Errand::receipts) receipts_paid_ = (receipts_paid_ < now ? now : receipts_paid_) + kReceiptsEvery;
  call_.open(now, {});
}

Status Lookup::prepare() {
  char memory[120];
  TextWriter path(memory);
  if (errand_ == Errand::message) {
    const Entry* entry = outbox_.find_doubtful(check_->number);
    alignas(8) std::uint8_t scratch[kBlock];
    if (entry == nullptr) return Code::not_found;
    TRY_LET(body, outbox_.queue().read_body(*entry, scratch));
    path.text("/streams/messages?phone=").text(body.event.phone(check_->number - body.first_number).view());
    write_service_date(check_->from, path.text("&startDate="));
  } else if (errand_ == Errand::receipts) {
    path.text("/streams/messages?phone=").text(phone_.view());
    write_service_date(from_, path.text("&startDate="));
  } else {
    write_service_date(since_, path.text("/streams/incoming_messages?startDate="));
  }
  path.text("&page=").number(page_).text("&itemsPerPage=").number(kPage);
  return call_.prepare("GET", path.view(), 0);
}

void Lookup::judge(const Clocks& clocks, std::uint32_t random) {
  const Answer answer = call_.answer(clocks);
  Webhook listed[kPage];
  MessagePage page = read_message_page(answer, listed, arena_);
  if (call_.settings_changed()) return;  // it was about the key before, and is asked again
  hide(settings_.token, page.reason);
  if (page.whole != Whole::judged) {
    const auto of = errand_ == Errand::replies ? OddAnswer::Of::replies : OddAnswer::Of::messages;
    if (page.odd) observer_.answer_not_understood({"account", of, page.reason.view(), answer.body});
    const bool refused = page.whole == Whole::held || (page.whole == Whole::halve && errand_ != Errand::receipts);
    const Millis least = refused ? kRefusedFor : seconds(page.retry_after_s);
    return trouble(page.reason.view(), Hope::none, least, clocks.now, random);
  }
  failures_ = 0;
  if (!reason_.empty()) {
    reason_.clear();
    observer_.lookup_changed("works");
  }
  const Span<const Webhook> messages = Span<const Webhook>{listed}.first(page.count);
  // Where none is said, behind a full page there may be as many again.
  const std::size_t so_far = std::size_t{page_} * kPage;
  const std::size_t total = page.count == kPage && page.total < so_far ? 2 * so_far : page.total;
  switch (errand_) {
    case Errand::message: return judge_messages(messages, total, clocks);
    case Errand::replies: return judge_replies(messages, total, clocks);
    case Errand::receipts: return judge_receipts(messages, total, clocks);
  }
}

void Lookup::judge_messages(Span<const Webhook> listed, std::size_t total, const Clocks& clocks) {
  Check& check = *check_;
  const Entry* entry = outbox_.find_doubtful(check.number);
  if (entry == nullptr) return;  // sent again meanwhile, or ended
  alignas(8) std::uint8_t scratch[kBlock];
  const auto body = outbox_.queue().read_body(*entry, scratch);
  bool by_id = false;
  if (body.ok()) {
    const Event& event = body.value().event;
    const MessageId id = message_id(event.id_prefix, check.number);
    const Phone phone = event.phone(check.number - body.value().first_number);
    char first_memory[kMaxSentText], repeat_memory[kMaxSentText];
    const std::string_view first = as_sent(event.text, check.sms, Copy::first, first_memory).text;
    const std::string_view repeat = as_sent(event.text, check.sms, Copy::repeat, repeat_memory).text;
    // Another device may have sent the same text to the same phone, unless its name is in it.
    const bool is_own =
        find_part(first, head(event.id_prefix, event.id_prefix.size() - sizeof Run{}.tag - 1)) != kNotFound;
    for (const Webhook& one : listed) {
      const bool is_mine = one.own_id == id.view();
      // Of copies by the same id one that came to nothing is no word about the others.
      const bool is_known = by_id && (!is_mine || receipt_of(status_.view()) != Receipt::failed);
      if (one.uuid.empty() || one.uuid.size() > kMaxUuid || is_known) continue;
      by_id = by_id || is_mine;
      const auto at = parse_service_date(one.time);
      const bool by_text = one.own_id.empty() && is_own && digits_of(one.to) == phone.view() &&
                           (one.text == first || one.text == repeat) && at.ok() && at.value().ms >= check.from.ms &&
                           at.value().ms <= clocks.wall.ms + kBefore.count && one.uuid != uuid_.view() &&
                           !outbox_.has_uuid(*entry, one.uuid);
      if (!by_id && !by_text) continue;
      if (by_text) ++hits_;
      uuid_.assign_cut(one.uuid);
      status_.assign_cut(one.status);
    }
  }
  const bool more = std::size_t{page_} * kPage < total;
  if (!by_id && hits_ < 2 && more && page_ < kMostPages) return next_page(page_ + 1, clocks.now);
  const std::uint32_t number = check.number, stream = check.stream;
  const bool found = by_id || (hits_ == 1 && !more);
  let_go(check);
  check.number = 0;
  check_ = nullptr;
  if (!found || !outbox_.found(number, stream, uuid_.view(), kFound, clocks).ok()) return;
  if (!status_.empty()) tell(number, status_.view(), uuid_.view(), clocks).ignore();  // else it is asked for, as of others
}

void Lookup::trouble(std::string_view words, Hope hope, Millis at_least, Instant now, std::uint32_t random) {
  // Perhaps it is this phone's list alone.
  if (errand_ == Errand::receipts && hope == Hope::none && at_least < kRefusedFor) {
    round_->refused_as_too_many(now, random);
    return say(words);
  }
  Millis wait = full_jitter(kRetryMin, kRetryMax, failures_, random);
  if (wait < at_least) wait = at_least;
  if (failures_ < 31) ++failures_;
  retry_at_ = now + wait;
  check_ = nullptr;
  for (Check& check : checks_)
    if (hope == Hope::none && check.number != 0) let_go(check);
  say(words);
}

void Lookup::say(std::string_view words) {
  if (told_ && reason_.view() == words) return;
  told_ = true;
  reason_.assign_cut(words);
  observer_.lookup_changed(words);
}

}  // namespace tocsin

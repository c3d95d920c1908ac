// SPDX-License-Identifier: MIT
// Answers of people, from the service's list of incoming messages.
#include "tocsin/outbox/index.hpp"
#include "tocsin/outbox/lookup.hpp"

namespace tocsin {
namespace {

std::uint32_t mark_of(const Webhook& reply) {
  if (!reply.uuid.empty()) return name_hash(reply.uuid);
  return name_hash(reply.from) ^ name_hash(reply.time) * 3 ^ name_hash(reply.text) * 5;
}

}  // namespace

bool Lookup::has_seen(std::uint32_t mark) const {
  for (const std::uint32_t one : seen_)
    if (one == mark) return true;
  return false;
}

bool Lookup::has_heard(const Webhook& reply) const { return !reply.uuid.empty() && has_seen(mark_of(reply)); }

void Lookup::note_heard(const Webhook& reply) {
  if (!reply.uuid.empty()) seen_[seen_next_++ % kMostSeen] = mark_of(reply);
}

// Whichever way the list goes, the oldest are acted upon first. A first page of one second does not show it: it goes as
// the one before. More pages than kMostReplyPages are for the next time, which begins with the youngest of these, or
// behind it where nothing else is left: a flood within one second ends, and what comes after it counts. Of a list that
// has the newest first and says no total the last page is looked for: twice as far each time, then halfway back. A
// service that knows no pages shows its first one again: what is behind that is for the next time, too.
void Lookup::judge_replies(Span<const Webhook> listed, std::size_t total, const Clocks& clocks) {
  const auto last = static_cast<unsigned>((total + kPage - 1) / kPage);
  const std::uint32_t first = listed.empty() ? 0 : mark_of(listed[0]);
  const bool again = page_ > 1 && first == top_ && !listed.empty() && !listed[0].uuid.empty();
  if (again) listed = {};
  if (pages_ == 1) {
    top_ = first;
    const auto from = parse_service_date(listed.empty() ? "" : listed[0].time);
    const auto to = parse_service_date(listed.empty() ? "" : listed[listed.size() - 1].time);
    if (from.ok() && to.ok() && from.value().ms != to.value().ms) backwards_ = from.value().ms > to.value().ms;
  }
  if (backwards_ && seeking_) {
    (listed.empty() ? beyond_ : within_) = page_;
    const unsigned there = beyond_ == 0 ? last : beyond_ - within_ > 1 ? (within_ + beyond_) / 2 : within_;
    if (there > 0 && (beyond_ == 0 ? there > page_ : there != page_) && pages_ < kMostSeeks)
      return next_page(there, clocks.now);
    pages_ = 1;
  }
  seeking_ = false;
  const bool taken = act_upon(listed, clocks);
  const bool more = backwards_ ? page_ > 1 : page_ < last && !listed.empty();
  if (taken && more && pages_ < kMostReplyPages) return next_page(backwards_ ? page_ - 1 : page_ + 1, clocks.now);
  replies_at_ = clocks.now + settings_.replies_every;
  old_ = old_ && (more || !taken);
  // The list grew at its top meanwhile: one may have moved from a page that was to come to one that had been read.
  const bool moved = backwards_ && first != top_;
  if (taken && (more || (again && !backwards_))) since_.ms = newest_.ms > since_.ms ? newest_.ms : since_.ms + 1000;
  else if (!moved && newest_.ms - kOverlap.count > since_.ms) since_.ms = newest_.ms - kOverlap.count;
}

// False: one is to be told again.
bool Lookup::act_upon(Span<const Webhook> listed, const Clocks& clocks) {
  bool done[kPage] = {};
  for (std::size_t n = 0; n < listed.size(); ++n) {
    std::size_t oldest = kNotFound;
    UnixMillis at;
    for (std::size_t i = 0; i < listed.size(); ++i) {
      const auto time = parse_service_date(listed[i].time);
      // One without a date cannot be told from those of last year.
      done[i] = done[i] || !time.ok() || time.value().ms < since_.ms;
      if (done[i] || (oldest != kNotFound && time.value().ms >= at.ms)) continue;
      oldest = i;
      at = time.value();
    }
    if (oldest == kNotFound) break;
    done[oldest] = true;
    const Webhook& reply = listed[oldest];
    const std::uint32_t mark = mark_of(reply);
    if (!has_seen(mark)) {
      if (!observer_.reply_came(reply, old_)) return false;
      seen_[seen_next_++ % kMostSeen] = mark;
    }
    if (at.ms > newest_.ms) newest_ = at.ms < clocks.wall.ms ? at : clocks.wall;
  }
  return true;
}

}  // namespace tocsin

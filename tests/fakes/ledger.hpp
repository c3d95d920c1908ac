// SPDX-License-Identifier: MIT
// What a queue has promised so far, and which promise a queue found after any kind of death has broken: Q1 to
// Q6 of queue.hpp, the counts of sendings, and the states of alarms. Flat, because it is copied for every
// image.
//
// Everything is promised from the moment on_medium() says so and not before; what was asked for and not
// confirmed may be found or not, but whole, as it was, and never a second time under a number that was free
// in between.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "fakes/process.hpp"

namespace fakes {

class Ledger {
 public:
  using Ticket = tocsin::Queue::Ticket;
  static constexpr Ticket kNever = ~Ticket{0};
  struct Change {
    tocsin::State state = tocsin::State::queued;
    std::uint8_t sends = 0;
    Ticket ticket = kNever;
    bool found = false;  // by a start: whoever found it acts by it
    std::uint16_t ways = 0;     // the one it is at, and above it those that are closed
    std::uint32_t since_s = 0;  // for the open ones
  };
  struct Message {
    std::uint32_t number = 0, first = 0, serial = 0, tag = 0;
    std::uint16_t group = 1, text_bytes = 0;
    Ticket pushed = kNever;
    bool safe = false;      // promised
    bool gone = false;      // was found to have ended, and was let go
    bool missing = false;   // the same, but no start that did not find it is on the medium yet
    bool unsaved = false;   // an end found no room: known in RAM only
    std::uint8_t news = 0;  // changes that are asked for and not promised
    Change known;           // the newest promised state
    Change next[12];        // five that were asked for; the others are what starts found
    bool full() const { return news >= 5; }
    const Change& now() const { return news > 0 ? next[news - 1] : known; }  // as its process knows it
    bool found_over() const {
      return std::any_of(next, next + news,
                         [](const Change& c) { return c.found && tocsin::ended(c.state); });
    }
    bool over() const { return gone || missing || tocsin::ended(now().state); }
  };
  std::vector<Message> messages;  // by number
  unsigned version = 0;           // grows with everything that makes a difference to check()
  unsigned unreadable = 0;        // messages a queue may call lost, because reading them back failed

  // Nothing where it is not raised, or there is no room.
  void acknowledge(Process& in, int alarm) {
    const auto ticket = in.queue->acknowledge(kAlarms[alarm]);
    if (!ticket.ok()) return;
    ++version;
    alarms_[alarm].push_back({tocsin::Transition::acknowledged, ticket.value()});
  }

  // 0: the queue refused it (full).
  std::uint32_t push(Process& in, std::size_t phones, std::size_t text_bytes, int alarm = -1,
                     tocsin::Transition to = tocsin::Transition::none, std::string_view streams = "sms") {
    const std::uint32_t serial = serial_ + 1;
    char text[4096];
    write_text(serial, text_bytes, text);
    tocsin::Phone numbers[tocsin::kMaxPhones];
    for (std::size_t i = 0; i < phones; ++i) write_phone(serial, i, numbers[i]);
    tocsin::Event event;
    event.cls = static_cast<tocsin::Class>(serial % 3);
    event.stream = streams;
    event.text = {text, text_bytes};
    event.alarm = alarm < 0 ? std::string_view{} : kAlarms[alarm];
    event.transition = to;
    event.phones = tocsin::Span<const tocsin::Phone>{numbers, phones};
    tocsin::Clocks clocks;
    clocks.now = in.now;
    const auto pushed = in.queue->push(event, "dev", clocks);
    if (!pushed.ok()) return 0;
    serial_ = serial;
    ++version;
    if (alarm >= 0 && to != tocsin::Transition::none) alarms_[alarm].push_back({to, pushed.value().ticket});
    const std::uint32_t first = pushed.value().first_number;
    for (std::uint32_t i = 0; i < phones; ++i) {
      Message m;
      m.number = first + i;
      m.first = first;
      m.serial = serial;
      m.group = static_cast<std::uint16_t>(phones);
      m.text_bytes = static_cast<std::uint16_t>(text_bytes);
      m.pushed = pushed.value().ticket;
      m.known.since_s = in.index().find(m.number)->since_s;
      m.tag = tag_of(in, m.number);
      const std::uint64_t id = std::uint64_t{m.tag} << 32 | m.number;
      if (std::find(told_.begin(), told_.end(), id) != told_.end()) twice_ = m.number;
      told_.push_back(id);
      const auto at = place(m.number);
      if (at != messages.end() && at->number == m.number) {
        twice_ = m.number;
      } else {
        messages.insert(at, m);
      }
    }
    note(in);
    return first;
  }

  // Puts a state of a message on record; false: nothing was done.
  bool change(Process& in, std::uint32_t number, tocsin::State state, unsigned sends, std::size_t words = 0,
              tocsin::Queue::Write when = tocsin::Queue::Write::soon) {
    Message* m = find(number);
    if (m == nullptr || m->gone || m->missing || m->full()) return false;
    char reason[tocsin::kMaxReason];
    std::memset(reason, 'r', sizeof reason);
    tocsin::MessageState its;
    its.state = state;
    its.sends = static_cast<std::uint8_t>(sends);
    its.attempts = its.sends;
    its.reason = {reason, words < sizeof reason ? words : sizeof reason};
    if (state == tocsin::State::accepted || state == tocsin::State::delivered) its.uuid = "0562f2aa-5945-4f41-824a-b774fc2e2b2a";
    tocsin::Clocks clocks;
    clocks.now = in.now;
    const auto ticket = in.queue->update(number, its, clocks, when);
    const bool unchanged = ticket.code() == tocsin::Code::full && when == tocsin::Queue::Write::with_others;
    if (unchanged || (!ticket.ok() && ticket.code() != tocsin::Code::full)) return false;
    if (!ticket.ok()) m->unsaved = true;
    m->next[m->news++] = change_of(*in.index().find(number), ticket.ok() ? ticket.value() : kNever, false);
    ++version;
    note(in);
    return ticket.ok();
  }

  // The oldest message that waits as far as its process knows, or 0.
  std::uint32_t oldest_waiting() const {
    for (const Message& m : messages)
      if (!m.over()) return m.number;
    return 0;
  }

  // What the queue calls safe by now must be found from here on.
  void note(Process& in) {
    const tocsin::Queue& queue = *in.queue;
    if (!unsettled_.empty() && queue.settled()) unsettled_.clear(), ++version;
    for (Message& m : messages) {
      if (!m.safe && queue.on_medium(m.pushed) && !thrown_away(in, m)) m.safe = true, ++version;
      if (m.missing && queue.on_medium(m.pushed)) m.missing = false, m.gone = true, ++version;
      unsigned safe = 0;
      for (unsigned i = 0; i < m.news; ++i)
        if (m.next[i].ticket != kNever && queue.on_medium(m.next[i].ticket)) safe = i + 1;
      if (safe == 0) continue;
      m.known = m.next[safe - 1];
      m.news = static_cast<std::uint8_t>(m.news - safe);
      for (unsigned i = 0; i < m.news; ++i) m.next[i] = m.next[safe + i];
      ++version;
    }
    for (auto& changes : alarms_) {
      std::size_t safe = 0;
      for (std::size_t i = 1; i < changes.size(); ++i)
        if (queue.on_medium(changes[i].ticket)) safe = i;
      if (safe > 0)
        changes.erase(changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(safe)), ++version;
    }
  }

  // Empty when the queue, which was loaded or runs, holds every promise; else which it broke, and how.
  std::string check(Process& in) {
    alignas(8) std::uint8_t scratch[tocsin::kBlock];
    if (twice_ != 0) return broken("Q4", "was given out twice", twice_);
    std::size_t at = 0;
    tocsin::Result<tocsin::Queue::Body> body = tocsin::Code::empty;
    found_.assign(messages.size(), false);
    const tocsin::Index& index = in.index();
    for (std::size_t i = 0; i < index.size(); ++i) {
      const tocsin::Entry& entry = index[i];
      if (is_unsettled(in, entry)) continue;
      while (at < messages.size() && messages[at].number < entry.number) ++at;
      if (at == messages.size() || messages[at].number != entry.number)
        return broken("Q4", "was not there at an earlier start, or never pushed", entry.number);
      const Message& m = messages[at];
      // Messages of one event follow each other: it is read once.
      const bool same = i > 0 && body.ok() && entry.body_at == index[i - 1].body_at &&
                        entry.body_staged == index[i - 1].body_staged;
      if (!same) body = in.queue->read_body(entry, scratch);
      if (!body.ok()) {
        if (unreadable > 0 && entry.lost) continue;
        return broken("Q1", "cannot be read", m.number);
      }
      found_[at] = true;
      const tocsin::Event& event = body.value().event;
      char text[4096];
      write_text(m.serial, m.text_bytes, text);
      tocsin::Phone phone;
      write_phone(m.serial, entry.number - m.first, phone);
      if (event.text != std::string_view{text, m.text_bytes} || body.value().first_number != m.first ||
          event.phone_count() != m.group || event.phone(entry.number - m.first).view() != phone.view() ||
          tag(event.id_prefix) != m.tag)
        return broken("Q4", "names other content", m.number);
      const std::string wrong = check_state(m, entry);
      if (!wrong.empty()) return wrong;
    }
    unsigned missing = 0;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const Message& m = messages[i];
      if (found_[i]) continue;
      const bool may_be_let_go = tocsin::ended(m.known.state) || m.unsaved || m.found_over();
      if (m.safe && !may_be_let_go && ++missing > unreadable)
        return broken("Q1", ("is lost: promised " + words(m)).c_str(), m.number);
      if (may_be_let_go || unreadable > 0) continue;
      for (std::size_t other = 0; other < messages.size(); ++other)
        if (found_[other] && messages[other].first == m.first)
          return broken("Q3", "is not there, another of its event is", m.number);
    }
    for (int a = 0; a < kAlarmCount; ++a) {
      const tocsin::Queue::Alarm* alarm = in.queue->alarm(kAlarms[a]);
      const tocsin::Transition now = alarm != nullptr ? alarm->last : tocsin::Transition::none;
      bool allowed = false;
      for (const AlarmChange& c : alarms_[a]) allowed |= c.to == now;
      if (!allowed)
        return std::string("alarms: ") + std::string(kAlarms[a]) + " is in a state it was not left in";
    }
    return {};
  }

  // The process that gave the tickets is no more: none of them will ever be confirmed.
  void process_died() {
    for (Message& m : messages) forget_tickets(m);
    for (Message& m : unsettled_) forget_tickets(m);
    for (auto& changes : alarms_)
      for (AlarmChange& c : changes) c.ticket = kNever;
  }

  // Of everything that makes a difference to what check(), adopt(), note(), push() and change() say from here
  // on, to a process that is not yet there: to be asked after process_died().
  Digest digest() const {
    Digester all;
    for (const auto* several : {&messages, &unsettled_}) {
      all.put(several->size(), 0);
      for (const Message& m : *several) put(all, m);
    }
    all.put(told_.size(), twice_);
    for (const std::uint64_t id : told_) all.put(id, 0);
    for (const auto& changes : alarms_) {
      all.put(changes.size(), 0);
      for (const AlarmChange& c : changes) all.put(static_cast<std::uint64_t>(c.to), c.ticket);
    }
    all.put(serial_, unreadable);
    all.put(boots, 0);
    return all.done();
  }

  // A process that loaded this queue and has started goes on from here: what it did not find never was, and
  // what it found is promised again once its own start is on the medium.
  void adopt(Process& in) {
    const Ticket start = in.queue->start_ticket();
    ++version;
    for (std::size_t i = 0; i < unsettled_.size();) {
      if (!is(in, unsettled_[i])) {
        ++i;
        continue;
      }
      const auto at = place(unsettled_[i].number);  // it is back
      if (at != messages.end() && at->number == unsettled_[i].number) {
        *at = unsettled_[i];
      } else {
        messages.insert(at, unsettled_[i]);
      }
      unsettled_.erase(unsettled_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    std::vector<Message> kept;
    for (Message& m : messages) {
      const tocsin::Entry* entry = in.index().find(m.number);
      if (entry == nullptr) {
        // It was let go; or it is told to nobody, and a number that may be given out again. Until this start is
        // on the medium a cut may bring back what it did not find.
        if (!m.safe) unsettled_.push_back(m);
        for (unsigned i = 0; i < m.news; ++i) m.next[i].ticket = kNever;
        if (tocsin::ended(m.known.state)) {
          m.gone = true;
          kept.push_back(m);
        } else if (m.safe && (m.unsaved || m.found_over())) {
          m.missing = !m.gone;
          m.pushed = start;
          kept.push_back(m);
        }
        continue;
      }
      m.pushed = start;
      m.unsaved = m.missing = false;
      for (unsigned i = 0; i < m.news; ++i) m.next[i].ticket = kNever;
      leave_out_what_is_said_twice(m);
      TOCSIN_ASSERT(m.news < sizeof m.next / sizeof m.next[0]);
      m.next[m.news++] = change_of(*entry, start, true);
      kept.push_back(m);
    }
    messages.swap(kept);
    for (int a = 0; a < kAlarmCount; ++a) {
      const tocsin::Queue::Alarm* alarm = in.queue->alarm(kAlarms[a]);
      for (AlarmChange& c : alarms_[a]) c.ticket = kNever;
      alarms_[a].push_back({alarm != nullptr ? alarm->last : tocsin::Transition::none, start});
    }
  }

  std::uint64_t boots = 0;  // processes there ever were

  Message* find(std::uint32_t number) {
    const auto at = place(number);
    return at != messages.end() && at->number == number ? &*at : nullptr;
  }

 private:
  struct AlarmChange {
    tocsin::Transition to = tocsin::Transition::none;
    Ticket ticket = 0;
  };
  static constexpr int kAlarmCount = 2;
  static constexpr std::string_view kAlarms[kAlarmCount] = {"pump", "sump-level"};

  static Change change_of(const tocsin::Entry& entry, Ticket ticket, bool found) {
    return {entry.state, entry.sends, ticket, found, static_cast<std::uint16_t>(entry.way | entry.closed << 8), entry.since_s};
  }
  // Of changes that no ticket will ever confirm.
  static void leave_out_what_is_said_twice(Message& m) {
    unsigned kept = 0;
    for (unsigned i = 0; i < m.news; ++i) {
      const Change change = m.next[i];
      const auto same = [&change](const Change& c) {
        return c.state == change.state && c.sends == change.sends && c.found == change.found &&
               c.ways == change.ways && c.since_s == change.since_s;
      };
      if (std::none_of(m.next, m.next + kept, same)) m.next[kept++] = change;
    }
    m.news = static_cast<std::uint8_t>(kept);
  }
  static void forget_tickets(Message& m) {
    m.pushed = m.known.ticket = kNever;
    for (Change& c : m.next) c.ticket = kNever;
  }
  static void put(Digester& all, const Change& c) {
    all.put(std::uint64_t{c.sends} << 16 | static_cast<std::uint64_t>(c.state) << 8 | (c.found ? 1U : 0U),
            c.ticket);
    all.put(c.ways, c.since_s);
  }
  static void put(Digester& all, const Message& m) {
    all.put(std::uint64_t{m.number} << 32 | m.first, std::uint64_t{m.serial} << 32 | m.tag);
    all.put(std::uint64_t{m.group} << 48 | std::uint64_t{m.text_bytes} << 32 | std::uint64_t{m.news} << 8 |
                (m.safe ? 1U : 0U) | (m.gone ? 2U : 0U) | (m.unsaved ? 4U : 0U) |
                (m.missing ? 8U : 0U),
            m.pushed);
    put(all, m.known);
    for (unsigned i = 0; i < m.news; ++i) put(all, m.next[i]);
  }
  std::vector<Message>::iterator place(std::uint32_t number) {
    return std::lower_bound(messages.begin(), messages.end(), number,
                            [](const Message& m, std::uint32_t n) { return m.number < n; });
  }
  static std::string broken(const char* promise, const char* how, std::uint32_t number) {
    return std::string(promise) + ": message " + std::to_string(number) + " " + how;
  }
  static std::string check_state(const Message& m, const tocsin::Entry& entry) {
    if (m.gone && !tocsin::ended(entry.state)) return broken("Q2", "had been let go and waits", m.number);
    bool ending = false;
    const Change is = change_of(entry, 0, false);
    const auto same = [&is](const Change& c) {
      return c.state == is.state && c.sends == is.sends && c.ways == is.ways && c.since_s == is.since_s;
    };
    if (same(m.known)) return {};
    for (unsigned i = 0; i < m.news; ++i) {
      if (same(m.next[i])) return {};
      ending |= tocsin::ended(m.next[i].state);
    }
    // Its last record was lost, and a later one says that it had ended.
    if (entry.state == tocsin::State::unknown && ending) return {};
    const char* promise = "sends";
    std::string how = "has a state or count that nobody put on record: ";
    if (tocsin::ended(m.known.state) && !tocsin::ended(entry.state)) {
      promise = "Q2", how = "had ended and waits: ";
    } else if (tocsin::ended(entry.state) && !ending && !tocsin::ended(m.known.state)) {
      promise = "Q1", how = "has not ended and does not wait: ";
    }
    how += words(is) + "; promised " + words(m);
    return broken(promise, how.c_str(), m.number);
  }
  static std::string words(const Message& m) {
    std::string all = words(m.known);
    for (unsigned i = 0; i < m.news; ++i) all += ", then perhaps " + words(m.next[i]);
    return all;
  }
  static std::string words(const Change& c) {
    return std::string(tocsin::word(c.state)) + "/" + std::to_string(c.sends) + " by " + std::to_string(c.ways) + " since " +
           std::to_string(c.since_s);
  }
  static void write_text(std::uint32_t serial, std::size_t bytes, char* to) {
    static const std::string pattern = [] {
      std::string s;
      for (unsigned i = 0; i < 4400; ++i) s += static_cast<char>('a' + (i * 7 + i / 26) % 26);
      return s;
    }();
    std::memcpy(to, pattern.data() + serial % 97, bytes);
    for (unsigned i = 0; i < 8 && i < bytes; ++i) to[i] = "0123456789abcdef"[serial >> (4 * i) & 15];
  }
  static void write_phone(std::uint32_t serial, std::size_t i, tocsin::Phone& to) {
    char digits[16];
    std::snprintf(digits, sizeof digits, "447700900%03u", static_cast<unsigned>((serial * 37 + i) % 1000));
    to.assign_cut(digits);
  }
  static std::uint32_t tag(std::string_view prefix) {
    std::uint32_t word = 0;
    for (const char c : prefix) word = word << 8 | static_cast<unsigned char>(c);  // its last four signs
    return word;
  }
  bool is_unsettled(Process& in, const tocsin::Entry& entry) const {
    for (const Message& m : unsettled_)
      if (m.number == entry.number && is(in, m)) return true;
    return false;
  }
  static bool is(Process& in, const Message& m) {
    return in.index().find(m.number) != nullptr && tag_of(in, m.number) == m.tag;
  }
  // A failed sync threw its page out of the cache before anybody had been promised anything: it was found by
  // this start and is called lost since.
  static bool thrown_away(Process& in, const Message& m) {
    if (in.medium.dropped == 0 || in.queue->lost() == 0) return false;
    const tocsin::Entry* entry = in.index().find(m.number);
    return entry == nullptr || entry->lost;
  }
  static std::uint32_t tag_of(Process& in, std::uint32_t number) {
    alignas(8) std::uint8_t scratch[tocsin::kBlock];
    const auto body = in.queue->read_body(*in.index().find(number), scratch);
    return body.ok() ? tag(body.value().event.id_prefix) : 0;
  }

  std::vector<AlarmChange> alarms_[kAlarmCount] = {{AlarmChange{}}, {AlarmChange{}}};
  std::vector<std::uint64_t> told_;  // every id that was ever handed out
  std::vector<Message> unsettled_;   // not promised, not found by the newest start
  std::vector<bool> found_;
  std::uint32_t twice_ = 0;
  std::uint32_t serial_ = 0;
};

}  // namespace fakes

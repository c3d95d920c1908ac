// SPDX-License-Identifier: MIT
// The messages and their states: what may be sent, what a sending's outcome makes of it, and when a
// message has ended. It decides; the Queue keeps.
//
//   queued -> queued    nothing left the device, or the service said later          [not_sent]
//   queued -> queued    the outcome is not known and copies are left                [outcome_unknown]
//   queued -> unknown   the outcome is not known and no copy is left                [outcome_unknown]
//   queued -> accepted  the service said yes to this very message                   [accepted]
//   queued -> queued    the same, and it has other streams to go by                 [refused]
//   queued -> failed    the last of its streams refused it; its record is lost      [refused]
//   queued -> expired   its class gives it so long, and it is over                  [poll]
//   queued -> merged    the queue is full: a newer one of its alarm takes its place [post]
//   queued -> evicted   the queue is full: one of a higher class takes its place    [post]
//   queued -> dropped   by hand                                                     [drop]
//   queued, unknown -> accepted  it was found in the service's list                [found]
//   accepted -> delivered, failed   the service says so, or that it came to nothing [receipt]
//   queued, unknown -> delivered    a copy whose outcome was not known, or came too late for a receipt [receipt]
//   accepted -> queued  that it came to nothing, or nothing in time, and it has     [receipt, undelivered]
//                       another stream to go by, a copy left and room
//   unknown, failed, expired, evicted, dropped -> queued   by hand                  [retry]
//
// A full queue makes room in this order: what has expired goes; then older messages of the same alarm to
// the same phones, on no record as sent; then messages of a lower class, the lowest first, the oldest first.
// Nothing is given up unless that makes room enough. Otherwise post() says full.
//
// Never more than kMaxSends copies (class policy may say fewer), counted like this: `sends` are the
// requests that carried the message and are not known to have failed. Before a request leaves, the count
// it makes is put on record and synced, except for the first sending in the run that queued the
// message; a message found by a later run with no such record counts as sent once.
//
// A message goes by its streams in their order: by the first; by the next one, too, when it has waited for
// `fallback_after` of the one before, whatever keeps it back, and by either from then on; no more by one that has
// refused it or did not deliver it. One that left the configuration is not waited for. Copies count over all of them,
// and as long as some have not had their turn one copy is kept for each. Which of them has refused it, by which it
// went, and since when it waits is in each of its records; which of them are open follows from that.
//
// Memory: 4 KiB beside Queue and Index, less than 1 KiB of it touched without budgets of recipients. Threads: none.
#pragma once

#include "tocsin/outbox/budget.hpp"
#include "tocsin/outbox/index.hpp"
#include "tocsin/outbox/queue.hpp"
#include "tocsin/outbox/segment_budget.hpp"
#include "tocsin/outbox/troubled.hpp"
#include "tocsin/wire/status_reply.hpp"

namespace tocsin {

// An answer of 2xx that could not be understood, or not what it says of some message; `status`: one about receipts.
// Views end with the call.
struct OddAnswer {
  enum class Of : std::uint8_t { whole, part, status, messages, replies };
  static constexpr bool is_list(Of of) { return of >= Of::messages; }  // of the API key
  std::string_view stream;
  Of of;
  std::string_view reason;
  Bytes body;  // as it came: it may hold anything
};

// What the loop wants to know for log, status and waiting callers. Called from inside poll().
class Observer {
 public:
  virtual void message_ended(const MessageId& id, std::uint32_t number, State state,
                             std::string_view reason) = 0;
  // The service refuses requests with this message alone: it waits for an hour or so, the others go on.
  virtual void message_set_aside(const MessageId&, std::uint32_t, std::string_view) {}
  // It goes by another of its streams now: what those before said, each with its name.
  virtual void message_goes_on(const MessageId&, std::uint32_t, std::string_view) {}
  // Of one that was accepted: delivered or failed, with the service's words.
  virtual void receipt_came(const MessageId&, std::uint32_t, State, std::string_view) {}
  // How asking for receipts goes; it never keeps a message back.
  virtual void receipts_changed(std::string_view, std::string_view) {}
  // A stream's condition changed: "backing off", with the reason in words.
  virtual void stream_changed(std::string_view stream, std::string_view condition,
                              std::string_view reason) = 0;
  virtual void answer_not_understood(const OddAnswer&) {}
  // The class has sent what it may; the others of it wait until then.
  virtual void budget_spent(Class cls, Instant until) = 0;
  // This message used up what its stream may send, or what its phone may have, in segments: all of it, or all but what
  // is for critical messages alone. The others wait until then.
  virtual void segments_spent(std::uint32_t, SegmentBudgets::Whose, SegmentBudgets::Left, Instant) {}
  // What the API key is good for: "works", or why nothing can be looked up.
  virtual void lookup_changed(std::string_view) {}
  // Somebody has answered. `old`: an earlier run may have acted upon it. False: not now, it is to be told again.
  virtual bool reply_came(const struct Webhook&, bool) { return true; }
  // Asked, for the record: why the stream of that name's hash does not send now; empty: it does, or nobody knows.
  virtual std::string_view trouble_of(std::uint32_t) const { return {}; }

 protected:
  ~Observer() = default;
};

// Who is asked for receipts of the messages that a stream has accepted: the stream itself, or the list of the API key
// while the stream does not tell.
enum class Asked : std::uint8_t { nobody, stream, list };

// Of a stream, as the configuration has it.
struct StreamRules {
  std::uint32_t stream = 0;         // hash of its name
  Millis fallback_after = minutes(10);  // so long a message waits for it before it may go by its next one as well
  Millis undelivered_after{0};      // without a receipt for so long it goes by the next one; 0: it does not
  Asked asked = Asked::nobody;      // says what is not delivered in time; else the clock does, fallback_after later at most
};

class Outbox {
 public:
  Outbox(Queue& queue, Index& index, Observer& observer)
      : queue_(queue), index_(index), observer_(observer) {}
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Until it is called: default_rules(). A message keeps what it was queued with, but for the budgets.
  // `history`: how long ended messages are kept; 0: as long as there is room.
  void configure(const Rules& rules, Millis history = Millis{0}) {
    rules_ = rules;
    history_ = history;
    wake_ = Instant{0};
  }
  // Before load(), which finds out what was spent in the day before, as far as the queue still has it. Until it is
  // called: no limits.
  void limit_segments(Span<const SegmentLimits> streams) { segments_.configure(streams); }
  // The same: the streams of the configuration, at most kMaxStreams.
  void configure_streams(Span<const StreamRules> streams);
  const SegmentBudgets& segments() const { return segments_; }
  // After Queue::load() and start(): what earlier runs left is counted as said above.
  void load(const Clocks& clocks);
  // For a queue that only memory had, when another one takes its place: what was spent so far, and its
  // counting there, after load(). `on_s` of the old one: how long the device had been on for it.
  const Tally& tally() const { return tally_; }
  void count_spent(const Tally& before, const SegmentBudgets& segments_before, std::uint32_t before_on_s,
                   const Clocks& clocks);
  // A message that was queued and perhaps sent before it came to this queue, after post(). Errors: not_found;
  // full: it is counted in memory only.
  struct Past {
    std::uint64_t due_ms = 0;
    std::uint16_t attempts = 0;
    std::uint8_t sends = 0;
    std::uint8_t aside = 0;
    bool repeat = false;
    bool reopened = false;
    std::uint8_t way = 0;
    std::uint8_t closed = 0;
    std::uint32_t waited_s = 0;  // for the ways that are open
  };
  Status recall(std::uint32_t number, const Past& past, const Clocks& clocks);
  // Ends what has expired, has ended messages forgotten that are older than the history, and puts on record how
  // long the device has been on while something waits: once an hour, more often in the first hour. Call it at
  // wake().
  void poll(const Clocks& clocks);
  Instant wake() const { return wake_; }

  // Accepts an event, with the rules of its class. Errors as Queue::push(), and bad_value for a text that is
  // empty, not UTF-8 or holds control characters other than line feed; too_big for one above kMaxText.
  // Nothing changed then, but that some may have expired.
  Result<Queue::Pushed> post(Event event, std::string_view device_name, const Clocks& clocks);
  // By hand: it is not sent any more. Errors: not_found; busy (a request with it is under way);
  // bad_value (it has ended).
  Status drop(std::uint32_t number, const Clocks& clocks);
  // By hand: sends it (again), now; what it was sent before counts no more, and it does not expire. Errors:
  // not_found; bad_value (the service has it, or a newer one took its place), full (no room among what
  // waits), io, corrupt (its text cannot be read back).
  Status retry(std::uint32_t number, const Clocks& clocks);
  static constexpr std::string_view kByHand = "asked for again by hand";  // the reason on its record
  // By hand: Queue::forget() for all that has ended.
  Status purge(const Clocks& clocks);

  // The messages of a stream that go into its next request: by class, within a class the oldest first, but a
  // recipient whose last try failed (troubled.hpp) does not keep the others waiting. A request has messages
  // either to recipients without trouble or, of one class, to those with it. Of a class go, in this order:
  //   to a recipient in trouble whose rest is over: one request
  //   to the recipients without trouble
  //   to those who rest; the one that failed longest ago says what kind of request it becomes
  // `After::troubled`: they had their turn; now everybody else comes first, of whatever class. What goes to one
  // recipient keeps its order. Messages that need a record first are left out while the medium does not
  // answer. Their numbers go to `into`; returns how many: 0 only when none may be sent.
  enum class After : std::uint8_t { others, troubled };
  std::size_t pick(std::uint32_t stream, Instant now, After before, Span<std::uint32_t> into) const;
  bool critical_goes_next(std::uint32_t stream, Instant now, After before) const;
  bool others_wait(std::uint32_t stream, Instant now) const;  // a recipient without trouble could be served
  // The last try of its recipient failed, and that says something about the recipient.
  void in_trouble(std::uint32_t number, Trouble trouble, Instant now);
  bool is_in_trouble(std::uint32_t stream, std::uint32_t number) const;
  bool all_to_one(Span<const std::uint32_t> numbers) const;  // recipient
  // When the next one may be sent; kNever: nothing waits by time.
  Instant next_due(std::uint32_t stream, Instant now) const;
  bool waiting(std::uint32_t stream) const;
  // When the budget of a class lets the next one go; `now` while something is left of it.
  Instant free_at(Class cls, Instant now) const;
  // When the budgets in segments let this one go, by the stream that it is at.
  Instant segments_free_at(const Entry& entry, Instant now) const {
    return segments_free_at(entry, stream_of(entry), now);
  }
  // The hash of the stream that it goes by, or went by last.
  std::uint32_t stream_of(const Entry& entry) const { return queue_.names().hash(entry.place_of(entry.way)); }

  // One message, ready to be spelled. Views point into `scratch` (kBlock bytes).
  struct Outgoing {
    MessageId id;
    Phone phone;
    std::string_view text;
    std::string_view alarm;  // empty: not of an alarm
    Class cls = Class::warning;
    Transition transition = Transition::none;
    bool repeat = false;  // an earlier copy may be on the phone
  };
  // Errors: not_found (not waiting any more), io, corrupt.
  Result<Outgoing> read(std::uint32_t number, MutBytes scratch) const;
  // A message whose event cannot be read back ends as failed, on record.
  void unreadable(std::uint32_t number, const Clocks& clocks);

  // A request that carries the message by that stream is about to leave. Returns the ticket to wait for, 0: none.
  // `segments`: what it takes as it is sent. Errors: full: do not send it now.
  Result<Queue::Ticket> sending(std::uint32_t stream, std::uint32_t number, const Clocks& clocks,
                                std::uint32_t segments = 1);
  // Nothing of it left the device, or the service took nothing: it may be sent again at `due`. Where the
  // sending is on record, that it came to nothing is put there too: no run later counts it. A reason that is
  // its own goes there with the first request that carried it.
  void not_sent(std::uint32_t number, Instant due, const Clocks& clocks, std::string_view reason = {});
  // The same for one that sending() did not count.
  void postpone(std::uint32_t stream, std::uint32_t number, Instant due);
  // The service refuses requests with this message alone, without naming it: kept, tried again at `due`, and its next
  // stream has its turn at once.
  void held_alone(std::uint32_t number, Instant due, std::string_view reason, const Clocks& clocks);
  void outcome_unknown(std::uint32_t number, Instant due, std::string_view reason, const Clocks& clocks);
  void accepted(std::uint32_t number, std::string_view uuid, std::string_view reason, const Clocks& clocks);
  void refused(std::uint32_t number, std::string_view reason, const Clocks& clocks);

  // outbox_receipt.cpp
  // What became of a message that the service has accepted; of any other, and of one that is being forgotten, it is
  // nothing new, but that a copy of it was delivered: whose outcome is unknown has arrived then, and what waits for its
  // next copy needs none; and that the service has one in doubt (find_doubtful), by its uuid. Its record goes with the
  // next ones (Queue::Write::with_others). `words`: the service's; of `unclear` they are on record once. `uuid`: of the
  // copy that it is about, empty: not told. A bad one about a copy that another stream took before counts no more.
  // Errors: not_found (nothing of the kind is waited for); full, io, corrupt: nothing changed.
  Status receipt(std::uint32_t number, Receipt receipt, std::string_view words, const Clocks& clocks,
                 std::string_view uuid = {});
  // The same of a status word alone.
  Status told(std::uint32_t number, std::string_view word, const Clocks& clocks, std::string_view uuid);
  // The service was asked, and has no receipt for it yet: whether its stream gives it no more time.
  void undelivered(std::uint32_t number, const Clocks& clocks);
  // Who is asked from now on. nobody: what is late is so by the clock.
  void ask_for_receipts(std::uint32_t stream, Asked whom);
  // The stream was asked for this one, and does not tell: the list is, whoever is asked for the others.
  void set_untold(std::uint32_t number, bool untold);
  // The first message of a stream, from that number on, that was accepted and of which no more is known; or nullptr.
  // `of`: list: of those alone that it is to be asked for.
  const Entry* next_accepted(std::uint32_t stream, std::uint32_t from, Asked of = Asked::stream) const;
  // The message that the service tells of: by its whole id, or by its uuid, which is looked for among the newest
  // kMostLookedAt that are accepted (`recipient`: to that one; 0: to anybody), as each look reads a record; or nullptr.
  const Entry* find_told(std::string_view id, std::string_view uuid, std::uint32_t recipient = 0) const;
  // What is on record of it; views point into `scratch` (kBlock bytes). Errors: not_found, io, corrupt.
  Result<MessageState> read_accepted(std::uint32_t number, MutBytes scratch) const;
  // Nobody knows whether the service has it: it waits to be sent again, or was given up as unknown; or nullptr, also
  // while a request with it is under way.
  const Entry* find_doubtful(std::uint32_t number) const;
  // The first such one of a stream, from that number on; of those given up, only if that was within a minute; or
  // nullptr.
  const Entry* next_doubtful(std::uint32_t stream, std::uint32_t from, Instant now) const;
  // Whether another message to the same phone is known to have that uuid; of the newest kMostLookedAt.
  bool has_uuid(const Entry& than, std::string_view uuid) const;
  static constexpr unsigned kMostLookedAt = 64;
  // The service has it, by that stream. Errors: not_found (it is not doubtful any more); full, io, corrupt: nothing
  // changed.
  Status found(std::uint32_t number, std::uint32_t stream, std::string_view uuid, std::string_view reason,
               const Clocks& clocks);
  std::uint64_t on_ms(Instant now) const { return queue_.on_ms(now); }

  bool last_copy_is_next(std::uint32_t number) const;  // once the outcome of the one under way is unknown
  const Queue& queue() const { return queue_; }
  bool on_medium(Queue::Ticket ticket) const { return queue_.on_medium(ticket); }
  Queue::Ticket newest() const { return queue_.newest(); }
  // Puts on record what was spent; call it when other records go there anyway.
  void note(Instant now);
  bool stalled(Instant now) const { return queue_.stalled(now); }

  static unsigned most_sends(const Entry& entry) {
    return entry.on_unknown == OnUnknown::hold ? 1 : kMaxSends;
  }

 private:
  bool may_be_sent(const Entry& entry, unsigned by, Instant now) const;  // that one of its ways
  Instant segments_free_at(const Entry& entry, std::uint32_t stream, Instant now) const;
  // outbox_pick.cpp
  std::size_t pick_others(Class cls, std::uint32_t stream, Instant now, Span<std::uint32_t> into, std::size_t n) const;
  std::size_t pick_troubled(Class cls, bool resting, std::uint32_t stream, Instant now, Span<std::uint32_t> into) const;
  // outbox_ways.cpp
  static bool went_on(const Entry& entry) { return entry.way != 0 || entry.closed != 0; }  // beyond its first stream
  static unsigned copies_open(const Entry& entry) {  // asked for every message that waits
    return entry.place_of(1) == 0 ? most_sends(entry) : copies_of_ways(entry);
  }
  static unsigned copies_of_ways(const Entry& entry);
  static bool close_way(Entry& entry);
  static void begin_ways(Entry& entry);
  static void open_beside(Entry& entry);
  void take_way(Entry& entry, std::uint32_t stream) const;
  static constexpr std::uint32_t kNoTime = UINT32_MAX;
  const StreamRules* rules_of(unsigned place) const;
  void others_first(Entry& entry, Instant now) const;
  std::uint32_t opens_at_s(const Entry& entry) const;
  std::uint32_t late_at_s(const Entry& entry) const;
  std::uint32_t open_ways(const Clocks& clocks);
  bool reopen(Entry& entry, std::string_view said, const Clocks& clocks);
  void go_on(Entry& entry, std::string_view said, const Clocks& clocks);
  std::string_view with_ways(const Entry& entry, std::string_view said, Span<char> room) const;
  std::string_view name_ways(const Entry& entry, std::string_view said, Span<char> room) const;
  static bool needs_record(const Entry& entry);
  bool uncount(Entry& entry);
  bool is_being_forgotten(const Entry& entry) const;
  void tell_receipt(const Entry& entry, const MessageState& now);
  bool segments_let(const Entry& entry, std::uint32_t stream, Instant now, Span<const std::uint32_t> beside) const;
  void load_segments(const Clocks& clocks);
  void spend_segments(Entry& entry, std::uint32_t segments, Instant now);
  Instant instant_of(std::uint32_t at_s, Instant now) const {
    return Instant{std::uint64_t{at_s} * 1000 - (queue_.on_ms(now) - now.ms)};
  }
  std::uint32_t on_s(Instant now) const { return static_cast<std::uint32_t>(queue_.on_ms(now) / 1000); }
  Spent& spent(Class cls) { return tally_.spent[static_cast<std::size_t>(cls)]; }
  const Spent& spent(Class cls) const { return tally_.spent[static_cast<std::size_t>(cls)]; }
  // outbox_room.cpp
  void expire(const Clocks& clocks);
  void write_expired(const Entry& entry, Instant now, TextWriter& into) const;
  std::uint32_t next_note_s(Instant now) const;
  std::uint32_t forget_old(std::uint32_t now_s);
  enum class Why : std::uint8_t { stays, older_news, lower };
  Why gives_way(Queue::Mates messages, const Event& event) const;
  Queue::Room may_give_way(const Event& event) const;
  void make_room(const Event& event, std::uint32_t first_number, const Clocks& clocks);
  static bool is_known_unsent(const Entry& entry);
  bool is_older_news(const Entry& entry, const Event& event) const;
  void put_on_record(const Entry& entry, std::string_view reason, const Clocks& clocks);
  void put_doubt_on_record(const Entry& entry, const Clocks& clocks);
  std::string_view who_stopped(const Entry& entry) const;
  void end(Entry& entry, State state, std::string_view uuid, std::string_view reason, const Clocks& clocks);

  Queue& queue_;
  Index& index_;
  Observer& observer_;
  Rules rules_ = default_rules();
  Millis history_;
  Troubled troubled_;
  StreamRules streams_[kMaxStreams];
  std::size_t stream_count_ = 0;
  SegmentBudgets segments_;
  Tally tally_;  // as it is now; on record as it was with the last request or answer
  std::uint32_t began_s_ = 0;  // the device had been on for so long when this run began
  Instant wake_ = kNever;  // before load() nothing is known of what is due
};

}  // namespace tocsin

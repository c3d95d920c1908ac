// SPDX-License-Identifier: MIT
// The process that holds STATE/lock: it owns the queue, sends what waits, and serves the control socket.
// `run` is one for as long as it lives, `send` for as long as it takes.
//
//   handles() -> poll(2) -> poll()   ...again and again; wake() says when at the latest
//
// Memory: about 2 MiB of address space in place, of which a quiet device touches some 200 KiB. Threads:
// one loop; the storage worker and the resolver stay behind their port.
#pragma once

#include <poll.h>

#include "port/linux/file_store.hpp"
#include "port/linux/gpio_lines.hpp"
#include "port/linux/kept_aside.hpp"
#include "port/linux/log.hpp"
#include "port/linux/resolver.hpp"
#include "port/linux/session_file.hpp"
#include "port/linux/state_dir.hpp"
#include "port/linux/storage_worker.hpp"
#include "port/linux/tls_stream.hpp"
#include "src/program/answerers.hpp"
#include "src/program/carried.hpp"
#include "src/program/config.hpp"
#include "src/program/control.hpp"
#include "src/program/hook_server.hpp"
#include "src/program/medium_news.hpp"
#include "src/program/odd_answers.hpp"
#include "src/program/request_body.hpp"
#include "src/program/self_alarms.hpp"
#include "src/program/state_files.hpp"
#include "tocsin/alarm/alarm.hpp"
#include "tocsin/alarm/line.hpp"
#include "tocsin/outbox/sender.hpp"

namespace tocsin {

enum class Role : std::uint8_t { daemon, guest };  // a guest gives way to a daemon

class Owner final : public Observer {
 public:
  Owner(Resolver& resolver, Log& log);
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;

  // Whether streams of it are reached by a name, so that a resolver is needed.
  static bool looks_up(const Config& config);
  // Takes lock, queue and control socket. A resolver that is needed has been started. `why` gets one line on errors:
  // later (somebody else owns the queue), cannot_create, medium, config. A daemon whose medium does not let it
  // have the state begins without, in memory, and takes it as soon as it can.
  Exit open(const Config& config, Role role, TextWriter& why);
  // Certificates and tokens, so that messages leave. Errors: config; without it the owner only stores, and a stream
  // whose files are mended goes on by itself.
  Exit open_streams(TextWriter& why);
  // GPIO lines. Errors: config (unknown line), line_busy; the other lines work all the same.
  Exit open_lines(TextWriter& why);
  // Where the service calls. An address that is not there yet, or a secret that is missing, is tried again.
  void open_hooks();
  // Lets go in good order: what was begun is finished, the last record written, at most `most` long. What the medium
  // has not answered by then stays locked until the process ends: it may be written yet.
  void close(Millis most);

  static constexpr std::size_t kMaxHandles = kMaxControlClients + kMaxStreams + kMaxAlarms + 4 + HookServer::kMaxHandles;
  std::size_t handles(Span<pollfd> into) const;
  void poll();
  Instant wake() const;
  // Waits for handles() and wake(), `most` at the longest, then poll()s. `extra`: one more handle, or -1.
  // Returns whether `extra` is readable.
  bool turn(Instant until, int extra);

  // What commands do; the control socket's clients and a guest itself.
  struct Posted {
    Exit exit = Exit::done;
    Queue::Pushed pushed;
    std::size_t count = 0;
    std::size_t unchanged = kNotFound;  // the alarm that is in that state already
    bool of_ack = false;
  };
  Posted act(const ControlRequest& request, TextWriter& why);  // send, raise, clear, ack, retry, drop, purge
  void write_unchanged(const Posted& posted, TextWriter& into) const;  // of a raise, clear or ack
  Exit purged(const Posted& posted, TextWriter& out, TextWriter& why) const;
  bool on_medium(Queue::Ticket ticket) const { return queue_.on_medium(ticket); }
  // Waits until it is on the medium, or 2 s and a little: done, or medium.
  Exit settle(Queue::Ticket ticket);
  void write_ids(const Posted& posted, TextWriter& into) const;
  // How far `count` messages from `first` are: done when all are accepted, later while one waits, else the
  // worst.
  Exit outcome(std::uint32_t first, std::size_t count) const;
  bool decided(const Posted& posted) const;  // none of them waits any more
  static void write_budget_spent(Class cls, Millis wait, TextWriter& into);
  void write_segments_spent(Instant now, TextWriter& into) const;
  void write_outcome(const Posted& posted, Exit exit, TextWriter& into) const;
  // What a guest does last: once that is decided, or now, its last record is staged, and shares the sync of what it
  // did.
  void end_with(const Posted& posted) { last_ = &posted; }
  void end_run();
  // open() met an owner that answers at the control socket: ask it instead.
  bool met_owner() const { return met_owner_; }
  bool gave_way() const { return gave_way_; }
  bool has_let_go() const { return let_go_; }  // in close(): somebody else can own the queue now

  // Why the medium does not take anything; nothing while it works.
  void write_medium_reason(Instant now, TextWriter& into) const;
  // How long the budget of a class keeps its messages back; 0 while something is left of it.
  Millis budget_wait(Class cls, Instant now) const { return outbox_.free_at(cls, now) - now; }
  // Of the stream's budget, in the day that it is in.
  std::uint32_t segments_used(std::string_view stream, Instant now) const {
    return outbox_.segments().used_of_stream(name_hash(stream), static_cast<std::uint32_t>(queue_.on_ms(now) / 1000));
  }
  // Messages that wait and would be lost with this process.
  std::size_t only_in_memory() const;
  // It is there, has not failed since it was last tried, and answers.
  bool medium_works(Instant now) const;
  // As memory_list.hpp says, as many as fit; returns the bytes. `remark`: what it cannot list.
  std::size_t list_memory(const ControlRequest& request, MutBytes into, TextWriter& remark) const;

  const Config& config() const { return *config_; }
  const Queue& queue() const { return queue_; }
  const Index& index() const { return index_; }
  Outbox& outbox() { return outbox_; }
  const Queue::Found& found() const { return found_; }
  unsigned kept_files() const { return kept_aside_.files(); }
  std::size_t stream_count() const { return stream_count_; }
  const Sender& sender(std::size_t at) const { return *senders_[at]; }
  // Why the API key opens nothing, with what to do; empty: it does, or there is none.
  std::string_view account_reason() const { return account_reason_.view(); }
  std::string_view hook_problem() const { return hook_problem_.view(); }
  std::uint32_t messages_ended() const { return messages_ended_; }  // in this run
  Bytes tls_arena() const { return tls_arena_; }  // all zeros until open_streams()

  void message_ended(const MessageId& id, std::uint32_t number, State state,
                     std::string_view reason) override;
  void message_set_aside(const MessageId& id, std::uint32_t number, std::string_view reason) override;
  void receipt_came(const MessageId& id, std::uint32_t number, State state, std::string_view reason) override;
  void message_goes_on(const MessageId& id, std::uint32_t number, std::string_view words) override;
  void receipts_changed(std::string_view stream, std::string_view words) override;
  void lookup_changed(std::string_view words) override;
  bool reply_came(const struct Webhook& reply, bool old) override;
  void stream_changed(std::string_view stream, std::string_view condition, std::string_view reason) override;
  void answer_not_understood(const OddAnswer& answer) override;
  void budget_spent(Class cls, Instant until) override;
  void segments_spent(std::uint32_t number, SegmentBudgets::Whose whose, SegmentBudgets::Left left,
                      Instant until) override;
  std::string_view trouble_of(std::uint32_t stream) const override;

 private:
  struct Waiting {
    ControlServer::Client client;
    bool used = false;
    Posted posted;
    Instant medium_until;  // when "kept in memory only" is said
    bool to_the_end = false;  // --wait
    Instant until;
    Ask ask = Ask::ping;
    bool acknowledged = false;
    bool decided = false;     // none waits any more; told when `end` is on the medium
    Queue::Ticket end = 0;
  };

  // owner_open.cpp
  Status lock_state(TextWriter& why);
  Status open_stores(TextWriter& why);
  bool is_served(TextWriter& why);
  void open_files();
  Status load_queue();
  void take_found(const Queue::Found& found);
  void write_unreadable(Status failure, TextWriter& into) const;
  void know_streams();
  void begin_run();
  void let_go();
  void begin_outbox();
  void tell_spent(Instant now);
  // owner_streams.cpp
  Exit load_token(std::size_t stream, TextWriter& why);
  Exit load_login(std::size_t stream, TextWriter& why);
  Exit load_secrets(std::size_t stream, TextWriter& why);
  void configure_sender(std::size_t stream);
  TlsContext& context_of(std::size_t stream);
  TlsStream& make_stream(std::size_t as, void* memory);  // what it believes is what that stream does
  Exit load_files(std::size_t stream, TextWriter& why);
  bool secrets_changed(std::size_t stream) const;
  void look_at_streams(Instant now);
  void resume(std::size_t stream);
  void load_session(std::size_t stream);
  void save_sessions();
  // owner_memory.cpp
  void begin_in_memory(Status failure, std::string_view why);
  StoreFile no_file(Status failure) const;
  void look_at_state(Instant now);
  bool files_are_gone() const;
  bool looks_whether_gone() const;
  void look_at_files(Instant now);
  void touch_files();
  bool is_lost(const Entry& entry) const;
  void write_lost(std::size_t count, TextWriter& into) const;
  void move_to_state(Instant now);
  void renew_queue();
  void begin_ballast();
  void learn_time_from_services();
  Clocks vouched_for(Clocks clocks, std::size_t stream) const;
  void look_at_ballast(Instant now);
  void carry_on();
  // owner_control.cpp
  void serve(Instant now);
  void answer(ControlServer::Client client, Instant now);
  bool crowded() const;
  void look_after(Waiting& waiting, Instant now);
  Waiting& wait_for(ControlServer::Client client, const Posted& posted);
  void answer_reasons(ControlServer::Client client, Instant now);
  void reply(ControlServer::Client client, Exit exit, std::string_view out, std::string_view err,
             Instant now);
  Posted post(const ControlRequest& request, TextWriter& why);
  // owner_queue.cpp
  Posted change_message(const ControlRequest& request, TextWriter& why);
  Posted purge(TextWriter& why);
  void keep_damage(Instant now);
  void forget_damage(Instant now);
  // owner_self.cpp
  void note_self(SelfKind kind, std::string_view words, std::uint32_t times = 1);
  void note_end(std::uint32_t number, State state, std::string_view reason, SelfKind failed);
  void note_stream(std::string_view stream, std::string_view condition);
  void begin_self();
  void poll_self(const Clocks& clocks);
  bool post_self(SelfKind kind, const Clocks& clocks);
  // owner_account.cpp
  Exit load_key(TextWriter& why);
  void look_at_account(Instant now);
  void poll_lookup(Clocks clocks);
  void look_up_left();
  void note_accepted(std::uint32_t number);
  std::size_t stream_of(const Entry* entry) const;  // that it goes by, or went by last; kNotFound
  // owner_hooks.cpp
  void look_at_hooks(Instant now);
  Status open_hooks(TextWriter& why);
  void poll_hooks(Instant now);
  void take_hook(const HookServer::Hook& hook, Instant now);
  Result<Queue::Ticket> take_event(const struct Webhook& event, Bytes raw);
  // listed: all devices of the account hear it; before: the same, and perhaps an earlier run acted upon it, and
  // replied.
  enum class Heard : std::uint8_t { now, listed, before };
  Result<Queue::Ticket> take_incoming(std::string_view sender, std::string_view words, Heard heard);
  bool is_for_this(const struct Instruction& instruction, Heard heard, Instant now);
  const Queue::Alarm* with_code(std::string_view code) const;
  Result<Queue::Ticket> take_receipt(const struct Webhook& hook);
  Result<Queue::Ticket> obey(const struct Instruction& instruction, const Phone& from, TextWriter& reply);
  Result<Queue::Ticket> acknowledge_by_code(std::string_view code, const Phone& from, TextWriter& reply);
  void wrong_code(std::string_view code, const Phone& from, TextWriter& reply);
  Result<Queue::Ticket> stop_or_start(const Phone& phone, Transition to, TextWriter& reply);
  void write_alarms(TextWriter& into) const;
  bool is_known(const Phone& phone) const;
  bool is_stopped(const Phone& phone) const;
  void leave_out_stopped(PhoneList& phones) const;
  void reply_to(const Phone& phone, std::string_view text);
  void reply_to_waiting(Instant now);
  // owner_lines.cpp
  Posted change(std::string_view alarm, Transition to, TextWriter& why, Instant edge = Instant{0});
  std::size_t find_alarm(std::string_view name, TextWriter& why) const;
  void write_older_file(TextWriter& why) const;
  Posted acknowledge(std::string_view alarm, std::string_view who, TextWriter& why);
  bool is_safe(std::string_view alarm) const;
  void poll_lines(Instant now);
  Exit not_posted(Code code, std::string_view what, TextWriter& why) const;
  void hurry(std::string_view streams, Class cls, Instant now);
  AlarmRule rule(const AlarmConfig& alarm, PhoneList& phones) const;
  void tell_end(const MessageId& id, std::uint32_t number, State state, std::string_view reason, SelfKind failed);
  void log_line(LogLevel level, std::string_view text);
  void report_medium(Instant now);
  std::uint32_t next_random();

  Resolver& resolver_;
  Log& log_;
  const Config* config_ = nullptr;
  Role role_ = Role::daemon;
  StateDir state_;
  StorageWorker worker_;
  StateFiles files_;
  FileStore even_, odd_;
  Ballast ballast_;
  Instant look_at_ballast_ = kNever;  // where there is one
  Index index_;
  Queue queue_;
  Outbox outbox_;
  Queue::Found found_;
  bool forgetting_ = false;     // as it was at the last poll
  Instant look_at_kept_;        // whether it is older than the history
  Waiting waiting_[kMaxControlClients];
  bool gave_way_ = false;
  bool closing_ = false;
  bool let_go_ = false;
  const Posted* last_ = nullptr;
  Queue::Ticket run_end_ = 0;  // of the last record
  bool met_owner_ = false;
  MediumNews medium_news_;
  std::uint32_t messages_ended_ = 0;
  SelfAlarms self_;
  bool self_begun_ = false;
  bool stream_held_[kMaxStreams] = {};

  // While there is no state: the queue's stores have no file.
  bool in_memory_ = false;
  bool state_opens_ = false;          // it can be used again: as soon as nothing is under way
  Instant look_at_state_ = kNever;
  Instant look_at_files_;
  Instant look_whether_gone_ = kNever;  // they may be removed while nothing is written
  FixedText<300> memory_reason_;
  bool clear_later_[kMaxAlarms] = {};  // nobody knows whether it is active: cleared when that is known

  std::size_t stream_count_ = 0;
  bool needs_files_[kMaxStreams] = {};  // held: a file that it needs is missing or wrong
  Instant look_at_streams_ = kNever;
  TlsContext* contexts_[kMaxStreams] = {};
  TlsStream* streams_[kMaxStreams] = {};
  Sender* senders_[kMaxStreams] = {};
  bool said_clock_is_wrong_ = false;
  UnixMillis service_said_[kMaxStreams];  // by the answers so far
  char tokens_[kMaxStreams][kMaxToken];
  std::size_t token_sizes_[kMaxStreams] = {};
  char logins_[kMaxStreams][kMaxProxyLogin];
  std::size_t login_sizes_[kMaxStreams] = {};
  RequestForm forms_[kMaxStreams];
  FileId token_files_[kMaxStreams];
  FileId login_files_[kMaxStreams];
  Arena arena_;
  // Of the account; none without an API key that could be read.
  Lookup* lookup_ = nullptr;
  TlsStream* lookup_stream_ = nullptr;
  Instant look_at_account_ = kNever;  // from the start of the streams on
  FixedText<300> account_reason_;
  FileId key_file_;
  char key_[kMaxToken];
  std::size_t key_size_ = 0;

  GpioLine* gpio_[kMaxAlarms] = {};
  Line* lines_[kMaxAlarms] = {};
  Line::Input input_[kMaxAlarms] = {};
  Instant input_at_[kMaxAlarms];  // its edge
  bool input_pending_[kMaxAlarms] = {};  // changed, and not yet a transition on record
  Instant retry_lines_ = kNever;
  Instant look_at_hooks_ = kNever;  // when to try to open it, or to look for another certificate
  bool hook_fails_ = false;         // as it was looked at last
  FixedText<Log::kMaxLine> hook_problem_;
  Instant tell_refused_;
  Answerers answerers_;
  char hook_secret_[kMaxHookSecret];
  std::size_t hook_secret_size_ = 0;
  std::uint64_t random_state_ = 1;
  ControlServer control_;

  // What is large comes last: a page that nothing is written to takes no memory.
  OddAnswers odd_answers_;
  HookServer hooks_;
  Carried carried_;
  KeptAside kept_aside_;
  SessionFile session_file_;  // of one stream after the other
  char form_texts_[kMaxStreams][kMaxForm + 1];
  char reply_[kMaxControlReply - 64];
  alignas(8) unsigned char gpio_memory_[kMaxAlarms][sizeof(GpioLine)];
  alignas(8) unsigned char line_memory_[kMaxAlarms][sizeof(Line)];
  alignas(16) unsigned char lookup_memory_[sizeof(Lookup)];
  alignas(16) unsigned char lookup_stream_memory_[sizeof(TlsStream)];
  alignas(16) unsigned char context_memory_[kMaxStreams][sizeof(TlsContext)];
  alignas(16) unsigned char stream_memory_[kMaxStreams][sizeof(TlsStream)];
  alignas(16) unsigned char sender_memory_[kMaxStreams][sizeof(Sender)];
  alignas(16) std::uint8_t arena_memory_[kReplyArenaBytes];
  // For a Mbed TLS that takes its memory from an arena.
  alignas(16) std::uint8_t tls_arena_[kTlsArenaBytes];
};

// The screen of `tocsin status`, or one JSON object. `owner` is nullptr when nobody owns the queue: then
// `queue` and `index` are what a reader found.
void write_status(const Config& config, const Queue& queue, const Index& index, const Queue::Found& found,
                  const Owner* owner, const Clocks& clocks, bool json, TextWriter& into);

}  // namespace tocsin

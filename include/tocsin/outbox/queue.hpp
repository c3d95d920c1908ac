// SPDX-License-Identifier: MIT
// Durable queue: what was accepted is found again after a power cut at any instant, until it has ended.
// Why it is so: src/outbox/DESIGN.md. Every byte: src/outbox/FORMAT.md.
//
// Two files take turns. In the active one, blocks are filled with records; a block that holds synced
// records is never written again in place: the longer version of it goes to another slot, so that a
// write that a power cut turns into garbage takes nothing with it that was safe before.
//
//   even  HEAD | 1..9 | 10..21 | 22..30 | 22..29 (older version: the next slot to be written) |  | HEAD
//   odd   scrap of the generation before; when the even file is full, what still counts is copied there
//
// What holds at every instant, whichever write a power cut interrupts; tests/powercut_queue.cpp cuts at
// every call and checks each line:
//   Q1  Once on_medium() said yes to a push, every later open finds that event, with all its messages,
//       until they have ended.
//   Q2  Once on_medium() said yes to an `ended` update, no later open finds that message waiting.
//   Q3  An event is found with all its messages or not at all.
//   Q4  A number that was told to anybody never names another message.
//   Q5  A second cut, while the first is repaired, changes none of this.
//   Q6  The device always starts: a damaged record costs that record only.
//
// The queue does no I/O: it hands jobs to its Stores and is told when they are done; records that
// arrive meanwhile wait in RAM and share the next sync.
//
// Memory: kStagingBytes + kJobBlocks blocks + 2 B a block, beside the Index; no heap. Threads: none.
#pragma once

#include "tocsin/outbox/index.hpp"
#include "tocsin/port.hpp"
#include "tocsin/wire/message.hpp"
#include "tocsin/wire/record.hpp"

namespace tocsin {

class Queue {
 public:
  // What the port knows of this start of the program.
  struct Start {
    std::uint8_t boot_id[16] = {};
    std::uint64_t machine = 0;    // hash of the machine id
    std::uint64_t random[2] = {};
    Clocks clocks;
  };
  struct Alarm {
    FixedText<kMaxName> name;
    Transition last = Transition::none;       // now
    Stamp since;                              // raised or cleared
    AlarmCode code;                           // while it is raised or acknowledged, where the event had one
    Transition safe_last = Transition::none;  // as it is on the medium
    Stamp safe_since;
    AlarmCode safe_code;
    Lsn lsn = 0;

    bool is_mark() const { return starts_with(name.view(), "+"); }  // of a phone that answered STOP or START
    bool is_active() const { return last == Transition::raised || last == Transition::acknowledged; }
  };
  // Of a file that something had been written to.
  enum class Heads : std::uint8_t {
    there,
    lost,     // both; its records tell the generation: as if a head were there
    unknown,  // both, and none of its records can be found. It may be the newer one: what waits in the other may
              // have been sent and have ended, and has one copy left at most
  };
  // What load() found.
  struct Found {
    std::uint32_t records = 0;
    // Records that had been synced and do not pass their check; both heads that are lost count 1, and so does an end.
    std::uint32_t damaged = 0;
    Heads heads = Heads::there;  // of the file that is used, or would be
    std::uint32_t bad_blocks = 0;  // that the medium did not give
    bool fresh = false;          // nothing there: a new medium, or one whose files hold no queue any more
    bool unreadable = false;     // fresh, although something had been written: all four heads are gone, too
    bool unclean = false;        // the last run did not let go in good order
    // The file, or kNoFile, that was begun behind the one that is used, and has no seal: a turn that was cut off, which
    // takes nothing with it, or damage to all that was in it. Of a fresh queue the file that was begun at all.
    static constexpr unsigned kNoFile = 2;
    unsigned unsealed = kNoFile;
    // The file, or kNoFile, whose end is gone, and what had been there: what waits may have been sent and have ended,
    // and has one copy left at most.
    unsigned cut_off = kNoFile;
  };
  // Grows with everything staged; a record is safe when on_medium(its ticket).
  using Ticket = std::uint64_t;
  struct Pushed {
    std::uint32_t first_number = 0;
    Ticket ticket = 0;
  };

  // Stores and index outlive the queue and serve nothing else. Each store holds at least kMinBlocks.
  static constexpr std::uint32_t kMinBlocks = 8;
  Queue(Store& even, Store& odd, Index& index);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Reads everything; changes nothing. First call of all; a reader without the lock stops here. A block that
  // the medium does not give is an error, or, when the device has to start all the same, left out: what lay
  // there is lost. Errors: io, bad_value (written by a newer version), too_big (store too small or above
  // kMaxBlocks).
  enum class BadBlocks : std::uint8_t { refuse, leave_out };
  // `room` of several blocks is for this call: with more of it there are fewer reads.
  Result<Found> load(BadBlocks policy = BadBlocks::refuse, MutBytes room = {});
  // Takes the medium for this run. Nothing that load() found is safe to act on before settled(): a
  // process that died may have left it in the page cache only (Q4).
  void start(const Start& start);
  Ticket start_ticket() const { return start_ticket_; }
  bool settled() const { return on_medium(start_ticket_); }

  // Accepts an event for RAM at once and for the medium with the next job. Fills in the stamp and the
  // id prefix `name`-TAG; when the number could be given out again after a power cut, because no record
  // that reserves it is on the medium, another tag keeps the id unique. Errors, nothing changed: full
  // (40 % of a file waits, too much is not on the medium yet, or all 2^32 numbers are used up), too_big
  // (does not fit a record), bad_value (neither phones nor a transition, too many phones, a name above
  // kMaxName). `leaving`: what will end at once to make room for it.
  struct Room {
    std::size_t bytes;  // of Entry::bytes
    std::size_t messages;
  };
  Result<Pushed> push(Event event, std::string_view device_name, const Clocks& clocks,
                      Room leaving = Room{0, 0});
  // Whether there is room for such an event among what waits. With its id prefix an event takes up to
  // event_size() + kMaxIdPrefix bytes.
  bool has_room(std::size_t event_bytes, std::size_t phones, Room leaving = Room{0, 0}) const;
  bool over_full() const { return !has_room(0, 0); }  // after a push that makes room
  static constexpr std::size_t kMaxIdPrefix = kMaxDeviceName + 5;
  // Messages that may wait. The other places of the index are for those that end while a turn goes on.
  static constexpr std::size_t kMaxWaiting = kMaxMessages - 256;
  // Puts the state of one message on record; an ended() one is not waiting any more. Takes effect in the
  // index at once. A stamp in `state` is kept, else it gets that of now. Errors: not_found; full: only the index
  // changed, an ended state is put on record as soon as there is room, without uuid and reason; one that had ended
  // and is to wait again, or is to be written with others, is as it was.
  enum class Write : std::uint8_t {
    soon,         // with the next job
    with_others,  // of one that had ended: with the next job there is, or when kMostPatient bytes have come together
  };
  Result<Ticket> update(std::uint32_t number, const MessageState& state, const Clocks& clocks, Write when = Write::soon);
  static constexpr std::size_t kMostPatient = kBlock;
  // What waits to be written with others is written with the next job. Its ticket; 0: nothing waited.
  Ticket write_all();
  // Somebody looks after an alarm that is raised. Errors: not_found (there is no such alarm); empty (it is not raised,
  // or acknowledged already); full: nothing changed.
  Result<Ticket> acknowledge(std::string_view alarm);
  // For the codes of alarms: the medium's salt, and the number that the next event begins with.
  AlarmCode next_code() const;
  // Puts on record what has to outlive the run beside the messages. Errors: full: nothing changed.
  Result<Ticket> note(const Tally& tally);
  // Forgets every event whose messages had all ended when the device had been on for `before_s`, and writes
  // zeros over what was left of texts and numbers in both files. It goes on beside the other work, over runs,
  // and is done when forgot() says yes; while that and forgetting() say no, the medium did not take it.
  // Errors: full: nothing changed.
  Status forget(std::uint32_t before_s);
  bool forgetting() const { return forget_ != Forget::nothing; }
  bool forgot() const { return tally_.forget_before_s == 0; }
  // Before load(): they have places among the names, however many others the files have.
  void know_streams(std::string_view names) { static_cast<void>(names_.ways_of(names)); }
  const StreamNames& names() const { return names_; }
  const Tally& tally() const { return tally_; }  // as load() found it, or as noted since
  // How long the device has been on, over all its starts, as far as the queue knows.
  std::uint64_t on_ms(Instant now) const { return std::uint64_t{run_.on_before_s} * 1000 + now.ms; }
  // The messages of its event, itself included, as places in the index: [from, to). They count among what
  // waits, all of them, until the last of them has ended.
  struct Mates {
    std::size_t from, to;
  };
  Mates mates(const Entry& entry) const;
  // The files are other ones from the next turn on, and those before may come back: other ids from here on.
  void renew_tag(std::uint64_t random);
  // The last record of a run that ends in good order.
  Result<Ticket> stop();
  bool on_medium(Ticket ticket) const { return started_ && released_ >= ticket; }
  // Of all that is to be written by itself.
  Ticket newest() const { return wanted_ > released_ ? wanted_ : released_; }
  Ticket safe() const { return released_; }              // on the medium up to here

  // The message of a whole id, or of the number at its end; nullptr: there is none.
  const Entry* find(std::string_view id) const;
  // The event of a message and which of its phones is meant. Views point into `scratch` (kBlock bytes).
  struct Body {
    Event event;
    std::uint32_t first_number = 0;
  };
  // Errors: not_found, io, corrupt, too_big (scratch too small).
  Result<Body> read_body(const Entry& entry, MutBytes scratch) const;
  // Its newest state on record; not_found when nothing was written since it was queued. Errors as above.
  Result<MessageState> read_state(const Entry& entry, MutBytes scratch) const;

  // For a person, from both files, which are read whole: where the records of the states of a message lie, as they
  // became, the oldest of them as far as `into` has room; returns how many. What a turn left behind is found until
  // its file is used again.
  struct LifeStep {
    Lsn lsn = 0;
    unsigned file = 0;
    std::uint32_t at = 0;
  };
  std::size_t find_life(std::uint32_t number, Span<LifeStep> into) const;
  // One of them; its views point into `scratch` (kBlock bytes). Errors: io, corrupt (it is not there any more).
  Result<Record> read_life(const LifeStep& step, MutBytes scratch) const;
  // The first place, not before `from`, that holds a record that does not pass its check, or nothing that can be
  // told, or cannot be read (`into` is all zeros then): in the active file, in one that nobody can read any
  // more, and in those of a fresh queue. Errors: not_found: there is none.
  struct Place {
    unsigned file = 0;
    std::uint32_t slot = 0;
  };
  Result<Place> next_damaged(Place from, MutBytes into) const;
  unsigned active_file() const { return active_; }
  std::uint32_t generation() const { return generation_; }  // 0: there is no queue yet

  // Looks after the running job and begins the next. Call it when a store is ready and at wake().
  void poll(Instant now);
  // kNever: only when a store is ready, or something was staged. Comes once more when a job takes so long
  // that stalled() changes: the senders have to be asked again then.
  Instant wake() const;
  // But for forget(), and for what waits to be written with others.
  bool idle() const { return !job_running_ && !has_to_write() && phase_ == Phase::working; }
  // The medium has not answered for kStall, fails or is full: what is staged may have to go out from RAM.
  static constexpr Millis kStall = seconds(2);
  bool stalled(Instant now) const;
  // Both files failed it, and none has taken everything since, also while they are tried again.
  bool failing() const { return phase_ == Phase::broken || failing_; }
  bool resting() const { return !job_running_; }  // no store is at work
  // What counts is being copied from the active file to the other one. While it is not, and the queue is resting,
  // the other store may be given another file, of zeros; after a failure it is tried at once with try_again().
  void try_again() { retry_at_ = Instant{}; }
  bool turning() const { return phase_ == Phase::copying || phase_ == Phase::sealing; }
  std::int32_t last_errno() const { return last_errno_; }
  const Run& run() const { return run_; }
  std::size_t live_bytes() const { return live_bytes_; }  // events count whole until all of one ended
  std::size_t live_limit() const;       // bytes that may wait: 40 % of one file
  std::uint32_t syncs() const { return syncs_; }
  std::uint64_t written_bytes() const { return written_bytes_; }
  std::uint32_t turns() const { return turns_; }
  std::uint32_t lost() const { return lost_; }  // messages whose event could not be read back from the medium
  // Also the marks of phones that asked not to be told: alarms whose name is `+` and the digits, raised by STOP and
  // cleared by START. An alarm of the configuration never has such a name.
  Span<const Alarm> alarms() const { return Span<const Alarm>{alarms_}.first(alarm_count_); }
  bool has_place(std::string_view alarm) const;  // its state can be kept
  const Alarm* alarm(std::string_view name) const;

 private:
  enum class Phase : std::uint8_t {
    closed,   // before start()
    working,  // records are appended to the active file
    copying,  // what counts is copied to the other file                                     [turn_begin]
    sealing,  // the copy is on the medium, its seal is being written                        [turn_step]
    broken,   // a job failed: nothing more goes to the active file; copying is tried again  [job_failed]
  };
  // What forget() does while nothing else is to be written: the copy goes to a file of zeros, since the ends
  // of its blocks and the slots behind it keep what was there.
  enum class Forget : std::uint8_t {
    nothing,
    wiping_copy,  // the file that the turn will go to; any other turn begins this anew  [turn_done]
    turning,
    wiping_old,   // the file that the turn left
  };
  // One file as it is being filled: the active one, or the copy during a turn.
  struct Log {
    FileKey key;
    std::uint32_t block = 0;   // being filled; 0: none yet
    std::uint32_t slot = 0;    // where its newest version goes
    std::uint32_t used = 0;    // bytes of it in the buffer
    std::uint32_t synced = 0;  // of these, on the medium at slot
    std::uint32_t next_block = 1;
    std::uint32_t fresh_slot = 1;
    std::uint32_t spare_slot = 0;  // holds an older version of something: written first; never on bare flash
  };

  // queue_scan.cpp
  struct Scan;
  struct Candidate {
    unsigned which = 0;
    FileHead head;
  };
  Status scan(unsigned which, const FileHead& head, BadBlocks policy, Scan& into);
  void forget_seen();
  void scan_block(std::uint32_t block, Bytes bytes, Scan& into);
  static bool is_taken(const RecordHead& head, const Scan& scan);
  void apply(const Record& record, std::uint32_t at, Scan& into);
  void finish_load(Scan& into);
  void find_doubtful(const Scan& scan);
  Lsn* newest_in(std::uint32_t block);
  bool is_damaged(Place place, Bytes block) const;  // queue_life.cpp
  bool is_begun(unsigned file) const { return generation_ == 0 && generation_of_[file] != 0; }
  // queue_heads.cpp
  Result<bool> holds_something(unsigned which, std::uint32_t from, std::uint32_t looks, BadBlocks policy);
  void skip_what_was_lost();
  Result<bool> is_cut_off(const Candidate& file, BadBlocks policy);
  Result<FileHead> guess_head(unsigned which, const FileHead& other, BadBlocks policy);
  // queue_gaps.cpp
  struct Gap;
  static constexpr std::size_t kMostGaps = 768;
  Gap* gaps();
  std::size_t find_gaps(const Scan& scan);
  bool is_missing(std::size_t at) const;
  Status look_into_gaps(unsigned which, BadBlocks policy, Scan& into);
  void look_around(const RecordHead& head, const Scan& scan);
  void hear(Echo echo, Lsn lsn);
  void put_in_doubt(Entry& entry);
  static Lsn newest_of(const Entry& entry);
  // queue_turn.cpp
  void turn_begin();
  void turn_step(Instant now);
  bool turn_next();  // false: the job is full
  bool turn_entry(Entry& entry);
  Result<Record> find_event(const Entry& entry, MutBytes scratch) const;
  bool turn_waits_for(Status read);
  void turn_seal();
  void turn_done();
  bool turn_keeps(const Entry& entry) const;
  // queue_forget.cpp
  bool forget_step();
  enum class Wiped : std::uint8_t { some, later, all };
  Wiped wipe();
  bool read_head(Store& store);
  void wipe_failed(std::int32_t error);
  void forget_turned();
  // queue.cpp
  Result<MutBytes> stage(RecordKind kind, std::uint32_t number, std::size_t count, std::size_t size,
                         std::size_t leave);
  Ticket staged_end() const { return released_ + staged_; }
  bool has_to_write() const { return wanted_ > released_; }
  Result<Record> read_record(std::uint32_t at, bool staged, MutBytes scratch) const;
  Result<Record> read_event(const Entry& entry, MutBytes scratch) const;
  Result<Ticket> stage_tally(const Tally& tally);
  Alarm* note_alarm(std::string_view name);
  bool waits(Mates event) const;
  void count(Mates event, int sign);
  Stamp stamp(const Clocks& clocks) const { return {run_.boot, run_.on_before_s, clocks}; }
  Stamp at_on_ms(std::uint64_t on_ms) const;  // of which only that is known
  static void write_way(const Entry& entry, MessageState& into);
  // queue_job.cpp
  void open_job(Log& log, Store& store);
  bool append(RecordKind kind, std::uint32_t number, Bytes payload, std::uint32_t& at);
  bool next_block();
  std::uint32_t take_slot();
  void close_block();
  void begin_job(Store::Sync sync);
  void build(Instant now);
  void job_done();
  void job_is_on_medium();
  void place_staged();
  void stage_unsaved();
  void job_failed(Instant now, std::int32_t error);
  void advance_settled_below();
  // queue_rescue.cpp
  bool in_doubt() const { return rescue_from_ < rescue_end_; }
  std::uint32_t doubtful_bytes(Bytes block, bool& with_seal) const;
  Status rescue(bool& with_seal);
  Status count_found(BadBlocks policy, const Scan& scan);
  std::uint32_t slots(const Store& store) const { return store.capacity() / kBlock - 1; }  // first unusable

  // What is large comes first: all the rest is in one page, and of these there is what is used.
  union {  // so that what is not used is not touched
    Alarm alarms_[kMaxAlarms + kMaxStopped];
  };
  alignas(8) std::uint8_t buffers_[kJobBlocks][kBlock];
  alignas(8) std::uint8_t staging_[kStagingBytes];
  std::uint16_t slot_of_[kMaxBlocks];  // where each block of the active log lies on the medium

  Store* store_[2];
  Index& index_;
  StreamNames names_;
  unsigned active_ = 1;
  Phase phase_ = Phase::closed;
  bool started_ = false;
  std::uint32_t generation_ = 0;
  std::uint32_t generation_of_[2] = {};  // of each file as load() found it; 0: no head that counts
  std::uint64_t salt_ = 0;
  bool lost_heads_[2] = {};   // both, of a file that something lies in
  bool told_nothing_[2] = {};  // nor can anything be told of what lies in it
  bool new_tag_ = false;      // numbers of a file that is lost may have been told to somebody
  Log log_;

  // Blocks that load() found and that may be in the page cache only: [from, end). They are written again
  // with the first job of the run.
  std::uint32_t rescue_from_ = 0;
  std::uint32_t rescue_next_ = 0;  // as rescue_from_, once the running job is done
  std::uint32_t rescue_end_ = 0;
  Lsn vouched_lsn_ = 0;            // records up to this one are on the medium
  bool seal_safe_ = true;          // false: perhaps the other file is the truth if the power goes
  Lsn first_lsn_ = 0;              // of this generation
  bool vouched_ = false;           // a record on the medium knows that the seal is there
  unsigned rescue_tries_ = 0;      // that failed while it was
  Log found_log_;                  // as it was before the first of them

  Lsn next_lsn_ = 1;
  Echo prior_;  // of the record before that one
  std::uint32_t found_before_ = 0;  // records right before the start that the first job writes again
  Lsn synced_lsn_ = 0;
  std::uint32_t next_number_ = 1;
  std::uint32_t synced_ceiling_ = 0;
  std::uint32_t settled_below_ = 1;
  std::size_t live_bytes_ = 0;
  std::size_t live_count_ = 0;
  std::size_t unsaved_ = 0;     // entries whose last state still has to be staged
  Run run_;
  Tally tally_;
  std::uint64_t newest_on_ms_ = 0;  // the greatest that any record of earlier runs tells
  char other_tag_[4] = {'0', '0', '0', '0'};  // for ids whose number is not reserved on the medium
  Ticket start_ticket_ = 0;

  // In staging_: records that are not on the medium, oldest first: released_ counts the bytes that came before them.
  std::size_t staged_ = 0;
  std::size_t job_staged_ = 0;  // of these, in the running job
  Ticket released_ = 0;
  Ticket wanted_ = 0;           // up to here by itself; what is staged behind it waits for others

  // The job that is being built or runs.
  bool job_running_ = false;
  Log* job_log_ = nullptr;
  Store* job_store_ = nullptr;
  Instant job_since_;
  bool stall_told_ = false;            // poll() was called after the job had become too slow
  Lsn job_lsn_ = 0;
  std::uint32_t job_ceiling_ = 0;
  std::uint32_t job_freed_slot_ = 0;   // spare once the job is done
  std::size_t job_blocks_ = 0;
  struct JobBlock {
    std::uint32_t block = 0;
    std::uint32_t slot = 0;
  };
  JobBlock placed_[kJobBlocks];
  std::size_t write_count_ = 0;
  Store::Write writes_[kJobBlocks + 2];
  std::size_t buffer_ = 0;             // of buffers_, the one with the block that is being filled
  alignas(8) std::uint8_t head_buffer_[kFileHeadBytes];
  MutBytes room_;  // while load() reads

  // The turn to the other file.
  Log moved_;
  std::uint32_t moved_generation_ = 0;
  Lsn moved_first_lsn_ = 0;
  static constexpr std::size_t kTurnCopied = static_cast<std::size_t>(-1);
  std::size_t turn_at_ = 0;              // what is copied next: run, tally, entries, then alarms
  std::size_t turn_entries_ = 0;         // when it began: later ones are staged
  unsigned turn_heads_ = 0;              // written so far
  bool turn_front_first_ = false;        // the one in slot 0
  std::uint32_t turn_keep_from_ = 0;     // ended messages below this number are let go
  bool turn_with_history_ = true;        // false: even that was too much
  std::int32_t turn_errno_ = 0;          // a record could not be read
  unsigned turn_tries_ = 0;              // given up for that, in a row
  bool turn_wanted_ = false;             // the index is full of ended messages
  std::uint32_t turn_body_from_ = 0;     // the event copied last, and where it went
  std::uint32_t turn_body_to_ = 0;
  bool turned_in_vain_ = false;          // nothing was appended since the last turn
  Forget forget_ = Forget::nothing;
  std::uint32_t wipe_at_ = 0;            // slot
  bool wiping_ = false;                  // the running job
  bool failing_ = false;                 // the turn that was to make good a failure failed as well
  Instant retry_at_;
  std::int32_t last_errno_ = 0;

  std::size_t alarm_count_ = 0;
  std::uint32_t syncs_ = 0;
  std::uint32_t turns_ = 0;
  std::uint32_t lost_ = 0;  // messages whose event could not be read back
  std::uint64_t written_bytes_ = 0;
};

}  // namespace tocsin

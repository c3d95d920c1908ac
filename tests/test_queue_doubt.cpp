// SPDX-License-Identifier: MIT
// Damaged records that said how often a message was sent, or that it had ended: no old alarm is sent again, and no
// copy too many, although older messages wait and nothing has settled.
#include "queue_forge.hpp"
#include "queue_sample.hpp"
#include "tocsin/outbox/outbox.hpp"

using namespace tocsin;
using namespace fakes;

namespace {

class Listener final : public Observer {
 public:
  void message_ended(const MessageId&, std::uint32_t number, State state, std::string_view reason) override {
    told[number] = {state, std::string(reason)};
  }
  void stream_changed(std::string_view, std::string_view, std::string_view) override {}
  void budget_spent(Class, Instant) override {}
  std::map<std::uint32_t, std::pair<State, std::string>> told;
};

// The program starts on these files, as it does: first the queue, then the outbox, then the medium.
struct Restart {
  Process run;
  Listener listener;
  Outbox outbox;
  explicit Restart(Disk& disk, std::uint8_t boot = 7) : run(disk), outbox(run.queue, the_index, listener) {
    CHECK_OK(run.load());
    Queue::Start start;
    start.boot_id[0] = boot;
    start.machine = 7;
    start.random[0] = boot;
    start.clocks = run.clocks();
    run.queue.start(start);
    outbox.load(run.clocks());
    run.settle();
    CHECK(run.queue.settled());
  }
  unsigned copies_left(std::uint32_t number) {
    const Entry* entry = the_index.find(number);
    CHECK(entry != nullptr);
    return ended(entry->state) ? 0 : Outbox::most_sends(*entry) - entry->sends;
  }
};

// Turns one bit of the newest record of that kind and message, wherever it lies.
void damage(Disk& disk, RecordKind kind, std::uint32_t number) {
  const Layout layout = layout_of(disk);
  Lsn newest = 0;
  for (const Piece& p : layout.pieces)
    if (p.head.kind == kind && p.head.number == number && p.head.lsn > newest) newest = p.head.lsn;
  CHECK(newest != 0);
  for (const Piece& p : layout.pieces)
    if (p.head.lsn == newest) disk.seen(layout.active)[p.at + 40] ^= 1;
}

}  // namespace

TEST(queue_end_that_is_damaged_while_an_older_message_waits_is_told_by_the_record_behind_it) {
  // "Settled below" stood at the older message: the alarm of last week went out once more.
  Disk disk(8);
  std::uint32_t older = 0, alarm = 0;
  {
    Process run(disk);
    run.start();
    older = run.push(1, "still waits").value().first_number;
    alarm = run.push(1, "sump level high").value().first_number;
    run.settle();
    CHECK_OK(run.end(alarm, State::delivered));
    run.settle();
    CHECK_OK(run.push(1, "written behind it"));
    run.settle();
  }
  damage(disk, RecordKind::ended, alarm);
  for (std::uint8_t start = 1; start < 4; ++start) {  // also when the damage itself is gone from the files
    check::at("start=%u", start);
    Restart next(disk, start);
    CHECK_EQ(next.run.found.damaged, start == 1 ? 1 : 0);
    CHECK(the_index.find(alarm)->state == State::delivered);
    CHECK_EQ(the_index.find(alarm)->sends, 1);
    CHECK_EQ(next.copies_left(older), 2);  // as after any start: the first sending needs no record
    CHECK(next.listener.told.empty());
    const auto state = next.run.queue.read_state(*the_index.find(alarm), next.run.scratch);
    CHECK_TEXT(state.value().reason, "its last record is lost; the one behind it tells how it ended");
  }
}

TEST(queue_end_that_is_damaged_is_put_on_record_again_without_an_outbox_as_well) {
  Disk disk(8);
  Process run(disk);
  run.start();
  CHECK_OK(run.push(1, "still waits"));
  const auto alarm = run.push(1, "sump level high").value().first_number;
  CHECK_OK(run.end(alarm, State::failed));
  run.settle();
  CHECK_OK(run.push(1, "written behind it"));
  run.settle();
  damage(disk, RecordKind::ended, alarm);
  for (unsigned start = 1; start < 4; ++start) {
    check::at("start=%u", start);
    Process next(disk);
    next.start(static_cast<std::uint8_t>(start));
    CHECK_EQ(next.found.damaged, start == 1 ? 1 : 0);
    CHECK(the_index.find(alarm)->state == State::failed);
  }
}

TEST(queue_count_of_sendings_that_is_damaged_is_told_by_the_record_behind_it) {
  // Three copies were on record, the record of the third was lost: a fourth one went out.
  for (unsigned sends = 1; sends <= kMaxSends; ++sends) {
    check::at("sends=%u", sends);
    Disk disk(8);
    std::uint32_t number = 0;
    {
      Process run(disk);
      run.start();
      number = run.push(1, "sump level high").value().first_number;
      for (unsigned n = 1; n <= sends; ++n) {
        MessageState now;
        now.sends = static_cast<std::uint8_t>(n), now.attempts = static_cast<std::uint16_t>(n);
        CHECK_OK(run.queue.update(number, now, run.clocks()));
        run.settle();
      }
      CHECK_OK(run.push(1, "written behind it"));
      run.settle();
    }
    damage(disk, RecordKind::state, number);
    for (std::uint8_t start = 1; start < 3; ++start) {
      Restart next(disk, start);
      CHECK_EQ(next.copies_left(number), kMaxSends - sends);
      CHECK_EQ(the_index.find(number)->sends, sends);
    }
  }
}

TEST(queue_last_record_of_a_run_that_died_is_told_by_the_next_start) {
  // A start excused everything behind the last sync that it knew of, what it had found there itself included.
  Disk disk(8);
  std::uint32_t alarm = 0;
  {
    Process run(disk);
    run.start();
    CHECK_OK(run.push(1, "still waits"));
    alarm = run.push(1, "sump level high").value().first_number;
    run.settle();
    CHECK_OK(run.end(alarm));
    run.settle();
  }
  {
    Process run(disk);
    run.start(2);
    for (unsigned i = 0; i < 8; ++i) {  // no older version of that block is left
      CHECK_OK(run.push(1, std::string(900, 'x')));
      run.settle();
    }
  }
  damage(disk, RecordKind::ended, alarm);
  Restart next(disk, 3);
  CHECK_EQ(next.run.found.damaged, 1);
  CHECK(the_index.find(alarm)->state == State::accepted);
}

TEST(queue_records_of_the_last_sync_before_a_kill_count_when_they_are_damaged_after_further_starts) {
  // Each start excused all but the last of them: an alarm was gone without a word, and of two ends that were lost
  // side by side the first one's alarm went out three times more.
  Disk whole(24);
  std::uint32_t batch = 0, first = 0;
  {
    Process run(whole);
    run.start();
    CHECK_OK(run.push(1, "still waits"));
    first = run.push(2, "sump level high").value().first_number;
    run.settle();
    batch = run.push(1, "in one sync").value().first_number;
    CHECK_OK(run.end(first));
    CHECK_OK(run.end(first + 1));
    CHECK_OK(run.push(1, "with all of these"));
    run.settle();
  }
  for (std::uint8_t boot = 2; boot < 5; ++boot) {
    Process run(whole);
    run.start(boot);
    CHECK_EQ(run.found.damaged, 0);
    for (unsigned i = 0; boot == 4 && i < 8; ++i) {  // no older version of that block is left
      CHECK_OK(run.push(1, std::string(900, 'x')));
      run.settle();
    }
  }
  Disk disk(whole);
  damage(disk, RecordKind::event, batch);
  CHECK_EQ(Restart(disk, 5).run.found.damaged, 1);
  disk = whole;
  damage(disk, RecordKind::ended, first);
  damage(disk, RecordKind::ended, first + 1);
  Restart next(disk, 5);
  CHECK_EQ(next.run.found.damaged, 2);
  CHECK(the_index.find(first + 1)->state == State::accepted);
  CHECK_EQ(next.copies_left(first), 1);
}

TEST(queue_damage_in_a_copy_of_which_only_the_seal_vouches_is_told) {
  unsigned looked_at = 0;
  for (unsigned call = 1;; ++call) {
    Disk disk(8);
    disk.cut_at = call;
    {
      Process run(disk);
      run.start();
      for (unsigned i = 0; disk.power && run.queue.turns() < 3; ++i) {
        const auto pushed = run.push(1, std::string(300, 'x'));
        run.settle();
        if (i > 3 && pushed.ok()) run.end(pushed.value().first_number).status().ignore();
      }
    }
    if (disk.power) break;
    const Disk left = disk.image(0);
    const Layout layout = layout_of(left);
    Piece newest;
    for (const Piece& p : layout.pieces)
      if (p.head.lsn > newest.head.lsn) newest = p;
    if (newest.head.kind != RecordKind::seal || layout.pieces.size() < 6) continue;
    for (const Piece& p : layout.pieces) {
      if (p.head.lsn == newest.head.lsn || layout.copies(p.head.lsn) > 1) continue;
      check::at("call=%u lsn=%u", call, p.head.lsn);
      Disk hit = left;
      hit.seen(layout.active)[p.at + 24] ^= 1;
      Process next(hit);
      CHECK_OK(next.load());
      CHECK_EQ(next.found.damaged, 1);
      ++looked_at;
    }
  }
  CHECK(looked_at > 10);
}

// A process dies right behind the seal of a turn; the starts behind it know of no sync in this file, and excused
// all that is missing before them, the copy too.
TEST(queue_damage_in_a_copy_is_told_after_starts_that_only_knew_the_seal) {
  const auto live = [](Process& run) {
    const auto pushed = run.push(1, "ended alarm " + std::string(300, 'x'));
    run.settle();
    if (pushed.ok()) run.end(pushed.value().first_number, State::delivered).status().ignore();
    run.settle();
  };
  unsigned looked_at = 0;
  for (unsigned call = 1; looked_at == 0; ++call) {
    Disk disk(16);
    {
      Process run(disk);
      run.start();
      CHECK_OK(run.push(1, "still waits"));
      run.settle();
      disk.cut_at = disk.calls + call;
      while (disk.power && run.queue.turns() < 2) live(run);
      CHECK(!disk.power);
    }
    Disk left = disk.image(0);
    Piece last;
    for (const Piece& p : layout_of(left).pieces)
      if (p.head.lsn > last.head.lsn) last = p;
    if (last.head.kind != RecordKind::seal || last.head.lsn < 20) continue;
    for (std::uint8_t start = 2; start < 4; ++start) {
      Process run(left);
      run.start(start, 7, start);
      for (unsigned i = 0; start == 3 && i < 6; ++i) live(run);
    }
    const Layout layout = layout_of(left);
    unsigned lost = 0;
    for (const Piece& p : layout.pieces) lost += p.at / kBlock == 1 && layout.copies(p.head.lsn) == 1 ? 1U : 0U;
    std::memset(left.seen(layout.active).data() + kBlock, 0xA5, kBlock);
    Process next(left);
    CHECK_OK(next.load());
    CHECK_EQ(next.found.damaged, lost);
    CHECK(lost > 5);
    ++looked_at;
  }
}

TEST(queue_start_that_failed_once_promises_nothing_of_its_first_try) {
  Disk disk(8);
  {
    Process run(disk);
    CHECK_OK(run.load());
    run.queue.start({});
    run_to_seal(run);
  }
  Process run(disk);
  disk.fail_at = disk.calls + 2;  // the sync of its first job; ten seconds later that job is written anew
  run.start(2);
  CHECK(run.queue.settled());
  CHECK_OK(run.push(1, "written behind it"));
  run.settle();
  Process next(disk);
  CHECK_OK(next.load());
  CHECK_EQ(next.found.damaged, 0);
}

TEST(queue_message_asked_for_again_waits_although_that_record_is_damaged) {
  Disk disk(8);
  std::uint32_t number = 0;
  {
    Restart first(disk, 1);
    CHECK_OK(first.run.push(1, "still waits"));
    number = first.run.push(1, "sump level high").value().first_number;
    CHECK_OK(first.run.end(number, State::failed));
    CHECK_OK(first.outbox.retry(number, first.run.clocks()));
    CHECK_OK(first.run.push(1, "written behind it"));
    first.run.settle();
  }
  damage(disk, RecordKind::state, number);
  Restart next(disk, 2);
  CHECK(!ended(the_index.find(number)->state));
  CHECK(the_index.find(number)->reopened);
}

namespace {

// One block of many records is gone. `first`: the oldest message, which was written long before.
struct Wiped {
  Disk disk{32};
  std::uint32_t older = 0, once = 0, ended_in_it = 0, settled_before = 0, newer = 0;
  unsigned lost = 0;

  Wiped() {
    {
      Restart first(disk, 1);
      Process& run = first.run;
      older = push(run, OnUnknown::resend);
      once = push(run, OnUnknown::hold);
      ended_in_it = push(run, OnUnknown::resend);
      settled_before = push(run, OnUnknown::resend);
      CHECK_OK(run.end(settled_before));
      run.settle();
      for (unsigned i = 0; i < 6; ++i) CHECK_OK(run.push(1, std::string(900, 'x')));
      run.settle();
      CHECK_OK(run.end(ended_in_it));
      for (unsigned i = 0; i < 16; ++i) CHECK_OK(run.push(1, std::string(900, 'y')));
      run.settle();
      newer = push(run, OnUnknown::resend);
      run.settle();
      for (unsigned i = 0; i < 4; ++i) CHECK_OK(run.push(1, std::string(900, 'z')));
      run.settle();
    }
    const Layout layout = layout_of(disk);
    std::uint32_t block = 0;
    for (const Piece& p : layout.pieces)
      if (p.head.kind == RecordKind::ended && p.head.number == ended_in_it) block = p.at / kBlock;
    for (const Piece& p : layout.pieces) lost += p.at / kBlock == block ? 1U : 0U;
    std::memset(disk.seen(layout.active).data() + block * kBlock, 0, kBlock);
  }
  static std::uint32_t push(Process& run, OnUnknown policy) {
    Phone phone;
    phone.assign_cut("447700900123");
    Event event;
    event.cls = Class::critical;
    event.on_unknown = policy;
    event.stream = "sms";
    event.text = "sump level high";
    event.phones = Span<const Phone>{&phone, 1};
    const auto pushed = run.queue.push(event, "boiler-7", run.clocks());
    CHECK_OK(pushed);
    return pushed.value().first_number;
  }
};

}  // namespace

TEST(queue_block_of_records_that_is_gone_leaves_one_marked_copy_to_what_they_may_have_been_about) {
  Wiped wiped;
  for (std::uint8_t start = 2; start < 5; ++start) {
    check::at("start=%u", start);
    Restart next(wiped.disk, start);
    CHECK_EQ(next.run.found.damaged, start == 2 ? wiped.lost : 0);
    for (const std::uint32_t number : {wiped.older, wiped.ended_in_it}) {
      CHECK_EQ(next.copies_left(number), 1);
      CHECK(the_index.find(number)->repeat);
    }
    // Never sent a second time when the outcome is not known: so not at all.
    CHECK(the_index.find(wiped.once)->state == State::unknown);
    CHECK_EQ(next.listener.told.size(), start == 2 ? 1 : 0);
    if (start == 2)
      CHECK_TEXT(next.listener.told[wiped.once].second,
                 "a record that is lost may have been its last");
    CHECK(the_index.find(wiped.settled_before)->state == State::accepted);
    CHECK_EQ(next.copies_left(wiped.newer), 2);  // written behind the damage
  }
}

TEST(queue_end_in_a_block_of_records_that_is_gone_is_unknown_when_everything_older_has_settled) {
  Forge forge;
  forge.begin();
  forge.event(1, 1, "sump level high");
  forge.event(2, 1, "still waits");
  const std::uint32_t lost_at = forge.at;
  forge.state(1, State::accepted, 1, RecordKind::ended);
  forge.state(2, State::queued, 1);
  const std::uint32_t behind = forge.at;
  forge.next.settled_below = 2;
  forge.next.synced = forge.next.lsn - 1;
  forge.event(3, 1, "written behind it");
  std::memset(forge.bytes() + lost_at, 0, behind - lost_at);
  for (std::uint8_t start = 2; start < 5; ++start) {
    check::at("start=%u", start);
    Restart next(forge.disk, start);
    CHECK_EQ(next.run.found.damaged, start == 2 ? 2 : 0);
    CHECK(the_index.find(1)->state == State::unknown);
    CHECK_EQ(next.copies_left(2), 1);
    CHECK_EQ(next.copies_left(3), 2);
  }
}

TEST(queue_two_messages_that_the_record_behind_a_damaged_one_may_mean_are_both_in_doubt) {
  Forge forge;
  forge.begin();
  forge.next.ceiling = 200'000;
  forge.event(7, 1, "the older");
  forge.event(7 + 0x10000, 1, "the newer");
  forge.event(8, 1, "another");
  const std::uint32_t end_at = forge.at;
  forge.state(7 + 0x10000, State::accepted, 1, RecordKind::ended);
  forge.next.synced = forge.next.lsn - 1;
  forge.next.before = {1 + static_cast<std::uint8_t>(State::accepted), 1, 7};
  forge.state(8, State::queued, 1);
  forge.bytes()[end_at + 40] ^= 1;
  Restart next(forge.disk);
  CHECK_EQ(next.run.found.damaged, 1);
  CHECK_EQ(next.copies_left(7), 1);
  CHECK_EQ(next.copies_left(7 + 0x10000), 1);
  CHECK_EQ(next.copies_left(8), 2);
}

TEST(queue_records_that_a_power_cut_took_put_no_message_in_doubt) {
  // Of what was never promised every part may be missing: the newest records may be there without the older.
  for (unsigned lost = 1; lost < 256; ++lost) {
    check::at("lost=%u", lost);
    Forge forge(12);
    forge.begin();
    forge.event(1, 1, "waits");
    const Lsn synced = forge.next.lsn - 1;
    std::vector<std::uint32_t> at;
    for (std::uint32_t number = 2; number < 10; ++number) {
      at.push_back(forge.at);
      forge.next.synced = synced;
      forge.event(number, 1, "waits");
    }
    for (unsigned i = 0; i < at.size(); ++i)
      if ((lost >> i & 1) != 0) std::memset(forge.bytes() + at[i], 0, 64);
    for (std::uint8_t start = 1; start < 3; ++start) {
      Restart next(forge.disk, start);
      CHECK_EQ(next.run.found.damaged, 0);
      CHECK_EQ(the_index.find(1)->sends, 1);  // as after any start
      CHECK(the_index.find(1)->doubt == Doubt::none);
    }
  }
}

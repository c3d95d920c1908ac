// SPDX-License-Identifier: MIT
// What has ended is forgotten in every byte of both files, whatever interrupts it, and nothing else is.
#include <algorithm>
#include <string>

#include "queue_bench.hpp"
#include "queue_sample.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::Process;
using fakes::SlowStore;
using fakes::the_index;

namespace {

constexpr std::string_view kSecret = "the name of a patient";

bool holds(const Disk& disk, Bytes bytes) {
  for (unsigned file = 0; file < 2; ++file) {
    const Disk::Image& all = disk.seen(file);
    if (std::search(all.begin(), all.end(), bytes.begin(), bytes.end()) != all.end()) return true;
  }
  return false;
}

bool holds(const Disk& disk, std::string_view text) { return holds(disk, as_bytes(text)); }

bool holds_phone(const Disk& disk, std::uint64_t digits) {
  std::uint8_t packed[8];
  store64(packed, digits);
  return holds(disk, Bytes{packed});
}

// Goes on until the queue has nothing to do, forgetting included.
void finish(Process& run) {
  for (int i = 0; i < 2000 && (!run.queue.idle() || run.queue.forgetting()); ++i) {
    run.queue.poll(run.now);
    if (run.queue.wake() != kNever && run.queue.wake() > run.now) run.now = run.queue.wake();
  }
}

// Two messages have ended, one waits; the files have changed hands often enough that both are full of texts.
std::uint32_t fill(Process& run) {
  std::uint32_t last = 0;
  for (unsigned i = 0; run.queue.turns() < 4; ++i) {
    const auto pushed = run.push(2, std::string(kSecret) + std::to_string(i));
    CHECK_OK(pushed);
    run.settle();
    CHECK_OK(run.end(pushed.value().first_number));
    CHECK_OK(run.end(pushed.value().first_number + 1, State::failed));
    run.settle();
    last = pushed.value().first_number;
  }
  return last;
}

void forget_all(Process& run) {
  CHECK_OK(run.queue.forget(static_cast<std::uint32_t>(run.queue.on_ms(run.now) / 1000) + 1));
}

// The power goes at that call of the forgetting. The number of a message that waits; 0: it was done before.
std::uint32_t cut_in_forgetting(Disk& disk, unsigned call) {
  Process run(disk);
  run.start();
  fill(run);
  const auto pushed = run.push(1, "still to be sent");
  CHECK_OK(pushed);
  run.settle();
  forget_all(run);
  disk.cut_at = disk.calls + call;
  finish(run);
  return disk.power ? 0 : pushed.value().first_number;
}

}  // namespace

TEST(queue_forget_leaves_nothing_of_ended_messages_in_either_file) {
  Disk disk(16);
  Process run(disk);
  run.start();
  fill(run);
  const auto waiting = run.push(1, "still to be sent");
  CHECK_OK(waiting);
  run.settle();
  CHECK(holds(disk, kSecret));
  CHECK(holds_phone(disk, 447700900124));
  run.now.ms += 60'000;
  CHECK_OK(run.queue.forget(static_cast<std::uint32_t>(run.queue.on_ms(run.now) / 1000)));
  CHECK(run.queue.forgetting());
  finish(run);
  CHECK(run.queue.forgot());
  CHECK(!holds(disk, kSecret));
  CHECK(!holds_phone(disk, 447700900124));
  CHECK(holds(disk, "still to be sent"));
  CHECK_EQ(the_index.size(), 1);

  Process next(disk);
  next.start(1, 7, 99);
  CHECK_EQ(next.found.damaged, 0);
  CHECK_EQ(the_index.size(), 1);
  CHECK(next.queue.forgot());
  const auto body = next.queue.read_body(*the_index.find(waiting.value().first_number), next.scratch);
  CHECK_OK(body);
  CHECK_TEXT(body.value().event.text, "still to be sent");
}

TEST(queue_forget_keeps_what_ended_later_and_whole_events) {
  Disk disk(16);
  Process run(disk);
  run.start();
  const auto old = run.push(1, "ended long ago");
  const auto half = run.push(2, "one of two ended before");
  run.settle();
  CHECK_OK(run.end(old.value().first_number));
  CHECK_OK(run.end(half.value().first_number + 1));
  run.settle();
  run.now.ms += 3'600'000;
  CHECK_OK(run.end(half.value().first_number));
  const auto young = run.push(1, "ended just now");
  run.settle();
  CHECK_OK(run.end(young.value().first_number));
  run.settle();
  CHECK_OK(run.queue.forget(static_cast<std::uint32_t>(run.queue.on_ms(run.now) / 1000) - 60));
  finish(run);
  CHECK(!holds(disk, "ended long ago"));
  CHECK(the_index.find(old.value().first_number) == nullptr);
  CHECK(the_index.find(half.value().first_number) != nullptr);
  CHECK(the_index.find(half.value().first_number + 1) != nullptr);
  CHECK(the_index.find(young.value().first_number) != nullptr);
}

TEST(queue_forget_cut_at_any_call_goes_on_with_the_next_start) {
  unsigned cuts = 0;
  for (unsigned call = 1;; ++call) {
    check::at("call=%u", call);
    Disk disk(10);
    const std::uint32_t waiting = cut_in_forgetting(disk, call);
    if (waiting == 0) break;
    ++cuts;
    const unsigned images = disk.images();
    for (unsigned which = 0; which < images; which += images > 4 ? images / 4 : 1) {
      check::at("call=%u image=%u", call, which);
      Disk after = disk.image(which);
      Process next(after);
      next.start(2, 7, 99);
      const bool begun = !next.queue.forgot();  // the wish may be lost with the power; then nothing was done
      CHECK(the_index.find(waiting) != nullptr);
      CHECK(!ended(the_index.find(waiting)->state));
      finish(next);
      CHECK(next.queue.forgot());
      if (begun || call > 2) CHECK(!holds(after, kSecret));
      Process again(after);
      CHECK_OK(again.load());
      CHECK_EQ(again.found.damaged, 0);
      CHECK(the_index.find(waiting) != nullptr);
    }
  }
  CHECK(cuts > 10);
}

// Starts that were cut off right behind their first sync use up the slots, and then one writes over a seal that
// nothing vouches for, while the old file may be zeros already: there are more copies of that seal by then.
TEST(queue_forget_cut_and_starts_cut_behind_their_first_sync_until_no_slot_is_left_lose_nothing) {
  unsigned starts = 0;
  for (unsigned call = 1;; ++call) {
    Disk disk(8);
    const std::uint32_t waiting = cut_in_forgetting(disk, call);
    if (waiting == 0) break;
    Disk left = disk.image(0);
    for (unsigned n = 0; n < 8; ++n, ++starts) {
      for (unsigned calls = 1;; ++calls) {
        Disk cut = left;
        cut.syncs = 0;
        cut.cut_at = calls;
        {
          Process run(cut);
          run.start(2, 7, 99);
        }
        for (unsigned which = 0; which < cut.images(); ++which) {
          check::at("call=%u start=%u calls=%u image=%u", call, n, calls, which);
          Disk after = cut.image(which);
          Process again(after);
          CHECK_OK(again.load());
          CHECK(the_index.find(waiting) != nullptr);
          CHECK(!ended(the_index.find(waiting)->state));
        }
        if (cut.syncs == 0 && !cut.power) continue;
        left = cut.image(0);
        break;
      }
    }
  }
  CHECK(starts > 100);
}

// The copy is sealed, its forerunner is zeros: one bit of the seal was the whole queue.
TEST(queue_forget_wipes_no_file_that_a_damaged_seal_would_make_the_truth) {
  unsigned seals = 0;
  for (unsigned call = 1;; ++call) {
    Disk disk(16);
    const std::uint32_t waiting = cut_in_forgetting(disk, call);
    if (waiting == 0) break;
    const Disk left = disk.image(0);
    const fakes::Layout layout = fakes::layout_of(left);
    for (const fakes::Piece& p : layout.pieces) {
      if (p.head.kind != RecordKind::seal) continue;
      check::at("call=%u seal at %u", call, p.at);
      Disk hit = left;
      hit.seen(layout.active)[p.at + 12] ^= 1;
      Process next(hit);
      CHECK_OK(next.load());
      CHECK(the_index.find(waiting) != nullptr);
      ++seals;
    }
  }
  CHECK(seals > 20);
}

// Zeros are being written to the file that the copy is to go to, and only a part of it has them, when the active
// file is full and goes over by itself. `before`: how full that was. Whether it came to that.
bool turns_while_it_wipes(unsigned before) {
  Disk disk(24);
  Process run(disk);
  run.start();
  fill(run);
  for (unsigned i = 0; i < before; ++i) {
    const auto pushed = run.push(1, std::string(300, 'f'));
    CHECK_OK(pushed);
    run.settle();
    CHECK_OK(run.end(pushed.value().first_number));
    run.settle();
  }
  const auto turns = run.queue.turns();
  SlowStore& other = run.queue.active_file() == 0 ? run.odd : run.even;
  forget_all(run);
  other.hangs = true;
  run.queue.poll(run.now);  // the first zeros are on their way
  for (unsigned i = 0; i < 60; ++i) run.push(1, std::string(300, 'm')).status().ignore();
  other.hangs = false;
  finish(run);
  CHECK(run.queue.forgot());
  CHECK(!holds(disk, kSecret));
  return run.queue.turns() - turns > 1;
}

TEST(queue_forget_beside_a_turn_that_comes_in_between_begins_anew_and_leaves_nothing) {
  unsigned seen = 0;
  for (unsigned before = 0; before < 240; before += 8) {
    check::at("before=%u", before);
    seen += turns_while_it_wipes(before) ? 1U : 0U;
  }
  CHECK(seen > 0);
}

TEST(queue_forget_on_a_file_that_fails_stops_and_the_next_start_goes_on) {
  Disk disk(8);
  Process run(disk);
  run.start();
  fill(run);
  forget_all(run);
  disk.fail_at = disk.calls + 3;  // behind write and sync of the wish
  finish(run);
  CHECK(!run.queue.forgot());
  CHECK(!run.queue.forgetting());
  CHECK(!run.queue.failing());
  CHECK(holds(disk, kSecret));
  disk.fail_at = 0;
  Process next(disk);
  next.start(1, 7, 99);
  finish(next);
  CHECK(next.queue.forgot());
  CHECK(!holds(disk, kSecret));
}

TEST(queue_that_has_nothing_to_forget_writes_zeros_only_where_something_was) {
  Disk disk(16);
  Process run(disk);
  run.start();
  const auto written = run.queue.written_bytes();
  CHECK_OK(run.queue.forget(1));
  finish(run);
  CHECK(run.queue.forgot());
  CHECK(run.queue.written_bytes() - written < 8 * kBlock);
}

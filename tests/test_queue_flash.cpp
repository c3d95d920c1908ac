// SPDX-License-Identifier: MIT
// The queue on bare flash, which is erased before it is written and written once, in turn. Where the power may go:
// powercut_states and powercut_lives.
#include <algorithm>
#include <string>

#include "check.hpp"
#include "fakes/world.hpp"

using namespace tocsin;
using fakes::Fate;
using fakes::Fault;
using fakes::Ledger;
using fakes::Medium;
using fakes::Process;
using fakes::World;

namespace {

std::uint32_t push_and_end(World& world, std::size_t phones, std::size_t bytes) {
  Process& process = *world.process;
  const std::uint32_t first = world.ledger.push(process, phones, bytes);
  CHECK(first != 0);
  process.poll();
  process.settle();
  for (std::uint32_t i = 0; i < phones; ++i) CHECK(world.ledger.change(process, first + i, State::accepted, 1));
  process.poll();
  process.settle();
  world.ledger.note(process);
  return first;
}

std::uint32_t generation_on(const Medium& medium, unsigned file, std::size_t at) {
  const auto head = decode_file_head(Bytes{medium.durable(file).data() + at, kFileHeadBytes});
  return head.ok() ? head.value().generation : 0;
}

}  // namespace

TEST(queue_on_flash_turns_for_years_and_writes_no_block_twice) {
  Medium::misuse.clear();
  World world(31, 5);
  for (unsigned i = 0; i < 400; ++i) push_and_end(world, 1 + i % 3, 100 + i % 900);
  CHECK_TEXT(Medium::misuse, "");
  CHECK_TEXT(world.wrong, "");
  CHECK(world.turns() > 10);
  Process again(world.medium);
  CHECK_OK(again.queue->load());
  CHECK_TEXT(world.ledger.check(again), "");
}

TEST(queue_on_flash_begins_each_run_where_nothing_was_written_since_it_was_erased) {
  Medium::misuse.clear();
  World world(31, 5);
  for (unsigned i = 0; i < 60; ++i) {
    push_and_end(world, 1, 300);
    world.operate(i % 2 == 0 ? 'R' : 'X');
    CHECK_TEXT(world.wrong, "");
    CHECK(!world.process->queue->failing());
  }
  CHECK_TEXT(Medium::misuse, "");
}

TEST(queue_on_flash_goes_on_where_writes_fail) {
  Medium::misuse.clear();
  for (unsigned at = 1; at < 40; ++at) {
    World world(31, 5);
    push_and_end(world, 1, 300);
    world.medium.fault.kind = at % 2 == 0 ? Fault::short_write : Fault::error;
    world.medium.fault.at = world.medium.calls + at;
    for (unsigned i = 0; i < 12; ++i) push_and_end(world, 1, 300);
    check::at("at=%u", at);
    CHECK_TEXT(Medium::misuse, "");
    world.operate('X');
    CHECK_TEXT(world.wrong, "");
  }
}

// Found by a random life: the sync of the seal failed, and the seal was on the medium all the same. The next
// turn went to that file again and erased its first records with the head, when the other head still vouched
// for them.
TEST(queue_on_flash_whose_seal_seemed_to_fail_is_cut_off_while_it_turns_again) {
  const auto fill = [](World& world) {  // so much waits that its copy is longer than a group
    for (unsigned i = 0; i < 12; ++i) CHECK(world.ledger.push(*world.process, 1, 1900) != 0), world.operate('S');
  };
  unsigned pushes = 0;
  World measured(31, 5);
  for (fill(measured); measured.turns() < 2; ++pushes) push_and_end(measured, 1, 700);
  for (unsigned at = 1; at <= 24; ++at) {
    Medium::misuse.clear();
    World world(31, 5);
    fill(world);
    for (unsigned i = 0; i + 1 < pushes; ++i) push_and_end(world, 1, 700);
    world.medium.fault.kind = Fault::error;
    world.medium.fault.at = world.medium.calls + at;
    fakes::Effort effort;
    effort.models.subsets = false;
    fakes::Cuts cuts(effort, 0, 0);
    world.watch(&cuts);
    push_and_end(world, 1, 700);
    world.watch(nullptr);
    check::at("at=%u", at);
    CHECK(world.turns() >= 2);
    CHECK_TEXT(cuts.wrong, "");
    CHECK_TEXT(Medium::misuse, "");
  }
}

namespace {

// The power goes behind the seal of a turn: nothing vouches for it, and perhaps the other file is the truth.
void cut_behind_a_seal(World& world) {
  while (world.turns() < 1) push_and_end(world, 1, 700);
  const unsigned before = world.turns();
  world.medium.at_once = false;
  while (world.turns() == before) {
    if (world.ledger.push(*world.process, 1, 1900) == 0) world.operate('E');
    while (!world.process->queue->idle() && world.turns() == before) world.process->step();
    world.ledger.note(*world.process);
    if (world.process->queue->live_bytes() > 8000) world.operate('E');
  }
  world.end();
}

void power_returns(World& world, Fate::Kind to_the_last_writes, Fault fault) {
  Medium left;
  world.medium.image(std::vector<Fate>(world.medium.pending.size(), Fate{to_the_last_writes, 0}), left);
  left.fault = fault;
  left.at_once = false;
  world.medium = left;
  world.begin();
}

}  // namespace

TEST(queue_on_flash_that_cannot_settle_erases_before_each_try) {
  Medium::misuse.clear();
  World world(31, 5);
  cut_behind_a_seal(world);
  Fault fault;
  fault.kind = Fault::short_write;
  fault.at = 1;
  fault.for_ever = true;
  power_returns(world, Fate::lost, fault);
  for (unsigned tries = 0; tries < 3; ++tries) {
    world.process->step();
    world.process->now = world.process->now + seconds(11);
    world.process->poll();
  }
  CHECK(world.medium.calls >= 3);
  CHECK(world.process->queue->failing());
  CHECK_TEXT(Medium::misuse, "");
}

TEST(queue_on_flash_whose_starts_are_all_cut_off_takes_the_other_file_at_last) {
  Medium::misuse.clear();
  World world(31, 5);
  cut_behind_a_seal(world);
  power_returns(world, Fate::lost, {});
  for (unsigned starts = 0; starts < 12; ++starts) {
    world.end();
    power_returns(world, Fate::landed, {});
    CHECK_TEXT(world.wrong, "");
  }
  CHECK_TEXT(Medium::misuse, "");
  world.process->settle();
  CHECK(world.process->queue->turns() > 0);
  CHECK_TEXT(fakes::Cuts::prove(world.medium, world.ledger, fakes::Effort{}, 1, 0), "");
}

TEST(queue_on_flash_forgets_by_erasing_and_keeps_the_heads) {
  Medium::misuse.clear();
  World world(31, 5);
  Process& process = *world.process;
  while (world.turns() < 3) push_and_end(world, 2, 700);
  const std::uint32_t waits = world.ledger.push(process, 1, 300);
  process.poll();
  process.settle();
  process.now = process.now + seconds(100);
  CHECK_OK(process.queue->forget(static_cast<std::uint32_t>(process.queue->on_ms(process.now) / 1000) + 1));
  for (unsigned i = 0; i < 4000 && (process.queue->forgetting() || !process.queue->idle()); ++i) process.step();
  CHECK(process.queue->forgot());
  CHECK_TEXT(Medium::misuse, "");
  // What is left: two heads in each file, and in one of them the copy of what waits.
  std::size_t blocks[2] = {};
  for (unsigned file = 0; file < 2; ++file) {
    CHECK(generation_on(world.medium, file, 0) != 0);
    CHECK(generation_on(world.medium, file, 30 * kBlock) != 0);
    for (std::size_t slot = 1; slot < 30; ++slot)
      blocks[file] += !is_blank(Bytes{world.medium.durable(file).data() + slot * kBlock, kBlock});
  }
  CHECK_EQ(std::min(blocks[0], blocks[1]), 0);
  CHECK(std::max(blocks[0], blocks[1]) <= 4);
  CHECK(process.index().find(waits) != nullptr);
  CHECK_EQ(process.index().size(), 1);
}

// What README.md says of wear: alarms one by one, on a volume of 32 blocks of 124 KiB.
TEST(queue_on_flash_wears_it_as_little_as_is_said) {
  Medium::misuse.clear();
  World world(15 * 31 + 1, 31);
  Queue& queue = *world.process->queue;
  while (world.turns() < 2) push_and_end(world, 1, 100);
  const std::uint64_t bytes = queue.written_bytes(), erased = world.medium.erased_groups;
  const std::uint32_t syncs = queue.syncs();
  constexpr unsigned kMessages = 1000;
  for (unsigned i = 0; i < kMessages; ++i) push_and_end(world, 1, 100);
  const double kib = static_cast<double>(queue.written_bytes() - bytes) / kMessages / 1024;
  const double erasures = static_cast<double>(world.medium.erased_groups - erased) / kMessages;
  const double writes = static_cast<double>(queue.syncs() - syncs) / kMessages;
  print_message("a message alone: %.1f KiB in %.2f syncs, %.3f blocks erased\n", kib, writes, erasures);
  CHECK(kib < 8);
  CHECK(erasures < 0.1);
}

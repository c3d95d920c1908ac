// SPDX-License-Identifier: MIT
// Crash states of the queue: every one of every short sequence of operations, and random ones of long lives.
// `make crash-states` runs more of them, without sanitizers.
//
//   powercut_states 'states_short*' depth=6            all sequences of up to 6 operations
//   powercut_states 'states_short*' sequence=PSRE      one sequence, every cut of its last operation
//   powercut_states 'states_short*' depth=6 of=6 slice=3   those with the same first letter: they have most
//                                                          in common
//   powercut_states 'states_cuts*' deeper=1 stride=1   two deep instead of three, every image of either cut
//   powercut_states 'states_every_byte' step=1         every write torn at every byte
//   powercut_states 'states_*' memo=0                  equal cases are looked at every time (fakes/cuts.hpp)
//
// What the letters mean: fakes/world.hpp.
#include "check.hpp"
#include "fakes/world.hpp"

using namespace tocsin;
using fakes::Cuts;
using fakes::Effort;
using fakes::Fault;
using fakes::Medium;
using fakes::Models;
using fakes::Process;
using fakes::World;

namespace {

struct Shape {
  std::uint32_t blocks = Queue::kMinBlocks, erased_together = 1;
};
constexpr Shape kFlash{13, 3};
// Flash is written in turn, and one write at a time: what may have become of the last one.
constexpr Models kInOrder{false, true, true, true, true};

// The operation before the n-th turn: the next message makes the files change places.
std::string filled_up_to(unsigned turn, Shape shape) {
  std::string all;
  World world(shape.blocks, shape.erased_together);
  for (unsigned i = 0; i < 200; ++i) {
    const char next = i % 3 == 2 ? 'E' : i % 7 == 3 ? 'G' : i == 4 || i == 9 ? 'A' : 'P';
    world.operate(next);
    if (world.turns() >= turn) return all;
    all += next;
    if (world.ledger.oldest_waiting() != 0 && world.process->queue->live_bytes() > 5000) {
      world.operate('E');
      if (world.turns() >= turn) return all;
      all += 'E';
    }
  }
  return all;
}

const char* text_option(const char* name) {  // of "name=text", or nullptr
  static char text[64];
  const std::size_t n = std::strlen(name);
  const char* p = std::strstr(check::arguments, name);
  if (p == nullptr || p[n] != '=') return nullptr;
  std::snprintf(text, sizeof text, "%.*s", static_cast<int>(std::strcspn(p + n + 1, " ")), p + n + 1);
  return text;
}

// What was asked for and makes a difference to one sequence: part of the command that repeats it.
std::string options_given() {
  std::string all;
  for (const char* name : {"deeper", "stride", "step", "memo"})
    if (check::has_option(name))
      all += " " + std::string(name) + "=" + std::to_string(check::option(name, 0));
  return all;
}

struct Counts {
  std::uint64_t sequences = 0, one_turn = 0, two_turns = 0, points = 0;
};

// One sequence behind one of the prefixes: every cut of its last operation. The ones before are cut in the
// sequences they end.
std::string run_sequence(Shape shape, const std::string& prefix, const std::string& sequence,
                         const Effort& effort, Counts& counts) {
  World world(shape.blocks, shape.erased_together);
  for (const char what : prefix) world.operate(what);
  const unsigned before = world.turns();
  world.medium.at_once = false;
  for (std::size_t i = 0; i + 1 < sequence.size(); ++i) world.operate(sequence[i]);
  Cuts cuts(effort, 0, 0);
  world.watch(&cuts);
  world.operate(sequence.back());
  ++counts.sequences;
  counts.points += cuts.points;
  counts.one_turn += world.turns() - before == 1;
  counts.two_turns += world.turns() - before >= 2;
  world.watch(nullptr);
  if (!world.wrong.empty()) return world.wrong;
  if (!Medium::misuse.empty()) return Medium::misuse;
  return cuts.wrong.empty() ? "" : cuts.wrong + "\n    at " + cuts.where;
}

void short_sequences(const char* alphabet, unsigned depth, const Effort& effort, Shape shape = {}) {
  Counts counts;
  Medium::misuse.clear();
  Cuts::count_anew();
  if (check::has_option("memo")) Cuts::repeats = static_cast<Cuts::Repeats>(check::option("memo", 1));
  const std::string given = options_given();
  const unsigned of = static_cast<unsigned>(check::option("of", 1)),
                 slice = static_cast<unsigned>(check::option("slice", 0));
  CHECK(slice < of);  // else none
  const char* only = text_option("sequence");
  unsigned n = 0;
  for (unsigned fill = 2; fill <= 3; ++fill) {  // the turn from the first file to the second, and back
    if (check::has_option("fill") && fill != check::option("fill", 0)) continue;
    const std::string prefix = filled_up_to(fill, shape);
    const auto one = [&](const std::string& sequence) {
      check::at("fill=%u sequence=%s%s", fill, sequence.c_str(), given.c_str());
      const std::string wrong = run_sequence(shape, prefix, sequence, effort, counts);
      if (!wrong.empty())
        print_error("%s\n    after %s, then %s\n", wrong.c_str(), prefix.c_str(), sequence.c_str());
      CHECK(wrong.empty());
    };
    if (only != nullptr) {
      one(only);
      continue;
    }
    const std::size_t letters = std::strlen(alphabet);
    for (unsigned length = 1; length <= depth; ++length) {
      std::uint64_t all = 1;
      for (unsigned i = 0; i < length; ++i) all *= letters;
      for (std::uint64_t code = 0; code < all; ++code) {
        if (n++ % of != slice) continue;
        std::string sequence;
        for (std::uint64_t rest = code, i = 0; i < length; ++i, rest /= letters)
          sequence += alphabet[rest % letters];
        one(sequence);
      }
    }
  }
  print_message("%s to depth %u: %llu sequences (%llu with one turn, %llu with more), %llu cuts, %s\n",
                alphabet, depth, static_cast<unsigned long long>(counts.sequences),
                static_cast<unsigned long long>(counts.one_turn),
                static_cast<unsigned long long>(counts.two_turns),
                static_cast<unsigned long long>(counts.points), Cuts::counted().c_str());
}

Effort only(const Models& models) {
  Effort effort;
  effort.models = models;
  return effort;
}

unsigned depth_or(unsigned otherwise) { return static_cast<unsigned>(check::option("depth", otherwise)); }

}  // namespace

TEST(states_short_sequences_keep_every_promise) { short_sequences("PGAESR", depth_or(3), Effort{}); }

// What each kind of damage finds by itself: tests/mutants/faults.txt has a fault for every one.
TEST(states_writes_that_land_in_order) {
  short_sequences("PGAESR", depth_or(3), only(Models{false, false, false, false, false}));
}
TEST(states_writes_that_land_in_any_order) {
  short_sequences("PGAESR", depth_or(3), only(Models{true, false, false, false, false}));
}
TEST(states_torn_writes) {
  short_sequences("PGAESR", depth_or(3), only(Models{false, true, false, false, false}));
}
TEST(states_zeros) { short_sequences("PGAESR", depth_or(3), only(Models{false, false, true, false, false})); }
TEST(states_garbage) {
  short_sequences("PGAESR", depth_or(3), only(Models{false, false, false, true, false}));
}
TEST(states_garbage_around_a_write) {
  short_sequences("PGAESR", depth_or(3), only(Models{false, false, false, false, true}));
}
TEST(states_process_deaths) {
  short_sequences("PEX", depth_or(3), only(Models{false, false, false, false, false}));
}

TEST(states_sequences_of_all_operations_keep_every_promise) {
  short_sequences("PGAIEFJSRX", depth_or(2), Effort{});
}

TEST(states_every_byte_may_be_the_last_of_a_write) {
  Models models{true, true, false, false, false};
  models.step = static_cast<unsigned>(check::option("step", 61));
  short_sequences("PGAESR", depth_or(2), only(models));
}

TEST(states_cuts_during_recovery_three_deep) {
  Effort effort;
  effort.deeper = static_cast<unsigned>(check::option("deeper", 2));
  effort.stride = static_cast<unsigned>(check::option("stride", 23));
  short_sequences("PESRX", depth_or(1), effort);
}

TEST(states_short_sequences_job_by_job_keep_every_promise) {
  short_sequences("PFIJX", depth_or(2), Effort{});
}

// A process dies in the middle of its jobs, the first sync of the next one fails, and the kernel throws away
// the pages that it could not write: what that process had found is not all there any more. At any call from
// then on the power may go.
TEST(states_pages_thrown_away_after_a_death_take_no_promise_along) {
  Cuts::count_anew();
  const Effort effort = only(Models{true, false, false, false, false});
  unsigned lives = 0;
  for (unsigned fill = 2; fill <= 3; ++fill) {
    const std::string prefix = filled_up_to(fill, Shape{});
    for (const char* sequence : {"P", "G", "A", "EP", "AE", "EA", "PEXX", "IGP", "IGPX"})
      for (unsigned jobs = 0; jobs < 10; ++jobs)
        for (unsigned call = 1; call <= 3; ++call) {
          check::at("fill=%u %s jobs=%u call=%u", fill, sequence, jobs, call);
          World world;
          Medium& medium = world.medium;
          for (const char what : prefix) world.operate(what);
          medium.at_once = false;
          for (const char* what = sequence; *what != '\0'; ++what)
            if (*what != 'X') world.operate(*what);
          for (unsigned job = 0; job < jobs; ++job) world.operate('J');
          for (const char* x = std::strchr(sequence, 'X'); x != nullptr && *x == 'X'; ++x) world.operate('X');
          world.operate('X');
          CHECK_TEXT(world.wrong, "");
          Cuts cuts(effort, 0, 0);
          medium.fault = Fault{Fault::error, medium.calls + call, false, 5, 3};
          medium.failed_pages_dropped = true;
          world.watch(&cuts);
          world.operate('S');
          world.operate('P');
          world.operate('S');
          world.watch(nullptr);
          CHECK_TEXT(cuts.wrong, "");
          ++lives;
        }
  }
  print_message("%u deaths before a sync that failed: %s\n", lives, Cuts::counted().c_str());
}

// The seal was in the page cache only when its process died, and the first sync of the next one failed: what
// was asked for meanwhile was promised with the job that put the seal on the medium, and no record vouched for
// either. The start after that took it for what nobody was promised, and wrote over it where the file had no
// slot left.
TEST(states_what_is_promised_behind_a_seal_in_doubt_survives_a_cut_of_the_next_start) {
  Cuts::count_anew();
  Effort effort;
  effort.deeper = 1;
  unsigned lives = 0;
  for (unsigned fill = 2; fill <= 3; ++fill) {
    const std::string prefix = filled_up_to(fill, Shape{});
    for (const char* sequence : {"P", "IGP"})
      for (unsigned jobs = 2; jobs < 6; ++jobs)
        for (const char* meanwhile : {"E", "IE", "F"}) {
          check::at("fill=%u %s jobs=%u %s", fill, sequence, jobs, meanwhile);
          World world;
          Medium& medium = world.medium;
          for (const char what : prefix) world.operate(what);
          medium.at_once = false;
          for (const char* what = sequence; *what != '\0'; ++what) world.operate(*what);
          for (unsigned job = 0; job < jobs; ++job) world.operate('J');
          world.operate('X');
          CHECK_TEXT(world.wrong, "");
          medium.fault = Fault{Fault::error, medium.calls + 1, false, 5, 3};
          world.operate('J');
          for (const char* what = meanwhile; *what != '\0'; ++what) world.operate(*what);
          world.operate('S');
          Medium left;
          medium.image(std::vector<fakes::Fate>(medium.pending.size()), left);
          CHECK_TEXT(Cuts::prove(left, world.ledger, effort, 1, 0), "");
          ++lives;
        }
  }
  print_message("%u starts behind a seal in doubt: %s\n", lives, Cuts::counted().c_str());
}

TEST(states_equal_to_one_that_was_looked_at_come_out_the_same) {
  Effort two_deep;
  two_deep.deeper = 2, two_deep.stride = 61;
  for (const Effort& effort : {Effort{}, two_deep}) {
    std::uint64_t plain[Cuts::kLevels] = {};
    for (const auto repeats : {Cuts::Repeats::looked_at, Cuts::Repeats::compared, Cuts::Repeats::counted}) {
      Cuts::repeats = repeats;
      short_sequences(effort.deeper > 0 ? "PSX" : "PGAESR", 2, effort);
      const std::uint64_t looked_at = Cuts::looked_at;
      CHECK_EQ(looked_at < Cuts::states(), repeats == Cuts::Repeats::counted);
      if (repeats == Cuts::Repeats::looked_at) std::copy_n(Cuts::at_level, Cuts::kLevels, plain);
      for (unsigned level = 0; level < Cuts::kLevels; ++level)
        CHECK_EQ(Cuts::at_level[level], plain[level]);
    }
  }
}

TEST(states_short_sequences_on_bare_flash_keep_every_promise) {
  short_sequences("PGAESR", depth_or(3), only(kInOrder), kFlash);
}
TEST(states_process_deaths_on_bare_flash) { short_sequences("PEX", depth_or(3), only(kInOrder), kFlash); }
TEST(states_short_sequences_job_by_job_on_bare_flash) {
  short_sequences("PFIJX", depth_or(2), only(kInOrder), kFlash);
}
TEST(states_cuts_during_recovery_on_bare_flash_three_deep) {
  Effort effort = only(kInOrder);
  effort.deeper = static_cast<unsigned>(check::option("deeper", 2));
  effort.stride = static_cast<unsigned>(check::option("stride", 23));
  short_sequences("PESRX", depth_or(1), effort, kFlash);
}

TEST(states_deliveries_keep_every_promise) { short_sequences("PEDSX", depth_or(3), Effort{}); }
TEST(states_deliveries_job_by_job_keep_every_promise) { short_sequences("PEDJX", depth_or(3), Effort{}); }
TEST(states_deliveries_beside_forgetting_keep_every_promise) {
  short_sequences("PEDZW", depth_or(3), only(Models{true, true, false, false, false}));
}
TEST(states_deliveries_on_bare_flash_keep_every_promise) {
  short_sequences("PEDSX", depth_or(3), only(kInOrder), kFlash);
}

TEST(states_channels_keep_every_promise) { short_sequences("CNESX", depth_or(3), Effort{}); }
TEST(states_channels_job_by_job_keep_every_promise) { short_sequences("CNPJX", depth_or(3), Effort{}); }
TEST(states_channels_on_bare_flash_keep_every_promise) { short_sequences("CNESR", depth_or(3), only(kInOrder), kFlash); }

namespace {

// Later messages come and go until the files have turned over: what had ended by then is let go.
std::string let_history_go(World& world) {
  for (unsigned i = 0; i < 60; ++i) {
    const std::uint32_t number = world.ledger.push(*world.process, 1, 700);
    world.process->poll();
    if (number == 0 || !world.ledger.change(*world.process, number, State::accepted, 1))
      return "it takes nothing";
    world.process->poll();
    world.ledger.note(*world.process);
    Process again(world.medium);
    if (!again.queue->load().ok()) return "Q6: it does not start";
    const std::string wrong = world.ledger.check(again);
    if (!wrong.empty()) return wrong;
  }
  return world.turns() < 3 ? "no turns" : "";
}

}  // namespace

TEST(states_message_of_a_group_that_ended_never_waits_again) {
  World world;
  world.operate('P');
  world.operate('G');
  CHECK(world.ledger.change(*world.process, 2, State::accepted, 1));  // 1, 3 and 4 wait
  world.process->poll();
  CHECK_TEXT(let_history_go(world), "");
}

TEST(states_alarm_cleared_in_silence_stays_cleared_while_its_message_waits) {
  World world;
  world.operate('A');
  world.operate('A');
  CHECK_TEXT(let_history_go(world), "");
}

TEST(states_groups_of_which_one_message_waits_fill_the_file_and_no_more) {
  World world;
  for (;;) {
    const std::uint32_t first = world.ledger.push(*world.process, 8, 900);
    if (first == 0) break;
    for (std::uint32_t i = 0; i < 7; ++i) world.ledger.change(*world.process, first + i, State::accepted, 1);
    world.process->settle();
    CHECK(!world.process->queue->failing());
  }
  CHECK_TEXT(Cuts::prove(world.medium, world.ledger, Effort{}, 1, 0), "");
}

TEST(states_forgetting_keeps_every_promise) { short_sequences("PEZSRX", depth_or(2), Effort{}); }

TEST(states_forgetting_job_by_job_keeps_every_promise) { short_sequences("PFZJXW", depth_or(2), Effort{}); }

TEST(states_forgetting_cuts_during_recovery_two_deep) {
  Effort effort;
  effort.deeper = static_cast<unsigned>(check::option("deeper", 1));
  effort.stride = static_cast<unsigned>(check::option("stride", 23));
  short_sequences("PZXW", depth_or(2), effort);
}

TEST(states_forgetting_on_bare_flash_keeps_every_promise) {
  short_sequences("PEZWRX", depth_or(2), only(kInOrder), kFlash);
}

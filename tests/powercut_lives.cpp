// SPDX-License-Identifier: MIT
// Long random lives of the queue: operations, sizes, files, deaths and failing calls by the seed; at any call
// the power may go, and again during the recovery from that.
//
//   powercut_lives 'lives_random*' states=1000000      that many different crash states
//   powercut_lives 'lives_random*' seed=17 lives=1     one life
//   powercut_lives 'lives_*' memo=0                    equal cases are looked at every time (fakes/cuts.hpp)
#include "check.hpp"
#include "fakes/world.hpp"

using namespace tocsin;
using fakes::Cuts;
using fakes::Effort;
using fakes::Fate;
using fakes::Fault;
using fakes::Ledger;
using fakes::Medium;
using fakes::Models;
using fakes::Process;
using fakes::World;

namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 0xD1B54A32D192ED03U) {
    below(2), below(2);
  }
  unsigned below(unsigned n) {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return static_cast<unsigned>((state_ * 0x2545F4914F6CDD1DU >> 33) % n);
  }
  unsigned from(unsigned low, unsigned high) { return low + below(high - low + 1); }
  bool one_in(unsigned n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

std::vector<Fate> random_fates(const Medium& medium, Random& random) {
  std::vector<Fate> fates(medium.pending.size());
  if (medium.is_flash()) {  // in turn, and one at a time
    const std::size_t cut = random.below(static_cast<unsigned>(fates.size()) + 1);
    for (std::size_t i = cut; i < fates.size(); ++i) fates[i].kind = Fate::lost;
    if (cut < fates.size()) fates[cut].kind = static_cast<Fate::Kind>(random.below(Fate::block_mixed + 1));
    if (cut < fates.size()) fates[cut].bytes = static_cast<std::uint16_t>(random.below(256));
    return fates;
  }
  const unsigned mood = random.below(4);  // most are lost, most land, half of them, anything
  for (std::size_t i = 0; i < fates.size(); ++i) {
    const auto size = static_cast<unsigned>(medium.pending[i].bytes.size());
    const unsigned likely = mood == 0 ? 1 : mood == 1 ? 9 : 5;
    if (mood < 3 && !random.one_in(8)) {
      fates[i].kind = random.below(10) < likely ? Fate::landed : Fate::lost;
      continue;
    }
    fates[i].kind = static_cast<Fate::Kind>(random.below(Fate::block_mixed + 1));
    fates[i].bytes =
        static_cast<std::uint16_t>(fates[i].kind == Fate::sectors ? random.below(256) : random.below(size));
  }
  return fates;
}

// Looks at some images of some calls.
class SomeCuts final : public Medium::Watch {
 public:
  SomeCuts(World& world, Random& random) : world_(world), random_(random) {}
  void written() override { look(); }
  void look() {
    if (!wrong.empty() || !world_.process.has_value() || !random_.one_in(3)) return;
    world_.ledger.note(*world_.process);
    for (unsigned n = random_.from(1, 2); n > 0 && wrong.empty(); --n) {
      Effort effort;
      effort.deeper = random_.one_in(6) ? random_.from(1, 2) : 0;
      effort.stride = 61;
      effort.models.subsets = !world_.medium.is_flash();
      world_.medium.image(random_fates(world_.medium, random_), left_);
      wrong = Cuts::prove(left_, world_.ledger, effort, 1, random_.below(61));
    }
    if (wrong.empty() && random_.one_in(10)) {
      world_.medium.process_died(left_);
      Effort effort{Models{}, 1, 61};
      effort.models.subsets = !world_.medium.is_flash();
      wrong = Cuts::prove(left_, world_.ledger, effort, 1, random_.below(61));
    }
  }
  std::string wrong;

 private:
  World& world_;
  Random& random_;
  Medium left_;
};

void operate(World& world, Random& random) {
  Process& process = *world.process;
  Ledger& ledger = world.ledger;
  const unsigned what = random.below(41) / 2;  // forgetting is rare
  if (what < 7) {
    const std::size_t bytes = random.one_in(3) ? random.from(8, 3000) : random.from(8, 700);
    const std::size_t phones = random.one_in(3) ? random.from(2, 8) : 1;
    if (random.one_in(8)) {
      ledger.acknowledge(process, random.one_in(2) ? 1 : 0);
    } else if (random.one_in(4)) {
      ledger.push(process, random.one_in(3) ? 0 : phones, bytes, random.one_in(2) ? 1 : 0,
                  random.one_in(2) ? Transition::raised : Transition::cleared);
    } else {
      ledger.push(process, phones, bytes);
    }
  } else if (what < 15) {
    if (ledger.messages.empty()) return;
    const Ledger::Message& m = ledger.messages[random.below(static_cast<unsigned>(ledger.messages.size()))];
    if (!m.gone && !m.missing && m.now().state == State::accepted && random.one_in(2)) {
      ledger.change(process, m.number, random.one_in(4) ? State::failed : State::delivered, m.now().sends,
                    random.one_in(3) ? 60 : 0, Queue::Write::with_others);
      if (random.one_in(4)) process.queue->write_all();
      return process.poll();
    }
    const unsigned sends = m.now().sends + random.below(2);
    const unsigned kind = random.below(12);
    const State state = kind < 2    ? State::queued
                        : kind < 8  ? State::accepted
                        : kind < 10 ? State::failed
                                    : State::unknown;
    if (!(m.over() && state == State::queued) || random.one_in(4))
      ledger.change(process, m.number, state, sends, random.one_in(3) ? 120 : 0);
  } else if (what < 18) {
    process.step();
  } else if (what < 20) {
    process.settle(1);
  } else {
    process.queue->forget(random.from(1, 100'000)).ignore();
  }
  process.poll();
}

World random_world(Random& random) {
  if (!random.one_in(4)) return World(random.from(8, 24));
  const std::uint32_t together = random.from(2, 9);
  const std::uint32_t blocks = together * random.from(3, 6) + 1;
  return World(blocks < Queue::kMinBlocks ? blocks + together : blocks, together);
}

std::string random_life(std::uint64_t seed) {
  Random random(seed);
  World world = random_world(random);
  SomeCuts cuts(world, random);
  for (unsigned lives = random.from(1, 5); lives > 0; --lives) {
    Medium& medium = world.medium;
    medium.watch = &cuts;
    medium.at_once = random.one_in(3);
    if (random.one_in(4)) {
      medium.fault.kind = random.one_in(3) ? Fault::short_write : Fault::error;
      medium.fault.at = medium.calls + random.from(1, 60);
      medium.fault.for_ever = random.one_in(3);
      medium.fault.error_number = random.one_in(2) ? 5 : random.one_in(2) ? 28 : 30;
      medium.fault.files = random.from(1, 3);
      medium.failed_pages_dropped = random.one_in(2);
    }
    for (unsigned ops = random.from(5, 120); ops > 0 && cuts.wrong.empty() && world.wrong.empty(); --ops) {
      operate(world, random);
      cuts.look();
      world.ledger.note(*world.process);
    }
    medium.watch = nullptr;
    if (!world.wrong.empty() || !cuts.wrong.empty()) break;
    if (random.one_in(2)) {
      world.cut(random_fates(medium, random));
    } else {
      world.operate(random.one_in(2) ? 'R' : 'X');
    }
  }
  if (!Medium::misuse.empty()) return Medium::misuse;
  return cuts.wrong.empty() ? world.wrong : cuts.wrong;
}

void print_states(const char* of, std::uint64_t runs) {
  print_message("%s: %llu, %s\n", of, static_cast<unsigned long long>(runs), Cuts::counted().c_str());
}

void count_anew() {
  Cuts::count_anew();
  if (check::has_option("memo")) Cuts::repeats = static_cast<Cuts::Repeats>(check::option("memo", 1));
}

}  // namespace

TEST(lives_random_keep_every_promise) {
  count_anew();
  const std::uint64_t first = check::option("seed", 1), states = check::option("states", 6'000);
  const std::uint64_t most = check::option("lives", ~std::uint64_t{0});
  std::uint64_t lives = 0;
  for (; lives < most && (Cuts::looked_at < states || check::has_option("lives")); ++lives) {
    check::at("seed=%llu lives=1", static_cast<unsigned long long>(first + lives));
    const std::string wrong = random_life(first + lives);
    if (!wrong.empty()) print_error("%s\n", wrong.c_str());
    CHECK(wrong.empty());
  }
  print_states("random lives", lives);
}

namespace {

constexpr char kLife[] = "PASPEGSIEPSRPESGEEPJAJPSEEPSRPGSEEEEPSPEPSXPSEPSPEPSA";

// Tears every write at every byte (or every `step`-th), the other pending writes lost or landed.
class Tearing final : public Medium::Watch {
 public:
  Tearing(World& world, unsigned step) : world_(world), step_(step) {}
  void written() override {
    const Medium& medium = world_.medium;
    const std::size_t n = medium.pending.size(), size = medium.pending[n - 1].bytes.size();
    world_.ledger.note(*world_.process);
    for (std::size_t at = 1 + offset_++ % step_; at < size && wrong.empty(); at += step_) {
      std::vector<Fate> fates(n, Fate{at % 2 != 0 ? Fate::landed : Fate::lost, 0});
      fates[n - 1] = {Fate::torn, static_cast<std::uint16_t>(at)};
      medium.image(fates, left_);
      wrong = Cuts::prove(left_, world_.ledger, Effort{}, 1, 0);
      if (!wrong.empty())
        wrong += "\n    call " + std::to_string(medium.calls) + " torn at " + std::to_string(at);
    }
  }
  std::string wrong;

 private:
  World& world_;
  unsigned step_, offset_ = 0;
  Medium left_;
};

// The whole life with one call that fails, and everything that may be left of it at the end.
std::string failing_life(const Fault& fault, bool dropped, unsigned* calls) {
  World world;
  world.medium.fault = fault;
  world.medium.failed_pages_dropped = dropped;
  for (const char* what = kLife; *what != '\0' && world.wrong.empty(); ++what) {
    if (*what == 'R' && fault.kind != Fault::none && fault.for_ever) continue;
    world.operate(*what);
  }
  if (!world.wrong.empty()) return world.wrong;
  if (calls != nullptr) *calls = world.medium.calls;
  world.process->settle();
  world.ledger.note(*world.process);
  if (fault.kind != Fault::none && !fault.for_ever)  // the medium came back: everything is safe by now
    for (const Ledger::Message& m : world.ledger.messages)
      if (!m.safe) return "Q1: not on the medium although it came back";
  std::string wrong;
  Medium left;
  each_image(world.medium, Models{true, false, false, false, false}, true,
             [&](const std::vector<Fate>& fates) {
               if (!wrong.empty()) return;
               world.medium.image(fates, left);
               wrong = Cuts::prove(left, world.ledger, Effort{}, 1, 0);
             });
  return wrong;
}

}  // namespace

TEST(lives_writes_torn_at_any_byte_keep_every_promise) {
  count_anew();
  World world;
  Tearing tearing(world, static_cast<unsigned>(check::option("step", 199)));
  for (const char* what = kLife; *what != '\0' && tearing.wrong.empty(); ++what) {
    world.medium.watch = &tearing;
    world.operate(*what);
  }
  world.medium.watch = nullptr;
  CHECK_TEXT(tearing.wrong, "");
  print_states("one life, torn writes", 1);
}

TEST(lives_with_a_failing_call_keep_every_promise) {
  count_anew();
  unsigned calls = 0, lives = 0;
  CHECK_TEXT(failing_life(Fault{}, false, &calls), "");
  const auto stride = static_cast<unsigned>(check::option("stride", 17));
  for (unsigned at = 1; at <= calls; ++at)
    for (unsigned variant = 0; variant < 32; ++variant) {
      Fault fault;
      fault.at = at;
      fault.kind = variant % 2 == 0 ? Fault::error : Fault::short_write;
      fault.for_ever = variant / 2 % 2 != 0;
      fault.files = variant / 4 % 4;  // 0: error numbers take turns below
      if (fault.files == 0) fault.files = 3, fault.error_number = variant % 2 == 0 ? 28 : 30;
      if ((check::has_option("at") && at != check::option("at", 0)) ||
          (check::has_option("variant") && variant != check::option("variant", 0)))
        continue;
      if (!check::has_option("at") && (at + variant) % stride != 0) continue;
      check::at("at=%u variant=%u", at, variant);
      const std::string wrong = failing_life(fault, variant >= 16, nullptr);
      ++lives;
      if (!wrong.empty()) print_error("%s\n", wrong.c_str());
      CHECK(wrong.empty());
    }
  print_states("lives with a failing call", lives);
}

// It waited in the page cache only, its process died before the sync; that of the next process failed, and the
// kernel threw the page away. Nobody was ever promised it; the one before it was promised.
TEST(lives_message_thrown_away_by_a_failed_sync_was_never_promised) {
  World world;
  Medium& medium = world.medium;
  world.operate('P');
  world.operate('S');
  medium.at_once = false;
  world.operate('P');
  world.operate('X');
  CHECK_TEXT(world.wrong, "");
  CHECK_EQ(world.process->index().size(), 2);
  medium.fault = Fault{Fault::error, medium.calls + 1, false, 30, 3};
  medium.failed_pages_dropped = true;
  world.operate('S');
  CHECK(medium.dropped > 0);
  CHECK(world.process->queue->settled() && !world.process->queue->failing());
  CHECK_EQ(world.process->queue->lost(), 1);
  CHECK(world.ledger.find(1)->safe && !world.ledger.find(2)->safe);
  Medium left;
  medium.image({}, left);
  CHECK_TEXT(Cuts::prove(left, world.ledger, Effort{Models{}, 1, 1}, 1, 0), "");
}

TEST(lives_failed_read_when_opened_changes_nothing) {
  World world;
  for (const char* what = kLife; *what != '\0'; ++what) world.operate(*what);
  world.process->settle();
  world.ledger.note(*world.process);
  world.end();
  world.medium.reads = 0;
  Process whole(world.medium);
  CHECK_OK(whole.queue->load());
  const unsigned reads = world.medium.reads;
  for (unsigned at = 1; at <= reads; ++at)
    for (const bool for_ever : {false, true}) {
      check::at("at=%u for_ever=%d", at, for_ever ? 1 : 0);
      world.medium.fault = Fault{Fault::read, at, for_ever, 5, 3};
      world.medium.reads = 0;
      Process first(world.medium);
      CHECK_CODE(first.queue->load(), Code::io);
      world.medium.fault = {};
      Process second(world.medium);
      CHECK_OK(second.queue->load());
      CHECK_TEXT(world.ledger.check(second), "");
    }
}

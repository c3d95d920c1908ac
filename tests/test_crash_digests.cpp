// SPDX-License-Identifier: MIT
// Crash states with equal digests are looked at once (fakes/cuts.hpp): whatever makes a difference to what is
// found must make one to the digest.
#include <vector>

#include "check.hpp"
#include "fakes/world.hpp"

using namespace tocsin;
using fakes::Digest;
using fakes::Fate;
using fakes::Ledger;
using fakes::Medium;
using fakes::World;

namespace {

// Each one is new.
void expect_all_different(const std::vector<Digest>& digests) {
  for (std::size_t i = 0; i < digests.size(); ++i)
    for (std::size_t other = 0; other < i; ++other) {
      check::at("digests %zu and %zu", other, i);
      CHECK(!(digests[i] == digests[other]));
    }
}

}  // namespace

TEST(crash_digest_of_a_ledger_differs_with_everything_that_was_promised) {
  World world;
  for (const char what : {'P', 'G', 'A', 'S', 'E', 'I'}) world.operate(what);
  std::vector<Digest> digests;
  const auto with = [&](auto change) {
    Ledger ledger = world.ledger;
    ledger.process_died();
    CHECK(ledger.messages.size() > 3);
    change(ledger, ledger.messages[2]);
    digests.push_back(ledger.digest());
  };
  using M = Ledger::Message;
  with([](Ledger&, M&) {});
  with([](Ledger&, M& m) { ++m.number; });
  with([](Ledger&, M& m) { ++m.first; });
  with([](Ledger&, M& m) { ++m.serial; });
  with([](Ledger&, M& m) { ++m.tag; });
  with([](Ledger&, M& m) { ++m.group; });
  with([](Ledger&, M& m) { ++m.text_bytes; });
  with([](Ledger&, M& m) { m.safe = !m.safe; });
  with([](Ledger&, M& m) { m.gone = !m.gone; });
  with([](Ledger&, M& m) { m.unsaved = !m.unsaved; });
  with([](Ledger&, M& m) { m.missing = !m.missing; });
  with([](Ledger&, M& m) { m.known.state = State::unknown; });
  with([](Ledger&, M& m) { ++m.known.sends; });
  with([](Ledger&, M& m) { ++m.known.ways; });
  with([](Ledger&, M& m) { ++m.known.since_s; });
  with([](Ledger&, M& m) { m.next[m.news++] = {}; });
  with([](Ledger&, M& m) { m.next[m.news++] = {State::failed, 0, Ledger::kNever, false}; });
  with([](Ledger&, M& m) { m.next[m.news++] = {State::queued, 1, Ledger::kNever, false}; });
  with([](Ledger&, M& m) { m.next[m.news++] = {State::queued, 0, Ledger::kNever, true}; });
  with([](Ledger&, M& m) { m.pushed = 1; });
  with([](Ledger& l, M&) { ++l.boots; });
  with([](Ledger& l, M&) { ++l.unreadable; });
  with([](Ledger& l, M&) { l.messages.pop_back(); });
  with([](Ledger& l, M&) { l.messages.clear(); });
  with([](Ledger& l, M&) { std::swap(l.messages[0], l.messages[1]); });
  with([&](Ledger& l, M&) { l.push(*world.process, 1, 100); });
  with([&](Ledger& l, M&) { l.push(*world.process, 0, 100, 0, Transition::cleared); });
  with([&](Ledger& l, M&) { l.push(*world.process, 0, 100, 1, Transition::raised); });
  expect_all_different(digests);
}

TEST(crash_digest_of_a_ledger_forgets_the_tickets_of_a_dead_process) {
  World one, other;
  one.operate('P');
  other.process->now = Instant{1900};
  other.operate('P');
  Ledger a = one.ledger, b = other.ledger;
  a.messages[0].pushed += 8;
  CHECK(!(a.digest() == b.digest()));
  a.process_died(), b.process_died();
  CHECK(a.digest() == b.digest());
}

TEST(crash_digest_of_a_ledger_knows_what_was_not_found) {
  std::vector<Digest> digests;
  for (const Fate::Kind kind : {Fate::lost, Fate::landed}) {
    World world;
    world.operate('P');
    world.medium.at_once = false;
    world.operate('P');
    world.cut(std::vector<Fate>(world.medium.pending.size(), Fate{kind, 0}));
    CHECK_TEXT(world.wrong, "");
    CHECK_EQ(world.ledger.messages.size(), kind == Fate::landed ? 2 : 1);
    Ledger unsettled = world.ledger;
    unsettled.process_died();
    digests.push_back(unsettled.digest());
    world.process->settle();
    world.ledger.note(*world.process);  // what was not found can never come back now
    world.ledger.process_died();
    digests.push_back(world.ledger.digest());
  }
  expect_all_different(digests);
}

TEST(crash_digest_of_a_medium_differs_with_every_byte) {
  const std::uint8_t bytes[24] = {1, 2, 3};
  const Medium blank;
  std::vector<Digest> digests = {blank.digest(), Medium(9).digest()};
  for (unsigned file = 0; file < 2; ++file)
    for (const std::uint32_t at : {0U, 8U, kBlock - 16, kBlock, 8 * kBlock - 24})
      for (const bool synced : {false, true}) {
        Medium medium;
        CHECK_OK(medium.write(file, at, bytes));
        if (synced) CHECK_OK(medium.sync(file));
        digests.push_back(medium.digest());
      }
  for (std::size_t at = 0; at < sizeof bytes; ++at) {
    std::uint8_t other[sizeof bytes];
    std::memcpy(other, bytes, sizeof bytes);
    other[at] ^= 0x80;
    Medium medium;
    CHECK_OK(medium.write(0, 100, other));
    digests.push_back(medium.digest());
    medium.pending[0].clean = true;
    digests.push_back(medium.digest());
    medium.pending[0].clean = false;
    CHECK_OK(medium.sync(0));
    digests.push_back(medium.digest());
  }
  expect_all_different(digests);
}

TEST(crash_digest_of_an_image_is_that_of_its_bytes_alone) {
  std::uint8_t bytes[5000];
  for (std::size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<std::uint8_t>(i % 251 + 1);
  Medium medium;
  CHECK_OK(medium.write(0, kBlock, {bytes, kBlock}));
  CHECK_OK(medium.write(0, 2 * kBlock, {bytes + 7, kBlock}));
  CHECK_OK(medium.write(1, kBlock, {bytes, 100}));
  CHECK_OK(medium.sync(0));
  CHECK_OK(medium.write(0, 2 * kBlock, {bytes, 700}));
  const std::size_t n = medium.pending.size();
  CHECK_EQ(n, 2);
  std::vector<Digest> digests;
  Medium left;
  for (unsigned kind = Fate::lost; kind <= Fate::block_mixed; ++kind) {
    medium.image({Fate{Fate::lost, 0}, Fate{static_cast<Fate::Kind>(kind), 1}}, left);
    digests.push_back(left.digest());
  }
  // Torn after its first byte and its first sector alone are two images; torn before its first is as lost.
  expect_all_different(digests);
  medium.image({Fate{Fate::lost, 0}, Fate{Fate::torn, 0}}, left);
  CHECK(left.digest() == digests[Fate::lost]);
  // The same bytes, written anew.
  Medium again;
  CHECK_OK(again.write(0, 2 * kBlock, {bytes, 700}));
  CHECK_OK(again.write(0, 2 * kBlock + 700, {bytes + 707, kBlock - 700}));
  CHECK_OK(again.write(0, kBlock, {bytes, kBlock}));
  CHECK_OK(again.sync(0));
  CHECK(again.digest() == digests[Fate::landed]);
  medium.process_died(left);
  CHECK(!(left.digest() == digests[Fate::landed]) && left.digest() == medium.digest());
}

// SPDX-License-Identifier: MIT
// Every bit of a queue's two files turned over, one at a time, and the files cut off at every length.
//
// What one wrong bit may cost (Q6), and what each of these checks says exactly. "Covered" is a record of
// which another copy lies in the file (the older version of a started block): nothing is lost, nothing is
// reported.
//
//   event     its messages, all of them; an alarm it told goes back to what was known before
//   state     its words: the record behind it tells the state and how many copies were counted. Only where it is
//             the newest record of all its message goes back to the record before: one copy too many may then
//             reach the service (4 of a message that may have 3), as the lost record is the only place that knew
//             of it. The message whose record it is, no other.
//   ended     as state: uuid and reason. It is never sent again, whoever else waits. Only where it is the newest
//             record of all it waits again, with the copies that are left.
//   alarm     that alarm goes back to what was known before, or is not known
//   start     run, boot and tag of the start before; without one, counters begin again under another tag
//   stop      the run did not end in good order: numbers go on with a gap
//   seal      nothing, once anything was written after it; before that, the file before is used, which holds
//             the same
//   a head    nothing: it lies twice. The file that is not in use: nothing. Between the records: nothing.
//
// Reported (Found::damaged) if a later record knows that it had been synced - so not when the last sync of
// all wrote it - and no start excuses it: a start cannot know whether what the last sync before it wrote had
// been promised, but for the records right before it, which it found and wrote again. A stop that is gone is
// reported as unclean. A head is not reported. In no case is a number given out that was told to anybody, nor an id.
//
//   queue_any_bit* all=1                             every bit, not a slice
//   queue_any_bit* sample=1 file=1 at=4130 bit=3     one case, as a failure prints it
#include "queue_forge.hpp"
#include "queue_sample.hpp"
#include "tocsin/outbox/outbox.hpp"

using namespace tocsin;
using namespace fakes;

namespace {

// As if nothing had ever been written to the active file.
Picture picture_before(const Sample& sample, const Layout& layout) {
  Disk older = sample.disk;
  older.seen(layout.active).assign(kBlocks * kBlock, 0);
  return load_picture(older);
}

// ---- going on ---------------------------------------------------------------------------------------------

class Silent final : public Observer {
 public:
  void message_ended(const MessageId&, std::uint32_t, State, std::string_view) override {}
  void stream_changed(std::string_view, std::string_view, std::string_view) override {}
  void budget_spent(Class, Instant) override {}
};

// The program goes on with these files: it takes the queue, accepts a message under a number and an id that
// nobody was told before, sends no message too often, and finds everything again the next time. kAny: records
// of any message may be lost, so that numbers and copies are not looked at.
constexpr std::uint32_t kAny = 0xFFFFFFFF;
void check_goes_on(Disk disk, const Sample& sample, const Picture& found, std::uint32_t state_lost_of) {
  Process run(disk);
  run.start(9);
  CHECK(run.queue.settled());
  Silent silent;
  Outbox outbox(run.queue, the_index, silent);
  outbox.load(run.clocks());
  for (std::size_t at = 0; at < the_index.size(); ++at) {
    const Entry& entry = the_index[at];
    if (ended(entry.state)) continue;
    const unsigned most = Outbox::most_sends(entry);
    const auto known = sample.may_have.find(entry.number);
    CHECK(known != sample.may_have.end());
    const unsigned had = known->second;
    if (state_lost_of != kAny)
      CHECK(had + (most - entry.sends) <= most + (entry.number == state_lost_of ? 1U : 0U));
  }
  run.settle();
  const auto pushed = run.push(2, "written after the damage");
  CHECK_OK(pushed);
  const std::uint32_t number = pushed.value().first_number;
  run.settle();
  CHECK(run.queue.on_medium(pushed.value().ticket));
  if (state_lost_of != kAny) {
    CHECK(sample.may_have.empty() || number > sample.may_have.rbegin()->first);
    CHECK(sample.told.count(run.id(number)) == 0 && sample.told.count(run.id(number + 1)) == 0);
  }
  CHECK(!run.queue.failing());
  CHECK_EQ(run.queue.lost(), 0);

  Process next(disk);
  CHECK_OK(next.load());
  const Picture again = picture(next);
  CHECK_EQ(again.messages.count(number) + again.messages.count(number + 1), 2);
  for (const auto& [old, m] : found.messages) {
    const auto same = again.messages.find(old);
    if (same == again.messages.end() && ended(m.state)) continue;  // a turn let go of it
    CHECK(same != again.messages.end());
    CHECK(same->second.text == m.text && same->second.phone == m.phone && same->second.id == m.id);
    CHECK(!ended(m.state) || ended(same->second.state));
  }
}

bool chosen(const char* option, std::uint64_t value) {
  return !check::has_option(option) || check::option(option, 0) == value;
}

}  // namespace

TEST(queue_any_bit_turned_over_costs_one_record_at_most) {
  const bool all = check::option("all", 0) != 0 || check::has_option("bit");
  unsigned cases = 0, goes_on = 0, lost_cases = 0, reported = 0, kinds = 0;
  for (unsigned n = 0; n < static_cast<unsigned>(End::last); ++n) {
    if (!chosen("sample", n)) continue;
    check::at("sample=%u", n);
    Sample sample = make_sample(static_cast<End>(n));
    const Picture whole = load_picture(sample.disk);
    const Layout layout = layout_of(sample.disk);
    const Picture before = picture_before(sample, layout);
    for (unsigned file = 0; file < 2; ++file) {
      if (!chosen("file", file)) continue;
      Disk::Image& image = sample.disk.seen(file);
      std::uint32_t idle = 0;  // zeros before this byte: a little behind the last record is looked at, too
      std::uint32_t first_at = 0;
      for (std::uint32_t at = 0; at < image.size(); ++at) {
        if (at % kBlock == 0) idle = 64;
        idle = image[at] != 0 ? 0 : idle + 1;
        if (idle > 48 && !check::has_option("at")) continue;
        if (!chosen("at", at)) continue;
        const bool in_long_text = at >= 64 && std::memcmp(&image[at - 32], &image[at - 31], 32) == 0;
        if (in_long_text && at % 64 != 0 && !check::has_option("at")) continue;
        const Piece* hit = file == layout.active ? layout.covering(at) : nullptr;
        // All bits of the first record of each kind and of the newest, of the others one in every third byte.
        bool every_bit = all || at < kFileHeadBytes;
        if (hit != nullptr && layout.copies(hit->head.lsn) == 1) {
          const unsigned kind = 1U << static_cast<unsigned>(hit->head.kind);
          if ((kinds & kind) == 0 || first_at == hit->at || hit->head.lsn == layout.newest())
            every_bit = true, first_at = hit->at;
          kinds |= kind;
        }
        for (unsigned bit = 0; bit < 8; ++bit) {
          if (!chosen("bit", bit) || (!every_bit && (bit != at * 5 % 8 || at % 3 != n % 3))) continue;
          check::at("sample=%u file=%u at=%u bit=%u", n, file, at, bit);
          ++cases;
          image[at] ^= static_cast<std::uint8_t>(1U << bit);
          Queue::Found found;
          const Picture left = load_picture(sample.disk, &found);
          const bool gone = hit != nullptr && layout.copies(hit->head.lsn) == 1;
          std::uint32_t state_lost_of = 0;
          if (!gone) {
            check_same(left, whole);
            CHECK_EQ(found.damaged, 0);
          } else {
            ++lost_cases;
            check_same(left, picture_left(layout, layout.without(hit->head.lsn), before));
            const bool must_report = layout.reported(hit->head.lsn);
            // A start record also excused others: without it these count as well.
            if (hit->head.kind == RecordKind::start)
              CHECK(found.damaged >= (must_report ? 1U : 0U));
            else
              CHECK_EQ(found.damaged, must_report ? 1 : 0);
            reported += found.damaged > 0 ? 1U : 0U;
            if (hit->head.kind == RecordKind::stop) CHECK(found.unclean);
            const bool is_newest = hit->head.lsn == layout.newest();
            if (is_newest && (hit->head.kind == RecordKind::state || hit->head.kind == RecordKind::ended))
              state_lost_of = hit->head.number;
            for (const auto& [number, m] : whole.messages) {
              const auto now = left.messages.find(number);
              if (hit->head.kind == RecordKind::event && now == left.messages.end()) continue;
              if (layout.active == file && left.messages == before.messages) continue;  // it was the only seal
              CHECK(now != left.messages.end());
              CHECK(ended(now->second.state) == ended(m.state) || number == state_lost_of);
              CHECK(now->second.sends >= m.sends || number == state_lost_of);
            }
          }
          if (cases % 8 == 0 || check::has_option("at")) {
            ++goes_on;
            check_goes_on(sample.disk, sample, left, state_lost_of);
          }
          image[at] ^= static_cast<std::uint8_t>(1U << bit);
        }
      }
    }
    if (!check::has_option("at")) print_message("end %s: %zu records\n", kEndWords[n], layout.pieces.size());
  }
  print_message("%u bits; a record lost %u times, reported %u times; gone on with %u times\n", cases,
                lost_cases, reported, goes_on);
  if (!check::has_option("sample")) CHECK_EQ(kinds, 0x1FE);  // every kind was hit
}

// The rest of a file reads as zeros, as no port leaves it that knows of a cut. What lies before the cut is found, whole records of it; what lay behind
// it is lost, and reported only where a record before the cut knows of it - as after a power cut, nothing
// tells that there was more. Without head, or without seal and all that was written after it, the file before
// is the truth again: what ended since then waits again. Numbers go on 256 behind the newest record that is
// left: those that were given out by later runs of the program are given out again, with the same tag.
TEST(queue_file_cut_off_anywhere_keeps_what_lies_before) {
  const bool all = check::option("all", 0) != 0;
  unsigned cases = 0, fell_back = 0;
  for (unsigned n = 0; n < static_cast<unsigned>(End::last); ++n) {
    if (!chosen("sample", n)) continue;
    check::at("sample=%u", n);
    const Sample sample = make_sample(static_cast<End>(n));
    const Layout layout = layout_of(sample.disk);
    const Picture whole = picture_of(layout.pieces, layout.head.first_lsn);
    const Picture before = picture_before(sample, layout);
    for (unsigned file = 0; file < 2; ++file) {
      if (!chosen("file", file)) continue;
      const Disk::Image& image = sample.disk.seen(file);
      Disk cut = sample.disk;
      std::vector<Piece> left = layout.pieces;
      for (auto at = static_cast<std::uint32_t>(image.size()); at > 0;) {
        if (image[--at] == 0) continue;  // the same as one byte more
        cut.seen(file)[at] = 0;
        for (std::size_t i = left.size(); file == layout.active && i > 0; --i)
          if (at >= left[i - 1].at && at < left[i - 1].at + left[i - 1].space)
            left.erase(left.begin() + static_cast<long>(i - 1));
        const bool inside_text = at % kBlock >= 32 && image[at - 1] == 'x';
        if (!chosen("bytes", at) || (inside_text && at % 64 != 0)) continue;
        if (!all && !check::has_option("bytes") && at % 3 != n % 3 && at % kBlock > 0 && image[at - 1] != 0)
          continue;
        check::at("sample=%u file=%u bytes=%u", n, file, at);
        ++cases;
        Picture want = whole;
        if (file == layout.active) {
          want = at < kFileHeadBytes ? before : picture_left(layout, left, before);
          fell_back += want.messages == before.messages ? 1U : 0U;
        }
        const Picture got = load_picture(cut);
        check_same(got, want);
        if (cases % 8 == 0 || check::has_option("bytes")) check_goes_on(cut, sample, got, kAny);
      }
    }
  }
  print_message("%u lengths, %u times the file before\n", cases, fell_back);
}

// The store itself is shorter: whole blocks are gone from its end, the second head among them. The head in front knows.
TEST(queue_store_that_became_shorter_keeps_what_is_left_and_goes_on) {
  for (unsigned n = 0; n < static_cast<unsigned>(End::last); ++n) {
    const Sample sample = make_sample(static_cast<End>(n));
    const Layout layout = layout_of(sample.disk);
    const Picture before = picture_before(sample, layout);
    for (unsigned file = 0; file < 2; ++file)
      for (std::uint32_t blocks = Queue::kMinBlocks; blocks < kBlocks; ++blocks) {
        if (!chosen("sample", n) || !chosen("file", file) || !chosen("blocks", blocks)) continue;
        check::at("sample=%u file=%u blocks=%u", n, file, blocks);
        Disk cut = sample.disk;
        cut.seen(file).resize(blocks * kBlock);
        cut.durable(file).resize(blocks * kBlock);
        std::vector<Piece> left;
        for (const Piece& p : layout.pieces)
          if (file != layout.active || p.at < (blocks - 1) * kBlock) left.push_back(p);
        Process run(cut);
        CHECK_OK(run.load());
        Picture want = picture_left(layout, left, before);
        // What the end said is not known: what waits has one copy left at most, and no number comes again.
        if (file == layout.active) {
          CHECK_EQ(run.found.cut_off, file);
          CHECK(run.found.damaged > 0);
          for (std::size_t i = 0; i < the_index.size(); ++i) {
            if (ended(the_index[i].state)) continue;
            CHECK(the_index[i].sends + 1U >= Outbox::most_sends(the_index[i]));
            want.messages.at(the_index[i].number).sends = the_index[i].sends;
          }
        }
        const Picture got = picture(run);
        check_same(got, want);
        check_goes_on(cut, sample, got, kAny);
      }
  }
}

// A block whose front is damaged - its first record, or all before its last - far behind every other record
// of the file: what is left of it is found. No place of a file is skipped for what lies before it.
TEST(queue_record_behind_a_damaged_front_of_its_block_is_found_wherever_the_block_lies) {
  constexpr std::uint32_t kManyBlocks = 40;
  for (const std::uint32_t block : {2U, 9U, 20U, kManyBlocks - 2})
    for (unsigned damage = 0; damage < 4; ++damage)
      for (const bool scrap : {false, true}) {
        check::at("block=%u damage=%u scrap=%d", block, damage, scrap);
        Forge forge(kManyBlocks);
        if (scrap) {  // what an older generation left, in every block
          Forge older(kManyBlocks, 77);
          older.at = kBlock;
          for (std::uint32_t number = 1; older.at + 2 * kBlock < kManyBlocks * kBlock; ++number)
            older.event(number, 1, std::string(500, 'o'));
          std::memcpy(forge.bytes() + kBlock, older.bytes() + kBlock, (kManyBlocks - 2) * kBlock);
        }
        forge.begin();
        forge.event(1, 1, "near the front");
        forge.at = block * kBlock;
        forge.event(2, 1, "first of its block");
        forge.event(3, 2, "second of its block");
        const std::uint32_t last = forge.at;
        forge.event(5, 1, "last of its block");
        std::uint8_t* const front = forge.bytes() + block * kBlock;
        if (damage == 1) front[0] ^= 1;
        if (damage == 2) front[40] ^= 1;
        if (damage == 3) std::memset(front, 0, last - block * kBlock);
        Process run(forge.disk);
        CHECK_OK(run.load());
        CHECK(the_index.find(1) != nullptr && the_index.find(5) != nullptr);
        CHECK_EQ(the_index.find(2) != nullptr, damage == 0);
        CHECK_EQ(the_index.find(3) != nullptr && the_index.find(4) != nullptr, damage < 3);
        const auto body = run.queue.read_body(*the_index.find(5), run.scratch);
        CHECK_TEXT(body.value().event.text, "last of its block");
      }
}

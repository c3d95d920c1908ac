// SPDX-License-Identifier: MIT
// Files that lost both their heads: as long as anything tells what lies in them it is found, and what nobody can
// tell any more is said, kept aside, and never sent as if nothing had happened.
#include "queue_forge.hpp"
#include "queue_sample.hpp"
#include "tocsin/outbox/outbox.hpp"

using namespace tocsin;
using namespace fakes;

namespace {

class Silent final : public Observer {
 public:
  void message_ended(const MessageId&, std::uint32_t, State, std::string_view) override {}
  void stream_changed(std::string_view, std::string_view, std::string_view) override {}
  void budget_spent(Class, Instant) override {}
};

enum class Loss : unsigned { bit, zeros, garbage, ones, last };

void lose(Disk& disk, unsigned file, std::uint32_t slot, Loss how) {
  std::uint8_t* const p = disk.seen(file).data() + slot * kBlock;
  for (std::uint32_t i = 0; i < kBlock; ++i)
    p[i] = how == Loss::bit       ? static_cast<std::uint8_t>(p[i] ^ (i == 20 ? 4 : 0))
           : how == Loss::zeros   ? std::uint8_t{0}
           : how == Loss::garbage ? static_cast<std::uint8_t>(i * 151 + i / 256 * 37 + slot)
                                  : std::uint8_t{0xFF};
}
void lose_heads(Disk& disk, unsigned file, Loss how) {
  lose(disk, file, 0, how);
  lose(disk, file, static_cast<std::uint32_t>(disk.seen(file).size() / kBlock) - 1, how);
}
void lose_all(Disk& disk, unsigned file, Loss how) {
  for (std::uint32_t slot = 0; slot < disk.seen(file).size() / kBlock; ++slot) lose(disk, file, slot, how);
}

// Generation 1 in queue.0, generation 2 in queue.1; what is in both, and what only the second one knows.
struct Pair {
  Disk disk{12};
  std::uint32_t waits = 0, ended_later = 0, newer = 0;
  std::string tag;
  Pair() {
    Process run(disk);
    run.start();
    waits = run.push(1, "waits").value().first_number;
    ended_later = run.push(1, "ends in the newer file").value().first_number;
    run.settle();
    disk.fail_at = disk.calls + 2;
    CHECK_OK(run.push(1, "during the failure"));
    run.settle();
    disk.fail_at = 0;
    CHECK_EQ(run.queue.active_file(), 1);
    CHECK_OK(run.end(ended_later));
    newer = run.push(1, "accepted by the newer file").value().first_number;
    run.settle();
    tag = std::string(run.queue.run().tag, 4);
  }
};

}  // namespace

TEST(queue_newer_file_without_its_heads_is_used_as_if_they_were_there) {
  // The older one was taken in silence: what had ended was sent again, what was newer was gone.
  for (unsigned how = 0; how < static_cast<unsigned>(Loss::last); ++how) {
    check::at("how=%u", how);
    Pair pair;
    lose_heads(pair.disk, 1, static_cast<Loss>(how));
    for (std::uint8_t start = 2; start < 5; ++start) {
      Process run(pair.disk);
      run.start(start);
      CHECK_EQ(run.found.damaged, start == 2 ? 1 : 0);
      CHECK((run.found.heads == Queue::Heads::lost) == (start == 2));
      CHECK(the_index.find(pair.waits)->state == State::queued);
      CHECK(the_index.find(pair.waits)->doubt == Doubt::none);
      CHECK(the_index.find(pair.ended_later)->state == State::accepted);
      CHECK(the_index.find(pair.newer) != nullptr);
      CHECK(std::string(run.queue.run().tag, 4) == pair.tag);
    }
    check_works(pair.disk);
  }
}

TEST(queue_newer_file_without_its_heads_is_found_after_any_number_of_turns_that_failed) {
  for (const std::uint32_t generation : {2U, 3U, 17U, 65U}) {
    check::at("generation=%u", generation);
    Forge forge;
    forge.begin();
    forge.event(1, 1, "waits");
    Forge newer(8, generation, 1000);
    newer.begin();
    newer.event(1, 1, "waits");
    newer.state(1, State::accepted, 1, RecordKind::ended);
    newer.event(2, 1, "is newer");
    forge.disk.seen(1) = newer.disk.seen(0);
    lose_heads(forge.disk, 1, Loss::zeros);
    Process run(forge.disk);
    CHECK_OK(run.load());
    CHECK_EQ(run.queue.generation(), generation);
    CHECK(the_index.find(1)->state == State::accepted);
    CHECK(the_index.find(2) != nullptr);
    check_works(forge.disk);
  }
}

TEST(queue_copy_without_heads_that_was_never_sealed_is_none) {
  Forge forge;
  forge.begin();
  forge.event(1, 1, "waits");
  Forge copy(8, 2, 1000);
  copy.event(1, 1, "waits");
  copy.event(2, 1, "was never promised");
  forge.disk.seen(1) = copy.disk.seen(0);
  lose_heads(forge.disk, 1, Loss::zeros);
  Process run(forge.disk);
  CHECK_OK(run.load());
  CHECK_EQ(run.queue.generation(), 1);
  CHECK(the_index.find(2) == nullptr);
  CHECK(the_index.find(1)->doubt == Doubt::none);
  check_works(forge.disk);
}

TEST(queue_file_that_is_not_in_use_may_lose_its_heads) {
  for (unsigned how = 0; how < static_cast<unsigned>(Loss::last); ++how) {
    check::at("how=%u", how);
    Pair pair;
    lose_heads(pair.disk, 0, static_cast<Loss>(how));
    Process run(pair.disk);
    CHECK_OK(run.load());
    CHECK_EQ(run.found.damaged, 0);
    CHECK(run.found.heads == Queue::Heads::there);
    CHECK(the_index.find(pair.newer)->doubt == Doubt::none);
    check_works(pair.disk);
  }
}

TEST(queue_of_which_nothing_of_one_file_can_be_read_sends_what_waits_in_the_other_once_more_at_most) {
  for (const Loss how : {Loss::garbage, Loss::ones}) {
    check::at("how=%u", static_cast<unsigned>(how));
    Pair pair;
    lose_all(pair.disk, 1, how);
    for (std::uint8_t start = 2; start < 5; ++start) {
      Process run(pair.disk);
      CHECK_OK(run.load());
      if (start == 2) {
        const auto place = run.queue.next_damaged({}, run.scratch);
        if (how == Loss::garbage) CHECK(place.ok() && place.value().file == 1 && place.value().slot == 0);
      }
      Process next(pair.disk);
      next.start(start, 7, 0x1234567812345678 + start);
      CHECK_EQ(next.found.damaged, start == 2 ? 1 : 0);
      CHECK((next.found.heads == Queue::Heads::unknown) == (start == 2));
      Silent silent;
      Outbox outbox(next.queue, the_index, silent);
      outbox.load(next.clocks());
      for (const std::uint32_t number : {pair.waits, pair.ended_later}) {
        const Entry* entry = the_index.find(number);
        CHECK_EQ(Outbox::most_sends(*entry) - entry->sends, 1);
        CHECK(entry->repeat);
      }
      // Whatever the lost file gave out is not given out again, and it may have been a lot.
      const auto pushed = next.push(1, "written behind it");
      CHECK(pushed.value().first_number > pair.newer + 100'000);
      CHECK(next.id(pushed.value().first_number).find(pair.tag) == std::string::npos);
      next.settle();
      CHECK(next.queue.on_medium(pushed.value().ticket));
    }
  }
}

TEST(queue_of_which_all_four_heads_are_gone_is_unreadable_and_not_empty) {
  // "An empty queue", said the check, and what waited was gone in silence.
  for (unsigned how = 0; how < static_cast<unsigned>(Loss::last); ++how)
    for (const bool one_file : {false, true}) {
      check::at("how=%u one_file=%d", how, one_file ? 1 : 0);
      Pair pair;
      if (one_file) pair.disk.seen(1).assign(pair.disk.seen(1).size(), 0);
      lose_heads(pair.disk, 0, static_cast<Loss>(how));
      lose_heads(pair.disk, 1, static_cast<Loss>(how));
      Process run(pair.disk);
      CHECK_OK(run.load());
      CHECK(run.found.fresh && run.found.unreadable);
      const auto place = run.queue.next_damaged({0, 1}, run.scratch);
      CHECK(place.ok() && place.value().slot == 1);
      {
        Process next(pair.disk);
        next.start(2, 7, 0x1234567812345678);  // of another salt: what lies there is never read again
        CHECK(next.queue.settled());
        CHECK_OK(next.push(1, "written behind it"));
        next.settle();
      }
      Process last(pair.disk);
      CHECK_OK(last.load());
      CHECK(!last.found.unreadable && last.found.damaged == 0);
      CHECK_EQ(the_index.size(), 1);
      CHECK(the_index[0].doubt == Doubt::none);
    }
}

TEST(queue_newer_file_of_which_all_records_are_gone_is_told_as_a_turn_or_damage) {
  // It was used in silence, as after a cut: what was newer was gone without a word.
  for (unsigned how = 0; how < static_cast<unsigned>(Loss::last); ++how) {
    check::at("how=%u", how);
    Pair pair;
    {
      Process run(pair.disk);
      CHECK_OK(run.load());
      CHECK_EQ(run.found.unsealed, Queue::Found::kNoFile);
    }
    for (std::uint32_t slot = 1; slot < 11; ++slot)
      lose(pair.disk, 1, slot, how == 0 ? Loss::garbage : static_cast<Loss>(how));
    Process run(pair.disk);
    CHECK_OK(run.load());
    const Queue::Found& found = run.found;
    CHECK_EQ(found.unsealed, 1);
    CHECK(!found.fresh && !found.unreadable);
    CHECK_EQ(run.queue.active_file(), 0);
    CHECK(the_index.find(pair.newer) == nullptr);
  }
}

TEST(queue_of_one_file_whose_records_are_all_gone_is_fresh_and_tells_its_blocks) {
  Disk disk{12};
  {
    Process run(disk);
    CHECK_OK(run.load());
    CHECK_EQ(run.found.unsealed, Queue::Found::kNoFile);
  }
  {
    Process run(disk);
    run.start();
    CHECK_OK(run.push(1, "lost"));
    run.settle();
    CHECK_CODE(run.queue.next_damaged({}, run.scratch), Code::not_found);
  }
  for (std::uint32_t slot = 1; slot < 5; ++slot) lose(disk, 0, slot, slot == 2 ? Loss::zeros : Loss::garbage);
  Process run(disk);
  CHECK_OK(run.load());
  const Queue::Found& found = run.found;
  CHECK(found.fresh && !found.unreadable);
  CHECK_EQ(found.unsealed, 0);
  const auto first = run.queue.next_damaged({}, run.scratch);
  CHECK(first.ok() && first.value().file == 0 && first.value().slot == 1);
  const auto second = run.queue.next_damaged({0, 2}, run.scratch);
  CHECK(second.ok() && second.value().slot == 3);
  CHECK_CODE(run.queue.next_damaged({0, 5}, run.scratch), Code::not_found);
}

TEST(queue_of_zeros_is_empty_wherever_it_was_cut_before_its_first_heads_were_there) {
  for (unsigned cut = 0; cut < 3; ++cut) {
    Disk disk(8);
    disk.cut_at = cut;
    {
      Process run(disk);
      CHECK_OK(run.load());
      CHECK(run.found.fresh && !run.found.unreadable);
    }
  }
  Disk disk(8);
  Process run(disk);
  CHECK_OK(run.load());
  CHECK_CODE(run.queue.next_damaged({}, run.scratch), Code::not_found);
}

TEST(queue_head_that_cannot_be_read_is_an_error_or_left_out_when_the_device_has_to_start) {
  Pair pair;
  for (const int block : {0, 11}) {
    check::at("block=%d", block);
    Disk disk = pair.disk;
    disk.bad_block = block;
    Process run(disk);
    CHECK_CODE(run.queue.load(), Code::io);
    const auto found = run.queue.load(Queue::BadBlocks::leave_out);
    CHECK_OK(found);
    CHECK_EQ(found.value().bad_blocks, 2);  // that block of either file
    CHECK(the_index.find(pair.newer) != nullptr);
  }
}

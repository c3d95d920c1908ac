// SPDX-License-Identifier: MIT
// A queue that is read in pieces of several blocks: it finds what it finds block by block, also where a piece cannot be
// read because of one block in it.
#include "queue_sample.hpp"

using namespace tocsin;
using namespace fakes;

namespace {

struct Look {
  Picture picture;
  Queue::Found found;
};

Look look(const Sample& sample, int bad_block, MutBytes room) {
  Disk disk = sample.disk.image(0);
  disk.bad_block = bad_block;
  Process run(disk);
  const auto found = run.queue.load(Queue::BadBlocks::leave_out, room);
  CHECK_OK(found);
  disk.bad_block = -1;
  return {picture(run), found.value()};
}

}  // namespace

TEST(queue_read_in_pieces_finds_what_it_finds_block_by_block) {
  alignas(8) static std::uint8_t memory[(kBlocks + 1) * kBlock];
  unsigned looks = 0, left_out = 0;
  for (unsigned end = 0; end < static_cast<unsigned>(End::last); ++end) {
    const Sample sample = make_sample(static_cast<End>(end));
    for (int bad = -1; bad < static_cast<int>(kBlocks); ++bad) {
      const Look alone = look(sample, bad, {});
      for (std::size_t blocks = 1; blocks <= kBlocks + 1; ++blocks) {
        std::memset(memory, 0xA5, sizeof memory);
        const Look pieces = look(sample, bad, MutBytes{memory}.first(blocks * kBlock));
        CHECK(pieces.picture.messages == alone.picture.messages);
        CHECK(pieces.picture.alarms == alone.picture.alarms);
        CHECK_EQ(pieces.found.records, alone.found.records);
        CHECK_EQ(pieces.found.damaged, alone.found.damaged);
        CHECK_EQ(pieces.found.bad_blocks, alone.found.bad_blocks);
        left_out += pieces.found.bad_blocks;
        ++looks;
      }
    }
  }
  print_message("%u looks, %u blocks left out\n", looks, left_out);
  CHECK(left_out > 0);
}

TEST(queue_block_that_cannot_be_read_is_an_error_in_a_piece_as_well) {
  alignas(8) static std::uint8_t memory[3 * kBlock];
  Disk disk = make_sample(End::stop).disk.image(0);
  Process first(disk);
  CHECK_OK(first.queue.load(Queue::BadBlocks::refuse, memory));
  disk.bad_block = 2;
  Process run(disk);
  CHECK_CODE(run.queue.load(Queue::BadBlocks::refuse, memory), Code::io);
}

TEST(queue_with_more_room_needs_fewer_reads) {
  alignas(8) static std::uint8_t memory[kBlocks * kBlock];
  Disk disk = make_sample(End::stop).disk.image(0);
  unsigned reads[2] = {};
  for (const bool pieces : {false, true}) {
    Process run(disk);
    disk.reads = 0;
    CHECK_OK(run.queue.load(Queue::BadBlocks::refuse, pieces ? MutBytes{memory} : MutBytes{}));
    reads[pieces] = disk.reads;
  }
  CHECK_EQ(reads[0] - reads[1], kBlocks - 3);  // but for the first and the last block, and the one that is read
}

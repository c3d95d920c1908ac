// SPDX-License-Identifier: MIT
// A file that lost both its heads. As long as the other one has a head, the salt is known, and the generation
// can be tried: a turn makes it one more, and each turn that failed another one.
#include "queue_scan.hpp"

namespace tocsin {
namespace {

constexpr std::uint32_t kGenerationsTried = 64;  // above the one that is known, and below it
// More than anybody can have used in a file that nobody can read.
constexpr std::uint32_t kGenerationsSkipped = 1'024;
constexpr std::uint32_t kNumbersSkipped = 1'000'000;

}  // namespace

// Whether one of these slots was ever written.
Result<bool> Queue::holds_something(unsigned which, std::uint32_t from, std::uint32_t looks, BadBlocks policy) {
  Store& store = *store_[which];
  std::uint32_t end = slots(store);
  if (from < end && looks < end - from) end = from + looks;
  Blocks blocks{store, room_, end};
  for (std::uint32_t slot = from; slot < end; ++slot) {
    const auto block = blocks.read(slot);
    if (!block.ok() && policy == BadBlocks::refuse) return block.status();
    if (!block.ok()) continue;
    // What no flash erased was written, all ones as well.
    const bool may_be_erased = block.value()[0] == 0 || store.erased_together() > 1;
    if (!(may_be_erased && is_blank(block.value()))) return true;
  }
  return false;
}

// It may have been the newer one: its generation and its numbers are not used again.
void Queue::skip_what_was_lost() {
  if (moved_generation_ < UINT32_MAX - 2 * kGenerationsSkipped) moved_generation_ += kGenerationsSkipped;
  if (next_number_ < UINT32_MAX - 2 * kNumbersSkipped) next_number_ += kNumbersSkipped;
}

// Whether the file has lost the end that it had when this head was written: it is shorter now, or was filled up again.
// Errors: io.
Result<bool> Queue::is_cut_off(const Candidate& file, BadBlocks policy) {
  Store& store = *store_[file.which];
  const std::uint32_t blocks = file.head.blocks;
  if (store.capacity() / kBlock < blocks) return true;
  if (blocks == 0) return false;
  const MutBytes end = MutBytes{buffers_[0]}.first(kFilledUp.size());
  const Status read = store.read((blocks - 1) * kBlock, end);
  if (!read.ok() && policy == BadBlocks::refuse) return read;
  return read.ok() && as_text(Bytes{end}) == kFilledUp;
}

// The newest generation of which the file has a record, as its head would tell it; what this head does not
// know is where the generation began: not above the lowest LSN that is found. Errors: empty: there is none; io.
Result<FileHead> Queue::guess_head(unsigned which, const FileHead& other, BadBlocks policy) {
  constexpr std::uint32_t kKeys = 2 * kGenerationsTried + 1;
  FileKey keys[kKeys];
  const std::uint32_t first = other.generation > kGenerationsTried ? other.generation - kGenerationsTried : 0;
  for (std::uint32_t i = 0; i < kKeys; ++i) keys[i] = file_key(other.salt, first + i);
  Store& store = *store_[which];
  FileHead head = other;
  head.blocks = 0;
  std::uint32_t newest = kKeys;
  for (std::uint32_t slot = 1; slot < slots(store); ++slot) {
    const Status read = store.read(slot * kBlock, buffers_[0]);
    if (!read.ok() && policy == BadBlocks::refuse) return read;
    const Bytes block{buffers_[0]};
    if (!read.ok() || is_blank(block)) continue;
    for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock; offset += 8) {
      const std::uint32_t mark = load32(block.data() + offset);
      for (std::uint32_t i = newest == kKeys ? 0 : newest; i < kKeys; ++i) {
        if (keys[i].mark != mark) continue;
        const auto record = decode_record(keys[i], block.drop(offset));
        if (!record.ok()) continue;
        const Lsn lsn = record.value().head.lsn;
        if (i != newest || lsn < head.first_lsn) head.first_lsn = lsn;
        newest = i;
        offset += record.value().space - 8;
        break;
      }
    }
  }
  if (newest == kKeys) return Code::empty;
  head.generation = first + newest;
  return head;
}

}  // namespace tocsin

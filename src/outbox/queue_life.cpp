// SPDX-License-Identifier: MIT
// What a technician asks of the files: the life of one message, and where the damage lies.
#include "queue_staged.hpp"

namespace tocsin {

namespace {

// Something lies there, and no record of this generation.
bool is_unknown(const FileKey& key, Bytes block) {
  for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock; offset += 8)
    if (decode_record(key, block.drop(offset)).ok()) return false;
  return !is_blank(block);
}

}  // namespace

std::size_t Queue::find_life(std::uint32_t number, Span<LifeStep> into) const {
  alignas(8) std::uint8_t block[kBlock];
  std::size_t count = 0;
  for (unsigned file = 0; file < 2; ++file) {
    const Store& store = *store_[file];
    if (generation_of_[file] == 0) continue;
    const FileKey key = file_key(salt_, generation_of_[file]);
    for (std::uint32_t slot = 1; slot < slots(store); ++slot) {
      if (!store_[file]->read(slot * kBlock, block).ok()) continue;
      for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock;) {
        const auto record = decode_record(key, Bytes{block}.drop(offset));
        if (!record.ok()) {
          offset += 8;
          continue;
        }
        const LifeStep step{record.value().head.lsn, file, static_cast<std::uint32_t>(slot * kBlock + offset)};
        offset += record.value().space;
        const RecordKind kind = record.value().head.kind;
        if (record.value().head.number != number || (kind != RecordKind::state && kind != RecordKind::ended)) continue;
        std::size_t to = count;
        while (to > 0 && into[to - 1].lsn > step.lsn) --to;
        if (to == into.size() || (to > 0 && into[to - 1].lsn == step.lsn)) continue;  // a block has two versions
        if (count < into.size()) ++count;
        for (std::size_t at = count - 1; at > to; --at) into[at] = into[at - 1];
        into[to] = step;
      }
    }
  }
  return count;
}

Result<Record> Queue::read_life(const LifeStep& step, MutBytes scratch) const {
  const std::uint32_t offset = step.at % kBlock;
  TRY(store_[step.file]->read(step.at - offset, scratch.first(kBlock)));
  TRY_LET(record, decode_record(file_key(salt_, generation_of_[step.file]), Bytes{scratch}.first(kBlock).drop(offset)));
  if (record.head.lsn != step.lsn) return Code::corrupt;
  return record;
}

// Of a block that a power cut tore as well: nobody was promised what lies there, and nobody can tell.
bool Queue::is_damaged(Place place, Bytes block) const {
  const bool of_head = place.slot == 0 || place.slot == slots(*store_[place.file]);
  if (told_nothing_[place.file]) return !is_blank(block);
  if (is_begun(place.file)) return !of_head && is_unknown(file_key(salt_, generation_of_[place.file]), block);
  if (generation_ == 0 || place.file != active_) return false;
  if (of_head) return lost_heads_[place.file] && !is_blank(block);
  bool any = false, broken = false;
  for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock;) {
    const auto record = decode_record(log_.key, block.drop(offset));
    any = any || record.ok();
    broken = broken || (!record.ok() && load32(block.data() + offset) == log_.key.mark);
    offset += record.ok() ? record.value().space : 8;
  }
  return broken || (place.slot < log_.next_block && !any && !is_blank(block));
}

Result<Queue::Place> Queue::next_damaged(Place from, MutBytes into) const {
  for (; from.file < 2; from = {from.file + 1, 0}) {
    Store& store = *store_[from.file];
    const bool is_used = generation_ != 0 && from.file == active_;
    if (!told_nothing_[from.file] && !is_begun(from.file) && !is_used) continue;
    for (; from.slot <= slots(store); ++from.slot) {
      const bool read = store.read(from.slot * kBlock, into.first(kBlock)).ok();
      if (!read) std::memset(into.data(), 0, kBlock);
      if (!read || is_damaged(from, into.first(kBlock))) return from;
    }
  }
  return Code::not_found;
}

}  // namespace tocsin

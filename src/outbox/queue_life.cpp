// SPDX-License-Identifier: MIT
// What a technician asks of the files: the life of one message, and where the damage lies.
#include "queue_staged.hpp"

namespace tocsin {
namespace {

bool speaks_of(const Record& record, std::uint32_t number) {
  switch (record.head.kind) {
    case RecordKind::state:
    case RecordKind::ended: return record.head.number == number;
    case RecordKind::event: {
      const auto event = decode_event(record.payload);
      return event.ok() && number >= record.head.number &&
             number - record.head.number < event.value().phone_count();
    }
    case RecordKind::start:
    case RecordKind::stop:
    case RecordKind::seal:
    case RecordKind::alarm:
    case RecordKind::tally: break;
  }
  return false;
}

}  // namespace

Result<Record> Queue::next_of_life(std::uint32_t number, Lsn after, MutBytes scratch) const {
  alignas(8) std::uint8_t block[kBlock];
  Record next;
  bool any = false;
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
        offset += record.value().space;
        const Lsn lsn = record.value().head.lsn;
        if (lsn <= after || (any && lsn >= next.head.lsn) || !speaks_of(record.value(), number)) continue;
        if (record.value().payload.size() > scratch.size()) return Code::too_big;
        next = record.value();
        copy(scratch, next.payload);
        next.payload = Bytes{scratch}.first(record.value().payload.size());
        any = true;
      }
    }
  }
  if (!any) return Code::not_found;
  return next;
}

// Of a block that a power cut tore as well: nobody was promised what lies there, and nobody can tell.
Result<std::uint32_t> Queue::next_damaged(std::uint32_t from, MutBytes into) const {
  Store& store = *store_[active_];
  if (generation_ == 0) return Code::not_found;
  for (std::uint32_t slot = from; slot < slots(store); ++slot) {
    if (!store.read(slot * kBlock, into).ok()) {
      std::memset(into.data(), 0, kBlock);
      return slot;
    }
    bool any = false, broken = false;
    for (std::size_t offset = 0; offset + kRecordHeadBytes <= kBlock;) {
      const auto record = decode_record(log_.key, Bytes{into}.drop(offset));
      any = any || record.ok();
      broken = broken || (!record.ok() && load32(into.data() + offset) == log_.key.mark);
      offset += record.ok() ? record.value().space : 8;
    }
    const bool used = slot < log_.next_block;
    if (broken || (used && !any && !is_blank(into.first(kBlock)))) return slot;
  }
  return Code::not_found;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/wire/record.hpp"

#include "tocsin/base/crc32.hpp"

namespace tocsin {
namespace {

constexpr std::uint8_t kMagic[8] = {'t', 'o', 'c', 's', 'i', 'n', 'Q', '\n'};

bool known(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(RecordKind::start) &&
         kind <= static_cast<std::uint8_t>(RecordKind::tally);
}

// Most of a file is empty, and all of it is looked at when it is opened: a load and one more instruction for
// eight bytes.
constexpr std::size_t kStride = 256;

inline std::uint64_t word(const std::uint8_t* p) {  // in whatever order its bytes are
  std::uint64_t w;
  std::memcpy(&w, p, sizeof w);
  return w;
}
inline std::uint64_t any_of_128(const std::uint8_t* p) {
  return word(p) | word(p + 8) | word(p + 16) | word(p + 24) | word(p + 32) | word(p + 40) |
         word(p + 48) | word(p + 56) | word(p + 64) | word(p + 72) | word(p + 80) | word(p + 88) |
         word(p + 96) | word(p + 104) | word(p + 112) | word(p + 120);
}
inline std::uint64_t each_of_128(const std::uint8_t* p) {
  return word(p) & word(p + 8) & word(p + 16) & word(p + 24) & word(p + 32) & word(p + 40) &
         word(p + 48) & word(p + 56) & word(p + 64) & word(p + 72) & word(p + 80) & word(p + 88) &
         word(p + 96) & word(p + 104) & word(p + 112) & word(p + 120);
}

}  // namespace

FileKey file_key(std::uint64_t salt, std::uint32_t generation) {
  std::uint8_t bytes[12];
  store64(bytes, salt);
  store32(bytes + 8, generation);
  FileKey key;
  key.mark = crc32(0, bytes);
  key.seed = crc32(key.mark, bytes);
  if (key.mark == 0) key.mark = 1;  // zeros must never look like the beginning of a record
  return key;
}

void encode_record(FileKey key, const RecordHead& head, Bytes payload, MutBytes into) {
  const std::size_t space = record_space(payload.size());
  TOCSIN_ASSERT(payload.size() <= kMaxRecordPayload && into.size() >= space);
  std::uint8_t* p = into.data();
  store32(p, key.mark);
  store16(p + 8, static_cast<std::uint16_t>(payload.size()));
  p[10] = static_cast<std::uint8_t>(head.kind);
  p[11] = head.before.told;
  store32(p + 12, head.lsn);
  store32(p + 16, head.number);
  store32(p + 20, head.settled_below);
  store32(p + 24, head.ceiling);
  const Lsn since_sync = head.lsn - head.synced;
  store16(p + 28, since_sync <= kFarthestSync ? static_cast<std::uint16_t>(since_sync) : 0);
  store16(p + 30, head.before.number);
  copy(into.drop(kRecordHeadBytes), payload);
  const std::size_t used = kRecordHeadBytes + payload.size();
  std::memset(p + used, 0, space - used);
  store32(p + 4, crc32(key.seed, {p + 8, space - 8}));
}

Result<Record> decode_record(FileKey key, Bytes from) {
  if (from.size() < kRecordHeadBytes) return Code::empty;
  const std::uint8_t* p = from.data();
  if (load32(p) != key.mark) return Code::empty;
  const std::size_t length = load16(p + 8);
  const std::size_t space = record_space(length);
  if (space > from.size() || !known(p[10])) return Code::corrupt;
  if (load32(p + 4) != crc32(key.seed, {p + 8, space - 8})) return Code::corrupt;
  Record record;
  record.head.kind = static_cast<RecordKind>(p[10]);
  record.head.lsn = load32(p + 12);
  record.head.number = load32(p + 16);
  record.head.settled_below = load32(p + 20);
  record.head.ceiling = load32(p + 24);
  const Lsn since_sync = load16(p + 28);
  record.head.synced = since_sync == 0 ? 0 : record.head.lsn - since_sync;
  record.head.before.told = p[11];
  record.head.before.number = load16(p + 30);
  record.payload = {p + kRecordHeadBytes, length};
  record.space = space;
  return record;
}

bool is_blank(Bytes bytes) {
  const std::uint8_t* p = bytes.data();
  std::size_t n = bytes.size();
  const bool erased = n > 0 && *p == 0xFF;
  if (erased) {  // apart: together both are worked out for every stride
    for (; n >= kStride; n -= kStride, p += kStride)
      if ((each_of_128(p) & each_of_128(p + 128)) != ~std::uint64_t{0}) return false;
  }
  for (; n >= kStride; n -= kStride, p += kStride)
    if ((any_of_128(p) | any_of_128(p + 128)) != 0) return false;
  for (; n > 0; --n, ++p)
    if (*p != (erased ? 0xFF : 0)) return false;
  return true;
}

std::size_t next_mark(FileKey key, Bytes block, std::size_t at) {
  TOCSIN_ASSERT(block.size() % 8 == 0 && at % 8 == 0 && at <= block.size());
  const std::uint8_t* p = block.data() + at;
  // Eight places a turn: what an older generation left is looked through at every start.
  for (; block.size() - at >= 64; at += 64, p += 64)
    if (load32(p) == key.mark || load32(p + 8) == key.mark || load32(p + 16) == key.mark ||
        load32(p + 24) == key.mark || load32(p + 32) == key.mark || load32(p + 40) == key.mark ||
        load32(p + 48) == key.mark || load32(p + 56) == key.mark)
      break;
  for (; at < block.size() && load32(p) != key.mark; p += 8) at += 8;
  return at;
}

void encode_file_head(const FileHead& head, MutBytes into) {
  TOCSIN_ASSERT(into.size() >= kFileHeadBytes);
  std::uint8_t* p = into.data();
  std::memcpy(p, kMagic, sizeof kMagic);
  store32(p + 8, kFormatVersion);
  store32(p + 12, head.generation);
  store64(p + 16, head.salt);
  store32(p + 24, head.first_lsn);
  store32(p + 28, head.block);
  store32(p + 32, head.blocks);
  store32(p + 36, crc32(0, {p, 36}));
}

Result<FileHead> decode_file_head(Bytes from) {
  TOCSIN_ASSERT(from.size() >= kFileHeadBytes);
  const std::uint8_t* p = from.data();
  if (load32(p + 36) != crc32(0, {p, 36}) || std::memcmp(p, kMagic, sizeof kMagic) != 0) {
    return is_blank(from.first(kFileHeadBytes)) ? Code::empty : Code::corrupt;
  }
  if (load32(p + 8) != kFormatVersion) return {Code::bad_value, static_cast<std::int32_t>(load32(p + 8))};
  FileHead head;
  head.generation = load32(p + 12);
  head.salt = load64(p + 16);
  head.first_lsn = load32(p + 24);
  head.block = load32(p + 28);
  head.blocks = load32(p + 32);
  return head;
}

}  // namespace tocsin

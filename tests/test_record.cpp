// SPDX-License-Identifier: MIT
#include <vector>

#include "check.hpp"
#include "tocsin/wire/record.hpp"

using namespace tocsin;

namespace {

constexpr FileKey kKey{0x11223344, 0x55667788};

RecordHead a_head() {
  RecordHead head;
  head.kind = RecordKind::event;
  head.lsn = 0x01020304;
  head.number = 0x05060708;
  head.settled_below = 0x090A0B0C;
  head.ceiling = 0x0D0E0F10;
  head.synced = 0x010202F4;
  head.before = {9, 3, 0x1516};
  return head;
}

std::vector<std::uint8_t> encoded(std::size_t payload_size) {
  std::vector<std::uint8_t> payload(payload_size);
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i * 7 + 1);
  std::vector<std::uint8_t> bytes(record_space(payload_size), 0xEE);
  encode_record(kKey, a_head(), {payload.data(), payload.size()}, {bytes.data(), bytes.size()});
  return bytes;
}
Bytes view(const std::vector<std::uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

TEST(record_of_any_size_is_read_back_as_it_was_written) {
  for (std::size_t n = 0; n <= kMaxRecordPayload; n += n < 70 ? 1 : 499) {
    check::at("payload=%zu", n);
    const auto bytes = encoded(n);
    CHECK_EQ(bytes.size() % 8, 0);
    const auto record = decode_record(kKey, view(bytes));
    CHECK_OK(record);
    const RecordHead& head = record.value().head;
    CHECK(head.kind == RecordKind::event);
    CHECK_EQ(head.lsn, 0x01020304);
    CHECK_EQ(head.number, 0x05060708);
    CHECK_EQ(head.settled_below, 0x090A0B0C);
    CHECK_EQ(head.ceiling, 0x0D0E0F10);
    CHECK_EQ(head.synced, 0x010202F4);
    CHECK_EQ(head.before.what(), 9);
    CHECK_EQ(head.before.sends(), 3);
    CHECK_EQ(head.before.number, 0x1516);
    CHECK_EQ(record.value().payload.size(), n);
    for (std::size_t i = 0; i < n; ++i)
      CHECK_EQ(record.value().payload[i], static_cast<std::uint8_t>(i * 7 + 1));
    CHECK_EQ(record.value().space, bytes.size());
  }
}

TEST(record_that_is_too_far_behind_the_last_sync_tells_of_none) {
  for (const Lsn since : {1U, 2U, 0x8000U, kFarthestSync, kFarthestSync + 1, 0x10000U + 1, 0x01000000U}) {
    check::at("since=%u", since);
    std::uint8_t bytes[kRecordHeadBytes];
    RecordHead head = a_head();
    head.synced = head.lsn - since;
    encode_record(kKey, head, {}, bytes);
    const auto record = decode_record(kKey, bytes);
    CHECK_OK(record);
    CHECK_EQ(record.value().head.synced, since <= kFarthestSync ? head.synced : 0);
  }
}

TEST(record_largest_payload_fills_a_block) {
  CHECK_EQ(record_space(kMaxRecordPayload), kBlock);
  std::vector<std::uint8_t> bytes(kBlock + 8);
  CHECK_PANICS(encode_record(kKey, a_head(), Bytes{bytes.data(), kMaxRecordPayload + 1},
                             {bytes.data(), bytes.size()}));
  CHECK_PANICS(encode_record(kKey, a_head(), Bytes{bytes.data(), 100}, {bytes.data(), 128}));
}

TEST(record_with_any_bit_turned_is_none) {
  auto bytes = encoded(45);  // three bytes of padding
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    check::at("bit=%zu", bit);
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    const auto record = decode_record(kKey, view(bytes));
    CHECK_CODE(record, bit < 32 ? Code::empty : Code::corrupt);
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
  CHECK_OK(decode_record(kKey, view(bytes)));
}

TEST(record_cut_off_anywhere_is_none) {
  const auto bytes = encoded(45);
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    check::at("bytes=%zu", n);
    CHECK_CODE(decode_record(kKey, view(bytes).first(n)), n < kRecordHeadBytes ? Code::empty : Code::corrupt);
  }
}

TEST(record_of_another_generation_or_medium_is_none) {
  const FileKey a = file_key(0x1234567890ABCDEF, 1);
  const FileKey others[] = {file_key(0x1234567890ABCDEF, 2), file_key(0x1234567890ABCDEE, 1), file_key(0, 0)};
  std::uint8_t bytes[64];
  encode_record(a, a_head(), as_bytes("some payload"), bytes);
  CHECK_OK(decode_record(a, bytes));
  for (const FileKey& other : others) {
    CHECK_CODE(decode_record(other, bytes), Code::empty);
    store32(bytes, other.mark);  // even with the right mark the check is of another file
    CHECK_CODE(decode_record(other, bytes), Code::corrupt);
    store32(bytes, a.mark);
  }
}

TEST(record_zeros_are_never_one) {
  const std::uint8_t zeros[256] = {};
  for (std::uint32_t generation = 0; generation < 2000; ++generation) {
    const FileKey key = file_key(generation * UINT64_C(0x9E3779B97F4A7C15), generation);
    CHECK(key.mark != 0);
    CHECK_CODE(decode_record(key, zeros), Code::empty);
  }
}

TEST(record_of_an_unknown_kind_is_corrupt) {
  for (unsigned kind = 0; kind < 256; ++kind) {
    check::at("kind=%u", kind);
    std::uint8_t bytes[48];
    RecordHead head = a_head();
    head.kind = static_cast<RecordKind>(kind);
    encode_record(kKey, head, as_bytes("payload"), bytes);
    CHECK_CODE(decode_record(kKey, bytes), kind >= 1 && kind <= 8 ? Code::ok : Code::corrupt);
  }
}

TEST(file_head_is_read_back_and_any_bit_turned_is_corrupt) {
  FileHead head;
  head.generation = 77;
  head.salt = 0x0102030405060708;
  head.first_lsn = 99;
  head.block = kBlock;
  std::uint8_t bytes[kFileHeadBytes];
  encode_file_head(head, bytes);
  const auto read = decode_file_head(bytes);
  CHECK_OK(read);
  CHECK_EQ(read.value().generation, 77);
  CHECK_EQ(read.value().salt, 0x0102030405060708);
  CHECK_EQ(read.value().first_lsn, 99);
  CHECK_EQ(read.value().block, kBlock);
  for (std::size_t bit = 0; bit < kFileHeadBytes * 8; ++bit) {
    check::at("bit=%zu", bit);
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    CHECK_CODE(decode_file_head(bytes), Code::corrupt);
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
}

TEST(file_head_of_zeros_is_empty) {
  const std::uint8_t zeros[kFileHeadBytes] = {};
  CHECK_CODE(decode_file_head(zeros), Code::empty);
}

TEST(record_mark_is_found_at_every_multiple_of_eight_and_nowhere_else) {
  for (const unsigned around : {0x00U, 0x44U, 0xFFU}) {  // 0x44: each byte of it looks like the mark's first
    for (std::size_t at = 0; at < kBlock; at += 4) {
      check::at("around=%u at=%zu", around, at);
      std::vector<std::uint8_t> block(kBlock, static_cast<std::uint8_t>(around));
      store32(block.data() + at, kKey.mark);
      const std::size_t want = at % 8 == 0 ? at : kBlock;
      CHECK_EQ(next_mark(kKey, view(block), 0), want);
      CHECK_EQ(next_mark(kKey, view(block), at / 8 * 8), want);
      CHECK_EQ(next_mark(kKey, view(block), at / 2 / 8 * 8), want);
      CHECK_EQ(next_mark(kKey, view(block), at / 8 * 8 + 8), kBlock);
    }
  }
  std::vector<std::uint8_t> two(kBlock, 0);
  store32(two.data() + 72, kKey.mark);
  store32(two.data() + 120, kKey.mark);
  CHECK_EQ(next_mark(kKey, view(two), 0), 72);
  CHECK_EQ(next_mark(kKey, view(two), 80), 120);
  CHECK_EQ(next_mark(kKey, view(two).first(72), 0), 72);
  CHECK_EQ(next_mark(kKey, Bytes{}, 0), 0);
}

TEST(record_bytes_of_which_any_is_another_are_not_blank) {
  for (const std::size_t size : {0U, 1U, 40U, 127U, 128U, 129U, 4096U}) {
    for (const std::uint8_t blank : {std::uint8_t{0}, std::uint8_t{0xFF}}) {
      std::vector<std::uint8_t> bytes(size + 1, blank);
      bytes[size] ^= 1;  // behind them
      CHECK(is_blank(view(bytes).first(size)));
      for (std::size_t at = 0; size > 1 && at < size; ++at) {
        check::at("size=%zu blank=%u at=%zu", size, blank, at);
        bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ 1U << at % 8);
        CHECK(!is_blank(view(bytes).first(size)));
        bytes[at] = blank;
      }
    }
  }
}

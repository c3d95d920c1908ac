// SPDX-License-Identifier: MIT
// One record of the queue file and the file's head: bytes <-> values. Every byte: src/outbox/FORMAT.md.
//
// A record says by itself what it is, whose it is and where in the order it belongs, so that it counts
// wherever in the file it is found, and twice found is the same as once. It is never moved by the
// bytes around it: a damaged neighbour costs that neighbour only.
//
//   0 mark   4 crc   8 length, kind, echo   12 lsn   16 number   20 settled_below   24 ceiling
//   28 lsn - synced   30 number of the echo   32 payload, then zeros up to a multiple of 8
//
// mark and the start value of the CRC come from the medium's random salt and the file's generation: a
// record of an older generation, or a text that somebody made to look like a record, is never one.
//
// Memory: none. Threads: none.
#pragma once

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {

// Log sequence number: 1, 2, 3, ... for the life of the medium; one for each record.
using Lsn = std::uint32_t;

enum class RecordKind : std::uint8_t {
  start = 1,  // a process took the queue: run, boot, tag
  stop,       // it let go in good order: numbers go on without a gap
  seal,       // everything the generation before had is in this one
  event,      // a text and everybody it goes to, perhaps an alarm's transition: found whole or not at all
  state,      // what is known of one message now
  ended,      // the same, for the last time: the message is not waiting any more
  alarm,      // the state of one alarm, when the event that told it is not kept
  tally,     // how long the device has been on, and what each class has spent
};

struct FileKey {
  std::uint32_t mark = 0;
  std::uint32_t seed = 0;
};
FileKey file_key(std::uint64_t salt, std::uint32_t generation);

// What a record tells of the one written before it, should that one be damaged: of the state of one message
// everything that decides whether it is sent again.
struct Echo {
  static constexpr std::uint8_t kEvent = 15;
  static constexpr std::uint8_t kMostSends = 15;
  std::uint8_t told = 0;
  std::uint16_t number = 0;  // of the message, its low half
  constexpr Echo() = default;
  constexpr Echo(std::uint8_t what, std::uint8_t sends, std::uint16_t of)
      : told(static_cast<std::uint8_t>(what << 4 | (sends < kMostSends ? sends : kMostSends))), number(of) {}
  constexpr std::uint8_t what() const { return told >> 4; }  // 0: it was of no message; 1 + a state; kEvent
  constexpr std::uint8_t sends() const { return told & 15; }  // of that state, at most kMostSends
};

struct RecordHead {
  RecordKind kind = RecordKind::start;
  Lsn lsn = 0;
  std::uint32_t number = 0;         // (first) message number, or 0; of a start: records right before it that it found
  std::uint32_t settled_below = 0;  // every message below this number has ended
  std::uint32_t ceiling = 0;        // no number from here on was ever given out
  // Everything up to here was on the medium when this was written. What lies more than kFarthestSync before the
  // record itself is not told: it is read as 0.
  Lsn synced = 0;
  Echo before;
};
inline constexpr Lsn kFarthestSync = 0xFFFF;

struct Record {
  RecordHead head;
  Bytes payload;          // points into the bytes given to decode_record()
  std::size_t space = 0;  // bytes it takes, padding included
};

inline constexpr std::size_t kRecordHeadBytes = 32;
inline constexpr std::size_t kMaxRecordPayload = kBlock - kRecordHeadBytes;
constexpr std::size_t record_space(std::size_t payload) { return (kRecordHeadBytes + payload + 7) / 8 * 8; }

// Writes record_space(payload.size()) bytes at the front of `into`, which has room (asserted).
void encode_record(FileKey key, const RecordHead& head, Bytes payload, MutBytes into);

// Reads the record at the front of `from`. Errors: empty (no record of this file begins here), corrupt
// (one may begin here, its check fails).
Result<Record> decode_record(FileKey key, Bytes from);

// The first place from `at` on where a record of this file may begin, or the size of `block` where there is
// none. All three are multiples of 8.
std::size_t next_mark(FileKey key, Bytes block, std::size_t at);
// All zeros, or all ones, as flash is when it was erased: nothing was ever written there.
bool is_blank(Bytes bytes);

// The file's head stands alone in its first block and again in its last one.
struct FileHead {
  std::uint32_t generation = 0;
  std::uint64_t salt = 0;   // random, made with the state directory
  Lsn first_lsn = 0;        // of this generation
  std::uint32_t block = 0;  // bytes
  std::uint32_t blocks = 0;  // of the file, when this was written; 0: not told
};
inline constexpr std::size_t kFileHeadBytes = 40;
// In the last block of a file that was cut off and is filled up, in place of its head; in the block behind the first
// head of one that was missing and is made anew beside the other.
inline constexpr std::string_view kFilledUp = "tocsin: this file was cut off or missing, and what it held is lost\n";
inline constexpr std::uint32_t kFormatVersion = 1;

void encode_file_head(const FileHead& head, MutBytes into);
// Errors: empty (blank), corrupt (check fails), bad_value (a version this program does not know;
// detail() is the version, its lowest 24 bits).
Result<FileHead> decode_file_head(Bytes from);

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// The blocks of one kind in a PEM file (RFC 7468), one after the other: the file is never in memory as a whole.
//
// Forgiving where authorities' files differ: text around the blocks, CR LF, long lines, a byte order mark, an
// END and the next BEGIN on one line. Strict inside a block: base64 with its padding, nothing else.
//
// Memory: 1.2 KiB, and the caller's buffer for one decoded block. Threads: none.
#pragma once

#include "tocsin/base/text.hpp"

namespace tocsin {

class PemReader {
 public:
  // Blocks of `label`, as "CERTIFICATE", are decoded into `block`. Both outlive the reader.
  PemReader(std::string_view label, MutBytes block) : label_(label), block_(block) {}
  PemReader(const PemReader&) = delete;
  PemReader& operator=(const PemReader&) = delete;

  // Begins anew: `fd` is read from where it stands.
  void begin(int fd);
  // The next block, decoded, valid until the next call. Errors: not_found (there is no other), bad_value (not base64,
  // cut off, or larger than the buffer; the next call goes on behind it), io.
  Result<Bytes> next();
  void wipe();  // what was read, the block too: where it holds a secret

 private:
  enum class Got : std::uint8_t { nothing, block, bad };
  enum class Line : std::uint8_t { start, marker, text };

  Got take(char c);
  Got end_of_line();
  void digit(char c);
  Got finish();
  bool take_marker(std::string_view& line, std::string_view word) const;

  int fd_ = -1;
  std::string_view label_;
  MutBytes block_;
  Line line_ = Line::start;
  bool inside_ = false;
  bool bad_ = false;
  bool at_end_ = false;
  std::size_t size_ = 0;       // bytes of the block
  std::uint32_t bits_ = 0;     // digits that are no byte yet
  std::uint8_t digits_ = 0;    // of the group of four
  std::uint8_t padding_ = 0;
  std::size_t marker_size_ = 0;
  std::size_t at_ = 0, filled_ = 0;
  char marker_[80] = {};
  std::uint8_t piece_[1024] = {};
};

}  // namespace tocsin

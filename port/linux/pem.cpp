// SPDX-License-Identifier: MIT
#include "port/linux/pem.hpp"

#include <string.h>

#include "port/linux/base64.hpp"
#include "port/linux/system.hpp"

namespace tocsin {

void PemReader::begin(int fd) {
  fd_ = fd;
  line_ = Line::start;
  inside_ = at_end_ = false;
  at_ = filled_ = 0;
}

void PemReader::wipe() {
  ::explicit_bzero(block_.data(), block_.size());
  ::explicit_bzero(piece_, sizeof piece_);
  ::explicit_bzero(marker_, sizeof marker_);
  bits_ = 0;
}

Result<Bytes> PemReader::next() {
  size_ = 0;
  for (;;) {
    if (at_ == filled_) {
      if (at_end_) return Code::not_found;
      TRY_LET(more, read_some(fd_, piece_));
      at_ = 0;
      filled_ = more;
      if (more == 0) {
        at_end_ = true;
        const Got last = end_of_line();  // its line end may be missing
        const bool cut_off = inside_;
        inside_ = false;
        if (last == Got::block) return Bytes{block_.first(size_)};
        if (last == Got::bad || cut_off) return Code::bad_value;
        continue;
      }
    }
    const Got got = take(static_cast<char>(piece_[at_++]));
    if (got == Got::block) return Bytes{block_.first(size_)};
    if (got == Got::bad) return Code::bad_value;
  }
}

PemReader::Got PemReader::take(char c) {
  if (c == '\n' || c == '\r') return end_of_line();
  if (line_ == Line::start) {
    // A byte order mark is no text either.
    const bool before = c == ' ' || c == '\t' || (!inside_ && (c == '\xEF' || c == '\xBB' || c == '\xBF'));
    if (before) return Got::nothing;
    line_ = c == '-' ? Line::marker : Line::text;
    marker_size_ = 0;
  }
  if (line_ == Line::marker) {
    if (marker_size_ < sizeof marker_) marker_[marker_size_++] = c;
  } else if (inside_ && c != ' ' && c != '\t') {
    digit(c);
  }
  return Got::nothing;
}

PemReader::Got PemReader::end_of_line() {
  const bool is_marker = line_ == Line::marker;
  line_ = Line::start;
  if (!is_marker) return Got::nothing;
  Got got = Got::nothing;
  std::string_view line = trim({marker_, marker_size_});
  if (take_marker(line, "-----END ")) {
    if (inside_) got = finish();
    inside_ = false;
    line = trim(line);
  }
  if (take_marker(line, "-----BEGIN ")) {
    if (inside_) got = Got::bad;  // its END is missing
    inside_ = true;
    bad_ = false;
    bits_ = digits_ = padding_ = 0;
  } else if (inside_) {
    bad_ = true;
  }
  if (got != Got::block) size_ = 0;
  return got;
}

void PemReader::digit(char c) {
  if (bad_) return;
  if (c == '=') {
    bad_ = digits_ < 2;  // the first two of a group are never padding
    if (bad_) return;
    ++padding_;
  } else if (const std::uint8_t value = base64_value(c); value == kNoDigit || padding_ > 0) {
    bad_ = true;
    return;
  } else {
    bits_ = bits_ << 6 | value;
  }
  if (++digits_ < 4) return;
  digits_ = 0;
  bits_ <<= 6 * padding_;
  for (unsigned n = 0; !bad_ && n + padding_ < 3; ++n) {
    if (size_ == block_.size()) {
      bad_ = true;
    } else {
      block_[size_++] = static_cast<std::uint8_t>(bits_ >> (16 - 8 * n));
    }
  }
  bits_ = 0;
}

PemReader::Got PemReader::finish() { return bad_ || digits_ != 0 || size_ == 0 ? Got::bad : Got::block; }

bool PemReader::take_marker(std::string_view& line, std::string_view word) const {
  constexpr std::string_view kDashes = "-----";
  if (!starts_with(line, word)) return false;
  const std::string_view rest = tail(line, word.size());
  if (!starts_with(rest, label_) || !starts_with(tail(rest, label_.size()), kDashes)) return false;
  line = tail(rest, label_.size() + kDashes.size());
  return true;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "tocsin/outbox/index.hpp"

#include "tocsin/base/crc32.hpp"

namespace tocsin {

std::size_t Index::position(std::uint32_t number) const {
  if (size_ == 0 || entries()[size_ - 1].number < number) return size_;  // numbers grow: the usual case
  // Most numbers follow each other without a gap, counted from the newest: then it is this one at once.
  const std::uint32_t newest = entries()[size_ - 1].number;
  std::size_t low = newest - number < size_ ? size_ - 1 - (newest - number) : 0, high = size_;
  if (entries()[low].number >= number) return low;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (entries()[middle].number < number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Entry* Index::find(std::uint32_t number) {
  const std::size_t at = position(number);
  return at < size_ && entries()[at].number == number ? &entries()[at] : nullptr;
}

// Found again in the order of the blocks, most follow each other, but a block may have been found before those that it
// follows: then there is a hole behind next_ for the many that come before what it brought.
Entry* Index::find_or_add(std::uint32_t number) {
  const bool follows = next_ > 0 && next_ <= size_ && entries()[next_ - 1].number < number &&
                       (next_ == size_ || entries()[next_ + hole_].number >= number);
  if (!follows) settle();
  const std::size_t at = follows ? next_ : position(number);
  if (at < size_ && entries()[at + hole_].number == number) {
    settle();
    next_ = at + 1;
    return &entries()[at];
  }
  if (size_ == kMaxMessages) return nullptr;
  if (at < size_ && hole_ == 0) {
    hole_ = kMaxMessages - size_ < kMostHole ? kMaxMessages - size_ : kMostHole;
    std::memmove(&entries()[at + hole_], &entries()[at], (size_ - at) * sizeof(Entry));
  }
  if (at < size_) --hole_;
  ++size_;
  next_ = at + 1;
  entries()[at] = Entry{};
  entries()[at].number = number;
  return &entries()[at];
}

void Index::settle() {
  if (hole_ != 0) std::memmove(&entries()[next_], &entries()[next_ + hole_], (size_ - next_) * sizeof(Entry));
  hole_ = 0;
}

std::uint16_t StreamNames::ways_of(std::string_view streams) {
  unsigned ways = 0;
  for (unsigned at = 0; at < kMaxWays && (at == 0 || !streams.empty()); ++at) {
    const std::uint32_t hash = name_hash(take_until(streams, ','));
    unsigned its = place(hash);
    if (its == kNoPlace && count_ + 1 < kOther) {
      hashes_[count_++] = hash;
      its = count_;
    }
    ways |= (its == kNoPlace ? kOther : its) << 4 * at;
  }
  return static_cast<std::uint16_t>(ways);
}

unsigned StreamNames::place(std::uint32_t hash) const {
  for (unsigned at = 0; at < count_; ++at)
    if (hashes_[at] == hash) return at + 1;
  return kNoPlace;
}

std::uint32_t name_hash(std::string_view name) {
  const std::uint32_t hash = crc32(0, as_bytes(name));
  return hash == 0 ? 1 : hash;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Digests of what was looked at already.
#pragma once

#include <vector>

#include "fakes/digest.hpp"

namespace fakes {

class Memo {
 public:
  // How many states lay below a case: cuts during its recovery, and during the recoveries from those.
  struct Below {
    std::uint32_t one = 0, two = 0;
  };

  const Below* find(const Digest& of) const {
    if (places_.empty()) return nullptr;
    const Place& place = places_[place_of(of)];
    return place.digest == of ? &place.below : nullptr;
  }
  void add(const Digest& of, const Below& below) {
    // What is let go is looked at again when it comes again.
    if (size_ == kMost || places_.empty()) clear();
    if (size_ * 3 >= places_.size() * 2) grow();
    places_[place_of(of)] = {of, below};
    ++size_;
  }
  void clear() {
    places_.assign(kLeast, Place{});
    size_ = 0;
  }

 private:
  static constexpr std::size_t kLeast = 1U << 6, kMost = 1U << 26;  // 3.2 GB, and half of that as it grows
  struct Place {
    Digest digest;  // nothing: free
    Below below;
  };
  std::size_t place_of(const Digest& of) const {
    std::size_t at = static_cast<std::size_t>(of.low) & (places_.size() - 1);
    while (!places_[at].digest.nothing() && !(places_[at].digest == of))
      at = (at + 1) & (places_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<Place> old(places_.size() * 2);
    old.swap(places_);
    for (const Place& place : old)
      if (!place.digest.nothing()) places_[place_of(place.digest)] = place;
  }

  std::vector<Place> places_;
  std::size_t size_ = 0;
};

}  // namespace fakes

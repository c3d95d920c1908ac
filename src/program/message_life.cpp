// SPDX-License-Identifier: MIT
#include "src/program/message_life.hpp"

#include "tocsin/base/crc32.hpp"

namespace tocsin {

bool Life::next() {
  while (at_ < count_) {
    const auto record = reader_.queue().read_life(steps_[at_++], memory_);
    if (!record.ok()) continue;
    const auto state = decode_message_state(record.value().payload);
    if (!state.ok()) continue;
    const std::uint32_t hash = crc32(0, record.value().payload);
    if (hash == hash_) continue;
    hash_ = hash;
    before_ = sends_;
    sends_ = state.value().sends;
    is_again_ = state.value().reopened && (!step_.reopened || ended(step_.state));
    goes_on_ = (state.value().closed & ~closed_) != 0;
    closed_ = state.value().closed;
    step_ = state.value();
    return true;
  }
  return false;
}

std::string_view Life::what() const {
  if (ended(step_.state)) return word(step_.state);
  if (is_again_ || is_by_hand()) return "waits again";
  if (goes_on_) return "goes on by its next stream";
  if (sends_ > before_ && step_.reason.empty()) return "is being sent";
  if (sends_ < before_ || (sends_ == 0 && step_.attempts > 0)) return "came to nothing";
  return step_.attempts == 0 ? "waits" : "not known to have arrived";
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// What is known in RAM of every message that waits or is kept, ordered by number. The texts and phones
// stay on the medium; this is 64 bytes a message.
//
// An Entry& is valid until the next add() or forget(): keep the number, not the reference.
// Memory: kMaxMessages entries in place; pages are touched only as far as they are used. Threads: none.
#pragma once

#include <cstdint>

#include "tocsin/base/status.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/message.hpp"
#include "tocsin/wire/record.hpp"

namespace tocsin {

// What load() does not know of a message for certain.
enum class Doubt : std::uint8_t {
  none,
  ended,  // its last record is lost, later ones say that it had ended
  echo,   // its last record is lost, the one behind it tells its state and sends
  hit,    // waits; a record that is lost may have been its last: `sends` leaves one copy at most
};

struct Entry {
  std::uint32_t number = 0;

  // Where its event and its newest state lie: a place in the log (block * kBlock + offset), or a place
  // in the staging memory while it is not on the medium. 0: there is none.
  std::uint32_t body_at = 0;
  std::uint32_t state_at = 0;
  std::uint32_t moved_body_at = 0;   // the same in the generation that is being written
  std::uint32_t moved_state_at = 0;  // during load(): LSNs of the event and of the newest state
  bool body_staged = false;
  bool state_staged = false;
  bool unsaved = false;              // its newest state found no room in the staging memory
  bool lost = false;                 // its event could not be read back
  Doubt doubt = Doubt::none;         // until its state is on record again
  bool in_flight = false;            // a request that carries it is under way
  bool reopened = false;             // by hand: it does not expire any more
  OnUnknown on_unknown = OnUnknown::resend;

  State state = State::queued;
  Class cls = Class::critical;
  std::uint8_t sends = 0;            // copies that may have reached the service
  std::uint8_t failures = 0;         // in a row, of this message alone: for its own backoff
  bool this_run = false;             // queued by this run of the program
  bool repeat = false;               // a copy may be on the phone: the next one says so
  std::uint16_t attempts = 0;
  std::uint16_t bytes = 0;           // its share of the medium
  std::uint8_t segments = 0;         // of SMS, of the copy that is under way
  std::uint32_t stream = 0;          // hash of the stream's name
  std::uint32_t alarm = 0;           // hash of the alarm's name; 0: of none
  std::uint32_t expires_s = 0;       // when the device has been on for so long; 0: never
  std::uint32_t recipient = 0;       // hash of the phone
  // Not before this Instant; of one that has ended: when, in ms that the device had been on.
  std::uint64_t due_ms = 0;
};

static_assert(sizeof(Entry) == 64, "limits.hpp and README.md say what the index takes");

class Index {
 public:
  std::size_t size() const { return size_; }
  Entry& operator[](std::size_t at) { return entries()[at]; }
  const Entry& operator[](std::size_t at) const { return entries()[at]; }

  // The entry of a number, or nullptr.
  Entry* find(std::uint32_t number);
  const Entry* find(std::uint32_t number) const { return const_cast<Index*>(this)->find(number); }
  // The first entry whose number is not below, or nullptr.
  const Entry* first_from(std::uint32_t number) const {
    const std::size_t at = position(number);
    return at < size_ ? &entries()[at] : nullptr;
  }
  // The entry of a number, made when absent. nullptr: kMaxMessages are in use.
  Entry* find_or_add(std::uint32_t number);
  // Removes the entries that `keep` says no to; the others move together.
  template <typename Keep>
  void forget_unless(Keep keep) {
    std::size_t to = 0;
    for (std::size_t from = 0; from < size_; ++from)
      if (keep(entries()[from])) {
        if (to != from) entries()[to] = entries()[from];
        ++to;
      }
    size_ = to;
  }
  void clear() { size_ = 0; }

 private:
  std::size_t position(std::uint32_t number) const;  // of the first entry that is not below

  Entry* entries() { return reinterpret_cast<Entry*>(memory_); }
  const Entry* entries() const { return reinterpret_cast<const Entry*>(memory_); }

  std::size_t size_ = 0;
  std::size_t next_ = 0;  // behind the one that find_or_add() gave last; a guess, wherever entries went
  alignas(Entry) unsigned char memory_[kMaxMessages * sizeof(Entry)];  // never touched before it is used
};

// The alarm that the device raises about itself: its messages go behind all others of their class.
inline constexpr std::string_view kSelfAlarm = "self";

// The hash under which an entry knows its stream and its alarm; never 0.
std::uint32_t name_hash(std::string_view name);
// The same of a phone, from its digits as one number.
inline std::uint32_t phone_hash(std::uint64_t phone) {
  return static_cast<std::uint32_t>(phone * 0x9E3779B97F4A7C15U >> 32);
}

}  // namespace tocsin

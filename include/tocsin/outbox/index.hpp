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
  bool unsaved : 1;                  // its newest state found no room in the staging memory
  bool lost : 1;                     // its event could not be read back
  bool in_flight : 1;                // a request that carries it is under way
  bool reopened : 1;                 // by hand: it does not expire any more
  bool this_run : 1;                 // queued by this run of the program
  bool repeat : 1;                   // a copy may be on the phone: the next one says so
  bool untold : 1;                   // accepted; its stream was asked what became of it, and does not tell
  Doubt doubt = Doubt::none;         // until its state is on record again
  OnUnknown on_unknown = OnUnknown::resend;

  State state = State::queued;
  Class cls = Class::critical;
  std::uint8_t sends = 0;            // copies that may have reached the service
  std::uint8_t aside = 0;            // a bit for each of its streams that set it aside: due_ms is for these as well
  std::uint16_t attempts = 0;
  std::uint16_t bytes = 0;           // its share of the medium
  // Its streams in order, four bits each from the lowest: their places among StreamNames; 0: there is no more.
  std::uint16_t ways = 0;
  std::uint8_t way = 0;              // the one it goes by, or went by last
  std::uint8_t open = 1;             // a bit for each that it may go by now
  std::uint8_t closed = 0;           // and for each that has refused it, or did not deliver it
  std::uint8_t segments = 0;         // of SMS, of the copy that is under way
  std::uint32_t since_s = 0;         // waits for the open ones since the device had been on for so long
  std::uint32_t alarm = 0;           // hash of the alarm's name; 0: of none
  std::uint32_t expires_s = 0;       // when the device has been on for so long; 0: never
  std::uint32_t recipient = 0;       // hash of the phone
  // Not before this Instant by the way it went last; of one that has ended: when, in ms that the device had been on.
  std::uint64_t due_ms = 0;

  Entry()
      : unsaved(false), lost(false), in_flight(false), reopened(false), this_run(false), repeat(false), untold(false) {}
  static bool has(unsigned ways, unsigned at) { return (ways >> at & 1U) != 0; }  // of `open` and `closed`
  unsigned place_of(unsigned at) const { return unsigned{ways} >> 4 * at & 15U; }  // among StreamNames; 0: no such way
  bool rests(unsigned by) const { return by == way || has(aside, by); }  // until due_ms
  // The first way that is neither open nor closed; kMaxWays: there is none.
  unsigned next_way() const {
    for (unsigned at = 0; at < kMaxWays && place_of(at) != 0; ++at)
      if (!has(open, at) && !has(closed, at)) return at;
    return kMaxWays;
  }
  // Whether it may go by the stream of that place, by which of its ways.
  bool goes_by(unsigned place, unsigned& by) const {
    by = 0;
    if (place_of(1) == 0) return ways == place && open != 0;  // as a rule
    for (; by < kMaxWays && place_of(by) != 0; ++by)
      if (place_of(by) == place && has(open, by)) return true;
    return false;
  }
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
  // The entry of a number, made when absent. nullptr: kMaxMessages are in use. Where some were not added behind all
  // others, nothing but this is called before settle().
  Entry* find_or_add(std::uint32_t number);
  void settle();
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
  void clear() { size_ = hole_ = 0; }

 private:
  std::size_t position(std::uint32_t number) const;  // of the first entry that is not below

  Entry* entries() { return reinterpret_cast<Entry*>(memory_); }
  const Entry* entries() const { return reinterpret_cast<const Entry*>(memory_); }

  std::size_t size_ = 0;
  std::size_t next_ = 0;  // behind the one that find_or_add() gave last; a guess, wherever entries went
  static constexpr std::size_t kMostHole = 64;
  std::size_t hole_ = 0;  // places at next_ that are free: what follows lies so much further on
  alignas(Entry) unsigned char memory_[kMaxMessages * sizeof(Entry)];  // never touched before it is used
};

// The streams that messages name: an entry has the place of a name here in place of the name. Those that are told
// first always have one; where there are more names than places, nothing goes by the others.
class StreamNames {
 public:
  static constexpr unsigned kOther = 15;  // in Entry::ways: of a name that found no place
  static constexpr unsigned kNoPlace = 16;  // no way has it
  // The place of each name of a list as Event::stream has it, as Entry::ways.
  std::uint16_t ways_of(std::string_view streams);
  unsigned place(std::uint32_t hash) const;  // of a name's hash; kNoPlace
  std::uint32_t hash(unsigned place) const { return place == 0 || place >= kOther ? 0 : hashes_[place - 1]; }

 private:
  std::uint32_t hashes_[kOther - 1] = {};
  unsigned count_ = 0;
};

// The alarm that the device raises about itself: its messages go behind all others of their class.
inline constexpr std::string_view kSelfAlarm = "self";

// The hash under which a stream and an alarm are known; never 0.
std::uint32_t name_hash(std::string_view name);
// The same of a phone, from its digits as one number.
inline std::uint32_t phone_hash(std::uint64_t phone) {
  return static_cast<std::uint32_t>(phone * 0x9E3779B97F4A7C15U >> 32);
}

}  // namespace tocsin

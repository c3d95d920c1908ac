// SPDX-License-Identifier: MIT
// What a record's payload says: an event (a text and everybody it goes to), the state of one message, the
// state of one alarm, the run that wrote them, and what was spent. Bytes <-> values. Every byte:
// src/outbox/FORMAT.md.
//
// Memory: decoded values are views into the payload. Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/base/time.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/alarm_code.hpp"
#include "tocsin/wire/phone.hpp"

namespace tocsin {

// How much an alarm matters; the order is the order of sending.
enum class Class : std::uint8_t { critical, warning, info };
inline constexpr std::size_t kClasses = 3;
std::string_view word(Class c);
Result<Class> parse_class(std::string_view text);  // bad_value

// What happens to a message of which nobody knows whether the service has it.
enum class OnUnknown : std::uint8_t { resend, hold };
std::string_view word(OnUnknown policy);
Result<OnUnknown> parse_on_unknown(std::string_view text);  // bad_value

// Where a message is in its life. Only `queued` is sent by itself.
enum class State : std::uint8_t {
  queued,     // waiting, held or backing off
  unknown,    // sent, outcome not known, no longer sent by itself
  accepted,   // the service has it
  delivered,  // the network says the phone has it
  failed,     // refused for good
  expired,    // too old before it could be sent
  evicted,    // given up for something more urgent
  dropped,    // by hand
  merged,     // its news went out in another message
};
std::string_view word(State state);
constexpr bool ended(State state) { return state != State::queued; }

// When something happened: with both clocks, the start of the device that they belong to, and how long the
// device had been on before that. Ages are counted in time that the device was on: the only clock that
// nobody can set.
struct Stamp {
  std::uint32_t boot = 0;         // starts of the device that the queue has seen
  std::uint32_t on_before_s = 0;  // seconds that it was on before this start, as far as the queue knows
  Clocks clocks;
  std::uint64_t on_ms() const { return std::uint64_t{on_before_s} * 1000 + clocks.now.ms; }
};

// Of an alarm. It goes from raised to acknowledged when somebody said that they look after it; an event tells of the
// others only.
enum class Transition : std::uint8_t { none, raised, cleared, acknowledged };
std::string_view word(Transition transition);  // empty for none

// One event: it is found whole after a power cut, or not at all.
struct Event {
  Class cls = Class::warning;
  Transition transition = Transition::none;
  OnUnknown on_unknown = OnUnknown::resend;
  std::uint32_t expires_s = 0;  // when the device has been on for so many seconds; 0: never
  Stamp queued;
  std::uint32_t edge_before_ms = 0;  // the edge that made it came so long before that
  std::string_view id_prefix;  // NAME-TAG of the time; an id is id_prefix "-" number
  std::string_view stream;     // names in the configuration, in order: at most kMaxWays, with commas between them
  std::string_view alarm;      // name, or empty
  std::string_view code;       // of the alarm, when it is raised: kCodeSize characters, or empty
  std::string_view text;       // as it is sent
  Span<const Phone> phones;    // to encode: message first_number + i goes to phones[i]
  Bytes packed_phones;         // decoded: 8 bytes each
  std::size_t phone_count() const { return phones.empty() ? packed_phones.size() / 8 : phones.size(); }
  Phone phone(std::size_t at) const;
};

// Bytes an event takes as a payload. May be above kMaxRecordPayload: then it does not fit a record.
std::size_t event_size(const Event& event);
// Asserts room. Returns the bytes written.
std::size_t encode_event(const Event& event, MutBytes into);
Result<Event> decode_event(Bytes payload);  // corrupt
// The same in place: an Event is large to hand back, and a start reads thousands. corrupt: nothing changed.
Status decode_event(Bytes payload, Event& event);
// Of an event that was encoded here, without reading the rest of it.
Transition transition_of(Bytes event);
Bytes packed_phones_of(Bytes event);

// What is known of one message.
struct MessageState {
  State state = State::queued;
  std::uint8_t sends = 0;      // requests whose outcome is not known to be a failure: copies, at most
  std::uint16_t attempts = 0;  // requests that carried it
  bool reopened = false;       // somebody asked for it again: it does not expire any more
  std::uint8_t way = 0;        // the one of its streams that it goes by, or went by last; the first is 0
  std::uint8_t closed = 0;     // a bit for each that has refused it, or did not deliver it
  // Since when it waits for the open ones: the device had been on for so many seconds. 0: since it was queued.
  std::uint32_t since_s = 0;
  Stamp at;
  std::string_view uuid;       // the service's, when accepted
  std::string_view reason;     // why, in words; empty when there is nothing to say
};
inline constexpr std::size_t kMaxMessageStateBytes = 48 + kMaxUuid + kMaxReason;
std::size_t encode_message_state(const MessageState& state, MutBytes into);
Result<MessageState> decode_message_state(Bytes payload);  // corrupt

struct AlarmState {
  std::string_view alarm;
  Transition last = Transition::none;
  Stamp since;            // raised or cleared
  std::string_view code;  // as in Event
};
inline constexpr std::size_t kMaxAlarmStateBytes = 32 + kMaxName;
std::size_t encode_alarm_state(const AlarmState& state, MutBytes into);
Result<AlarmState> decode_alarm_state(Bytes payload);  // corrupt

// One start of the program on this medium.
struct Run {
  std::uint32_t boot = 0;
  std::uint32_t run = 0;
  std::uint8_t boot_id[16] = {};   // the kernel's; tells a restart from a reboot
  std::uint64_t machine = 0;       // hash of the machine id; another one makes a new tag
  char tag[4] = {'0', '0', '0', '0'};
  std::uint32_t on_before_s = 0;   // as in Stamp
};
inline constexpr std::size_t kRunBytes = 40;
void encode_run(const Run& run, MutBytes into);
Result<Run> decode_run(Bytes payload);  // corrupt

// What one class has sent in the hour and in the day that began with the first sending of it.
struct Spent {
  std::uint32_t hour_began_s = 0;  // the device had been on for so long
  std::uint32_t day_began_s = 0;
  std::uint16_t in_hour = 0;
  std::uint16_t in_day = 0;
};
// What has to outlive a run beside the messages.
struct Tally {
  std::uint32_t on_s = 0;  // the device has been on at least so long
  Spent spent[kClasses];
  std::uint32_t forget_before_s = 0;  // what ended before is being forgotten; 0: nothing is
};
inline constexpr std::size_t kTallyBytes = 8 + 12 * kClasses;
void encode_tally(const Tally& tally, MutBytes into);
Result<Tally> decode_tally(Bytes payload);  // corrupt

// The stream at that place of a list as Event::stream has it; empty: there is none.
std::string_view stream_at(std::string_view streams, std::size_t way);

// What it said, in a reason that has the words of several: "sms: refused: no route; whatsapp: accepted"; or empty.
std::string_view said_by(std::string_view reason, std::string_view streams, std::size_t way);

// "boiler-room-7-x7Qz-17": at most kMaxId bytes.
using MessageId = FixedText<kMaxId>;
MessageId message_id(std::string_view id_prefix, std::uint32_t number);

}  // namespace tocsin

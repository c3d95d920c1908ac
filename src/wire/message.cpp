// SPDX-License-Identifier: MIT
#include "tocsin/wire/message.hpp"

namespace tocsin {
namespace {

constexpr std::string_view kClassWords[] = {"critical", "warning", "info"};
constexpr std::string_view kStateWords[] = {"queued",  "unknown", "accepted", "delivered", "failed",
                                            "expired", "evicted", "dropped",  "merged"};
constexpr std::string_view kOnUnknownWords[] = {"resend", "hold"};
constexpr std::size_t kStampBytes = 24;
constexpr std::size_t kEventHeadBytes = 16 + kStampBytes;
constexpr std::uint8_t kHoldBit = 0x80;  // beside the class
constexpr std::size_t kStateHeadBytes = 8 + kStampBytes;
// In byte 6 and 7 of a state.
constexpr std::uint8_t kReopenedBit = 1;
constexpr std::uint8_t kSinceBit = 2;     // four bytes more follow
constexpr unsigned kClosedShift = 4;      // above the way
constexpr std::size_t kAlarmHeadBytes = 4 + kStampBytes + kCodeSize;

static_assert(kStateHeadBytes + 4 + kMaxUuid + kMaxReason <= kMaxMessageStateBytes);
static_assert(kMaxWays <= kClosedShift && kMaxWayNames < 256);
static_assert(kAlarmHeadBytes + kMaxName <= kMaxAlarmStateBytes);

// boot, time on before it, uptime with the trust bit on top, wall clock.
void encode_stamp(const Stamp& stamp, std::uint8_t* p) {
  store32(p, stamp.boot);
  store32(p + 4, stamp.on_before_s);
  store64(p + 8, stamp.clocks.now.ms << 1 | (stamp.clocks.wall_trusted ? 1 : 0));
  store64(p + 16, static_cast<std::uint64_t>(stamp.clocks.wall.ms));
}

inline Stamp decode_stamp(const std::uint8_t* p) {
  Stamp stamp;
  stamp.boot = load32(p);
  stamp.on_before_s = load32(p + 4);
  stamp.clocks.now.ms = load64(p + 8) >> 1;
  stamp.clocks.wall_trusted = (p[8] & 1) != 0;
  stamp.clocks.wall.ms = static_cast<std::int64_t>(load64(p + 16));
  return stamp;
}

// Copies text and moves on.
void put(std::uint8_t*& p, std::string_view text) {
  if (!text.empty()) std::memcpy(p, text.data(), text.size());
  p += text.size();
}

// As much of a text as fits, in whole characters.
std::string_view fitting(std::string_view text, std::size_t most) {
  std::size_t n = text.size() < most ? text.size() : most;
  while (n > 0 && n < text.size() && (static_cast<unsigned char>(text[n]) & 0xC0U) == 0x80U) --n;
  return head(text, n);
}

std::string_view take(const std::uint8_t*& p, std::size_t n) {
  const std::string_view text = as_text({p, n});
  p += n;
  return text;
}

// A code always takes kCodeSize bytes, zeros where there is none.
std::size_t code_size(Transition transition) { return transition == Transition::raised ? kCodeSize : 0; }

void put_code(std::uint8_t*& p, std::string_view code) {
  TOCSIN_ASSERT(code.empty() || code.size() == kCodeSize);
  std::memset(p, 0, kCodeSize);
  if (!code.empty()) std::memcpy(p, code.data(), kCodeSize);
  p += kCodeSize;
}

std::string_view take_code(const std::uint8_t*& p) {
  const std::string_view code = take(p, kCodeSize);
  return code[0] == '\0' ? std::string_view{} : code;
}

}  // namespace

std::string_view word(Class c) { return kClassWords[static_cast<std::size_t>(c)]; }

Result<Class> parse_class(std::string_view text) {
  for (std::size_t at = 0; at < 3; ++at)
    if (kClassWords[at] == text) return static_cast<Class>(at);
  return Code::bad_value;
}

std::string_view word(OnUnknown policy) { return kOnUnknownWords[static_cast<std::size_t>(policy)]; }

Result<OnUnknown> parse_on_unknown(std::string_view text) {
  for (std::size_t at = 0; at < 2; ++at)
    if (kOnUnknownWords[at] == text) return static_cast<OnUnknown>(at);
  return Code::bad_value;
}

std::string_view word(State state) { return kStateWords[static_cast<std::size_t>(state)]; }

std::string_view word(Transition transition) {
  constexpr std::string_view kWords[] = {"", "raised", "cleared", "acknowledged"};
  return kWords[static_cast<std::size_t>(transition)];
}

Phone Event::phone(std::size_t at) const {
  if (!phones.empty()) return phones[at];
  char digits[20];
  TextWriter writer(digits);
  writer.number(load64(packed_phones.drop(at * 8).data()));
  Phone phone;
  phone.assign_cut(writer.view());
  return phone;
}

std::size_t event_size(const Event& event) {
  return kEventHeadBytes + event.phone_count() * 8 + event.id_prefix.size() + event.stream.size() +
         event.alarm.size() + code_size(event.transition) + event.text.size();
}

std::size_t encode_event(const Event& event, MutBytes into) {
  TOCSIN_ASSERT(into.size() >= event_size(event) && event.phone_count() <= kMaxPhones);
  std::uint8_t* p = into.data();
  p[0] = static_cast<std::uint8_t>(event.cls);
  if (event.on_unknown == OnUnknown::hold) p[0] = p[0] | kHoldBit;
  p[1] = static_cast<std::uint8_t>(event.transition);
  p[2] = static_cast<std::uint8_t>(event.phone_count());
  p[3] = static_cast<std::uint8_t>(event.id_prefix.size());
  p[4] = static_cast<std::uint8_t>(event.stream.size());
  p[5] = static_cast<std::uint8_t>(event.alarm.size());
  store16(p + 6, static_cast<std::uint16_t>(event.text.size()));
  store32(p + 8, event.expires_s);
  encode_stamp(event.queued, p + 12);
  store32(p + 36, event.edge_before_ms);
  p += kEventHeadBytes;
  if (event.phones.empty()) put(p, as_text(event.packed_phones));
  for (const Phone& phone : event.phones) {
    std::uint64_t digits = 0;  // at most 15 digits, the first one not 0: nothing is lost as a number
    for (const char c : phone.view()) digits = digits * 10 + static_cast<std::uint64_t>(c - '0');
    store64(p, digits);
    p += 8;
  }
  put(p, event.id_prefix);
  put(p, event.stream);
  put(p, event.alarm);
  if (code_size(event.transition) != 0) put_code(p, event.code);
  put(p, event.text);
  return static_cast<std::size_t>(p - into.data());
}

Transition transition_of(Bytes event) {
  return event.size() < kEventHeadBytes ? Transition::none : static_cast<Transition>(event[1]);
}

Bytes packed_phones_of(Bytes event) {
  return event.drop(kEventHeadBytes).first(event.size() < kEventHeadBytes ? 0 : event[2] * std::size_t{8});
}

Status decode_event(Bytes payload, Event& event) {
  if (payload.size() < kEventHeadBytes) return Code::corrupt;
  const std::uint8_t* p = payload.data();
  const std::size_t phones = p[2], prefix = p[3], stream = p[4], alarm = p[5], text = load16(p + 6);
  const std::uint8_t cls = p[0] & static_cast<std::uint8_t>(~kHoldBit);
  if (cls > static_cast<std::uint8_t>(Class::info) ||
      p[1] > static_cast<std::uint8_t>(Transition::cleared) || phones > kMaxPhones || stream > kMaxWayNames ||
      alarm > kMaxName ||
      payload.size() != kEventHeadBytes + phones * 8 + prefix + stream + alarm +
                            code_size(static_cast<Transition>(p[1])) + text)
    return Code::corrupt;
  event.phones = {};
  event.cls = static_cast<Class>(cls);
  event.on_unknown = (p[0] & kHoldBit) != 0 ? OnUnknown::hold : OnUnknown::resend;
  event.transition = static_cast<Transition>(p[1]);
  event.expires_s = load32(p + 8);
  event.queued = decode_stamp(p + 12);
  event.edge_before_ms = load32(p + 36);
  // Their sum is the payload's size, as was seen above.
  p += kEventHeadBytes;
  event.packed_phones = {p, phones * 8};
  p += phones * 8;
  event.id_prefix = take(p, prefix);
  event.stream = take(p, stream);
  event.alarm = take(p, alarm);
  event.code = code_size(event.transition) != 0 ? take_code(p) : std::string_view{};
  event.text = take(p, text);
  return {};
}

Result<Event> decode_event(Bytes payload) {
  Event event;
  TRY(decode_event(payload, event));
  return event;
}

std::size_t encode_message_state(const MessageState& state, MutBytes into) {
  const std::string_view uuid = head(state.uuid, kMaxUuid);
  const std::string_view reason = fitting(state.reason, kMaxReason);
  TOCSIN_ASSERT(into.size() >= kStateHeadBytes + 4 + uuid.size() + reason.size());
  std::uint8_t* p = into.data();
  p[0] = static_cast<std::uint8_t>(state.state);
  p[1] = state.sends;
  store16(p + 2, state.attempts);
  p[4] = static_cast<std::uint8_t>(uuid.size());
  p[5] = static_cast<std::uint8_t>(reason.size());
  p[6] = static_cast<std::uint8_t>((state.reopened ? kReopenedBit : 0) | (state.since_s != 0 ? kSinceBit : 0));
  p[7] = static_cast<std::uint8_t>(state.way | state.closed << kClosedShift);
  encode_stamp(state.at, p + 8);
  p += kStateHeadBytes;
  if (state.since_s != 0) {
    store32(p, state.since_s);
    p += 4;
  }
  put(p, uuid);
  put(p, reason);
  return static_cast<std::size_t>(p - into.data());
}

Result<MessageState> decode_message_state(Bytes payload) {
  if (payload.size() < kStateHeadBytes) return Code::corrupt;
  const std::uint8_t* p = payload.data();
  const std::size_t since = (p[6] & kSinceBit) != 0 ? 4 : 0;
  if (p[0] > static_cast<std::uint8_t>(State::merged) || payload.size() != kStateHeadBytes + since + p[4] + p[5])
    return Code::corrupt;
  MessageState state;
  state.state = static_cast<State>(p[0]);
  state.sends = p[1];
  state.attempts = load16(p + 2);
  state.reopened = (p[6] & kReopenedBit) != 0;
  state.way = p[7] % kMaxWays;
  state.closed = p[7] >> kClosedShift;
  state.at = decode_stamp(p + 8);
  const std::uint8_t* rest = p + kStateHeadBytes;
  if (since != 0) state.since_s = load32(rest);
  rest += since;
  state.uuid = take(rest, p[4]);
  state.reason = take(rest, p[5]);
  return state;
}

std::size_t encode_alarm_state(const AlarmState& state, MutBytes into) {
  TOCSIN_ASSERT(into.size() >= kAlarmHeadBytes + state.alarm.size() && state.alarm.size() <= kMaxName);
  std::uint8_t* p = into.data();
  p[0] = static_cast<std::uint8_t>(state.last);
  p[1] = static_cast<std::uint8_t>(state.alarm.size());
  store16(p + 2, 0);
  encode_stamp(state.since, p + 4);
  p += 4 + kStampBytes;
  put_code(p, state.code);
  put(p, state.alarm);
  return static_cast<std::size_t>(p - into.data());
}

Result<AlarmState> decode_alarm_state(Bytes payload) {
  if (payload.size() < kAlarmHeadBytes) return Code::corrupt;
  const std::uint8_t* p = payload.data();
  if (p[0] > static_cast<std::uint8_t>(Transition::acknowledged) || p[1] > kMaxName ||
      payload.size() != kAlarmHeadBytes + p[1])
    return Code::corrupt;
  AlarmState state;
  state.last = static_cast<Transition>(p[0]);
  state.since = decode_stamp(p + 4);
  const std::uint8_t* code = p + 4 + kStampBytes;
  state.code = take_code(code);
  state.alarm = as_text(payload.drop(kAlarmHeadBytes));
  return state;
}

void encode_run(const Run& run, MutBytes into) {
  TOCSIN_ASSERT(into.size() >= kRunBytes);
  std::uint8_t* p = into.data();
  store32(p, run.boot);
  store32(p + 4, run.run);
  std::memcpy(p + 8, run.boot_id, 16);
  store64(p + 24, run.machine);
  std::memcpy(p + 32, run.tag, 4);
  store32(p + 36, run.on_before_s);
}

Result<Run> decode_run(Bytes payload) {
  if (payload.size() != kRunBytes) return Code::corrupt;
  const std::uint8_t* p = payload.data();
  Run run;
  run.boot = load32(p);
  run.run = load32(p + 4);
  std::memcpy(run.boot_id, p + 8, 16);
  run.machine = load64(p + 24);
  std::memcpy(run.tag, p + 32, 4);
  run.on_before_s = load32(p + 36);
  return run;
}

void encode_tally(const Tally& tally, MutBytes into) {
  TOCSIN_ASSERT(into.size() >= kTallyBytes);
  std::uint8_t* p = into.data();
  store32(p, tally.on_s);
  p += 4;
  for (const Spent& spent : tally.spent) {
    store32(p, spent.hour_began_s);
    store32(p + 4, spent.day_began_s);
    store16(p + 8, spent.in_hour);
    store16(p + 10, spent.in_day);
    p += 12;
  }
  store32(p, tally.forget_before_s);
}

Result<Tally> decode_tally(Bytes payload) {
  if (payload.size() != kTallyBytes) return Code::corrupt;
  const std::uint8_t* p = payload.data();
  Tally tally;
  tally.on_s = load32(p);
  p += 4;
  for (Spent& spent : tally.spent) {
    spent.hour_began_s = load32(p);
    spent.day_began_s = load32(p + 4);
    spent.in_hour = load16(p + 8);
    spent.in_day = load16(p + 10);
    p += 12;
  }
  tally.forget_before_s = load32(p);
  return tally;
}

std::string_view stream_at(std::string_view streams, std::size_t way) {
  while (way-- > 0) take_until(streams, ',');
  return take_until(streams, ',');
}

std::string_view said_by(std::string_view reason, std::string_view streams, std::size_t way) {
  // Where "NAME: " stands, at the front or behind "; ".
  const auto find_name = [&](std::size_t of) {
    const std::string_view name = stream_at(streams, of);
    for (std::size_t at = 0; !name.empty() && at < reason.size(); ++at) {
      const std::string_view rest = tail(reason, at);
      if ((at == 0 || ends_with(head(reason, at), "; ")) && starts_with(rest, name) &&
          starts_with(tail(rest, name.size()), ": "))
        return at;
    }
    return kNotFound;
  };
  const std::size_t from = find_name(way);
  if (from == kNotFound) return {};
  std::size_t end = reason.size();
  for (std::size_t other = 0; other < kMaxWays; ++other)
    if (const std::size_t at = find_name(other); at != kNotFound && at > from && at - 2 < end) end = at - 2;
  return tail(head(reason, end), from + stream_at(streams, way).size() + 2);
}

MessageId message_id(std::string_view id_prefix, std::uint32_t number) {
  char text[kMaxId];
  TextWriter writer(text);
  writer.text(id_prefix).character('-').number(number);
  MessageId id;
  id.assign_cut(writer.view());
  return id;
}

}  // namespace tocsin

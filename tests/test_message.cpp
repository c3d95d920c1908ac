// SPDX-License-Identifier: MIT
#include <string>
#include <vector>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "tocsin/wire/message.hpp"

using namespace tocsin;

namespace {

Stamp a_stamp() {
  Stamp stamp;
  stamp.boot = 3;
  stamp.on_before_s = 9;
  stamp.clocks.now.ms = 123'456'789'012;
  stamp.clocks.wall.ms = -5;  // before 1970: a clock that was never set
  stamp.clocks.wall_trusted = true;
  return stamp;
}
void check_stamp(const Stamp& stamp, bool trusted) {
  CHECK_EQ(stamp.boot, 3);
  CHECK_EQ(stamp.on_before_s, 9);
  CHECK_EQ(stamp.clocks.now.ms, 123'456'789'012);
  CHECK_EQ(stamp.clocks.wall.ms, -5);
  CHECK_EQ(stamp.clocks.wall_trusted, trusted);
}

struct Encoded {
  std::uint8_t bytes[kBlock];
  std::size_t size = 0;
  Bytes view() const { return {bytes, size}; }
};

// Every shorter and longer payload is refused, whatever its bytes say.
template <typename Decode>
void check_lengths(const Encoded& whole, Decode decode) {
  for (std::size_t n = 0; n < whole.size; ++n) {
    check::at("bytes=%zu", n);
    CHECK_CODE(decode(whole.view().first(n)), Code::corrupt);
  }
  CHECK_CODE(decode(Bytes{whole.bytes, whole.size + 1}), Code::corrupt);
  CHECK_OK(decode(whole.view()));
}
// No byte makes it read outside, and what it then says is within the limits.
template <typename Look>
void check_any_byte(Encoded whole, Look look) {
  for (std::size_t at = 0; at < whole.size && at < 40; ++at)
    for (unsigned value = 0; value < 256; ++value) {
      check::at("at=%zu value=%u", at, value);
      const std::uint8_t was = whole.bytes[at];
      whole.bytes[at] = static_cast<std::uint8_t>(value);
      look(whole.view());
      whole.bytes[at] = was;
    }
}

Encoded an_event(unsigned phones = 3) {
  static Phone numbers[kMaxPhones];
  for (unsigned i = 0; i < phones; ++i) numbers[i].assign_cut("447700900" + std::to_string(123 + i));
  Event event;
  event.cls = Class::info;
  event.transition = Transition::cleared;
  event.queued = a_stamp();
  event.id_prefix = "boiler-7-x7qz";
  event.stream = "sms";
  event.alarm = "high-level";
  event.text = "sump normal";
  event.phones = Span<const Phone>{numbers, phones};
  Encoded out;
  CHECK(event_size(event) <= sizeof out.bytes);
  out.size = encode_event(event, {out.bytes, sizeof out.bytes});
  CHECK_EQ(out.size, event_size(event));
  return out;
}

}  // namespace

TEST(event_is_read_back_as_it_was_written) {
  const Encoded bytes = an_event();
  const auto event = decode_event(bytes.view());
  CHECK_OK(event);
  const Event& e = event.value();
  CHECK(e.cls == Class::info);
  CHECK(e.transition == Transition::cleared);
  check_stamp(e.queued, true);
  CHECK_TEXT(e.id_prefix, "boiler-7-x7qz");
  CHECK_TEXT(e.stream, "sms");
  CHECK_TEXT(e.alarm, "high-level");
  CHECK_TEXT(e.text, "sump normal");
  CHECK_EQ(e.phone_count(), 3);
  for (unsigned i = 0; i < 3; ++i) CHECK_TEXT(e.phone(i).view(), "447700900" + std::to_string(123 + i));
}

TEST(event_decoded_and_encoded_again_is_the_same) {
  const Encoded bytes = an_event(kMaxPhones);
  const Event event = decode_event(bytes.view()).value();
  CHECK_EQ(event_size(event), bytes.size);
  Encoded again;
  again.size = encode_event(event, {again.bytes, sizeof again.bytes});
  CHECK_BYTES(again.view(), bytes.view());
}

TEST(event_phone_with_the_most_digits_stays_whole) {
  Phone phone;
  phone.assign_cut("999999999999999");
  Event event;
  event.phones = Span<const Phone>{&phone, 1};
  Encoded bytes;
  bytes.size = encode_event(event, {bytes.bytes, sizeof bytes.bytes});
  CHECK_TEXT(decode_event(bytes.view()).value().phone(0).view(), "999999999999999");
}

TEST(event_without_phones_or_text_is_one) {
  Event event;
  event.transition = Transition::raised;
  event.alarm = "pump";
  Encoded bytes;
  bytes.size = encode_event(event, {bytes.bytes, sizeof bytes.bytes});
  const auto read = decode_event(bytes.view());
  CHECK_OK(read);
  CHECK_EQ(read.value().phone_count(), 0);
  CHECK_TEXT(read.value().alarm, "pump");
}

// Four bytes of an event that raises an alarm, with or without a code, and of no other.
TEST(event_that_raises_an_alarm_has_its_code) {
  Event event;
  event.alarm = "pump";
  event.text = "text";
  for (const Transition transition : {Transition::none, Transition::cleared, Transition::raised})
    for (const char* const code : {"", "K7QP"}) {
      event.transition = transition;
      event.code = code;
      const bool raises = transition == Transition::raised;
      Encoded bytes;
      bytes.size = encode_event(event, {bytes.bytes, sizeof bytes.bytes});
      CHECK_EQ(bytes.size, event_size(event));
      CHECK_EQ(bytes.size, 48U + (raises ? 4U : 0U));
      const auto read = decode_event(bytes.view());
      CHECK_OK(read);
      CHECK_TEXT(read.value().code, raises ? code : "");
      CHECK_TEXT(read.value().text, "text");
      check_lengths(bytes, [](Bytes b) { return decode_event(b); });
    }
}

TEST(event_of_another_length_is_corrupt) {
  check_lengths(an_event(), [](Bytes bytes) { return decode_event(bytes); });
}

TEST(event_with_any_byte_changed_is_corrupt_or_within_its_limits) {
  check_any_byte(an_event(), [](Bytes bytes) {
    const auto event = decode_event(bytes);
    if (!event.ok()) return;
    CHECK(event.value().cls <= Class::info);
    CHECK(event.value().transition <= Transition::cleared);
    CHECK(event.value().phone_count() <= kMaxPhones);
    CHECK(event.value().stream.size() <= kMaxName && event.value().alarm.size() <= kMaxName);
    for (std::size_t i = 0; i < event.value().phone_count(); ++i) static_cast<void>(event.value().phone(i));
  });
}

TEST(message_state_is_read_back_as_it_was_written) {
  MessageState state;
  state.state = State::merged;
  state.sends = 3;
  state.attempts = 54321;
  state.at = a_stamp();
  state.at.clocks.wall_trusted = false;
  state.uuid = "0562f2aa-5945-4f41-824a-b774fc2e2b2a";
  state.reason = "in another message";
  Encoded bytes;
  bytes.size = encode_message_state(state, {bytes.bytes, sizeof bytes.bytes});
  CHECK(bytes.size <= kMaxMessageStateBytes);
  const auto read = decode_message_state(bytes.view());
  CHECK_OK(read);
  CHECK(read.value().state == State::merged);
  CHECK_EQ(read.value().sends, 3);
  CHECK_EQ(read.value().attempts, 54321);
  check_stamp(read.value().at, false);
  CHECK_TEXT(read.value().uuid, state.uuid);
  CHECK_TEXT(read.value().reason, state.reason);
  check_lengths(bytes, [](Bytes b) { return decode_message_state(b); });
  check_any_byte(bytes, [](Bytes b) {
    const auto any = decode_message_state(b);
    if (any.ok()) CHECK(any.value().state <= State::merged);
  });
}

TEST(message_state_longest_words_fit_and_longer_ones_are_cut) {
  const std::string longest(300, 'r');
  MessageState state;
  state.uuid = longest;
  state.reason = longest;
  Encoded bytes;
  bytes.size = encode_message_state(state, {bytes.bytes, kMaxMessageStateBytes});
  const auto read = decode_message_state(bytes.view());
  CHECK_EQ(read.value().uuid.size(), kMaxUuid);
  CHECK_EQ(read.value().reason.size(), kMaxReason);
}

TEST(message_state_reason_is_cut_between_characters) {
  // What is shown from it goes into JSON, which refuses half a character.
  std::string reason(kMaxReason - 1, 'r');
  reason += "\u00e9";
  MessageState state;
  state.reason = reason;
  Encoded bytes;
  bytes.size = encode_message_state(state, {bytes.bytes, kMaxMessageStateBytes});
  const auto read = decode_message_state(bytes.view());
  CHECK_OK(read);
  CHECK(is_utf8(read.value().reason));
  CHECK_EQ(read.value().reason.size(), kMaxReason - 1);
}

TEST(alarm_state_is_read_back_as_it_was_written) {
  AlarmState state;
  state.alarm = "alarm-whose-name-has-32-letters-";
  state.last = Transition::acknowledged;
  state.code = "K7QP";
  state.since = a_stamp();
  Encoded bytes;
  bytes.size = encode_alarm_state(state, {bytes.bytes, sizeof bytes.bytes});
  CHECK(bytes.size <= kMaxAlarmStateBytes);
  const auto read = decode_alarm_state(bytes.view());
  CHECK_OK(read);
  CHECK_TEXT(read.value().alarm, state.alarm);
  CHECK(read.value().last == Transition::acknowledged);
  CHECK_TEXT(read.value().code, "K7QP");
  check_stamp(read.value().since, true);
  check_lengths(bytes, [](Bytes b) { return decode_alarm_state(b); });
  check_any_byte(bytes, [](Bytes b) {
    const auto any = decode_alarm_state(b);
    if (any.ok()) CHECK(any.value().last <= Transition::acknowledged && any.value().alarm.size() <= kMaxName);
  });
}

TEST(run_is_read_back_as_it_was_written) {
  Run run;
  run.boot = 5;
  run.run = 6;
  for (std::uint8_t i = 0; i < 16; ++i) run.boot_id[i] = i;
  run.machine = 0x0102030405060708;
  std::memcpy(run.tag, "x7qz", 4);
  Encoded bytes;
  bytes.size = kRunBytes;
  encode_run(run, {bytes.bytes, kRunBytes});
  const auto read = decode_run(bytes.view());
  CHECK_OK(read);
  CHECK_EQ(read.value().boot, 5);
  CHECK_EQ(read.value().run, 6);
  CHECK_EQ(read.value().machine, 0x0102030405060708);
  CHECK(std::memcmp(read.value().boot_id, run.boot_id, 16) == 0);
  CHECK(std::memcmp(read.value().tag, run.tag, 4) == 0);
  check_lengths(bytes, [](Bytes b) { return decode_run(b); });
}

TEST(message_id_is_prefix_and_number_and_fits_with_the_longest_of_both) {
  CHECK_TEXT(message_id("boiler-7-x7qz", 17).view(), "boiler-7-x7qz-17");
  const std::string prefix = std::string(kMaxDeviceName, 'n') + "-x7qz";
  CHECK_TEXT(message_id(prefix, UINT32_MAX).view(), prefix + "-4294967295");
  CHECK_EQ(message_id(prefix, UINT32_MAX).size(), kMaxId);
}

TEST(class_and_state_words_are_the_documented_ones) {
  CHECK_TEXT(word(Class::critical), "critical");
  CHECK_TEXT(word(Class::warning), "warning");
  CHECK_TEXT(word(Class::info), "info");
  for (const Class cls : {Class::critical, Class::warning, Class::info})
    CHECK(parse_class(word(cls)).value() == cls);
  CHECK_CODE(parse_class("Critical"), Code::bad_value);
  CHECK_CODE(parse_class(""), Code::bad_value);
  const char* const words[] = {"queued",  "unknown", "accepted", "delivered", "failed",
                               "expired", "evicted", "dropped",  "merged"};
  for (unsigned i = 0; i < 9; ++i) {
    CHECK_TEXT(word(static_cast<State>(i)), words[i]);
    CHECK_EQ(ended(static_cast<State>(i)), i != 0);
  }
}

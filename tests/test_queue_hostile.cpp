// SPDX-License-Identifier: MIT
// Queue files that no tocsin wrote: every check of every record and head holds, what they say is absurd. The
// queue starts, says clearly what it found, takes new messages and finds them again - or fails clearly - and
// never gives a number out twice. Nobody is kept out by this: who can write these files can delete them, too.
//
// Can a text be taken for a record? A record that lies in an event's text, phones or names is not even looked
// at while that event passes its check: the scan goes on behind it. If the event is damaged, what lies in it
// at a multiple of 8 is looked at, and counts if mark and check fit. For that,
//   - somebody must know salt and generation, so must be able to read the file, which only its owner may; and
//   - the bytes must get there. Not in a text: byte 10 of every record is between 1 and 8, a control
//     character, and no text with one is accepted. Nor in names (configuration), uuid and reason
//     (printable). Phones are 8 bytes each and every value below 10^15: four of them may spell a record
//     without payload, a `stop` or `seal`, if its check happens to be below 2^18 (one in 16,384), and eight a
//     state.
// A byte-for-byte copy of a record of the same file changes nothing: found twice is the same as once, and for
// an event of a message that has ended, the state that ended it is a record of its own with a greater LSN.
#include "queue_forge.hpp"
#include "tocsin/base/crc32.hpp"
#include "tocsin/outbox/outbox.hpp"

using namespace tocsin;
using namespace fakes;

// ---- what looks like a record -------------------------------------------------------------------

TEST(queue_text_that_holds_a_copy_of_a_record_is_not_taken_for_one) {
  Forge forge;
  forge.begin();
  const std::uint32_t event_at = forge.at;
  forge.event(1, 1, "an old alarm");
  const std::string event(reinterpret_cast<char*>(forge.bytes() + event_at), forge.at - event_at);
  forge.state(1, State::accepted, 1, RecordKind::ended);
  // A text that begins at a multiple of 8, and copies of the event and of a newer one that never was.
  const std::size_t text_at = kRecordHeadBytes + forge.event_bytes(1, "").size();
  std::string text(8 - text_at % 8, 'x');
  text += event;
  const std::uint32_t outer = forge.at;
  const RecordHead before = forge.next;
  forge.next.lsn += 100;
  forge.event(77, 1, "never was");
  text.append(reinterpret_cast<char*>(forge.bytes() + outer), forge.at - outer);
  std::memset(forge.bytes() + outer, 0, forge.at - outer);
  forge.at = outer;
  forge.next = before;
  forge.event(2, 1, text);
  {
    Process run(forge.disk);
    CHECK_OK(run.load());
    CHECK_EQ(run.found.records, 5);
    CHECK_EQ(the_index.size(), 2);
    CHECK(the_index[0].state == State::accepted);
    CHECK(the_index[1].state == State::queued);
  }
  // Nobody can put that text there.
  Disk in_use = forge.disk;
  Process run(in_use);
  run.start();
  struct Silent final : Observer {
    void message_ended(const MessageId&, std::uint32_t, State, std::string_view) override {}
    void stream_changed(std::string_view, std::string_view, std::string_view) override {}
    void budget_spent(Class, Instant) override {}
  } silent;
  Outbox outbox(run.queue, the_index, silent);
  Event event_with_text;
  Phone phone;
  phone.assign_cut("447700900123");
  event_with_text.phones = Span<const Phone>{&phone, 1};
  event_with_text.text = text;
  CHECK_CODE(outbox.post(event_with_text, "boiler-7", run.clocks()), Code::bad_value);
  // With the event around them damaged they are found. The copy of the old one raises nothing from the dead.
  forge.bytes()[outer + kRecordHeadBytes] ^= 1;
  Process next(forge.disk);
  CHECK_OK(next.load());
  CHECK(the_index.find(1)->state == State::accepted);
  CHECK(the_index.find(2) == nullptr);
  CHECK(the_index.find(77) != nullptr);  // this takes the salt, and bytes that no text may have
}

// In every record: byte 10 is a kind.
TEST(queue_record_holds_a_byte_that_no_text_may_have) {
  for (unsigned kind = 0; kind < 256; ++kind)
    for (unsigned echo = 0; echo < 256; ++echo) {
      std::uint8_t bytes[kRecordHeadBytes] = {};
      const FileKey key = file_key(kSalt, 1);
      encode_record(key, {}, {}, bytes);
      bytes[10] = static_cast<std::uint8_t>(kind), bytes[11] = static_cast<std::uint8_t>(echo);
      store32(bytes + 4, crc32(key.seed, Bytes{bytes}.drop(8)));
      if (decode_record(key, bytes).ok()) CHECK(kind > 0 && kind <= 8);
    }
}

TEST(queue_phones_that_spell_a_record_count_only_if_their_own_event_is_damaged) {
  // A `seal` that somebody chose phones for: he knows the salt, and tried LSNs until the check was small.
  Forge forge;
  forge.begin();
  std::uint8_t seal[kRecordHeadBytes];
  RecordHead head;
  head.kind = RecordKind::stop;
  head.settled_below = 200'000;
  head.ceiling = 200'000;
  bool spelled = false;
  for (head.lsn = 100; head.lsn < 200'000 && !spelled; ++head.lsn)
    for (head.number = 1; head.number < 20 && !spelled; ++head.number) {
      encode_record(forge.key(), head, {}, seal);
      spelled = true;
      for (int i = 0; i < 4; ++i) spelled = spelled && load64(seal + 8 * i) < 1'000'000'000'000'000;
    }
  CHECK(spelled);
  const std::uint32_t outer = forge.at;
  auto payload = forge.event_bytes(4, "to whom it may concern");
  std::memcpy(payload.data() + 32, seal, sizeof seal);
  forge.add(RecordKind::event, 1, {payload.data(), payload.size()});
  {
    Process run(forge.disk);
    CHECK_OK(run.load());
    CHECK_EQ(run.found.records, 3);
    CHECK_EQ(the_index.size(), 4);
    CHECK(the_index[0].state == State::queued);
  }
  forge.bytes()[outer + 8] ^= 1;
  Process run(forge.disk);
  CHECK_OK(run.load());
  CHECK_EQ(run.found.records, 3);  // the stop instead of the event
}

// ---- heads ------------------------------------------------------------------------------------------------

TEST(queue_with_any_head_of_another_version_is_refused_and_not_touched) {
  Forge forge;
  forge.begin();
  for (const std::uint32_t version : {0U, 2U, 0xFFFFFFFFU})
    for (unsigned place = 0; place < 4; ++place) {
      check::at("version=%u place=%u", version, place);
      Disk disk = forge.disk;
      std::uint8_t* p = disk.seen(place / 2).data() + (place % 2) * 7 * kBlock;
      encode_file_head(forge.head, {p, kFileHeadBytes});
      store32(p + 8, version);
      store32(p + 36, crc32(0, {p, 36}));
      const Disk before = disk;
      Process run(disk);
      const Status loaded = run.load();
      CHECK_CODE(loaded, Code::bad_value);
      CHECK_EQ(static_cast<std::uint32_t>(loaded.detail()), version);
      run.queue.poll(run.now);
      CHECK_EQ(disk.calls, 0);
      CHECK(disk.seen(0) == before.seen(0) && disk.seen(1) == before.seen(1));
    }
}

TEST(queue_heads_of_one_file_that_contradict_each_other) {
  for (unsigned which = 0; which < 6; ++which)
    for (const std::uint32_t place : {0U, 7U * kBlock}) {
      check::at("which=%u place=%u", which, place);
      Forge forge;
      forge.begin();
      forge.event(1, 2, "waits");
      FileHead other = forge.head;
      if (which == 0) other.generation = 2;  // a turn that was cut off as it began
      if (which == 1) other.generation = 0xFFFFFFFF;
      if (which == 2) other.salt = 1;
      if (which == 3) other.first_lsn = 0xFFFFFFFF;
      if (which == 4) other.block = 512;
      if (which == 5) other.generation = 0;
      forge.write_head(place, other);
      Process run(forge.disk);
      CHECK_OK(run.load());
      // With the same generation the first one counts; a newer one without a seal makes the file a scrap.
      const bool found = which == 1 || which >= 4 || (which >= 2 && place != 0);
      CHECK_EQ(the_index.size(), found ? 2 : 0);
      CHECK(run.found.fresh == !found);
      check_works(forge.disk);
    }
}

TEST(queue_two_files_of_one_generation_are_read_as_one) {
  Forge forge;
  forge.begin();
  forge.event(1, 2, "waits");
  forge.disk.seen(1) = forge.disk.seen(0);  // somebody copied it
  Process run(forge.disk);
  CHECK_OK(run.load());
  CHECK_EQ(the_index.size(), 2);
  check_works(forge.disk);
}

TEST(queue_generation_that_is_absurdly_high) {
  for (const std::uint32_t generation : {0U, 0x7FFFFFFFU, 0xFFFEFFF0U, 0xFFFFFF00U, 0xFFFFFFFEU, 0xFFFFFFFFU}) {
    check::at("generation=%u", generation);
    if (check::has_option("generation") && check::option("generation", 0) != generation) continue;
    Forge forge(8, generation);
    forge.begin();
    forge.event(1, 2, "waits");
    check_works(forge.disk);
  }
}

// ---- numbers that cannot be -------------------------------------------------------------------------------

TEST(queue_first_lsn_that_is_absurdly_high) {
  for (const Lsn first : {0U, 0x7FFFFFF0U, 0xFFFFFF00U}) {
    if (check::has_option("first") && check::option("first", 0) != first) continue;
    check::at("first=%u", first);
    Forge forge(8, 1, first);
    forge.begin();
    forge.event(1, 2, "waits");
    check_works(forge.disk);
  }
}

TEST(queue_one_record_with_an_absurd_lsn) {
  Forge forge;
  forge.begin();
  forge.event(1, 2, "waits");
  forge.next.lsn = 0xFFFFFFFF;
  forge.state(2, State::queued, 1);
  check_works(forge.disk);
}

TEST(queue_number_at_its_end) {
  for (const std::uint32_t number : {0U, 0x7FFFFFFFU, 0xFFFFFFE0U, 0xFFFFFFFEU, 0xFFFFFFFFU}) {
    if (check::has_option("number") && check::option("number", 0) != number) continue;
    check::at("number=%u", number);
    Forge forge;
    forge.begin();
    forge.event(number, 4, "waits");
    check_works(forge.disk);
  }
}

TEST(queue_ceiling_that_is_absurdly_high) {
  for (const std::uint32_t ceiling : {0x7FFFFFFFU, 0xFFFFF000U}) {
    if (check::has_option("ceiling") && check::option("ceiling", 0) != ceiling) continue;
    check::at("ceiling=%u", ceiling);
    Forge forge;
    forge.begin();
    forge.next.ceiling = ceiling;
    forge.event(1, 4, "waits");
    check_works(forge.disk);
  }
}

// After the last number comes no first one: it would name another message.
TEST(queue_whose_numbers_are_used_up_takes_nothing_more) {
  for (const std::uint32_t ceiling : {0xFFFFFED0U, 0xFFFFFEE0U, 0xFFFFFFFFU}) {
    check::at("ceiling=%u", ceiling);
    Forge forge;
    forge.begin();
    forge.next.ceiling = ceiling;
    forge.event(1, 1, "waits");
    Process run(forge.disk);
    run.start();
    std::uint32_t newest = 1;
    for (unsigned i = 0; i < 40; ++i) {
      const auto pushed = run.push(4, "x");
      run.settle();
      if (pushed.ok()) {
        CHECK(pushed.value().first_number > newest);
        newest = pushed.value().first_number + 3;
      } else {
        CHECK_CODE(pushed, Code::full);
      }
    }
    CHECK_CODE(run.push(1, "x"), Code::full);
    CHECK(!run.queue.failing());
    Process next(forge.disk);
    CHECK_OK(next.load());
    CHECK_EQ(the_index[0].number, 1);
    CHECK_EQ(the_index[the_index.size() - 1].number, newest);
  }
}

TEST(queue_settled_below_that_is_absurdly_high_ends_nothing_that_comes_later) {
  for (const std::uint32_t below : {300U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
    if (check::has_option("below") && check::option("below", 0) != below) continue;
    check::at("below=%u", below);
    Forge forge;
    forge.begin();
    forge.next.settled_below = below;
    forge.event(1, 4, "waits");
    check_works(forge.disk);
  }
}

TEST(queue_synced_that_is_absurdly_high) {
  for (const Lsn synced : {0x7FFFFFFFU, 0xFFFFFFFEU, 0xFFFFFFFFU})
    for (const bool in_start : {false, true}) {
      if (check::has_option("synced") && check::option("synced", 0) != synced) continue;
      check::at("synced=%u start=%d", synced, in_start ? 1 : 0);
      Forge forge;
      if (in_start) forge.next.synced = synced;
      forge.begin();
      forge.next.synced = in_start ? 0 : synced;
      forge.event(1, 4, "waits");
      check_works(forge.disk);
    }
}

// ---- payloads that cannot be ------------------------------------------------------------------------------

TEST(queue_event_with_any_count_of_phones_and_any_lengths_is_whole_or_no_event) {
  for (unsigned phones = 0; phones < 256; ++phones)
    for (unsigned variant = 0; variant < 5; ++variant) {
      check::at("phones=%u variant=%u", phones, variant);
      Forge forge;
      forge.begin();
      auto payload = forge.event_bytes(1, "waits");
      payload[2] = static_cast<std::uint8_t>(phones);
      if (variant == 1 && phones > 0)
        payload.insert(payload.begin() + 40, (phones - 1) * 8, 1);  // as many as it says
      if (variant == 2) payload[3] = 255, payload[4] = 255, payload[5] = 255;
      if (variant == 3) payload[6] = payload[7] = 255;
      if (variant == 4) payload.resize(32 + phones % 8), payload.resize(32);  // nothing behind the head
      forge.add(RecordKind::event, 1, {payload.data(), payload.size()});
      Process run(forge.disk);
      CHECK_OK(run.load());
      const bool whole = (variant == 1 && phones > 0 && phones <= kMaxPhones) || (variant < 2 && phones == 1);
      if (whole) CHECK_EQ(the_index.size(), phones);
      for (std::size_t i = 0; i < the_index.size(); ++i) {
        const auto body = run.queue.read_body(the_index[i], run.scratch);
        CHECK_OK(body);
        CHECK(body.value().event.phone(i).size() <= 15);
      }
      if (!whole) CHECK_EQ(the_index.size(), 0);
    }
}

TEST(queue_phone_of_any_digits_is_no_more_than_a_phone) {
  for (const std::uint64_t digits : {std::uint64_t{0}, std::uint64_t{1} << 50, ~std::uint64_t{0}}) {
    Forge forge;
    forge.begin();
    auto payload = forge.event_bytes(1, "waits");
    store64(payload.data() + 32, digits);
    forge.add(RecordKind::event, 1, {payload.data(), payload.size()});
    Process run(forge.disk);
    CHECK_OK(run.load());
    CHECK(run.queue.read_body(the_index[0], run.scratch).value().event.phone(0).size() <= 15);
    check_works(forge.disk);
  }
}

TEST(queue_record_that_crosses_a_block_is_none) {
  Forge forge;
  forge.begin();
  const auto payload = forge.event_bytes(1, "across the border of two blocks, every check holds");
  const std::uint32_t space = static_cast<std::uint32_t>(record_space(payload.size()));
  for (std::uint32_t before = 8; before < space; before += 8) {
    check::at("before=%u", before);
    Disk disk = forge.disk;
    RecordHead head = forge.next;
    head.kind = RecordKind::event;
    head.number = 1;
    encode_record(forge.key(), head, {payload.data(), payload.size()},
                  {disk.seen(0).data() + 3 * kBlock - before, space});
    Process run(disk);
    CHECK_OK(run.load());
    CHECK_EQ(the_index.size(), 0);
    if (before % 32 == 0) check_works(disk);
  }
}

TEST(queue_states_of_unknown_messages_are_forgotten) {
  Forge forge(1024);
  forge.begin();
  for (std::uint32_t i = 0; i < 500; ++i) forge.state(1000 + i * 7, State::queued, 200);
  forge.state(0, State::accepted);
  forge.state(0xFFFFFFFF, State::queued);
  forge.event(1, 2, "waits");
  Process run(forge.disk);
  CHECK_OK(run.load());
  CHECK_EQ(the_index.size(), 2);
  check_works(forge.disk);
}

TEST(queue_more_messages_than_the_index_holds) {
  Forge forge(4096);
  forge.begin();
  std::uint32_t number = 1;
  forge.next.ceiling = kMaxMessages + 1000;
  for (; number < kMaxMessages + 500; number += 32) forge.event(number, 32, "waits");
  forge.state(1, State::accepted, 1, RecordKind::ended);
  {
    Process run(forge.disk);
    CHECK_OK(run.load());
    CHECK_EQ(the_index.size(), kMaxMessages);
  }
  Process run(forge.disk);
  run.start();
  CHECK(run.queue.settled());
  for (unsigned i = 0; i < 3; ++i) {
    CHECK_CODE(run.push(2, "one too many"), Code::full);
    run.settle();
  }
  for (number = 2; number <= kMaxMessages - Queue::kMaxWaiting + 96; ++number) {
    CHECK_OK(run.end(number));
    if (number % 32 == 0) run.settle();
  }
  run.settle();
  const auto first = run.push(2, "finds room after a turn");
  run.queue.poll(run.now);
  run.settle();
  const auto second = run.push(2, "finds room after a turn");
  CHECK_OK(first.ok() ? first : second);
}

TEST(queue_more_alarms_than_are_kept) {
  Forge forge(16);
  forge.begin();
  for (unsigned i = 0; i < kMaxAlarms + 20; ++i)
    forge.event(1, 0, "", ("alarm-" + std::to_string(i)).c_str());
  forge.event(1, 1, "waits", "one-more");
  Process run(forge.disk);
  CHECK_OK(run.load());
  CHECK_EQ(run.queue.alarms().size(), kMaxAlarms);
  CHECK_EQ(the_index.size(), 1);
  check_works(forge.disk);
}

TEST(queue_that_waits_in_full_is_failing_and_says_so) {
  Forge forge;
  forge.begin();
  std::uint32_t number = 1;
  while (forge.at < 6 * kBlock + 3000) forge.event(number++, 1, std::string(900, 'x'));
  forge.next.ceiling = 1000;
  forge.next.synced = forge.next.lsn - 1;
  forge.state(1, State::queued);
  Process run(forge.disk);
  run.start();
  CHECK(run.queue.failing());
  CHECK_EQ(run.queue.last_errno(), 28);
  CHECK(!run.queue.settled());
  CHECK_CODE(run.push(1, "x"), Code::full);
}

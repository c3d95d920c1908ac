// SPDX-License-Identifier: MIT
// The sender and the medium: what must be on record before a byte leaves, and a medium that hangs or fails.
#include "sender_bench.hpp"

using namespace tocsin;
using fakes::accept_all;
using fakes::answer;
using fakes::Bench;
using fakes::Disk;
using fakes::Request;
using fakes::sends_on_medium;
using fakes::total_copies;

// ---- the medium -------------------------------------------------------------------------------------------

TEST(sender_no_byte_leaves_before_the_event_is_on_the_medium) {
  Bench b;
  b.start();
  CHECK(b->run(seconds(1)));
  b->even.delay = b->odd.delay = milliseconds(1500);
  b->post(Class::critical, 1, "x");
  const auto ticket = b->last_ticket;
  bool safe_first = true;
  b->stream.on_byte = [&] { safe_first = safe_first && b->queue.on_medium(ticket); };
  CHECK(b->run_until_ended(seconds(10)));
  CHECK(safe_first);
  CHECK_EQ(total_copies(b.service), 1);
}

TEST(sender_intent_is_on_the_medium_before_a_byte_leaves) {
  // info always, the others for every sending but the first in the run that queued them.
  for (const Class cls : {Class::critical, Class::info})
    for (const bool later_run : {false, true}) {
      check::at("class=%u later_run=%d", static_cast<unsigned>(cls), later_run ? 1 : 0);
      Bench b;
      b.service.script = [](const Request& r) { return fakes::accept_but(r, answer(500)); };
      std::uint32_t number = 0;
      if (later_run) {
        b->stream.refuse = {Code::io, 111};
        b.start();
        number = b->post(cls, 1, "x");
        CHECK(b->run(seconds(5)));
        b.boot();
      }
      b->even.delay = b->odd.delay = milliseconds(700);
      b.start();
      if (!later_run) CHECK(b->run(seconds(2)));
      if (!later_run) number = b->post(cls, 1, "x");
      std::vector<unsigned> on_record;
      b->stream.on_byte = [&] { on_record.push_back(sends_on_medium(b.disk, number)); };
      CHECK(b->run(hours(1)));
      const std::vector<unsigned> want = cls == Class::info ? std::vector<unsigned>{1}
                                         : later_run        ? std::vector<unsigned>{2, 3}
                                                            : std::vector<unsigned>{0, 2, 3};
      CHECK(on_record == want);
    }
}

TEST(sender_next_request_but_one_waits_until_an_answer_is_on_record) {
  // Requests went out while the end of messages was on its way to the medium; a process killed then sent
  // messages again whose answers had arrived long before. One request is sent beside that, a second one is not.
  Bench b;
  b.start();
  const auto first = b->post(Class::critical, 20, "a");
  b->post(Class::critical, 20, "b");
  b->post(Class::critical, 20, "c");
  CHECK(b->run(seconds(0)));
  b->even.delay = b->odd.delay = milliseconds(1500);
  unsigned seen = 0, waiting = 0;
  b->stream.on_byte = [&] {
    if (b.service.requests.size() != 2) return;
    ++seen;
    for (std::uint32_t i = 0; i < kMaxBatch; ++i) {
      const Entry* left = left_of(b.disk, first + i);
      waiting += left == nullptr || !ended(left->state) ? 1U : 0U;
    }
  };
  CHECK(b->run_until_ended(seconds(10)));
  CHECK(seen > 0);
  CHECK_EQ(waiting, 0);
  CHECK_EQ(b.service.requests.size(), 3);
  CHECK_EQ((b.service.requests[1].at - b->over[0].at).count, 0);
  CHECK_EQ((b.service.requests[2].at - b->over[0].at).count, 1500);
  CHECK_EQ(total_copies(b.service), 60);
  CHECK_EQ(b->spins, 0);
}

TEST(sender_end_of_messages_that_waited_since_an_earlier_run_and_the_count_of_the_next_share_a_sync) {
  Bench b;
  b->stream.refuse = {Code::io, 111};
  b.start();
  for (const char* text : {"a", "b", "c"}) b->post(Class::critical, 20, text);
  CHECK(b->run(seconds(5)));
  b.boot();
  b.start();
  const auto syncs = b->queue.syncs();
  CHECK(b->run_until_ended(seconds(10)));
  CHECK(b->run(seconds(10)));
  CHECK_EQ(b.service.requests.size(), 3);
  CHECK_EQ(b->queue.syncs() - syncs, 5);  // the start, the first count, the last end, and two between
}

TEST(sender_medium_that_hangs_over_an_answer_holds_the_next_request_but_one_for_two_seconds) {
  Bench b;
  b.start();
  for (const char* text : {"a", "b", "c"}) b->post(Class::critical, 20, text);
  b->stream.on_byte = [&b] { b->even.hangs = b->odd.hangs = true; };
  CHECK(b->run(minutes(10)));
  CHECK_EQ(b.service.requests.size(), 3);
  CHECK_EQ((b.service.requests[2].at - b->over[0].at).count, 2000);
  CHECK_EQ(total_copies(b.service), 60);
  CHECK_EQ(b->spins, 0);
}

TEST(sender_device_that_browns_out_after_every_sending_stops_after_three_copies) {
  for (const Class cls : {Class::critical, Class::warning, Class::info}) {
    check::at("class=%u", static_cast<unsigned>(cls));
    Bench b;
    b.service.script = [&b](const Request& r) {
      b.disk.power = false;  // the load of the radio ends the device, every time
      return accept_all(r);
    };
    const auto power = [&b] { return b.disk.power; };
    b.start();
    b->alive = b->stream.on_call = power;
    const auto number = b->post(cls, 1, "x");
    for (unsigned boots = 0; boots < 10; ++boots) {
      CHECK(b->run(minutes(30)));
      b.boot();
      b->alive = b->stream.on_call = power;
      b.start();
    }
    CHECK(b->run(minutes(30)));
    CHECK(b->state(number) == State::unknown);
    CHECK_TEXT(head(b->record(number).reason, 18), "the device stopped");
    CHECK_EQ(b.service.copies[b->id(number)], cls == Class::info ? 1 : 3);
  }
}

TEST(sender_hung_medium_lets_the_first_copy_go_after_two_seconds) {
  Bench b;
  b.start();
  CHECK(b->run(seconds(1)));
  b->even.hangs = b->odd.hangs = true;
  const Instant posted = b.clock;
  const auto critical = b->post(Class::critical, 1, "x");
  const auto ticket = b->last_ticket;
  const auto info = b->post(Class::info, 1, "needs a record");
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 1);
  CHECK_EQ(b.service.copies[b->id(critical)], 1);
  CHECK_EQ((b.service.requests[0].at - posted).count, 2000);
  CHECK(!b->queue.on_medium(ticket));
  CHECK(b->queue.stalled(b.clock));
  CHECK_EQ(b->spins, 0);
  CHECK(b->polls < 200);
  b->even.hangs = b->odd.hangs = false;
  CHECK(b->run(seconds(5)));
  CHECK(b->queue.on_medium(ticket));
  CHECK(b->state(critical) == State::accepted);
  CHECK(b->state(info) == State::accepted);
  CHECK_EQ(total_copies(b.service), 2);
  b.boot();
  b.start();
  CHECK(b->run(minutes(1)));
  CHECK_EQ(b->waiting(), 0);
  CHECK_EQ(total_copies(b.service), 2);
}

TEST(sender_medium_that_hangs_over_an_intent_keeps_that_one_and_sends_the_others) {
  Bench b;
  b.service.script = [](const Request& r) {
    return fakes::accept_but(r, answer(r.number == 1 ? 500 : 200, r.number == 1 ? "" : accept_all(r).body));
  };
  b.start();
  const auto first = b->post(Class::critical, 1, "unknown once");
  CHECK(b->run(milliseconds(100)));
  CHECK_EQ(b->sends(first), 1);
  b->even.hangs = b->odd.hangs = true;
  CHECK(b->run(minutes(1)));  // its repeat waits for the medium
  const auto second = b->post(Class::critical, 1, "fresh");
  CHECK(b->run(minutes(20)));
  CHECK_EQ(b.service.copies[b->id(second)], 1);
  CHECK_EQ(b.service.copies[b->id(first)], 1);
  CHECK(b->state(first) == State::queued);
  CHECK_EQ(b->spins, 0);
  b->even.hangs = b->odd.hangs = false;
  CHECK(b->run(minutes(20)));
  CHECK_EQ(b.service.copies[b->id(first)], 2);
  CHECK_EQ(b->waiting(), 0);
}

TEST(sender_failing_medium_still_sends_from_memory) {
  Bench b;
  b.start();
  CHECK(b->run(seconds(1)));
  b.disk.fail_at = b.disk.calls + 1;
  b.disk.fail_for_ever = true;
  const auto number = b->post(Class::critical, 1, "x");
  const auto ticket = b->last_ticket;
  CHECK(b->run(minutes(10)));
  CHECK_EQ(total_copies(b.service), 1);
  CHECK(b->state(number) == State::accepted);
  CHECK(!b->queue.on_medium(ticket));
  CHECK(b->queue.failing());
  CHECK_EQ(b->spins, 0);
  b.disk.fail_at = 0;
  CHECK(b->run(minutes(1)));
  CHECK(b->queue.on_medium(ticket));
  CHECK_EQ(total_copies(b.service), 1);
}

TEST(sender_event_that_a_turn_could_not_read_ends_on_record) {
  // A turn of the files met a damaged event; the message stayed in the index without one, could be picked,
  // could not be read, and the sender asked for it for ever within one poll().
  Bench b;
  b->stream.refuse = {Code::io, 111};
  b.start();
  const auto damaged = b->post(Class::critical, 1, "will be damaged");
  CHECK(b->run(seconds(1)));
  const auto turns = b->queue.turns();
  std::uint32_t whole = 0;
  for (unsigned i = 0; i < 400 && b->queue.turns() == turns; ++i) {  // until the files turn
    const auto filler = b->post(Class::info, 1, std::string(900, 'x'));
    CHECK(filler != 0);
    MessageState dropped;
    dropped.state = State::dropped;
    if (i > 0) CHECK_OK(b->queue.update(whole, dropped, b->clocks()));
    whole = filler;
    CHECK(b->run(milliseconds(10)));
    if (i != 8) continue;  // the block with it is closed by now
    const std::string text = "will be damaged";
    for (unsigned file = 0; file < 2; ++file) {
      Disk::Image& image = b.disk.seen(file);
      for (auto at = image.begin();
           (at = std::search(at, image.end(), text.begin(), text.end())) != image.end();)
        *at = 'W', b.disk.durable(file) = image;
    }
  }
  CHECK(b->queue.turns() > turns);
  b->stream.refuse = {};
  CHECK(b->run(minutes(30)));
  CHECK(b->state(damaged) == State::failed);
  CHECK(b->state(whole) == State::accepted);
}

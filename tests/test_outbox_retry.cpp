// SPDX-License-Identifier: MIT
// A message that a person asks for again: what was refused for want of room has not been done by halves.
#include "queue_bench.hpp"
#include "tocsin/outbox/outbox.hpp"

using namespace tocsin;
using namespace fakes;

namespace {

class Silent final : public Observer {
 public:
  void message_ended(const MessageId&, std::uint32_t, State, std::string_view) override {}
  void stream_changed(std::string_view, std::string_view, std::string_view) override {}
  void budget_spent(Class, Instant) override {}
};

}  // namespace

TEST(outbox_retry_without_room_for_its_record_leaves_the_message_ended) {
  Disk disk(256);
  Process run(disk);
  run.start();
  Silent silent;
  Outbox outbox(run.queue, the_index, silent);
  const std::uint32_t number = run.push(1, "refused once").value().first_number;
  const std::uint32_t other = run.push(1, "another").value().first_number;
  run.settle();
  CHECK_OK(run.end(number, State::failed));
  run.settle();
  run.even.hangs = run.odd.hangs = true;
  for (const char* reason : {"no answer", ""})  // until nothing more has room
    for (;;) {
      MessageState state;
      state.sends = 1, state.attempts = 1;
      state.reason = reason;
      if (run.queue.update(other, state, run.clocks()).code() == Code::full) break;
      run.queue.poll(run.now);
    }
  CHECK_CODE(outbox.retry(number, run.clocks()), Code::full);
  CHECK(the_index.find(number)->state == State::failed);
  CHECK(!the_index.find(number)->reopened);
  const std::size_t live = run.queue.live_bytes();
  CHECK_CODE(run.queue.update(number, MessageState{}, run.clocks()), Code::full);
  CHECK(the_index.find(number)->state == State::failed);
  CHECK_EQ(run.queue.live_bytes(), live);
}

TEST(outbox_retry_while_the_files_change_does_not_make_its_end_look_old) {
  // The turn forgot what had ended long ago, and the refused retry had set the end back to zero.
  Disk disk(64);
  Process run(disk);
  run.start();
  Silent silent;
  Outbox outbox(run.queue, the_index, silent);
  run.now.ms = 1'000'000'000;
  const std::uint32_t number = run.push(1, "refused once").value().first_number;
  run.settle();
  CHECK_OK(run.end(number, State::failed));
  run.settle();
  CHECK_OK(run.queue.forget(10));  // of what ended in the first ten seconds: nothing
  run.even.delay = run.odd.delay = Millis{5};
  for (unsigned i = 0; i < 1000 && !run.queue.turning(); ++i, run.now.ms += 1) run.queue.poll(run.now);
  CHECK(run.queue.turning());
  CHECK_CODE(outbox.retry(number, run.clocks()), Code::full);
  for (unsigned i = 0; i < 5000 && (!run.queue.idle() || run.queue.forgetting()); ++i, run.now.ms += 1)
    run.queue.poll(run.now);
  CHECK(the_index.find(number) != nullptr);
}

// SPDX-License-Identifier: MIT
// tocsin's queue, with the port's own files and storage thread: what `tocsin run` does with a message.
//
//   tocsin         messages, as long as there is room beside what waits; lives through any number of turns
//   tocsin_five    the same, five recipients each
//   tocsin_events  events without recipients, which need no room: through any number of turns
//   tocsin_both    messages, and in the same job the oldest one ends: through any number of turns
//   tocsin_receipts  lives to their end: the receipt comes when the message was accepted, and goes with the next record
#include <fcntl.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "port/linux/file_store.hpp"
#include "port/linux/storage_worker.hpp"
#include "tests/bench/queue_bench.hpp"
#include "tocsin/outbox/outbox.hpp"

void tocsin::panic(const char* place) {
  std::fprintf(stderr, "panic at %s\n", place);
  std::abort();
}

using namespace tocsin;

namespace {

constexpr std::uint32_t kFile = 256 * 1024;  // half of the default queue_size
constexpr std::string_view kUuid = "6b6a1ff0-0f0e-4cf1-8f46-3b1d5a1c4b8e";
static_assert(kWaiting == kFile / 4 / record_space(kRecord));

class Nobody final : public Observer {
  void message_ended(const MessageId&, std::uint32_t, State, std::string_view) override {}
  void stream_changed(std::string_view, std::string_view, std::string_view) override {}
  void budget_spent(Class, Instant) override {}
};

StorageWorker worker;
FileStore even(worker), odd(worker);
Index entries;
Queue queue(even, odd, entries);
Nobody nobody;
Outbox outbox(queue, entries, nobody);

Clocks now() {
  timespec t;
  Clocks clocks;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  clocks.now = {static_cast<std::uint64_t>(t.tv_sec) * 1000 +
                static_cast<std::uint64_t>(t.tv_nsec) / 1'000'000};
  ::clock_gettime(CLOCK_REALTIME, &t);
  clocks.wall = {static_cast<std::int64_t>(t.tv_sec) * 1000};
  clocks.wall_trusted = true;
  return clocks;
}

}  // namespace

// The loop's part of one record: the job is built and handed to the worker, and later its end is noted.
MEASURED bool measured_tocsin_push(const Event& event, const Clocks& clocks, std::uint32_t& number) {
  const auto pushed = queue.push(event, "pump-house", clocks);
  if (!pushed.ok()) return false;
  number = pushed.value().first_number;
  queue.poll(clocks.now);
  return true;
}
MEASURED void measured_tocsin_done(const Clocks& clocks) { queue.poll(clocks.now); }

// All that is done before the first message can be sent.
MEASURED bool measured_open_tocsin(const Queue::Start& start) {
  if (!queue.load().ok()) return false;
  queue.start(start);
  outbox.load(start.clocks);
  return true;
}

namespace {

// Half of a state record's place is kept for each waiting message, and 40 % of a file may wait.
std::uint32_t file_for(unsigned waiting) {
  const std::size_t share = record_space(kRecord) + record_space(32 + kUuid.size());
  const std::size_t bytes = (waiting + 40) * share / 2 * 5 + 4 * kBlock;
  return bytes < kFile ? kFile : static_cast<std::uint32_t>(bytes / kBlock * kBlock);
}

class Tocsin final : public Contender {
 public:
  enum class Beside { nothing, events, ends, receipts };

  Tocsin(const std::string& where, std::size_t phones, Beside beside)
      : where_(where), phones_(phones), beside_(beside) {
    for (std::size_t i = 0; i < kMaxPhones; ++i) phone_[i].assign_cut("447700900123");
    event_.cls = Class::critical;
    event_.stream = "sms";
    std::memset(text_, 'a', sizeof text_);
    fill_up();
    start_.random[0] = 0x1234567890ABCDEF;
    start_.random[1] = 0xFEDCBA0987654321;
    start_.clocks = now();
    want(worker.start().ok(), "worker");
  }

  void fill(unsigned waiting) override {
    open_files(file_for(waiting));
    want(measured_open_tocsin(start_), "open");
    settle();
    for (unsigned filled = 0; filled < waiting / phones_;) {
      const auto pushed = queue.push(event_, "pump-house", now());
      if (pushed.ok())
        ++filled;
      else if (queue.idle())
        die("no room for so many");
      else
        settle();
    }
    settle();
    waiting_ = waiting / phones_;
    if (beside_ != Beside::events) return;
    phones_ = 0;
    event_.alarm = "pump";
    event_.transition = Transition::raised;
    fill_up();
  }

  void enqueue() override {
    const Clocks clocks = now();
    if (beside_ == Beside::ends) {
      MessageState state;
      state.state = State::accepted;
      state.sends = 1;
      state.attempts = 1;
      state.uuid = kUuid;
      want(queue.update(oldest_++, state, clocks).ok(), "update");
    }
    push(clocks);
  }

  void live() override {
    const std::uint32_t number = push(now());
    const auto ticket = outbox.sending(name_hash("sms"), number, now());
    want(ticket.ok(), "sending");
    if (ticket.value() != 0) settle();  // a record has to precede the request
    outbox.accepted(number, kUuid, {}, now());
    outbox.note(now().now);  // as the sender does with every answer
    settle();
    if (beside_ == Beside::receipts)
      want(outbox.receipt(number, Receipt::delivered, {}, now()).ok(), "receipt");
  }

  unsigned open(Check) override {  // a CRC over each is what it always does
    open_files(kFile);
    want(measured_open_tocsin(start_), "open");
    const auto found = static_cast<unsigned>(entries.size());
    settle();
    return found;
  }

  unsigned turns() const override { return queue.turns(); }
  void extra() const override {
    std::printf("waiting %zu\nkept %zu\nreserved %zu\n", waiting_, entries.size(),
                (sizeof entries + sizeof queue + sizeof outbox) / 1024);
  }

 private:
  void open_files(std::uint32_t bytes) {
    const bool raw = !is_folder(where_);
    const std::size_t comma = raw ? where_.find(',') : 0;
    const std::string names[] = {raw ? where_.substr(0, comma) : "queue.0",
                                 raw ? where_.substr(comma + 1) : "queue.1"};
    const int folder = ::open(raw ? "/dev" : where_.c_str(), O_RDONLY | O_CLOEXEC);
    FileStore* stores[] = {&even, &odd};
    for (int i = 0; i < 2; ++i) {
      const auto file = open_store(folder, names[i], bytes);
      want(file.ok(), names[i].c_str());
      stores[i]->open(file.value());
    }
  }
  std::uint32_t push(const Clocks& clocks) {
    std::uint32_t number = 0;
    want(measured_tocsin_push(event_, clocks, number), "push");
    while (!queue.idle()) {
      wait();
      measured_tocsin_done(now());
    }
    return number;
  }
  void settle() {  // uncounted
    for (queue.poll(now().now); !queue.idle(); queue.poll(now().now)) wait();
  }
  void wait() {
    static_cast<void>(worker.wait(seconds(10)));
    want(!queue.failing(), "the medium failed");
  }
  // The text fills the record up to 300 bytes; push() puts a prefix of 15 bytes before it.
  void fill_up() {
    event_.phones = Span<const Phone>{phone_}.first(phones_);
    event_.id_prefix = "pump-house-abcd";
    event_.text = {};
    event_.text = std::string_view(text_, kRecord - event_size(event_));
  }

  std::string where_;
  std::size_t phones_;
  Beside beside_;
  std::size_t waiting_ = 0;  // events that wait all the time
  std::uint32_t oldest_ = 1;
  Queue::Start start_;
  Phone phone_[kMaxPhones];
  char text_[kRecord];
  Event event_;
};

}  // namespace

Contender* make_tocsin(const std::string& name, const std::string& where) {
  if (name == "tocsin") return new Tocsin(where, 1, Tocsin::Beside::nothing);
  if (name == "tocsin_five") return new Tocsin(where, 5, Tocsin::Beside::nothing);
  if (name == "tocsin_events") return new Tocsin(where, 1, Tocsin::Beside::events);
  if (name == "tocsin_receipts") return new Tocsin(where, 1, Tocsin::Beside::receipts);
  if (name == "tocsin_both") return new Tocsin(where, 1, Tocsin::Beside::ends);
  return nullptr;
}

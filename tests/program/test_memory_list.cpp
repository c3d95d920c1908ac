// SPDX-License-Identifier: MIT
#include "src/program/memory_list.hpp"

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "port/linux/clock.hpp"
#include "port/scratch.hpp"

using namespace tocsin;

namespace {

// A message of a group of two, the one to the second phone.
struct Example {
  std::string text;
  Phone phones[2];
  Entry entry;
  Queue::Body body;
  MessageState last;

  explicit Example(std::uint32_t number, std::size_t text_bytes = 5) : text(text_bytes, 'x') {
    CHECK_OK(phones[0].assign("447700900123"));
    CHECK_OK(phones[1].assign("447700900456"));
    entry.number = number;
    entry.attempts = 3;
    body.first_number = number - 1;
    body.event.cls = Class::critical;
    body.event.id_prefix = "dev-abcd";
    body.event.stream = "sms";
    body.event.alarm = "high-level";
    body.event.text = text;
    body.event.phones = Span<const Phone>{phones, 2};
    last.attempts = 3;
    last.reason = "no answer";
  }
  Example(const Example&) = delete;
  Example& operator=(const Example&) = delete;
};

}  // namespace

TEST(memory_list_gives_back_what_was_added) {
  std::vector<std::uint8_t> memory(4096);
  std::size_t size = 0;
  Example with(7), without(9);
  with.entry.state = State::unknown;  // newer than its last record
  CHECK(add_to_list(with.entry, with.body, with.last, {memory.data(), memory.size()}, size));
  CHECK(add_to_list(without.entry, without.body, Code::not_found, {memory.data(), memory.size()}, size));
  Bytes rest{memory.data(), size};
  const auto first = take_from_list(rest);
  CHECK_OK(first);
  CHECK_TEXT(first.value().id.view(), "dev-abcd-7");
  CHECK_TEXT(first.value().phone.view(), "447700900456");
  CHECK_TEXT(first.value().body.event.text, "xxxxx");
  CHECK_TEXT(first.value().body.event.alarm, "high-level");
  CHECK(first.value().has_state && first.value().state.state == State::unknown);
  CHECK_TEXT(first.value().state.reason, "no answer");
  CHECK_EQ(first.value().attempts, 3);
  const auto second = take_from_list(rest);
  CHECK_OK(second);
  CHECK_TEXT(second.value().id.view(), "dev-abcd-9");
  CHECK(!second.value().has_state && second.value().state.state == State::queued);
  CHECK_CODE(take_from_list(rest), Code::empty);
}

TEST(memory_list_that_is_full_takes_nothing_more_and_is_whole) {
  Example one(7, kMaxText);
  std::size_t whole = 0;
  std::vector<std::uint8_t> memory(16'384);
  CHECK(add_to_list(one.entry, one.body, one.last, {memory.data(), memory.size()}, whole));
  for (std::size_t room = 0; room < whole; ++room) {
    std::vector<std::uint8_t> small(room);
    std::size_t size = 0;
    CHECK(!add_to_list(one.entry, one.body, one.last, {small.data(), small.size()}, size));
    CHECK_EQ(size, 0);
  }
  std::size_t size = 0;
  unsigned count = 0;
  while (add_to_list(one.entry, one.body, one.last, {memory.data(), memory.size()}, size)) ++count;
  CHECK(count >= 10);  // of the longest texts
  Bytes rest{memory.data(), size};
  for (; count > 0; --count) CHECK_OK(take_from_list(rest));
  CHECK(rest.empty());
}

TEST(memory_list_of_other_bytes_is_refused_without_harm) {
  Example one(7);
  std::vector<std::uint8_t> memory(1024);
  std::size_t size = 0;
  CHECK(add_to_list(one.entry, one.body, one.last, {memory.data(), memory.size()}, size));
  memory.resize(size);
  for (std::size_t cut = 1; cut < size; ++cut) {
    const std::vector<std::uint8_t> piece(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(cut));
    Bytes rest{piece.data(), piece.size()};
    CHECK_CODE(take_from_list(rest), Code::corrupt);
  }
  for (std::uint32_t seed = 0; seed < 20'000; ++seed) {
    check::at("seed=%u", seed);
    std::mt19937 random{seed};
    std::vector<std::uint8_t> piece = memory;
    for (unsigned i = 0; i < 1 + seed % 4; ++i) piece[random() % piece.size()] = static_cast<std::uint8_t>(random());
    Bytes rest{piece.data(), piece.size()};
    const auto taken = take_from_list(rest);
    if (taken.ok()) CHECK_EQ(taken.value().body.event.phone_count(), 1);
  }
}

namespace {

// A daemon of which a command asks what only its memory has. `answer` fills the list of each reply.
class Daemon {
 public:
  using Answer = std::size_t (*)(std::uint32_t from, MutBytes into);
  Daemon(const char* name, Answer answer) : path_(scratch::path(name)), answer_(answer) {
    char words[200];
    TextWriter why(words);
    CHECK_OK(server_.open(path_, why));
    at_work_ = std::thread([this] { serve(); });
  }
  ~Daemon() {
    over_ = true;
    at_work_.join();
  }
  const std::string& path() const { return path_; }
  unsigned packets() const { return packets_; }

 private:
  void serve() {
    static std::uint8_t memory[kMaxControlReply - 64];
    while (!over_) {
      const auto client = server_.next(read_clocks().now);
      if (!client.ok()) continue;
      ++packets_;
      ControlReply reply;
      reply.out = as_text(Bytes{memory}.first(answer_(server_.request().from, MutBytes{memory})));
      reply.err = "and more";
      server_.reply(client.value(), reply, read_clocks().now);
    }
  }
  std::string path_;
  Answer answer_;
  ControlServer server_;
  std::atomic<unsigned> packets_{0};
  std::atomic<bool> over_{false};
  std::thread at_work_;
};

}  // namespace

TEST(memory_list_is_asked_for_packet_after_packet_until_one_is_empty) {
  // 40 messages of 1,024 bytes need three packets.
  Daemon& daemon = *new Daemon("control", [](std::uint32_t from, MutBytes into) {
    std::size_t size = 0;
    for (std::uint32_t number = 2; number <= 80; number += 2) {
      if (number < from) continue;
      const Example one(number, kMaxText);
      if (!add_to_list(one.entry, one.body, Code::not_found, into, size)) break;
    }
    return size;
  });
  const auto list = std::make_unique<MemoryList>(daemon.path());
  Reader::Message message;
  std::uint32_t number = 0;
  for (std::uint32_t expected = 2; expected <= 80; expected += 2) {
    CHECK(list->next(message, number));
    CHECK_EQ(number, expected);
    CHECK_EQ(message.body.event.text.size(), kMaxText);
  }
  CHECK(!list->next(message, number));
  CHECK(!list->next(message, number));
  CHECK_TEXT(list->remark(), "and more");
  CHECK_EQ(daemon.packets(), 4);
  delete &daemon;
}

TEST(memory_list_from_who_says_the_same_again_and_again_has_an_end) {
  Daemon& daemon = *new Daemon("control-2", [](std::uint32_t, MutBytes into) {
    std::size_t size = 0;
    const Example one(7);
    static_cast<void>(add_to_list(one.entry, one.body, Code::not_found, into, size));
    return size;
  });
  const auto list = std::make_unique<MemoryList>(daemon.path());
  Reader::Message message;
  std::uint32_t number = 0;
  CHECK(list->next(message, number));
  CHECK_EQ(number, 7);
  CHECK(!list->next(message, number));
  CHECK_EQ(daemon.packets(), 2);
  delete &daemon;
}

TEST(memory_list_without_a_daemon_is_empty) {
  const std::string nobody = scratch::path("nobody");
  const auto list = std::make_unique<MemoryList>(nobody);
  Reader::Message message;
  std::uint32_t number = 0;
  CHECK(!list->next(message, number));
  CHECK_TEXT(list->remark(), "");
}

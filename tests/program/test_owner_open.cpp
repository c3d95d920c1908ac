// SPDX-License-Identifier: MIT
#include <algorithm>
#include <string>

#include "config_bench.hpp"
#include "port/scratch.hpp"
#include "src/program/in_place.hpp"
#include "src/program/owner.hpp"

using namespace tocsin;

namespace {

// In the smallest queue: in a larger one the pieces that are read last are zeros anyway.
constexpr unsigned kMessages = 15;

// In memory that is all zeros, as the program has it.
template <int kPlace>
Owner& opened() {
  static Resolver resolver;
  static Log log;
  Owner& owner = in_place<Owner, kPlace>(resolver, log);
  char words[400];
  TextWriter why(words);
  CHECK(owner.open(config_bench::config, Role::guest, why) == Exit::done);
  CHECK_TEXT(why.view(), "");
  return owner;
}

Owner::Posted post(Owner& owner, const std::string& text) {
  ControlRequest request;
  request.ask = Ask::send;
  request.stream = "s";
  request.text = text;
  request.phones[0] = parse_phone("+447700900123").value();
  request.phone_count = 1;
  char words[400];
  TextWriter why(words);
  const Owner::Posted posted = owner.act(request, why);
  CHECK_TEXT(why.view(), "");
  CHECK(posted.exit == Exit::done);
  return posted;
}

void send(Owner& owner, const std::string& text) {
  CHECK(owner.settle(post(owner, text).pushed.ticket) == Exit::done);
}

void configure(const char* state) {
  CHECK_TEXT(config_bench::read("[device]\nname = d\nqueue_size = 64K\nstate = " + scratch::path(state) +
                                "\ncontrol = " + scratch::path("control") + "\n" + config_bench::kStream),
             "");
}

bool ended_in_good_order(const char* state) {
  FileStore& even = in_place<FileStore, 2>(in_place<StorageWorker, 2>());
  FileStore& odd = in_place<FileStore, 3>(in_place<StorageWorker, 2>());
  StateDir dir;
  CHECK_OK(dir.open(scratch::path(state), IfAbsent::fail));
  even.open(open_store_to_read(dir.fd(), "queue.0").value());
  odd.open(open_store_to_read(dir.fd(), "queue.1").value());
  const auto found = in_place<Queue, 2>(even, odd, in_place<Index, 2>()).load();
  CHECK(found.ok());
  even.close();
  odd.close();
  return !found.value().unclean;
}

}  // namespace

// The queue is read in the memory that Mbed TLS has later, and what that takes from there has to be zeros: a start with
// messages on record would give it pieces of their text instead, and only the first handshake would show it.
TEST(owner_that_has_read_a_queue_leaves_zeros_to_mbed_tls) {
  configure("state");
  Owner& first = opened<0>();
  for (unsigned i = 0; i < kMessages; ++i) send(first, std::string(400, 'x') + std::to_string(i));
  first.close(seconds(5));
  CHECK(first.has_let_go());

  Owner& second = opened<1>();
  CHECK_EQ(second.index().size(), kMessages);
  const Bytes arena = second.tls_arena();
  CHECK(std::all_of(arena.begin(), arena.end(), [](std::uint8_t byte) { return byte == 0; }));
  second.close(seconds(5));
}

TEST(owner_of_one_message_ends_with_the_sync_of_that) {
  configure("quiet");
  Owner& owner = opened<2>();
  const auto syncs = owner.queue().syncs();
  const Owner::Posted posted = post(owner, "one");
  owner.end_run();
  CHECK(owner.settle(posted.pushed.ticket) == Exit::done);
  owner.close(seconds(5));
  CHECK_EQ(owner.queue().syncs() - syncs, 1);
  CHECK(ended_in_good_order("quiet"));
}

TEST(owner_that_went_on_behind_its_last_record_writes_another_one) {
  configure("quiet");
  Owner& owner = opened<3>();
  owner.end_run();
  send(owner, "one more");
  CHECK(!ended_in_good_order("quiet"));
  owner.close(seconds(5));
  CHECK(ended_in_good_order("quiet"));
}

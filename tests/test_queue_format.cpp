// SPDX-License-Identifier: MIT
// The golden file of format version 1.
#include "queue_bench.hpp"

using namespace tocsin;
using fakes::Disk;
using fakes::Process;
using fakes::the_index;

// ---- the golden file --------------------------------------------------------------------------------------
// tests/vectors/queue/version1.hex is what this program writes, and what every later one must read; version1_streams.hex
// the same with a message that goes by two streams.

namespace {

// Lines of offset, up to 16 bytes in hex, and words that are not read: those before the heading, or behind it.
// `listed` counts the bytes; with `shown` each must be the same there.
constexpr const char* kHeading = "## A message that goes by two streams";
enum class Part { all, before, behind };
Disk::Image read_hex(const char* path, std::uint32_t bytes, std::size_t& listed,
                     const Disk::Image* shown = nullptr, Part part = Part::all) {
  Disk::Image image(bytes, 0);
  listed = 0;
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) {
    print_error("%s cannot be read: run from the top folder\n", path);
    CHECK(file != nullptr);
  }
  char line[256];
  bool reads = part != Part::behind;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (part != Part::all && std::strncmp(line, kHeading, std::strlen(kHeading)) == 0) reads = !reads;
    if (!reads) continue;
    char* p = line;
    while (*p == ' ') ++p;
    const auto hex = [](const char* digits, std::size_t n) {
      return std::strspn(digits, "0123456789abcdef") == n && digits[n] == ' ';
    };
    if (!hex(p, 4)) continue;
    std::size_t at = std::strtoul(p, &p, 16);
    for (; hex(p + 1, 2); p += 3, ++at, ++listed) {
      CHECK(at < bytes);
      image[at] = static_cast<std::uint8_t>(std::strtoul(p, nullptr, 16));
      if (shown != nullptr) check::at("at=0x%zx", at);
      if (shown != nullptr) CHECK_EQ(image[at], (*shown)[at]);
    }
  }
  std::fclose(file);
  return image;
}

void print_hex_file(const Disk::Image& image) {
  for (std::size_t at = 0; at < image.size(); at += 16) {
    bool zero = true;
    for (std::size_t i = 0; i < 16; ++i) zero = zero && image[at + i] == 0;
    if (zero) continue;
    std::printf("%04zx", at);
    for (std::size_t i = 0; i < 16; ++i) std::printf(" %02x", static_cast<unsigned>(image[at + i]));
    std::printf("  ");
    for (std::size_t i = 0; i < 16; ++i)
      std::printf("%c",
                  image[at + i] >= 0x20 && image[at + i] < 0x7F ? static_cast<char>(image[at + i]) : '.');
    std::printf("\n");
  }
}

constexpr const char* kGolden = "tests/vectors/queue/version1.hex";
constexpr const char* kGoldenStreams = "tests/vectors/queue/version1_streams.hex";

}  // namespace

TEST(queue_writes_the_golden_file) {
  Disk disk(8);
  Process run(disk);
  run.start();
  const auto number = run.push(2, "sump level high", "high-level", Transition::raised).value().first_number;
  run.settle();
  MessageState accepted;
  accepted.state = State::accepted;
  accepted.sends = 1, accepted.attempts = 1;
  accepted.uuid = "0562f2aa-5945-4f41-824a-b774fc2e2b2a";
  CHECK_OK(run.queue.update(number, accepted, run.clocks()));
  MessageState again;
  again.sends = 2, again.attempts = 2;
  again.reason = "504 (no JSON in the answer)";
  CHECK_OK(run.queue.update(number + 1, again, run.clocks()));
  CHECK_OK(run.queue.acknowledge("high-level"));
  CHECK_OK(run.queue.stop());
  run.settle();
  if (check::option("print", 0) != 0) print_hex_file(disk.seen(0));
  std::size_t listed = 0;
  const Disk::Image golden = read_hex(kGolden, 8 * kBlock, listed);
  CHECK_BYTES((Bytes{disk.seen(0).data(), disk.seen(0).size()}), (Bytes{golden.data(), golden.size()}));
}

TEST(queue_reads_the_golden_file) {
  Disk disk(8);
  std::size_t listed = 0;
  disk.seen(0) = disk.durable(0) = read_hex(kGolden, 8 * kBlock, listed);
  Process run(disk);
  CHECK_OK(run.load());
  CHECK(!run.found.fresh && !run.found.unclean);
  CHECK_EQ(run.found.damaged, 0);
  CHECK_EQ(the_index.size(), 2);
  const auto first = run.queue.read_body(the_index[0], run.scratch);
  CHECK_OK(first);
  const Event& event = first.value().event;
  CHECK(event.cls == Class::critical && event.transition == Transition::raised);
  CHECK_TEXT(event.text, "sump level high");
  CHECK_TEXT(event.stream, "sms");
  CHECK_TEXT(event.alarm, "high-level");
  CHECK_TEXT(event.code, "K7QP");
  CHECK_TEXT(head(event.id_prefix, 9), "boiler-7-");
  CHECK_TEXT(event.phone(0).view(), "447700900123");
  CHECK_TEXT(event.phone(1).view(), "447700900124");
  CHECK_EQ(event.queued.boot, 1);
  CHECK_EQ(event.queued.on_before_s, 0);
  CHECK_EQ(event.queued.clocks.now.ms, 1000);
  CHECK_EQ(event.queued.clocks.wall.ms, 1'790'000'000'123);
  CHECK(event.queued.clocks.wall_trusted);
  CHECK(the_index[0].state == State::accepted && the_index[1].state == State::queued);
  const auto state = run.queue.read_state(the_index[0], run.scratch);
  CHECK_TEXT(state.value().uuid, "0562f2aa-5945-4f41-824a-b774fc2e2b2a");
  const auto waiting = run.queue.read_state(the_index[1], run.scratch);
  CHECK_EQ(waiting.value().sends, 2);
  CHECK_TEXT(waiting.value().reason, "504 (no JSON in the answer)");
  CHECK(run.queue.alarm("high-level")->last == Transition::acknowledged);
  CHECK_TEXT(run.queue.alarm("high-level")->code.view(), "K7QP");
  CHECK_EQ(run.queue.alarm("high-level")->since.clocks.wall.ms, 1'790'000'000'123);
}

TEST(queue_format_page_shows_the_golden_file) {
  std::size_t listed = 0;
  const Disk::Image golden = read_hex(kGolden, 8 * kBlock, listed);
  read_hex("src/outbox/FORMAT.md", 8 * kBlock, listed, &golden, Part::before);
  CHECK_EQ(listed, 40 + 72 + 136 + 104 + 24 + 64 + 80);
}

TEST(queue_writes_the_golden_file_of_two_streams) {
  Disk disk(8);
  Process run(disk);
  run.start();
  Phone phone;
  phone.assign_cut("447700900123");
  Event event;
  event.cls = Class::critical;
  event.stream = "sms,chat";
  event.text = "sump level high";
  event.phones = Span<const Phone>{&phone, 1};
  const auto number = run.queue.push(event, "boiler-7", run.clocks()).value().first_number;
  run.settle();
  Entry& entry = *the_index.find(number);
  entry.way = 1, entry.closed = 1, entry.since_s = 600;
  MessageState next;
  next.attempts = 1;
  next.reason = "sms: refused: NO_ROUTE";
  CHECK_OK(run.queue.update(number, next, run.clocks()));
  CHECK_OK(run.queue.stop());
  run.settle();
  if (check::option("print", 0) != 0) print_hex_file(disk.seen(0));
  std::size_t listed = 0;
  const Disk::Image golden = read_hex(kGoldenStreams, 8 * kBlock, listed);
  CHECK_BYTES((Bytes{disk.seen(0).data(), disk.seen(0).size()}), (Bytes{golden.data(), golden.size()}));
  read_hex("src/outbox/FORMAT.md", 8 * kBlock, listed, &golden, Part::behind);
  CHECK_EQ(listed, 40 + 96);
}

TEST(queue_reads_the_golden_file_of_two_streams) {
  Disk disk(8);
  std::size_t listed = 0;
  disk.seen(0) = disk.durable(0) = read_hex(kGoldenStreams, 8 * kBlock, listed);
  Process run(disk);
  CHECK_OK(run.load());
  CHECK_EQ(the_index.size(), 1);
  CHECK_EQ(run.found.damaged, 0);
  const Entry& entry = the_index[0];
  CHECK_TEXT(run.queue.read_body(entry, run.scratch).value().event.stream, "sms,chat");
  CHECK_EQ(entry.ways, 0x21);
  CHECK_EQ(entry.way, 1);
  CHECK_EQ(entry.closed, 1);
  CHECK_EQ(entry.since_s, 600);
  CHECK_TEXT(run.queue.read_state(entry, run.scratch).value().reason, "sms: refused: NO_ROUTE");
}

// SPDX-License-Identifier: MIT
// One contender, one task. The scripts mount the media and count instructions; bytes and syncs are counted
// here.
//
//   bench_queue enqueue NAME FOLDER STAT RECORDS GAP     row 11
//   bench_queue live    NAME FOLDER STAT LIVES GAP REST  row 12
//   bench_queue fill    NAME FOLDER WAITING              row 13: leaves them there
//   bench_queue open    NAME FOLDER WAITING PUSHES       opens what `fill` left, in a process of its own
//   bench_queue check   NAME FOLDER WAITING PUSHES       the same with a CRC over each, where that is not
//   usual
//
// NAME     see the make_... functions
// FOLDER   on the medium; for a raw medium "DEVICE" (bare) or "DEVICE,DEVICE" (tocsin)
// STAT     /sys/block/loopN/stat, several with commas; "-": device bytes are not counted
// RECORDS  how many; "4t": so many as four turns of the files take, counted from turn to turn
// GAP      seconds from one record to the next; 0: a burst
// REST     seconds after the last one, before the bytes are counted
#include "tests/bench/queue_bench.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

// Every sync and every allocation of this program passes here, those of the libraries too.
namespace {
volatile unsigned syncs = 0;
volatile unsigned mallocs = 0;
std::uint8_t payload_bytes[kRecord];
}  // namespace
extern "C" int fdatasync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
extern "C" int fsync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
extern "C" void* __libc_malloc(std::size_t size);
extern "C" void* __libc_calloc(std::size_t count, std::size_t size);
extern "C" void* __libc_realloc(void* old, std::size_t size);
extern "C" void* malloc(std::size_t size) {
  ++mallocs;
  return __libc_malloc(size);
}
extern "C" void* calloc(std::size_t count, std::size_t size) {
  ++mallocs;
  return __libc_calloc(count, size);
}
extern "C" void* realloc(void* old, std::size_t size) {
  ++mallocs;
  return __libc_realloc(old, size);
}

const std::uint8_t (&payload)[kRecord] = payload_bytes;

void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

bool is_folder(const std::string& where) {
  struct stat what = {};
  return ::stat(where.c_str(), &what) == 0 && S_ISDIR(what.st_mode);
}

namespace {

struct Counted {
  unsigned long long bytes = 0, flushes = 0;
};

// Field 7 is sectors written, field 16 flush requests (Documentation/block/stat.rst).
Counted device(const std::string& stats) {
  Counted sum;
  for (std::size_t at = 0; stats != "-" && at < stats.size();) {
    const std::size_t end = stats.find(',', at) == std::string::npos ? stats.size() : stats.find(',', at);
    std::FILE* file = std::fopen(stats.substr(at, end - at).c_str(), "r");
    want(file != nullptr, "stat");
    unsigned long long field[17] = {};
    int fields = 0;
    while (fields < 17 && std::fscanf(file, "%llu", &field[fields]) == 1) ++fields;
    want(fields >= 16, "this kernel does not count flushes: stat");
    std::fclose(file);
    sum.bytes += field[6] * 512;
    sum.flushes += field[15];
    at = end + 1;
  }
  return sum;
}

void put_down(const std::string& folder) {
  const int fd = ::open(folder.substr(0, folder.find(',')).c_str(), O_RDONLY | O_CLOEXEC);
  want(fd >= 0, folder.c_str());
  if (is_folder(folder)) ::syncfs(fd);  // of a device that would be another file system
  ::close(fd);
}

// Anonymous memory in use and the process's share of all memory, KiB.
struct Memory {
  unsigned long anonymous = 0, share = 0;  // the share becomes smaller when another process maps the same
};
Memory memory() {
  Memory now;
  std::FILE* file = std::fopen("/proc/self/smaps_rollup", "r");
  want(file != nullptr, "smaps_rollup");
  char line[200];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    std::sscanf(line, "Anonymous: %lu", &now.anonymous);
    std::sscanf(line, "Pss: %lu", &now.share);
  }
  std::fclose(file);
  want(now.anonymous > 0 && now.share > 0, "smaps_rollup");
  return now;
}

int count(Contender& contender, bool lives, char** argv, int argc) {
  const std::string folder = argv[3], stats = argv[4];
  const unsigned records = static_cast<unsigned>(std::atoi(argv[5])),
                 gap = static_cast<unsigned>(std::atoi(argv[6]));
  const unsigned rest = argc > 7 ? static_cast<unsigned>(std::atoi(argv[7])) : 0;
  const bool turns = std::strchr(argv[5], 't') != nullptr;
  unsigned calls = 0;
  const auto one = [&contender, &calls, lives] {
    ++calls;
    lives ? contender.live() : contender.enqueue();
  };

  contender.fill(kWaiting);
  for (int i = 0; i < 8; ++i) one();
  if (turns)
    for (const std::uint32_t before = contender.turns(); contender.turns() == before;) one();
  put_down(folder);
  if (gap > 0) ::sleep(gap);
  put_down(folder);
  const Counted before = device(stats);
  const unsigned syncs_before = syncs, mallocs_before = mallocs, turns_before = contender.turns();
  unsigned n = 0;
  for (; turns ? contender.turns() < turns_before + records : n < records; ++n) {
    one();
    if (gap > 0) ::sleep(gap);
  }
  const unsigned syncs_now = syncs, mallocs_now = mallocs;
  if (rest > 0) {
    ::sleep(rest);  // the kernel puts down by itself what it still holds
  } else {
    put_down(folder);
  }
  const Counted after = device(stats);
  std::printf("records %u\nbytes %llu\nflushes %llu\nsyncs %u\nmallocs %u\ncalls %u\nturned %u\n", n,
              after.bytes - before.bytes, after.flushes - before.flushes, syncs_now - syncs_before,
              mallocs_now - mallocs_before, calls, contender.turns() - turns_before);
  contender.extra();
  return 0;
}

int find_again(Contender& contender, Contender::Check check, char** argv) {
  const unsigned waiting = static_cast<unsigned>(std::atoi(argv[4])),
                 pushes = static_cast<unsigned>(std::atoi(argv[5]));
  const Memory before = memory();
  const unsigned mallocs_before = mallocs, found = contender.open(check), mallocs_now = mallocs;
  const Memory after = memory();
  if (found != waiting) std::fprintf(stderr, "found %u of %u\n", found, waiting);
  want(found == waiting, "not everything was found");
  for (unsigned i = 0; i < pushes; ++i) contender.enqueue();
  std::printf("found %u\nmallocs %u\nanonymous %lu\nshare %lu\n", found, mallocs_now - mallocs_before,
              after.anonymous - before.anonymous, after.share > before.share ? after.share - before.share : 0);
  contender.extra();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 64;
  const std::string task = argv[1], name = argv[2], where = argv[3];
  for (std::size_t i = 0; i < kRecord; ++i) payload_bytes[i] = static_cast<std::uint8_t>(i * 7);

  Contender* made = make_plain(name, where);
  if (made == nullptr) made = make_database(name, where);
  if (made == nullptr) made = make_tocsin(name, where);
  const std::unique_ptr<Contender> contender(made);
  if (!contender) {
    std::fprintf(stderr, "no '%s'\n", name.c_str());
    return 64;
  }
  if (task == "enqueue" && argc == 7) return count(*contender, false, argv, argc);
  if (task == "live" && argc == 8) return count(*contender, true, argv, argc);
  if (task == "fill" && argc == 5) {
    contender->fill(static_cast<unsigned>(std::atoi(argv[4])));
    return 0;
  }
  if (task == "open" && argc == 6) return find_again(*contender, Contender::Check::usual, argv);
  if (task == "check" && argc == 6) return find_again(*contender, Contender::Check::crc, argv);
  return 64;
}

// SPDX-License-Identifier: MIT
// The same task done by tocsin's queue and by what Debian packages: one record of 300 bytes is on the medium when the
// call is over. bench_queue.py mounts the media and counts instructions; bytes and syncs are counted here.
//
//   bench_queue NAME FOLDER STAT RECORDS GAP
//
// NAME     tocsin_push      messages as long as there is room beside the quarter of a file that waits
//          tocsin_five      the same, five recipients each
//          tocsin_events    events without recipients, which need no room: through any number of turns
//          tocsin_both      messages, and in the same job the oldest one ends: through any number of turns
//          bare, growing, sqlite_wal, sqlite_rollback, lmdb
// FOLDER   on the medium; for a raw medium "DEVICE" (bare) or "DEVICE,DEVICE" (tocsin)
// STAT     /sys/block/loopN/stat, several with commas; "-": device bytes are not counted
// RECORDS  how many; "4t": so many as four turns of the files take, counted from turn to turn
// GAP      seconds from one record to the next; 0: a burst
#include <fcntl.h>
#include <lmdb.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "port/linux/file_store.hpp"
#include "port/linux/storage_worker.hpp"
#include "tocsin/outbox/queue.hpp"

void tocsin::panic(const char* place) {
  std::fprintf(stderr, "panic at %s\n", place);
  std::abort();
}

using namespace tocsin;

// Called with --toggle-collect: what is inside is counted, and nothing else.
#define MEASURED extern "C" __attribute__((noinline))

// Every sync of this program passes here, those of the libraries too.
namespace {
volatile unsigned syncs = 0;
}
extern "C" int fdatasync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
extern "C" int fsync(int fd) {
  ++syncs;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace {

constexpr std::size_t kRecord = 300;
constexpr std::uint32_t kFile = 256 * 1024;  // half of the default queue_size
std::uint8_t payload[kRecord];

[[noreturn]] void die(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}
void want(bool yes, const char* what) {
  if (!yes) die(what);
}

bool is_folder(const std::string& where) {
  struct stat what = {};
  return ::stat(where.c_str(), &what) == 0 && S_ISDIR(what.st_mode);
}

unsigned calls = 0;  // of the measured function, those before the counting included

class Contender {
 public:
  virtual ~Contender() = default;
  void one() {
    ++calls;
    record();
  }
  virtual void record() = 0;
  virtual void extra() {}  // figures of its own
};

// ---- files ----

}  // namespace

MEASURED void measured_bare(int fd, std::uint8_t* record, off_t at) {
  std::memcpy(record + 40, payload, kRecord);
  if (::pwrite(fd, record, 40 + kRecord, at) != static_cast<ssize_t>(40 + kRecord) || fdatasync(fd) != 0) die("bare");
}
MEASURED void measured_growing(int fd, std::uint8_t* record) {
  std::memcpy(record + 40, payload, kRecord);
  if (::write(fd, record, 40 + kRecord) != static_cast<ssize_t>(40 + kRecord) || fdatasync(fd) != 0) die("growing");
}

namespace {

// A record as a program without any care writes it: a head of 40 bytes and the 300.
class PlainFile final : public Contender {
 public:
  PlainFile(const std::string& where, bool is_growing) : is_growing_(is_growing) {
    const bool raw = !is_folder(where);
    const std::string name = raw ? where : where + "/plain";
    fd_ = ::open(name.c_str(), O_RDWR | (raw ? 0 : O_CREAT) | (is_growing ? O_APPEND : 0) | O_CLOEXEC, 0600);
    want(fd_ >= 0, name.c_str());
    if (is_growing) return;
    const std::vector<std::uint8_t> zeros(kBlock);
    for (std::uint32_t at = 0; at < 4 * kFile; at += kBlock)
      want(::pwrite(fd_, zeros.data(), kBlock, at) == static_cast<ssize_t>(kBlock), "zeros");
    fdatasync(fd_);
  }
  void record() override {
    if (is_growing_) return measured_growing(fd_, record_);
    measured_bare(fd_, record_, at_);
    at_ += static_cast<off_t>(sizeof record_);
    if (at_ + static_cast<off_t>(sizeof record_) > static_cast<off_t>(4 * kFile)) at_ = 0;
  }

 private:
  bool is_growing_;
  int fd_;
  off_t at_ = 0;
  std::uint8_t record_[40 + kRecord] = {};
};

}  // namespace

// ---- SQLite, LMDB ----

MEASURED void measured_sqlite(sqlite3_stmt* insert) {
  sqlite3_bind_blob(insert, 1, payload, kRecord, SQLITE_STATIC);
  if (sqlite3_step(insert) != SQLITE_DONE || sqlite3_reset(insert) != SQLITE_OK) die("sqlite");
}

MEASURED void measured_lmdb(MDB_env* env, MDB_dbi table, std::uint32_t number) {
  MDB_txn* txn = nullptr;
  MDB_val key{sizeof number, &number}, value{kRecord, payload};
  if (mdb_txn_begin(env, nullptr, 0, &txn) != 0 || mdb_put(txn, table, &key, &value, MDB_APPEND) != 0 ||
      mdb_txn_commit(txn) != 0)
    die("lmdb");
}

namespace {

class Sqlite final : public Contender {
 public:
  Sqlite(const std::string& folder, const char* journal) {
    want(sqlite3_open((folder + "/queue.db").c_str(), &db_) == SQLITE_OK, "sqlite3_open");
    run(std::string("PRAGMA journal_mode=") + journal);
    run("PRAGMA synchronous=FULL");
    run("CREATE TABLE queue(number INTEGER PRIMARY KEY, body BLOB)");
    want(sqlite3_prepare_v2(db_, "INSERT INTO queue(body) VALUES(?)", -1, &insert_, nullptr) == SQLITE_OK, "prepare");
  }
  void record() override { measured_sqlite(insert_); }

 private:
  void run(const std::string& sql) {
    want(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK, sql.c_str());
  }
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

class Lmdb final : public Contender {
 public:
  explicit Lmdb(const std::string& folder) {
    MDB_txn* txn = nullptr;
    want(mdb_env_create(&env_) == 0 && mdb_env_set_mapsize(env_, 16 << 20) == 0 &&
             mdb_env_open(env_, folder.c_str(), 0, 0600) == 0 && mdb_txn_begin(env_, nullptr, 0, &txn) == 0 &&
             mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &table_) == 0 && mdb_txn_commit(txn) == 0,
         "lmdb");
  }
  void record() override { measured_lmdb(env_, table_, ++number_); }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
  std::uint32_t number_ = 0;
};

// ---- tocsin ----

StorageWorker worker;
FileStore even(worker), odd(worker);
Index entries;
Queue queue(even, odd, entries);

Clocks now() {
  timespec t;
  Clocks clocks;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  clocks.now = {static_cast<std::uint64_t>(t.tv_sec) * 1000 + static_cast<std::uint64_t>(t.tv_nsec) / 1'000'000};
  ::clock_gettime(CLOCK_REALTIME, &t);
  clocks.wall = {static_cast<std::int64_t>(t.tv_sec) * 1000};
  clocks.wall_trusted = true;
  return clocks;
}

}  // namespace

// The loop's part of one record: the job is built and handed to the worker, and later its end is noted.
MEASURED bool measured_tocsin_push(const Event& event, const Clocks& clocks) {
  if (!queue.push(event, "pump-house", clocks).ok()) return false;
  queue.poll(clocks.now);
  return true;
}
MEASURED void measured_tocsin_done(const Clocks& clocks) { queue.poll(clocks.now); }

namespace {

class Tocsin final : public Contender {
 public:
  enum class Beside { nothing, events, ends };

  Tocsin(const std::string& where, std::size_t phones, Beside beside) : phones_(phones), beside_(beside) {
    want(worker.start().ok(), "worker");
    const bool raw = !is_folder(where);
    const std::size_t comma = raw ? where.find(',') : 0;
    const std::string names[] = {raw ? where.substr(0, comma) : "queue.0", raw ? where.substr(comma + 1) : "queue.1"};
    const int folder = ::open(raw ? "/dev" : where.c_str(), O_RDONLY | O_CLOEXEC);
    FileStore* stores[] = {&even, &odd};
    for (int i = 0; i < 2; ++i) {
      const auto file = open_store(folder, names[i], kFile);
      want(file.ok(), names[i].c_str());
      stores[i]->open(file.value());
    }
    want(queue.load().ok(), "load");
    Queue::Start start;
    start.random[0] = 0x1234567890ABCDEF;
    start.random[1] = 0xFEDCBA0987654321;
    start.clocks = now();
    queue.start(start);
    for (queue.poll(now().now); !queue.idle(); queue.poll(now().now)) static_cast<void>(worker.wait(seconds(10)));
    for (std::size_t i = 0; i < kMaxPhones; ++i) phone_[i].assign_cut("447700900123");
    event_.cls = Class::critical;
    event_.stream = "sms";
    std::memset(text_, 'a', sizeof text_);
    fill_up();
    const std::size_t quarter = kFile / 4 / record_space(kRecord) / phones;
    while (calls < quarter) one();
    waiting_ = quarter;
    if (beside == Beside::events) {
      phones_ = 0;
      event_.alarm = "pump";
      event_.transition = Transition::raised;
      fill_up();
    }
  }

  void record() override {
    const Clocks clocks = now();
    if (beside_ == Beside::ends && waiting_ > 0) {
      MessageState state;
      state.state = State::accepted;
      state.sends = 1;
      state.attempts = 1;
      state.uuid = "6b6a1ff0-0f0e-4cf1-8f46-3b1d5a1c4b8e";
      want(queue.update(oldest_++, state, clocks).ok(), "update");
    }
    want(measured_tocsin_push(event_, clocks), "push");
    settle();
  }
  void settle() {
    while (!queue.idle()) {
      static_cast<void>(worker.wait(seconds(10)));
      measured_tocsin_done(now());
      want(!queue.failing(), "the medium failed");
    }
  }
  void extra() override {
    std::printf("turns %u\nwaiting %zu\nkept %zu\n", queue.turns(), waiting_, entries.size());
  }

 private:
  // The text fills the record up to 300 bytes; push() puts a prefix of 15 bytes before it.
  void fill_up() {
    event_.phones = Span<const Phone>{phone_}.first(phones_);
    event_.id_prefix = "pump-house-abcd";
    event_.text = {};
    event_.text = std::string_view(text_, kRecord - event_size(event_));
  }

  std::size_t phones_;
  Beside beside_;
  std::size_t waiting_ = 0;  // events that wait all the time
  std::uint32_t oldest_ = 1;
  Phone phone_[kMaxPhones];
  char text_[kRecord];
  Event event_;
};

// ---- counting ----

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
    for (int i = 0; i < 17 && std::fscanf(file, "%llu", &field[i]) == 1; ++i) {
    }
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

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 64;
  const std::string name = argv[1], folder = argv[2], stats = argv[3];
  const unsigned records = static_cast<unsigned>(std::atoi(argv[4])), gap = static_cast<unsigned>(std::atoi(argv[5]));
  for (std::size_t i = 0; i < kRecord; ++i) payload[i] = static_cast<std::uint8_t>(i * 7);

  std::unique_ptr<Contender> contender;
  if (name == "tocsin_push") contender.reset(new Tocsin(folder, 1, Tocsin::Beside::nothing));
  if (name == "tocsin_five") contender.reset(new Tocsin(folder, 5, Tocsin::Beside::nothing));
  if (name == "tocsin_events") contender.reset(new Tocsin(folder, 1, Tocsin::Beside::events));
  if (name == "tocsin_both") contender.reset(new Tocsin(folder, 1, Tocsin::Beside::ends));
  if (name == "bare" || name == "growing") contender.reset(new PlainFile(folder, name == "growing"));
  if (name == "sqlite_wal") contender.reset(new Sqlite(folder, "WAL"));
  if (name == "sqlite_rollback") contender.reset(new Sqlite(folder, "DELETE"));
  if (name == "lmdb") contender.reset(new Lmdb(folder));
  if (!contender) {
    std::fprintf(stderr, "no '%s'\n", name.c_str());
    return 64;
  }

  const bool turns = std::strchr(argv[4], 't') != nullptr;
  for (int i = 0; i < 8; ++i) contender->one();
  if (turns)
    for (const std::uint32_t before = queue.turns(); queue.turns() == before;) contender->one();
  put_down(folder);
  if (gap > 0) ::sleep(gap);
  put_down(folder);
  const Counted before = device(stats);
  const unsigned syncs_before = syncs;
  unsigned n = 0;
  for (const std::uint32_t turn = queue.turns(); turns ? queue.turns() < turn + records : n < records; ++n) {
    contender->one();
    if (gap > 0) ::sleep(gap);
  }
  const unsigned syncs_now = syncs;
  put_down(folder);
  const Counted after = device(stats);
  std::printf("records %u\nbytes %llu\nflushes %llu\nsyncs %u\ncalls %u\n", n, after.bytes - before.bytes,
              after.flushes - before.flushes, syncs_now - syncs_before, calls);
  contender->extra();
  return 0;
}

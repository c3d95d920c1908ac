// SPDX-License-Identifier: MIT
// SQLite (3.x) and LMDB as a queue: a row a message, statements prepared once, a commit is a sync. A life
// ends with the row's removal in a commit of its own.
#include <lmdb.h>
#include <sqlite3.h>

#include "tests/bench/queue_bench.hpp"
#include "tocsin/base/crc32.hpp"

namespace {

inline void put(sqlite3_stmt* insert) {
  sqlite3_bind_blob(insert, 1, payload, kRecord, SQLITE_STATIC);
  if (sqlite3_step(insert) != SQLITE_DONE || sqlite3_reset(insert) != SQLITE_OK) die("sqlite");
}

}  // namespace

MEASURED void measured_sqlite(sqlite3_stmt* insert) { put(insert); }

MEASURED void measured_lmdb(MDB_env* env, MDB_dbi table, std::uint32_t number) {
  MDB_txn* txn = nullptr;
  MDB_val key{sizeof number, &number}, value{kRecord, const_cast<std::uint8_t*>(payload)};
  if (mdb_txn_begin(env, nullptr, 0, &txn) != 0 || mdb_put(txn, table, &key, &value, MDB_APPEND) != 0 ||
      mdb_txn_commit(txn) != 0)
    die("lmdb");
}

namespace {

// What reading all means: every body is in the hands of the program, with a CRC over it when that is asked
// for.
volatile std::uint32_t sink = 0;
void look_at(const void* body, std::size_t size, Contender::Check check) {
  if (size != kRecord) die("a body of another size");
  const auto* bytes = static_cast<const std::uint8_t*>(body);
  sink = check == Contender::Check::crc ? tocsin::crc32(0, {bytes, size}) : bytes[0];
}

}  // namespace

MEASURED unsigned measured_open_sqlite(const char* name, sqlite3** db, Contender::Check check) {
  sqlite3_stmt* select = nullptr;
  unsigned found = 0;
  if (sqlite3_open(name, db) != SQLITE_OK ||
      sqlite3_prepare_v2(*db, "SELECT number, body FROM queue", -1, &select, nullptr) != SQLITE_OK)
    die("sqlite");
  for (; sqlite3_step(select) == SQLITE_ROW; ++found)
    look_at(sqlite3_column_blob(select, 1), static_cast<std::size_t>(sqlite3_column_bytes(select, 1)), check);
  if (sqlite3_finalize(select) != SQLITE_OK) die("sqlite");
  return found;
}

MEASURED unsigned measured_open_lmdb(const char* folder, MDB_env** env, MDB_dbi* table, std::size_t map,
                                     Contender::Check check) {
  MDB_txn* txn = nullptr;
  MDB_cursor* cursor = nullptr;
  MDB_val key, value;
  unsigned found = 0;
  if (mdb_env_create(env) != 0 || mdb_env_set_mapsize(*env, map) != 0 ||
      mdb_env_open(*env, folder, 0, 0600) != 0 || mdb_txn_begin(*env, nullptr, MDB_RDONLY, &txn) != 0 ||
      mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, table) != 0 || mdb_cursor_open(txn, *table, &cursor) != 0)
    die("lmdb");
  for (; mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0; ++found)
    look_at(value.mv_data, value.mv_size, check);
  mdb_cursor_close(cursor);
  if (mdb_txn_commit(txn) != 0) die("lmdb");
  return found;
}

namespace {

class Sqlite final : public Contender {
 public:
  Sqlite(const std::string& folder, const char* journal) : name_(folder + "/queue.db"), journal_(journal) {}
  ~Sqlite() override {
    sqlite3_finalize(insert_);
    sqlite3_finalize(remove_);
    sqlite3_close(db_);  // the log goes into the file
  }
  void fill(unsigned waiting) override {
    want(sqlite3_open(name_.c_str(), &db_) == SQLITE_OK, "sqlite3_open");
    run(std::string("PRAGMA journal_mode=") + journal_);
    run("CREATE TABLE queue(number INTEGER PRIMARY KEY, body BLOB)");
    prepare();
    run("BEGIN");
    for (unsigned i = 0; i < waiting; ++i) put(insert_);
    run("COMMIT");
  }
  void enqueue() override { measured_sqlite(insert_); }
  void live() override {
    measured_sqlite(insert_);
    sqlite3_bind_int64(remove_, 1, sqlite3_last_insert_rowid(db_));
    want(sqlite3_step(remove_) == SQLITE_DONE && sqlite3_reset(remove_) == SQLITE_OK &&
             sqlite3_changes(db_) == 1,
         "remove");
  }
  unsigned open(Check check) override {
    const unsigned found = measured_open_sqlite(name_.c_str(), &db_, check);
    prepare();
    return found;
  }

 private:
  void run(const std::string& sql) {
    want(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK, sql.c_str());
  }
  void prepare() {
    run("PRAGMA synchronous=FULL");
    want(sqlite3_prepare_v2(db_, "INSERT INTO queue(body) VALUES(?)", -1, &insert_, nullptr) == SQLITE_OK &&
             sqlite3_prepare_v2(db_, "DELETE FROM queue WHERE number=?", -1, &remove_, nullptr) == SQLITE_OK,
         "prepare");
  }
  std::string name_, journal_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt *insert_ = nullptr, *remove_ = nullptr;
};

class Lmdb final : public Contender {
 public:
  explicit Lmdb(const std::string& folder) : folder_(folder) {}
  ~Lmdb() override { mdb_env_close(env_); }
  void fill(unsigned waiting) override {
    MDB_txn* txn = nullptr;
    map_ = kMap + waiting * 2 * kRecordSpace;
    want(mdb_env_create(&env_) == 0 && mdb_env_set_mapsize(env_, map_) == 0 &&
             mdb_env_open(env_, folder_.c_str(), 0, 0600) == 0 &&
             mdb_txn_begin(env_, nullptr, 0, &txn) == 0 &&
             mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &table_) == 0,
         "lmdb");
    for (unsigned i = 0; i < waiting; ++i) {
      MDB_val key{sizeof number_, &++number_}, value{kRecord, const_cast<std::uint8_t*>(payload)};
      want(mdb_put(txn, table_, &key, &value, MDB_APPEND) == 0, "mdb_put");
    }
    want(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
  }
  void enqueue() override { measured_lmdb(env_, table_, ++number_); }
  void live() override {
    enqueue();
    MDB_txn* txn = nullptr;
    MDB_val key{sizeof number_, &number_};
    want(mdb_txn_begin(env_, nullptr, 0, &txn) == 0 && mdb_del(txn, table_, &key, nullptr) == 0 &&
             mdb_txn_commit(txn) == 0,
         "remove");
  }
  unsigned open(Check check) override {
    return number_ = measured_open_lmdb(folder_.c_str(), &env_, &table_, kMap, check);
  }

 private:
  static constexpr std::size_t kMap = 16 << 20;  // as large as the file already is, where that is more
  std::string folder_;
  std::size_t map_ = kMap;
  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
  std::uint32_t number_ = 0;
};

}  // namespace

Contender* make_database(const std::string& name, const std::string& where) {
  if (name == "sqlite_wal") return new Sqlite(where, "WAL");
  if (name == "sqlite_rollback") return new Sqlite(where, "DELETE");
  if (name == "lmdb") return new Lmdb(where);
  return nullptr;
}

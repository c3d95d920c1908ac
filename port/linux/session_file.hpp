// SPDX-License-Identifier: MIT
// The file that keeps the TLS session of a stream across restarts (session_file): its owner's alone, put in place
// whole, and not synced, as losing it costs a handshake. What is in it: TlsStream::save_session().
//
// Memory: 8 KiB. Threads: the loop; the storage worker writes, so that a medium that hangs keeps nobody.
#pragma once

#include "port/linux/secret_file.hpp"
#include "port/linux/storage_worker.hpp"

namespace tocsin {

class SessionFile final : private StorageJob {
 public:
  static constexpr std::size_t kMost = 8'176;  // bytes: a ticket, and the server's certificate

  explicit SessionFile(StorageWorker& worker) : StorageJob(worker, carry_out) {}

  // What read() put here, or what write() is to take. Not between begin_writing() and its outcome.
  MutBytes room();
  void wipe();

  // Errors, with `why` in words: not_found, io, bad_value (others may read it; not a file; no session), too_big.
  Result<std::size_t> read(std::string_view path, TextWriter& why);
  // The first `size` bytes of room(). `path` outlives it.
  void begin_writing(std::string_view path, std::size_t size);
  // Told once, the room is wiped then. Errors: again; io, with `why` in words: also when another file is there, which
  // stays.
  Status outcome(TextWriter& why);

 private:
  static Status carry_out(StorageJob& self);

  std::string_view path_;
  std::size_t size_ = 0;
  std::uint8_t bytes_[15 + kMost];  // a mark before it
};

}  // namespace tocsin

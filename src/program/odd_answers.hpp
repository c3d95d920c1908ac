// SPDX-License-Identifier: MIT
// Answers that could not be understood, as they came but for token and numbers, for who supports the service or this
// program: STATE/answer.STREAM.whole (all of it), .part (what it says of single messages) and .status (one about
// receipts). The first of each is kept, 4 KiB of it at most; a file that is there stays, so that nothing is written
// again and again. STATE/answer.webhook.whole is what the service called this device with, answer.account.messages and
// .replies are of the lists of the API key; of a stream of one-time codes, .whole is written by the command that asked.
//
// Memory: 4.5 KiB in place. Threads: the loop; the storage worker writes.
#pragma once

#include "port/linux/storage_worker.hpp"
#include "port/linux/system.hpp"
#include "src/program/config.hpp"
#include "tocsin/base/time.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/outbox/outbox.hpp"

namespace tocsin {

class OddAnswers final : private StorageJob {
 public:
  static constexpr std::size_t kMost = 4096;  // bytes of a file

  explicit OddAnswers(StorageWorker& worker) : StorageJob(worker, carry_out) {}

  static constexpr std::size_t kNoStream = kMaxStreams;  // of a webhook, or a list of the API key

  // Begins to write one, unless one of the kind was begun in this run or a file is under way. Nothing is told of a
  // failure: it is about what somebody might read one day.
  void keep(std::string_view directory, std::size_t stream, const OddAnswer& answer, std::string_view token,
            const Clocks& clocks);
  // The same at once, for who has no loop and no worker; true for a file that was made, whose name is written then.
  bool keep_now(std::string_view directory, const OddAnswer& answer, std::string_view token, const Clocks& clocks,
                TextWriter& name);
  // Begins to remove them, those of streams that the configuration has no more excepted; the next is kept again.
  // `config` outlives the job.
  void forget(const Config& config);
  // Looks after the job; true once for a file that was made, whose name is written then. Call it when the worker's
  // handle is readable.
  bool poll(TextWriter& name);

 private:
  static Status carry_out(StorageJob& self);
  bool prepare(std::string_view directory, const OddAnswer& answer, std::string_view token, const Clocks& clocks);
  Status write() const;

  bool under_way_ = false;
  const Config* forget_ = nullptr;  // those of this one are removed; null: one is written
  bool forgets_ = false;            // that is what is under way
  std::uint32_t begun_ = 0;         // a bit for each stream and kind
  static constexpr std::size_t kMostKinds = 5;
  static_assert((kNoStream + 1) * kMostKinds <= 32);
  FixedText<kMaxPath + 48> path_;
  std::size_t size_ = 0;
  char text_[kMost];
};

}  // namespace tocsin

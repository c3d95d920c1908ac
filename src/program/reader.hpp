// SPDX-License-Identifier: MIT
// The queue as somebody sees it who does not own it: read from its files, without the lock, changing
// nothing. Beside a running owner it may be a moment old.
//
// Memory: a Queue and an Index in place. Threads: none.
#pragma once

#include "port/linux/file_store.hpp"
#include "port/linux/state_dir.hpp"
#include "src/program/arguments.hpp"
#include "src/program/config.hpp"
#include "tocsin/outbox/queue.hpp"

namespace tocsin {

class Reader {
 public:
  Reader() : even_(worker_), odd_(worker_), queue_(even_, odd_, index_) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // A state directory that is not there yet is an empty queue. Errors: cannot_create (not readable), medium.
  Exit open(const Config& config, TextWriter& why);
  void close();  // gives the files back; for who looks again and again

  const Queue& queue() const { return queue_; }
  const Index& index() const { return index_; }
  const Queue::Found& found() const { return found_; }

  // Everything that is on record of one message. Views point into the two buffers (kBlock bytes each).
  struct Message {
    Queue::Body body;
    MessageId id;
    Phone phone;
    MessageState state;
    bool has_state = false;
  };
  Result<Message> message(const Entry& entry, MutBytes body, MutBytes state) const;
  // By whole id or NUMBER. nullptr: there is none.
  const Entry* find(std::string_view id) const;

 private:
  StateDir state_;
  StorageWorker worker_;  // never started: nothing is written
  FileStore even_, odd_;
  Index index_;
  Queue queue_;
  Queue::Found found_;
};

}  // namespace tocsin

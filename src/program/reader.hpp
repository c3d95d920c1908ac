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

  // A state directory that is not there yet is an empty queue, and one of two files that is not there holds none.
  // Errors: cannot_create (not readable), bad_data (something else lies in their place), medium.
  Exit open(const Config& config, TextWriter& why) { return open(config.device, why); }
  Exit open(const DeviceConfig& device, TextWriter& why);
  // Once more, for who found something that may come from an owner at work. Errors: as Queue::load().
  Status look_until_it_stands();
  void close();  // gives the files back; for who looks again and again

  const Queue& queue() const { return queue_; }
  const Index& index() const { return index_; }
  const Queue::Found& found() const { return found_; }
  // Whether the state directory that is not there could be made; else `why` says what `send` would.
  static bool can_be_made(const DeviceConfig& device, TextWriter& why);
  bool is_there() const { return even_.capacity() > 0; }
  std::string_view missing() const { return missing_; }  // the one file that is not there; empty: none
  // One of them, or both, or both are empty. Beside a daemon that has a state they were removed under it, or it has
  // just made them anew.
  bool is_missing(const DeviceConfig& device) const {
    const bool is_new = found_.fresh && !found_.unreadable;
    return device.state_device.empty() && (!is_there() || !missing_.empty() || is_new);
  }

  // Everything that is on record of one message.
  struct Message {
    Queue::Body body;
    MessageId id;
    Phone phone;
    MessageState state;
    bool has_state = false;
    std::uint16_t attempts = 0;
  };
  // The first message whose number is not below `number`, which becomes its number. Looks at the files again
  // when the owner has written over what was seen in them. Views point into the two buffers (kBlock bytes
  // each). Errors: not_found (there is none), others: this one cannot be read back.
  Result<Message> from(std::uint32_t& number, MutBytes body, MutBytes state);
  // The number of a whole id or NUMBER; 0: there is none.
  std::uint32_t find(std::string_view id) const;

 private:
  Status look();
  Result<Message> message(const Entry& entry, MutBytes body, MutBytes state) const;

  StateDir state_;
  StorageWorker worker_;  // never started: nothing is written
  FileStore even_, odd_;
  Index index_;
  Queue queue_;
  Queue::Found found_;
  std::string_view missing_;
  unsigned looks_ = 0;  // at the files, of kMostLooks
};

}  // namespace tocsin

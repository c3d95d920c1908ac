// SPDX-License-Identifier: MIT
// Messages that only the memory of a running daemon has: as they go over the control socket, and how a command
// asks for them. The `out` of a reply is any number of these, ordered by number; none: that was all.
//
//   u32 number, u16 attempts, u16 bytes of the event, u16 bytes of its state (0: there is none), event with one
//   phone, state; both as in the queue's files (src/outbox/FORMAT.md)
//
// Memory: a MemoryList has a reply's 16 KiB in place. Threads: none.
#pragma once

#include "src/program/control.hpp"
#include "src/program/reader.hpp"

namespace tocsin {

// Writes behind `size` of `into` and adds to it. False: it does not fit, nothing changed.
bool add_to_list(const Entry& entry, const Queue::Body& body, const Result<MessageState>& state, MutBytes into,
                 std::size_t& size);
// Takes the next one off the front. Errors: empty (none is left); corrupt.
Result<Reader::Message> take_from_list(Bytes& rest);

class MemoryList {
 public:
  // Of all, or of the one with that id or number; where the queue's files are gone, also what should be in them.
  // Nothing is asked before next().
  enum class Files : std::uint8_t { there, gone };
  explicit MemoryList(std::string_view control, std::string_view id = {}, Files files = Files::there)
      : control_(control), id_(id), files_(files) {}
  MemoryList(const MemoryList&) = delete;
  MemoryList& operator=(const MemoryList&) = delete;

  // Views point into this until the next call. False: there is no more, or nobody answers any more.
  bool next(Reader::Message& into, std::uint32_t& number);
  // What the daemon has to say about those that it could not list; empty as a rule.
  std::string_view remark() const { return remark_; }

 private:
  std::string_view control_, id_;
  std::uint64_t from_ = 0;
  Files files_;
  bool over_ = false;
  Bytes rest_;
  std::string_view remark_;
  std::uint8_t memory_[kMaxControlReply];
};

}  // namespace tocsin

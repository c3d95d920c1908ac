// SPDX-License-Identifier: MIT
// Feeds bytes to an HttpIncoming in pieces and writes down all that can be seen of the outcome, so that two ways of
// cutting can be compared. Behind one place of the buffer, where the test says, lies a page that cannot be touched.
#pragma once

#include <optional>
#include <string>

#include "fakes/guard_page.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_incoming.hpp"

namespace tocsin {

class IncomingFeeder {
 public:
  // The buffer lies so that `ends_at` bytes fill it up to the guard; 0: all of it does.
  explicit IncomingFeeder(std::size_t ends_at = 0) : guard_(kSize, kSize) {
    const std::size_t reachable = ends_at > 0 && ends_at < kSize ? ends_at : kSize;
    incoming_.emplace(MutBytes{guard_.last(reachable).data(), kSize}, "X-Secret");
  }

  HttpIncoming& incoming() { return *incoming_; }
  void reset() {
    incoming_->reset();
    status_ = {};
  }
  void feed(std::string_view bytes) {
    while (!bytes.empty() && status_.ok() && !incoming_->done()) {
      const MutBytes into = incoming_->to_fill();
      if (into.empty()) {
        status_ = {Code::busy};  // the header says: never
        return;
      }
      const Bytes piece = as_bytes(bytes).first(into.size());
      std::memcpy(into.data(), piece.data(), piece.size());
      status_ = incoming_->got(piece.size());
      bytes.remove_prefix(piece.size());
    }
  }
  void close() {
    if (status_.ok() && !incoming_->done()) status_ = incoming_->got(0);
  }
  // Whether "100 Continue" would be said at some moment is no part of it: who has sent the body needs none.
  std::string outcome() {
    if (status_.code() == Code::closed) return std::string("closed");
    if (!status_.ok()) return std::to_string(incoming_->refusal()) + " " + incoming_->fault();
    if (!incoming_->done()) return "more";
    std::string text(incoming_->method());
    text.append(" path=").append(incoming_->path()).append(" query=").append(as_text(incoming_->query()));
    text.append(" type=").append(incoming_->content_type()).append(" secret=").append(incoming_->secret());
    return text.append(" body=").append(as_text(incoming_->body()));
  }
  Status status() const { return status_; }

 private:
  static constexpr std::size_t kSize = kHookHeadBytes + kHookBodyBytes;
  GuardPage guard_;
  std::optional<HttpIncoming> incoming_;
  Status status_;
};

}  // namespace tocsin

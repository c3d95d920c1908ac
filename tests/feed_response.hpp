// SPDX-License-Identifier: MIT
// Feeds bytes to an HttpResponse in pieces and writes down all that can be seen of the outcome, so that two
// ways of cutting can be compared. Behind one place of the buffer, where the test says, lies a page that cannot be
// read; with AddressSanitizer no byte can that has not come yet.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "fakes/guard_page.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_response.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace tocsin {

enum class After : std::uint8_t { stays_open, closes };

class ResponseFeeder {
 public:
  explicit ResponseFeeder(std::size_t ends_at = 0) : guard_(kSize, kSize) { place(ends_at); }
  ~ResponseFeeder() { allow(reachable_); }

  // A new response whose buffer lies so that `ends_at` bytes fill it up to the guard; 0: the buffer ends there.
  void place(std::size_t ends_at) {
    allow(reachable_);
    guard_.shut();
    reachable_ = ends_at > 0 && ends_at < kSize ? ends_at : kSize;
    buffer_ = {guard_.last(reachable_).data(), kSize};
    response_.emplace(buffer_);
    came_ = 0;
    status_ = {};
  }
  // The whole buffer can be used, the guard is gone.
  void open_guard() {
    guard_.open();
    reachable_ = kSize;
    allow(came_);
  }

  HttpResponse& response() { return *response_; }

  void reset() {
    allow(reachable_);
    response_->reset();
    came_ = 0;
    status_ = {};
  }

  void feed(std::string_view bytes) {
    while (!bytes.empty()) {
      const MutBytes into = response_->to_fill();
      if (into.empty()) {
        status_ = {Code::busy};  // the header says: never
        return;
      }
      const Bytes piece = as_bytes(bytes).first(into.size());
      const bool inside = into.data() >= buffer_.data() && into.data() < buffer_.data() + kSize;
      if (inside) allow(came_ + piece.size());
      copy(into, piece);
      came_ += inside ? piece.size() : 0;
      status_ = response_->got(piece.size());
      if (response_->done() && !status_.ok()) status_ = {Code::busy};  // the header says: never fails then
      bytes.remove_prefix(piece.size());
      if (!status_.ok()) return;
    }
  }
  void close() {
    if (status_.ok()) status_ = response_->got(0);
  }

  std::string outcome() const {
    if (!status_.ok()) {
      std::string text = word(status_.code());
      return text + " (" + response_->fault() + ")";
    }
    if (!response_->done()) return "more";
    std::string text = "ok " + std::to_string(response_->status());
    text += response_->keep_alive() ? " keep-alive" : " close";
    if (response_->encoded()) text += " encoded";
    if (response_->excess()) text += " excess";
    text.append(" retry-after=").append(response_->retry_after()).append(" date=").append(response_->date());
    if (!response_->location().empty()) text.append(" location=").append(response_->location());
    return text.append(" body=").append(as_text(response_->body()));
  }
  Status status() const { return status_; }

 private:
  static constexpr std::size_t kSize = kHeadBytes + kAnswerBytes;

  void allow(std::size_t n) {
#ifdef __SANITIZE_ADDRESS__
    ASAN_UNPOISON_MEMORY_REGION(buffer_.data(), n);
    if (n < reachable_) ASAN_POISON_MEMORY_REGION(buffer_.data() + n, reachable_ - n);
#else
    static_cast<void>(n);
#endif
  }

  GuardPage guard_;
  MutBytes buffer_;
  std::size_t reachable_ = 0;
  std::optional<HttpResponse> response_;
  std::size_t came_ = 0;
  Status status_;
};

}  // namespace tocsin

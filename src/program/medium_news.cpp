// SPDX-License-Identifier: MIT
#include "src/program/medium_news.hpp"

namespace tocsin {

MediumNews::News MediumNews::look(bool in_trouble, bool rests, Instant now) {
  if (in_trouble) {
    works_since_ = kNever;
    if (told_) return News::none;
    told_ = true;
    const bool is_back = told_works_at_ != kNever && now < told_works_at_ + kForget;
    const Millis twice = milliseconds(2 * patience_.count);
    patience_ = !is_back ? kFirst : twice < kLongest ? twice : kLongest;
    return News::trouble;
  }
  if (!told_ || !rests) return News::none;
  if (works_since_ == kNever) works_since_ = now;
  if (now < works_since_ + patience_) return News::none;
  told_ = false;
  works_since_ = kNever;
  told_works_at_ = now;
  return News::works;
}

Instant MediumNews::wake() const { return works_since_ == kNever ? kNever : works_since_ + patience_; }

}  // namespace tocsin

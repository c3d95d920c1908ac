// SPDX-License-Identifier: MIT
// A Stream around another one that makes life hard: few bytes a call, `again` before every call, an end
// after so many bytes in one direction.
#pragma once

#include "tocsin/port.hpp"

namespace fakes {

class FaultStream final : public tocsin::Stream {
 public:
  explicit FaultStream(tocsin::Stream& inner) : inner_(inner) {}

  std::size_t per_call = SIZE_MAX;
  bool again_first = false;                  // every call says `again` once before it does anything
  std::size_t end_after_written = SIZE_MAX;  // bytes, then `ending`
  std::size_t end_after_read = SIZE_MAX;
  tocsin::Status ending{tocsin::Code::io, 104};
  bool once = true;  // the fault happens to one connection only

  std::size_t written = 0, taken = 0;  // of this connection
  bool struck = false;
  // `again` was said on a whim since it was last asked: there is no event to wait for.
  bool whim() {
    const bool was = whim_;
    whim_ = false;
    return was;
  }

  tocsin::Status connect(const tocsin::Endpoint& to) override {
    if (teased(0)) return tocsin::Code::again;
    const tocsin::Status status = inner_.connect(to);
    if (status.ok()) written = taken = 0, over_ = false;
    return status;
  }
  tocsin::Result<std::size_t> write(tocsin::Bytes from) override {
    if (teased(1)) return tocsin::Code::again;
    if (over_ || (armed() && written >= end_after_written)) return strike();
    std::size_t most = per_call;
    if (armed() && end_after_written - written < most) most = end_after_written - written;
    const auto n = inner_.write(from.first(most));
    if (n.ok()) written += n.value();
    return n;
  }
  tocsin::Result<std::size_t> read(tocsin::MutBytes into) override {
    if (teased(2)) return tocsin::Code::again;
    if (over_ || (armed() && taken >= end_after_read)) return strike();
    std::size_t most = per_call;
    if (armed() && end_after_read - taken < most) most = end_after_read - taken;
    const auto n = inner_.read(into.first(most));
    if (n.ok()) taken += n.value();
    return n;
  }
  tocsin::Want want() const override { return inner_.want(); }
  int handle() const override { return inner_.handle(); }
  tocsin::Phase phase() const override { return inner_.phase(); }
  std::string_view problem() const override { return over_ ? "connection reset by peer" : inner_.problem(); }
  void close() override { inner_.close(); }

 private:
  bool armed() const { return !(once && struck && !over_); }
  bool teased(unsigned call) {
    if (!again_first) return false;
    teased_[call] = !teased_[call];
    whim_ |= teased_[call];
    return teased_[call];
  }
  tocsin::Status strike() {
    struck = over_ = true;
    return ending;
  }

  tocsin::Stream& inner_;
  bool whim_ = false;
  bool teased_[3] = {};  // each kind of call for itself: a write that has to wait is followed by a read
  bool over_ = false;
};

}  // namespace fakes

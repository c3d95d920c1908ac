// SPDX-License-Identifier: MIT
// A medium in RAM that loses power: two files, a list of writes that are not synced yet, and a counter of
// calls. At call `cut_at` the power goes: from then on every call fails. The images that may survive are
// then enumerated: image(i) for i below images().
//
// What an unsynced write may have become: landed, lost, in any order; cut off after any byte; zeros;
// garbage; and, because flash and its controllers work in blocks, the whole 4 KiB blocks it touches may
// be old, mixed by sector, zeros or garbage, bytes in them that were synced long ago included.
//
// After a sync that failed its writes count as clean: a process reads them, as does the next one, and no later
// sync puts them on the medium, unless their page is written once more.
#pragma once

#include <cstring>
#include <vector>

#include "tocsin/port.hpp"
#include "tocsin/limits.hpp"

namespace fakes {

class Disk {
 public:
  using Image = std::vector<std::uint8_t>;
  struct Write {
    unsigned file;
    std::uint32_t at;
    std::vector<std::uint8_t> bytes;
    bool clean = false;  // its sync failed
  };

  explicit Disk(std::uint32_t blocks) {
    for (Image& file : durable_) file.assign(blocks * tocsin::kBlock, 0);
    seen_[0] = durable_[0];
    seen_[1] = durable_[1];
  }
  Disk(const Disk&) = default;
  Disk& operator=(const Disk&) = default;

  unsigned calls = 0;
  unsigned cut_at = 0;           // the power goes at this call; 0: never
  unsigned fail_at = 0;          // this call fails with EIO, the power stays
  bool fail_for_ever = false;    // and all that follow
  unsigned reads_to_fail = 0;    // the next so many reads say EIO
  unsigned reads = 0;
  int bad_block = -1;            // of each file: never read again
  bool power = true;
  std::uint64_t syncs = 0;

  const Image& seen(unsigned file) const { return seen_[file]; }
  Image& seen(unsigned file) { return seen_[file]; }
  Image& durable(unsigned file) { return durable_[file]; }
  std::size_t unsynced() const { return pending_.size(); }

  // One call: a write or a sync. False: the power is gone, or the call fails.
  bool step() {
    ++calls;
    if (cut_at != 0 && calls >= cut_at) power = false;
    if (!power) return false;
    return !(fail_at != 0 && (calls == fail_at || (fail_for_ever && calls > fail_at)));
  }
  void write(unsigned file, std::uint32_t at, tocsin::Bytes from) {
    pending_.push_back({file, at, {from.begin(), from.end()}, false});
    std::memcpy(seen_[file].data() + at, from.data(), from.size());
  }
  void sync(unsigned file) {
    ++syncs;
    std::vector<Write> left;
    for (const Write& w : pending_) {
      if (w.file == file && !w.clean) {
        land_page(left, w);
        land(w, w.bytes.size());
      } else {
        left.push_back(w);
      }
    }
    pending_ = left;
  }
  void sync_failed(unsigned file) {
    for (Write& w : pending_) w.clean = w.clean || w.file == file;
  }

  // The power comes back: what survived is on the medium, and it is all that there is.
  static constexpr unsigned kOneWrite = 14;  // images about one write
  unsigned images() const { return 1 + static_cast<unsigned>(pending_.size()) * (1 + kOneWrite); }
  Disk image(unsigned which) const {
    Disk after(*this);
    after.pending_.clear();
    after.calls = after.cut_at = after.fail_at = 0;
    after.fail_for_ever = false;
    after.power = true;
    const std::size_t n = pending_.size();
    if (which <= n) {  // the first `which` writes landed, the others did not
      for (std::size_t i = 0; i < which; ++i) after.land(pending_[i], pending_[i].bytes.size());
    } else {
      const std::size_t one = (which - 1 - n) / kOneWrite;
      const unsigned fate = static_cast<unsigned>((which - 1 - n) % kOneWrite);
      after.damage(pending_, one, fate);
    }
    after.seen_[0] = after.durable_[0];
    after.seen_[1] = after.durable_[1];
    return after;
  }
  // The process dies, the kernel lives: the page cache stays, nothing more is synced.
  Disk process_died() const {
    Disk after(*this);
    after.calls = after.cut_at = after.fail_at = 0;
    after.fail_for_ever = false;
    after.power = true;
    return after;
  }

 private:
  // What failed before in the page of `with` goes to the medium with it.
  void land_page(std::vector<Write>& left, const Write& with) {
    for (std::size_t i = 0; i < left.size();) {
      if (left[i].file != with.file || left[i].at / tocsin::kBlock != with.at / tocsin::kBlock) {
        ++i;
        continue;
      }
      land(left[i], left[i].bytes.size());
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  void land(const Write& w, std::size_t n) { std::memcpy(durable_[w.file].data() + w.at, w.bytes.data(), n); }

  void damage(const std::vector<Write>& writes, std::size_t one, unsigned fate) {
    const Write& hit = writes[one];
    const std::size_t size = hit.bytes.size();
    const std::uint32_t first = hit.at / tocsin::kBlock * tocsin::kBlock;
    const std::uint32_t last = (hit.at + static_cast<std::uint32_t>(size) - 1) / tocsin::kBlock * tocsin::kBlock;
    const Image old = durable_[hit.file];
    const bool only = fate == 0 || fate == 3;
    const bool before = fate >= 4 && fate <= 7;  // the later ones are lost
    for (std::size_t i = 0; i < writes.size(); ++i) {
      if (i == one || only || (before && i > one)) continue;
      land(writes[i], writes[i].bytes.size());
    }
    std::uint8_t* blocks = durable_[hit.file].data() + first;
    const std::size_t span = last - first + tocsin::kBlock;
    std::uint32_t noise = 2463534242U + static_cast<std::uint32_t>(one) * 7919U + fate;
    const auto random = [&noise] {
      noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
      return static_cast<std::uint8_t>(noise >> 8);
    };
    switch (fate) {
      case 0: land(hit, size); break;                       // it alone landed
      case 1: break;                                        // it alone was lost
      case 2: std::memset(durable_[hit.file].data() + hit.at, 0, size); break;
      case 3: for (std::size_t i = 0; i < size; ++i) durable_[hit.file][hit.at + i] = random(); break;
      case 4: land(hit, 1); break;
      case 5: land(hit, size / 2); break;
      case 6: land(hit, size - 1); break;
      case 7: land(hit, size / 512 * 512); break;
      case 8: for (std::size_t i = 0; i < span; ++i) blocks[i] = random(); break;  // the whole block is garbage
      case 9: std::memset(blocks, 0, span); break;                                // or erased
      case 10: std::memset(blocks, 0xFF, span); break;
      case 11: case 12: {                                                         // every other sector is old
        land(hit, size);
        for (std::size_t sector = fate == 11 ? 0 : 512; sector < span; sector += 1024)
          std::memcpy(blocks + sector, old.data() + first + sector, 512);
        break;
      }
      default: {                                                                  // one byte of it is wrong
        land(hit, size);
        durable_[hit.file][hit.at + size / 3] ^= 0x10;
      }
    }
  }

  Image durable_[2];           // on the medium
  Image seen_[2];              // what a read returns: the page cache
  std::vector<Write> pending_;
};

class DiskStore final : public tocsin::Store {
 public:
  DiskStore(Disk& disk, unsigned file) : disk_(&disk), file_(file) {}

  std::uint32_t capacity() const override { return static_cast<std::uint32_t>(disk_->seen(file_).size()); }
  tocsin::Status read(std::uint32_t at, tocsin::MutBytes into) override {
    if (!disk_->power || at + into.size() > capacity()) return {tocsin::Code::io, 5};
    if (disk_->reads_to_fail > 0 && disk_->reads_to_fail-- > 0) return {tocsin::Code::io, 5};
    ++disk_->reads;
    const auto first = static_cast<int>(at / tocsin::kBlock);
    const auto last = static_cast<int>((at + into.size() - 1) / tocsin::kBlock);
    if (first <= disk_->bad_block && disk_->bad_block <= last) return {tocsin::Code::io, 5};
    std::memcpy(into.data(), disk_->seen(file_).data() + at, into.size());
    return {};
  }
  void begin(tocsin::Span<const Write> writes, Sync sync) override {
    outcome_ = tocsin::Status{};
    if (!disk_->power) {
      outcome_ = {tocsin::Code::io, 5};
      return;
    }
    for (const Write& w : writes) {
      if (!disk_->step()) {
        outcome_ = {tocsin::Code::io, 5};
        if (disk_->power) continue;  // a failed write: the others are still tried
        disk_->write(file_, w.at, w.from);  // the power went while it was written: anything may be there
        return;
      }
      disk_->write(file_, w.at, w.from);
    }
    if (sync == Sync::no) return;
    if (!disk_->step()) {
      outcome_ = {tocsin::Code::io, 5};
      if (disk_->power) disk_->sync_failed(file_);
    } else if (outcome_.ok()) {
      disk_->sync(file_);
    }
  }
  tocsin::Status poll() override {
    const tocsin::Status outcome = outcome_;
    outcome_ = tocsin::Code::empty;
    return outcome;
  }

 private:
  Disk* disk_;
  unsigned file_;
  tocsin::Status outcome_ = tocsin::Code::empty;
};

}  // namespace fakes

// SPDX-License-Identifier: MIT
// Two files on a medium that loses power, errs and lies, and the Stores over them. Unlike fakes::Disk it
// never decides which call the power goes at: whoever watches it takes images at any call while the run goes
// on, so that one run serves every cut.
//
// Between a write and the sync that covers it the write is pending, and an image says of each pending write
// of both files what became of it (Fate): any subset of them may have landed, in any mix with damaged ones.
// A write whose sync failed stays like that for ever, although the next sync says ok: the kernel has marked
// its pages clean. Process death is no fate: the pending writes stay, and the next process reads through
// them.
//
// Bare flash (`erased_together` above 1) erases so many blocks when the first of them is written. A write to a
// block that was written since, or before another of its group, is a misuse, and so is one where a write was lost
// that had perhaps begun: what looks blank there is not.
#pragma once

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "fakes/digest.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/port.hpp"

namespace fakes {

struct Fate {
  enum Kind : std::uint8_t {
    lost,
    landed,
    torn,           // only the first `bytes` of it
    sectors,        // of its 512 B sectors those whose bit is set in `bytes`
    zeros,          // its bytes are zeros
    garbage,        // or anything
    one_bit,        // or a bit of them is wrong
    block_garbage,  // the 4 KiB block around it, with what had been synced there long ago, is anything
    block_zeros,    // or erased, either way
    block_ones,
    block_mixed,  // or every other sector of it is anything
  };
  Kind kind = landed;
  std::uint16_t bytes = 0;
};

// Which kinds of fates are tried: each has to show that it finds something.
struct Models {
  bool subsets = true;  // false: the writes land in their order, the first n of them
  bool torn = true;
  bool zeros = true;
  bool garbage = true;
  bool blocks = true;  // what lies around an unsynced write is hit, too
  unsigned step = 0;   // a write is torn at every `step`-th byte; 0: at five places
};

// A call that fails. Reads are counted apart from writes and syncs.
struct Fault {
  enum Kind : std::uint8_t { none, error, short_write, read };
  Kind kind = none;
  unsigned at = 0;
  bool for_ever = false;
  std::int32_t error_number = 5;
  unsigned files = 3;  // a bit for each: for ever may mean one file only
};

class Medium {
 public:
  struct Write {
    unsigned file = 0;
    bool clean = false;  // its sync failed: no later one touches it again
    std::uint32_t at = 0;
    std::vector<std::uint8_t> bytes;
    std::uint32_t erased_from = 0, erased_to = 0;  // before it is written
    std::uint32_t end() const { return at + static_cast<std::uint32_t>(bytes.size()); }
  };
  // Told after every write. Not copied: an image is watched by nobody.
  struct Watch {
    virtual void written() = 0;

   protected:
    ~Watch() = default;
  };

  explicit Medium(std::uint32_t blocks = 8, std::uint32_t erased_together = 1) : together_(erased_together) {
    TOCSIN_ASSERT((blocks - 1) % together_ == 0);  // the last one begins a group
    for (auto& file : durable_) file.assign(blocks * tocsin::kBlock, is_flash() ? 0xFF : 0);
    for (auto& digests : digests_) digests.assign(blocks, Digest{});
    for (auto& file : written_) file.assign(blocks, 0);
    for (auto& file : written_before_) file.assign(blocks, 0);
  }

  static inline std::string misuse;  // of flash: the last one there was
  std::uint64_t erased_groups = 0;
  std::vector<Write> pending;
  Fault fault;
  bool failed_pages_dropped = false;  // what failed to be synced is gone from the page cache, too
  bool at_once = true;  // a job is done when it was begun; else when its store is told to finish()
  unsigned calls = 0, reads = 0, syncs = 0;
  unsigned dropped = 0;  // writes that are gone so
  Watch* watch = nullptr;

  tocsin::Status read(unsigned file, std::uint32_t at, tocsin::MutBytes into) {
    if (fails(Fault::read, ++reads, file)) return {tocsin::Code::io, fault.error_number};
    if (at + into.size() > size(file)) return {tocsin::Code::io, 5};
    std::memcpy(into.data(), durable_[file].data() + at, into.size());
    const auto end = at + static_cast<std::uint32_t>(into.size());
    for (const Write& w : pending) {
      if (w.file != file) continue;
      for (std::uint32_t i = w.erased_from > at ? w.erased_from : at; i < w.erased_to && i < end; ++i)
        into.data()[i - at] = 0xFF;
      if (w.at >= end || w.end() <= at) continue;
      const std::uint32_t from = w.at > at ? w.at : at, to = w.end() < end ? w.end() : end;
      std::memcpy(into.data() + (from - at), w.bytes.data() + (from - w.at), to - from);
    }
    return {};
  }
  tocsin::Status write(unsigned file, std::uint32_t at, tocsin::Bytes from) {
    ++calls;
    const bool failed = fails(Fault::error, calls, file) || fails(Fault::short_write, calls, file);
    const std::size_t n = !failed ? from.size() : fault.kind == Fault::short_write ? from.size() / 2 : 0;
    const bool erases = is_flash() && at % (together_ * tocsin::kBlock) == 0;
    const std::uint32_t erased_to =
        erases ? std::min(at + together_ * tocsin::kBlock, static_cast<std::uint32_t>(size(file))) : 0;
    if (is_flash()) {
      if (at % tocsin::kBlock != 0 || from.size() > tocsin::kBlock) misuse = "a write that is not of one block";
      use(file, at / tocsin::kBlock);
      erased_groups += erases;
    }
    if (n > 0) {
      pending.push_back({file, false, at, {from.begin(), from.begin() + n}, erases ? at : 0, erased_to});
      if (watch != nullptr) watch->written();
    }
    return failed ? tocsin::Status{tocsin::Code::io, fault.error_number} : tocsin::Status{};
  }
  tocsin::Status sync(unsigned file) {
    ++calls;
    const bool failed = fails(Fault::error, calls, file) || fails(Fault::short_write, calls, file);
    if (failed && !is_flash()) {
      for (Write& w : pending) w.clean = w.clean || w.file == file;
      if (failed_pages_dropped) {
        const auto end =
            std::remove_if(pending.begin(), pending.end(), [](const Write& w) { return w.clean; });
        dropped += static_cast<unsigned>(pending.end() - end);
        pending.erase(end, pending.end());
      }
      return {tocsin::Code::io, fault.error_number};
    }
    syncs += !failed;  // flash has no cache that could drop anything
    std::vector<Write> left;
    for (const Write& w : pending) {
      if (w.file != file || w.clean) {
        left.push_back(w);
        continue;
      }
      // A page that failed before is written with this one, as the cache has it now.
      for (std::size_t i = 0; i < left.size();) {
        const Write& old = left[i];
        if (old.file != file || old.at / tocsin::kBlock != w.at / tocsin::kBlock) {
          ++i;
          continue;
        }
        std::memcpy(change(file, old.at, old.bytes.size()), old.bytes.data(), old.bytes.size());
        left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
      }
      erase(w);
      std::memcpy(change(file, w.at, w.bytes.size()), w.bytes.data(), w.bytes.size());
    }
    pending.swap(left);
    written_before_[file] = written_[file];
    return failed ? tocsin::Status{tocsin::Code::io, fault.error_number} : tocsin::Status{};
  }

  // Pages whose sync failed are read as if they were there: a process that finds them cannot know.
  bool lies() const {
    for (const Write& w : pending)
      if (w.clean) return true;
    return false;
  }

  // The power is gone and back: each pending write has met its fate. `into` keeps its memory.
  void image(const std::vector<Fate>& fates, Medium& into) const {
    copy_files(into);
    for (unsigned file = 0; file < 2; ++file) into.written_[file] = written_before_[file];
    bool began = true;  // behind the first write that was lost no other has begun
    for (std::size_t i = 0; i < pending.size(); ++i) {
      if (is_flash() && (began || fates[i].kind != Fate::lost)) into.use_again(pending[i], fates[i].kind);
      began = began && fates[i].kind != Fate::lost;
      into.befall(pending[i], fates[i]);
    }
    into.rest();
  }
  // The process is gone, the kernel lives: page cache and pending writes stay.
  void process_died(Medium& into) const {
    copy_files(into);
    for (unsigned file = 0; file < 2; ++file) into.written_[file] = written_[file];
    into.rest();
    into.pending = pending;
    for (unsigned file = 0; file < 2; ++file) into.written_before_[file] = written_before_[file];
  }
  const std::vector<std::uint8_t>& durable(unsigned file) const { return durable_[file]; }
  std::uint32_t erased_together() const { return together_; }
  bool is_flash() const { return together_ > 1; }
  std::size_t size(unsigned file) const { return durable_[file].size(); }
  // Of everything that a process which begins on it can ever find out: the files and what is pending. A fault
  // that is still to come is in no digest.
  Digest digest() const {
    TOCSIN_ASSERT(fault.kind == Fault::none && !failed_pages_dropped && dropped == 0);
    digest_blocks();
    Digester all;
    for (const auto& digests : digests_) {
      all.put(digests.size(), at_once ? 1 : 0);
      for (const Digest& one : digests) all.put(one);
    }
    for (unsigned file = 0; is_flash() && file < 2; ++file) {
      all.put(together_, file);
      all.put(written_[file].data(), written_[file].size());
      all.put(written_before_[file].data(), written_before_[file].size());
    }
    for (const Write& w : pending) {
      all.put(std::uint64_t{w.at} << 2 | w.file << 1 | (w.clean ? 1U : 0U), 0);
      all.put(w.bytes.data(), w.bytes.size());
    }
    return all.done();
  }

 private:
  bool fails(Fault::Kind kind, unsigned call, unsigned file) const {
    return fault.kind == kind && (fault.files >> file & 1) != 0 &&
           (call == fault.at || (fault.for_ever && call > fault.at));
  }
  void use(unsigned file, std::uint32_t slot) {
    const std::uint32_t first = slot - slot % together_;
    std::vector<std::uint8_t>& of = written_[file];
    for (std::uint32_t i = first; i < first + together_ && i < of.size(); ++i) {
      if (slot == first) {
        of[i] = 0;
      } else if (i >= slot && of[i] != 0) {
        misuse = "file " + std::to_string(file) + " slot " + std::to_string(slot) +
                 " is written although slot " + std::to_string(i) + " was since they were erased";
      }
    }
    of[slot] = 1;
  }
  // In an image. An erasure that was lost has perhaps begun, too: nothing of that group is blank.
  void use_again(const Write& w, Fate::Kind fate) {
    const bool spoilt = fate == Fate::lost || fate == Fate::block_garbage;
    for (std::uint32_t at = w.erased_from; at < w.erased_to; at += tocsin::kBlock)
      written_[w.file][at / tocsin::kBlock] = spoilt ? 1 : 0;
    written_[w.file][w.at / tocsin::kBlock] = 1;
  }
  void erase(const Write& w) {
    const std::uint32_t n = w.erased_to - w.erased_from;
    if (n > 0) std::memset(change(w.file, w.erased_from, n), 0xFF, n);
  }
  // Where `n` bytes of the medium itself are, for somebody who changes them.
  std::uint8_t* change(unsigned file, std::uint32_t at, std::size_t n) {
    for (std::size_t block = at / tocsin::kBlock; block * tocsin::kBlock < at + n; ++block)
      digests_[file][block] = Digest{};
    return durable_[file].data() + at;
  }
  void digest_blocks() const {
    for (unsigned file = 0; file < 2; ++file)
      for (std::size_t block = 0; block < digests_[file].size(); ++block) {
        if (!digests_[file][block].nothing()) continue;
        Digester one;
        one.put(durable_[file].data() + block * tocsin::kBlock, tocsin::kBlock);
        digests_[file][block] = one.done();
      }
  }
  // Blocks that `into` has already, from an image before, are left as they are.
  void copy_files(Medium& into) const {
    digest_blocks();
    into.together_ = together_;
    for (unsigned file = 0; file < 2; ++file) {
      into.durable_[file].resize(durable_[file].size());
      into.digests_[file].resize(digests_[file].size());
      for (std::size_t block = 0; block < digests_[file].size(); ++block) {
        if (into.digests_[file][block] == digests_[file][block]) continue;
        std::memcpy(into.durable_[file].data() + block * tocsin::kBlock,
                    durable_[file].data() + block * tocsin::kBlock, tocsin::kBlock);
        into.digests_[file][block] = digests_[file][block];
      }
    }
  }
  void rest() {
    for (unsigned file = 0; file < 2; ++file) written_before_[file] = written_[file];
    pending.clear();
    fault = {};
    failed_pages_dropped = false;
    at_once = true;
    calls = reads = syncs = dropped = 0;
    watch = nullptr;
  }
  void befall(const Write& w, Fate fate) {
    if (fate.kind == Fate::lost) return;
    const std::size_t size = w.bytes.size();
    const std::uint32_t erased = w.erased_to - w.erased_from;
    erase(w);
    std::uint8_t* const block = change(w.file, w.at / tocsin::kBlock * tocsin::kBlock, tocsin::kBlock);
    std::uint8_t* const to = change(w.file, w.at, size);
    std::uint32_t noise = 2463534242U + w.at + static_cast<std::uint32_t>(size) * 7919U;
    const auto anything = [&noise](std::uint8_t* p, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) {
        noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
        p[i] = static_cast<std::uint8_t>(noise >> 8);
      }
    };
    switch (fate.kind) {
      case Fate::lost:
        return;
      case Fate::landed:
        std::memcpy(to, w.bytes.data(), size);
        return;
      case Fate::torn:
        std::memcpy(to, w.bytes.data(), fate.bytes < size ? fate.bytes : size);
        return;
      case Fate::sectors:
        for (std::size_t from = 0, bit = 0; from < size; from += 512, ++bit)
          if ((fate.bytes >> bit & 1) != 0)
            std::memcpy(to + from, w.bytes.data() + from, size - from < 512 ? size - from : 512);
        return;
      case Fate::zeros:
        std::memset(to, 0, size);
        return;
      case Fate::garbage:
        anything(to, size);
        return;
      case Fate::one_bit:
        // Which one depends on all of them: else the same damage to a copy of it would make it whole again.
        std::memcpy(to, w.bytes.data(), size);
        to[size * 2 / 3] ^= static_cast<std::uint8_t>(1U << std::accumulate(to, to + size, 0U) % 7);
        return;
      case Fate::block_garbage:
        anything(block, erased > 0 ? erased : tocsin::kBlock);
        return;
      case Fate::block_zeros:
        std::memset(block, 0, tocsin::kBlock);
        return;
      case Fate::block_ones:
        std::memset(block, 0xFF, tocsin::kBlock);
        return;
      case Fate::block_mixed:
        std::memcpy(to, w.bytes.data(), size);
        for (std::size_t from = 0; from < tocsin::kBlock; from += 1024) anything(block + from, 512);
        return;
    }
  }

  std::vector<std::uint8_t> durable_[2];
  mutable std::vector<Digest> digests_[2];  // of each block; nothing: it has changed since
  std::uint32_t together_;
  std::vector<std::uint8_t> written_[2];         // of each block of flash: since it was erased, perhaps by halves
  std::vector<std::uint8_t> written_before_[2];  // the same, as everything that is pending has found it
};

// Calls `found(fates)` for every image that is tried at this point: every subset of the pending writes, and
// every kind of damage of each one while the others landed or not. `newest_lost` false leaves out those in
// which the newest write is lost: they were tried before it was written.
template <typename Found>
void each_image(const Medium& medium, const Models& models, bool newest_lost, Found found) {
  const std::size_t n = medium.pending.size();
  std::vector<Fate> fates(n);
  const auto set = [&](std::uint64_t landed) {
    for (std::size_t i = 0; i < n; ++i) fates[i] = {(landed >> i & 1) != 0 ? Fate::landed : Fate::lost, 0};
  };
  const auto tell = [&] {
    if (newest_lost || n == 0 || fates[n - 1].kind != Fate::lost) found(fates);
  };
  constexpr std::size_t kAllSubsets = 8, kAllBesideDamage = 3;
  const std::uint64_t all = n < 64 ? (std::uint64_t{1} << n) - 1 : ~std::uint64_t{0};
  if (models.subsets && n <= kAllSubsets) {
    for (std::uint64_t landed = 0; landed <= all; ++landed) set(landed), tell();
  } else {
    for (std::size_t first = 0; first <= n && first < 64; ++first)
      set((std::uint64_t{1} << first) - 1), tell();
    for (std::size_t one = 0; models.subsets && one < n && one < 64; ++one) {
      set(std::uint64_t{1} << one), tell();
      set(all & ~(std::uint64_t{1} << one)), tell();
    }
  }
  for (std::size_t one = 0; one < n; ++one) {
    const auto size = static_cast<std::uint16_t>(medium.pending[one].bytes.size());
    std::vector<Fate> damage;
    if (models.torn && models.step > 0) {
      for (std::uint32_t at = 1; at < size; at += models.step)
        damage.push_back({Fate::torn, static_cast<std::uint16_t>(at)});
    } else if (models.torn) {
      for (const std::uint16_t at :
           {std::uint16_t{1}, static_cast<std::uint16_t>(size / 2), static_cast<std::uint16_t>(size - 1),
            static_cast<std::uint16_t>(size / 512 * 512)})
        if (at > 0 && at < size) damage.push_back({Fate::torn, at});
      if (size > 512) damage.push_back({Fate::sectors, 0x5555}), damage.push_back({Fate::sectors, 0xAAAA});
    }
    if (models.zeros) damage.push_back({Fate::zeros, 0});
    if (models.garbage) damage.push_back({Fate::garbage, 0}), damage.push_back({Fate::one_bit, 0});
    if (models.blocks)
      for (const Fate::Kind kind :
           {Fate::block_garbage, Fate::block_zeros, Fate::block_ones, Fate::block_mixed})
        damage.push_back({kind, 0});
    for (const Fate fate : damage) {
      if (models.subsets && n <= kAllBesideDamage) {
        for (std::uint64_t landed = 0; landed <= all; ++landed) {
          if ((landed >> one & 1) != 0) continue;
          set(landed), fates[one] = fate, tell();
        }
      } else {
        set((std::uint64_t{1} << one) - 1), fates[one] = fate, tell();  // those behind it are lost
        if (one + 1 < n) set(all), fates[one] = fate, tell();
        if (models.subsets && one > 0) set(0), fates[one] = fate, tell();
      }
    }
  }
}

class MediumStore final : public tocsin::Store {
 public:
  MediumStore(Medium& medium, unsigned file) : medium_(&medium), file_(file) {}

  std::uint32_t capacity() const override {
    return static_cast<std::uint32_t>(medium_->size(file_));
  }
  std::uint32_t erased_together() const override { return medium_->erased_together(); }
  tocsin::Status read(std::uint32_t at, tocsin::MutBytes into) override {
    return medium_->read(file_, at, into);
  }
  void begin(tocsin::Span<const Write> writes, Sync sync) override {
    outcome_ = tocsin::Status{};
    for (const Write& w : writes) {
      const tocsin::Status written = medium_->write(file_, w.at, w.from);
      if (!written.ok()) outcome_ = written;  // the others are still tried
    }
    sync_ = sync;
    running_ = true;
    if (medium_->at_once) finish();
  }
  tocsin::Status poll() override {
    if (running_) return tocsin::Code::again;
    const tocsin::Status outcome = outcome_;
    outcome_ = tocsin::Code::empty;
    return outcome;
  }
  bool running() const { return running_; }
  void finish() {
    if (!running_) return;
    running_ = false;
    if (sync_ == Sync::yes && outcome_.ok()) outcome_ = medium_->sync(file_);
  }

 private:
  Medium* medium_;
  unsigned file_;
  Sync sync_ = Sync::no;
  bool running_ = false;
  tocsin::Status outcome_ = tocsin::Code::empty;
};

}  // namespace fakes

// SPDX-License-Identifier: MIT
// A record as a program without any care writes it: a head of 40 bytes and the 300, at the next place of a
// file of zeros ("bare") or at the end of a growing one ("growing"). The floor: nothing that is durable costs
// less.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "tests/bench/queue_bench.hpp"
#include "tocsin/base/crc32.hpp"

MEASURED void measured_bare(int fd, std::uint8_t* record, std::size_t size, off_t at) {
  std::memcpy(record + 40, payload, size - 40);
  if (::pwrite(fd, record, size, at) != static_cast<ssize_t>(size) || ::fdatasync(fd) != 0) die("bare");
}
MEASURED void measured_growing(int fd, std::uint8_t* record) {
  std::memcpy(record + 40, payload, kRecord);
  if (::write(fd, record, kRecordSpace) != static_cast<ssize_t>(kRecordSpace) || ::fdatasync(fd) != 0)
    die("growing");
}

namespace {

constexpr std::size_t kBlock = 4096, kPerBlock = kBlock / kRecordSpace;
constexpr off_t kBytes = 1 << 20;

struct Head {
  std::uint32_t size, crc, number;
};

}  // namespace

MEASURED unsigned measured_open_bare(int fd, Contender::Check check) {
  unsigned found = 0;
  std::uint8_t block[kBlock];
  while (::read(fd, block, kBlock) == static_cast<ssize_t>(kBlock))
    for (const std::uint8_t* p = block; p < block + kPerBlock * kRecordSpace; p += kRecordSpace) {
      Head head;
      std::memcpy(&head, p, sizeof head);
      if (head.size != kRecord) return found;
      if (check == Contender::Check::crc && tocsin::crc32(0, {p + 40, head.size}) != head.crc) continue;
      ++found;
    }
  return found;
}

namespace {

class PlainFile final : public Contender {
 public:
  PlainFile(const std::string& where, bool is_growing) : is_growing_(is_growing) {
    const bool raw = !is_folder(where);
    const std::string name = raw ? where : where + "/plain";
    fd_ = ::open(name.c_str(), O_RDWR | (raw ? 0 : O_CREAT) | (is_growing ? O_APPEND : 0) | O_CLOEXEC, 0600);
    want(fd_ >= 0, name.c_str());
  }
  void fill(unsigned waiting) override {
    if (is_growing_) return;
    std::uint8_t block[kBlock] = {};
    const Head head{kRecord, tocsin::crc32(0, {payload, kRecord}), 0};
    off_t at = 0;
    for (unsigned filled = 0; at < kBytes || filled < waiting; at += off_t{kBlock}) {
      std::memset(block, 0, sizeof block);
      for (std::size_t i = 0; i < kPerBlock && filled < waiting; ++i, ++filled) {
        std::memcpy(block + i * kRecordSpace, &head, sizeof head);
        std::memcpy(block + i * kRecordSpace + 40, payload, kRecord);
      }
      want(::pwrite(fd_, block, kBlock, at) == static_cast<ssize_t>(kBlock), "fill");
    }
    ::fdatasync(fd_);
  }
  void enqueue() override {
    if (is_growing_) return measured_growing(fd_, record_);
    put(kRecordSpace);
  }
  void live() override {
    put(kRecordSpace);
    put(kEndSpace);
  }
  unsigned open(Check check) override { return measured_open_bare(fd_, check); }

 private:
  void put(std::size_t size) {
    if (at_ + static_cast<off_t>(size) > kBytes) at_ = 0;
    measured_bare(fd_, record_, size, at_);
    at_ += static_cast<off_t>(size);
  }

  bool is_growing_;
  int fd_;
  off_t at_ = 0;
  std::uint8_t record_[kRecordSpace] = {};
};

}  // namespace

Contender* make_plain(const std::string& name, const std::string& where) {
  return name == "bare" || name == "growing" ? new PlainFile(where, name == "growing") : nullptr;
}

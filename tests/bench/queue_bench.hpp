// SPDX-License-Identifier: MIT
// The same tasks done by tocsin's queue, by what Debian packages, and by programs without any care.
//
// A record of 300 bytes is on the medium when enqueue() is over. live() is a whole life: enqueued, sent, and
// its end is on the medium too. open() finds again everything that waits. What is inside a function called
// measured_... is counted by callgrind, and nothing else.
#pragma once

#include <cstdint>
#include <string>

#define MEASURED extern "C" __attribute__((noinline))

constexpr std::size_t kRecord = 300;
constexpr std::size_t kRecordSpace = 40 + kRecord;  // with the head that any queue needs
constexpr unsigned kWaiting = 195;                  // so many fill a quarter of tocsin's default file
constexpr std::size_t kEndSpace = 104;              // a head, times, the service's 36 bytes of uuid
extern const std::uint8_t (&payload)[kRecord];

[[noreturn]] void die(const char* what);
inline void want(bool yes, const char* what) {
  if (!yes) die(what);
}
bool is_folder(const std::string& where);

class Contender {
 public:
  virtual ~Contender() = default;
  // First of all: makes the queue and lets so many records wait in it, on the medium together.
  virtual void fill(unsigned waiting) = 0;
  virtual void enqueue() = 0;
  virtual void live() { die("no lives here"); }
  // Instead of fill(): finds what it left in an earlier process. Returns how many records; `crc`: over each.
  enum class Check { usual, crc };
  virtual unsigned open(Check) {
    die("no opening here");
    return 0;
  }
  virtual unsigned turns() const { return 0; }
  virtual void extra() const {}  // figures of its own
};

// nullptr: no such contender in that file.
Contender* make_plain(const std::string& name, const std::string& where);
Contender* make_database(const std::string& name, const std::string& where);
Contender* make_tocsin(const std::string& name, const std::string& where);

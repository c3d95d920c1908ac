// SPDX-License-Identifier: MIT
// Log lines, "tocsin: ..." on stderr or as datagrams to the local syslog (RFC 3164 without a time
// stamp, which every local daemon adds). A line that repeats is counted, and said once a minute with
// "(repeated 37 times)". Nothing waits: what a full pipe or a stopped terminal does not take is
// dropped and counted. Phones and tokens are masked by the caller.
//
// Memory: kRecent * 232 bytes, 600 bytes of stack. Threads: the loop.
#pragma once

#include "tocsin/base/time.hpp"

namespace tocsin {

enum class LogLevel : std::uint8_t { error = 3, warning = 4, info = 6 };  // RFC 3164 severities

class Log {
 public:
  static constexpr std::size_t kMaxLine = 480;  // bytes, cut beyond
  static constexpr std::size_t kRecent = 8;     // different lines that are known to repeat
  static constexpr Millis kSayAgain = minutes(1);

  Log() = default;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void to_stderr(int fd = 2);
  // Errors: io, when there is no syslog daemon; the log goes on where it went before.
  Status to_syslog(std::string_view socket_path = "/dev/log");

  void line(Instant now, LogLevel level, std::string_view text);
  // Says the counts that are due; call it when due() has passed. kNever: nothing waits.
  void poll(Instant now);
  // Something begins anew: says the counts now, and no line repeats one from before.
  void begin_anew(Instant now);
  Instant due() const;

  std::uint32_t dropped() const { return dropped_; }  // lines that nobody took

 private:
  struct Recent {
    FixedText<200> start;        // of the line, for the repetition
    std::uint32_t check = 0;     // CRC of the whole line
    std::uint32_t repeated = 0;  // times since it was said
    Instant said;
    LogLevel level = LogLevel::info;
    bool used = false;
  };

  void put(LogLevel level, std::string_view text, std::uint32_t repeated);
  void say_again(Recent& recent, Instant now);
  bool write(std::string_view whole) const;
  bool send(std::string_view datagram);

  Recent recent_[kRecent];
  int fd_ = 2;
  int syslog_ = -1;
  FixedText<108> syslog_path_;
  std::uint32_t dropped_ = 0;
};

}  // namespace tocsin

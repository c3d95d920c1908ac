// SPDX-License-Identifier: MIT
// Tells the supervisor that started the daemon how it is: sd_notify(3), a datagram each to $NOTIFY_SOCKET. Where
// there is none, nothing is told. The watchdog is fed by the loop alone: a medium that hangs does not stop it,
// since the alarms that are kept in memory then would be lost with the process.
//
// Memory: 150 bytes. Threads: the loop. No call waits; what the supervisor does not take is lost.
#pragma once

#include <string_view>

#include "port/linux/system.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

class Supervisor {
 public:
  // The environment's NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, each may be null. A watchdog that is meant
  // for another process is left alone.
  void open(const char* socket, const char* watchdog_usec, const char* watchdog_pid);
  void ready(Instant now);
  void stopping();
  // Feeds the watchdog when half of its time has passed. Call it at due().
  void poll(Instant now);
  Instant due() const { return due_; }
  Millis watchdog() const { return milliseconds(2 * feed_.count); }  // how long it waits for that; 0: there is none

 private:
  void tell(std::string_view state) const;

  Fd socket_;
  FixedText<107> path_;
  Millis feed_;  // 0: no watchdog
  Instant due_ = kNever;
};

}  // namespace tocsin

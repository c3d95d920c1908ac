// SPDX-License-Identifier: MIT
// The same task done by tocsin, by libcurl and by a program without any care: alarms posted to the service, over a
// connection whose certificate was verified. What is inside a function called measured_... is counted by
// callgrind, and nothing else.
//
//   PROGRAM HOW COUNT ADDRESS PORT CA_FILE TOKEN
//
// HOW: alarms (COUNT requests over one connection, one after the other), batches (the same, 20 messages in each),
// reconnect (a whole handshake and one that resumes the session, with an alarm over each). The exit status is 0 when
// the service accepted every message.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>

#define MEASURED extern "C" __attribute__((noinline, noipa))  // its name stays when the linker optimizes

struct Task {
  enum class How { alarms, batches, reconnect };
  How how;
  unsigned count;
  const char* address;
  const char* port;
  const char* ca_file;
  const char* token;
  unsigned batch() const { return how == How::batches ? 20 : 1; }
};

// 167 bytes of text, 300 of JSON.
constexpr char kSender[] = "TOCSIN", kPhone[] = "447700900123";
constexpr char kText[] =
    "ALARM critical: pump room 2, water level above 1.20 m since 08:39:00 UTC. Call the night desk and say which "
    "pump stands still. Acknowledge with: tocsin ack pump_room_2.";
constexpr char kIdBegin[] = "pump-7f3a-";  // and six digits
constexpr unsigned kIdDigits = 6, kFirstId = 100'000;
constexpr char kPath[] = "/simple_send/";

[[noreturn]] inline void die(const char* what, long code = 0) {
  std::fprintf(stderr, "%s: %s0x%lx\n", what, code < 0 ? "-" : "", static_cast<unsigned long>(code < 0 ? -code : code));
  std::exit(1);
}

inline Task task_from(int count, char** words) {
  if (count != 7) die("HOW COUNT ADDRESS PORT CA_FILE TOKEN");
  const auto how = std::strcmp(words[1], "batches") == 0     ? Task::How::batches
                   : std::strcmp(words[1], "reconnect") == 0 ? Task::How::reconnect
                                                             : Task::How::alarms;
  return {how, static_cast<unsigned>(std::atoi(words[2])), words[3], words[4], words[5], words[6]};
}

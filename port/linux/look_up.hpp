// SPDX-License-Identifier: MIT
// One look-up, in the process that resolver.hpp made for it.
//
// Both families are asked for at once. There are DNS servers that do not answer for IPv6 (RFC 4074), and then
// getaddrinfo(3) says nothing of IPv4 for 15 seconds, or fails: so IPv4 is asked for alone where both give no answer
// within kBothSeconds.
//
// Memory: the stack. Threads: none; a process beside this one, which ends with it.
#pragma once

#include <netdb.h>
#include <sys/types.h>

#include "port/linux/resolver.hpp"

namespace tocsin {

inline constexpr int kBothSeconds = 2;

// Looks up a family, or AF_UNSPEC: both. 0 or an EAI_ code.
using AskFamily = int (*)(const char* host, std::uint16_t port, int family, Addresses& into);

int ask_system(const char* host, std::uint16_t port, int family, Addresses& into);
int look_up_both(AskFamily ask, const char* host, std::uint16_t port, Addresses& into);

// The first of the list, as many as fit, in their order; of each family half, but where the other one has fewer.
void choose(const addrinfo* list, Addresses& into);

// Asks to be killed when `parent` ends, which may have happened already: false.
bool tied_to(pid_t parent);

}  // namespace tocsin

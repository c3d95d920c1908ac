// SPDX-License-Identifier: MIT
// What is known of the time beside the wall clock: a device without a battery starts in 1970. Raises clock_floor().
//
// Memory: none, but of learn_time() a Reader in place. Threads: none.
#pragma once

#include "src/program/config.hpp"
#include "tocsin/outbox/queue.hpp"

namespace tocsin {

// When a message was last accepted, as far as it is on record.
void learn_time_from_record(const Queue& queue, const Index& index);
// For a command that talks to the service itself, without the lock: what the owner of the queue knows, else what is on
// record. Waits for 2 s at most; whoever cannot be asked or read teaches nothing.
void learn_time(const Config& config);

}  // namespace tocsin

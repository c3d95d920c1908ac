// SPDX-License-Identifier: MIT
// What lies in the places of a queue's files and cannot be one of them, in words: found before anything is opened,
// as to open a pipe or a device may do something.
//
// Memory: none. Threads: any.
#pragma once

#include "port/linux/system.hpp"

namespace tocsin {

inline constexpr std::string_view kQueueFiles[2] = {"queue.0", "queue.1"};

// `directory` is how `dir_fd` is called. What is not there yet is right. Errors: bad_value, with what it is and what
// to do in `why`.
Status check_queue_places(int dir_fd, std::string_view directory, TextWriter& why);
Status check_lock_place(int dir_fd, std::string_view directory, TextWriter& why);
// Of Queue::Found::unsealed, beside a file that is used.
void write_unsealed(unsigned file, TextWriter& into);
// Of Queue::Found::cut_off.
void write_cut_off(unsigned file, TextWriter& into);

}  // namespace tocsin

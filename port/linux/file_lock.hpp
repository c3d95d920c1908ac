// SPDX-License-Identifier: MIT
// A lock that says who may write, on a file, a directory or a device that is open. It ends with the last copy of the
// descriptor, so however the process ends, and keeps nobody from reading.
//
// Memory: 1 KiB of stack. Threads: no shared state.
#pragma once

#include "port/linux/system.hpp"
#include "tocsin/base/text.hpp"

namespace tocsin {

// Without waiting. Errors: busy, and `holder` says who; io.
Status lock_file(int fd, std::uint32_t& holder);

// The process that has locked this file; 0: nobody, or the kernel does not say (proc(5), locks).
std::uint32_t find_holder(const struct stat& file);

// "process 4129", or "another process".
void write_holder(std::uint32_t holder, TextWriter& into);

}  // namespace tocsin

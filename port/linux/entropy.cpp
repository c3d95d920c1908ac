// SPDX-License-Identifier: MIT
#include "port/linux/entropy.hpp"

#include <fcntl.h>
#include <mbedtls/entropy.h>
#include <sys/random.h>

#include "port/linux/system.hpp"

namespace tocsin {

Status fill_random(MutBytes into) {
  while (!into.empty()) {
    const ssize_t n = getrandom(into.data(), into.size(), GRND_NONBLOCK);
    if (n > 0) {
      into = into.drop(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      break;  // EAGAIN: the pool is not ready; ENOSYS: a kernel before 3.17
    }
  }
  if (into.empty()) return {};
  const Fd device{::open("/dev/urandom", O_RDONLY | O_CLOEXEC)};
  if (!device.is_open()) return last_error();
  TRY_LET(n, read_whole(device.number(), into));
  return n == into.size() ? Status{} : Status{Code::io, EIO};
}

std::uint64_t random_number() {
  std::uint8_t bytes[8];
  return fill_random(bytes).ok() ? load64(bytes) : 0;
}

int tls_random(void*, unsigned char* into, std::size_t size) {
  return fill_random({into, size}).ok() ? 0 : MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
}

}  // namespace tocsin

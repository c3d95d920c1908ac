// SPDX-License-Identifier: MIT
// What the errors of Mbed TLS that users meet mean, for a technician.
#pragma once

#include <string_view>

#include "tocsin/port.hpp"

namespace tocsin {

// Empty: not known to this table; its number is told then.
std::string_view tls_words(int error, Phase phase);

}  // namespace tocsin

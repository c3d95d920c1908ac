// SPDX-License-Identifier: MIT
// expect-error: nodiscard
#include "tocsin/base/status.hpp"

tocsin::Status store();

void forgets() { store(); }

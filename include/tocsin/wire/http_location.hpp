// SPDX-License-Identifier: MIT
// Where a redirect leads (RFC 9110 10.2.2, RFC 3986): followed only within the service that was asked, over https.
//
// Memory: views of what came. Threads: none.
#pragma once

#include <string_view>

#include "tocsin/base/status.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxTarget = 200;  // bytes of a path that is followed, its query included

// The request target that `location` names on host:port, without a fragment. It may be spelled whole
// ("https://HOST/..."), without its scheme ("//HOST/...") or as a path ("/..."). The host may be spelled in
// either case, an IPv6 address with its brackets; `host` has none. Errors: not_found (another host, port or
// scheme, user information: not to be followed), bad_value (no address of this kind, or a byte that has no
// place in one), too_big.
Result<std::string_view> redirect_target(std::string_view location, std::string_view host, std::uint16_t port);

}  // namespace tocsin

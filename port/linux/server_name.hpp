// SPDX-License-Identifier: MIT
// Whom a certificate is made for (RFC 9525): only subjectAltName counts, never the common name. A name is compared
// letter by letter, ASCII case ignored; "*" stands for one whole label, the leftmost, with at least two behind it.
// An address matches an iPAddress alone. Both versions of Mbed TLS are looser: they take the common name where there
// is no subjectAltName, "*.com", and 3.6 a URI.
//
// Memory, threads: none.
#pragma once

#include <mbedtls/x509_crt.h>

#include "port/linux/resolver.hpp"
#include "tocsin/base/text.hpp"

namespace tocsin {

// `pattern` as in a certificate; `host` without a final dot.
bool matches_host(std::string_view pattern, std::string_view host);

bool names_host(const mbedtls_x509_crt& certificate, std::string_view host);
bool names_address(const mbedtls_x509_crt& certificate, const Address& address);

// "localhost, 127.0.0.1": what is shown, not trusted. Nothing when there is no subjectAltName of a known kind.
void write_names(const mbedtls_x509_crt& certificate, TextWriter& into);
void write_common_name(const mbedtls_x509_name& name, TextWriter& into);

}  // namespace tocsin

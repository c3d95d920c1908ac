// SPDX-License-Identifier: MIT
// What the errors of Mbed TLS, the alerts of servers and the errors of the network that users meet mean, for a
// technician: what it is, and what to do.
#pragma once

#include <string_view>

#include "tocsin/base/text.hpp"
#include "tocsin/port.hpp"

namespace tocsin {

// An error of Mbed TLS; its number, where this table does not know it.
void write_tls_error(int error, Phase phase, TextWriter& into);
// An alert that a server ended the connection with (RFC 8446 6.2), in the handshake or behind it; its number, likewise.
// What a server that had agreed to version and cipher misses is a client certificate.
enum class Agreed : std::uint8_t { no, yes };
void write_alert(unsigned alert, Phase phase, Agreed agreed, TextWriter& into);
bool is_about_certificate(unsigned alert);  // that this side showed, or did not
// The same of a client that calls this device.
void write_error_of_client(int error, TextWriter& into);
void write_alert_of_client(unsigned alert, TextWriter& into);
// What to do about an errno of a connection; empty: its words alone tell, or nobody knows.
std::string_view network_advice(int error);

}  // namespace tocsin

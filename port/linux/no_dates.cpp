// SPDX-License-Identifier: MIT
// In place of Mbed TLS's look at dates, where a distribution's library has one (toolchains/mbedtls_trimmed.h leaves
// it out). Dates are judged by certificate.cpp, and a clock that can be believed. Mbed TLS goes on to the next
// certificate of the same name behind one that is out of date, when it has checked a signature with it: 40 of them,
// from a peer that nobody has verified yet, kept the loop for twelve seconds. So each is checked with one other at
// most.
#include <mbedtls/version.h>
#include <mbedtls/x509.h>

#if defined(MBEDTLS_HAVE_TIME_DATE)
extern "C" {
#if MBEDTLS_VERSION_NUMBER < 0x03000000
int mbedtls_x509_time_is_past(const mbedtls_x509_time*) { return 0; }
int mbedtls_x509_time_is_future(const mbedtls_x509_time*) { return 0; }
#else
int mbedtls_x509_time_cmp(const mbedtls_x509_time*, const mbedtls_x509_time*) { return 0; }
#endif
}
#endif

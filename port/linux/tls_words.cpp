// SPDX-License-Identifier: MIT
#include "port/linux/tls_words.hpp"

#include <mbedtls/ssl.h>

#include "port/linux/tls_memory.hpp"

namespace tocsin {
namespace {

// Names that only 2.28 or only 3.x has.
constexpr int kUnsupportedVersion = -0x6E80, kHandshakeFailure = -0x6E00, kIllegalParameter = -0x6600,
              kDecodeError = -0x7300, kNoHttp = -0x7580, kFirstBadMessage = -0x7980, kLastBadMessage = -0x7E80;

// An error of a lower module may be added to one of a higher: -0x262E is -0x2600 and -0x2E.
constexpr int high(int error) { return -(-error & ~0x7F); }
constexpr bool within(int error, int first, int last) { return error <= first && error >= last; }
constexpr bool is_of_certificates(int error) { return within(high(error), -0x2080, -0x2980); }
constexpr bool is_of_keys(int error) { return within(high(error), -0x3880, -0x3F00); }

std::string_view open_words(int error) {
  if (error == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
    return "the server ended it with a TLS alert (does it want a client certificate?)";
  if (error == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE)  // Mbed TLS has no KeyUpdate
    return "the server sent a message of TLS that is not known here (new keys, in TLS 1.3?)";
  return {};
}

std::string_view handshake_words(int error) {
  switch (error) {
    case MBEDTLS_ERR_SSL_CONN_EOF: return "the server closed the connection during the handshake";
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
      return "the server refused the handshake (no common TLS version or cipher, or it does not serve this "
             "name)";
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
    case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE: return "the answer is not TLS (is this the port for HTTPS?)";
    case kUnsupportedVersion: return "the server does not speak TLS 1.2";
    case kNoHttp: return "the server does not speak HTTP/1.1";
    case MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE:  // 2.28: of more than one record; 3.6: of more than fits
    case MBEDTLS_ERR_SSL_BAD_INPUT_DATA:
      return "the server's certificates are too long for this program (16 KB, with Mbed TLS 2.28 in one record)";
    case kHandshakeFailure:
    case kIllegalParameter:
    case kDecodeError: return "the server's handshake is not as TLS wants it (does something between change it?)";
    default: break;
  }
  if (within(error, kFirstBadMessage, kLastBadMessage)) return handshake_words(kDecodeError);
  if (is_of_certificates(error) || is_of_keys(error))
    return "the server's certificate cannot be read, or its key or signature is of an unknown kind (SHA-1, say)";
  return {};
}

}  // namespace

std::string_view tls_words(int error, Phase phase) {
  if (error == MBEDTLS_ERR_SSL_ALLOC_FAILED || is_out_of_memory(error))
    return "not enough memory for TLS (are the server's certificates very long?)";
  if (error == MBEDTLS_ERR_SSL_INVALID_MAC) return "what came was changed or damaged on the way";
  return phase == Phase::open ? open_words(error) : handshake_words(error);
}

}  // namespace tocsin

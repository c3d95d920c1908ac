// SPDX-License-Identifier: MIT
#include "port/linux/tls_words.hpp"

#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509.h>

#include <cerrno>

#include "port/linux/tls_memory.hpp"

namespace tocsin {
namespace {

// Names that only 2.28 or only 3.x has.
constexpr int kUnsupportedVersion = -0x6E80, kHandshakeFailure = -0x6E00, kIllegalParameter = -0x6600,
              kDecodeError = -0x7300, kNoHttp = -0x7580, kFirstBadMessage = -0x7980, kLastBadMessage = -0x7E80,
              kBadExtension = -0x2500;

// An error of a lower module may be added to one of a higher: -0x262E is -0x2600 and -0x2E.
constexpr int high(int error) { return -(-error & ~0x7F); }
constexpr bool within(int error, int first, int last) { return error <= first && error >= last; }
constexpr bool is_of_certificates(int error) { return within(high(error), -0x2080, -0x2980); }
constexpr bool is_of_keys(int error) { return within(high(error), -0x3880, -0x3F00); }

std::string_view open_words(int error) {
  if (error == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE)  // Mbed TLS has no KeyUpdate
    return "the server sent what is unknown here (new keys, a late question for a certificate?): switch that off there";
  return {};
}

std::string_view handshake_words(int error) {
  switch (error) {
    case MBEDTLS_ERR_SSL_CONN_EOF:
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
      return "the server closed the connection during the handshake (is this the port for HTTPS?)";
    case MBEDTLS_ERR_SSL_INVALID_RECORD:
    case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE: return "the answer is not TLS (is this the port for HTTPS?)";
    case kUnsupportedVersion: return "the server does not speak TLS 1.2";
    case kNoHttp: return "the server does not speak HTTP/1.1";
    case MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE:  // 2.28: of more than one record; 3.6: of more than fits
    case MBEDTLS_ERR_SSL_BAD_INPUT_DATA:
      return "the server's certificate chain is larger than 16 KB, or one record (Mbed TLS 2.28): it must send less";
    case MBEDTLS_ERR_X509_FATAL_ERROR:
      return "the server's chain has too many certificates (8 between its own and a root at most)";
    case kHandshakeFailure:
    case kIllegalParameter:
    case kDecodeError: return "the server's handshake is not as TLS wants it (does something between change it?)";
    default: break;
  }
  // The signature of the key exchange is wrong, of RSA and of ECDSA.
  if (within(high(error), -0x4080, -0x4400) || within(high(error), -0x4C00, -0x4F80))
    return handshake_words(kDecodeError);
  if (within(error, kFirstBadMessage, kLastBadMessage)) return handshake_words(kDecodeError);
  if (high(error) == kBadExtension)
    return "a certificate of the server has an unknown rule that is critical (name constraints, say)";
  if (is_of_certificates(error) || is_of_keys(error))
    return "the server's certificate cannot be read, or its key or signature is of an unknown kind (SHA-1, say)";
  return {};
}

std::string_view tls_words(int error, Phase phase) {
  if (is_out_of_memory(error)) return kNoMemory;
  if (error == MBEDTLS_ERR_SSL_INVALID_MAC) return "what came was changed or damaged on the way";
  return phase == Phase::open ? open_words(error) : handshake_words(error);
}

constexpr std::string_view kNothingCommon = "no common version, cipher or key",
                           kNotTaken = "it refuses the client certificate (client_cert_file)",
                           kMistake = "something between changes what is sent, or a mistake there";

struct Word {
  std::uint8_t code;
  std::string_view words;
};
constexpr Word kAlerts[] = {
    {10, kMistake},
    {20, kMistake},
    {22, kMistake},
    {40, kNothingCommon},
    {42, kNotTaken},
    {43, kNotTaken},
    {44, "client certificate revoked (client_cert_file)"},
    {45, "client certificate expired (client_cert_file)"},
    {46, kNotTaken},
    {47, kMistake},
    {48, "client certificate from an unknown CA (client_cert_file)"},
    {49, "access denied (is this device known there?)"},
    {50, kMistake},
    {51, kMistake},
    {70, "no common version: it must speak TLS 1.2"},
    {71, kNothingCommon},
    {80, "an internal error there: look at the server"},
    {109, kMistake},
    {110, kMistake},
    {112, "it does not serve this name: look at base_url"},
    {116, "it wants a client certificate (client_cert_file)"},
    {120, "it does not speak HTTP/1.1: look at base_url"},
};

constexpr Word kNetwork[] = {
    {ECONNREFUSED, ": nothing listens there, or a firewall refuses it"},
    {ECONNRESET, ": look there, or at a firewall between"},
    {EPIPE, ": look there, or at a firewall between"},
    {ECONNABORTED, ": look there, or at a firewall between"},
    {ETIMEDOUT, ": is it on, does a firewall drop it?"},
    {EHOSTUNREACH, ": look at this device's link and gateway"},
    {EHOSTDOWN, ": is it on, is its network up?"},
    {ENETDOWN, ": look at the link of this device"},
    {EADDRNOTAVAIL, ": has this device an address yet?"},
    {EAFNOSUPPORT, ": this device has no such network"},
    {EACCES, ": look at the firewall of this device"},
    {EPERM, ": look at the firewall of this device"},
    {ENOBUFS, ": the network of this device is stuck or busy"},
    {EMFILE, ": start tocsin anew"},
    {ENFILE, ": look what else runs on it"},
    {ENOMEM, ": look what else runs on it"},
};

template <std::size_t N>
std::string_view find_words(const Word (&table)[N], int code) {
  for (const Word& word : table)
    if (word.code == code) return word.words;
  return {};
}

}  // namespace

void write_tls_error(int error, Phase phase, TextWriter& into) {
  if (const std::string_view known = tls_words(error, phase); !known.empty()) {
    into.text(known);
  } else {
    into.text("TLS failed (Mbed TLS error -0x").hex(static_cast<std::uint64_t>(-error), 4).character(')');
  }
}

void write_error_of_client(int error, TextWriter& into) {
  constexpr int kNoCipherChosen = -0x7380;  // of 2.28 alone
  const bool broke_off = error == MBEDTLS_ERR_SSL_CONN_EOF || error == MBEDTLS_ERR_NET_RECV_FAILED ||
                         error == MBEDTLS_ERR_NET_SEND_FAILED;
  if (error == kUnsupportedVersion) into.text("it does not speak TLS 1.2");
  else if (error == kNoCipherChosen || error == kHandshakeFailure) into.text(kNothingCommon);
  else if (broke_off) into.text("it closed the connection (does it know the CA of cert_file?)");
  else if (is_out_of_memory(error)) into.text("not enough memory for TLS");
  else into.text("what it sent is not understood (Mbed TLS error -0x").hex(static_cast<std::uint64_t>(-error), 4).character(')');
}

void write_alert_of_client(unsigned alert, TextWriter& into) {
  into.text(is_about_certificate(alert) ? "it refuses the certificate: look at cert_file, its chain and its name"
                                        : "it ended it");
  into.text(" (alert ").number(alert).character(')');
}

void write_alert(unsigned alert, Phase phase, Agreed agreed, TextWriter& into) {
  into.text(phase == Phase::open ? "the server ended it" : "the server refused the handshake");
  into.text(" (alert ").number(alert).character(')');
  constexpr unsigned kFailure = 40, kCertificateRequired = 116;
  if (alert == kFailure && agreed == Agreed::yes) alert = kCertificateRequired;  // TLS 1.2 has no name for it
  const std::string_view known = find_words(kAlerts, static_cast<int>(alert));
  into.text(known.empty() ? "" : ": ").text(known);
}

bool is_about_certificate(unsigned alert) { return (alert >= 42 && alert <= 46) || alert == 48 || alert == 116; }

std::string_view network_advice(int error) { return find_words(kNetwork, error); }

}  // namespace tocsin

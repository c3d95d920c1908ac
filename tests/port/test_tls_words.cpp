// SPDX-License-Identifier: MIT
// Errors of Mbed TLS in words, for both versions: they are numbers here, as they came from real servers
// (tests/e2e/test_tls_servers.py).
#include "port/linux/tls_words.hpp"

#include <string>

#include "check.hpp"
#include "port/linux/system.hpp"

using namespace tocsin;

namespace {

template <typename Write>
std::string said(Write write) {
  char memory[300];
  TextWriter text(memory);
  write(text);
  CHECK(!text.cut());
  return std::string(text.view());
}

void check_says(int error, Phase phase, std::string_view part) {
  const std::string words = said([&](TextWriter& into) { write_tls_error(error, phase, into); });
  if (words.find(part) == std::string::npos) CHECK_TEXT(words, part);
}

TEST(tls_words_for_what_real_servers_did) {
  check_says(-0x7280, Phase::handshaking, "closed the connection");
  check_says(-0x7880, Phase::handshaking, "closed the connection");  // with close_notify
  check_says(-0x7700, Phase::open, "new keys");
  check_says(-0x7200, Phase::handshaking, "not TLS");
  check_says(-0x7700, Phase::handshaking, "not TLS");
  check_says(-0x6E80, Phase::handshaking, "TLS 1.2");
  check_says(-0x7080, Phase::handshaking, "larger than 16 KB");  // a chain of 50 KB, 2.28
  check_says(-0x7100, Phase::handshaking, "larger than 16 KB");  // 3.6
  check_says(-0x262E, Phase::handshaking, "SHA-1");      // a signature that was left out of the build
  check_says(-0x2562, Phase::handshaking, "name constraints");
  check_says(-0x3C80, Phase::handshaking, "unknown kind");
  check_says(-0x7980, Phase::handshaking, "not as TLS wants it");
  check_says(-0x7A00, Phase::handshaking, "not as TLS wants it");
  check_says(-0x7E80, Phase::handshaking, "not as TLS wants it");
  check_says(-0x4380, Phase::handshaking, "not as TLS wants it");  // the signature of the key exchange: RSA
  check_says(-0x4E00, Phase::handshaking, "not as TLS wants it");  // and ECDSA
  check_says(-0x3000, Phase::handshaking, "too many certificates");
  check_says(-0x7180, Phase::handshaking, "changed or damaged");
  check_says(-0x7180, Phase::open, "changed or damaged");
}

TEST(tls_words_for_want_of_memory_wherever_it_is_met) {
  for (const int error : {-0x7F00, -0x2880, -0x256A, -0x3F80, -0x4D80, -0x5180, -0x6180, -0x0010, -0x4310})
    check_says(error, Phase::handshaking, "not enough memory");
  check_says(-0x7F00, Phase::open, "not enough memory");
}

TEST(tls_words_that_nobody_knows_are_a_number) {
  CHECK_TEXT(said([](TextWriter& into) { write_tls_error(-0x6C00, Phase::handshaking, into); }),
             "TLS failed (Mbed TLS error -0x6c00)");
  check_says(-0x7280, Phase::open, "-0x7280");  // told as "broke it off"
}

TEST(tls_words_for_every_alert_that_a_server_sends) {
  const struct {
    unsigned alert;
    const char* says;
  } kAlerts[] = {
      {10, "something between changes"},   {20, "something between changes"},  {22, "something between changes"},
      {40, "no common version"},       {42, "refuses the client"}, {43, "refuses the client"},
      {44, "certificate revoked"},   {45, "certificate expired"},   {46, "refuses the client"},
      {47, "something between changes"},   {48, "from an unknown CA"},      {49, "is this device known"},
      {50, "something between changes"},   {51, "something between changes"},   {70, "it must speak TLS 1.2"},
      {71, "no common version"},    {80, "look at the server"},       {109, "something between changes"},
      {110, "something between changes"},  {112, "look at base_url"},        {116, "wants a client certificate"},
      {120, "look at base_url"},
  };
  for (const auto& one : kAlerts)
    for (const Phase phase : {Phase::handshaking, Phase::open}) {
      check::at("alert %u", one.alert);
      const std::string words = said([&](TextWriter& into) { write_alert(one.alert, phase, Agreed::no, into); });
      CHECK(words.find(one.says) != std::string::npos);
      CHECK(words.find(" (alert " + std::to_string(one.alert) + ")") != std::string::npos);
      CHECK_EQ(words.find("refused the handshake") != std::string::npos, phase == Phase::handshaking);
    }
  CHECK_TEXT(said([](TextWriter& into) { write_alert(255, Phase::handshaking, Agreed::yes, into); }),
             "the server refused the handshake (alert 255)");
  CHECK_TEXT(said([](TextWriter& into) { write_alert(40, Phase::handshaking, Agreed::yes, into); }),
             "the server refused the handshake (alert 40): it wants a client certificate (client_cert_file)");
}

TEST(tls_words_say_what_to_do_about_every_errno_that_a_connection_meets) {
  for (const int error : {ECONNREFUSED, ECONNRESET, EPIPE, ECONNABORTED, ETIMEDOUT, EHOSTUNREACH, EHOSTDOWN, ENETUNREACH,
                          ENETDOWN, EADDRNOTAVAIL, EAFNOSUPPORT, EACCES, EPERM, ENOBUFS, EMFILE, ENFILE, ENOMEM}) {
    check::at("errno %d", error);
    const std::string what = said([&](TextWriter& into) { write_errno(error, into); });
    CHECK(what.find("error ") != 0);
    CHECK(!network_advice(error).empty() || error == ENETUNREACH);  // says it itself
  }
  CHECK(network_advice(0).empty());
  CHECK(network_advice(EINVAL).empty());
}

}  // namespace

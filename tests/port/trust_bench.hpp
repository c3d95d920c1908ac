// SPDX-License-Identifier: MIT
// A chain of certificates (tests/port/chains.sh), judged as a handshake judges it: by Mbed TLS with the empty
// authority, and CertificateVerdict as its callback. Without a server, so that there can be many of them.
#pragma once

#include "check.hpp"
#include "port/linux/certificate.hpp"
#include "port/linux/crl_file.hpp"
#include "port/linux/tls_memory.hpp"
#include "port/scratch.hpp"

namespace trust_bench {

using namespace tocsin;

alignas(16) inline std::uint8_t arena[128 * 1024];
inline const bool in_arena = (tls_use_arena(arena), true);

inline const std::string& chains() {
  static const std::string folder = [] {
    const std::string where = scratch::path("chains");
    if (std::system(("sh tests/port/chains.sh " + where).c_str()) != 0) std::abort();
    return where;
  }();
  return folder;
}

// "a b" -> a.pem and b.pem, one behind the other.
inline std::string pem(const std::string& names) {
  std::string text;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = names.find(' ', at);
    const std::string name = names.substr(at, end == std::string::npos ? end : end - at);
    const std::string one = scratch::read_file(chains() + "/" + name + ".pem");
    CHECK(!one.empty());
    text += one;
    at = end == std::string::npos ? names.size() : end + 1;
  }
  return text;
}

struct Setting {
  std::string host = "sms.test";
  std::int64_t at_ms = 1'795'000'000'000;  // 2026-11-18
  bool clock_set = true;
  std::string crl;   // a file
  std::string pins;
};

struct Outcome {
  bool passed = false;
  std::uint32_t flags = 0;  // as Mbed TLS gives them
  std::string words;        // when it was refused
  CertificateVerdict::Dates dates;
};

inline std::string write_bundle(const std::string& text) {
  const std::string path = scratch::path("bundle.pem");
  scratch::write_file(path, text);
  return path;
}

// `ca_file` is a path.
inline Outcome judge_sent(mbedtls_x509_crt& sent, const std::string& ca_file, const Setting& setting = {}) {
  Outcome outcome;
  mbedtls_x509_crt nobody;
  make_nobody(nobody);
  Pins pins;
  if (!setting.pins.empty()) CHECK_OK(parse_pins(setting.pins, pins));
  CrlFile lists;
  char memory[400];
  TextWriter words{memory};
  CHECK_OK(lists.read(setting.crl, words));
  Clocks clocks;
  clocks.wall = UnixMillis{setting.at_ms};
  clocks.wall_trusted = setting.clock_set;
  const auto literal = parse_address(setting.host, 443);
  CertificateVerdict verdict;
  verdict.begin(clocks, setting.host, literal.ok() ? &literal.value() : nullptr, {ca_file, &pins, lists.lists()});
  const int error = mbedtls_x509_crt_verify_with_profile(
      &sent, &nobody, lists.lists(), &kStrength, literal.ok() ? nullptr : setting.host.c_str(), &outcome.flags,
      [](void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags) {
        static_cast<CertificateVerdict*>(self)->judge(*certificate, depth, *flags);
        return 0;
      },
      &verdict);
  outcome.passed = verdict.passed();
  outcome.dates = verdict.dates();
  CHECK_EQ(error == 0, outcome.passed);  // both gates, always
  CHECK_EQ(outcome.flags == 0, outcome.passed);
  if (!outcome.passed) verdict.write_flaw(words);
  outcome.words = std::string(words.view());
  CHECK(!words.cut());
  return outcome;
}

// By our own reader: the trimmed Mbed TLS has none of PEM.
inline bool parse_pem(const std::string& chain, mbedtls_x509_crt& into) {
  const std::string path = scratch::path("sent.pem");
  scratch::write_file(path, chain);
  CaFile file;
  CHECK_OK(file.open(path));
  for (bool any = false;; any = true) {
    const auto der = file.next();
    if (der.code() == Code::not_found) return any;
    if (!der.ok() || mbedtls_x509_crt_parse_der(&into, der.value().data(), der.value().size()) != 0) return false;
  }
}

// `chain` as PEM.
inline Outcome judge_pem(const std::string& chain, const std::string& ca_file, const Setting& setting = {}) {
  mbedtls_x509_crt sent;
  mbedtls_x509_crt_init(&sent);
  Outcome outcome;
  if (parse_pem(chain, sent)) {
    outcome = judge_sent(sent, ca_file, setting);
  } else {
    outcome.words = "not a certificate";
    outcome.flags = UINT32_MAX;
  }
  mbedtls_x509_crt_free(&sent);
  return outcome;
}

inline Outcome judge(const std::string& chain, const std::string& authorities, const Setting& setting = {}) {
  return judge_pem(pem(chain), write_bundle(pem(authorities)), setting);
}

inline void check_passes(const std::string& chain, const std::string& authorities, const Setting& setting = {}) {
  check::at("%s by %s", chain.c_str(), authorities.c_str());
  CHECK_TEXT(judge(chain, authorities, setting).words, "");
  CHECK(judge(chain, authorities, setting).passed);
}

inline void check_fails(const std::string& chain, const std::string& authorities, const std::string& words,
                        const Setting& setting = {}) {
  const Outcome outcome = judge(chain, authorities, setting);
  check::at("%s by %s: %s", chain.c_str(), authorities.c_str(), outcome.words.c_str());
  CHECK(!outcome.passed);
  CHECK(outcome.flags != 0);
  CHECK(outcome.words.find(words) != std::string::npos);
}

}  // namespace trust_bench

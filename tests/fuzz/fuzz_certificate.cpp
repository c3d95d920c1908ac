// SPDX-License-Identifier: MIT
// What a server and a file of authorities may hold: any bytes. As PEM, read whole, they give what they give from a
// pipe in pieces; as certificates in a row (each behind its length, two bytes) they are a chain, the last of them the
// file of authorities, and nobody is believed who is not signed by it.
#include <mbedtls/version.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "panic.hpp"
#include "port/linux/ca_file.hpp"
#include "port/linux/certificate.hpp"
#include "port/linux/server_name.hpp"

namespace {

using namespace tocsin;

std::string read_all(int fd) {
  std::string outcome;
  std::uint8_t block[4096];
  PemReader reader{"CERTIFICATE", block};
  reader.begin(fd);
  for (;;) {
    const auto der = reader.next();
    if (der.code() == Code::not_found) return outcome;
    if (!der.ok()) {
      outcome += "bad;";
      continue;
    }
    outcome.append(reinterpret_cast<const char*>(der.value().data()), der.value().size()).append(";");
    const Bytes subject = subject_of(der.value());
    // Inside what it was found in.
    if (!subject.empty() && (subject.begin() < der.value().begin() || subject.end() > der.value().end())) std::abort();
  }
}

void as_pem(Bytes bytes) {
  const int fd = memfd_create("pem", 0);
  if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  ::lseek(fd, 0, SEEK_SET);
  const std::string whole = read_all(fd);
  ::close(fd);
  int ends[2];
  if (bytes.size() > 60'000 || ::pipe(ends) != 0) return;
  if (::write(ends[1], bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  ::close(ends[1]);
  if (read_all(ends[0]) != whole) std::abort();
  ::close(ends[0]);
}

std::string base64(Bytes bytes) {
  static const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t left = bytes.size() - at;
    const unsigned bits = bytes[at] * 65536U + (left > 1 ? bytes[at + 1] * 256U : 0) + (left > 2 ? bytes[at + 2] : 0);
    for (unsigned n = 0; n < 4; ++n) text += n > left ? '=' : digits[bits >> (18 - 6 * n) & 63];
  }
  return text;
}

void as_chain(Bytes bytes) {
  mbedtls_x509_crt sent, nobody;
  mbedtls_x509_crt_init(&sent);
  make_nobody(nobody);
  Bytes authority;
  while (bytes.size() > 2) {
    const std::size_t size = bytes[0] * 256U + bytes[1];
    const Bytes der = bytes.drop(2).first(size);
    bytes = bytes.drop(2 + der.size());
    if (bytes.size() <= 2) {
      authority = der;
    } else if (mbedtls_x509_crt_parse_der(&sent, der.data(), der.size()) != 0) {
      break;
    }
  }
  static char path[40];
  static const int fd = memfd_create("ca", 0);
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const std::string pem = "-----BEGIN CERTIFICATE-----\n" + base64(authority) + "\n-----END CERTIFICATE-----\n";
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pem.data(), pem.size(), 0) != static_cast<ssize_t>(pem.size()))
    std::abort();

  CertificateVerdict verdict;
  Clocks clocks;
  clocks.wall = UnixMillis{1'795'000'000'000};
  clocks.wall_trusted = true;
  verdict.begin(clocks, "sms.test", nullptr, {path, nullptr, nullptr});
  std::uint32_t flags = 0;
  const int error = mbedtls_x509_crt_verify_with_profile(
      &sent, &nobody, nullptr, &kStrength, "sms.test", &flags,
      [](void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* found) {
        static_cast<CertificateVerdict*>(self)->judge(*certificate, depth, *found);
        return 0;
      },
      &verdict);
  if (verdict.passed() != (error == 0 && flags == 0)) std::abort();
  if (verdict.passed()) {
    // Then Mbed TLS by itself, told of that authority, must say the same.
    mbedtls_x509_crt trusted;
    mbedtls_x509_crt_init(&trusted);
    if (mbedtls_x509_crt_parse_der(&trusted, authority.data(), authority.size()) != 0) std::abort();
    mbedtls_x509_crt_verify_with_profile(&sent, &trusted, nullptr, &kStrength, "sms.test", &flags, nullptr, nullptr);
    constexpr std::uint32_t kDates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
    if ((flags & ~kDates) != 0) std::abort();
    mbedtls_x509_crt_free(&trusted);
  } else {
    char memory[400];
    TextWriter words{memory};
    verdict.write_flaw(words);
    if (words.view().empty()) std::abort();
    for (const char c : words.view())
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7E) std::abort();
  }
  mbedtls_x509_crt_free(&sent);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes bytes = Bytes{data, size}.drop(1);
  data[0] % 2 == 0 ? as_pem(bytes) : as_chain(bytes);
  return 0;
}

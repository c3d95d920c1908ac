// SPDX-License-Identifier: MIT
// The certificate by which a server that asks for one knows this device (client_cert_file, client_key_file), or those
// who call it ([webhook] cert_file, key_file).
//
// As a client both are read for each handshake and forgotten behind it, so that new files need no restart, and the key
// is nowhere in between. Every copy of it that is made here is wiped, Mbed TLS wipes its own.
//
// Memory: 700 bytes; 13 KiB of stack in take(); of Mbed TLS's, during a handshake, up to 28 KiB: with the certificates,
// and a key of RSA with what its signature takes. Threads: the loop.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>

#include "port/linux/ca_file.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxOwnChain = 3'600;  // bytes of it in DER: all go in one record
inline constexpr std::size_t kMaxOwnFile = 65'536;  // of either: the loop waits while they are read
inline constexpr std::size_t kMaxOwnKey = 4'096;    // RSA with 4096 bits takes 2.4 KB

class OwnCertificate {
 public:
  // Whose it is, in the words of its errors.
  struct Words {
    std::string_view certificate, certificate_key, key, key_key, secret, missing;
  };
  static const Words kOfClient, kOfWebhook;

  struct Id {
    FileId certificate, key;
    friend bool operator==(const Id& a, const Id& b) { return a.certificate == b.certificate && a.key == b.key; }
  };

  explicit OwnCertificate(const Words& words = kOfClient);
  ~OwnCertificate();
  OwnCertificate(const OwnCertificate&) = delete;
  OwnCertificate& operator=(const OwnCertificate&) = delete;

  // Empty paths: there is none. Outlive it. Not between take() and give_back().
  void name(std::string_view certificate, std::string_view key);
  // For a handshake, which may be one of several. Errors, with `why` in words, and then nothing is taken: io,
  // not_found, bad_value (not a certificate or key that is understood, one that others may read, or that do not belong
  // together), too_big, full (memory).
  Status take(TextWriter& why);
  void give_back();
  // Makes handshakes by `config` use it. Errors: tls.
  Status use_in(mbedtls_ssl_config& config);

  Id id() const;  // of the files as they are now
  // When the certificate that was taken last is good.
  const Validity& dates() const { return dates_; }
  bool is_rsa() const { return mbedtls_pk_get_type(&key_) == MBEDTLS_PK_RSA; }  // while it is taken
  // Whether it is out of date, and then what to do.
  bool write_warning(UnixMillis at, TextWriter& into) const;

 private:
  Status read(TextWriter& why);
  Status read_chain(TextWriter& why);
  Status read_key(TextWriter& why);
  enum class File : std::uint8_t { certificate, key };
  void name(File which, TextWriter& into) const;
  Status refuse(File which, std::string_view words, Status status, TextWriter& why) const;

  const Words& words_;
  std::string_view certificate_path_, key_path_;
  Id checked_;  // belong together
  Validity dates_;
  unsigned users_ = 0;
  mbedtls_x509_crt chain_;
  mbedtls_pk_context key_;
};

}  // namespace tocsin

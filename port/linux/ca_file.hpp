// SPDX-License-Identifier: MIT
// The file of trusted authorities (PEM), read as a stream: a system's whole bundle (144 certificates, 200 KB) takes
// the room of one certificate.
//
// Memory: CaFile is 7.5 KiB, for the stack of whoever searches. Threads: none. Reading may wait for the medium.
#pragma once

#include <mbedtls/x509.h>

#include "port/linux/pem.hpp"
#include "port/linux/system.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxAuthorityBytes = 6144;  // of one certificate; the largest of Debian's has 2 KB

// Which file, and which state of it, a path names: another one when it was changed or put in its place.
struct FileId {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t changed_s = 0, changed_ns = 0;
  friend bool operator==(const FileId& a, const FileId& b);
};
// All zero when there is none.
FileId file_id(std::string_view path);

class CaFile {
 public:
  CaFile() = default;

  // Errors: io.
  Status open(std::string_view path);
  // The next certificate (DER), valid until the next call. Errors: not_found (no more), bad_value (not one; the next
  // call goes on), io.
  Result<Bytes> next() { return reader_.next(); }

 private:
  std::uint8_t block_[kMaxAuthorityBytes];
  Fd fd_;
  PemReader reader_{"CERTIFICATE", block_};
};

// Dates of Mbed TLS in 64 bits; the last second is valid, too.
UnixMillis moment(const mbedtls_x509_time& time);
inline UnixMillis end_of_second(const mbedtls_x509_time& time) { return {moment(time).ms + 999}; }

// When a certificate, or all of several, are good.
struct Validity {
  UnixMillis from{INT64_MIN}, until{INT64_MAX};
  bool include(UnixMillis at) const { return at.ms >= from.ms && at.ms <= until.ms; }
};

// The subject of a certificate (DER), with its tag and length, found without reading the rest of it (RFC 5280
// 4.1); empty when that is no certificate. Mbed TLS calls it subject_raw.
Bytes subject_of(Bytes certificate);

}  // namespace tocsin

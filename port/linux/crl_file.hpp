// SPDX-License-Identifier: MIT
// The file of revocation lists of a stream (crl_file): PEM, several in a row, or one in DER.
//
// Meant for the lists of an authority of one's own: a list stays in Mbed TLS's memory (about 4 times its size)
// while the stream is there. Those of public authorities are too large, and are refused in words.
//
// Memory: 17 KiB of stack in read(). Threads: none.
#pragma once

#include <mbedtls/x509_crl.h>

#include "port/linux/ca_file.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxCrlBytes = 16'384;  // of one list: about 450 revoked certificates

class CrlFile {
 public:
  CrlFile() { mbedtls_x509_crl_init(&lists_); }
  ~CrlFile() { mbedtls_x509_crl_free(&lists_); }
  CrlFile(const CrlFile&) = delete;
  CrlFile& operator=(const CrlFile&) = delete;

  // Reads the file unless it is the one that was read last; an empty path: there is none. Errors, with `why` in
  // words, and then there is no list: io, bad_value (not a list that is understood, or too large), full (memory).
  Status read(std::string_view path, TextWriter& why);
  mbedtls_x509_crl* lists() { return id_ == FileId{} ? nullptr : &lists_; }  // null: none
  const FileId& id() const { return id_; }
  UnixMillis until() const;  // when the first of them ends

 private:
  Status add(Bytes der);
  Status read_lists(int fd);

  FileId id_;
  mbedtls_x509_crl lists_;
};

}  // namespace tocsin

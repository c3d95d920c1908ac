// SPDX-License-Identifier: MIT
// Judges the certificates of one handshake beside Mbed TLS, and says in words what is wrong.
//
// Mbed TLS builds the chain and checks signatures, names and use. Here the dates are judged again, in
// 64 bits and by a clock that was set, and addresses are matched, which Mbed TLS 2.28 cannot.
//
// Memory: the object, about 200 bytes. Threads: none.
#pragma once

#include <mbedtls/x509_crt.h>

#include "port/linux/resolver.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

class CertificateVerdict {
 public:
  // Begins anew: dates are judged at clocks.wall or, while that is not trusted, at the date this
  // program was built. With `address` the leaf must be made for that address, else Mbed TLS matches
  // the name.
  void begin(const Clocks& clocks, const Address* address);

  // One certificate of the chain, root first, with Mbed TLS's flags, which are corrected.
  void judge(const mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);

  // Every certificate was judged, the server's own among them, and none has a flaw.
  bool passed() const { return saw_leaf_ && flags_ == 0; }
  bool saw_leaf() const { return saw_leaf_; }

  // When every certificate of the chain is good.
  struct Dates {
    UnixMillis from{INT64_MIN}, until{INT64_MAX};
    bool include(const Clocks& clocks) const;
  };
  const Dates& dates() const { return dates_; }
  void add_flags(std::uint32_t flags) { flags_ |= flags; }  // found after judge()

  // "it expired on 2020-02-01 (this device's clock says 2026-11-21): ..."
  void write_flaw(std::string_view host, std::string_view ca_file, TextWriter& into) const;

 private:
  void write_clock(TextWriter& into) const;

  std::uint32_t flags_ = 0;  // MBEDTLS_X509_BADCERT_, of the whole chain
  bool saw_leaf_ = false;
  bool has_address_ = false;
  bool self_signed_ = false;  // the leaf itself
  bool clock_set_ = false;
  Address address_;
  UnixMillis at_;            // that dates are judged by
  UnixMillis from_, until_;  // of the certificate that is out of date, the leaf if several are
  int dated_depth_ = 0;      // and where in the chain that is
  Dates dates_;
  FixedText<64> names_;   // that the leaf is made for
  FixedText<64> issuer_;  // whom nobody knows
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// Decides whether the certificates of one handshake are believed, and says in words why not.
//
// Mbed TLS builds the chain of what the server sent and checks the signatures within it, strength and use. It
// is told of no authority (TlsContext), so to it every chain is "not trusted". Here, when the server's own certificate
// comes, as the last one, the issuers of the chain are searched in `ca_file`. For each that is there Mbed TLS verifies
// that one certificate with that one authority: signature, CA, use, strength, revocation. The chain counts up to
// there: what the server sent above it (a root, a cross-signed authority) does not matter.
//
// Beside that: dates in 64 bits by a clock that can be believed, names and addresses (server_name.hpp), the length
// of the path, pins, and the dates of revocation lists.
//
// Memory: the object, about 600 bytes; 8 KiB of stack for the last certificate, and in Mbed TLS's memory one
// authority at a time. Reads the file then. Threads: none.
#pragma once

#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

#include "port/linux/ca_file.hpp"
#include "port/linux/clock.hpp"
#include "port/linux/pin.hpp"
#include "port/linux/resolver.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

// SHA-256 or better, RSA with 2048 bits or more, P-256 or better: of every certificate.
inline const mbedtls_x509_crt_profile& kStrength = mbedtls_x509_crt_profile_next;

// What Mbed TLS is told of as its authority: no name that another certificate could have, no key, and not the bytes of
// any. (An empty one would do, but that Mbed TLS stands an empty one in for a server's that it cannot read.) Points to
// static memory; need not be freed.
void make_nobody(mbedtls_x509_crt& into);

// By what a server is judged. What it points to outlives the handshake.
struct Trust {
  std::string_view ca_file;
  const Pins* pins = nullptr;           // null or empty: any key
  mbedtls_x509_crl* revoked = nullptr;  // null: revocation is not looked at
};

void write_day(UnixMillis at, TextWriter& into);  // 2026-11-22

class CertificateVerdict {
 public:
  // Begins anew. The server's certificate must be made for `address` or, without one, for `host`.
  void begin(const Clocks& clocks, std::string_view host, const Address* address, const Trust& trust);

  // One certificate of the chain, from the top down, the server's own with depth 0 last, and Mbed TLS's flags
  // for it. Those of the others are kept and cleared; what is wrong with any of them is given back with the last
  // one. So a chain whose last certificate never comes is accepted by nobody who asks passed().
  void judge(mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);

  // The server's own certificate was judged, an authority was found, and nothing is wrong up to there.
  bool passed() const { return saw_leaf_ && anchored_ && flags_ == 0; }
  bool saw_leaf() const { return saw_leaf_; }

  // Of every certificate of the chain, and of every list of revoked ones.
  using Dates = Validity;
  const Dates& dates() const { return dates_; }
  void add_flags(std::uint32_t flags) { flags_ |= flags; }  // found after judge()

  // Since begin(); then nothing else that seems wrong is known for sure.
  bool ran_out_of_memory() const;
  // "it expired on 2020-02-01 (this device's clock says 2026-11-21): ..."
  void write_flaw(TextWriter& into) const;

 private:
  static constexpr int kMaxChain = 10;  // MBEDTLS_X509_MAX_INTERMEDIATE_CA + 2
  static constexpr int kOfFile = -1;    // the depth of an authority of ca_file
  struct Link {
    mbedtls_x509_crt* certificate = nullptr;
    std::uint32_t flags = 0;
  };
  // A way to an authority, and what is wrong with it.
  struct Path {
    std::uint32_t flags = MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    Dates dates;
    UnixMillis from, until;  // of the certificate that is out of date, the server's own if several are
    int dated_depth = 0;     // and where in the chain that is, or kOfFile
    bool tried = false;
  };

  void find_authority();
  void name_issuer(const mbedtls_x509_crt& certificate);
  void try_authority(Bytes der, int depth);
  std::uint32_t verify(mbedtls_x509_crt& child, mbedtls_x509_crt& authority, int depth);
  bool may_sign(const mbedtls_x509_crt& authority, int depth) const;
  bool has_pin(int depth, const mbedtls_x509_crt& authority) const;
  std::uint32_t list_flags(const mbedtls_x509_crt& certificate, int depth);
  void add(const mbedtls_x509_crt& certificate, int depth, std::uint32_t flags, Path& path) const;
  std::uint32_t date_flags(const mbedtls_x509_crt& certificate) const;
  void write_clock(TextWriter& into) const;
  void write_date_flaw(TextWriter& into) const;
  bool write_list_flaw(TextWriter& into) const;

  Trust trust_;
  std::uint32_t flags_ = 0;  // MBEDTLS_X509_BADCERT_, of the way that was chosen
  bool saw_leaf_ = false;
  bool anchored_ = false;
  bool has_address_ = false;
  bool self_signed_ = false;  // the leaf itself, alone
  bool clock_set_ = false;
  bool no_memory_ = false;
  std::uint32_t refused_before_ = 0;  // by the memory for TLS
  bool weakly_signed_ = false;  // by one of the file, it seems: what is too weak may not have been checked further
  bool unreadable_ = false;  // Mbed TLS could not make anything of it
  bool pin_missed_ = false;
  bool no_list_ = false;  // revocation is to be looked at, and no list is of the leaf's issuer
  Status ca_file_;        // how reading it went
  int top_ = -1;    // depth of the first certificate that came; -1: none yet
  int newest_ = 0;  // depth of the last one
  Link links_[kMaxChain];
  Address address_;
  UnixMillis wall_, at_;  // what the clock says, and what dates are judged by
  FloorFrom floor_ = FloorFrom::build;
  Path path_;             // the best so far
  Dates list_dates_;
  Dates dates_;
  Pin leaf_pin_;
  FixedText<253> host_;
  FixedText<64> names_;   // that the leaf is made for
  FixedText<64> issuer_;  // whom nobody knows, or whose list is not there
};

}  // namespace tocsin

// SPDX-License-Identifier: MIT
// The server's side of TLS, for those who call this device: one connection at a time, TLS 1.2, no client certificates,
// no renegotiation, nothing that outlives a connection.
//
//   closed --open()--> idle --begin()--> connection: read(), write() --end()--> idle
//
// The certificate and its key stay in memory, so that a renewed file that is broken leaves the one before in use.
//
// Memory: kHookTlsBytes in place for Mbed TLS, touched as far as needed (zeros at first: a static object), 13 KiB of
// stack in open() and renew(). Of the distribution's Mbed TLS, the heap. Threads: the loop.
#pragma once

#include <mbedtls/ssl.h>

#include "port/linux/own_certificate.hpp"
#include "port/linux/tls_memory.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {

class TlsServer {
 public:
  TlsServer();
  ~TlsServer() {
    close();
    tls_use_second(nullptr);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  // Reads both files, whose paths outlive this. Errors, with `why` in words: as OwnCertificate::take(); tls.
  Status open(std::string_view certificate, std::string_view key, TextWriter& why);
  void close();
  // The files are others than those that were looked at last.
  bool has_changed() const { return !(own_[in_use_].id() == seen_); }
  // Takes what they have now; not while there is a connection. Errors: as open(), and then the certificate before is
  // still in use.
  Status renew(TextWriter& why);
  const OwnCertificate& certificate() const { return own_[in_use_]; }

  // With a connection that was just accepted; it stays the caller's. Errors: tls (memory), then only end() may follow.
  Status begin(int fd);
  // Makes the handshake first, and takes 32 KiB of what came at most before it says `again`. 0: the peer sends no more.
  // Never waits. Errors: again; closed (broken off); tls (write_problem()): an alert has told the peer, of most; only
  // end() may follow.
  Result<std::size_t> read(MutBytes into);
  bool is_shaken() const { return is_shaken_; }  // the handshake is done
  std::size_t came() const { return came_; }     // bytes of this connection
  void write_problem(TextWriter& into) const;
  // What does not fit the socket at once is lost: its peer does not read.
  void write(std::string_view text);
  void end();  // says that nothing more comes

  const Pool& memory() const { return pool_; }  // where the heap is used, nothing is taken from it

 private:
  Status take(unsigned which, TextWriter& why);
  Status set_up(unsigned which);
  static int send(void* self, const unsigned char* from, std::size_t size);
  static int receive(void* self, unsigned char* into, std::size_t size);

  OwnCertificate own_[2];  // the one in use, and a place for the next
  unsigned in_use_ = 0;
  OwnCertificate::Id seen_;  // of the files that were looked at last
  mbedtls_ssl_config config_;
  mbedtls_ssl_context ssl_;
  int fd_ = -1;  // -1: no connection
  int error_ = 0;
  bool is_shaken_ = false;
  bool at_end_ = false;
  std::size_t may_take_ = 0;  // bytes, until `again`
  std::size_t came_ = 0;
  Pool pool_;
  alignas(16) std::uint8_t memory_[kHookTlsBytes];
};

}  // namespace tocsin

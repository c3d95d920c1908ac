// SPDX-License-Identifier: MIT
// What a proxy is asked, and what its answer means: CONNECT, in words of wire/http_tunnel.hpp.
//
// Memory: 80 B; of the answer only the status is kept, and whether it names Basic. Threads: none.
#pragma once

#include "tocsin/port.hpp"
#include "tocsin/wire/http_tunnel.hpp"

namespace tocsin {

class ProxyTalk final : public Opening {
 public:
  // Views outlive it. `login`: user:password, or empty.
  void configure(std::string_view host, std::uint16_t port, std::string_view login);

  void begin() override;
  std::size_t write(MutBytes into) const override;
  Status read(Bytes came) override;
  void write_problem(TextWriter& into) const override;
  // The last answer since begin() was: not with that user and password, or not without any.
  bool login_refused() const { return !odd_ && answer_.status() == 407; }

 private:
  std::string_view host_;
  std::string_view login_;
  std::uint16_t port_ = 0;
  bool odd_ = false;            // no HTTP, or more than was asked for
  std::uint8_t basic_ = 0;      // letters of that word which came in a row; all: it was named
  TunnelAnswer answer_;
};

}  // namespace tocsin

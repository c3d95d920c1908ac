// SPDX-License-Identifier: MIT
// Any answer of a proxy, whole and in pieces that the first byte chooses: the same outcome, and only one that
// begins with a status line opens a tunnel.
#include <cstdlib>

#include "fakes/guard_page.hpp"
#include "panic.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_tunnel.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tocsin;
  if (size == 0 || size > 17000) return 0;
  static GuardPage page(17408);
  const Bytes bytes = Bytes{data, size}.drop(1);
  TunnelAnswer whole, pieces;
  const Status at_once = whole.take(page.put(bytes));
  Status in_pieces = Code::again;
  const std::size_t step = 1 + data[0] % 40U;
  Bytes rest = bytes;
  for (; !rest.empty() && in_pieces.code() == Code::again; rest = rest.drop(step))
    in_pieces = pieces.take(page.put(rest.first(step)));
  if (at_once.code() != in_pieces.code() || (at_once.ok() && whole.status() != pieces.status())) std::abort();
  if (at_once.ok() &&
      (whole.status() < 200 || whole.status() > 599 || !starts_with(as_text(bytes), "HTTP/1.")))
    std::abort();
  if (at_once.ok() && !whole.excess() &&
      (bytes.size() > kHeadBytes || !ends_with(as_text(bytes), "\r\n\r\n")))
    std::abort();
  return 0;
}

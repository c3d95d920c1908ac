// SPDX-License-Identifier: MIT
// Everything the portable code asks of a device. Three interfaces, one page.
//
// A port implements them once (port/linux), tests implement them as fakes (tests/fakes), and
// wrappers that add faults implement them around either. The portable code reads no clock, draws no
// random number, logs nothing, allocates nothing and waits for nothing: time and randomness come in
// as arguments, and every call below returns at once.
//
// Destructors are protected and not virtual on purpose: nobody deletes through these types, and a
// virtual one would pull operator delete into the program. Threads: one loop owns every object; what
// a port does beside it (a storage worker, a resolver process) stays inside the port.
#pragma once

#include <string_view>

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"
#include "tocsin/base/time.hpp"

namespace tocsin {

// One file, partition or flash volume of a fixed size that keeps its bytes without power.
//
// Until a job that asks for a sync is done, a power cut may keep, lose, reorder, shorten or garble
// anything it wrote: a kBlock-aligned block touched by it may come back old, new, mixed by sector or
// as garbage, bytes of it that an earlier job had synced included.
class Store {
 public:
  struct Write {
    std::uint32_t at = 0;
    Bytes from;
  };

  virtual std::uint32_t capacity() const = 0;  // bytes, a multiple of kBlock; never changes

  // Bare flash: so many blocks are erased together, at the moment when the first of them is written. In between
  // each of them is written once at most, in ascending order, and a write that a power cut took back has been one.
  // What is erased reads as 0xFF. The last block of the store begins such a group. 1: no block has to do with another.
  virtual std::uint32_t erased_together() const { return 1; }

  // Fills `into` or fails. Sees what earlier jobs wrote, synced or not. Errors: io (also outside the
  // capacity).
  virtual Status read(std::uint32_t at, MutBytes into) = 0;

  // Begins to carry out `writes` in order and then, when `sync` says so, to put them and everything
  // written before on the medium. The bytes of the views stay untouched until poll() says something
  // else than `again`; the array of views itself is copied. One job at a time (asserted).
  enum class Sync : std::uint8_t { no, yes };
  virtual void begin(Span<const Write> writes, Sync sync) = 0;

  // The job's outcome, told once: ok, `again` (not done yet; also for ever, when a medium hangs), or
  // io with the errno: then nothing is known of anything this job touched. `empty`: no job was begun.
  virtual Status poll() = 0;

 protected:
  ~Store() = default;
};

class TextWriter;

// What is said on a connection before TLS begins: how a proxy is asked for the way. The port moves the bytes.
class Opening {
 public:
  static constexpr std::size_t kRequestBytes = 1'024;

  virtual void begin() = 0;                              // of a connection
  virtual std::size_t write(MutBytes into) const = 0;    // the request, the same each time; 0: there cannot be one
  virtual Status read(Bytes came) = 0;                   // of the answer; ok: the way is open. again; protocol
  virtual void write_problem(TextWriter& into) const = 0;  // what is waited for, or why there is no way

 protected:
  ~Opening() = default;
};

struct Endpoint {
  std::string_view host;  // name or address literal: for look-up, SNI and the certificate check
  std::uint16_t port = 443;
  // The way there by CONNECT, where there is a proxy: it sees this request and TLS, nothing else.
  std::string_view proxy_host = {};  // empty: none
  std::uint16_t proxy_port = 0;
  Opening* opening = nullptr;  // required with a proxy
};

enum class Want : std::uint8_t { nothing, readable, writable, either };

// What a stream is doing, for the words of an error: "handshake timed out".
enum class Phase : std::uint8_t { idle, looking_up, connecting, tunnelling, handshaking, open };

// A byte stream to one server, TLS with a verified certificate included. No call waits: `again` means
// "wait for want() on handle(), then repeat the same call with the same arguments".
class Stream {
 public:
  // Errors: again; io (errno, or no address), tls (Mbed TLS code; problem() has the words).
  virtual Status connect(const Endpoint& to) = 0;
  // 1..size taken. Errors: again, closed, io, tls. After an error read() may still have what came before it.
  virtual Result<std::size_t> write(Bytes from) = 0;
  // 1..size. Errors: again, closed (close_notify), io, tls; refused: the server turned this device away, and what was
  // written since connect() was not looked at.
  virtual Result<std::size_t> read(MutBytes into) = 0;
  virtual Want want() const = 0;
  virtual int handle() const = 0;  // for the loop's poll(2); -1 while there is none
  virtual Phase phase() const = 0;
  // The last failure in words for a technician, without secrets: what was tried, with whom, how far
  // it came, why it failed. Valid until the next connect().
  virtual std::string_view problem() const = 0;
  virtual void close() = 0;  // at any time, any number of times

 protected:
  ~Stream() = default;
};

enum class Level : std::uint8_t { low, high };

struct Edge {
  Instant at;                // as the program counts time; 0: not known
  std::uint32_t number = 0;  // counts the edges of this line from 1; a gap means some were lost
  Level level = Level::low;  // after the edge; physical, not "active"
};

// Edges of one input line, oldest first.
class EdgeSource {
 public:
  virtual Result<Edge> next() = 0;    // again, io
  virtual Result<Level> level() = 0;  // now: at start and after a gap. io
  virtual int handle() const = 0;     // readable when next() has something

 protected:
  ~EdgeSource() = default;
};

}  // namespace tocsin

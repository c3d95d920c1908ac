// SPDX-License-Identifier: MIT
// Where the service calls this device: small HTTP requests at one address, one path, with a shared secret in a field.
//
//   free --accept--> reading --whole and right--> with the owner --answer()--> ending --peer closes, or 2 s--> free
//                       |                            '--keep()--> kept --settle()--^
//                       '------refused here: 400 to 505, 403, 404, 405, 503--------'
//
// With TLS (`cert_file`) one of them at a time has the TLS connection, to its answer; the others wait for it:
//
//   free --accept--> silent --its first byte--> waiting --the oldest, when its turn comes--> reading
//
// What it gives a peer is bounded: kMaxHooks connections, one request each, kPatience for all of it, kPerSecond of
// those that had the secret (503 beyond, and again a second later). Who connects while all places are taken has the
// place of the oldest that is ending, else that is read, else that is kept: a thousand slow ones keep nobody else out,
// as one that sends its request at once is taken before the next is accepted. With TLS those give way that are ending
// or have sent nothing; others who connect wait in the system's queue. While another one waits, who has the TLS
// connection keeps it for kTurn, and for kPause without a word: seven who say hello and stop keep nobody out. Who does
// not speak TLS is told so (400) without a handshake.
// A handshake is work that anybody may ask for. With an EC key (P-256) it is 36 million instructions on x86-64 and 49
// million in 32-bit arithmetic, 0.15 s of an ARM at 500 MHz; with RSA (2048 bits) 57 and 148 million. One is begun
// every kBetween, ten at once behind a quiet time: strangers have a sixth of such a processor for long, and the loop
// looks at lines and messages between two steps of one.
// The secret is compared in a time that does not depend on how much of it is right, before path and method are looked
// at: without it there is one answer, 403.
//
// Memory: 147 KiB in place (zeros at first, for TLS: a static object), of which 12 KiB a connection are touched as far
// as it sends, and 48 KiB with TLS alone; who waits has none. Threads: the loop.
#pragma once

#include <new>

#include "port/linux/resolver.hpp"
#include "port/linux/system.hpp"
#include "port/linux/tls_server.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_incoming.hpp"

namespace tocsin {

class HookServer {
 public:
  static constexpr Millis kPatience = seconds(10);  // for a whole request
  static constexpr Millis kEnding = seconds(2);     // for the peer to read the answer
  static constexpr Millis kMedium = milliseconds(2'300);  // for what it changed to be safe
  static constexpr unsigned kPerSecond = 10;
  static constexpr Millis kBetween = seconds(1);  // handshakes of TLS, on average
  static constexpr Millis kSaved = seconds(9);    // of that, what a quiet time leaves: ten at once
  static constexpr Millis kTurn = seconds(3);     // with the TLS connection, while others wait for it
  static constexpr Millis kPause = seconds(1);    // between two pieces of what it sends then
  static constexpr std::size_t kMaxHandles = kMaxHooks + 1;

  // Views outlive the server.
  struct Settings {
    std::string_view host;  // an address
    std::uint16_t port = 0;
    std::string_view path;
    std::string_view secret_name;  // empty: no secret is asked for
    std::string_view secret;
    std::string_view cert_file = {}, key_file = {};  // empty: without TLS
  };

  HookServer() = default;
  HookServer(const HookServer&) = delete;
  HookServer& operator=(const HookServer&) = delete;
  ~HookServer() { close(); }

  // Errors, with `why`: io; as TlsServer::open().
  Status open(const Settings& settings, TextWriter& why);
  void close();
  bool is_open() const { return listener_.is_open(); }
  // Takes a renewed certificate; who has the TLS connection then is cut off, and may call again. Errors, with `why`:
  // again (there is none); as TlsServer::open(), and then the one before is still in use.
  Status renew(TextWriter& why);
  const TlsServer& tls() const { return tls_; }

  // Descriptors to wait for, all of them for reading; returns how many. `into` has kMaxHandles.
  std::size_t handles(Span<int> into, Instant now) const;
  // The next request that is right in form and secret: its query and body are the caller's until answer() or keep(),
  // one of which comes before the next call. Never waits; a call looks at each place once and accepts kAtOnce at most.
  // Errors: again.
  struct Hook {
    MutBytes query, body;
  };
  Result<Hook> next(Instant now);
  enum class Taken : std::uint8_t { yes, not_now, too_many };  // 200, 503, 413
  void answer(Taken taken, Instant now);
  // What it changed is not safe before `ticket` is: it is answered by settle(), with 200 when `safe` has come that far,
  // with 503 after kMedium, or at once when the medium fails. Who is sent away sends it again.
  void keep(std::uint64_t ticket, Instant now);
  enum class Medium : std::uint8_t { works, fails };
  void settle(std::uint64_t safe, Medium medium, Instant now);
  // Why requests were refused here, since it was asked last, and how many; false: none was.
  bool write_refused(TextWriter& into);

  Instant due() const;  // when something is to be closed or accepted again; kNever: nothing is

 private:
  static constexpr unsigned kAtOnce = 16;
  static constexpr std::size_t kMostDrained = 65'536;

  struct Memory {  // beside the slots, so that those of nobody are not touched
    alignas(HttpIncoming) unsigned char request[sizeof(HttpIncoming)];
    std::uint8_t buffer[kHookHeadBytes + kHookBodyBytes];
  };
  struct Slot {
    enum class Stage : std::uint8_t { ending, silent, reading, kept, waiting };  // in the order in which they give way
    Fd fd;
    Instant since, until;
    Stage stage = Stage::reading;
    bool told_to_continue = false;
    std::uint64_t ticket = 0;  // that it is kept for
    std::size_t drained = 0;
    Address peer;
    Memory* memory = nullptr;  // while it is open

    HttpIncoming& incoming() { return *std::launder(reinterpret_cast<HttpIncoming*>(memory->request)); }
  };

  bool has_tls() const { return !settings_.cert_file.empty(); }
  bool accept_one(Instant now);
  const Slot* place() const;
  void begin(Slot& slot, Instant now);
  void shut(Slot& slot);
  Slot* next_waiting();
  void seat_next(Instant now);
  void listen_to(Slot& slot, Instant now);
  bool read(Slot& slot, Instant now);
  Result<std::size_t> receive(const Slot& slot, MutBytes into);
  void send(const Slot& slot, std::string_view text);
  bool is_right(Slot& slot, Instant now);
  bool has_room(Instant now);
  void refuse(Slot& slot, unsigned status, std::string_view why, Instant now);
  void fail_tls(Slot& slot, Instant now);
  void note_refused(const Slot& slot, std::string_view why, unsigned status);
  void say(Slot& slot, unsigned status, Instant now);
  void finish(Slot& slot, Instant now);
  void drain(Slot& slot);

  Settings settings_;
  Fd listener_;
  Slot* current_ = nullptr;  // with the owner
  Slot* seated_ = nullptr;   // with the TLS connection
  Instant turn_until_;       // that it has it, if another one waits
  Instant pause_until_;      // that it is waited for, then
  std::size_t came_ = 0;     // bytes of it, by then
  Instant next_seat_;        // when another one may have it; in the past as much as is saved
  Instant accept_again_;     // after a failure that waiting may help
  Instant second_;           // in which `in_second_` were taken
  unsigned in_second_ = 0;
  std::uint32_t refused_ = 0;
  FixedText<200> refusal_;
  Slot slots_[kMaxHooks];
  Memory memory_[kMaxHooks];
  TlsServer tls_;
};

}  // namespace tocsin

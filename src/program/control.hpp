// SPDX-License-Identifier: MIT
// The control socket: how other tocsin commands talk to the process that owns the queue.
//
// AF_UNIX, SOCK_SEQPACKET: one packet a request, one packet its reply, nothing to frame.
//
//   request  u8 version (1), u8 kind, fields      reply  u8 version (1), u8 exit status, fields
//   field    u8 tag, u16 length (little-endian), that many bytes
//
// A packet that is anything else gets a reply that says so, and changes nothing. Who may open the socket
// (mode 0660) may ask; that is the whole access rule.
//
// Memory: ControlServer about 5 KiB; a request's views point into it. A call takes 4 KiB of stack.
// Threads: the loop.
#pragma once

#include "port/linux/system.hpp"
#include "src/program/arguments.hpp"
#include "tocsin/base/time.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/port.hpp"
#include "tocsin/wire/message.hpp"

namespace tocsin {

inline constexpr std::size_t kMaxControlRequest = 4096;  // bytes of a packet
inline constexpr std::size_t kMaxControlReply = 16'384;
inline constexpr std::size_t kMaxControlClients = 8;     // at once; others wait to be accepted
inline constexpr std::size_t kMaxControlPath = 107;      // bytes: sockaddr_un
inline constexpr Millis kControlIdle = seconds(10);      // a client that asks nothing is closed then
inline constexpr Millis kControlTimeout = seconds(5);    // a caller waits that long for the reply
inline constexpr Millis kPurgePatience = seconds(60);    // and that much longer for a purge

enum class Ask : std::uint8_t {
  ping = 1,
  send = 2,          // cls, stream (may be empty: the first), text, phones; wait, when it was given
  raise = 3,         // subject: alarm
  clear = 4,         // subject: alarm
  status = 5,        // json
  reload_token = 6,  // subject: stream
  give_way = 7,      // leave the queue to the one who asks
  reasons = 8,       // for each stream a line: name, tab, why it does not send (empty: it does)
  retry = 9,         // subject: id of a message, or its number
  drop = 10,         // the same
  purge = 11,
  in_memory = 12,    // messages that only memory has (memory_list.hpp): from; or only subject, as for retry;
                     // files_gone
  memory = 13,       // the most that was used of the TLS arena ("-": it takes the heap) and of the reply arena, bytes
  ack = 14,          // subject: alarm
};

struct ControlRequest {
  Ask ask = Ask::ping;
  bool json = false;
  Class cls = Class::warning;
  std::string_view stream;
  std::string_view text;
  std::string_view subject;
  Phone phones[kMaxPhones];
  std::size_t phone_count = 0;
  Millis wait;  // whole seconds; 0: only until it is on the medium
  std::uint32_t from = 0;  // the number that the first of a list has at least
  bool files_gone = false;  // who asks did not find them: then all messages, and the owner looks after its files

  Span<const Phone> recipients() const { return {phones, phone_count}; }
};

struct ControlReply {
  Exit exit = Exit::done;
  std::string_view out;  // for stdout, line ends included
  std::string_view err;  // for stderr
};

// Packets. decode_request() checks that the fields are those of the kind, none twice, none missing, text
// UTF-8 and inside its limit. Errors: too_big; bad_value, with what is wrong in `why` (request); protocol
// (reply).
Result<std::size_t> encode_request(const ControlRequest& request, MutBytes into);
Status decode_request(Bytes packet, ControlRequest& into, TextWriter& why);
Result<std::size_t> encode_reply(const ControlReply& reply, MutBytes into);
Result<ControlReply> decode_reply(Bytes packet);

// The owner's side. A client that was answered and stays may ask again; while none of the places is free it gives
// its own to one who waits. Never waits. Call next() until it says `again` whenever poll(2) reports one of its
// handles, and when due() has passed.
class ControlServer {
 public:
  struct Client {
    std::uint32_t number = 0;  // never used twice: a reply to a client that has gone is dropped
  };
  struct Handle {
    int fd = -1;
    Want want = Want::nothing;  // nothing: poll(2) still reports that it has hung up
  };

  ControlServer() = default;
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  ~ControlServer() { close(); }

  // Listens at `path`; makes its directory (0755) when only that is missing. A socket that nobody serves
  // is replaced, anything else in its place is left alone. Errors, with `why`: busy (somebody serves
  // it), bad_value (not a socket), too_big (the path), io.
  Status open(std::string_view path, TextWriter& why);
  void close();  // and removes the socket, when it is still this one
  bool is_open() const { return listener_.is_open(); }

  // Fills `into` (kMaxControlClients + 1 are enough) and returns how many there are.
  std::size_t handles(Span<Handle> into) const;
  // Whether poll(2) has just said that nobody waits to be accepted: then next() does not ask again.
  int listener() const { return listener_.number(); }
  void nobody_calls(bool so) { nobody_calls_ = so; }

  // The next request: whose it is, and request() is what it asks, until the next call. The client waits,
  // for as long as it likes, for reply(). Bad packets are answered here. Errors: again.
  Result<Client> next(Instant now);
  const ControlRequest& request() const { return request_; }

  // What does not fit a packet is cut. A client that has gone, or does not read, is dropped.
  void reply(Client to, const ControlReply& reply, Instant now);
  bool waits(Client client) const;  // for its reply, and is still there

  Instant due() const;  // when an idle client is to be closed; kNever: there is none

 private:
  struct Slot {
    Fd fd;
    std::uint32_t number = 0;
    Instant idle_since;
    bool waiting = false;  // its request is with the owner
    bool answered = false; // has its reply, and nothing more was asked
  };

  void accept_all(Instant now);
  Slot* place();
  Status receive(Slot& slot, Instant now);
  void answer(Slot& slot, const ControlReply& reply, Instant now);

  Fd listener_;
  bool nobody_calls_ = false;
  Slot slots_[kMaxControlClients];
  std::size_t first_ = 0;  // whose turn it is: one who asks much does not keep the others waiting
  std::uint32_t last_number_ = 0;
  FixedText<kMaxControlPath> path_;
  std::uint64_t device_ = 0;  // of the socket file that is ours
  std::uint64_t inode_ = 0;
  ControlRequest request_;
  std::uint8_t packet_[kMaxControlRequest];
};

// Whether ControlServer::open() could make its socket at `path`, as far as can be seen without changing anything;
// one that is served already is right. Errors, with `why`: as open(), but busy.
Status check_control_place(std::string_view path, TextWriter& why);

// The caller's side: asks whoever serves `path` and waits for the reply, whose views point into `memory`
// (kMaxControlReply bytes). Errors: not_found (nobody serves it, or ended before it read this), timeout,
// closed (gone before it replied: nobody knows what it did), protocol (not a reply), too_big, io.
Result<ControlReply> call_control(std::string_view path, const ControlRequest& request, Millis timeout,
                                  MutBytes memory);

}  // namespace tocsin

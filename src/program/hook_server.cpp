// SPDX-License-Identifier: MIT
#include "src/program/hook_server.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tocsin/wire/secret.hpp"

namespace tocsin {
namespace {

constexpr int kBacklog = 64;
constexpr Millis kAcceptAgain = seconds(1);

struct Reason {
  unsigned status;
  std::string_view words;
};
constexpr Reason kReasons[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed\r\nAllow: GET, POST"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {431, "Request Header Fields Too Large"},
    {501, "Not Implemented"},
    {503, "Service Unavailable\r\nRetry-After: 1"},
    {505, "HTTP Version Not Supported"},
};

std::string_view reason(unsigned status) {
  for (const Reason& known : kReasons)
    if (known.status == status) return known.words;
  TOCSIN_ASSERT(false);
  return {};
}

// Behind what it sent: no handshake is made with it.
bool has_gone(int fd) {
  pollfd peer{fd, POLLRDHUP, 0};
  return ::poll(&peer, 1, 0) == 1;
}

}  // namespace

Status HookServer::open(const Settings& settings, TextWriter& why) {
  close();
  settings_ = settings;
  const auto fail = [&why, &settings] {
    const Status failure = last_error();
    why.text("cannot listen at ").text(settings.host).text(" port ").number(settings.port).text(": ");
    write_errno(failure.detail(), why);
    return failure;
  };
  const auto address = parse_address(settings.host, settings.port);
  TRY(address.status());
  if (has_tls()) TRY(tls_.open(settings.cert_file, settings.key_file, why));
  Fd listener(::socket(address.value().any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!listener.is_open()) return fail();
  // The connections of the daemon before may linger.
  ::setsockopt(listener.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.value().any.sa_family == AF_INET6)
    ::setsockopt(listener.number(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);  // as it is written, no more
  if (::bind(listener.number(), &address.value().any, address.value().size) != 0 ||
      ::listen(listener.number(), kBacklog) != 0)
    return fail();
  listener_.reset(listener.release());
  return {};
}

void HookServer::close() {
  listener_.reset();
  for (Slot& slot : slots_) shut(slot);
  tls_.close();
  current_ = nullptr;
}

Status HookServer::renew(TextWriter& why) {
  if (!has_tls() || !tls_.has_changed()) return Code::again;
  if (seated_ != nullptr) shut(*seated_);  // there is always one under way where strangers hold the listener
  return tls_.renew(why);
}

void HookServer::shut(Slot& slot) {
  if (&slot == seated_) {
    tls_.end();
    seated_ = nullptr;
  }
  slot.fd.reset();
}

std::size_t HookServer::handles(Span<int> into, Instant now) const {
  std::size_t count = 0;
  for (const Slot& slot : slots_)
    if (slot.fd.is_open() && slot.stage != Slot::Stage::kept && slot.stage != Slot::Stage::waiting)
      into[count++] = slot.fd.number();
  if (listener_.is_open() && now >= accept_again_ && place() != nullptr) into[count++] = listener_.number();
  return count;
}

Instant HookServer::due() const {
  Instant at = listener_.is_open() && accept_again_.ms != 0 ? accept_again_ : kNever;
  for (const Slot& slot : slots_)
    if (slot.fd.is_open()) {
      at = earlier(at, slot.until);
      if (slot.stage == Slot::Stage::waiting && seated_ == nullptr) at = earlier(at, next_seat_);
      if (slot.stage == Slot::Stage::waiting && seated_ != nullptr && seated_->stage == Slot::Stage::reading)
        at = earlier(at, earlier(turn_until_, pause_until_));
    }
  return at;
}

Result<HookServer::Hook> HookServer::next(Instant now) {
  TOCSIN_ASSERT(current_ == nullptr);
  if (now >= accept_again_) accept_again_ = Instant{};
  for (Slot& slot : slots_)
    if (slot.fd.is_open() && read(slot, now)) return Hook{current_->incoming().query(), current_->incoming().body()};
  for (unsigned accepted = 0; accepted < kAtOnce && accept_one(now); ++accepted)
    if (current_ != nullptr) return Hook{current_->incoming().query(), current_->incoming().body()};
  seat_next(now);
  if (current_ != nullptr) return Hook{current_->incoming().query(), current_->incoming().body()};
  return Code::again;
}

// What the new one has sent already is looked at, before another one may take its place.
bool HookServer::accept_one(Instant now) {
  if (!listener_.is_open() || accept_again_.ms != 0) return false;
  const Slot* const where = place();
  if (where == nullptr) return false;
  Address peer;
  peer.size = sizeof peer.v6;
  const int fd = ::accept4(listener_.number(), &peer.any, &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    // Without descriptors or memory poll(2) would report it again and again.
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) accept_again_ = now + kAcceptAgain;
    return errno == ECONNABORTED;
  }
  Slot& slot = slots_[where - slots_];
  slot.fd.reset(fd);
  slot.since = now;
  slot.drained = 0;
  slot.peer = peer;
  slot.memory = &memory_[&slot - slots_];
  slot.stage = Slot::Stage::silent;
  slot.until = now + kPatience;
  if (!has_tls()) begin(slot, now);
  read(slot, now);
  return true;
}

// A free one; else the oldest of those that give way first. None: with TLS not everybody does.
const HookServer::Slot* HookServer::place() const {
  const Slot* found = &slots_[0];
  for (const Slot& slot : slots_) {
    if (!slot.fd.is_open()) return &slot;
    if (slot.stage != found->stage ? slot.stage < found->stage : slot.since < found->since) found = &slot;
  }
  return has_tls() && found->stage > Slot::Stage::silent ? nullptr : found;
}

void HookServer::begin(Slot& slot, Instant now) {
  slot.stage = Slot::Stage::reading;
  slot.until = now + kPatience;
  slot.told_to_continue = false;
  new (slot.memory->request) HttpIncoming(slot.memory->buffer, settings_.secret_name);
}

// Whether one that waits for the TLS connection has begun to speak.
void HookServer::listen_to(Slot& slot, Instant now) {
  constexpr std::uint8_t kHandshake = 22;  // RFC 5246 6.2.1
  std::uint8_t first = 0;
  const ssize_t n = ::recv(slot.fd.number(), &first, 1, MSG_DONTWAIT | MSG_PEEK);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return shut(slot);
  if (n < 0) return;
  if (first != kHandshake) return refuse(slot, 400, "it does not speak TLS: is the webhook's address one of https?", now);
  slot.stage = Slot::Stage::waiting;
}

HookServer::Slot* HookServer::next_waiting() {
  Slot* found = nullptr;
  for (Slot& slot : slots_)
    if (slot.fd.is_open() && slot.stage == Slot::Stage::waiting && (found == nullptr || slot.since < found->since))
      found = &slot;
  return found;
}

void HookServer::seat_next(Instant now) {
  if (now < next_seat_ || seated_ != nullptr) return;
  Slot* next = next_waiting();
  for (; next != nullptr && has_gone(next->fd.number()); next = next_waiting()) shut(*next);
  if (next == nullptr) return;
  if (next_seat_ + kSaved < now) next_seat_ = now + milliseconds(-kSaved.count);
  next_seat_ = next_seat_ + kBetween;
  turn_until_ = now + kTurn;
  pause_until_ = now + kPause;
  came_ = 0;
  seated_ = next;
  begin(*next, now);
  tls_.begin(next->fd.number()).ok() ? static_cast<void>(read(*next, now)) : fail_tls(*next, now);
}

// Whether it has a request for the owner now.
bool HookServer::read(Slot& slot, Instant now) {
  if (slot.stage == Slot::Stage::kept) return false;
  if (slot.stage == Slot::Stage::ending) drain(slot);
  if (slot.stage == Slot::Stage::silent) listen_to(slot, now);
  HttpIncoming& incoming = slot.incoming();
  while (slot.fd.is_open() && slot.stage == Slot::Stage::reading) {
    const auto came = receive(slot, incoming.to_fill());
    if (came.code() == Code::again) break;
    const Status got = came.ok() ? incoming.got(came.value()) : came.status();
    if (got.code() == Code::closed) {
      shut(slot);
    } else if (got.code() == Code::tls) {
      fail_tls(slot, now);
    } else if (!got.ok()) {
      refuse(slot, incoming.refusal(), incoming.fault(), now);
    } else if (incoming.done()) {
      if (is_right(slot, now)) {
        current_ = &slot;
        return true;
      }
    } else if (incoming.waits_to_continue() && !slot.told_to_continue) {
      slot.told_to_continue = true;
      send(slot, "HTTP/1.1 100 Continue\r\n\r\n");
    }
  }
  if (!slot.fd.is_open()) return false;
  if (&slot == seated_ && tls_.came() != came_) {
    came_ = tls_.came();
    pause_until_ = now + kPause;
  }
  const bool gives_way = &slot == seated_ && now >= earlier(turn_until_, pause_until_) && next_waiting() != nullptr;
  if (now < slot.until && !gives_way) return false;
  if (&slot == seated_ && !tls_.is_shaken()) note_refused(slot, "its TLS handshake was not done in time", 0);
  shut(slot);
  return false;
}

// Errors: again, closed, tls. 0: the peer sends no more.
Result<std::size_t> HookServer::receive(const Slot& slot, MutBytes into) {
  if (&slot == seated_) return tls_.read(into);
  for (;;) {
    const ssize_t n = ::recv(slot.fd.number(), into.data(), into.size(), MSG_DONTWAIT);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) return errno == EAGAIN ? Code::again : Code::closed;
  }
}

// What does not fit the socket at once is lost: its peer does not read.
void HookServer::send(const Slot& slot, std::string_view text) {
  if (&slot == seated_) return tls_.write(text);
  static_cast<void>(::send(slot.fd.number(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0);
}

bool HookServer::is_right(Slot& slot, Instant now) {
  const HttpIncoming& incoming = slot.incoming();
  if (!settings_.secret_name.empty() && !is_secret(settings_.secret, incoming.secret()))
    return refuse(slot, 403, "its secret is missing or wrong", now), false;
  if (incoming.path() != settings_.path) return refuse(slot, 404, "it asks for another path", now), false;
  if (incoming.method() != "GET" && incoming.method() != "POST")
    return refuse(slot, 405, "its method is neither GET nor POST", now), false;
  if (!has_room(now)) return refuse(slot, 503, "more than 10 in a second", now), false;
  return true;
}

bool HookServer::has_room(Instant now) {
  if (now >= second_ + seconds(1)) {
    second_ = now;
    in_second_ = 0;
  }
  return ++in_second_ <= kPerSecond;
}

void HookServer::answer(Taken taken, Instant now) {
  TOCSIN_ASSERT(current_ != nullptr);
  taken == Taken::too_many ? refuse(*current_, 413, "it tells of too much at once", now)
                           : say(*current_, taken == Taken::yes ? 200 : 503, now);
  current_ = nullptr;
}

void HookServer::keep(std::uint64_t ticket, Instant now) {
  TOCSIN_ASSERT(current_ != nullptr);
  current_->stage = Slot::Stage::kept;
  current_->ticket = ticket;
  current_->until = now + kMedium;
  current_ = nullptr;
}

void HookServer::settle(std::uint64_t safe, Medium medium, Instant now) {
  for (Slot& slot : slots_) {
    if (!slot.fd.is_open() || slot.stage != Slot::Stage::kept) continue;
    if (slot.ticket <= safe) say(slot, 200, now);
    else if (medium == Medium::fails || now >= slot.until) refuse(slot, 503, "the medium does not take it", now);
  }
}

void HookServer::refuse(Slot& slot, unsigned status, std::string_view why, Instant now) {
  note_refused(slot, why, status);
  say(slot, status, now);
}

// Mbed TLS has told the peer by an alert.
void HookServer::fail_tls(Slot& slot, Instant now) {
  char text[160];
  TextWriter why(text);
  tls_.write_problem(why);
  note_refused(slot, why.view(), 0);
  finish(slot, now);
}

// 0: there was no request to answer.
void HookServer::note_refused(const Slot& slot, std::string_view why, unsigned status) {
  ++refused_;
  char text[200];
  TextWriter words(text);
  write_address(slot.peer, words);
  words.text(": ").text(why);
  if (status != 0) words.text(" (").number(status).text(")");
  refusal_.assign_cut(words.view());
}

bool HookServer::write_refused(TextWriter& into) {
  if (refused_ == 0) return false;
  into.number(refused_).text(refused_ == 1 ? " request" : " requests").text(" refused, the last one from ");
  into.text(refusal_.view());
  refused_ = 0;
  return true;
}

void HookServer::say(Slot& slot, unsigned status, Instant now) {
  char text[160];
  TextWriter answer(text);
  answer.text("HTTP/1.1 ").number(status).text(" ").text(reason(status));
  answer.text("\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  send(slot, answer.view());
  finish(slot, now);
}

void HookServer::finish(Slot& slot, Instant now) {
  if (&slot == seated_) {
    tls_.end();
    seated_ = nullptr;
  }
  // Closed at once, with bytes of the request unread, it could take the answer away from the peer again.
  ::shutdown(slot.fd.number(), SHUT_WR);
  slot.stage = Slot::Stage::ending;
  slot.until = now + kEnding;
  drain(slot);
}

void HookServer::drain(Slot& slot) {
  for (;;) {
    const ssize_t n = ::recv(slot.fd.number(), slot.memory->buffer, sizeof slot.memory->buffer, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) slot.drained += static_cast<std::size_t>(n);
    if (n == 0 || (n < 0 && errno != EAGAIN) || slot.drained > kMostDrained) return shut(slot);
    if (n < 0) return;
  }
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "src/program/hook_server.hpp"

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

// What does not fit the socket at once is lost: its peer does not read.
void send_text(int fd, std::string_view text) {
  static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0);
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
  for (Slot& slot : slots_) slot.fd.reset();
  current_ = nullptr;
}

std::size_t HookServer::handles(Span<int> into, Instant now) const {
  std::size_t count = 0;
  for (const Slot& slot : slots_)
    if (slot.fd.is_open() && slot.stage != Slot::Stage::kept) into[count++] = slot.fd.number();
  if (listener_.is_open() && now >= accept_again_) into[count++] = listener_.number();
  return count;
}

Instant HookServer::due() const {
  Instant at = listener_.is_open() && accept_again_.ms != 0 ? accept_again_ : kNever;
  for (const Slot& slot : slots_)
    if (slot.fd.is_open()) at = earlier(at, slot.until);
  return at;
}

Result<HookServer::Hook> HookServer::next(Instant now) {
  TOCSIN_ASSERT(current_ == nullptr);
  if (now >= accept_again_) accept_again_ = Instant{};
  for (Slot& slot : slots_)
    if (slot.fd.is_open() && read(slot, now)) return Hook{current_->incoming().query(), current_->incoming().body()};
  for (unsigned accepted = 0; accepted < kAtOnce && accept_one(now); ++accepted)
    if (current_ != nullptr) return Hook{current_->incoming().query(), current_->incoming().body()};
  return Code::again;
}

// What the new one has sent already is looked at, before another one may take its place.
bool HookServer::accept_one(Instant now) {
  if (!listener_.is_open() || accept_again_.ms != 0) return false;
  Address peer;
  peer.size = sizeof peer.v6;
  const int fd = ::accept4(listener_.number(), &peer.any, &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    // Without descriptors or memory poll(2) would report it again and again.
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) accept_again_ = now + kAcceptAgain;
    return errno == ECONNABORTED;
  }
  Slot& slot = place();
  slot.fd.reset(fd);
  slot.since = now;
  slot.until = now + kPatience;
  slot.stage = Slot::Stage::reading;
  slot.told_to_continue = false;
  slot.drained = 0;
  slot.peer = peer;
  slot.memory = &memory_[&slot - slots_];
  new (slot.memory->request) HttpIncoming(slot.memory->buffer, settings_.secret_name);
  read(slot, now);
  return true;
}

// A free one; else the oldest of those that give way first.
HookServer::Slot& HookServer::place() {
  Slot* found = &slots_[0];
  for (Slot& slot : slots_) {
    if (!slot.fd.is_open()) return slot;
    if (slot.stage != found->stage ? slot.stage < found->stage : slot.since < found->since) found = &slot;
  }
  return *found;
}

// Whether it has a request for the owner now.
bool HookServer::read(Slot& slot, Instant now) {
  if (slot.stage == Slot::Stage::kept) return false;
  if (slot.stage == Slot::Stage::ending) drain(slot);
  HttpIncoming& incoming = slot.incoming();
  while (slot.fd.is_open() && slot.stage == Slot::Stage::reading) {
    const MutBytes into = incoming.to_fill();
    const ssize_t n = ::recv(slot.fd.number(), into.data(), into.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    const Status got = n < 0 ? Status{Code::closed} : incoming.got(static_cast<std::size_t>(n));
    if (got.code() == Code::closed) {
      slot.fd.reset();
    } else if (!got.ok()) {
      refuse(slot, incoming.refusal(), incoming.fault(), now);
    } else if (incoming.done()) {
      if (is_right(slot, now)) {
        current_ = &slot;
        return true;
      }
    } else if (incoming.waits_to_continue() && !slot.told_to_continue) {
      slot.told_to_continue = true;
      send_text(slot.fd.number(), "HTTP/1.1 100 Continue\r\n\r\n");
    }
  }
  if (slot.fd.is_open() && now >= slot.until) slot.fd.reset();
  return false;
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
  ++refused_;
  char text[160];
  TextWriter words(text);
  write_address(slot.peer, words);
  refusal_.assign_cut(words.text(": ").text(why).text(" (").number(status).text(")").view());
  say(slot, status, now);
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
  send_text(slot.fd.number(), answer.view());
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
    if (n == 0 || (n < 0 && errno != EAGAIN) || slot.drained > kMostDrained) return slot.fd.reset();
    if (n < 0) return;
  }
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "src/program/hook_server.hpp"

#include <csignal>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "check.hpp"
#include "tocsin/wire/secret.hpp"

using namespace tocsin;

namespace {

constexpr const char* kSecret = "0123456789abcdef";

// A server on a free port of this machine, under a clock that stands still unless the test moves it.
struct Listening {
  explicit Listening(std::string_view secret = kSecret) {
    HookServer::Settings settings;
    settings.host = "127.0.0.1";
    settings.path = "/hook";  // and port 0: the system chooses one
    if (!secret.empty()) settings.secret_name = "X-Secret";
    settings.secret = secret;
    char words[200];
    TextWriter why(words);
    CHECK_OK(server.open(settings, why));
    int handles[HookServer::kMaxHandles];
    CHECK_EQ(server.handles(handles, now), 1);
    Address mine = parse_address("127.0.0.1", 0).value();
    CHECK(::getsockname(handles[0], &mine.any, &mine.size) == 0);
    port = ntohs(mine.v4.sin_port);
  }
  // Until nothing is to be done; returns how many requests it took.
  unsigned turn(HookServer::Taken taken = HookServer::Taken::yes) {
    unsigned count = 0;
    for (auto hook = server.next(now); hook.ok(); hook = server.next(now), ++count) {
      said = as_text(hook.value().query);
      server.answer(taken, now);
    }
    return count;
  }
  HookServer server;
  std::uint16_t port = 0;
  Instant now{1'000'000};
  std::string said;
};

struct Peer {
  explicit Peer(const Listening& to) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const Address address = parse_address("127.0.0.1", to.port).value();
    CHECK(::connect(fd.number(), &address.any, address.size) == 0);
  }
  Peer(Peer&& other) noexcept : fd(other.fd.release()) {}
  void send(std::string_view text) const {
    CHECK_EQ(::send(fd.number(), text.data(), text.size(), MSG_NOSIGNAL), text.size());
  }
  // "200", "closed" when it ended without a word, "open" when nothing came.
  std::string outcome() const {
    pollfd here{fd.number(), POLLIN, 0};
    if (::poll(&here, 1, 0) == 0) return "open";
    char text[400];
    const ssize_t n = ::recv(fd.number(), text, sizeof text, 0);
    return n <= 0 ? "closed" : std::string(text, static_cast<std::size_t>(n)).substr(9, 3);
  }
  Fd fd;
};

std::string get(const std::string& secret = kSecret, const std::string& line = "GET /hook?a=b HTTP/1.1") {
  return line + "\r\nHost: d\r\nX-Secret: " + secret + "\r\n\r\n";
}

std::string asked(Listening& at, const std::string& request, HookServer::Taken taken = HookServer::Taken::yes) {
  const Peer peer(at);
  peer.send(request);
  at.turn(taken);
  return peer.outcome();
}

}  // namespace

TEST(hook_server_answers_what_is_right_and_refuses_the_rest) {
  Listening at;
  CHECK_TEXT(asked(at, get()), "200");
  CHECK_TEXT(at.said, "a=b");
  CHECK_TEXT(asked(at, get(), HookServer::Taken::not_now), "503");
  CHECK_TEXT(asked(at, get(), HookServer::Taken::too_many), "413");
  CHECK_TEXT(asked(at, get(kSecret, "GET /other HTTP/1.1")), "404");
  CHECK_TEXT(asked(at, get(kSecret, "PUT /hook HTTP/1.1")), "405");
  CHECK_TEXT(asked(at, get(kSecret, "GET /hook HTTP/2.0")), "505");
  CHECK_TEXT(asked(at, get(kSecret, "POST /hook HTTP/1.1")), "200");
}

TEST(hook_server_without_the_whole_secret_says_403_to_everything) {
  Listening at;
  const std::string secret = kSecret;
  CHECK_TEXT(asked(at, "GET /hook HTTP/1.1\r\nHost: d\r\n\r\n"), "403");
  for (std::size_t changed = 0; changed < secret.size(); ++changed) {
    std::string wrong = secret;
    wrong[changed] = 'x';
    CHECK_TEXT(asked(at, get(wrong)), "403");
    CHECK_TEXT(asked(at, get(secret.substr(0, changed))), "403");
  }
  for (const std::string& wrong : {secret + "0", secret + std::string(300, '0'), std::string(200, '0')})
    CHECK_TEXT(asked(at, get(wrong)), "403");
  CHECK_TEXT(asked(at, get("x", "GET /other HTTP/1.1")), "403");
  CHECK_TEXT(asked(at, get("x", "PUT /hook HTTP/1.1")), "403");
  CHECK_TEXT(asked(at, get()), "200");
  char text[200];
  TextWriter words(text);
  CHECK(at.server.write_refused(words));
  CHECK_TEXT(words.view(), "38 requests refused, the last one from 127.0.0.1: its secret is missing or wrong (403)");
  CHECK(!at.server.write_refused(words));
}

TEST(hook_server_with_the_longest_secret_looks_at_all_of_it) {
  const std::string secret(kMaxHookSecret, 's');
  Listening at(secret);
  CHECK_TEXT(asked(at, get(secret)), "200");
  CHECK_TEXT(asked(at, get(secret + "s")), "403");
  CHECK_TEXT(asked(at, get(secret.substr(1) + "t")), "403");
}

// Of a process of its own that compares: instructions from one stop to the next. 0: it cannot be counted here.
unsigned long steps_of(std::string_view mine, std::string_view given) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    const volatile bool same = is_secret(mine, given);
    ::raise(SIGSTOP);
    ::_exit(same ? 1 : 0);
  }
  int status = 0;
  unsigned long steps = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  for (; WIFSTOPPED(status); ++steps) {
    if (steps > 0 && WSTOPSIG(status) == SIGSTOP) break;
    if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) != 0) break;
    CHECK(::waitpid(child, &status, 0) == child);
  }
  const bool counted = WIFSTOPPED(status) && steps > 1;
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return counted ? steps : 0;
}

// Right in its first character or in all but the last: as many instructions.
TEST(hook_server_looks_at_every_character_of_a_wrong_secret) {
  const std::string secret(kMaxHookSecret, 's');
  const unsigned long right = steps_of(secret, secret);
  if (right == 0) _skip(__FILE__, __LINE__);  // no ptrace here
  CHECK(right > kMaxHookSecret);
  CHECK_EQ(steps_of(secret.substr(0, 16), secret), right);
  for (const std::size_t wrong : {std::size_t{0}, std::size_t{1}, kMaxHookSecret / 2, kMaxHookSecret - 1}) {
    std::string given = secret;
    given[wrong] = 't';
    check::at("wrong=%zu", wrong);
    CHECK_EQ(steps_of(secret, given), right);
  }
}

TEST(hook_server_without_a_secret_asks_for_none) {
  Listening at("");
  CHECK_TEXT(asked(at, get("x")), "200");
}

TEST(hook_server_takes_ten_in_a_second_of_those_who_know_the_secret) {
  Listening at;
  for (unsigned n = 0; n < 30; ++n) CHECK_TEXT(asked(at, get("x")), "403");
  for (unsigned n = 0; n < HookServer::kPerSecond; ++n) CHECK_TEXT(asked(at, get()), "200");
  CHECK_TEXT(asked(at, get()), "503");
  at.now = at.now + milliseconds(999);
  CHECK_TEXT(asked(at, get()), "503");
  at.now = at.now + milliseconds(1);
  CHECK_TEXT(asked(at, get()), "200");
}

// It has its answer when what it changed is safe, and is not read meanwhile.
TEST(hook_server_answers_who_is_kept_when_it_is_safe) {
  Listening at;
  using Medium = HookServer::Medium;
  const Peer first(at), second(at), third(at), fourth(at);
  std::uint64_t ticket = 100;
  for (const Peer* peer : {&first, &second, &third, &fourth}) {
    peer->send(get() + "more");
    CHECK_OK(at.server.next(at.now).status());
    at.server.keep(++ticket, at.now);
  }
  int handles[HookServer::kMaxHandles];
  CHECK_EQ(at.server.handles(handles, at.now), 1);
  at.now = at.now + milliseconds(10);
  at.server.settle(100, Medium::works, at.now);
  CHECK_TEXT(first.outcome(), "open");
  at.server.settle(101, Medium::works, at.now);
  CHECK_TEXT(first.outcome(), "200");
  CHECK_TEXT(second.outcome(), "open");
  at.server.settle(102, Medium::fails, at.now);
  CHECK_TEXT(second.outcome(), "200");
  CHECK_TEXT(third.outcome(), "503");
  CHECK_TEXT(fourth.outcome(), "503");
  // The next one waits as long as a medium may take.
  const Instant kept_at = at.now;
  const Peer late(at);
  late.send(get());
  CHECK_OK(at.server.next(at.now).status());
  at.server.keep(103, at.now);
  at.now = at.now + HookServer::kEnding;
  at.turn();  // the others are gone
  const Instant until = kept_at + HookServer::kMedium;
  CHECK(at.server.due() == until);
  at.now = Instant{until.ms - 1};
  at.server.settle(102, Medium::works, at.now);
  CHECK_TEXT(late.outcome(), "open");
  at.now = until;
  at.server.settle(102, Medium::works, at.now);
  CHECK_TEXT(late.outcome(), "503");
}

TEST(hook_server_that_is_full_takes_the_place_of_who_is_kept_last) {
  Listening at;
  const Peer kept(at);
  kept.send(get());
  CHECK_OK(at.server.next(at.now).status());
  at.server.keep(1, at.now);
  std::vector<Peer> slow;
  for (std::size_t n = 0; n < 3 * kMaxHooks; ++n) {
    at.now = at.now + milliseconds(1);
    slow.emplace_back(at);
    slow.back().send("G");
    at.turn();
  }
  at.server.settle(1, HookServer::Medium::works, at.now);
  CHECK_TEXT(kept.outcome(), "200");
}

// However it keeps on sending: the time is that of the whole request.
TEST(hook_server_closes_who_takes_longer_than_its_patience) {
  Listening at;
  const Peer peer(at);
  peer.send("GET /hook HTTP/1.1\r\n");
  at.turn();
  const Instant end = at.now + HookServer::kPatience;
  CHECK(at.server.due() == end);
  for (unsigned n = 1; n < 10; ++n) {
    at.now = at.now + seconds(1);
    peer.send("A: b\r\n");
    at.turn();
    CHECK_TEXT(peer.outcome(), "open");
  }
  at.now = end;
  at.turn();
  CHECK_TEXT(peer.outcome(), "closed");
  CHECK(at.server.due() == kNever);
}

TEST(hook_server_closes_who_does_not_go_after_the_answer) {
  Listening at;
  const Peer peer(at);
  peer.send(get() + "more");
  CHECK_EQ(at.turn(), 1);
  CHECK_TEXT(peer.outcome(), "200");
  int handles[HookServer::kMaxHandles];
  CHECK_EQ(at.server.handles(handles, at.now), 2);
  at.now = at.now + HookServer::kEnding;
  at.turn();
  CHECK_EQ(at.server.handles(handles, at.now), 1);
}

// Who does not stop sending is not read for ever.
TEST(hook_server_closes_who_sends_on_after_the_answer) {
  Listening at;
  const Peer peer(at);
  peer.send("GET / HTTP/9.9\r\n");
  at.turn();
  CHECK_TEXT(peer.outcome(), "505");
  int handles[HookServer::kMaxHandles];
  const std::string more(4096, 'x');
  unsigned sent = 0;
  while (sent < 100 && ::send(peer.fd.number(), more.data(), more.size(), MSG_NOSIGNAL) > 0) {
    ++sent;
    at.turn();
  }
  CHECK(sent < 40);
  CHECK_EQ(at.server.handles(handles, at.now), 1);
}

TEST(hook_server_that_is_full_gives_the_place_of_the_oldest) {
  Listening at;
  std::vector<Peer> slow;
  for (std::size_t n = 0; n < kMaxHooks; ++n) {
    slow.emplace_back(at);
    slow.back().send("G");
    at.turn();
    at.now = at.now + milliseconds(1);
  }
  int handles[HookServer::kMaxHandles];
  CHECK_EQ(at.server.handles(handles, at.now), kMaxHooks + 1);
  CHECK_TEXT(asked(at, get()), "200");
  CHECK_TEXT(slow[0].outcome(), "closed");
  for (std::size_t n = 1; n < kMaxHooks; ++n) CHECK_TEXT(slow[n].outcome(), "open");
  // Who was answered goes before the second oldest.
  const Peer ending(at);
  ending.send(get());
  at.turn();
  CHECK_TEXT(ending.outcome(), "200");
  const Peer another(at);
  another.send(get());
  at.turn();
  CHECK_TEXT(another.outcome(), "200");
  CHECK_TEXT(slow[2].outcome(), "open");
}

// Of a crowd that waits to be accepted each one that has sent its request is answered.
TEST(hook_server_answers_everybody_in_a_crowd) {
  Listening at;
  std::vector<Peer> crowd;
  for (unsigned n = 0; n < 50; ++n) {
    crowd.emplace_back(at);
    crowd.back().send(n % 5 == 4 ? get() : "G");
  }
  unsigned taken = 0;
  for (unsigned n = 0; n < 10; ++n) taken += at.turn();
  CHECK_EQ(taken, 10);
  for (unsigned n = 4; n < 50; n += 5) CHECK_TEXT(crowd[n].outcome(), "200");
}

TEST(hook_server_at_a_place_that_is_taken_says_so) {
  Listening at;
  HookServer other;
  HookServer::Settings settings;
  settings.host = "127.0.0.1";
  settings.port = at.port;
  char words[200];
  TextWriter why(words);
  CHECK_CODE(other.open(settings, why), Code::io);
  CHECK(!other.is_open());
  CHECK(starts_with(why.view(), "cannot listen at 127.0.0.1 port "));
  at.server.close();
  CHECK(!at.server.is_open());
  CHECK_OK(other.open(settings, why));
}

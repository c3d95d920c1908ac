// SPDX-License-Identifier: MIT
// The webhook listener with TLS, under a clock that stands still unless the test moves it; real clients are TlsStreams.
// Clients of other kinds: tests/e2e/test_webhook_tls.py.
#include <poll.h>
#include <sys/socket.h>

#include <new>
#include <string>
#include <vector>

#include "port/tls_bench.hpp"
#include "src/program/hook_server.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

// Zeros, as static memory is in the program.
struct Listening {
  explicit Listening(const char* name = "ec") {
    resolver();
    std::memset(memory, 0, sizeof memory);
    server = new (memory) HookServer;
    become(name);
    HookServer::Settings settings;
    settings.host = "127.0.0.1";
    settings.path = "/hook";
    settings.cert_file = certificate;
    settings.key_file = key;
    char words[300];
    TextWriter why(words);
    CHECK_OK(server->open(settings, why));
    int handles[HookServer::kMaxHandles];
    CHECK_EQ(server->handles(handles, now), 1);
    Address mine = parse_address("127.0.0.1", 0).value();
    CHECK(::getsockname(handles[0], &mine.any, &mine.size) == 0);
    port = ntohs(mine.v4.sin_port);
  }
  ~Listening() { server->~HookServer(); }
  void become(const std::string& name) const {
    put(certificate, scratch::read_file(certificates() + "/" + name + ".pem"));
    put(key, scratch::read_file(certificates() + "/" + name + ".key"));
  }
  unsigned turn() {
    unsigned count = 0;
    for (auto hook = server->next(now); hook.ok(); hook = server->next(now), ++count)
      server->answer(HookServer::Taken::yes, now);
    return count;
  }
  std::string refused() const {
    char text[300];
    TextWriter words(text);
    return server->write_refused(words) ? std::string(words.view()) : std::string{};
  }
  alignas(16) static inline unsigned char memory[sizeof(HookServer)];
  const std::string certificate = scratch::path("hook.pem"), key = scratch::path("hook.key");
  HookServer* server = nullptr;
  std::uint16_t port = 0;
  Instant now{1'000'000};
};

// A client that asks once, as far as the server lets it come.
struct Client {
  explicit Client(Listening& to) : at(to) {}
  // Whether it has its answer, when nothing more can happen without another time.
  bool goes_on() {
    for (int idle = 0; idle < 20 && answer.empty();) {
      const std::string before = state;
      step();
      at.turn();
      pollfd here{stream.handle(), POLLIN, 0};
      if (state == before && ::poll(&here, 1, 5) == 0) ++idle;
    }
    return answer.substr(0, 15) == "HTTP/1.1 200 OK";
  }
  void step() {
    if (stream.phase() != Phase::open) {
      const Status status = stream.connect({"sms.test", at.port});
      if (!status.ok()) return failed(status);
    }
    constexpr std::string_view kRequest = "GET /hook?a=b HTTP/1.1\r\nHost: d\r\n\r\n";
    if (!asked) asked = stream.write(as_bytes(kRequest)).ok();
    std::uint8_t bytes[400];
    const auto n = stream.read(bytes);
    if (n.ok()) answer.assign(reinterpret_cast<const char*>(bytes), n.value());
    else failed(n.status());
  }
  void failed(Status status) {
    state = std::to_string(static_cast<int>(stream.phase()));
    if (status.code() != Code::again) answer = "failed: " + std::string(stream.problem());
  }
  Listening& at;
  TlsStream stream{context(), resolver()};
  bool asked = false;
  std::string state, answer;
};

// What is no TlsStream.
struct Raw {
  explicit Raw(const Listening& to) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const Address address = parse_address("127.0.0.1", to.port).value();
    CHECK(::connect(fd.number(), &address.any, address.size) == 0);
  }
  Raw(Raw&& other) noexcept : fd(other.fd.release()) {}
  void send(std::string_view text) const { CHECK_EQ(::send(fd.number(), text.data(), text.size(), MSG_NOSIGNAL), text.size()); }
  bool is_closed() const {
    char byte;
    pollfd here{fd.number(), POLLIN, 0};
    return ::poll(&here, 1, 0) == 1 && ::recv(fd.number(), &byte, 1, MSG_PEEK) <= 0;
  }
  Fd fd;
};

}  // namespace

TEST(hook_tls_serves_one_with_any_key_and_takes_its_memory_from_nobody) {
  for (const char* name : {"ec", "rsa", "chain"}) {
    Listening at(name);
    Client client(at);
    CHECK(client.goes_on());
    client.stream.close();
    std::printf("  %s: %zu B of the listener's memory at most\n", name, at.server->tls().memory().peak());
    CHECK(at.server->tls().memory().peak() <= kHookTlsBytes - 8192);
  }
}

TEST(hook_tls_makes_ten_handshakes_at_once_and_then_one_in_a_second) {
  Listening at;
  for (int i = 0; i < 10; ++i) {
    Client client(at);
    CHECK(client.goes_on());
  }
  Client next(at);
  CHECK(!next.goes_on());  // it waits
  CHECK_TEXT(next.answer, "");
  CHECK(at.server->due() == at.now + HookServer::kBetween);
  at.now = at.now + HookServer::kBetween + milliseconds(-1);
  CHECK(!next.goes_on());
  at.now = at.now + milliseconds(1);
  CHECK(next.goes_on());
  Client last(at);
  CHECK(!last.goes_on());
  at.now = at.now + HookServer::kBetween;
  CHECK(last.goes_on());
}

TEST(hook_tls_saves_no_more_than_ten_handshakes) {
  Listening at;
  for (int turn = 0; turn < 2; ++turn) {
    for (int i = 0; i < 10; ++i) {
      Client client(at);
      CHECK(client.goes_on());
    }
    Client next(at);
    CHECK(!next.goes_on());
    CHECK_TEXT(next.answer, "");
    at.now = at.now + hours(1);
  }
}

TEST(hook_tls_gives_the_place_of_one_that_stops_to_the_next) {
  Listening at;
  Raw stops(at);
  stops.send(std::string("\x16\x03\x01\x01\x00", 5));
  at.turn();
  Client next(at);
  CHECK(!next.goes_on());
  CHECK(!stops.is_closed());
  at.now = at.now + HookServer::kPause + milliseconds(-1);
  CHECK(!next.goes_on());
  at.now = at.now + milliseconds(1);
  CHECK(next.goes_on());
  CHECK(stops.is_closed());
  CHECK_TEXT(at.refused(), "1 request refused, the last one from 127.0.0.1: its TLS handshake was not done in time");
}

TEST(hook_tls_lets_one_that_dawdles_have_its_turn_and_no_more) {
  Listening at;
  Raw dawdles(at);
  dawdles.send(std::string("\x16\x03\x01\x01\x00", 5));
  at.turn();
  Client next(at);
  CHECK(!next.goes_on());
  for (Millis gone{0}; gone.count < HookServer::kTurn.count; gone = Millis{gone.count + 500}) {
    CHECK(!dawdles.is_closed());
    at.now = at.now + milliseconds(500);
    dawdles.send("\x01");
    at.turn();
  }
  CHECK(dawdles.is_closed());
  CHECK(next.goes_on());
}

TEST(hook_tls_serves_who_comes_behind_as_many_as_there_are_places_that_stop) {
  Listening at;
  std::vector<Raw> stopping;
  for (std::size_t i = 0; i < kMaxHooks - 1; ++i) {
    stopping.emplace_back(at);
    stopping.back().send(std::string("\x16\x03\x01\x01\x00", 5));
    at.turn();
  }
  Client next(at);
  Millis gone{0};
  for (; !next.goes_on() && gone.count < HookServer::kPatience.count; gone = Millis{gone.count + 1000}) at.now = at.now + seconds(1);
  CHECK_TEXT(next.answer.substr(0, 15), "HTTP/1.1 200 OK");
}

TEST(hook_tls_lets_one_that_stops_stay_while_nobody_waits_but_no_longer_than_a_request) {
  Listening at;
  Raw stops(at);
  stops.send("\x16");
  at.turn();
  at.now = at.now + HookServer::kPatience + milliseconds(-1);
  at.turn();
  CHECK(!stops.is_closed());
  CHECK(at.server->due() == at.now + milliseconds(1));
  at.now = at.now + milliseconds(1);
  at.turn();
  CHECK(stops.is_closed());
}

TEST(hook_tls_closes_silent_ones_for_those_who_speak) {
  Listening at;
  std::vector<Raw> silent;
  for (std::size_t i = 0; i < 3 * kMaxHooks; ++i) {
    silent.emplace_back(at);
    at.turn();
  }
  std::size_t closed = 0;
  for (const Raw& one : silent) closed += one.is_closed() ? 1U : 0U;
  CHECK_EQ(closed, 2 * kMaxHooks);
  Client client(at);
  CHECK(client.goes_on());
}

TEST(hook_tls_makes_those_who_speak_wait_in_the_systems_queue) {
  Listening at;
  std::vector<Raw> speaking;
  for (std::size_t i = 0; i < 2 * kMaxHooks; ++i) {
    speaking.emplace_back(at);
    speaking.back().send("\x16");
    at.turn();
  }
  for (const Raw& one : speaking) CHECK(!one.is_closed());
  int handles[HookServer::kMaxHandles];
  CHECK_EQ(at.server->handles(handles, at.now), 1);  // who has the TLS connection; the loop does not spin
}

TEST(hook_tls_makes_no_handshake_with_one_that_has_gone) {
  Listening at;
  Client first(at), last(at);
  CHECK(first.goes_on());
  for (int i = 0; i < 20; ++i) Raw(at).send("\x16");
  at.now = at.now + HookServer::kBetween;
  CHECK(last.goes_on());
}

TEST(hook_tls_tells_who_does_not_speak_it) {
  Listening at;
  Raw plain(at);
  plain.send("GET /hook HTTP/1.1\r\nHost: d\r\n\r\n");
  at.turn();
  char text[200] = {};
  CHECK(::recv(plain.fd.number(), text, sizeof text - 1, 0) > 0);
  CHECK_TEXT(std::string(text).substr(0, 12), "HTTP/1.1 400");
  CHECK_TEXT(at.refused(), "1 request refused, the last one from 127.0.0.1: it does not speak TLS: is the webhook's address one of "
                           "https? (400)");
  Client client(at);  // it cost no handshake
  CHECK(client.goes_on());
}

TEST(hook_tls_takes_a_renewed_certificate_and_keeps_the_one_before_a_broken_one) {
  Listening at;
  char words[400];
  TextWriter why(words);
  CHECK_CODE(at.server->renew(why), Code::again);
  at.become("rsa");
  CHECK_OK(at.server->renew(why));
  CHECK(at.server->tls().certificate().is_rsa());
  put(at.key, scratch::read_file(certificates() + "/ec.key"));
  CHECK_CODE(at.server->renew(why), Code::bad_value);
  CHECK(std::string(why.view()).find(" does not belong to the webhook certificate (cert_file) ") != std::string::npos);
  CHECK_CODE(at.server->renew(why), Code::again);  // said once
  CHECK(at.server->tls().certificate().is_rsa());
  Client client(at);
  CHECK(client.goes_on());
  at.become("ec");
  CHECK_OK(at.server->renew(why));
  CHECK(!at.server->tls().certificate().is_rsa());
}

TEST(hook_tls_cuts_off_who_is_under_way_for_a_renewed_certificate_only) {
  Listening at;
  Raw under_way(at);
  under_way.send("\x16");
  at.turn();
  char words[400];
  TextWriter why(words);
  CHECK_CODE(at.server->renew(why), Code::again);
  CHECK(!under_way.is_closed());
  at.become("rsa");
  CHECK_OK(at.server->renew(why));
  CHECK(at.server->tls().certificate().is_rsa());
  CHECK(under_way.is_closed());
  Client client(at);
  CHECK(client.goes_on());
}

TEST(hook_tls_does_not_open_with_a_key_that_others_may_read) {
  Listening at;
  CHECK_EQ(::chmod(at.key.c_str(), 0640), 0);
  HookServer::Settings settings;
  settings.host = "127.0.0.1";
  settings.cert_file = at.certificate;
  settings.key_file = at.key;
  char words[400];
  TextWriter why(words);
  CHECK_CODE(at.server->open(settings, why), Code::bad_value);
  CHECK(!at.server->is_open());
}

// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "port/scratch.hpp"
#include "program/control_bench.hpp"
#include "src/program/control.hpp"

using namespace tocsin;

namespace {

constexpr Instant kStart{1'000'000};

std::string opened(ControlServer& server, const std::string& path, Code want = Code::ok) {
  char memory[400];
  TextWriter why{memory};
  CHECK_CODE(server.open(path, why), want);
  CHECK_EQ(why.size() == 0, want == Code::ok);
  return std::string{why.view()};
}

// A client that speaks bytes.
class Peer {
 public:
  explicit Peer(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  bool connected() const { return connected_; }
  bool send(Bytes packet) const {
    return ::send(fd_, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(packet.size());
  }
  bool ask(const ControlRequest& request) const {
    std::uint8_t packet[kMaxControlRequest];
    const auto size = encode_request(request, packet);
    CHECK_OK(size);
    return send(Bytes{packet, size.value()});
  }
  // "again", "closed", or "EXIT out|err".
  std::string reply() const {
    static std::uint8_t packet[kMaxControlReply + 1];
    const ssize_t n = ::recv(fd_, packet, sizeof packet, MSG_DONTWAIT);
    if (n < 0) return "again";
    if (n == 0) return "closed";
    const auto got = decode_reply(Bytes{packet, static_cast<std::size_t>(n)});
    if (!got.ok()) return "no reply";
    return std::to_string(number(got.value().exit)) + " " + std::string{got.value().out} + "|" +
           std::string{got.value().err};
  }

 private:
  int fd_;
  bool connected_ = false;
};

std::string path(const char* name) { return scratch::path(name); }

}  // namespace

TEST(control_server_makes_folder_and_socket_with_their_modes) {
  const mode_t before = ::umask(027);
  ControlServer server;
  opened(server, path("made/control"));
  ::umask(before);
  struct stat info {};
  CHECK_EQ(::lstat(path("made/control").c_str(), &info), 0);
  CHECK(S_ISSOCK(info.st_mode));
  CHECK_EQ(info.st_mode & 0777, 0660);
  server.close();
  CHECK_EQ(::lstat(path("made/control").c_str(), &info), -1);
  CHECK(!server.is_open());
}

TEST(control_server_replaces_a_socket_that_nobody_serves) {
  const pid_t child = ::fork();
  if (child == 0) {
    ControlServer server;
    char memory[200];
    TextWriter why{memory};
    server.open(path("stale"), why).ignore();
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  struct stat info {};
  CHECK_EQ(::lstat(path("stale").c_str(), &info), 0);
  ControlServer server;
  opened(server, path("stale"));
  CHECK(Peer{path("stale")}.connected());
}

TEST(control_server_leaves_a_served_socket_alone) {
  ControlServer first, second;
  opened(first, path("served"));
  const std::string why = opened(second, path("served"), Code::busy);
  CHECK_TEXT(why, "another tocsin serves " + path("served") + ": stop it, or set `control` in [device]");
  CHECK(Peer{path("served")}.connected());
}

TEST(control_server_leaves_files_and_links_alone) {
  scratch::write_file(path("file"), "x");
  ControlServer server;
  CHECK_TEXT(opened(server, path("file"), Code::bad_value),
             path("file") + " is not a socket: remove it, or set `control` in [device]");
  CHECK_TEXT(scratch::read_file(path("file")), "x");
  CHECK_EQ(::symlink(path("nowhere").c_str(), path("link").c_str()), 0);
  opened(server, path("link"), Code::bad_value);
  struct stat info {};
  CHECK_EQ(::lstat(path("nowhere").c_str(), &info), -1);
  CHECK_EQ(::lstat(path("link").c_str(), &info), 0);
  opened(server, path("file/control"), Code::io);
  opened(server, path("a/b/c"), Code::io);
  opened(server, path(std::string(120, 'x').c_str()), Code::too_big);
}

TEST(control_server_closing_leaves_the_socket_of_another_alone) {
  ControlServer first, second;
  opened(first, path("moved"));
  CHECK_EQ(::unlink(path("moved").c_str()), 0);
  opened(second, path("moved"));
  first.close();
  CHECK(Peer{path("moved")}.connected());
}

TEST(control_request_waits_for_the_owner_and_is_answered_once) {
  ControlServer server;
  opened(server, path("c1"));
  const Peer peer{path("c1")};
  CHECK(peer.ask(full_send()));
  const auto client = server.next(kStart);
  CHECK_OK(client);
  CHECK_TEXT(server.request().text, full_send().text);
  CHECK_CODE(server.next(kStart), Code::again);
  CHECK(server.waits(client.value()));
  CHECK_TEXT(peer.reply(), "again");
  // However long the owner takes.
  CHECK_CODE(server.next(kStart + hours(1)), Code::again);
  CHECK(server.due() == kNever);
  server.reply(client.value(), {Exit::done, "d-abcd-1\n", "note\n"}, kStart + hours(1));
  server.reply(client.value(), {Exit::internal, "twice\n", ""}, kStart + hours(1));
  CHECK_TEXT(peer.reply(), "0 d-abcd-1\n|note\n");
  CHECK_TEXT(peer.reply(), "again");
  CHECK(!server.waits(client.value()));
}

TEST(control_client_may_ask_again_on_one_connection) {
  ControlServer server;
  opened(server, path("c2"));
  const Peer peer{path("c2")};
  for (int n = 0; n < 3; ++n) {
    CHECK(peer.ask({}));
    CHECK(peer.ask({}));  // asked before the first has its reply
    for (int both = 0; both < 2; ++both) {
      const auto client = server.next(kStart);
      CHECK_OK(client);
      CHECK_CODE(server.next(kStart), Code::again);
      server.reply(client.value(), {Exit::done, "pong\n", ""}, kStart);
      CHECK_TEXT(peer.reply(), "0 pong\n|");
    }
  }
}

TEST(control_bad_packet_is_answered_and_the_next_one_read) {
  ControlServer server;
  opened(server, path("c3"));
  const Peer peer{path("c3")};
  const std::uint8_t version_2[] = {2, 1};
  CHECK(peer.send(version_2));
  CHECK_CODE(server.next(kStart), Code::again);
  CHECK_TEXT(
      peer.reply(),
      "70 |tocsin: bad request: it has version 2 and this tocsin knows 1: start both from the same build\n");
  static const std::uint8_t large[kMaxControlRequest + 1] = {1, 1};
  CHECK(peer.send(large));
  CHECK_CODE(server.next(kStart), Code::again);
  CHECK_TEXT(peer.reply(), "70 |tocsin: bad request: it has 4097 bytes and may have 4096\n");
  CHECK(peer.ask({}));
  CHECK_OK(server.next(kStart));
}

TEST(control_idle_client_is_closed_after_ten_seconds) {
  ControlServer server;
  opened(server, path("c4"));
  const Peer peer{path("c4")};
  CHECK_CODE(server.next(kStart), Code::again);
  CHECK(server.due() == kStart + kControlIdle);
  CHECK_CODE(server.next(kStart + milliseconds(9'999)), Code::again);
  CHECK_TEXT(peer.reply(), "again");
  CHECK_CODE(server.next(kStart + kControlIdle), Code::again);
  CHECK_TEXT(peer.reply(), "closed");
  CHECK(server.due() == kNever);
}

TEST(control_reply_to_a_client_that_has_gone_is_dropped) {
  ControlServer server;
  opened(server, path("c5"));
  Peer peer{path("c5")};
  CHECK(peer.ask({}));
  const auto gone = server.next(kStart);
  CHECK_OK(gone);
  peer.close();
  CHECK_CODE(server.next(kStart), Code::again);
  CHECK(!server.waits(gone.value()));
  // Its place is taken by another, who must not get the reply.
  const Peer other{path("c5")};
  CHECK(other.ask({}));
  const auto client = server.next(kStart);
  CHECK_OK(client);
  CHECK(client.value().number != gone.value().number);
  server.reply(gone.value(), {Exit::done, "old\n", ""}, kStart);
  CHECK_TEXT(other.reply(), "again");
  server.reply(client.value(), {Exit::done, "new\n", ""}, kStart);
  CHECK_TEXT(other.reply(), "0 new\n|");
}

TEST(control_reply_after_the_client_closed_unseen_does_no_harm) {
  ControlServer server;
  opened(server, path("c6"));
  Peer peer{path("c6")};
  CHECK(peer.ask({}));
  const auto client = server.next(kStart);
  peer.close();
  server.reply(client.value(), {Exit::done, "", ""}, kStart);  // EPIPE, without a signal
  CHECK(!server.waits(client.value()));
}

TEST(control_ninth_client_waits_for_a_place) {
  ControlServer server;
  opened(server, path("c7"));
  std::vector<std::unique_ptr<Peer>> peers;
  for (std::size_t n = 0; n < kMaxControlClients + 1; ++n) {
    peers.push_back(std::make_unique<Peer>(path("c7")));
    CHECK(peers.back()->ask({}));
  }
  ControlServer::Client clients[kMaxControlClients];
  for (ControlServer::Client& client : clients) {
    const auto next = server.next(kStart);
    CHECK_OK(next);
    client = next.value();
  }
  CHECK_CODE(server.next(kStart), Code::again);
  ControlServer::Handle handles[kMaxControlClients + 1];
  CHECK_EQ(server.handles(handles), kMaxControlClients);  // the listener would only wake the loop for nothing
  server.reply(clients[3], {Exit::done, "", ""}, kStart);
  peers[3]->close();
  CHECK_CODE(server.next(kStart), Code::again);
  CHECK_EQ(server.handles(handles), kMaxControlClients);
  CHECK_OK(server.next(kStart));  // the ninth, in the place of the fourth
}

TEST(control_clients_that_were_answered_and_stay_give_their_place_to_who_waits) {
  // Eight that had their reply and did not hang up kept an alarm waiting for ten seconds.
  ControlServer server;
  opened(server, path("c10"));
  std::vector<std::unique_ptr<Peer>> peers;
  for (std::size_t n = 0; n < kMaxControlClients; ++n) {
    peers.push_back(std::make_unique<Peer>(path("c10")));
    CHECK(peers.back()->ask({}));
    const auto client = server.next(kStart + milliseconds(static_cast<std::int64_t>(n)));
    CHECK_OK(client);
    if (n == 5) continue;  // this one is not answered yet
    server.reply(client.value(), {Exit::done, "done\n", ""}, kStart + milliseconds(static_cast<std::int64_t>(n)));
  }
  CHECK(peers[0]->ask({}));  // and this one has asked again
  const Peer late{path("c10")}, later{path("c10")};
  CHECK(late.ask({}));
  ControlServer::Handle handles[kMaxControlClients + 1];
  CHECK_EQ(server.handles(handles), kMaxControlClients + 1);  // somebody may come
  for (unsigned asked = 0; asked < 2; ++asked) {
    const auto client = server.next(kStart + milliseconds(9));
    CHECK_OK(client);
    server.reply(client.value(), {Exit::done, "at last\n", ""}, kStart + milliseconds(9));
  }
  CHECK_TEXT(late.reply(), "0 at last\n|");
  CHECK_TEXT(peers[0]->reply(), "0 done\n|");
  CHECK_TEXT(peers[0]->reply(), "0 at last\n|");
  CHECK_TEXT(peers[1]->reply(), "0 done\n|");  // what it was told is there to be read
  CHECK_TEXT(peers[1]->reply(), "closed");
  CHECK_CODE(server.next(kStart + milliseconds(9)), Code::again);  // `later` has not asked, and has the third place
  CHECK_TEXT(peers[2]->reply(), "0 done\n|");
  CHECK_TEXT(peers[2]->reply(), "closed");
  CHECK_TEXT(peers[3]->reply(), "0 done\n|");
  CHECK_TEXT(peers[3]->reply(), "again");
  CHECK_TEXT(peers[5]->reply(), "again");
}

TEST(control_client_that_asks_without_reading_is_dropped_and_others_are_served) {
  ControlServer server;
  opened(server, path("c8"));
  const Peer greedy{path("c8")}, modest{path("c8")};
  const std::string large(kMaxControlReply, 'x');
  std::size_t replies = 0;
  while (greedy.ask({}) && replies < 1000) {
    const auto client = server.next(kStart);
    if (!client.ok()) break;
    server.reply(client.value(), {Exit::done, large, ""}, kStart);
    ++replies;
  }
  CHECK(replies < 1000);
  CHECK(modest.ask({}));
  const auto client = server.next(kStart);
  CHECK_OK(client);
  server.reply(client.value(), {Exit::done, "x", ""}, kStart);
  CHECK_TEXT(modest.reply(), "0 x|");
}

TEST(control_handles_say_what_to_wait_for) {
  ControlServer server;
  ControlServer::Handle handles[kMaxControlClients + 1];
  CHECK_EQ(server.handles(handles), 0);
  opened(server, path("c9"));
  CHECK_EQ(server.handles(handles), 1);
  CHECK(handles[0].want == Want::readable);
  const Peer peer{path("c9")};
  CHECK(peer.ask({}));
  const auto client = server.next(kStart);
  CHECK_EQ(server.handles(handles), 2);
  CHECK(handles[0].want == Want::nothing);  // its next request can wait
  server.reply(client.value(), {}, kStart);
  CHECK_EQ(server.handles(handles), 2);
  CHECK(handles[0].want == Want::readable);
}

TEST(call_control_gets_the_reply_of_the_owner) {
  ControlServer server;
  opened(server, path("d1"));
  std::thread owner{[&server] {
    for (int served = 0; served < 2;) {
      ControlServer::Handle handles[kMaxControlClients + 1];
      pollfd watched[kMaxControlClients + 1];
      const std::size_t n = server.handles(handles);
      for (std::size_t at = 0; at < n; ++at)
        watched[at] = {handles[at].fd, static_cast<short>(handles[at].want == Want::readable ? POLLIN : 0),
                       0};
      ::poll(watched, n, -1);
      for (auto client = server.next(kStart); client.ok(); client = server.next(kStart), ++served)
        server.reply(client.value(), {Exit::bad_data, server.request().text, "e"}, kStart);
    }
  }};
  static std::uint8_t memory[kMaxControlReply];
  for (int n = 0; n < 2; ++n) {
    const auto reply = call_control(path("d1"), full_send(), hours(1), memory);
    CHECK_OK(reply);
    CHECK_TEXT(reply.value().out, full_send().text);
    CHECK_TEXT(reply.value().err, "e");
    CHECK(reply.value().exit == Exit::bad_data);
  }
  owner.join();
}

TEST(call_control_without_an_owner_says_which_way_it_failed) {
  static std::uint8_t memory[kMaxControlReply];
  const ControlRequest ping;
  CHECK_CODE(call_control(path("nobody"), ping, hours(1), memory), Code::not_found);
  CHECK_CODE(call_control(path("nobody/there"), ping, hours(1), memory), Code::not_found);
  scratch::write_file(path("text file"), "x");
  CHECK_CODE(call_control(path("text file"), ping, hours(1), memory), Code::not_found);
  CHECK_CODE(call_control(path(std::string(120, 'x').c_str()), ping, hours(1), memory), Code::too_big);

  ControlServer server;
  opened(server, path("d2"));
  CHECK_CODE(call_control(path("d2"), ping, milliseconds(1), memory), Code::timeout);  // nobody answers
  std::thread closer{[&server] {
    while (!server.next(kStart).ok()) ::poll(nullptr, 0, 1);
    server.close();
  }};
  // The first request, whose caller has gone, may be the one that is read.
  const auto reply = call_control(path("d2"), ping, hours(1), memory);
  CHECK_CODE(reply, Code::closed);
  closer.join();
}

TEST(call_control_where_everybody_waits_times_out) {
  ControlServer server;
  opened(server, path("d3"));
  std::vector<std::unique_ptr<Peer>> peers;
  for (std::size_t n = 0; n <= kMaxControlClients; ++n)
    peers.push_back(std::make_unique<Peer>(path("d3")));  // fill the queue
  static std::uint8_t memory[kMaxControlReply];
  CHECK_CODE(call_control(path("d3"), {}, milliseconds(30), memory), Code::timeout);
}

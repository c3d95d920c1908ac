// SPDX-License-Identifier: MIT
// Several addresses of one name: who is tried when, who wins, what is said, and that nothing stays open.
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <string>

#include "check.hpp"
#include "port/linux/connector.hpp"
#include "port/scratch.hpp"

using namespace tocsin;

namespace {

// A name spells its addresses: "127.0.0.1_127.0.0.2"; "x" stands for ":". "moved.test": what a file says now.
int spelled_look_up(const char* host, std::uint16_t port, Addresses& into) {
  std::string names = host;
  if (names == "silent.test")
    for (;;) ::pause();
  if (names == "moved.test") std::getline(std::ifstream(scratch::path("moved")), names);
  while (!names.empty()) {
    const std::size_t end = names.find('_');
    std::string one = names.substr(0, end);
    names.erase(0, end == std::string::npos ? end : end + 1);
    for (char& c : one)
      if (c == 'x') c = ':';
    const auto address = parse_address(one, port);
    if (address.ok()) into.list[into.count++] = address.value();
  }
  return into.count > 0 ? 0 : EAI_NONAME;
}

Resolver& resolver() {
  static Resolver resolver;
  if (resolver.keeper() == 0) {
    scratch::path("moved");  // the folder is there before the resolver is forked
    CHECK_OK(resolver.start(spelled_look_up));
  }
  return resolver;
}

// One that takes connections, or one whose queue is full: what would open a connection is dropped.
const std::string kAdvice = ": nothing listens there, or a firewall refuses it";

class Listener {
 public:
  explicit Listener(const char* address, std::uint16_t port = 0) {
    Address here = parse_address(address, port).value();
    fd_ = ::socket(here.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK_EQ(::bind(fd_, &here.any, here.size), 0);
    CHECK_EQ(::listen(fd_, 16), 0);
    CHECK_EQ(::getsockname(fd_, &here.any, &here.size), 0);
    here_ = here;
  }
  ~Listener() {
    make_room();
    ::close(fd_);
  }
  std::uint16_t port() const { return ntohs(here_.v4.sin_port); }
  Listener& fill() {
    CHECK_EQ(::listen(fd_, 0), 0);
    for (int& fd : waiting_) {
      fd = ::socket(here_.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      ::connect(fd, &here_.any, here_.size);
    }
    return *this;
  }
  void make_room() {
    for (int& fd : waiting_) {
      if (fd < 0) continue;
      ::close(fd);
      fd = -1;
      ::close(::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK));
    }
  }

 private:
  int fd_ = -1;
  int waiting_[4] = {-1, -1, -1, -1};
  Address here_;
};

short events(const Connector& connector) { return connector.want() == Want::writable ? POLLOUT : POLLIN; }

Status connect(Connector& connector, const std::string& host, std::uint16_t port) {
  for (;;) {
    const Status status = connector.connect(host, port);
    if (status.code() != Code::again) return status;
    pollfd wanted{connector.handle(), events(connector), 0};
    CHECK_EQ(::poll(&wanted, 1, 60'000), 1);
  }
}

std::string spelled(const Address& address) {
  char text[64];
  TextWriter into{text};
  write_address(address, into);
  return std::string(into.view());
}

std::string problem(const Connector& connector, std::uint16_t port) {
  char text[320];
  TextWriter into{text};
  connector.write_problem("sms.test", port, into);
  return std::string(into.view());
}

// Until that is part of what is waited for.
void go_on_until(Connector& connector, const std::string& host, std::uint16_t port, const char* words) {
  CHECK_CODE(connector.connect(host, port), Code::again);
  while (problem(connector, port).find(words) == std::string::npos) {
    pollfd wanted{connector.handle(), events(connector), 0};
    CHECK_EQ(::poll(&wanted, 1, 60'000), 1);
    CHECK_CODE(connector.connect(host, port), Code::again);
  }
}

std::string turns(const std::string& names) {
  Addresses all;
  spelled_look_up(names.c_str(), 443, all);
  take_turns(all);
  std::string order;
  for (std::uint32_t at = 0; at < all.count; ++at) order += (at > 0 ? " " : "") + spelled(all.list[at]);
  return order;
}

unsigned open_descriptors() {
  unsigned n = 0;
  for (int fd = 0; fd < 1000; ++fd) n += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
  return n;
}

TEST(connector_families_take_turns_and_keep_their_order) {
  CHECK_TEXT(turns("xx1_xx2_xx3_10.0.0.1_10.0.0.2"), "::1 10.0.0.1 ::2 10.0.0.2 ::3");
  CHECK_TEXT(turns("10.0.0.1_xx1_xx2_xx3"), "10.0.0.1 ::1 ::2 ::3");
  CHECK_TEXT(turns("10.0.0.1_10.0.0.2_10.0.0.3_xx1"), "10.0.0.1 ::1 10.0.0.2 10.0.0.3");
  CHECK_TEXT(turns("10.0.0.3_10.0.0.2_10.0.0.1"), "10.0.0.3 10.0.0.2 10.0.0.1");
  CHECK_TEXT(turns("xx1"), "::1");
  CHECK_TEXT(turns("1.0.0.1_1.0.0.2_1.0.0.3_1.0.0.4_xx1_xx2_xx3_xx4"),
             "1.0.0.1 ::1 1.0.0.2 ::2 1.0.0.3 ::3 1.0.0.4 ::4");
}

TEST(connector_connects_to_the_one_address_of_a_name_and_to_a_literal) {
  Connector connector{resolver()};
  const Listener there{"127.0.0.1"};
  for (const char* host : {"127.0.0.1_", "127.0.0.1"}) {
    CHECK_OK(connect(connector, host, there.port()));
    CHECK_TEXT(spelled(connector.peer()), "127.0.0.1");
    const Fd socket{connector.take()};
    CHECK(socket.is_open());
    CHECK_EQ(connector.handle(), -1);
  }
}

// Two that only connect hid the third one for good, when only the last of them was known.
TEST(connector_addresses_that_are_no_good_do_not_hide_another_one) {
  Connector connector{resolver()};
  const Listener a{"127.0.0.1"}, b{"127.0.0.2", a.port()}, c{"127.0.0.3", a.port()};
  for (const char* next : {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.2"}) {
    CHECK_OK(connect(connector, "127.0.0.1_127.0.0.2_127.0.0.3", a.port()));
    CHECK_TEXT(spelled(connector.peer()), next);
    const Fd socket{connector.take()};
    connector.blame_peer();
  }
  connector.forgive();
  CHECK_OK(connect(connector, "127.0.0.1_127.0.0.2_127.0.0.3", a.port()));
  CHECK_TEXT(spelled(connector.peer()), "127.0.0.1");
  const Fd socket{connector.take()};
}

// Three silent ones cost three quarters of a second; one after the other, each to the kernel's end, it would
// be minutes.
TEST(connector_silent_addresses_do_not_keep_the_next_one_waiting) {
  Connector connector{resolver()};
  const Listener there{"127.0.0.1"};
  Listener a{"127.0.0.2", there.port()}, b{"127.0.0.3", there.port()}, c{"127.0.0.4", there.port()};
  a.fill(), b.fill(), c.fill();
  CHECK_OK(connect(connector, "127.0.0.2_127.0.0.3_127.0.0.4_127.0.0.1", there.port()));
  CHECK_TEXT(spelled(connector.peer()), "127.0.0.1");
  const Fd socket{connector.take()};
}

TEST(connector_family_that_is_silent_does_not_stand_in_the_way_of_the_other) {
  Connector connector{resolver()};
  const Listener there{"127.0.0.1"};
  Listener six{"::1", there.port()};
  six.fill();
  CHECK_OK(connect(connector, "xx1_127.0.0.1", there.port()));
  CHECK_TEXT(spelled(connector.peer()), "127.0.0.1");
  const Fd socket{connector.take()};
}

TEST(connector_address_that_answers_late_wins_when_the_others_refused) {
  Connector connector{resolver()};
  Listener late{"127.0.0.2"};
  const std::uint16_t port = late.port();
  late.fill();
  const std::string host = "127.0.0.2_127.0.0.3";  // nobody listens on the second
  const std::string words = "cannot connect to sms.test port " + std::to_string(port) + ": 127.0.0.2: no answer; ";
  go_on_until(connector, host, port, "127.0.0.2");
  CHECK_TEXT(problem(connector, port), words + "127.0.0.3: not tried yet");
  go_on_until(connector, host, port, "connection refused");
  CHECK_TEXT(problem(connector, port), words + "127.0.0.3: connection refused" + kAdvice);
  late.make_room();  // the kernel tries again after a second
  CHECK_OK(connect(connector, host, port));
  CHECK_TEXT(spelled(connector.peer()), "127.0.0.2");
  const Fd socket{connector.take()};
}

TEST(connector_addresses_that_refuse_are_passed_over_at_once_and_told) {
  Connector connector{resolver()};
  std::uint16_t port = 0;
  {
    const Listener there{"127.0.0.1"};
    port = there.port();
    CHECK_OK(connect(connector, "127.0.0.2_127.0.0.3_127.0.0.1", port));
    const Fd socket{connector.take()};
  }
  CHECK_CODE(connect(connector, "127.0.0.2_127.0.0.3", port), Code::io);
  const std::string words = "cannot connect to sms.test port " + std::to_string(port);
  CHECK_TEXT(problem(connector, port), words + ": 127.0.0.2: connection refused; 127.0.0.3: connection refused" + kAdvice);
  CHECK_CODE(connect(connector, "127.0.0.2_127.0.0.3_127.0.0.4_127.0.0.5_127.0.0.6_127.0.0.7", port), Code::io);
  CHECK_TEXT(problem(connector, port),
             words + ": 127.0.0.2: connection refused; 127.0.0.3: connection refused; 127.0.0.4: connection "
                     "refused; 127.0.0.5: connection refused; and 2 more");
  CHECK_CODE(connect(connector, "127.0.0.2_127.0.0.3_xx1", port), Code::io);
  CHECK_TEXT(problem(connector, port), words + ": 127.0.0.2: connection refused; ::1: connection refused; 127.0.0.3: "
                                               "connection refused" + kAdvice);
  CHECK_CODE(connect(connector, "127.0.0.2", port), Code::io);
  CHECK_TEXT(problem(connector, port),
             "cannot connect to sms.test (127.0.0.2 port " + std::to_string(port) + "): connection refused" + kAdvice);
}

// Nothing was started anew in between; what the name stands for is asked each time.
TEST(connector_name_that_moved_is_noticed) {
  Connector connector{resolver()};
  const Listener here{"127.0.0.1"}, there{"127.0.0.2", here.port()};
  for (const char* address : {"127.0.0.1", "127.0.0.2", "127.0.0.1"}) {
    std::ofstream(scratch::path("moved")) << address << "\n";
    CHECK_OK(connect(connector, "moved.test", here.port()));
    CHECK_TEXT(spelled(connector.peer()), address);
    const Fd socket{connector.take()};
  }
}

TEST(connector_unknown_and_unanswered_names_say_so) {
  Connector connector{resolver()};
  CHECK_CODE(connect(connector, "unknown.test", 443), Code::io);
  CHECK_TEXT(problem(connector, 443),
             "cannot look up sms.test: name not known (check the name, and DNS: /etc/resolv.conf)");
  CHECK_CODE(connector.connect("silent.test", 443), Code::again);
  CHECK(connector.phase() == Phase::looking_up);
  CHECK_TEXT(problem(connector, 443),
             "cannot look up sms.test: no answer from DNS (check the network, and DNS: /etc/resolv.conf)");
}

TEST(connector_leaves_no_descriptor_whenever_it_ends) {
  Connector connector{resolver()};
  const Listener there{"127.0.0.1"};
  Listener silent{"127.0.0.2", there.port()};
  silent.fill();
  const unsigned before = open_descriptors();
  const std::string host = "127.0.0.2_127.0.0.2_127.0.0.1";
  for (unsigned steps = 0; steps < 5; ++steps) {
    CHECK_CODE(connector.connect(host, there.port()), Code::again);
    for (unsigned n = 0; n < steps; ++n) {
      pollfd wanted{connector.handle(), events(connector), 0};
      CHECK_EQ(::poll(&wanted, 1, 60'000), 1);
      if (connector.connect(host, there.port()).ok()) break;
    }
    connector.close();
    CHECK_EQ(open_descriptors(), before);
  }
  CHECK_CODE(connect(connector, "127.0.0.3_127.0.0.4", there.port()), Code::io);
  CHECK_EQ(open_descriptors(), before);
}

}  // namespace

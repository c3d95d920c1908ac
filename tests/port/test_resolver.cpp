// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "check.hpp"
#include "port/linux/look_up.hpp"
#include "port/linux/resolver.hpp"

using namespace tocsin;

namespace {

// DNS servers as RFC 4074 describes them: what is asked for IPv6, too, gets no answer, or the wrong one.
int odd_server(const char* host, std::uint16_t port, int family, Addresses& into) {
  const std::string name = host;
  if (name == "nothing.test" && family == AF_UNSPEC) return EAI_NONAME;
  if (name == "four-fails.test" && family == AF_INET) return EAI_AGAIN;
  if (name == "six-fails.test" && family == AF_UNSPEC) return EAI_AGAIN;
  if (name == "six-is-silent.test" && family == AF_UNSPEC)
    for (;;) ::pause();
  into.list[into.count++] = parse_address(family == AF_UNSPEC ? "2001:db8::1" : "192.0.2.1", port).value();
  return 0;
}

// What the keeper's children do in these tests, chosen by the name.
int scripted(const char* host, std::uint16_t port, Addresses& into) {
  const std::string name = host;
  if (name == "silent.test")
    for (;;) ::pause();
  if (name == "killed.test") ::raise(SIGKILL);
  if (name == "later.test") return EAI_AGAIN;
  if (name == "odd.test") return EAI_FAMILY;
  if (name == "many.test") {
    for (into.count = 0; into.count < kMaxAddresses; ++into.count)
      into.list[into.count] = parse_address("2001:db8::" + std::to_string(into.count + 1), port).value();
    return 0;
  }
  if (name == "fds.test") {  // port: 1000 + the number of open descriptors
    unsigned open = 0;
    for (int fd = 0; fd < 1000; ++fd) open += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
    into.list[into.count++] = parse_address("127.0.0.1", static_cast<std::uint16_t>(1000 + open)).value();
    return 0;
  }
  if (name.find("six") == 0 || name.find("four") == 0 || name == "nothing.test")
    return look_up_both(odd_server, host, port, into);
  return Resolver::system_look_up(host, port, into);
}

Status answer(Resolver& resolver, Resolver::Ticket ticket, Addresses& into) {
  pollfd wanted{ticket, POLLIN, 0};
  for (;;) {
    const Status status = resolver.poll(ticket, into);
    if (status.code() != Code::again) return status;
    CHECK_EQ(::poll(&wanted, 1, 60'000), 1);
  }
}

Status look_up(Resolver& resolver, const char* host, Addresses& into, unsigned deadline_s = 60) {
  const auto ticket = resolver.begin(host, 443, deadline_s);
  if (!ticket.ok()) return ticket.status();
  return answer(resolver, ticket.value(), into);
}

std::string words(Status failure) {
  char text[200];
  TextWriter into{text};
  Resolver::write_problem(failure, into);
  return std::string(into.view());
}

std::string spelled(const Address& address) {
  char text[64];
  TextWriter into{text};
  write_address(address, into);
  return std::string(into.view());
}

Resolver& resolver() {
  static Resolver resolver;
  if (resolver.keeper() == 0) CHECK_OK(resolver.start(scripted));
  return resolver;
}

TEST(resolver_address_literals_are_told_from_names) {
  CHECK_TEXT(spelled(parse_address("192.0.2.1", 443).value()), "192.0.2.1");
  CHECK_TEXT(spelled(parse_address("[2001:DB8::1]", 443).value()), "2001:db8::1");
  CHECK_TEXT(spelled(parse_address("::ffff:192.0.2.1", 443).value()), "::ffff:192.0.2.1");
  CHECK_EQ(ntohs(parse_address("192.0.2.1", 8443).value().v4.sin_port), 8443);
  for (const char* name :
       {"", "localhost", "192.0.2", "192.0.2.1.", "192.0.2.256", "[]", "1.2.3.4 ", "fe80::1%eth0"})
    CHECK_CODE(parse_address(name, 443), Code::bad_value);
  CHECK_CODE(parse_address({"127.0.0.1\0x", 11}, 443), Code::bad_value);
}

// The C library's own function is the judge, but for the IPv4-compatible addresses that RFC 4291 gave up: it writes
// their end with dots.
TEST(resolver_addresses_are_spelled_as_the_c_library_spells_them) {
  Address address;
  std::uint32_t seed = 1;
  const auto random = [&seed](std::uint32_t below) {
    seed = seed * 1664525 + 1013904223;
    return static_cast<std::uint32_t>((std::uint64_t{seed} * below) >> 32);
  };
  for (int turn = 0; turn < 100'000; ++turn) {
    in6_addr& v6 = address.v6.sin6_addr;
    for (std::size_t at = 0; at < 16; at += 2) {  // few values, so that every pattern of zero groups comes
      const auto group = std::array<std::uint16_t, 4>{0, 0, 0xFFFF, 0x0DB8}[random(4)] >> (4 * random(4));
      v6.s6_addr[at] = static_cast<std::uint8_t>(group >> 8), v6.s6_addr[at + 1] = static_cast<std::uint8_t>(group);
    }
    if (turn % 8 == 0) std::memcpy(&v6, "\0\0\0\0\0\0\0\0\0\0\xFF\xFF", 12);
    if (IN6_IS_ADDR_V4COMPAT(&v6)) continue;
    char wanted[INET6_ADDRSTRLEN];
    address.v6.sin6_family = AF_INET6;
    CHECK_TEXT(spelled(address), ::inet_ntop(AF_INET6, &v6, wanted, sizeof wanted));
    const std::uint32_t v4 = seed;
    address.v4.sin_family = AF_INET;
    address.v4.sin_addr.s_addr = v4;
    CHECK_TEXT(spelled(address), ::inet_ntop(AF_INET, &v4, wanted, sizeof wanted));
  }
  address.any.sa_family = AF_UNIX;
  CHECK_TEXT(spelled(address), "");
  address.v6.sin6_family = AF_INET6;
  for (const char* text : {"::", "::1", "1::", "1::1:0:0:1", "0:0:1::", "1:0:2:3:4:5:6:7", "::ffff:0.0.0.0"})
    CHECK_TEXT(spelled(parse_address(text, 443).value()), text);
}

TEST(resolver_finds_localhost) {
  Addresses found;
  CHECK_OK(look_up(resolver(), "localhost", found));
  CHECK(found.count >= 1);
  CHECK(spelled(found.list[0]) == "127.0.0.1" || spelled(found.list[0]) == "::1");
}

TEST(resolver_unknown_name_fails_in_words) {
  Addresses found;
  const Status failure = look_up(resolver(), "no-such-name.invalid", found);
  CHECK(failure.code() == Code::not_found || failure.code() == Code::io);  // with and without a DNS server
  CHECK(words(failure).find("DNS: /etc/resolv.conf") != std::string::npos);
  CHECK_TEXT(words({Code::not_found, EAI_NONAME}),
             "name not known (check the name, and DNS: /etc/resolv.conf)");
}

TEST(resolver_refuses_what_is_no_host_name) {
  for (const char* host : {"", "a b", "host/path", "host:443", "ex\xC3\xA4mple.test", "a\nb"})
    CHECK_CODE(resolver().begin(host, 443), Code::bad_value);
  CHECK_CODE(resolver().begin(std::string(254, 'a'), 443), Code::bad_value);
}

TEST(resolver_failures_keep_their_reason) {
  Addresses found;
  CHECK_EQ(look_up(resolver(), "later.test", found).detail(), EAI_AGAIN);
  CHECK_EQ(look_up(resolver(), "odd.test", found).detail(), EAI_FAMILY);
  CHECK(words({Code::io, EAI_FAMILY}).find("getaddrinfo error -6") != std::string::npos);
}

TEST(resolver_hands_over_every_address) {
  Addresses found;
  CHECK_OK(look_up(resolver(), "many.test", found));
  CHECK_EQ(found.count, kMaxAddresses);
  CHECK_TEXT(spelled(found.list[7]), "2001:db8::8");
  CHECK_EQ(ntohs(found.list[7].v6.sin6_port), 443);
}

TEST(resolver_finds_ipv4_where_dns_does_not_answer_for_ipv6) {
  for (const char* host : {"six-is-silent.test", "six-fails.test"}) {
    Addresses found;
    CHECK_OK(look_up(resolver(), host, found, 20));
    CHECK_EQ(found.count, 1);
    CHECK_TEXT(spelled(found.list[0]), "192.0.2.1");
  }
  Addresses found;
  CHECK_OK(look_up(resolver(), "four-fails.test", found));
  CHECK_TEXT(spelled(found.list[0]), "2001:db8::1");
  CHECK_CODE(look_up(resolver(), "nothing.test", found), Code::not_found);  // and that is an answer
}

// A service with eight addresses of one family, whose way is broken, could not be reached by the other.
TEST(resolver_leaves_room_for_both_families) {
  const auto chosen = [](unsigned six, unsigned four) {
    std::array<Address, 24> addresses;
    std::array<addrinfo, 24> list{};
    for (unsigned n = 0; n < six + four; ++n) {
      const std::string text = n < six ? "2001:db8::" + std::to_string(n + 1) : "192.0.2." + std::to_string(n - six + 1);
      addresses[n] = parse_address(text, 443).value();
      list[n].ai_family = addresses[n].any.sa_family;
      list[n].ai_addr = &addresses[n].any;
      list[n].ai_addrlen = addresses[n].size;
      list[n].ai_next = n + 1 < six + four ? &list[n + 1] : nullptr;
    }
    Addresses into;
    choose(six + four > 0 ? list.data() : nullptr, into);
    unsigned count[2] = {};
    for (std::uint32_t n = 0; n < into.count; ++n) ++count[into.list[n].any.sa_family == AF_INET6];
    return std::to_string(count[1]) + " and " + std::to_string(count[0]);
  };
  CHECK_TEXT(chosen(8, 4), "4 and 4");
  CHECK_TEXT(chosen(12, 1), "7 and 1");
  CHECK_TEXT(chosen(12, 0), "8 and 0");
  CHECK_TEXT(chosen(1, 12), "1 and 7");
  CHECK_TEXT(chosen(12, 12), "4 and 4");
  CHECK_TEXT(chosen(2, 3), "2 and 3");
  CHECK_TEXT(chosen(0, 0), "0 and 0");
}

TEST(resolver_silent_look_up_is_killed_at_its_deadline) {
  Addresses found;
  CHECK_CODE(look_up(resolver(), "silent.test", found, 1), Code::timeout);
  CHECK(words(Code::timeout).find("no answer from DNS") != std::string::npos);
}

TEST(resolver_child_that_dies_is_noticed_at_once) {
  Addresses found;
  CHECK_CODE(look_up(resolver(), "killed.test", found), Code::timeout);
}

TEST(resolver_silent_look_up_delays_no_other) {
  Addresses found;
  const auto silent = resolver().begin("silent.test", 443, 60);
  const auto many = resolver().begin("many.test", 443, 60);
  CHECK_OK(silent);
  CHECK_OK(many);
  CHECK_OK(answer(resolver(), many.value(), found));
  CHECK_CODE(resolver().poll(silent.value(), found), Code::again);
  resolver().cancel(silent.value());
  CHECK_OK(look_up(resolver(), "many.test", found));
}

TEST(resolver_children_hold_no_descriptor_of_the_program) {
  Addresses found;
  CHECK_OK(look_up(resolver(), "fds.test", found));
  CHECK(ntohs(found.list[0].v4.sin_port) <= 1000 + 4);  // 0, 1, 2 and where to answer
}

TEST(resolver_leaves_no_zombie_and_no_descriptor) {
  const auto open = [] {
    unsigned n = 0;
    for (int fd = 0; fd < 1000; ++fd) n += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
    return n;
  };
  Addresses found;
  CHECK_OK(look_up(resolver(), "many.test", found));
  const unsigned before = open();
  for (unsigned n = 0; n < 20; ++n) CHECK_OK(look_up(resolver(), "many.test", found));
  CHECK_EQ(open(), before);
  CHECK_EQ(::waitpid(-1, nullptr, WNOHANG), 0);  // the keeper lives, nobody else is a child of this process
}

TEST(resolver_keeper_ignores_what_ends_the_program_in_order) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) CHECK_EQ(::kill(resolver().keeper(), signal), 0);
  Addresses found;
  CHECK_OK(look_up(resolver(), "many.test", found));
}

TEST(resolver_ends_with_its_program_however_that_ends) {
  CHECK_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int report[2];
  CHECK_EQ(::pipe(report), 0);
  const pid_t program = ::fork();
  if (program == 0) {
    Resolver own;
    Addresses found;
    if (!own.start(scripted).ok() || !own.begin("silent.test", 443, 60).ok()) ::_exit(1);
    if (!look_up(own, "many.test", found).ok()) ::_exit(1);  // so the silent one is under way, too
    const pid_t keeper = own.keeper();
    if (::write(report[1], &keeper, sizeof keeper) != sizeof keeper) ::_exit(1);
    for (;;) ::pause();
  }
  ::close(report[1]);
  pid_t keeper = 0;
  CHECK_EQ(::read(report[0], &keeper, sizeof keeper), sizeof keeper);
  CHECK_EQ(::kill(keeper, 0), 0);
  ::kill(program, SIGKILL);
  ::waitpid(program, nullptr, 0);
  int status = 0;
  CHECK_EQ(::waitpid(keeper, &status, 0), keeper);  // as its next of kin, see above
  CHECK(WIFSIGNALED(status) || WIFEXITED(status));
}

TEST(resolver_without_its_keeper_fails_in_words) {
  static Resolver own;
  CHECK_CODE(own.begin("localhost", 443), Code::io);  // before start()
  CHECK_OK(own.start(scripted));
  Addresses found;
  const auto pending = own.begin("silent.test", 443, 60);
  CHECK_OK(pending);
  CHECK_OK(look_up(own, "many.test", found));
  ::kill(own.keeper(), SIGKILL);
  ::waitpid(own.keeper(), nullptr, 0);
  const Status lost = answer(own, pending.value(), found);
  CHECK_CODE(lost, Code::io);
  CHECK(words(lost).find("tocsin-names has ended") != std::string::npos);
  const Status refused = own.begin("localhost", 443).status();
  CHECK_CODE(refused, Code::io);
  CHECK(words(refused).find("restart tocsin") != std::string::npos);
}

}  // namespace

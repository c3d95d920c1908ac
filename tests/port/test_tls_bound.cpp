// SPDX-License-Identifier: MIT
// Trust with real servers and a stream: sessions are resumed only by what they were judged by, files that change or go
// while the daemon runs, the system's bundle, pins and revocation lists on the way.
#include "tls_bench.hpp"

#include <fcntl.h>
#include <sys/stat.h>

using namespace tocsin;
using namespace tls_bench;

namespace {

std::string pem(const char* name) { return scratch::read_file(chains() + "/" + name + ".pem"); }

std::string resumed(TlsStream& stream, std::uint16_t port) {
  const Status status = connect(stream, "sms.test", port);
  if (!status.ok()) return std::string(stream.problem());
  const std::string line = talk(stream, "resumed?\n");
  stream.close();
  return line;
}

Clocks moving_clock;

TEST(tls_session_is_bound_to_the_authorities) {
  const std::string ca = scratch::path("ca.pem");
  put(ca, pem("root"));
  static TlsContext by;
  CHECK_OK(by.open(ca));
  chains();
  const Server server{"chains/good", "tls1.2"};
  TlsStream stream{by, resolver()};
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
  CHECK_TEXT(resumed(stream, server.port()), "yes\n");
  put(ca, pem("root") + pem("old"));
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
  CHECK_TEXT(resumed(stream, server.port()), "yes\n");
  put(ca, pem("twin"));  // the authority is not believed any more
  CHECK(resumed(stream, server.port()).find("it is not signed by a CA in " + ca) != std::string::npos);
  CHECK_EQ(::unlink(ca.c_str()), 0);
  CHECK(resumed(stream, server.port()).find("cannot read the CA file " + ca + " (ca_file): no such file") !=
        std::string::npos);
  put(ca, pem("root"));
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
}

// Written over in place, with the same size, and with the time of before, as an image leaves it whose files all have
// one time.
TEST(tls_session_is_bound_to_authorities_whose_file_looks_the_same) {
  const std::string ca = scratch::path("inplace.pem");
  std::string before = pem("root"), after = pem("twin");
  before.resize(4096, '\n'), after.resize(4096, '\n');
  const timespec times[2] = {};
  scratch::write_file(ca, before);
  CHECK_EQ(::utimensat(AT_FDCWD, ca.c_str(), times, 0), 0);
  static TlsContext by;
  CHECK_OK(by.open(ca));
  const Server server{"chains/good", "tls1.2"};
  TlsStream stream{by, resolver()};
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
  CHECK_TEXT(resumed(stream, server.port()), "yes\n");
  scratch::write_file(ca, after);
  CHECK_EQ(::utimensat(AT_FDCWD, ca.c_str(), times, 0), 0);
  CHECK(resumed(stream, server.port()).find("it is not signed by a CA in " + ca) != std::string::npos);
}

TEST(tls_session_is_bound_to_the_revocation_lists) {
  const std::string lists = scratch::path("lists.crl");
  put(lists, scratch::read_file(chains() + "/empty.crl"));
  static TlsContext by;
  const std::string ca = chains() + "/root.pem";
  CHECK_OK(by.open({ca, lists, {}}));
  const Server server{"chains/revoked", "tls1.2"};
  TlsStream stream{by, resolver()};
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
  CHECK_TEXT(resumed(stream, server.port()), "yes\n");
  put(lists, scratch::read_file(chains() + "/full.crl"));
  CHECK(resumed(stream, server.port()).find("it is revoked (crl_file)") != std::string::npos);
  CHECK_EQ(::unlink(lists.c_str()), 0);  // nobody knows: refused, not let through
  CHECK(resumed(stream, server.port()).find("the revocation list " + lists + ": no such file; look at crl_file") !=
        std::string::npos);
  CHECK(stream.phase() == Phase::idle);
  put(lists, scratch::read_file(chains() + "/empty.crl"));
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
}

TEST(tls_session_is_bound_to_the_pins) {
  static TlsContext by;
  const std::string ca = chains() + "/root.pem";
  CHECK_OK(by.open({ca, {}, {}}));
  const Server server{"chains/good", "tls1.2"};
  TlsStream stream{by, resolver()};
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
  CHECK_TEXT(resumed(stream, server.port()), "yes\n");
  CHECK_OK(by.open({ca, {}, "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="}));
  CHECK(resumed(stream, server.port()).find("no key of its chain is in pin_sha256") != std::string::npos);
  CHECK_CODE(by.open({ca, {}, "n4bQgYhMfWWaL"}), Code::bad_value);
  CHECK(by.problem().find("pin_sha256") != std::string_view::npos);
  CHECK(resumed(stream, server.port()).find("pin_sha256") != std::string::npos);
}

TEST(tls_session_is_bound_to_whether_the_clock_is_set) {
  static TlsContext by;
  moving_clock = Clocks{};
  moving_clock.wall = UnixMillis{1000};
  CHECK_OK(by.open(chains() + "/root.pem", [] { return moving_clock; }));
  const Server server{"chains/good", "tls1.2"};
  TlsStream stream{by, resolver()};
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
  CHECK_TEXT(resumed(stream, server.port()), "yes\n");
  moving_clock = read_clocks();
  CHECK_TEXT(resumed(stream, server.port()), "no\n");
  CHECK_TEXT(resumed(stream, server.port()), "yes\n");
}

TEST(tls_stream_finds_the_authority_in_the_systems_bundle) {
  std::string bundle = scratch::read_file("/etc/ssl/certs/ca-certificates.crt");
  for (unsigned n = 0; bundle.size() < 200'000; ++n) bundle += pem(n % 2 == 0 ? "twin" : "old");
  put(scratch::path("system.pem"), bundle + pem("root"));
  static TlsContext by;
  CHECK_OK(by.open(scratch::path("system.pem")));
  CHECK(by.authorities() >= 100);
  CHECK_EQ(by.skipped(), 0);
  for (const char* options : {"tls1.2", ""}) {
    const Server server{"chains/good", options};
    TlsStream stream{by, resolver()};
    CHECK_TEXT(resumed(stream, server.port()), "no\n");
  }
}

#if defined(MBEDTLS_PLATFORM_MEMORY)
TEST(tls_stream_fits_its_part_of_the_arena_whatever_is_searched) {
  std::string bundle = scratch::read_file("/etc/ssl/certs/ca-certificates.crt");
  put(scratch::path("arena.pem"), bundle + pem("twin") + pem("root"));
  scratch::write_file(chains() + "/arena.pem", pem("crossleaf") + pem("inter2") + pem("inter") + pem("cross") + pem("old"));
  scratch::write_file(chains() + "/arena.key", scratch::read_file(chains() + "/crossleaf.key"));
  for (const char* options : {"tls1.2", ""}) {
    TlsContext by;
    CHECK_OK(by.open(scratch::path("arena.pem")));
    const Server server{"chains/arena", options};
    TlsStream stream{by, resolver()};
    CHECK_TEXT(resumed(stream, server.port()), "no\n");
    std::printf("  %s: %zu B of the arena, a chain of 5 in it\n", options, tls_memory().peak());
    CHECK(tls_memory().peak() <= 48 * 1024);
  }
}
#endif

// Mbed TLS knows no name constraints: an authority that must not be used without them is not used.
TEST(tls_context_leaves_out_an_authority_with_name_constraints) {
  TlsContext by;
  CHECK_CODE(by.open(chains() + "/limited.pem"), Code::bad_value);
  CHECK(by.problem().find("cannot understand any certificate in the CA file") != std::string_view::npos);
  put(scratch::path("both.pem"), pem("limited") + pem("root"));
  CHECK_OK(by.open(scratch::path("both.pem")));
  CHECK_EQ(by.authorities(), 1);
  CHECK_EQ(by.skipped(), 1);
}

TEST(tls_stream_of_odd_chains_agrees_with_the_judgement_without_a_server) {
  struct Case {
    const char* sent[4];
    const char* key;
    const char* authority;
    const char* words;
  };
  const Case cases[] = {
      {{"viainter", "inter", "cross", "old"}, "viainter", "root", ""},
      {{"viainter"}, "viainter", "inter", ""},
      {{"viainter", "inter", "root"}, "viainter", "inter", ""},
      {{"viainter", "forged", "twin"}, "viainter", "root", "not signed by a CA in"},
      {{"bytwin", "twin"}, "bytwin", "root", "not signed by a CA in"},
      {{"byleaf", "good"}, "byleaf", "root", "not signed by a CA in"},
      {{"path0deep", "path0inter"}, "path0deep", "path0", "not signed by a CA in"},
      {{"sha1leaf"}, "sha1leaf", "root", "too weak"},
      {{"rsa1024leaf"}, "rsa1024leaf", "root", "too weak"},
      {{"cnonly"}, "cnonly", "root", "no subjectAltName"},
      {{"forclient"}, "forclient", "root", "it is not made for a server"},
      {{"bylimited", "limited"}, "bylimited", "root", "critical (name constraints, say)"},
      {{"byhinted", "hinted"}, "byhinted", "root", ""},  // Mbed TLS does not know them
  };
  for (const Case& one : cases) {
    check::at("%s by %s", one.sent[0], one.authority);
    std::string text;
    for (const char* name : one.sent)
      if (name != nullptr) text += pem(name);
    scratch::write_file(chains() + "/sent.pem", text);
    scratch::write_file(chains() + "/sent.key", scratch::read_file(chains() + "/" + one.key + ".key"));
    for (const char* options : {"weak tls1.2", "weak"}) {
      TlsContext by;
      CHECK_OK(by.open(chains() + "/" + one.authority + ".pem"));
      const Server server{"chains/sent", options};
      TlsStream stream{by, resolver()};
      const Status status = connect(stream, "sms.test", server.port());
      check::at("%s by %s %s: %s", one.sent[0], one.authority, options, std::string(stream.problem()).c_str());
      CHECK_EQ(status.ok(), one.words[0] == '\0');
      CHECK(stream.problem().find(one.words) != std::string_view::npos);
    }
  }
}

}  // namespace

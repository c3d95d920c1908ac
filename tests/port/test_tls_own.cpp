// SPDX-License-Identifier: MIT
// The device's own certificate, with a server that demands one. Kinds of keys and what can be wrong with the files:
// tests/e2e/test_tls_own.py.
#include "port/linux/own_certificate.hpp"
#include "tls_bench.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

// The device's certificate is that one from now on.
struct Own {
  std::string certificate = scratch::path("own.pem"), key = scratch::path("own.key");
  void become(const std::string& name) const {
    put(certificate, scratch::read_file(chains() + "/" + name + ".pem"));
    put(key, scratch::read_file(chains() + "/" + name + ".key"));
  }
  // A server that demands one of its authority, and such a one.
  Server asked_for(TlsContext& by) const {
    const std::string ca = chains() + "/root.pem";
    become("forclient");
    CHECK_OK(by.open({ca, {}, {}, certificate, key}));
    return Server{"chains/good", ("tls1.2 client=" + ca).c_str()};
  }
};

std::string asked(TlsStream& stream, std::uint16_t port, const char* question) {
  const Status status = connect(stream, "sms.test", port);
  if (!status.ok()) return std::string(stream.problem());
  const std::string line = talk(stream, question);
  stream.close();
  return line;
}

TEST(tls_own_certificate_is_shown_and_bound_to_its_sessions) {
  const Own own;
  static TlsContext by;
  const Server server = own.asked_for(by);
  TlsStream stream{by, resolver()}, other{by, resolver()};
  CHECK_TEXT(asked(stream, server.port(), "who?\n"), "sms.test\n");
  CHECK_TEXT(asked(stream, server.port(), "resumed?\n"), "yes\n");
  own.become("bytwin");  // whose authority the server does not know
  CHECK(asked(stream, server.port(), "who?\n").find("TLS with sms.test") == 0);
  own.become("forclient");
  CHECK_TEXT(asked(stream, server.port(), "resumed?\n"), "no\n");
  CHECK_TEXT(asked(other, server.port(), "who?\n"), "sms.test\n");
}

TEST(tls_own_certificate_that_is_being_replaced_is_an_error_that_passes) {
  const Own own;
  static TlsContext by;
  const Server server = own.asked_for(by);
  TlsStream stream{by, resolver()};
  put(own.key, scratch::read_file(chains() + "/good.key"));
  const std::string words = own.key + " does not belong to the client certificate (client_cert_file) " +
                            own.certificate + ": take both of one pair, its own certificate first";
  CHECK(asked(stream, server.port(), "who?\n").find(words) != std::string::npos);
  CHECK(stream.phase() == Phase::idle);
  put(own.key, scratch::read_file(chains() + "/forclient.key"));
  CHECK_TEXT(asked(stream, server.port(), "who?\n"), "sms.test\n");
}

TEST(own_certificate_serves_several_handshakes_and_is_read_for_the_first) {
  const Own own;
  own.become("forclient");
  OwnCertificate certificate;
  certificate.name(own.certificate, own.key);
  char memory[300];
  TextWriter why(memory);
  CHECK_OK(certificate.take(why));
  put(own.key, "nothing\n");
  CHECK_OK(certificate.take(why));
  certificate.give_back();
  certificate.give_back();
  CHECK_CODE(certificate.take(why), Code::bad_value);
  CHECK(std::string(why.view()).find(own.key + " is none that is understood") != std::string::npos);
  own.become("forclient");
  CHECK_OK(certificate.take(why));
  certificate.give_back();
}

// The stack below this function holds what functions that have returned left there.
[[gnu::noinline]] [[gnu::no_sanitize("address", "undefined")]] bool found_below(const std::string& inverted) {
  const auto top = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  for (std::uintptr_t at = top - 60'000; at < top - 1000; ++at) {
    std::size_t n = 0;
    while (n < inverted.size() && static_cast<char>(~*reinterpret_cast<const volatile char*>(at + n)) == inverted[n]) ++n;
    if (n == inverted.size()) return true;
  }
  return false;
}

TEST(own_certificate_leaves_nothing_of_its_key_behind) {
  const Own own;
  own.become("forclient");
  // The middle of the base64, and of what it stands for, upside down: this test has neither itself.
  std::string text = scratch::read_file(own.key);
  const std::size_t begin = text.find("-----\n") + 6;
  std::string digits = text.substr(begin + 24, 20);
  for (char& c : digits) c = static_cast<char>(~c);
  OwnCertificate certificate;
  certificate.name(own.certificate, own.key);
  char memory[300];
  TextWriter why(memory);
  for (int turn = 0; turn < 2; ++turn) {  // the second time nothing is checked behind the reading
    CHECK_OK(certificate.take(why));
    const bool found = found_below(digits);
    certificate.give_back();
    CHECK(!found);
  }
}

// What `tocsin check` and the log say of dates while there is time to mend it.
TEST(tls_own_certificate_and_lists_out_of_date_are_warned_of) {
  const auto warned = [](UnixMillis at, const char* list, const char* name) {
    static Clocks clocks;
    clocks = {};
    clocks.wall = at;
    clocks.wall_trusted = true;
    const Own own;
    static TlsContext by;
    own.become("forclient");
    const std::string lists = list[0] != '\0' ? chains() + "/" + list : std::string{};
    const std::string certificate = name[0] != '\0' ? own.certificate : std::string{};
    CHECK_OK(by.open({chains() + "/root.pem", lists, {}, certificate, certificate.empty() ? certificate : own.key},
                     [] { return clocks; }));
    char memory[600];
    TextWriter said{memory};
    by.write_warning(said);
    return std::string(said.view());
  };
  const UnixMillis early{1'600'000'000'000}, now{1'795'000'000'000}, late{2'240'000'000'000};  // 2020, 2026, 2040
  const std::string advice = ": put a new one there, or look at the clock";
  const std::string mine = "the client certificate " + scratch::path("own.pem");
  CHECK_TEXT(warned(now, "empty.crl", "forclient"), "");
  CHECK_TEXT(warned(early, "empty.crl", "forclient"), mine + " is not valid before 2024-01-01" + advice);
  CHECK_TEXT(warned(late, "", "forclient"), mine + " expired on 2035-12-31" + advice);
  CHECK_TEXT(warned(now, "ended.crl", "forclient"),
             "the revocation list " + chains() + "/ended.crl ended on 2025-01-01" + advice);
  CHECK_TEXT(warned(now, "ended.crl", ""), "the revocation list " + chains() + "/ended.crl ended on 2025-01-01" + advice);
  CHECK_TEXT(warned(late, "ended.crl", "forclient"), mine + " expired on 2035-12-31" + advice);  // the first
  CHECK_TEXT(warned(now, "", ""), "");
}

}  // namespace

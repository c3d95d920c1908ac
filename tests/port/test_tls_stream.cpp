// SPDX-License-Identifier: MIT
// Against real servers (Python's ssl) with certificates of tests/simulator/certs.sh.
#include <netdb.h>
#include <poll.h>
#include <sys/wait.h>

#include "check.hpp"
#include "port/linux/clock.hpp"
#include "port/linux/tls_stream.hpp"
#include "port/scratch.hpp"

using namespace tocsin;

namespace {

// Everything below runs out of this where the library can; Debian's cannot.
alignas(16) std::uint8_t arena[128 * 1024];
const bool in_arena = (tls_use_arena(arena), true);

int loopback_look_up(const char* host, std::uint16_t port, Addresses& into) {
  const std::string name = host;
  if (name == "unknown.test") return EAI_NONAME;
  if (name == "localhost") into.list[into.count++] = parse_address("127.0.0.2", port).value();  // tried first
  into.list[into.count++] = parse_address("127.0.0.1", port).value();
  return 0;
}

Resolver& resolver() {
  static Resolver resolver;
  if (resolver.keeper() == 0) CHECK_OK(resolver.start(loopback_look_up));
  return resolver;
}

const std::string& certificates() {
  static const std::string folder = [] {
    resolver();  // forked before anything else, as in the program
    const std::string where = scratch::path("certs");
    if (std::system(("sh tests/simulator/certs.sh " + where).c_str()) != 0) std::abort();
    return where;
  }();
  return folder;
}

// A server of one certificate until the object goes, or until this program ends.
class Server {
 public:
  explicit Server(const std::string& name, const char* options = "") {
    const std::string stem = certificates() + "/" + name;
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::execl("/bin/sh", "sh", "-c", "exec python3 tests/port/tls_server.py \"$0\" \"$1\" $2",
              (stem + ".pem").c_str(), (stem + ".key").c_str(), options, nullptr);
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    stdin_ = in[1];
    char digits[16] = {};
    for (std::size_t n = 0; std::strchr(digits, '\n') == nullptr; ++n)
      CHECK(n < sizeof digits - 1 && ::read(out[0], digits + n, 1) == 1);
    ::close(out[0]);
    port_ = static_cast<std::uint16_t>(std::strtoul(digits, nullptr, 10));
  }
  ~Server() {
    ::close(stdin_);
    ::waitpid(child_, nullptr, 0);
  }
  std::uint16_t port() const { return port_; }

 private:
  pid_t child_ = 0;
  int stdin_ = -1;
  std::uint16_t port_ = 0;
};

// A listener that this test answers by hand, or not at all.
int listen_on(const char* address, std::uint16_t& port, int backlog = 8) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Address here = parse_address(address, port).value();
  CHECK_EQ(::bind(fd, &here.any, here.size), 0);
  CHECK_EQ(::listen(fd, backlog), 0);
  CHECK_EQ(::getsockname(fd, &here.any, &here.size), 0);
  port = ntohs(here.v4.sin_port);
  return fd;
}

Clocks never_set() {
  Clocks clocks = Clocks{};
  clocks.wall = UnixMillis{60'000};
  return clocks;
}
Clocks in_2037() {
  Clocks clocks = Clocks{};
  clocks.wall = UnixMillis{2'127'427'200'000};  // 2037-06-01
  clocks.wall_trusted = true;
  return clocks;
}
Clocks after_2038() {
  Clocks clocks = Clocks{};
  clocks.wall = UnixMillis{2'240'000'000'000};  // 2040-12-24
  clocks.wall_trusted = true;
  return clocks;
}

TlsContext& context() {
  static TlsContext context;
  if (context.authorities() == 0) CHECK_OK(context.open(certificates() + "/ca.pem"));
  return context;
}

void wait(const TlsStream& stream) {
  CHECK(stream.want() != Want::nothing);
  pollfd wanted{stream.handle(), static_cast<short>(stream.want() == Want::readable ? POLLIN : POLLOUT), 0};
  CHECK_EQ(::poll(&wanted, 1, 60'000), 1);
}

Status connect(TlsStream& stream, std::string_view host, std::uint16_t port) {
  for (;;) {
    const Status status = stream.connect({host, port});
    if (status.code() != Code::again) return status;
    wait(stream);
  }
}

std::string talk(TlsStream& stream, std::string_view line) {
  Bytes rest = as_bytes(line);
  while (!rest.empty()) {
    const auto n = stream.write(rest);
    if (n.code() == Code::again) {
      wait(stream);
      continue;
    }
    CHECK_OK(n);
    rest = rest.drop(n.value());
  }
  std::string answer;
  while (answer.empty() || answer.back() != '\n') {
    std::uint8_t piece[700];
    const auto n = stream.read(piece);
    if (n.code() == Code::again) {
      wait(stream);
      continue;
    }
    CHECK_OK(n);
    answer.append(reinterpret_cast<const char*>(piece), n.value());
  }
  return answer;
}

void check_words(const TlsStream& stream, const std::string& words) {
  check::at("%s", std::string(stream.problem()).c_str());
  CHECK(stream.problem().find(words) != std::string_view::npos);
  CHECK(stream.problem().find('\n') == std::string_view::npos);
  check::at("%s", "");
}

void check_accepted(const char* certificate, std::string_view host, TlsContext& by,
                    const char* options = "") {
  const Server server{certificate, options};
  TlsStream stream{by, resolver()};
  const Status status = connect(stream, host, server.port());
  if (!status.ok()) check_words(stream, "(accepted)");
  CHECK_OK(status);
  CHECK(stream.phase() == Phase::open);
  CHECK_TEXT(stream.problem(), "");
  CHECK_TEXT(talk(stream, "stressed\n"), "desserts\n");
  stream.close();
  CHECK_EQ(stream.handle(), -1);
}

void check_refused(const char* certificate, std::string_view host, TlsContext& by, const std::string& words) {
  const Server server{certificate, "any"};
  TlsStream stream{by, resolver()};
  CHECK_CODE(connect(stream, host, server.port()), Code::tls);
  CHECK(stream.phase() == Phase::idle);
  CHECK_EQ(stream.handle(), -1);
  check_words(stream, "certificate of " + std::string(host) + " refused: ");
  check_words(stream, words);
}

TEST(tls_stream_accepts_good_certificates_by_name) {
  for (const char* certificate : {"ec", "rsa", "chain"}) {
    check_accepted(certificate, "sms.test", context());
    check_accepted(certificate, "sms.test", context(), "tls1.2");
  }
}

TEST(tls_stream_accepts_a_certificate_for_the_address) {
  check_accepted("ec", "127.0.0.1", context());
  check_accepted("rsa", "127.0.0.1", context(), "tls1.2");
}

TEST(tls_stream_refuses_an_address_the_certificate_is_not_for) {
  check_refused("ec", "127.0.0.2", context(), "it is for localhost, 127.0.0.1, sms.test, not for 127.0.0.2");
  check_refused("wronghost", "127.0.0.1", context(), "it is for other.test, not for 127.0.0.1");
}

TEST(tls_stream_refuses_every_bad_certificate_in_words) {
  char today[32];
  TextWriter date{today};
  write_date(read_clocks().wall, date);
  const std::string clock = "(this device's clock says " + std::string(head(date.view(), 10)) + ")";
  check_refused("expired", "sms.test", context(), "it expired on 2020-02-01 " + clock);
  check_refused("future", "sms.test", context(),
                "it is not valid before 2037-01-01 " + clock + ": check the clock");
  check_refused("wronghost", "sms.test", context(), "it is for other.test, not for sms.test: check base_url");
  check_refused(
      "unknownca", "sms.test", context(),
      "it is not signed by a CA in " + certificates() + "/ca.pem: its issuer is 'simulator otherca'");
  check_refused("nochain", "sms.test", context(),
                "its issuer is 'simulator intermediate'; check ca_file, and that");
  check_refused("selfsigned", "sms.test", context(),
                "it is self-signed and not in " + certificates() + "/ca.pem");
}

TEST(tls_stream_with_a_clock_never_set_judges_by_the_build_date) {
  static TlsContext by;
  CHECK_OK(by.open(certificates() + "/ca.pem", never_set));
  check_accepted("ec", "sms.test", by);
  check_refused("expired", "sms.test", by,
                "expired on 2020-02-01 (this device's clock is not set; judged by 20");
  check_refused("future", "sms.test", by, "not valid before 2037-01-01 (this device's clock is not set");
}

TEST(tls_stream_judges_dates_by_the_given_clock_alone) {
  static TlsContext by;
  CHECK_OK(by.open(certificates() + "/ca.pem", in_2037));
  check_refused("ec", "sms.test", by, "expired on 2035-12-31 (this device's clock says 2037-06-01)");
  // "future" is good by this clock; its CA is not.
  check_refused("future", "sms.test", by, "the certificate of its CA expired on 2035-12-31");
}

TEST(tls_stream_judges_dates_after_2038) {
  static TlsContext by;
  CHECK_OK(by.open(certificates() + "/ca.pem", after_2038));
  check_refused("future", "sms.test", by, "expired on 2037-12-31 (this device's clock says 2040-12-24)");
}

TEST(tls_stream_passes_over_an_address_that_refuses_or_is_silent) {
  const Server server{"ec"};
  std::uint16_t port = server.port();
  TlsStream stream{context(), resolver()};
  CHECK_OK(connect(stream, "localhost", port));  // nobody listens on 127.0.0.2
  CHECK_TEXT(talk(stream, "ab\n"), "ba\n");
  stream.close();

  // Somebody does, but a full queue drops what would open a connection.
  const int listener = listen_on("127.0.0.2", port, 0);
  int waiting[4];
  for (int& fd : waiting) {
    fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const Address there = parse_address("127.0.0.2", port).value();
    ::connect(fd, &there.any, there.size);
  }
  CHECK_OK(connect(stream, "localhost", port));
  CHECK_TEXT(talk(stream, "ab\n"), "ba\n");
  for (const int fd : waiting) ::close(fd);
  ::close(listener);
}

TEST(tls_stream_refused_port_says_where) {
  std::uint16_t port = 0;
  ::close(listen_on("127.0.0.1", port));
  TlsStream stream{context(), resolver()};
  const Status refused = connect(stream, "sms.test", port);
  CHECK_CODE(refused, Code::io);
  CHECK_EQ(refused.detail(), ECONNREFUSED);
  CHECK_TEXT(stream.problem(),
             "cannot connect to sms.test (127.0.0.1 port " + std::to_string(port) + "): connection refused");
  CHECK_CODE(connect(stream, "localhost", port), Code::io);
  check_words(stream, ", address 2 of 2): connection refused");
}

TEST(tls_stream_unknown_name_says_so) {
  TlsStream stream{context(), resolver()};
  CHECK_CODE(connect(stream, "unknown.test", 443), Code::io);
  CHECK_TEXT(stream.problem(),
             "cannot look up unknown.test: name not known (check the name, and DNS: /etc/resolv.conf)");
  CHECK_CODE(connect(stream, "not a name", 443), Code::io);
  CHECK_TEXT(stream.problem(), "cannot look up not a name: this is not a host name (check base_url)");
  CHECK_CODE(connect(stream, std::string(300, 'a'), 443), Code::io);
}

TEST(tls_stream_silent_peer_stays_again_with_words) {
  std::uint16_t port = 0;
  const int listener = listen_on("127.0.0.1", port);
  TlsStream stream{context(), resolver()};
  Status status;
  while (stream.phase() != Phase::handshaking || stream.want() != Want::readable) {
    status = stream.connect({"sms.test", port});
    CHECK_CODE(status, Code::again);
    if (stream.phase() != Phase::handshaking) wait(stream);
  }
  for (unsigned n = 0; n < 5; ++n) CHECK_CODE(stream.connect({"sms.test", port}), Code::again);
  check_words(stream, "TLS with sms.test (127.0.0.1 port " + std::to_string(port) + "): no answer");
  stream.close();
  stream.close();
  check_words(stream, "no answer");  // still there after the loop gave up
  ::close(listener);
}

void answer_by_hand(const char* text, std::string_view words) {
  std::uint16_t port = 0;
  const int listener = listen_on("127.0.0.1", port);
  TlsStream stream{context(), resolver()};
  while (stream.phase() != Phase::handshaking || stream.want() != Want::readable) {
    CHECK_CODE(stream.connect({"sms.test", port}), Code::again);
    if (stream.phase() != Phase::handshaking) wait(stream);
  }
  const int peer = ::accept(listener, nullptr, nullptr);
  char hello[4096];
  CHECK(::recv(peer, hello, sizeof hello, 0) > 0);
  if (text != nullptr) {
    CHECK(::send(peer, text, std::strlen(text), 0) >= 0);
  } else {
    const linger at_once{1, 0};
    ::setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  ::close(peer);
  const Status failed = connect(stream, "sms.test", port);
  CHECK(failed.code() == Code::tls || failed.code() == Code::io);
  check_words(stream, std::string(words));
  ::close(listener);
}

TEST(tls_stream_handshake_with_something_else_fails_in_words) {
  answer_by_hand("", "the server closed the connection during the handshake");
  answer_by_hand("\x16\x03\x03", "the server closed the connection during the handshake");
  answer_by_hand("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "the answer is not TLS");
  answer_by_hand(nullptr, "connection reset");
}

TEST(tls_stream_peer_that_closes_in_order_is_closed_and_reusable) {
  const Server server{"ec"};
  TlsStream stream{context(), resolver()};
  for (unsigned n = 0; n < 3; ++n) {
    CHECK_OK(connect(stream, "sms.test", server.port()));
    CHECK_TEXT(talk(stream, "abc\n"), "cba\n");
    stream.close();
    std::uint8_t piece[8];
    CHECK_CODE(stream.read(piece), Code::io);
    CHECK_CODE(stream.write(as_bytes("x")), Code::io);
  }
}

// What the clock of the next test says.
Clocks moving_clock;

TEST(tls_stream_resumes_the_session_of_the_same_server) {
  static TlsContext by;
  moving_clock = read_clocks();
  CHECK_OK(by.open(certificates() + "/ca.pem", [] { return moving_clock; }));
  const Server server{"rsa", "tls1.2"}, other{"ec", "tls1.2"};
  TlsStream stream{by, resolver()};
  const auto answer = [&stream](const char* host, std::uint16_t port) {
    CHECK_OK(connect(stream, host, port));
    const std::string line = talk(stream, "resumed?\n");
    stream.close();
    return line;
  };
  CHECK_TEXT(answer("sms.test", server.port()), "no\n");
  CHECK_TEXT(answer("sms.test", server.port()), "yes\n");
  CHECK_TEXT(answer("sms.test", server.port()), "yes\n");
  CHECK_TEXT(answer("localhost", server.port()), "no\n");  // another name: the certificate is judged for it
  CHECK_TEXT(answer("127.0.0.1", server.port()), "no\n");
  CHECK_TEXT(answer("127.0.0.1", server.port()), "yes\n");
  CHECK_TEXT(answer("127.0.0.1", other.port()), "no\n");
  CHECK_TEXT(answer("127.0.0.1", server.port()), "no\n");

  // The certificate ran out since: no resumption hides that.
  moving_clock = after_2038();
  CHECK_CODE(connect(stream, "127.0.0.1", server.port()), Code::tls);
  check_words(stream, "expired on 2035-12-31");
}

#if !defined(MBEDTLS_SSL_PROTO_TLS1_3) || defined(MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED)
TEST(tls_stream_resumes_in_the_newest_version_both_know) {
  const Server server{"ec"};
  TlsStream stream{context(), resolver()};
  for (unsigned n = 0; n < 3; ++n) {
    CHECK_OK(connect(stream, "sms.test", server.port()));
    CHECK_TEXT(talk(stream, "resumed?\n"), n == 0 ? "no\n" : "yes\n");
    stream.close();
  }
}
#endif

TEST(tls_stream_session_that_another_server_does_not_know_is_judged_anew) {
  std::uint16_t port = 0;
  TlsStream stream{context(), resolver()};
  {
    const Server server{"ec"};
    port = server.port();
    CHECK_OK(connect(stream, "sms.test", port));
    CHECK_TEXT(talk(stream, "ab\n"), "ba\n");
    stream.close();
  }
  const std::string chosen = "port=" + std::to_string(port);
  const Server impostor{"selfsigned", chosen.c_str()};
  CHECK_EQ(impostor.port(), port);
  CHECK_CODE(connect(stream, "sms.test", port), Code::tls);
  check_words(stream, "it is self-signed");
}

TEST(tls_stream_broken_off_without_close_notify_is_io) {
  const Server server{"ec", "broken"};
  TlsStream stream{context(), resolver()};
  CHECK_OK(connect(stream, "sms.test", server.port()));
  CHECK_TEXT(talk(stream, "abc\n"), "cba\n");
  std::uint8_t piece[8];
  Result<std::size_t> n = stream.read(piece);
  while (n.code() == Code::again) {
    wait(stream);
    n = stream.read(piece);
  }
  CHECK_CODE(n, Code::io);
  check_words(stream, "connection to sms.test (127.0.0.1 port ");
  check_words(stream, "broke");
}

TEST(tls_stream_carries_more_than_one_record_each_way) {
  const Server server{"ec"};
  TlsStream stream{context(), resolver()};
  CHECK_OK(connect(stream, "sms.test", server.port()));
  std::string line, reversed;
  for (unsigned n = 0; n < 40'000; ++n) line += static_cast<char>('a' + n % 26);
  reversed.assign(line.rbegin(), line.rend());
  CHECK_TEXT(talk(stream, line + "\n"), reversed + "\n");
}

TEST(tls_context_says_what_is_wrong_with_the_ca_file) {
  {
    TlsContext missing;
    CHECK_CODE(missing.open(scratch::path("no.pem")), Code::io);
    CHECK_TEXT(missing.problem(),
               "cannot open the CA file " + scratch::path("no.pem") + " (ca_file): no such file");
  }
  {
    scratch::write_file(scratch::path("empty.pem"), "# nothing\n");
    TlsContext empty;
    CHECK_CODE(empty.open(scratch::path("empty.pem")), Code::bad_value);
    CHECK(empty.problem().find("no certificate in PEM form") != std::string_view::npos);
  }
  {
    scratch::write_file(
        scratch::path("junk.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAA");
    TlsContext junk;
    CHECK_CODE(junk.open(scratch::path("junk.pem")), Code::bad_value);
    CHECK_EQ(junk.skipped(), 2);
    CHECK(junk.problem().find("cannot understand") != std::string_view::npos);
  }
}

#if defined(MBEDTLS_MEMORY_BUFFER_ALLOC_C)
TEST(tls_context_that_is_too_large_for_the_arena_says_so) {
  const std::string ca = scratch::read_file(certificates() + "/ca.pem");
  std::string many;
  for (unsigned n = 0; n < 200; ++n) many += ca;
  scratch::write_file(scratch::path("many.pem"), many);
  TlsContext large;
  CHECK_CODE(large.open(scratch::path("many.pem")), Code::full);
  CHECK(large.problem().find("name a file with only the CA of the service") != std::string_view::npos);
}
#endif

TEST(tls_context_opened_again_forgets_the_file_before) {
  TlsContext again;
  CHECK_OK(again.open(certificates() + "/ca.pem"));
  CHECK_CODE(again.open(scratch::path("no.pem")), Code::io);
  CHECK_EQ(again.authorities(), 0);
  TlsStream stream{again, resolver()};
  CHECK_CODE(connect(stream, "sms.test", 443), Code::io);
  CHECK_TEXT(stream.problem(), again.problem());
  CHECK_OK(again.open(certificates() + "/selfsigned.pem"));
  CHECK_EQ(again.authorities(), 1);
  CHECK_TEXT(again.problem(), "");
  check_accepted("selfsigned", "sms.test", again);
  check_refused("ec", "sms.test", again, "it is not signed by a CA in " + certificates() + "/selfsigned.pem");
}

TEST(tls_context_reads_a_bundle_wherever_its_pieces_fall) {
  const std::string ca = scratch::read_file(certificates() + "/ca.pem");
  const std::string other = scratch::read_file(certificates() + "/unknownca.pem");
  const std::string junk =
      "-----BEGIN CERTIFICATE-----\n" + std::string(9000, 'A') + "\n-----END CERTIFICATE-----\n";
  for (const std::size_t padding : {0U, 1U, 7000U, 8150U, 8170U, 8191U, 8192U, 20'000U}) {
    check::at("padding=%zu", padding);
    scratch::write_file(scratch::path("bundle.pem"),
                        std::string(padding, '#') + "\n" + ca + other + junk + ca);
    TlsContext bundle;
    CHECK_OK(bundle.open(scratch::path("bundle.pem")));
    CHECK_EQ(bundle.authorities(), 4);
    CHECK_EQ(bundle.skipped(), 1);
  }
}

}  // namespace

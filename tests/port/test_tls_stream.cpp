// SPDX-License-Identifier: MIT
// TLS: the way to a server, the handshake, what travels, the end, and sessions that are resumed. Whose
// certificate is accepted: test_tls_certificates.cpp.
#include <sys/ioctl.h>

#include "tls_bench.hpp"
#include "tocsin/base/crc32.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

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

// A way that loses all but small packets connects, and the handshake never comes to an end: the other address would
// never be tried.
TEST(tls_stream_address_that_only_connects_comes_last_the_next_time) {
  const Server server{"ec"};
  std::uint16_t port = server.port();
  const int listener = listen_on("127.0.0.2", port);
  TlsStream stream{context(), resolver()};
  for (unsigned n = 0; n < 2; ++n) {
    while (stream.phase() != Phase::handshaking || stream.want() != Want::readable) {
      CHECK_CODE(stream.connect({"localhost", port}), Code::again);
      if (stream.phase() != Phase::handshaking) wait(stream);
    }
    check_words(stream, "TLS with localhost (127.0.0.2 port ");
    stream.close();  // the deadline
    CHECK_OK(connect(stream, "localhost", port));
    CHECK_TEXT(talk(stream, "ab\n"), "ba\n");
    stream.close();  // and all is forgiven
  }
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
             "cannot connect to sms.test (127.0.0.1 port " + std::to_string(port) +
                 "): connection refused: nothing listens there, or a firewall refuses it");
  CHECK_CODE(connect(stream, "localhost", port), Code::io);
  CHECK_TEXT(stream.problem(), "cannot connect to localhost port " + std::to_string(port) +
                                   ": 127.0.0.2: connection refused; 127.0.0.1: connection refused: nothing listens "
                                   "there, or a firewall refuses it");
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

// Until the first message of the handshake is on its way and the server's is awaited.
void connect_until_hello(TlsStream& stream, std::uint16_t port) {
  while (stream.phase() != Phase::handshaking || stream.want() != Want::readable) {
    CHECK_CODE(stream.connect({"sms.test", port}), Code::again);
    if (stream.phase() != Phase::handshaking) wait(stream);
  }
}

TEST(tls_stream_silent_peer_stays_again_with_words) {
  std::uint16_t port = 0;
  const int listener = listen_on("127.0.0.1", port);
  TlsStream stream{context(), resolver()};
  connect_until_hello(stream, port);
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
  connect_until_hello(stream, port);
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

// A server that goes while its certificate is looked at, as it is refused: that is what has to be told.
TEST(tls_stream_refusal_says_why_when_its_alert_finds_nobody) {
  const Server server{"selfsigned", "tls1.2"};
  TlsStream stream{context(), resolver()};
  stream.heard(TlsStream::Heard::nothing);  // however fast it answers
  while (stream.phase() != Phase::handshaking || stream.want() != Want::readable) {
    CHECK_CODE(stream.connect({"sms.test", server.port()}), Code::again);
    if (stream.phase() != Phase::handshaking) wait(stream);
  }
  stream.heard(TlsStream::Heard::unknown);
  CHECK_EQ(::shutdown(stream.handle(), SHUT_WR), 0);  // behind ClientHello: what is sent now fails with EPIPE
  CHECK_CODE(connect(stream, "sms.test", server.port()), Code::tls);
  check_words(stream, "it is self-signed");
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

// Until so many bytes have come; returns how many.
int wait_for(const TlsStream& stream, int bytes) {
  int came = 0;
  do {
    pollfd readable{stream.handle(), POLLIN, 0};
    CHECK_EQ(::poll(&readable, 1, 60'000), 1);
    CHECK_EQ(::ioctl(stream.handle(), FIONREAD, &came), 0);
  } while (came < bytes);
  return came;
}

// What poll(2) said saves calls, and no more than that: what came is read in the next turn.
TEST(tls_stream_that_heard_nothing_does_not_look) {
  const Server server{"ec"};
  TlsStream stream{context(), resolver()};
  CHECK_OK(connect(stream, "sms.test", server.port()));
  CHECK_TEXT(talk(stream, "ab\n"), "ba\n");
  CHECK_OK(stream.write(as_bytes("cd\n")));
  wait_for(stream, 1);
  std::uint8_t piece[8];
  stream.heard(TlsStream::Heard::nothing);
  CHECK_CODE(stream.read(piece), Code::again);
  CHECK(stream.want() == Want::readable);
  stream.heard(TlsStream::Heard::unknown);
  const auto came = stream.read(piece);
  CHECK_OK(came);
  CHECK_TEXT(as_text({piece, came.value()}), "dc\n");
}

// Small records come several with one call. What was taken in and not asked for makes no socket readable: it is given,
// whatever was heard.
TEST(tls_stream_hands_over_what_it_took_in_ahead) {
  const Server server{"ec"};
  TlsStream stream{context(), resolver()};
  CHECK_OK(connect(stream, "sms.test", server.port()));
  CHECK_TEXT(talk(stream, "ab\n"), "ba\n");
  std::uint8_t piece[8];
  CHECK_OK(stream.write(as_bytes("ab\n")));
  const int record = wait_for(stream, 1);
  CHECK_OK(stream.read(piece));
  CHECK_OK(stream.write(as_bytes("cd\n")));
  CHECK_OK(stream.write(as_bytes("ef\n")));
  wait_for(stream, 2 * record);
  stream.heard(TlsStream::Heard::data);
  CHECK_OK(stream.read(piece));
  pollfd more{stream.handle(), POLLIN, 0};
  CHECK_EQ(::poll(&more, 1, 0), 0);
  const auto came = stream.read(piece);
  CHECK_OK(came);
  CHECK_TEXT(as_text({piece, came.value()}), "fe\n");
  // All was taken in when poll() had said that the end was not there yet: it is not looked for.
  CHECK_CODE(stream.read(piece), Code::again);
}

// A server that went while a request is written may have answered before: that is read, whatever was heard.
void check_that_it_looks_again() {
  const Server server{"ec", "broken"};
  TlsStream stream{context(), resolver()};
  CHECK_OK(connect(stream, "sms.test", server.port()));
  CHECK_OK(stream.write(as_bytes("ab\n")));
  wait_for(stream, 1);
  stream.heard(TlsStream::Heard::nothing);
  std::uint8_t piece[8];
  CHECK_CODE(stream.read(piece), Code::again);
  while (stream.write(as_bytes("cd\n")).ok()) {
  }
  CHECK_OK(stream.read(piece));
}

TEST(tls_stream_that_cannot_write_looks_again) { check_that_it_looks_again(); }

// Mbed TLS 3.6 would send first what it could not send, when a ticket of TLS 1.3 comes before the answer.
TEST(tls_stream_that_cannot_write_reads_behind_a_ticket) {
  if (MBEDTLS_VERSION_NUMBER < 0x03000000) _skip(__FILE__, __LINE__);
  check_that_it_looks_again();
}

// Mbed TLS 3.6 sends what is left of a record when a ticket of TLS 1.3 comes, and has forgotten it: the next write
// would send the same once more, in the middle of a request.
TEST(tls_stream_record_under_way_when_a_ticket_comes_goes_once) {
  if (MBEDTLS_VERSION_NUMBER < 0x03000000) _skip(__FILE__, __LINE__);
  const Server server{"ec", "tls1.3 late"};
  TlsStream stream{context(), resolver()};
  CHECK_OK(connect(stream, "sms.test", server.port()));
  std::uint32_t crc = 0;
  std::string piece;
  const auto write = [&] {
    const auto n = stream.write(as_bytes(piece));
    if (n.ok()) crc = crc32(crc, as_bytes(piece).first(n.value()));
    return n;
  };
  unsigned pieces = 0;
  Result<std::size_t> wrote = 0;
  for (; wrote.ok(); wrote = write()) piece = std::to_string(++pieces) + std::string(3000, '.');
  CHECK_CODE(wrote, Code::again);
  server.go_on();
  wait_for(stream, 1);
  std::uint8_t answer[16];
  CHECK_CODE(stream.read(answer), Code::again);
  for (wrote = write(); wrote.code() == Code::again; wrote = write()) wait(stream);
  CHECK_OK(wrote);
  CHECK_TEXT(talk(stream, "end\n"), std::to_string(crc) + "\n");
}

// With TLS 1.3 the server looks at the device's certificate when the device may be sending already: what it sent was
// not looked at.
TEST(tls_stream_of_a_server_that_wants_another_certificate_is_refused) {
  if (MBEDTLS_VERSION_NUMBER < 0x03000000) _skip(__FILE__, __LINE__);
  const Server server{"ec", ("tls1.3 client=" + certificates() + "/ca.pem").c_str()};
  TlsStream stream{context(), resolver()};
  CHECK_OK(connect(stream, "sms.test", server.port()));
  std::uint8_t piece[16];
  auto came = stream.read(piece);
  for (; came.code() == Code::again; came = stream.read(piece)) wait(stream);
  CHECK_CODE(came, Code::refused);
  check_words(stream, "the server refused the handshake (alert 116): it wants a client certificate (client_cert_file)");
}

// Mbed TLS 3.6.6 means the same by its error for a cipher that nobody asked for as by that of its flaw (kPssFlaw): TLS 1.2
// alone is tried then. Whoever changes one answer must not keep a service that speaks 1.3 alone out of reach for good.
TEST(tls_stream_that_one_changed_answer_sent_to_tls_1_2_comes_back) {
  if (!kPssFlaw) _skip(__FILE__, __LINE__);  // of that library alone
  std::uint16_t port = 0;
  const int listener = listen_on("127.0.0.1", port);
  TlsStream stream{context(), resolver()};
  std::string hello("\x16\x03\x03\0\x5a\x02\0\0\x56\x03\x03", 11);
  hello += std::string(32, '\x11') + std::string("\0\x13\x04\0\0\x2e\0\x2b\0\x02\x03\x04\0\x33\0\x24\0\x1d\0\x20", 20);
  hello += std::string(32, '\x22');
  const std::string too_old("\x15\x03\x03\0\x02\x02\x46", 7);
  for (const std::string& answer : {hello, too_old}) {
    while (stream.phase() != Phase::handshaking || stream.want() != Want::readable) {
      CHECK_CODE(stream.connect({"sms.test", port}), Code::again);
      if (stream.phase() != Phase::handshaking) wait(stream);
    }
    const int peer = ::accept(listener, nullptr, nullptr);
    char asked[2048];
    CHECK(::recv(peer, asked, sizeof asked, 0) > 0);
    CHECK_EQ(::send(peer, answer.data(), answer.size(), 0), static_cast<ssize_t>(answer.size()));
    wait(stream);
    if (answer == hello) CHECK_CODE(stream.connect({"sms.test", port}), Code::again);
    if (answer == too_old) CHECK_CODE(connect(stream, "sms.test", port), Code::tls);
    ::close(peer);
  }
  check_words(stream, "alert 70");
  ::close(listener);

  const Server server{"ec", ("tls1.3 port=" + std::to_string(port)).c_str()};
  CHECK_OK(connect(stream, "sms.test", port));
  CHECK_TEXT(talk(stream, "ab\n"), "ba\n");
}

}  // namespace

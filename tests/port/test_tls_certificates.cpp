// SPDX-License-Identifier: MIT
// TLS: which certificates are accepted, what is said of the others, and the file of authorities that they
// are judged by. What comes before and after that: test_tls_stream.cpp.
#include "tls_bench.hpp"

using namespace tocsin;
using namespace tls_bench;

namespace {

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
  check_refused("future", "sms.test", by,
                "the clock is wrong (1970-01-01), set it or enable NTP: it is not valid before 2037-01-01 (this "
                "device's clock is not set; judged by 20");
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

TEST(tls_context_says_what_is_wrong_with_the_ca_file) {
  {
    TlsContext missing;
    CHECK_CODE(missing.open(scratch::path("no.pem")), Code::io);
    CHECK_TEXT(missing.problem(),
               "cannot open the CA file " + scratch::path("no.pem") + ": no such file; look at ca_file");
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

// More than the arena holds, and than a system has.
TEST(tls_context_takes_no_memory_for_authorities) {
  const std::string ca = scratch::read_file(certificates() + "/ca.pem");
  std::string many;
  for (unsigned n = 0; n < 2000; ++n) many += ca;
  scratch::write_file(scratch::path("many.pem"), many);
  static TlsContext large;
  CHECK_OK(large.open(scratch::path("many.pem")));
  CHECK_EQ(large.authorities(), 2000);
  check_accepted("chain", "sms.test", large);
}

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

// SPDX-License-Identifier: MIT
// Whom a chain of certificates is believed by: authorities searched in the file, chains that are odd, and chains
// that somebody made up. With real servers: test_tls_certificates.cpp.
#include "port/linux/ca_file.hpp"
#include "port/linux/server_name.hpp"
#include "trust_bench.hpp"

using namespace tocsin;
using namespace trust_bench;

namespace {

const std::string kUnknown = "it is not signed by a CA in ";
const std::string kWeak = "too weak";

TEST(trust_finds_the_authority_wherever_it_is_in_the_file) {
  check_passes("good", "root");
  check_passes("good", "old twin inter root noca");
  check_passes("good", "root old twin inter noca");
  check_fails("good", "old inter noca", kUnknown);
}

TEST(trust_tries_every_authority_of_one_name) {
  check_passes("good", "twin root");
  check_passes("good", "root twin");
  check_passes("good", "twin cross root twin");
  check_fails("good", "twin", kUnknown);
}

TEST(trust_of_longer_chains_ends_at_the_first_authority_of_the_file) {
  check_passes("viainter inter", "root");
  check_passes("viainter inter root", "root");  // it sends the root, too
  check_passes("viainter inter", "inter");      // the intermediate is the anchor
  check_passes("viainter", "inter");            // and need not be sent
  check_passes("viainter inter root", "inter");
  check_passes("crossleaf inter2 inter", "root");
  check_fails("viainter", "root", "its issuer is 'ca inter'");
  check_fails("crossleaf inter2", "root", "its issuer is 'ca inter'");
  check_fails("crossleaf inter", "root", kUnknown);  // the one between is missing
}

TEST(trust_does_not_mind_a_cross_signed_root_that_nobody_knows) {
  check_passes("good cross", "root");
  check_passes("good cross", "root old");  // and whose other signer has expired
  check_passes("good cross old", "root");
  check_passes("viainter inter cross old", "root");
  check_fails("good cross", "old", "the certificate of its CA expired on 2025-01-01");
  check_fails("good cross old", "twin", kUnknown);
}

TEST(trust_is_not_had_by_a_name_alone) {
  check_fails("bytwin", "root", kUnknown);
  check_fails("bytwin twin", "root", kUnknown);       // it sends its own root of that name
  check_fails("bytwin root", "root", kUnknown);       // or the right one
  check_fails("viainter forged", "root", kUnknown);   // the right intermediate's key, signed by the wrong root
  check_fails("viainter forged twin", "root", kUnknown);
  check_fails("good", "forged", kUnknown);
}

TEST(trust_is_not_had_from_what_may_not_sign) {
  check_fails("bynoca", "noca", kUnknown);
  check_fails("bynosign", "nosign", kUnknown);
  check_fails("byleaf", "good", kUnknown);
  check_fails("byleaf good", "root", kUnknown);
  check_fails("byv1", "v1", kUnknown);  // version 1 has no word about it
}

// Whoever answers in the server's place chooses it: a chain of keys of 8,192 bits with exponents as long held the
// program for 1.4 s on a PC. Debian's library has no limit.
TEST(trust_does_not_take_an_rsa_key_with_an_exponent_made_to_be_slow) {
#if defined(TOCSIN_MBEDTLS_TRIMMED_H)
  check_fails("byslow slow", "root", "not a certificate");
  check_fails("byslow", "slow", "its issuer is 'ca slow'");
#else
  check_passes("byslow slow", "root");
#endif
}

TEST(trust_goes_no_further_down_than_the_authority_says) {
  check_passes("path0leaf", "path0");
  check_fails("path0deep path0inter", "path0", kUnknown);
  check_passes("path1leaf path1inter", "path1");
}

TEST(trust_needs_strong_keys_and_signatures_all_the_way) {
  check_fails("by1024", "root1024", kWeak);
  check_fails("byinter1024 inter1024", "root", kWeak);
  check_fails("rsa1024leaf", "root", kWeak);
  if (judge("p224leaf", "root").words != "not a certificate") check_fails("p224leaf", "root", kWeak);
  CHECK(!judge("p224leaf", "root").passed);
  check_fails("sha1leaf", "root", kWeak);
  check_fails("bysub sub", "root", kWeak);
  check_passes("bysub sub", "sub");  // an authority of the file: nobody needs its signature
}

// Mbed TLS would pass over one that is out of date, once it has checked a signature with it: a peer that nobody has
// verified would choose how many (port/linux/no_dates.cpp).
TEST(trust_looks_at_one_certificate_of_a_name_and_no_more) {
  check_passes("viainter inter late", "root");
  check_fails("viainter late inter", "root", kUnknown);
  check_passes("viainter late inter", "inter");  // the authority is found all the same
}

TEST(trust_ends_with_the_authority) {
  check_fails("bygone", "gone",
              "the certificate of its CA expired on 2025-01-01 (this device's clock says 2026-11-18)");
  check_fails("bygone", "gone", ": update ca_file");
  // One that the server sends is not the device's to mend.
  check_fails("viainter stale", "root",
              "the certificate of its CA expired on 2025-01-01 (this device's clock says 2026-11-18): the server needs a new");
  Setting then;
  then.at_ms = 1'710'000'000'000;  // 2024-03-09
  check_passes("bygone", "gone", then);
  then.at_ms = 1'500'000'000'000;
  check_fails("good", "root", "is not valid before 2024-01-01", then);
}

TEST(trust_in_one_server_can_be_had_by_its_own_certificate) {
  check_passes("lone", "lone");
  check_passes("lone", "root lone");
  check_fails("lone", "root", "it is self-signed and not in ");
  check_fails("good lone", "lone", kUnknown);
  Setting other;
  other.host = "other.test";
  check_fails("lone", "lone", "it is for sms.test, not for other.test", other);
}

TEST(trust_with_any_bit_of_a_signature_turned_is_lost) {
  // Turned in the text: base64 stays base64.
  const std::string good = pem("good");
  const std::string file = write_bundle(pem("root"));
  const std::size_t end = good.find("\n-----END");
  unsigned tried = 0;
  for (std::size_t at = end - 100; at < end - 4; ++at) {
    if (good[at] == '\n' || good[at] == '=') continue;
    std::string bad = good;
    bad[at] = bad[at] == 'A' ? 'B' : 'A';
    check::at("at=%zu", at);
    CHECK(!judge_pem(bad, file).passed);
    ++tried;
  }
  CHECK(tried > 80);
}

TEST(trust_without_the_servers_own_certificate_is_no_trust) {
  mbedtls_x509_crt root;
  mbedtls_x509_crt_init(&root);
  const std::string text = pem("root");
  CHECK(parse_pem(text, root));
  const std::string file = write_bundle(text);
  CertificateVerdict verdict;
  Clocks clocks;
  clocks.wall = UnixMillis{1'795'000'000'000};
  clocks.wall_trusted = true;
  verdict.begin(clocks, "sms.test", nullptr, {file, nullptr, nullptr});
  CHECK(!verdict.passed());
  std::uint32_t flags = MBEDTLS_X509_BADCERT_NOT_TRUSTED;
  verdict.judge(root, 2, flags);
  CHECK_EQ(flags, 0);  // kept, until the last one comes
  CHECK(!verdict.passed());
  verdict.judge(root, 0, flags);  // one is left out
  CHECK(flags != 0);
  CHECK(!verdict.passed());
  for (const int depth : {-1, 10, 1000}) {
    verdict.begin(clocks, "sms.test", nullptr, {file, nullptr, nullptr});
    flags = 0;
    verdict.judge(root, depth, flags);
    CHECK(flags != 0);
    CHECK(!verdict.passed());
  }
  mbedtls_x509_crt_free(&root);
}

// What Mbed TLS has instead of a server's certificate whose algorithm it does not know.
TEST(trust_is_not_had_by_an_empty_certificate) {
  mbedtls_x509_crt empty;
  mbedtls_x509_crt_init(&empty);
  const Outcome outcome = judge_sent(empty, write_bundle(pem("root")));
  CHECK(!outcome.passed);
  CHECK(outcome.words.find("of an unknown kind") != std::string::npos);

  mbedtls_x509_crt nobody;
  make_nobody(nobody);
  std::uint32_t flags = 0;
  mbedtls_x509_crt_verify(&empty, &nobody, nullptr, nullptr, &flags, nullptr, nullptr);
  CHECK((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0);  // by Mbed TLS alone
}

TEST(trust_in_a_file_that_went_away_says_so) {
  const Outcome outcome = judge_pem(pem("good"), scratch::path("gone.pem"));
  CHECK(!outcome.passed);
  CHECK_TEXT(outcome.words, "cannot read the CA file " + scratch::path("gone.pem") + " (ca_file): no such file");
}

TEST(trust_is_not_had_by_a_client_or_by_a_common_name) {
  check_fails("cnonly", "root", "it is for nobody (it has no subjectAltName), not for sms.test");
  check_fails("uri", "root", "not for sms.test");
  Setting host;
  host.host = "a.sms.test";
  check_passes("star", "root", host);
  host.host = "sms.test";
  check_fails("star", "root", "it is for *.test, *.sms.test, not for sms.test", host);
  host.host = "a.b.sms.test";
  check_fails("star", "root", "not for a.b.sms.test", host);
}

TEST(server_names_match_as_rfc_9525_says) {
  struct Case {
    const char* pattern;
    const char* host;
    bool matches;
  };
  const Case cases[] = {
      {"sms.test", "sms.test", true},
      {"SMS.Test", "sms.tEST", true},
      {"sms.test", "sms.tes", false},
      {"sms.test", "sms.test.evil", false},
      {"sms.test", "x.sms.test", false},
      {"sms.test.", "sms.test", false},
      {"*.sms.test", "a.sms.test", true},
      {"*.SMS.test", "A.sms.TEST", true},
      {"*.sms.test", "sms.test", false},
      {"*.sms.test", ".sms.test", false},
      {"*.sms.test", "a.b.sms.test", false},
      {"*.sms.test", "asms.test", false},
      {"a*.sms.test", "ab.sms.test", false},
      {"*a.sms.test", "ba.sms.test", false},
      {"a.*.test", "a.sms.test", false},
      {"*.*.test", "a.sms.test", false},
      {"*", "localhost", false},
      {"*.", "a.", false},
      {"*.test", "sms.test", false},  // a whole top-level domain
      {"*.test.", "sms.test.", false},
      {"*", "*", false},
      {"*.sms.test", "xn--caf-dma.sms.test", true},
      {"xn--caf-dma.sms.test", "XN--caf-dma.sms.test", true},
      {"xn--*.sms.test", "xn--caf-dma.sms.test", false},
      {"", "", false},
      {"", "a", false},
      {"127.0.0.1", "127.0.0.1", true},  // only ever asked for names: see names_address
      {"*.0.0.1", "127.0.0.1", true},
  };
  for (const Case& one : cases) {
    check::at("%s for %s", one.pattern, one.host);
    CHECK_EQ(matches_host(one.pattern, one.host), one.matches);
  }
  CHECK(!matches_host(std::string_view("sms.test\0.evil.test", 19), "sms.test"));
  CHECK(!matches_host(std::string_view("sms.test\0", 9), "sms.test"));
}

TEST(ca_file_finds_the_subject_that_mbed_tls_finds) {
  unsigned seen = 0;
  std::string text = pem("root twin inter good path1leaf v1 rsa1024leaf");
  const std::string system = scratch::read_file("/etc/ssl/certs/ca-certificates.crt");
  CaFile file;
  CHECK_OK(file.open(write_bundle(text + system)));
  for (;;) {
    const auto der = file.next();
    if (der.code() == Code::not_found) break;
    CHECK_OK(der);
    mbedtls_x509_crt whole;
    mbedtls_x509_crt_init(&whole);
    CHECK_EQ(mbedtls_x509_crt_parse_der(&whole, der.value().data(), der.value().size()), 0);
    CHECK(same(subject_of(der.value()), Bytes(whole.subject_raw.p, whole.subject_raw.len)));
    mbedtls_x509_crt_free(&whole);
    for (std::size_t cut = 0; cut < der.value().size() && seen < 8; ++cut) {
      std::string less(reinterpret_cast<const char*>(der.value().data()), cut);
      static_cast<void>(subject_of(as_bytes(less)));
    }
    ++seen;
  }
  CHECK(seen >= 7);
}

TEST(trust_in_the_systems_bundle_is_searched_in_little_memory) {
  // 200 certificates of the size that Debian's have, the right one last.
  std::string text;
  for (unsigned n = 0; n < 200; ++n) text += pem("twin");
  const std::string file = write_bundle(text + pem("root"));
  CHECK(judge_pem(pem("good"), file).passed);
}

}  // namespace

// SPDX-License-Identifier: MIT
// What narrows trust: pinned keys, revocation lists, and a clock that cannot be believed.
#include <cstdlib>

#include "trust_bench.hpp"

using namespace tocsin;
using namespace trust_bench;

namespace {

// As openssl makes it, not as we do.
std::string pin(const std::string& name) {
  const std::string at = chains() + "/" + name + ".pem", out = scratch::path("pin");
  const std::string command = "openssl x509 -in " + at + " -pubkey -noout | openssl pkey -pubin -outform DER | "
                              "openssl dgst -sha256 -binary | openssl base64 > " + out;
  if (std::system(command.c_str()) != 0) std::abort();
  return scratch::read_file(out).substr(0, 44);
}

Setting with_pins(const std::string& pins) {
  Setting setting;
  setting.pins = pins;
  return setting;
}
Setting with_list(const std::string& name) {
  Setting setting;
  setting.crl = chains() + "/" + name;
  return setting;
}

TEST(pin_of_any_key_of_the_chain_is_enough) {
  check_passes("viainter inter", "root", with_pins(pin("viainter")));
  check_passes("viainter inter", "root", with_pins("sha256//" + pin("inter")));
  check_passes("viainter inter", "root", with_pins("sha256/" + pin("root")));
  check_passes("viainter inter", "root", with_pins(pin("old") + ", " + pin("root")));
  check_passes("lone", "lone", with_pins(pin("lone")));
}

TEST(pin_of_another_key_refuses_and_tells_the_servers) {
  check_fails("viainter inter", "root", "no key of its chain is in pin_sha256; its own is " + pin("viainter"),
              with_pins(pin("good")));
  // A certificate that the server sends, but that does not vouch for it, has no say.
  check_fails("good twin", "root", "no key of its chain is in pin_sha256", with_pins(pin("twin")));
  check_fails("viainter inter root cross", "inter", "no key of its chain", with_pins(pin("root")));
}

TEST(pin_is_never_instead_of_verification) {
  check_fails("bytwin", "root", "not signed by a CA", with_pins(pin("bytwin")));
  check_fails("lone", "root", "self-signed", with_pins(pin("lone")));
  check_fails("bygone", "gone", "expired", with_pins(pin("bygone")));
  check_fails("uri", "root", "not for sms.test", with_pins(pin("uri")));
}

// One key in 64 has such a pin: behind "sha256/" its first digit was taken for the second slash.
TEST(pin_that_begins_with_a_slash_is_read_with_either_prefix) {
  const std::string slashes = std::string(42, '/') + "8=";  // 32 bytes of ones
  for (const char* prefix : {"", "sha256/", "sha256//"}) {
    check::at("prefix=%s", prefix);
    Pins pins;
    CHECK_OK(parse_pins(prefix + slashes, pins));
    CHECK_EQ(pins.count, 1);
    for (const std::uint8_t byte : pins.list[0].sha256) CHECK_EQ(byte, 0xFF);
  }
  Pins none;
  CHECK_CODE(parse_pins("/" + slashes, none), Code::bad_value);
  CHECK_CODE(parse_pins("sha256///" + slashes, none), Code::bad_value);
}

TEST(pin_is_written_as_it_is_read) {
  for (const char* name : {"root", "good", "twin"}) {
    Pins pins;
    CHECK_OK(parse_pins(pin(name), pins));
    char text[64];
    TextWriter writer{text};
    write_pin(pins.list[0], writer);
    CHECK_TEXT(writer.view(), pin(name));
  }
}

TEST(revocation_list_refuses_what_is_on_it) {
  check_passes("good", "root", with_list("empty.crl"));
  check_passes("good", "root", with_list("full.crl"));
  check_passes("good", "root", with_list("full.der"));
  check_fails("revoked", "root", "it is revoked (crl_file)", with_list("full.crl"));
  check_fails("revoked", "root", "it is revoked (crl_file)", with_list("full.der"));
  check_passes("revoked", "root", with_list("empty.crl"));
  check_passes("revoked", "root");  // nobody asked
}

TEST(revocation_list_of_several_authorities_is_one_file) {
  scratch::write_file(scratch::path("both.crl"), scratch::read_file(chains() + "/full.crl") + "some words\n" +
                                                     scratch::read_file(chains() + "/interlist.crl"));
  Setting setting;
  setting.crl = scratch::path("both.crl");
  check_passes("good", "root", setting);
  check_fails("revoked", "root", "it is revoked", setting);
  check_fails("viainter inter", "root", "it is revoked", setting);
  check_fails("viainter inter", "inter", "it is revoked", setting);
}

TEST(revocation_list_that_is_no_proof_refuses) {
  check_fails("good", "root",
              "the revocation list of its CA ended on 2025-01-01 (this device's clock says 2026-11-18): put",
              with_list("ended.crl"));
  check_fails("good", "root", "is not signed by its CA", with_list("forgedlist.crl"));
  check_fails("good", "root", "crl_file has no revocation list of its issuer 'ca root': add it", with_list("interlist.crl"));
  check_fails("viainter inter", "root", "crl_file has no revocation list of its issuer 'ca inter': add it", with_list("full.crl"));
  // Who is not trusted has another trouble: the issuer that is named is the one that nobody knows.
  check_fails("viainter inter", "old", "its issuer is 'ca root'", with_list("empty.crl"));
  Setting then = with_list("ended.crl");
  then.at_ms = 1'710'000'000'000;  // 2024-03-09
  check_passes("good", "root", then);
  CHECK_EQ(judge("good", "root", then).dates.until.ms, 1'735'689'600'999);  // the list's end, not the certificate's
}

TEST(revocation_list_that_cannot_be_read_says_so) {
  char memory[400];
  const auto refused = [&](const std::string& path, Code code, const std::string& words) {
    CrlFile lists;
    TextWriter why{memory};
    CHECK_CODE(lists.read(path, why), code);
    check::at("%s: %s", path.c_str(), std::string(why.view()).c_str());
    CHECK(why.view().find(words) != std::string_view::npos);
    CHECK(lists.lists() == nullptr);
  };
  refused(scratch::path("no.crl"), Code::io, ": no such file; look at crl_file");
  scratch::write_file(scratch::path("bad.crl"), "");
  refused(scratch::path("bad.crl"), Code::bad_value, "is not X.509 in PEM or DER, at most 16 KiB each; look at crl_file");
  scratch::write_file(scratch::path("bad.crl"), "0 and more of the like");
  refused(scratch::path("bad.crl"), Code::bad_value, "is not X.509 in PEM or DER, at most 16 KiB each; look at crl_file");
  scratch::write_file(scratch::path("bad.crl"), pem("root"));
  refused(scratch::path("bad.crl"), Code::bad_value, "is not X.509 in PEM or DER, at most 16 KiB each; look at crl_file");
  scratch::write_file(scratch::path("bad.crl"),
                      scratch::read_file(chains() + "/full.crl") + "-----BEGIN X509 CRL-----\nAA");
  refused(scratch::path("bad.crl"), Code::bad_value, "is not X.509 in PEM or DER, at most 16 KiB each; look at crl_file");
  scratch::write_file(scratch::path("bad.crl"), scratch::read_file(chains() + "/full.der") + std::string(17000, 'x'));
  refused(scratch::path("bad.crl"), Code::bad_value, "at most 16 KiB");
}

TEST(revocation_list_is_read_again_when_its_file_changed) {
  const std::string path = scratch::path("now.crl");
  scratch::write_file(path, scratch::read_file(chains() + "/empty.crl"));
  CrlFile lists;
  char memory[400];
  TextWriter why{memory};
  CHECK_OK(lists.read(path, why));
  const FileId first = lists.id();
  CHECK_OK(lists.read(path, why));
  CHECK(lists.id() == first);
  scratch::write_file(scratch::path("new.crl"), scratch::read_file(chains() + "/full.crl"));
  CHECK_EQ(std::rename(scratch::path("new.crl").c_str(), path.c_str()), 0);
  CHECK_OK(lists.read(path, why));
  CHECK(!(lists.id() == first));
  CHECK(lists.lists()->entry.serial.len > 0);
  CHECK_EQ(::unlink(path.c_str()), 0);
  CHECK_CODE(lists.read(path, why), Code::io);  // gone: not known any more, which is not the same as none
  CHECK_CODE(lists.read(path, why), Code::io);
  CHECK_OK(lists.read("", why));
  CHECK(lists.lists() == nullptr);
}

TEST(clock_that_is_not_set_is_named_when_it_is_the_reason) {
  Setting unset;
  unset.clock_set = false;
  unset.at_ms = 60'000;
  check_passes("good", "root", unset);  // judged by when this program was built
  check_fails("bygone", "gone",
              "the certificate of its CA expired on 2025-01-01 (this device's clock is not set; judged by 20", unset);
  raise_clock_floor(UnixMillis{2'200'000'000'000}, FloorFrom::record);  // 2039-09-18
  check_fails("good", "root",
              "expired on 2035-12-31 (this device's clock is not set; judged by 2039-09-18, when a message", unset);
  raise_clock_floor(UnixMillis{4'300'000'000'000}, FloorFrom::service);  // 2106-04-06: above 32 bits
  check_fails("good", "root", "judged by 2106-04-06, as the service said last)", unset);
  Setting early = unset;
  early.clock_set = true;
  early.at_ms = 1'600'000'000'000;
  check_fails("good", "root",
              "not valid before 2024-01-01 (this device's clock says 2020-09-13): check the clock", early);
}

}  // namespace

// SPDX-License-Identifier: MIT
// Redirects: what is followed, and that nothing else is, whatever is written there.
#include <string>

#include "check.hpp"
#include "fakes/guard_page.hpp"
#include "table.hpp"
#include "tocsin/base/text.hpp"
#include "tocsin/limits.hpp"
#include "tocsin/wire/http_location.hpp"
#include "tocsin/wire/http_request.hpp"

using namespace tocsin;

namespace {

// Both of them end before guard pages.
std::string followed(std::string_view location, std::string_view host = "sms.test", std::uint16_t port = 443) {
  static GuardPage locations(8192), hosts(4096);
  const auto target = redirect_target(locations.put(location), hosts.put(host), port);
  return target.ok() ? std::string(target.value()) : std::string("refused: ") + word(target.code());
}

void expect(std::string_view location, std::string_view want, std::string_view host = "sms.test",
            std::uint16_t port = 443) {
  const std::string got = followed(location, host, port);
  check::row("of " + std::string(host) + ": Location: " + std::string(location), want, got);
  CHECK_TEXT(std::string(location) + " " + got, std::string(location) + " " + std::string(want));
}

TEST(location_within_the_service_is_followed) {
  expect("https://sms.test/v2/simple_send/", "/v2/simple_send/");
  expect("HTTPS://SMS.Test:443/v2", "/v2");
  expect("https://sms.test:/v2", "/v2");
  expect("//sms.test/v2", "/v2");
  expect("/v2/simple_send/?a=b&c=%2F", "/v2/simple_send/?a=b&c=%2F");
  expect("/v2#part", "/v2");
  expect("https://sms.test", "/");
  expect("https://sms.test#part", "/");
  expect("https://sms.test:8443/v2", "/v2", "sms.test", 8443);
  expect("https://[2001:DB8::1]:8443/v2", "/v2", "2001:db8::1", 8443);
  expect("https://[2001:db8::1]/v2", "/v2", "2001:db8::1");
  expect("/a/../b//c/@:1", "/a/../b//c/@:1");
}

TEST(location_that_leaves_the_service_is_not_followed) {
  for (const char* location : {"http://sms.test/v2",
                               "https://evil.test/v2",
                               "https://sms.test.evil.test/",
                               "https://sms.tes/",
                               "https://xsms.test/",
                               "//evil.test/v2",
                               "https://sms.test:8443/v2",
                               "https://sms.test:80443/",
                               "https://sms.test:0/",
                               "https://user@sms.test/",
                               "https://sms.test@evil.test/",
                               "https://sms.test:443@evil.test/",
                               "https://evil.test\\@sms.test/",
                               "https://sms.test\\.evil.test/",
                               "https://sms.test./",
                               "https://[sms.test]/",
                               "https://sms.test%2eevil/",
                               "https://",
                               "https:///v2",
                               "///v2",
                               "https:/v2",
                               "https:v2",
                               "ftp://sms.test/",
                               "javascript:alert(1)",
                               "https://sms.test:44 3/",
                               "https://sms.test:+443/",
                               "https://sms.test:443:443/",
                               "https:// sms.test/",
                               "mailto:a@sms.test"})
    expect(location, "refused: not found");
  expect("https://2001:db8::1/v2", "refused: not found", "2001:db8::1");
  expect("https://[2001:db8::2]/v2", "refused: not found", "2001:db8::1");
  expect("https://[2001:db8::1/v2", "refused: not found", "2001:db8::1");
}

TEST(location_that_is_no_address_is_not_followed) {
  using namespace std::string_view_literals;
  for (const std::string_view location : {""sv,
                                          "v2"sv,
                                          "?a=b"sv,
                                          "#x"sv,
                                          "../v2"sv,
                                          "/v 2"sv,
                                          "/v2\r\nX: y"sv,
                                          "/v2\0"sv,
                                          "/v\t2"sv,
                                          "/\xC3\xA4"sv,
                                          "/%"sv,
                                          "/%2"sv,
                                          "/%2g"sv,
                                          "/a\"b"sv,
                                          "/a<b"sv,
                                          "/a\\b"sv,
                                          "/a^b"sv,
                                          "/a`b"sv,
                                          "/a{b}"sv,
                                          "/a|b"sv,
                                          "/\x7F"sv,
                                          "https://sms.test?a=b"sv})
    expect(location, "refused: bad value");
  expect("/" + std::string(kMaxTarget - 1, 'a'), "/" + std::string(kMaxTarget - 1, 'a'));
  expect("/" + std::string(kMaxTarget, 'a'), "refused: too big");
  expect("/#" + std::string(5000, 'a'), "refused: too big");
}

// Every byte at every place of a good one, and every end: what is followed can be sent and is of the same service.
TEST(location_with_any_byte_anywhere_is_harmless) {
  const std::string good = "https://sms.test:443/v2/a?b=%2F#c";
  std::uint8_t head_bytes[kRequestHeadBytes];
  GuardPage page(64);
  const auto look = [&](const std::string& location) {
    check::at("%s", location.c_str());
    const auto target = redirect_target(page.put(std::string_view{location}), "sms.test", 443);
    if (target.ok()) {
      HttpRequest request;
      request.target = target.value();
      request.host = "sms.test";
      CHECK_OK(write_request_head(request, 1, head_bytes));
      const bool whole = location.size() > 8 && location[0] != '/';
      CHECK(!whole || same_ignoring_case(head(location, 16), "https://sms.test"));
    }
  };
  for (std::size_t at = 0; at <= good.size(); ++at) {
    look(good.substr(0, at));
    look(good.substr(at));
    for (unsigned byte = 0; byte < 256; ++byte) {
      std::string changed = good, longer = good;
      if (at < good.size()) changed[at] = static_cast<char>(byte);
      longer.insert(at, 1, static_cast<char>(byte));
      look(changed);
      look(longer);
    }
  }
}

}  // namespace

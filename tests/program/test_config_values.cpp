// SPDX-License-Identifier: MIT
// One value at a time: what is taken, at its bounds and beyond. The file as a whole: test_config.cpp.
#include "config_bench.hpp"
#include "fakes/guard_page.hpp"
#include "src/program/config_values.hpp"
#include "table.hpp"
#include "tocsin/wire/http_request.hpp"

using namespace tocsin;
using namespace config_bench;

TEST(config_queue_size_is_rounded_down_to_two_blocks) {
  struct Case {
    const char* written;
    std::uint32_t bytes;
  };
  for (const Case& c : {Case{"64K", 65536},
                        {"65k", 65536},
                        {"71K", 65536},
                        {"72K", 73728},
                        {"32M", 33554432},
                        {"1m", 1048576}}) {
    check::at("size=%s", c.written);
    CHECK_TEXT(read("[device]\nname = d\nqueue_size = " + std::string{c.written} + "\n" + kStream), "");
    CHECK_EQ(config.device.queue_bytes, c.bytes);
  }
  for (const char* bad :
       {"63K", "33M", "0K", "K", "512", "512KB", "-1M", "1.5M", "99999999999999999999M", "512 K", "1G"}) {
    check::at("size=%s", bad);
    CHECK(!read("[device]\nname = d\nqueue_size = " + std::string{bad} + "\n" + kStream).empty());
    CHECK_EQ(errors.count(), 1);
    CHECK_EQ(errors.entry(0).line, 3);
  }
}

TEST(config_durations_at_their_bounds_are_taken_and_beyond_refused) {
  struct Case {
    const char* key;
    const char* good[2];
    const char* bad[2];
  };
  for (const Case& c : {Case{"timeout", {"5s", "5m"}, {"4999ms", "301s"}},
                        {"retry_min", {"1s", "15m"}, {"999ms", "25h"}},
                        {"retry_max", {"5s", "24h"}, {"4s", "1441m"}},
                        {"status_for", {"1m", "30d"}, {"59s", "721h"}},
                        {"status_for", {"off", "24h"}, {"never", "31d"}},
                        {"fallback_after", {"10s", "7d"}, {"9s", "169h"}},
                        {"fallback_after", {"10s", "10m"}, {"off", "0s"}},
                        {"undelivered_after", {"10s", "24h"}, {"9s", "169h"}},
                        {"undelivered_after", {"off", "10m"}, {"none", "0s"}}}) {
    for (const char* value : c.good) {
      check::at("key=%s value=%s", c.key, value);
      CHECK_TEXT(read(kDevice + kStream + c.key + " = " + value + "\n"), "");
    }
    for (const char* value : c.bad) {
      check::at("key=%s value=%s", c.key, value);
      CHECK(!read(kDevice + kStream + c.key + " = " + value + "\n").empty());
      CHECK_EQ(errors.count(), 1);
      CHECK_EQ(errors.entry(0).line, 6);
    }
  }
  for (const Case& c : {Case{"[class info]\nexpire", {"1m", "365d"}, {"59s", "366d"}},
                        {"[class info]\nexpire", {"never", "1d"}, {"off", "0s"}},
                        {"[account]\napi_key_file = /k\nreplies_every", {"10s", "1h"}, {"9s", "61m"}},
                        {"[account]\napi_key_file = /k\nreplies_every", {"off", "1m"}, {"never", "0s"}}}) {
    for (const char* value : c.good) CHECK_TEXT(read(kDevice + kStream + c.key + " = " + value + "\n"), "");
    for (const char* value : c.bad) CHECK(!read(kDevice + kStream + c.key + " = " + value + "\n").empty());
  }
  for (const char* value : {"1h", "3650d", "unlimited"})
    CHECK_TEXT(read("[device]\nname = d\nhistory = " + std::string{value} + "\n" + kStream), "");
  for (const char* value : {"59m", "3651d", "never"})
    CHECK(!read("[device]\nname = d\nhistory = " + std::string{value} + "\n" + kStream).empty());
  const std::string alarm = kDevice + kStream + "[alarm a]\nto = +447700900123\ntext = t\ndebounce = ";
  CHECK_TEXT(read(alarm + "0ms"), "");
  CHECK_TEXT(read(alarm + "10s"), "");
  CHECK_TEXT(read(alarm + "10001ms"), "f:9: `debounce` is 10001ms: it may be from 0s to 10s\n");
  CHECK_TEXT(read(alarm + "20"), "f:9: `20` has no unit: write it as 20ms\n");
}

TEST(config_base_url_is_taken_apart) {
  struct Case {
    const char* url;
    const char* host;  // null: refused
    int port;
    const char* path;
  };
  const Case cases[] = {
      {"https://a", "a", 443, ""},
      {"HTTPS://A.example/", "A.example", 443, ""},
      {"https://a:8443", "a", 8443, ""},
      {"https://127.0.0.1:65535/x/y//", "127.0.0.1", 65535, "/x/y"},
      {"https://[2001:db8::1]", "2001:db8::1", 443, ""},
      {"https://[::1]:44/x", "::1", 44, "/x"},
      {"https://", nullptr, 0, ""},
      {"https:///x", nullptr, 0, ""},
      {"http://a", nullptr, 0, ""},
      {"a.example", nullptr, 0, ""},
      {"ftp://a", nullptr, 0, ""},
      {"https://a:", nullptr, 0, ""},
      {"https://a:0", nullptr, 0, ""},
      {"https://a:65536", nullptr, 0, ""},
      {"https://a:44:55", nullptr, 0, ""},
      {"https://::1", nullptr, 0, ""},
      {"https://[::1", nullptr, 0, ""},
      {"https://[::1]x", nullptr, 0, ""},
      {"https://[a]", nullptr, 0, ""},
      {"https://u@a", nullptr, 0, ""},
      {"https://a b", nullptr, 0, ""},
      {"https://a/b c", nullptr, 0, ""},
      {"https://a/\xC3\xA4", nullptr, 0, ""},
      {"https://\xC3\xA4.example", nullptr, 0, ""},
      {"https://a?x", nullptr, 0, ""},
      {"https://a#x", nullptr, 0, ""},
      {"https://-a", nullptr, 0, ""},
  };
  for (const Case& c : cases) {
    check::at("url=%s", c.url);
    const std::string got = read(kDevice + kStream + "base_url = " + c.url + "\n");
    const StreamConfig& stream = config.streams[0];
    const auto parts = [](std::string_view host, int port, std::string_view path) {
      return std::string(host) + " port " + std::to_string(port) + " " + std::string(path);
    };
    check::row("base_url = " + std::string(c.url), c.host == nullptr ? "refused" : parts(c.host, c.port, c.path),
               got.empty() ? parts(stream.host, stream.port, stream.path_prefix) : got);
    CHECK_EQ(got.empty(), c.host != nullptr);
    if (c.host == nullptr) {
      CHECK_EQ(errors.count(), 1);
      CHECK_TEXT(config.streams[0].host, "sendsms.commpeak.com");
      continue;
    }
    CHECK_TEXT(config.streams[0].host, c.host);
    CHECK_EQ(config.streams[0].port, c.port);
    CHECK_TEXT(config.streams[0].path_prefix, c.path);
  }
  const std::string long_path(129, 'a');
  CHECK(!read(kDevice + kStream + "base_url = https://a/" + long_path + "\n").empty());
  CHECK(!read(kDevice + kStream + "base_url = https://" + std::string(254, 'a') + "\n").empty());
}

// Which request a stream speaks and where it goes, by its type and what the portal shows.
TEST(config_type_service_and_address_say_where_requests_go) {
  struct Case {
    const char* keys;
    const char* goes;
  };
  const Case cases[] = {
      {"type = marketing", "simple_send to sendsms.commpeak.com/simple_send/"},
      {"type = two-way", "simple_send to sendsms.commpeak.com/simple_send/"},
      {"type = transactional\nevent = e", "event_send to textpeak-streams.commpeak.com/event_send/"},
      {"type = transactional\nrequest = simple_send", "simple_send to sendsms.commpeak.com/simple_send/"},
      {"type = whatsapp\nevent = e", "event_send to textpeak-streams.commpeak.com/event_send/"},
      {"type = marketing\nrequest = event_send\nevent = e", "event_send to textpeak-streams.commpeak.com/event_send/"},
      {"type = marketing\nrequest_body = /b", "form to sendsms.commpeak.com/simple_send/"},
      {"type = transactional\nrequest_body = /b", "form to textpeak-streams.commpeak.com/event_send/"},
      {"type = whatsapp\nrequest_body = /b\nsend_path = /wa/", "form to textpeak-streams.commpeak.com/wa/"},
      {"type = otp", "nothing to textpeak-streams.commpeak.com"},
      {"type = marketing\nservice = sendsms", "simple_send to sendsms.commpeak.com/simple_send/"},
      {"type = marketing\nservice = streams", "simple_send to textpeak-streams.commpeak.com/simple_send/"},
      {"type = marketing\nservice = gateway", "simple_send to gw.commpeak.com/textpeak/streams/simple_send"},
      {"type = transactional\nevent = e\nservice = sendsms", "event_send to sendsms.commpeak.com/event_send/"},
      // The paths follow an address that is known, in any case of letters.
      {"type = marketing\nbase_url = https://GW.CommPeak.com/textpeak/", "simple_send to GW.CommPeak.com/textpeak/streams/simple_send"},
      {"type = marketing\nbase_url = https://textpeak-streams.commpeak.com", "simple_send to textpeak-streams.commpeak.com/simple_send/"},
      {"type = marketing\nbase_url = https://relay.plant/sms", "simple_send to relay.plant/sms/simple_send/"},
      // What is written wins, whatever order it stands in.
      {"base_url = https://relay.plant/textpeak\nservice = gateway\ntype = marketing", "simple_send to relay.plant/textpeak/streams/simple_send"},
      {"base_url = https://gw.commpeak.com/v3\ntype = marketing", "simple_send to gw.commpeak.com/v3/streams/simple_send"},
      {"send_path = /v2/send\ntype = marketing\nservice = gateway", "simple_send to gw.commpeak.com/textpeak/v2/send"},
      {"send_path = /streams/event_send\ntype = transactional\nevent = e\nservice = gateway", "event_send to gw.commpeak.com/textpeak/streams/event_send"},
  };
  for (const Case& c : cases) {
    check::at("keys=%s", c.keys);
    CHECK_TEXT(read(kDevice + "[stream s]\ntoken_file = /t\n" + c.keys + "\n"), "");
    const StreamConfig& stream = config.streams[0];
    const char* const kinds[] = {"simple_send", "event_send", "form"};
    std::string goes = stream.send_path.empty() ? "nothing" : kinds[static_cast<std::size_t>(stream.request)];
    goes += " to " + std::string(stream.host) + std::string(stream.path_prefix) + std::string(stream.send_path);
    CHECK_TEXT(goes, c.goes);
    CHECK_EQ(stream.port, 443);
  }
}

TEST(config_pasted_address_of_an_endpoint_says_what_to_leave_out) {
  for (const char* added : {"/simple_send", "/event_send", "/messages_status", "/otp/auth", "/otp/verify", "/streams/simple_send"})
    for (const char* slash : {"", "/"})
      CHECK_TEXT(read(kDevice + kStream + "base_url = https://a" + added + slash + "\n"),
                 "f:6: `https://a" + std::string(added) + slash + "` cannot be used: leave " + added + " out, it is added\n");
}

TEST(config_paths_hold_what_a_path_may_hold) {
  for (const char* good : {"/", "/a", "/a/b/", "/a.b-c_d~e", "/%41%c3%A4", "/!$&'()*+,;=:@", "//x"}) {
    check::at("path=%s", good);
    CHECK_TEXT(read(kDevice + kStream + "send_path = " + good + "\n"), "");
    CHECK_TEXT(config.streams[0].send_path, good);
  }
  for (const char* bad : {"a", "https://a/b", "/a b", "/a?b", "/a#b", "/%", "/%4", "/%4g", "/%g4", "/a\"b", "/<a>", "/{a}", "/a|b", "/a\\b", "/a^b", "/`", "/\xC3\xA4", "/\x7F"}) {
    check::at("path=%s", bad);
    CHECK(!read(kDevice + kStream + "send_path = " + bad + "\n").empty());
    CHECK_EQ(errors.count(), 1);
    CHECK_EQ(errors.entry(0).line, 6);
    CHECK_TEXT(config.streams[0].send_path, "/simple_send/");
  }
  const std::string longest = "/" + std::string(89, 'a');
  CHECK_TEXT(read(kDevice + kStream + "send_path = " + longest + "\n"), "");
  CHECK_TEXT(read(kDevice + kStream + "send_path = " + longest + "a\n"), "f:6: `send_path` cannot be used: it is longer than 90 bytes\n");
}

TEST(config_variables_are_a_list_of_those_that_are_known) {
  const std::string stream = "[stream s]\ntype = transactional\nevent = e\ntoken_file = /t\n";
  CHECK_TEXT(read(kDevice + stream), "");
  CHECK_EQ(config.streams[0].variables, kAllVariables);
  CHECK_TEXT(config.streams[0].event, "e");
  CHECK_TEXT(read(kDevice + stream + "variables = text\n"), "");
  CHECK_EQ(config.streams[0].variables, 1);
  CHECK_TEXT(read(kDevice + stream + "variables = state,text ,  class\n"), "");
  CHECK_EQ(config.streams[0].variables, 1 | 8 | 16);
  CHECK(!read(kDevice + stream + "variables = text,\n").empty());
  CHECK(!read(kDevice + stream + "variables = Text\n").empty());
}

// Every byte at every place of good ones, every beginning and every end, each before a guard page: what is taken can
// be asked for, and is of the host that stands there.
TEST(config_base_url_with_any_byte_anywhere_is_a_host_or_refused) {
  GuardPage page(4096);
  std::uint8_t head_bytes[kRequestHeadBytes];
  std::size_t taken = 0;
  const auto look = [&](const std::string& url) {
    if (url.empty()) return;
    check::at("url=%s", url.c_str());
    errors.begin("f");
    StreamConfig stream;
    Value{"base_url", page.put(std::string_view{url}), 1, errors}.base_url(stream);
    CHECK(errors.count() == 0 || stream.host == "sendsms.commpeak.com");
    if (errors.count() != 0) return;
    ++taken;
    const std::string path = std::string(stream.path_prefix) + "/simple_send/";
    HttpRequest request;
    request.host = stream.host;
    request.port = stream.port;
    request.target = path;
    CHECK_OK(write_request_head(request, 1, head_bytes));
    const bool bracketed = find(stream.host, ':') != kNotFound;
    const std::string host = bracketed ? "[" + std::string(stream.host) + "]" : std::string(stream.host);
    CHECK(same_ignoring_case(head(url, 8), "https://"));
    CHECK_TEXT(head(tail(url, 8), host.size()), host);
    const std::string_view behind = tail(url, 8 + host.size());
    CHECK(behind.empty() || behind.front() == '/' || behind.front() == ':');
    CHECK(stream.port == 443 || behind.find(":" + std::to_string(stream.port)) == 0 || behind.find(":0") == 0);
  };
  for (const std::string good : {"https://sms.test:8443/v1/x", "https://[2001:db8::1]:8443/v1", "https://a"}) {
    for (std::size_t at = 0; at <= good.size(); ++at) {
      look(good.substr(0, at));
      look(good.substr(at));
      for (unsigned byte = 1; byte < 256; ++byte) {
        std::string changed = good, longer = good;
        if (at < good.size()) changed[at] = static_cast<char>(byte);
        longer.insert(at, 1, static_cast<char>(byte));
        look(changed);
        look(longer);
      }
    }
  }
  CHECK(taken > 1000);
}

TEST(config_names_at_their_limit_are_taken_and_longer_ones_refused) {
  CHECK_TEXT(read("[device]\nname = " + std::string(20, 'a') + "\n" + kStream), "");
  CHECK(!read("[device]\nname = " + std::string(21, 'a') + "\n" + kStream).empty());
  CHECK_TEXT(read(kDevice + "[stream " + std::string(32, 'a') + "]\ntype = marketing\ntoken_file = /t\n"),
             "");
  CHECK(
      !read(kDevice + "[stream " + std::string(33, 'a') + "]\ntype = marketing\ntoken_file = /t\n").empty());
}

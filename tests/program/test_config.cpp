// SPDX-License-Identifier: MIT
// The file as a whole: its sections, what they say of each other, where it comes from. One value at a time:
// test_config_values.cpp.
#include <dirent.h>

#include <algorithm>
#include <random>
#include <vector>

#include "config_bench.hpp"
#include "port/scratch.hpp"
#include "tocsin/outbox/index.hpp"

using namespace tocsin;
using namespace config_bench;

namespace {

ConfigFile file;

std::string numbered(const char* kind, int n, const std::string& keys) {
  return "[" + std::string{kind} + " n" + std::to_string(n) + "]\n" + keys;
}

std::vector<std::string> vector_files() {
  const char* folder = "tests/vectors/config";
  std::vector<std::string> names;
  DIR* dir = opendir(folder);
  CHECK(dir != nullptr);
  while (const dirent* entry = readdir(dir))
    if (ends_with(entry->d_name, ".conf")) names.push_back(std::string{folder} + "/" + entry->d_name);
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST(config_every_vector_is_judged_as_it_says) {
  std::size_t n = 0, good = 0;
  for (const std::string& name : vector_files()) {
    check::at("file=%s", name.c_str());
    const std::string text = scratch::read_file(name);
    std::string want;
    for (std::size_t at = text.find("\n#! "); at != std::string::npos; at = text.find("\n#! ", at + 1))
      want += "f:" + text.substr(at + 4, text.find('\n', at + 1) - at - 3);
    CHECK_TEXT(read(text), want);
    ++n;
    if (want.empty()) ++good;
  }
  CHECK(n >= 10);
  CHECK(good >= 3);
}

TEST(config_of_the_least_file_has_the_defaults) {
  CHECK_TEXT(read(kDevice + kStream), "");
  CHECK_TEXT(config.device.name, "d");
  CHECK_TEXT(config.device.state, "/var/lib/tocsin");
  CHECK_TEXT(config.device.control, "/run/tocsin/control");
  CHECK_EQ(config.device.queue_bytes, 512 * 1024);
  CHECK_EQ(config.device.history.count, 30 * 24 * 3600 * 1000LL);
  CHECK_EQ(config.stream_count, 1);
  const StreamConfig& stream = config.streams[0];
  CHECK_TEXT(stream.host, "sendsms.commpeak.com");
  CHECK_EQ(stream.port, 443);
  CHECK_TEXT(stream.path_prefix, "");
  CHECK_TEXT(stream.sender, "");
  CHECK_EQ(stream.sms.max_segments, 3);
  CHECK(!stream.sms.transliterate);
  CHECK(stream.sms.reference == Reference::bits8);
  CHECK_EQ(stream.segments_per_day, 0);
  CHECK_EQ(stream.recipient_segments_per_day, 0);
  CHECK_TEXT(config.device.country_code, "");
  CHECK_TEXT(stream.ca_file, "/etc/ssl/certs/ca-certificates.crt");
  CHECK_EQ(stream.timeout.count, 30'000);
  CHECK_EQ(stream.retry_min.count, 5'000);
  CHECK_EQ(stream.retry_max.count, 900'000);
  CHECK_EQ(config.alarm_count, 0);
}

TEST(config_of_a_whole_file_has_every_value) {
  CHECK_TEXT(read(scratch::read_file("tests/vectors/config/good_whole.conf")), "");
  CHECK_EQ(config.device.queue_bytes, 1024 * 1024);
  CHECK_EQ(config.device.history.count, 90 * 24 * 3600 * 1000LL);
  CHECK_EQ(config.stream_count, 2);
  CHECK_TEXT(config.streams[0].sender, "GLOBAL");
  CHECK_EQ(config.streams[0].sms.max_segments, 2);
  CHECK(config.streams[0].sms.transliterate);
  CHECK(config.streams[0].sms.reference == Reference::bits16);
  CHECK_EQ(config.streams[0].segments_per_day, 300);
  CHECK_EQ(config.streams[0].recipient_segments_per_day, 0);
  CHECK_EQ(config.streams[0].critical_reserve, 0);
  CHECK_EQ(config.streams[1].critical_reserve, 20);
  CHECK_EQ(config.streams[1].sms.max_segments, 3);
  CHECK_TEXT(config.device.country_code, "44");
  CHECK_TEXT(config.streams[0].path_prefix, "");
  CHECK_TEXT(config.streams[0].proxy_host, "proxy.plant");
  CHECK_EQ(config.streams[0].proxy_port, 3128);
  CHECK_TEXT(config.streams[0].proxy_auth_file, "/etc/tocsin/proxy.login");
  CHECK_TEXT(config.streams[0].client_cert_file, "/etc/tocsin/device.pem");
  CHECK_TEXT(config.streams[0].client_key_file, "/etc/tocsin/device.key");
  CHECK_TEXT(config.streams[1].client_cert_file, "");
  CHECK_TEXT(config.streams[0].session_file, "/var/lib/tocsin/sms.session");
  CHECK_TEXT(config.streams[1].session_file, "");
  CHECK_TEXT(config.streams[1].proxy_host, "");
  CHECK(config.streams[1].type == StreamType::two_way);
  CHECK_TEXT(config.streams[1].host, "::1");
  CHECK_EQ(config.streams[1].port, 8443);
  CHECK_TEXT(config.streams[1].path_prefix, "/api/v1");
  CHECK_EQ(config.contact_count, 2);
  CHECK_TEXT(config.contacts[1].phone.view(), "447700900456");
  CHECK_EQ(config.group_count, 1);
  CHECK_EQ(config.groups[0].member_count, 2);
  CHECK_EQ(config.groups[0].members[1], 1);
  CHECK_EQ(config.alarm_count, 3);
  const AlarmConfig& alarm = config.alarms[0];
  CHECK_TEXT(alarm.name, "high-level");
  CHECK_TEXT(alarm.gpio, "PUMP3_LEVEL");
  CHECK(alarm.active == Level::low);
  CHECK_EQ(alarm.debounce.count, 50);
  CHECK(alarm.cls == Class::critical);
  CHECK(alarm.ways.count == 1 && alarm.ways.at[0] == 1);
  CHECK_TEXT(alarm.text, "{device}: sump level high since {time} #3; act!");
  CHECK_TEXT(alarm.clear_text, "{device}: sump level normal again after {duration}");
  CHECK(config.alarms[1].active == Level::high);
  CHECK_EQ(config.alarms[1].debounce.count, 20);
  CHECK(config.alarms[1].ways.count == 1 && config.alarms[1].ways.at[0] == 0);
  CHECK_TEXT(config.alarms[2].gpio, "");
  CHECK_EQ(config.find_alarm("door"), 1);
  CHECK_EQ(config.find_alarm("Door"), kNotFound);
  CHECK_EQ(config.find_stream("desk"), 1);
  CHECK_EQ(config.find_group("anna"), kNotFound);
}

TEST(config_read_again_remembers_nothing_of_the_last_one) {
  CHECK_TEXT(read(scratch::read_file("tests/vectors/config/good_whole.conf")), "");
  CHECK_TEXT(read(kDevice +
                  "[stream x]\ntype = two-way\ntoken_file = /t\n[alarm a]\nto = +447700900123\ntext = t\n"),
             "");
  CHECK_TEXT(config.streams[0].sender, "");
  CHECK_EQ(config.contact_count + config.group_count, 0);
  CHECK_EQ(config.alarm_count, 1);
  CHECK_TEXT(config.alarms[0].gpio, "");
  CHECK_TEXT(config.alarms[0].clear_text, "");
  CHECK(config.alarms[0].active == Level::high);
  CHECK_EQ(config.device.queue_bytes, 512 * 1024);
}

TEST(config_without_anything_says_what_is_missing) {
  CHECK_TEXT(read(""),
             "f:1: there is no [device] section: add one with `name = ...`\n"
             "f:1: there is no stream to send by: add a [stream NAME] section\n");
}

TEST(config_at_every_limit_is_taken_and_one_above_is_refused_once) {
  struct Case {
    const char* kind;
    int most;
    std::string keys;
    int already;
  };
  const Case cases[] = {
      {"stream", kMaxStreams, "type = marketing\ntoken_file = /t\n", 1},
      {"contact", kMaxContacts, "phone = +447700900123\n", 1},
      {"group", kMaxGroups, "members = anna\n", 0},
      {"alarm", kMaxAlarms, "to = anna\ntext = t\n", 0},
  };
  for (const Case& c : cases) {
    std::string text = kDevice + kStream + "[contact anna]\nphone = +447700900123\n";
    for (int n = c.already; n < c.most; ++n) text += numbered(c.kind, n, c.keys);
    check::at("kind=%s", c.kind);
    CHECK_TEXT(read(text), "");
    text += numbered(c.kind, c.most, c.keys) + numbered(c.kind, c.most + 1, c.keys);
    const std::string want = "more than " + std::to_string(c.most) + " sections [" + c.kind + " NAME]: ";
    CHECK(read(text).find(want) != std::string::npos);
    CHECK_EQ(errors.count(), 1);
  }
  std::string members;
  std::string contacts;
  for (std::size_t n = 0; n <= kMaxMembers; ++n) {
    contacts += numbered("contact", static_cast<int>(n), "phone = +447700900123\n");
    members += (n > 0 ? ", n" : "n") + std::to_string(n);
    const std::string text = kDevice + kStream + contacts + "[group g]\nmembers = " + members + "\n";
    CHECK_EQ(read(text).empty(), n < kMaxMembers);
  }
  CHECK(said().find("more than 16 members") != std::string::npos);
}

TEST(config_alarm_to_more_phones_than_one_message_has_is_refused) {
  std::string text = kDevice + kStream;
  std::string groups[3];
  for (int n = 0; n <= 32; ++n) {
    char phone[40];
    std::snprintf(phone, sizeof phone, "phone = +4477009%05d\n", n);
    text += numbered("contact", n, phone);
    groups[n / 16] += (groups[n / 16].empty() ? "n" : ", n") + std::to_string(n);
  }
  text += "[group a]\nmembers = " + groups[0] + "\n[group b]\nmembers = " + groups[1] + "\n";
  CHECK_TEXT(read(text + "[alarm x]\ntext = t\nto = a, b, n3, +447700900001\n"), "");
  read(text + "[alarm x]\ntext = t\nto = a, b, n32\n");
  CHECK(said().find("more than 32 phones") != std::string::npos);
  CHECK_EQ(errors.count(), 1);
}

TEST(config_text_that_could_grow_above_a_message_is_refused) {
  const std::string start = kDevice + kStream + "[alarm a]\nto = +447700900123\ntext = ";
  std::string text = "{time}{time}{time}";
  text += std::string(1010 - text.size(), 'x');
  CHECK_TEXT(read(start + text + "\n"),
             "f:8: the text may become 1064 bytes and a message has at most 1024: make it shorter\n");
  text = "{time}{time}{time}" + std::string(1024 - 3 * 24, 'x');
  CHECK_TEXT(read(start + text + "\n"),
             "f:8: warning: the text takes more than 3 segments and its end is not sent: make it shorter, or raise "
             "max_segments of its stream (tocsin text)\n");
}

TEST(config_streams_that_the_queue_cannot_tell_apart_are_refused) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> seen;
  const auto name_of = [](std::uint32_t n) {
    char name[16];
    std::snprintf(name, sizeof name, "n%08x", n * 2654435761U);
    return std::string{name};
  };
  for (std::uint32_t n = 0; n < 400'000; ++n) seen.emplace_back(name_hash(name_of(n)), n);
  std::sort(seen.begin(), seen.end());
  std::size_t at = 1;
  while (at < seen.size() && seen[at].first != seen[at - 1].first) ++at;
  CHECK(at < seen.size());  // 400,000 names of 9 bytes: some meet
  const std::string a = name_of(seen[at - 1].second), b = name_of(seen[at].second);
  CHECK(a != b);
  read(kDevice + "[stream " + a + "]\ntype = marketing\ntoken_file = /t\n[stream " + b +
       "]\ntype = two-way\ntoken_file = /t\n");
  CHECK_TEXT(said(), "f:6: the queue cannot tell the streams `" + a + "` and `" + b +
                         "` apart (one checksum): give one another name\n");
}

TEST(config_with_more_errors_than_are_kept_counts_them_and_keeps_the_first_lines) {
  std::string text = "[device]\n";
  for (int n = 0; n < 80; ++n) text += "unknown" + std::to_string(n) + " = 1\n";
  read(text);
  CHECK_EQ(errors.kept(), kMaxConfigErrors);
  CHECK_EQ(errors.count(), 82);
  // The missing name is found last and belongs to line 1.
  CHECK_EQ(errors.entry(0).line, 1);
  for (std::size_t at = 1; at < errors.kept(); ++at) CHECK_EQ(errors.entry(at).line, at + 1);
}

TEST(config_warnings_are_no_errors_and_stand_between_them) {
  const std::string sender = "sender = PUMPSTATION-NORTH\n";
  const std::string warned =
      "warning: `sender` has 17 characters and networks take 11: use a shorter one, or it may be cut or refused\n";
  CHECK_TEXT(read(kDevice + kStream + sender), "f:6: " + warned);
  CHECK_EQ(errors.count(), 0);
  CHECK_EQ(errors.kept(), 1);
  CHECK(errors.all_kept());
  CHECK(errors.entry(0).kind == ConfigErrors::Kind::warning);
  CHECK_TEXT(config.streams[0].sender, "PUMPSTATION-NORTH");
  CHECK_TEXT(read("[device]\n" + kStream + sender + "sendr = y\n"),
             "f:1: this section has no `name`: add name = boiler-room-7\nf:5: " + warned +
                 "f:6: unknown key `sendr`: did you mean `sender`?\n");
  CHECK_EQ(errors.count(), 2);
  CHECK_EQ(errors.kept(), 3);
}

TEST(config_senders_that_networks_do_not_take_are_warned_of) {
  const auto said_of = [](const std::string& sender) { return read(kDevice + kStream + "sender = " + sender + "\n"); };
  for (const char* good : {"GLOBAL", "12345678901", "123456789012345", "+123456789012345", "PUMP-NORTH1", "Öl+Gas", "a b",
                           "[ABCDEFG]", "+", "1"})
    CHECK_TEXT(said_of(good), "");
  for (const auto& [bad, words] : {std::pair{"PUMP-NORTH12", "has 12 characters"}, {"1234567890123456", "has 16 digits"},
                                   {"+1234567890123456", "has 16 digits"}, {"12345678901x", "has 12 characters"},
                                   {"{ABCDEFGHI}", "has 13 characters"}, {"Bob’s", "has `’`"}, {"насос", "has `н`"}}) {
    check::at("sender=%s", bad);
    const std::string seen = said_of(bad);
    CHECK(starts_with(seen, "f:6: warning: `sender` "));
    CHECK(seen.find(words) != std::string::npos);
    CHECK_EQ(errors.count(), 0);
  }
}

TEST(config_of_random_lines_is_judged_without_harm) {
  const char* const pieces[] = {"[device]",   "[stream a]", "[alarm a]", "[group g]", "[contact c]",
                                "[",          "]",          "=",         "\n",        "\n",
                                "\n",         "name",       "to",        "text",      "members",
                                "phone",      " ",          ",",         "{",         "}",
                                "{time}",     "c",          "a",         "g",         "+447700900123",
                                "\r",         "\xC3\xA4",   "\xFF",      "gpio",      "gpiochip0:1",
                                "debounce",   "20ms",       "#",         ";",         "stream",
                                "queue_size", "9M"};
  const std::uint64_t rounds = check::option("rounds", 20'000);
  const bool one = check::has_option("seed");
  for (std::uint64_t seed = one ? check::option("seed", 0) : 0; seed < rounds; ++seed) {
    check::at("seed=%u", static_cast<unsigned>(seed));
    std::mt19937 random{static_cast<std::uint32_t>(seed)};
    std::string text;
    for (auto n = random() % 60; n > 0; --n) text += pieces[random() % (sizeof pieces / sizeof pieces[0])];
    const std::string got = read(text);
    for (std::size_t at = 1; at < errors.kept(); ++at)
      CHECK(errors.entry(at - 1).line <= errors.entry(at).line);
    CHECK(is_utf8(got));
    if (one) break;
  }
}

TEST(load_config_reads_a_file) {
  scratch::write_file(scratch::path("good.conf"), kDevice + kStream);
  CHECK_OK(load_config(scratch::path("good.conf"), file, errors));
  CHECK_TEXT(file.config.device.name, "d");
}

TEST(load_config_of_what_is_no_file_says_so_in_one_line) {
  const std::string missing = scratch::path("missing.conf");
  CHECK_CODE(load_config(missing, file, errors), Code::not_found);
  CHECK_TEXT(said(), missing + ": there is no such file: make it, or name another one with -c\n");
  CHECK_CODE(load_config(scratch::folder(), file, errors), Code::bad_value);
  CHECK_TEXT(said(), scratch::folder() + ": this is a directory: name the configuration file with -c\n");
  CHECK_CODE(load_config("/dev/null", file, errors), Code::bad_value);
  CHECK_EQ(errors.count(), 1);
}

TEST(load_config_of_64_kib_is_taken_and_one_byte_more_refused) {
  std::string text = kDevice + kStream;
  while (text.size() < kMaxConfigFile)
    text += std::string(std::min<std::size_t>(100, kMaxConfigFile - text.size() - 1), '#') + "\n";
  scratch::write_file(scratch::path("large.conf"), text);
  CHECK_OK(load_config(scratch::path("large.conf"), file, errors));
  scratch::write_file(scratch::path("large.conf"), text + "\n");
  CHECK_CODE(load_config(scratch::path("large.conf"), file, errors), Code::too_big);
  CHECK_EQ(errors.count(), 1);
}

TEST(add_recipients_of_names_and_numbers_gives_each_phone_once) {
  CHECK_TEXT(read(scratch::read_file("tests/vectors/config/good_whole.conf")), "");
  PhoneList list;
  char memory[200];
  TextWriter why{memory};
  CHECK_OK(add_recipients(config, "oncall, anna ,+44 7700 900456", list, why));
  CHECK_EQ(list.count, 2);
  CHECK_OK(add_recipients(config, "447700900789", list, why));
  CHECK_EQ(list.count, 3);
  CHECK_TEXT(list.phones[2].view(), "447700900789");
  CHECK_CODE(add_recipients(config, "ana", list, why), Code::not_found);
  CHECK_TEXT(why.view(), "`ana` is no contact, no group and no phone number: did you mean `anna`?");
  why.clear();
  CHECK_CODE(add_recipients(config, "anna,", list, why), Code::bad_value);
  why.clear();
  CHECK_CODE(add_recipients(config, "", list, why), Code::bad_value);
  why.clear();
  CHECK_OK(add_recipients(config, "07700 900321", list, why));  // country_code = +44
  CHECK_TEXT(list.phones[list.count - 1].view(), "447700900321");
  config.device.country_code = {};
  --list.count;
  CHECK_CODE(add_recipients(config, "0770 0900123", list, why), Code::bad_value);
  CHECK_TEXT(why.view(),
             "`0770 0900123` is not a phone number: a national number begins with 0: write it with its "
             "country code, as +44..., or set country_code in [device]");
  CHECK_EQ(list.count, 3);
}

TEST(nearest_forgives_a_slip_and_not_another_word) {
  const std::string_view words[] = {"gpio", "text", "debounce", "to"};
  CHECK_TEXT(nearest("gipo", words), "gpio");
  CHECK_TEXT(nearest("GPIO", words), "gpio");
  CHECK_TEXT(nearest("debouce", words), "debounce");
  CHECK_TEXT(nearest("txet", words), "text");
  CHECK_TEXT(nearest("deb", words), "debounce");
  CHECK_TEXT(nearest("weather", words), "");
  CHECK_TEXT(nearest("x", words), "");
  CHECK_TEXT(nearest(std::string(5000, 'g'), words), "");
}

TEST(config_value_in_quotes_or_with_a_comment_behind_it_is_warned_of_with_its_line) {
  const std::string alarm = kDevice + kStream + "[alarm a]\nto = +447700900123\n";
  CHECK_TEXT(read(alarm + "text = \"Pump\"\n"),
             "f:8: warning: `text` stands in quotes, and they are part of the value: remove them\n");
  CHECK_TEXT(read(alarm + "text = Pump # comes later\n"),
             "f:8: warning: `text` has a # or ; behind a blank, and what follows is part of the value: "
             "give a comment its own line\n");
  CHECK_EQ(errors.count(), 0);  // it may be meant
  CHECK(read(alarm + "text = t\ndebounce = 20ms ;fast\n").find("f:9: warning: `debounce` has a # or ;") == 0);
  CHECK_TEXT(read(alarm + "text = one\\ntwo\n"),
             "f:8: warning: `text` has \\n, and that is sent as it stands: a text of the configuration is one line\n");
  CHECK_TEXT(read(alarm + "text = t\ngpio = 17\n"),
             "f:9: warning: `17` is taken for the name of a line: write gpiochip0:17 if that is meant\n");
  for (const char* meant : {"Pump #3 is \"on\"", "#1; #2", "\"A\" and B", "\"", "5'"})
    CHECK_TEXT(read(alarm + "text = " + meant + "\n"), "");
}

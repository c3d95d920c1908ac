// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "port/scratch.hpp"
#include "src/program/arguments.hpp"

using namespace tocsin;

namespace {

Arguments arguments;
std::string why;

// Parses what stands behind "tocsin"; `why` has what was said.
Exit parse(std::vector<const char*> words) {
  words.insert(words.begin(), "tocsin");
  char memory[300];
  TextWriter writer{memory};
  const Exit exit = parse_arguments({words.data(), words.size()}, arguments, writer);
  CHECK(!writer.cut());
  why = writer.view();
  CHECK_EQ(exit == Exit::done, why.empty());
  CHECK(why.find('\n') == std::string::npos);
  return exit;
}

void refused(std::vector<const char*> words, std::string_view want, Exit exit = Exit::usage) {
  CHECK_EQ(number(parse(words)), number(exit));
  CHECK_TEXT(why, want);
}

void taken(std::vector<const char*> words, Command command) {
  CHECK_EQ(number(parse(words)), 0);
  CHECK_TEXT(word(arguments.command), word(command));
}

}  // namespace

TEST(arguments_every_command_is_taken) {
  taken({"run"}, Command::run);
  taken({"send", "--to", "x", "text"}, Command::send);
  taken({"raise", "a"}, Command::raise);
  CHECK_TEXT(arguments.subject, "a");
  taken({"clear", "a"}, Command::clear);
  taken({"ack", "a"}, Command::ack);
  taken({"queue"}, Command::queue_list);
  taken({"queue", "list"}, Command::queue_list);
  taken({"queue", "show", "d-abcd-17"}, Command::queue_show);
  CHECK_TEXT(arguments.subject, "d-abcd-17");
  taken({"status"}, Command::status);
  taken({"token", "set", "sms"}, Command::token_set);
  CHECK_TEXT(arguments.token_file, "");
  taken({"token", "set", "sms", "-"}, Command::token_set);
  CHECK_TEXT(arguments.token_file, "-");
  taken({"token", "show", "sms"}, Command::token_show);
  taken({"otp", "send", "anna"}, Command::otp_send);
  CHECK_TEXT(arguments.subject, "anna");
  CHECK_TEXT(arguments.code, "");
  taken({"otp", "verify", "anna", "48213"}, Command::otp_verify);
  CHECK_TEXT(arguments.subject, "anna");
  CHECK_TEXT(arguments.code, "48213");
  taken({"check"}, Command::check);
  taken({"version"}, Command::version);
  CHECK(!arguments.memory);
  taken({"version", "--memory"}, Command::version);
  CHECK(arguments.memory);
  taken({"help"}, Command::help);
  CHECK_TEXT(arguments.subject, "");
}

TEST(arguments_global_options_are_taken_before_and_behind_the_command) {
  taken({"-c", "/x", "-s", "--json", "queue", "list"}, Command::queue_list);
  CHECK_TEXT(arguments.config_path, "/x");
  CHECK(arguments.to_syslog && arguments.json);
  taken({"queue", "--json", "list", "-c/y", "-s"}, Command::queue_list);
  CHECK_TEXT(arguments.config_path, "/y");
  CHECK(arguments.to_syslog && arguments.json);
  taken({"run"}, Command::run);
  CHECK(!arguments.to_syslog && !arguments.json && arguments.config_path.empty());
}

TEST(arguments_of_send_are_all_there) {
  taken({"send", "--to", "anna,+44 7700 900123", "--stream=desk", "--to=ben", "--class", "critical", "--wait",
         "30", "Hello"},
        Command::send);
  CHECK_EQ(arguments.to_count, 2);
  CHECK_TEXT(arguments.to[0], "anna,+44 7700 900123");
  CHECK_TEXT(arguments.recipients()[1], "ben");
  CHECK_TEXT(arguments.stream, "desk");
  CHECK(arguments.cls == Class::critical);
  CHECK_EQ(arguments.wait.count, 30'000);
  CHECK_TEXT(arguments.text, "Hello");
  CHECK(!arguments.text_from_stdin);
  taken({"send", "--to", "x", "t"}, Command::send);
  CHECK(arguments.cls == Class::warning);
  CHECK_EQ(arguments.wait.count, 0);
  CHECK_EQ(arguments.to_count, 1);
}

TEST(arguments_of_otp_are_all_there) {
  taken({"otp", "--stream", "codes", "send", "--code=48213", "anna"}, Command::otp_send);
  CHECK_TEXT(arguments.stream, "codes");
  CHECK_TEXT(arguments.code, "48213");
  taken({"otp", "verify", "--stream", "codes", "anna", "-"}, Command::otp_verify);
  CHECK_TEXT(arguments.stream, "codes");
  CHECK_TEXT(arguments.code, "-");
}

TEST(arguments_option_of_another_command_is_refused_before_one_of_its_own) {
  refused({"otp", "verify", "--code", "1234", "--stream", "codes", "anna", "1234"},
          "`tocsin otp verify` takes no --code: see `tocsin help otp verify`");
  refused({"send", "--memory", "--to", "anna", "text"}, "`tocsin send` takes no --memory: see `tocsin help send`");
  refused({"status", "--stream", "codes"}, "`tocsin status` takes no --stream: see `tocsin help status`");
}

TEST(arguments_text_behind_two_dashes_is_taken_as_it_is) {
  taken({"send", "--to", "x", "--", "--wait"}, Command::send);
  CHECK_TEXT(arguments.text, "--wait");
  taken({"send", "--to", "x", "--", "-"}, Command::send);
  CHECK_TEXT(arguments.text, "-");
  CHECK(!arguments.text_from_stdin);
  taken({"send", "--to", "x", "--", "--"}, Command::send);
  CHECK_TEXT(arguments.text, "--");
  taken({"send", "--to", "x", "-"}, Command::send);
  CHECK(arguments.text_from_stdin);
  CHECK_TEXT(arguments.text, "");
}

TEST(arguments_of_text_are_joined_by_blanks) {
  taken({"text", "Boiler at 85 °C"}, Command::text);
  CHECK_TEXT(arguments.text, "Boiler at 85 °C");
  CHECK_TEXT(arguments.stream, "");
  taken({"text", "Boiler", "--json", "at", "--stream", "sms", "85", "°C"}, Command::text);
  CHECK_TEXT(arguments.text, "Boiler at 85 °C");
  CHECK_TEXT(arguments.stream, "sms");
  CHECK(arguments.json);
  taken({"text", "-"}, Command::text);
  CHECK(arguments.text_from_stdin);
  taken({"text", "--", "-", "-x"}, Command::text);
  CHECK(!arguments.text_from_stdin);
  CHECK_TEXT(arguments.text, "- -x");
  refused({"text", "-", "x"}, "a second TEXT, `x`: put the whole text in quotes, and --to before a phone");
  refused({"text"}, "`tocsin text` needs TEXT: see `tocsin help text`");
  refused({"text", "--to", "x", "y"}, "`tocsin text` takes no --to: see `tocsin help text`");
  const std::string half(kMaxText / 2, 'x');
  refused({"text", half.c_str(), half.c_str()}, "the text has 1025 bytes and a message at most 1024: make it shorter",
          Exit::bad_data);
  const std::string rest(kMaxText / 2 - 1, 'x');
  taken({"text", half.c_str(), rest.c_str()}, Command::text);
  CHECK_EQ(arguments.text.size(), kMaxText);
  // However much there is, none of it is taken for a shorter text.
  const std::string nearly(kMaxText - 2, 'x');
  for (const char* more : {"😀", "éé", "€€", "xxxxxxxxxxxx"}) {
    CHECK_EQ(number(parse({"text", nearly.c_str(), more, "y"})), number(Exit::bad_data));
    CHECK(why.find("a message at most 1024") != std::string::npos);
  }
}

TEST(arguments_without_a_command_point_to_help) {
  refused({}, "no command: see `tocsin help`");
  refused({"-s"}, "no command: see `tocsin help`");
  refused({"otp"}, "`tocsin otp` needs to know what: write `otp send PHONE` or `otp verify PHONE CODE`");
  refused({"token"}, "`tocsin token` needs to know what: write `token set STREAM` or `token show STREAM`");
}

TEST(arguments_unknown_commands_and_options_name_the_nearest) {
  refused({"sned"}, "unknown command `sned`: did you mean `send`?");
  refused({"stat"}, "unknown command `stat`: did you mean `status`?");
  refused({"frobnicate"}, "unknown command `frobnicate`: see `tocsin help`");
  refused({"queue", "lst"}, "`tocsin queue` has no command `lst`: did you mean `queue list`?");
  refused({"token", "put"}, "`tocsin token` has no command `put`: see `tocsin help`");
  refused({"\x1B[2J\xFF\xC3\xA4"}, "unknown command `?[2J?\xC3\xA4`: see `tocsin help`");
  refused({"qeue"}, "unknown command `qeue`: did you mean `queue`?");
  refused({"send", "--too", "x"}, "unknown option `--too`: did you mean `--to`?");
  refused({"send", "-5 degrees"}, "unknown option `-5 degrees`: a text that begins with - comes behind --");
  refused({"status", "--jsn"}, "unknown option `--jsn`: did you mean `--json`?");
  refused({"status", "-x"}, "unknown option `-x`: see `tocsin help`");
}

TEST(arguments_commands_of_later_versions_are_not_supported_yet) {
  for (const char* later : {"alarms", "log", "setup", "doctor", "test", "simulate"}) {
    check::at("command=%s", later);
    refused({later},
            "`tocsin " + std::string{later} + "` is not supported yet: see `tocsin help` for what is");
  }
  for (const char* later : {"import", "check"})
    refused({"token", later},
            "`tocsin token " + std::string{later} + "` is not supported yet: see `tocsin help` for what is");
  refused({"help", "doctor"}, "`tocsin doctor` is not supported yet: see `tocsin help` for what is");
}

TEST(arguments_missing_and_superfluous_ones_are_named) {
  refused({"raise"}, "`tocsin raise` needs ALARM: see `tocsin help raise`");
  refused({"raise", "a", "b"}, "`tocsin raise` does not take `b`: see `tocsin help raise`");
  refused({"run", "x"}, "`tocsin run` does not take `x`: see `tocsin help run`");
  refused({"queue", "show"}, "`tocsin queue show` needs ID: see `tocsin help queue show`");
  refused({"otp", "send"}, "`tocsin otp send` needs PHONE: see `tocsin help otp send`");
  refused({"otp", "send", "anna", "48213"}, "`tocsin otp send` does not take `48213`: see `tocsin help otp send`");
  refused({"otp", "verify"}, "`tocsin otp verify` needs PHONE and CODE: see `tocsin help otp verify`");
  refused({"otp", "verify", "anna"}, "`tocsin otp verify` needs CODE behind PHONE: see `tocsin help otp verify`");
  refused({"token", "set"}, "`tocsin token set` needs STREAM: see `tocsin help token set`");
  refused({"token", "set", "a", "b", "c"},
          "`tocsin token set` does not take `c`: see `tocsin help token set`");
  refused({"send", "text"}, "`tocsin send` needs --to PHONE: see `tocsin help send`");
  refused({"send", "--to", "x"}, "`tocsin send` needs TEXT: see `tocsin help send`");
  refused({"send", "--to", "x", "two", "words"}, "a second TEXT, `words`: put the whole text in quotes, and --to before a phone");
  refused({"send", "x", "--to"}, "the option `--to` needs a value: write --to PHONE");
  refused({"send", "x", "--to="}, "the option `--to` has an empty value: give it one or leave it out");
  refused({"-c"}, "the option `-c` needs a value: write -c FILE");
  refused({"-c", "", "run"}, "the option `-c` has an empty value: give it one or leave it out");
  refused({"status", "--json=1"}, "the option `--json` takes no value: leave the = out");
}

TEST(arguments_options_of_another_command_are_refused) {
  refused({"run", "--json"}, "`tocsin run` takes no --json: see `tocsin help run`");
  refused({"status", "--to", "x"}, "`tocsin status` takes no --to: see `tocsin help status`");
  refused({"--memory", "status"}, "`tocsin status` takes no --memory: see `tocsin help status`");
  refused({"send", "--to", "x", "--memory", "t"}, "`tocsin send` takes no --memory: see `tocsin help send`");
}

TEST(arguments_of_send_out_of_bounds_are_refused) {
  refused({"send", "--to", "x", "--class", "urgent", "t"},
          "there is no class `urgent`: use critical, warning or info");
  for (const char* bad : {"0", "-1", "86401", "5s", "99999999999999999999"}) {
    check::at("wait=%s", bad);
    refused({"send", "--to", "x", "--wait", bad, "t"},
            "cannot wait `" + std::string{bad} + "`: write a number of seconds from 1 to 86400");
  }
  std::vector<const char*> words{"send", "t"};
  for (std::size_t n = 0; n < kMaxPhones; ++n) words.insert(words.end(), {"--to", "x"});
  taken(words, Command::send);
  words.insert(words.end(), {"--to", "x"});
  refused(words, "too many `--to`: put the numbers into a [group]");
}

TEST(arguments_text_that_is_no_message_is_bad_data) {
  refused({"send", "--to", "x", ""}, "the text is empty: write what the message shall say", Exit::bad_data);
  refused({"send", "--to", "x", "a\xFF"}, "the text is not UTF-8: set the terminal or the script to UTF-8",
          Exit::bad_data);
  const std::string longest(kMaxText, 'x');
  taken({"send", "--to", "x", longest.c_str()}, Command::send);
  refused({"send", "--to", "x", (longest + "x").c_str()},
          "the text has 1025 bytes and a message at most 1024: make it shorter", Exit::bad_data);
}

TEST(arguments_help_is_found_by_both_ways) {
  taken({"send", "--help"}, Command::help);
  CHECK_TEXT(arguments.subject, "send");
  taken({"queue", "--help"}, Command::help);
  CHECK_TEXT(arguments.subject, "queue");
  taken({"-h"}, Command::help);
  CHECK_TEXT(arguments.subject, "");
  taken({"help", "queue", "show"}, Command::help);
  CHECK_TEXT(arguments.subject, "queue show");
  taken({"help", "token"}, Command::help);
  refused({"help", "sned"}, "unknown command `sned`: did you mean `send`?");
  refused({"help", "send", "now"}, "`tocsin help` does not take `now`: see `tocsin help help`");
}

TEST(help_of_every_command_is_there_and_its_example_is_taken) {
  std::size_t examples = 0;
  for (const Command command : {Command::run, Command::send, Command::raise, Command::clear,
                                Command::queue_list, Command::queue_show, Command::queue_retry,
                                Command::queue_drop, Command::queue_purge, Command::queue_check,
                                Command::status, Command::token_set, Command::token_show, Command::check,
                                Command::text, Command::version, Command::help}) {
    check::at("command=%s", std::string{word(command)}.c_str());
    const std::string text{help_text(word(command))};
    CHECK(text.rfind("tocsin ", 0) == 0);
    CHECK_EQ(text.back(), '\n');
    const std::size_t at = text.rfind("\n  tocsin ");
    CHECK(at != std::string::npos);
    // Words as a shell would make them of the example.
    std::vector<std::string> words{""};
    bool quoted = false;
    for (const char c : text.substr(at + 10, text.size() - at - 11)) {
      if (c == '\'') quoted = !quoted;
      else if (c == ' ' && !quoted) words.emplace_back();
      else words.back() += c;
    }
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    CHECK_EQ(number(parse(pointers)), 0);
    ++examples;
  }
  CHECK_EQ(examples, 17);
  for (const Command command : {Command::run, Command::send, Command::raise, Command::clear, Command::status,
                                Command::check, Command::text, Command::version})
    CHECK(help_text("").find(word(command)) != std::string_view::npos);
  for (std::size_t at = 0, start = 0; at < help_text("").size(); ++at)
    if (help_text("")[at] == '\n') {
      CHECK(at - start <= 80);
      start = at + 1;
    }
  CHECK_TEXT(help_text("frobnicate"), "");
}

TEST(config_path_is_the_option_then_the_environment_then_the_default) {
  taken({"-c", "/option", "run"}, Command::run);
  CHECK_TEXT(config_path(arguments, "/environment"), "/option");
  taken({"run"}, Command::run);
  CHECK_TEXT(config_path(arguments, "/environment"), "/environment");
  CHECK_TEXT(config_path(arguments, ""), "/etc/tocsin/tocsin.conf");
  CHECK_TEXT(config_path(arguments, nullptr), "/etc/tocsin/tocsin.conf");
}

TEST(read_text_takes_one_line_end_off_and_checks_the_rest) {
  const auto read = [](const std::string& content, std::string_view want, Exit exit) {
    scratch::write_file(scratch::path("text"), content);
    const int fd = ::open(scratch::path("text").c_str(), O_RDONLY);
    char memory[kMaxText + 2];  // and a line end
    char words[200];
    TextWriter writer{words};
    std::string_view text;
    CHECK_EQ(number(read_text(fd, memory, text, writer)), number(exit));
    ::close(fd);
    if (exit == Exit::done) CHECK_TEXT(text, want);
    CHECK_EQ(writer.size() == 0, exit == Exit::done);
  };
  read("hello", "hello", Exit::done);
  read("hello\n", "hello", Exit::done);
  read("a\r\nb\r\n", "a\nb", Exit::done);
  read("a\rb", "", Exit::bad_data);
  read("a\tb", "", Exit::bad_data);
  read("a\n\n", "a\n", Exit::done);
  read("", "", Exit::bad_data);
  read("\n", "", Exit::bad_data);
  read(std::string{"a\0b", 3}, "", Exit::bad_data);
  read("\xC3", "", Exit::bad_data);
  const std::string longest(kMaxText, 'x');
  read(longest + "\r\n", longest, Exit::done);
  read(longest + "x", "", Exit::bad_data);
  read(longest + longest + longest, "", Exit::bad_data);
}

TEST(worse_of_two_is_in_the_order_that_is_documented) {
  const Exit order[] = {Exit::token, Exit::refused, Exit::unreachable, Exit::later, Exit::done};
  for (std::size_t a = 0; a < 5; ++a)
    for (std::size_t b = 0; b < 5; ++b)
      CHECK_EQ(number(worse(order[a], order[b])), number(order[a < b ? a : b]));
  CHECK_EQ(number(Exit::token), 77);
  CHECK_EQ(number(Exit::config), 78);
}

TEST(arguments_in_random_order_are_judged_without_harm) {
  const char* const words[] = {"run",      "send",    "queue",  "list",    "show", "token",   "set", "help",
                               "--to",     "--to=",   "--to=x", "-",       "--",   "-c",      "-cx", "--json",
                               "-s",       "--wait",  "1",      "--class", "info", "x",       "",    "\xFF",
                               "--memory", "version", "-h",     "--=",     "=",    "--wait=9"};
  const std::uint64_t rounds = check::option("rounds", 50'000);
  const bool one = check::has_option("seed");
  for (std::uint64_t seed = one ? check::option("seed", 0) : 0; seed < rounds; ++seed) {
    check::at("seed=%u", static_cast<unsigned>(seed));
    std::mt19937 random{static_cast<std::uint32_t>(seed)};
    std::vector<const char*> line;
    for (auto n = random() % 8; n > 0; --n)
      line.push_back(words[random() % (sizeof words / sizeof words[0])]);
    const Exit exit = parse(line);
    CHECK(exit == Exit::done || exit == Exit::usage || exit == Exit::bad_data);
    if (one) break;
  }
}

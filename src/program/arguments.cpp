// SPDX-License-Identifier: MIT
// Words to one struct. What TEXT may be and how it is read: message_text.cpp; what help says: help.cpp.
#include "src/program/arguments.hpp"

#include "src/program/config.hpp"

namespace tocsin {
namespace {

enum class Need : std::uint8_t { nothing, subject, subject_and_file, subject_and_code, subject_if_any, text };
enum class Json : std::uint8_t { no, yes };

struct Known {
  std::string_view words;  // "queue list"
  Command command;
  Need need;
  std::string_view subject;  // how it is called in a message
  Json json;
};
constexpr Known kKnown[] = {
    {"run", Command::run, Need::nothing, "", Json::no},
    {"send", Command::send, Need::text, "TEXT", Json::no},
    {"raise", Command::raise, Need::subject, "ALARM", Json::no},
    {"clear", Command::clear, Need::subject, "ALARM", Json::no},
    {"ack", Command::ack, Need::subject, "ALARM", Json::no},
    {"queue list", Command::queue_list, Need::nothing, "", Json::yes},
    {"queue show", Command::queue_show, Need::subject, "ID", Json::yes},
    {"queue retry", Command::queue_retry, Need::subject, "ID", Json::no},
    {"queue drop", Command::queue_drop, Need::subject, "ID", Json::no},
    {"queue purge", Command::queue_purge, Need::nothing, "", Json::no},
    {"queue check", Command::queue_check, Need::subject_if_any, "DIR", Json::yes},
    {"status", Command::status, Need::nothing, "", Json::yes},
    {"token set", Command::token_set, Need::subject_and_file, "STREAM", Json::no},
    {"token show", Command::token_show, Need::subject, "STREAM", Json::yes},
    {"otp send", Command::otp_send, Need::subject, "PHONE", Json::no},
    {"otp verify", Command::otp_verify, Need::subject_and_code, "PHONE and CODE", Json::no},
    {"check", Command::check, Need::nothing, "", Json::yes},
    {"text", Command::text, Need::text, "TEXT", Json::yes},
    {"version", Command::version, Need::nothing, "", Json::yes},
    {"help", Command::help, Need::subject_if_any, "COMMAND", Json::no},
};
constexpr std::string_view kLater[] = {
    "alarms", "log", "setup", "doctor", "test", "simulate", "token import", "token check",
};

constexpr std::string_view kGroups[] = {"queue", "token", "otp"};  // of commands of two words

using Commands = std::uint32_t;  // a bit each
constexpr Commands only(Command command) { return Commands{1} << static_cast<unsigned>(command); }
constexpr Commands kEvery = ~Commands{0};

enum class Option : std::uint8_t { config, syslog, json, help, to, stream, cls, wait, memory, code };
struct KnownOption {
  std::string_view name;
  Option option;
  std::string_view value;  // what follows it; empty: nothing
  Commands of;             // that take it
};
constexpr KnownOption kOptions[] = {
    {"-c", Option::config, "FILE", kEvery},
    {"-s", Option::syslog, "", kEvery},
    {"--json", Option::json, "", kEvery},
    {"--help", Option::help, "", kEvery},
    {"-h", Option::help, "", kEvery},
    {"--to", Option::to, "PHONE", only(Command::send)},
    {"--stream", Option::stream, "STREAM",
     only(Command::send) | only(Command::text) | only(Command::otp_send) | only(Command::otp_verify)},
    {"--class", Option::cls, "CLASS", only(Command::send)},
    {"--wait", Option::wait, "SECS", only(Command::send)},
    {"--memory", Option::memory, "", only(Command::version)},
    {"--code", Option::code, "CODE", only(Command::otp_send)},
};
constexpr std::uint64_t kMostWaitSeconds = 86'400;

bool is_command(std::string_view words, std::string_view first, std::string_view second) {
  const std::string_view word = take_until(words, ' ');
  return word == first && words == second;
}

const Known* find_known(std::string_view first, std::string_view second) {
  for (const Known& known : kKnown)
    if (is_command(known.words, first, second)) return &known;
  return nullptr;
}

// One byte more than a text may have, and what the end of a character may leave free.
char several_texts[kMaxText + 4];

// One reading of a command line.
class Parser {
 public:
  Parser(Span<const char* const> words, Arguments& into, TextWriter& why)
      : words_(words), into_(into), why_(why), joined_(several_texts) {}

  Exit parse() {
    while (at_ < words_.size()) {
      const std::string_view word = words_[at_++];
      const bool is_option = !plain_ && word.size() > 1 && word.front() == '-';
      if (is_option && word == "--") {
        plain_ = true;
      } else if (const Exit exit = is_option ? option(word) : argument(word); exit != Exit::done) {
        return exit;
      }
    }
    return finish();
  }

 private:
  Exit usage(const char* what, std::string_view about, const char* rest) {
    why_.text(what);
    if (!about.empty()) write_quoted(about, why_);
    why_.text(rest);
    return Exit::usage;
  }
  // "... : see `tocsin help send`"
  Exit see_help(const char* what, std::string_view rest) {
    why_.text("`tocsin ").text(known_->words).text("` ").text(what).text(rest).text(": see `tocsin help ");
    why_.text(known_->words).text("`");
    return Exit::usage;
  }

  Exit option(std::string_view word);
  Exit option_value(const KnownOption& option, std::string_view value);
  Exit unknown_option(std::string_view word);
  Exit argument(std::string_view word);
  Exit text(std::string_view word);
  Exit command(std::string_view word);
  Exit find_command(std::string_view first, std::string_view second);
  Exit unknown_command(std::string_view word);
  Exit finish();

  Span<const char* const> words_;
  Arguments& into_;
  TextWriter& why_;
  std::size_t at_ = 1;
  bool plain_ = false;  // behind "--"
  const Known* known_ = nullptr;
  std::string_view group_;  // of kGroups, while the second word is not known
  std::size_t arguments_ = 0;
  bool help_ = false;
  bool text_given_ = false;
  TextWriter joined_;       // several TEXTs
  std::uint32_t given_ = 0;  // options, a bit each in their order
};

// --name VALUE, --name=VALUE, -c VALUE and -cVALUE.
Exit Parser::option(std::string_view word) {
  const bool is_long = starts_with(word, "--");
  const std::size_t equals = is_long ? find(word, '=') : kNotFound;
  const bool attached = is_long ? equals != kNotFound : starts_with(word, "-c") && word.size() > 2;
  const std::string_view name = !attached ? word : head(word, is_long ? equals : 2);
  const KnownOption* option = nullptr;
  for (const KnownOption& known : kOptions)
    if (known.name == name) option = &known;
  if (option == nullptr) return unknown_option(name);

  std::string_view value = attached ? tail(word, is_long ? equals + 1 : 2) : std::string_view{};
  if (option->value.empty()) {
    if (attached) return usage("the option ", name, " takes no value: leave the = out");
  } else if (!attached) {
    if (at_ == words_.size()) {
      usage("the option ", name, " needs a value: write ");
      why_.text(name).text(" ").text(option->value);
      return Exit::usage;
    }
    value = words_[at_++];
  }
  if (!option->value.empty() && value.empty())
    return usage("the option ", name, " has an empty value: give it one or leave it out");
  return option_value(*option, value);
}

Exit Parser::unknown_option(std::string_view word) {
  std::string_view names[sizeof kOptions / sizeof kOptions[0]];
  std::size_t count = 0;
  for (const KnownOption& known : kOptions) names[count++] = known.name;
  const std::string_view near = nearest(word, {names, count});
  why_.text("unknown option ");
  write_quoted(word, why_);
  if (!near.empty() && near.size() > 2) {
    why_.text(": did you mean `").text(near).text("`?");
  } else if (known_ != nullptr && known_->need == Need::text) {
    why_.text(": a text that begins with - comes behind --");
  } else {
    why_.text(": see `tocsin help`");
  }
  return Exit::usage;
}

Exit Parser::option_value(const KnownOption& option, std::string_view value) {
  given_ |= 1U << static_cast<unsigned>(&option - kOptions);
  switch (option.option) {
    case Option::config: into_.config_path = value; break;
    case Option::syslog: into_.to_syslog = true; break;
    case Option::json: into_.json = true; break;
    case Option::help: help_ = true; break;
    case Option::memory: into_.memory = true; break;
    case Option::stream: into_.stream = value; break;
    case Option::code: into_.code = value; break;
    case Option::to:
      if (into_.to_count == kMaxPhones) return usage("too many ", "--to", ": put the numbers into a [group]");
      into_.to[into_.to_count++] = value;
      break;
    case Option::cls: {
      const auto cls = parse_class(value);
      if (!cls.ok()) return usage("there is no class ", value, ": use critical, warning or info");
      into_.cls = cls.value();
      break;
    }
    case Option::wait: {
      const auto waited = parse_number(value, kMostWaitSeconds);
      if (!waited.ok() || waited.value() == 0)
        return usage("cannot wait ", value, ": write a number of seconds from 1 to 86400");
      into_.wait = seconds(static_cast<std::int64_t>(waited.value()));
      break;
    }
  }
  return Exit::done;
}

Exit Parser::argument(std::string_view word) {
  if (known_ == nullptr) return command(word);
  ++arguments_;
  switch (known_->need) {
    case Need::nothing: break;
    case Need::text: return text(word);
    case Need::subject:
    case Need::subject_and_file:
    case Need::subject_and_code:
    case Need::subject_if_any:
      if (arguments_ == 1) {
        into_.subject = word;
        return Exit::done;
      }
      if (arguments_ == 2 && known_->need == Need::subject_and_file) {
        into_.token_file = word;
        return Exit::done;
      }
      if (arguments_ == 2 && known_->need == Need::subject_and_code) {
        into_.code = word;
        return Exit::done;
      }
      if (arguments_ == 2 && known_->command == Command::help) {
        if (const Known* both = find_known(into_.subject, word); both != nullptr) {
          into_.subject = both->words;  // help queue show
          return Exit::done;
        }
      }
      break;
  }
  why_.text("`tocsin ").text(known_->words).text("` does not take ");
  write_quoted(word, why_);
  why_.text(": see `tocsin help ").text(known_->words).text("`");
  return Exit::usage;
}

// Nothing is sent by `tocsin text`: there the words may come as they are, as with echo.
Exit Parser::text(std::string_view word) {
  if (text_given_ && (known_->command != Command::text || into_.text_from_stdin))
    return usage("a second TEXT, ", word, ": put the whole text in quotes, and --to before a phone");
  if (!text_given_) {
    text_given_ = true;
    into_.text_from_stdin = word == "-" && !plain_;
    if (!into_.text_from_stdin) into_.text = word;
    return Exit::done;
  }
  if (joined_.size() == 0) joined_.text(into_.text);
  into_.text = joined_.text(" ").text(word).view();
  return Exit::done;
}

Exit Parser::command(std::string_view word) {
  if (!group_.empty()) return find_command(group_, word);
  for (const std::string_view group : kGroups)
    if (group == word) {
      group_ = word;
      return Exit::done;
    }
  return find_command(word, {});
}

Exit Parser::find_command(std::string_view first, std::string_view second) {
  if (const Known* known = find_known(first, second); known != nullptr) {
    known_ = known;
    group_ = {};
    return Exit::done;
  }
  for (const std::string_view later : kLater)
    if (is_command(later, first, second)) {
      why_.text("`tocsin ").text(later).text("` is not supported yet: see `tocsin help` for what is");
      return Exit::usage;
    }
  return unknown_command(second.empty() ? first : second);
}

Exit Parser::unknown_command(std::string_view word) {
  std::string_view names[sizeof kKnown / sizeof kKnown[0] + sizeof kGroups / sizeof kGroups[0]];
  std::size_t count = 0;
  for (const Known& known : kKnown) {
    std::string_view second = known.words;
    const std::string_view first = take_until(second, ' ');
    if (group_.empty() && second.empty()) names[count++] = first;
    if (!group_.empty() && first == group_) names[count++] = second;
  }
  if (group_.empty())
    for (const std::string_view group : kGroups) names[count++] = group;
  const std::string_view near = nearest(word, {names, count});
  if (group_.empty()) {
    why_.text("unknown command ");
  } else {
    why_.text("`tocsin ").text(group_).text("` has no command ");
  }
  write_quoted(word, why_);
  why_.text(": ");
  if (near.empty()) {
    why_.text("see `tocsin help`");
  } else {
    why_.text("did you mean `");
    if (!group_.empty()) why_.text(group_).text(" ");
    why_.text(near).text("`?");
  }
  return Exit::usage;
}

Exit Parser::finish() {
  if (help_) {  // tocsin send --help is tocsin help send
    into_.command = Command::help;
    into_.subject = known_ != nullptr ? known_->words : group_;
    return Exit::done;
  }
  if (known_ == nullptr && group_ == "queue") {
    if (const Exit exit = find_command("queue", "list"); exit != Exit::done) return exit;
  }
  if (known_ == nullptr) {
    if (group_ == "otp")
      return usage("", "tocsin otp", " needs to know what: write `otp send PHONE` or `otp verify PHONE CODE`");
    if (!group_.empty())
      return usage("", "tocsin token",
                   " needs to know what: write `token set STREAM` or `token show STREAM`");
    return usage("no command", {}, ": see `tocsin help`");
  }
  into_.command = known_->command;
  for (const KnownOption& option : kOptions)
    if ((given_ >> (&option - kOptions) & 1) != 0 && (option.of & only(known_->command)) == 0)
      return see_help("takes no ", option.name);
  if (into_.json && known_->json == Json::no) return see_help("takes no ", "--json");
  const bool has_subject = arguments_ > 0;
  if (!has_subject && known_->need != Need::nothing && known_->need != Need::subject_if_any)
    return see_help("needs ", known_->subject);
  if (known_->need == Need::subject_and_code && arguments_ == 1) return see_help("needs ", "CODE behind PHONE");
  if (known_->command == Command::help && has_subject && help_text(into_.subject).empty())
    return find_command(into_.subject, {});  // says whether it is of a later version or unknown
  if (known_->need != Need::text) return Exit::done;
  if (into_.to_count == 0 && known_->command == Command::send) return see_help("needs --to PHONE", "");
  return into_.text_from_stdin ? Exit::done : check_text(into_.text, why_);
}

}  // namespace

Exit worse(Exit a, Exit b) {
  for (const Exit exit : {Exit::token, Exit::refused, Exit::unreachable, Exit::later})
    if (a == exit || b == exit) return exit;
  return a == Exit::done ? b : a;
}

std::string_view word(Command command) {
  for (const Known& known : kKnown)
    if (known.command == command) return known.words;
  return {};
}

Exit parse_arguments(Span<const char* const> words, Arguments& into, TextWriter& why) {
  into = {};
  return Parser{words, into, why}.parse();
}

std::string_view config_path(const Arguments& arguments, const char* environment) {
  if (!arguments.config_path.empty()) return arguments.config_path;
  if (environment != nullptr && environment[0] != '\0') return environment;
  return kDefaultConfigPath;
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "src/program/config.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/linux/system.hpp"

namespace tocsin {

static_assert(kMaxStreams <= kMaxWays);

namespace {

template <typename T>
std::size_t find_name(const T* all, std::size_t count, std::string_view name) {
  for (std::size_t at = 0; at < count; ++at)
    if (all[at].name == name) return at;
  return kNotFound;
}

Status unreadable(ConfigErrors& errors, std::string_view what, std::string_view remedy, Status status) {
  char memory[200];
  TextWriter words{memory};
  words.text(what).text(": ").text(remedy);
  errors.add(0, words.view());
  return status;
}

Status unreadable(ConfigErrors& errors, std::string_view remedy, Status status) {
  char memory[100];
  TextWriter words{memory};
  words.text("cannot read it, ");
  write_errno(status.detail(), words);
  return unreadable(errors, words.view(), remedy, status);
}

// A number has no letter in it, a name has at least one.
bool is_number(std::string_view text) {
  for (const char c : text)
    if (!is_digit(c) && find("+-./() ", c) == kNotFound) return false;
  return true;
}

Status add_phone(const Phone& phone, PhoneList& into, TextWriter& why) {
  for (std::size_t at = 0; at < into.count; ++at)
    if (into.phones[at].view() == phone.view()) return {};
  if (into.count == kMaxPhones) {
    why.text("more than ").number(kMaxPhones).text(" phones for one message: send it in two parts");
    return Code::full;
  }
  into.phones[into.count++] = phone;
  return {};
}

Status add_part(const Config& config, std::string_view part, PhoneList& into, TextWriter& why) {
  if (part.empty()) {
    why.text("a name or number is missing: write them with one comma between two");
    return Code::bad_value;
  }
  if (const std::size_t at = config.find_contact(part); at != kNotFound)
    return add_phone(config.contacts[at].phone, into, why);
  if (const std::size_t at = config.find_group(part); at != kNotFound) {
    const GroupConfig& group = config.groups[at];
    for (std::size_t n = 0; n < group.member_count; ++n)
      TRY(add_phone(config.contacts[group.members[n]].phone, into, why));
    return {};
  }
  const std::string_view country = config.device.country_code;
  if (const auto phone = parse_phone(part, country); phone.ok()) return add_phone(phone.value(), into, why);

  write_quoted(part, why);
  if (is_number(part)) {
    why.text(" is not a phone number: ").text(phone_problem(part, country));
    return Code::bad_value;
  }
  std::string_view names[kMaxContacts + kMaxGroups];
  std::size_t count = 0;
  for (std::size_t n = 0; n < config.contact_count; ++n) names[count++] = config.contacts[n].name;
  for (std::size_t n = 0; n < config.group_count; ++n) names[count++] = config.groups[n].name;
  why.text(" is no contact, no group and no phone number: ");
  const std::string_view near = nearest(part, {names, count});
  if (near.empty()) {
    why.text(no_name_advice(part, "add a [contact NAME] section or write a number as +44..."));
  } else {
    why.text("did you mean `").text(near).text("`?");
  }
  return Code::not_found;
}

// Letters to change, add, leave out, or swap with their neighbour (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  constexpr std::size_t kLongest = 40;
  if (a.size() > kLongest || b.size() > kLongest) return kLongest;
  std::size_t rows[3][kLongest + 1];
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  const auto same = [a, b](std::size_t i, std::size_t j) { return to_lower(a[i - 1]) == to_lower(b[j - 1]); };
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t* const row = rows[i % 3];
    const std::size_t* const above = rows[(i + 2) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t least = above[j - 1] + (same(i, j) ? 0 : 1);
      if (above[j] + 1 < least) least = above[j] + 1;
      if (row[j - 1] + 1 < least) least = row[j - 1] + 1;
      if (i > 1 && j > 1 && same(i, j - 1) && same(i - 1, j)) {
        const std::size_t swapped = rows[(i + 1) % 3][j - 2] + 1;
        if (swapped < least) least = swapped;
      }
      row[j] = least;
    }
  }
  return rows[a.size() % 3][b.size()];
}

}  // namespace

std::size_t Config::find_stream(std::string_view name) const {
  return find_name(streams, stream_count, name);
}
std::size_t Config::first_stream() const {
  for (std::size_t at = 0; at < stream_count; ++at)
    if (streams[at].type != StreamType::otp) return at;
  return kNotFound;
}
std::size_t Config::find_contact(std::string_view name) const {
  return find_name(contacts, contact_count, name);
}
std::size_t Config::find_group(std::string_view name) const { return find_name(groups, group_count, name); }
std::size_t Config::find_alarm(std::string_view name) const { return find_name(alarms, alarm_count, name); }

void ConfigErrors::begin(std::string_view file_name) {
  file_name_ = file_name;
  count_ = kept_ = 0;
  all_kept_ = true;
}

void ConfigErrors::add(std::uint32_t line, std::string_view text, Kind kind) {
  count_ += kind == Kind::mistake ? 1U : 0U;
  all_kept_ = all_kept_ && kept_ < kMaxConfigErrors;
  std::size_t at = kept_;
  while (at > 0 && entries_[at - 1].line > line) --at;
  if (at == kMaxConfigErrors) return;
  if (kept_ < kMaxConfigErrors) ++kept_;
  for (std::size_t n = kept_ - 1; n > at; --n) entries_[n] = entries_[n - 1];
  entries_[at].line = line;
  entries_[at].kind = kind;
  entries_[at].text.assign_cut(text);
}

void ConfigErrors::write(std::size_t at, TextWriter& into, std::string_view warning) const {
  into.text(file_name_).text(":");
  if (entries_[at].line != 0) into.number(entries_[at].line).text(":");
  into.text(entries_[at].kind == Kind::warning ? warning : std::string_view{}).text(" ").text(entries_[at].text.view());
}

namespace {

constexpr int kCarried = 60;  // whoever starts a program has no file of this name there
constexpr std::string_view kCarriedAs = "/memfd:tocsin.conf (deleted)";

int open_carried() {
  char name[kCarriedAs.size() + 1];
  const ssize_t size = ::readlink("/proc/self/fd/60", name, sizeof name);
  return size > 0 && std::string_view{name, static_cast<std::size_t>(size)} == kCarriedAs ? kCarried : -1;
}

}  // namespace

void keep_text(const ConfigFile& file, Fd& into) {
  into.reset(::memfd_create("tocsin.conf", MFD_CLOEXEC));
  const bool kept = into.is_open() && write_whole(into.number(), as_bytes({file.text, file.size})).ok() &&
                    ::lseek(into.number(), 0, SEEK_SET) == 0;
  if (!kept) into.reset(-1);
}

void carry_over(const Fd& text) {
  if (text.is_open()) static_cast<void>(::dup2(text.number(), kCarried));
}

Status load_config(std::string_view path, ConfigFile& into, ConfigErrors& errors) {
  errors.begin(path);
  Fd file{open_carried()};
  if (!file.is_open()) file.reset(open_path(Path{path}.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.is_open() && errno == ENOENT)
    return unreadable(errors, "there is no such file", "make it, or name another one with -c",
                      Code::not_found);
  if (!file.is_open())
    return unreadable(errors, "run this as the user that the file belongs to", last_error());
  struct stat info {};
  if (::fstat(file.number(), &info) != 0) return unreadable(errors, "is the medium well?", last_error());
  if (!S_ISREG(info.st_mode)) {
    const bool folder = S_ISDIR(info.st_mode);
    return unreadable(errors, folder ? "this is a directory" : "this is not a file",
                      "name the configuration file with -c", Code::bad_value);
  }

  const MutBytes memory{reinterpret_cast<std::uint8_t*>(into.text), sizeof into.text};
  const auto size = read_whole(file.number(), memory);
  if (!size.ok()) return unreadable(errors, "is the medium well?", size.status());
  std::uint8_t more[1];
  const auto beyond = size.value() < memory.size() ? Result<std::size_t>{0U} : read_some(file.number(), more);
  if (!beyond.ok()) return unreadable(errors, "is the medium well?", beyond.status());
  if (beyond.value() != 0) {
    char words[60];
    TextWriter limit{words};
    limit.text("the file is larger than ").number(kMaxConfigFile).text(" bytes");
    return unreadable(errors, limit.view(), "is this the right one?", Code::too_big);
  }
  into.size = size.value();
  return parse_config(path, {into.text, into.size}, into.config, errors);
}

Status add_recipients(const Config& config, std::string_view to, PhoneList& into, TextWriter& why) {
  for (bool more = true; more;) {
    more = find(to, ',') != kNotFound;
    TRY(add_part(config, trim(take_until(to, ',')), into, why));
  }
  return {};
}

Status read_ways(const Config& config, std::string_view written, Ways& into, TextWriter& why) {
  into.count = 0;
  const std::size_t first = config.first_stream();
  if (written.empty() && first == kNotFound) {
    why.text("no stream takes messages, all are of type otp: add a [stream NAME] of another type");
    return Code::empty;
  }
  if (written.empty()) {
    into.at[into.count++] = static_cast<std::uint8_t>(first);
    return {};
  }
  for (bool more = true; more;) {
    more = find(written, ',') != kNotFound;
    const std::string_view name = trim(take_until(written, ','));
    const std::size_t at = config.find_stream(name);
    bool twice = false;
    for (std::size_t n = 0; n < into.count; ++n) twice = twice || into.at[n] == at;
    if (name.empty()) {
      why.text("a stream is missing: write their names with one comma between two");
      return Code::bad_value;
    }
    if (at == kNotFound) {
      std::string_view names[kMaxStreams];
      for (std::size_t n = 0; n < config.stream_count; ++n) names[n] = config.streams[n].name;
      const std::string_view near = nearest(name, {names, config.stream_count});
      write_quoted(name, why.text("there is no stream "));
      if (!near.empty()) why.text(": did you mean `").text(near).text("`?");
      else why.text(": ").text(no_name_advice(name, "add a [stream NAME] section for it"));
      if (near.empty() && config.stream_count > 0) write_streams(config, why.text(", "));
      return Code::not_found;
    }
    if (config.streams[at].type == StreamType::otp) {
      write_quoted(name, why.text("the stream "));
      why.text(" is for one-time codes alone (type otp): name another one");
      return Code::empty;
    }
    if (twice) {  // more than kMaxWays are there only if one is
      write_quoted(name, why);
      why.text(" stands twice: leave one");
      return Code::bad_value;
    }
    into.at[into.count++] = static_cast<std::uint8_t>(at);
  }
  return {};
}

void write_ways(const Config& config, const Ways& ways, std::string_view between, TextWriter& into) {
  for (std::size_t n = 0; n < ways.count; ++n)
    into.text(n == 0 ? std::string_view{} : between).text(config.streams[ways.at[n]].name);
}

void write_ways(const Config& config, const Ways& ways, JsonWriter& json) {
  json.open_array("streams");
  for (std::size_t n = 0; n < ways.count; ++n) json.element(config.streams[ways.at[n]].name);
  json.close_array();
}

void write_quoted(std::string_view written, TextWriter& into) {
  constexpr std::size_t kMost = 60;
  into.text("`");
  std::size_t at = 0;
  while (at < written.size()) {
    const std::size_t n = utf8_length(tail(written, at));
    const std::string_view character = head(tail(written, at), n > 0 ? n : 1);
    if (at + character.size() > kMost) break;
    const auto first = static_cast<unsigned char>(character.front());
    into.text(n == 0 || first < 0x20 || first == 0x7F ? "?" : character);
    at += character.size();
  }
  into.text(at < written.size() ? "...`" : "`");
}

std::string_view no_name_advice(std::string_view word, std::string_view otherwise) {
  const bool several = find(word, ' ') != kNotFound || find(word, ';') != kNotFound;
  return several && word.front() > '9' ? "write a comma between two names" : otherwise;  // +44 7700 ... is none
}

std::string_view nearest(std::string_view word, Span<const std::string_view> known) {
  // A slip of the finger, not another word: about one letter in three.
  const std::size_t most = word.size() < 3 ? 0 : word.size() < 6 ? 1 : word.size() < 9 ? 2 : 3;
  std::string_view best;
  std::size_t least = most + 1;
  for (const std::string_view candidate : known)
    if (const std::size_t n = distance(word, candidate); n < least) {
      least = n;
      best = candidate;
    }
  if (!best.empty() || word.size() < 3) return best;
  for (const std::string_view candidate : known)
    if (starts_with(candidate, word)) return candidate;  // "token" for "token_file"
  return best;
}

void write_streams(const Config& config, TextWriter& into) {
  into.text("it has ");
  for (std::size_t i = 0; i < config.stream_count; ++i)
    into.text(i == 0 ? "" : ", ").text(config.streams[i].name);
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/secret_file.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/linux/system.hpp"

namespace tocsin {
namespace {

// Bytes of a file with a token: what surrounds it may be a few lines.
constexpr std::size_t kMaxFile = kMaxToken + 256;

struct Kind {
  std::string_view name;
  std::string_view missing;
  bool as_it_is = false;  // a password may begin with anything
};
constexpr Kind kToken{"token", ": store the token of the stream with `tocsin token set`"};
constexpr Kind kKey{"API key", ": store it with `tocsin token set account`"};
constexpr Kind kLogin{"proxy login", ": write user:password into it, and let only its owner read it (chmod 600)",
                      true};
constexpr Kind kHook{"webhook secret",
                     ": write 16 characters or more into it, and let only its owner read it (chmod 600)"};

class Secret {
 public:
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { explicit_bzero(bytes_, sizeof bytes_); }
  MutBytes bytes() { return bytes_; }

 private:
  std::uint8_t bytes_[kMaxFile] = {};
};

// Writes, syncs and closes. The file is at its place only after that.
Status fill(Fd file, Bytes bytes, Durable durable) {
  if (::fchmod(file.number(), S_IRUSR | S_IWUSR) != 0) return last_error();  // whatever the umask was
  TRY(write_whole(file.number(), bytes));
  if (durable == Durable::yes && ::fsync(file.number()) != 0) return last_error();
  return ::close(file.release()) == 0 ? Status{} : last_error();
}

// What is copied with a token from a page, a script or an answer.
constexpr std::string_view kNoPart[] = {"\"", "'", "`", "{", "<", "authorization:", "bearer ", "token:", "token="};

std::string_view no_part_of(std::string_view token) {
  for (const std::string_view part : kNoPart)
    if (same_ignoring_case(head(token, part.size()), part) || (part.size() == 1 && ends_with(token, part))) return part;
  return {};
}

Result<std::string_view> clean(std::string_view raw, const Kind& kind, TextWriter& why) {
  const std::string_view name = kind.name;
  if (starts_with(raw, "\xEF\xBB\xBF")) raw = tail(raw, 3);
  const std::string_view token = trim(raw);
  if (token.empty()) {
    why.text("the ").text(name).text(" is empty: copy it again");
    return Code::empty;
  }
  if (token.size() > kMaxToken) {
    why.text("the ").text(name).text(" is longer than ").number(kMaxToken).text(" characters: is this the right file?");
    return Code::too_big;
  }
  if (const std::string_view part = no_part_of(token); !part.empty() && !kind.as_it_is) {
    why.text("the ").text(name).text(" has ").text(trim(part));
    why.text(" around it, which is no part of it: give the ").text(name);
    why.text(" alone");
    return Code::bad_value;
  }
  for (std::size_t at = 0; at < token.size(); ++at) {
    const auto byte = static_cast<unsigned char>(token[at]);
    if (byte > 0x20 && byte < 0x7F) continue;
    const bool blank = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
    why.text(blank         ? "a space or line end"
             : byte < 0x80 ? "a control character"
                           : "a character that is not ASCII");
    why.text(" inside the ").text(name).text(", at position ").number(at + 1);
    why.text(": copy the ").text(name).text(" again, alone");
    return Code::bad_value;
  }
  return token;
}

Result<std::size_t> read_secret(std::string_view path, const Kind& kind, Span<char> into, TextWriter& why) {
  explicit_bzero(into.data(), into.size());
  Fd file;
  TRY(open_secret(path, kind.name, kind.missing, file, why));
  Secret raw;
  const auto size = read_whole(file.number(), raw.bytes());
  if (!size.ok()) return failed(why, "cannot read ", path, size.status());
  TextWriter before = why;
  why.text("in ").text(path).text(": ");
  const auto token = clean(as_text(raw.bytes().first(size.value())), kind, why);
  if (!token.ok()) return token.status();
  if (token.value().size() > into.size()) {
    why.text("the ").text(kind.name).text(" is longer than ").number(into.size()).text(" characters");
    return Code::too_big;
  }
  why = before;  // nothing went wrong
  std::memcpy(into.data(), token.value().data(), token.value().size());
  return token.value().size();
}

}  // namespace

Status open_secret(std::string_view path, std::string_view name, std::string_view missing, Fd& into, TextWriter& why) {
  into.reset(open_path(Path{path}.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!into.is_open() && errno == ENOENT) {
    why.text("there is no ").text(name).text(" file ").text(path).text(missing);
    return Code::not_found;
  }
  if (!into.is_open()) {
    const Status failure = last_error();
    why.text("cannot open the ").text(name);
    failed(why, " file ", path, failure).ignore();
    if (failure.detail() == EACCES) why.text(": run this as its owner");
    return failure;
  }

  struct stat info {};
  if (::fstat(into.number(), &info) != 0) return failed(why, "cannot examine ", path, last_error());
  if (!S_ISREG(info.st_mode)) {
    why.text(path).text(" is not a file: name a file with the ").text(name);
    return Code::bad_value;
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) == 0) return {};
  why.text("others than its owner may use the ").text(name).text(" file ").text(path);
  why.text(": run `chmod 600 ").text(path).text("`");
  return Code::bad_value;
}

Result<std::string_view> clean_token(std::string_view raw, TextWriter& why) { return clean(raw, kToken, why); }

Result<std::size_t> read_token(std::string_view path, Span<char> into, TextWriter& why) {
  return read_secret(path, kToken, into, why);
}

Result<std::size_t> read_api_key(std::string_view path, Span<char> into, TextWriter& why) {
  return read_secret(path, kKey, into, why);
}

Result<std::size_t> read_hook_secret(std::string_view path, Span<char> into, TextWriter& why) {
  const auto size = read_secret(path, kHook, into, why);
  if (!size.ok() || size.value() >= kLeastHookSecret) return size;
  explicit_bzero(into.data(), into.size());
  why.text("the webhook secret in ").text(path).text(" has less than ").number(kLeastHookSecret);
  why.text(" characters: take a longer one, as of `openssl rand -hex 16`");
  return Code::bad_value;
}

Result<std::size_t> read_proxy_login(std::string_view path, Span<char> into, TextWriter& why) {
  const auto size = read_secret(path, kLogin, into, why);
  if (!size.ok() || find({into.data(), size.value()}, ':') != kNotFound) return size;
  explicit_bzero(into.data(), into.size());
  why.text("in ").text(path).text(": write user:password, with a colon between them");
  return Code::bad_value;
}

Status write_token(std::string_view path, std::string_view token, TextWriter& why) {
  TRY_LET(cleaned, clean_token(token, why));
  Secret line;
  std::memcpy(line.bytes().data(), cleaned.data(), cleaned.size());
  line.bytes()[cleaned.size()] = '\n';
  return write_secret(path, line.bytes().first(cleaned.size() + 1), Durable::yes, why);
}

Status write_secret(std::string_view path, Bytes bytes, Durable durable, TextWriter& why) {
  std::size_t slash = path.size();
  while (slash > 0 && path[slash - 1] != '/') --slash;
  const std::string_view folder = slash == 0 ? "." : head(path, slash);
  char memory[kMaxPath + 1];
  TextWriter temporary{memory};
  temporary.text(tail(path, slash)).text(".new").character('\0');
  const Path name{tail(path, slash)};
  if (temporary.cut() || name.view().empty())
    return failed(why, "cannot write ", path, {Code::io, ENAMETOOLONG});

  const Fd dir{::open(Path{folder}.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!dir.is_open()) {
    const Status failure = failed(why, "cannot open the folder of ", path, last_error());
    if (failure.detail() == ENOENT) why.text(": make it first");
    return failure;
  }
  if (::unlinkat(dir.number(), memory, 0) != 0 && errno != ENOENT)
    return failed(why, "cannot write beside ", path, last_error());
  Fd file{::openat(dir.number(), memory, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (!file.is_open()) return failed(why, "cannot write beside ", path, last_error());
  // Set by root, the token still belongs to whom it belonged to: the user that the daemon runs as.
  struct stat owner = {};
  if (::geteuid() == 0 && (::fstatat(dir.number(), name.c_str(), &owner, AT_SYMLINK_NOFOLLOW) == 0 ||
                           ::fstat(dir.number(), &owner) == 0) &&
      ::fchown(file.number(), owner.st_uid, owner.st_gid) != 0)
    return failed(why, "cannot give its owner to ", path, last_error());
  Status written = fill(Fd{file.release()}, bytes, durable);
  if (written.ok() && ::renameat(dir.number(), memory, dir.number(), name.c_str()) != 0)
    written = last_error();
  if (!written.ok()) {
    ::unlinkat(dir.number(), memory, 0);  // a secret must not lie about under another name
    return failed(why, "cannot write ", path, written);
  }
  if (durable == Durable::yes && ::fsync(dir.number()) != 0)
    return failed(why, "cannot sync the folder of ", path, last_error());
  return {};
}

}  // namespace tocsin

// SPDX-License-Identifier: MIT
#include "port/linux/session_file.hpp"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

namespace tocsin {
namespace {

// A path that was mixed up must not cost a key, a token or an authority: those are texts, and a session is none.
bool is_text(std::string_view path) {
  const Fd file(::open(Path(path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  char begin[16];
  const ssize_t size = file.is_open() ? ::read(file.number(), begin, sizeof begin) : 0;
  for (ssize_t at = 0; at < size; ++at)
    if ((begin[at] < ' ' && begin[at] != '\n' && begin[at] != '\r' && begin[at] != '\t') || begin[at] > '~') return false;
  return size > 0;
}

}  // namespace

void SessionFile::wipe() { ::explicit_bzero(bytes_, sizeof bytes_); }

Result<std::size_t> SessionFile::read(std::string_view path, TextWriter& why) {
  Fd file;
  TRY(open_secret(path, "session", {}, file, why));
  const auto size = read_whole(file.number(), bytes_);
  if (!size.ok()) return failed(why, "cannot read ", path, size.status());
  if (size.value() < sizeof bytes_) return size;
  why.text(path).text(" is too long for a session: is this the right file?");
  return Code::too_big;
}

void SessionFile::begin_writing(std::string_view path, std::size_t size) {
  path_ = path;
  size_ = size;
  begin();
}

Status SessionFile::carry_out(StorageJob& self) {
  auto& job = static_cast<SessionFile&>(self);
  if (is_text(job.path_)) return {Code::io, EEXIST};
  char nobody[1];
  TextWriter why{nobody};
  return write_secret(job.path_, {job.bytes_, job.size_}, Durable::no, why);
}

Status SessionFile::outcome(TextWriter& why) {
  const Status status = StorageJob::outcome();
  if (status.code() == Code::again) return status;
  wipe();
  if (status.detail() == EEXIST) {
    why.text(path_).text(" is a text and stays as it is: name another file for the session (session_file)");
    return status;
  }
  return status.ok() ? status : failed(why, "cannot write the session file ", path_, status);
}

}  // namespace tocsin

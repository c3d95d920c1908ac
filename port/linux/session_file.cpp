// SPDX-License-Identifier: MIT
#include "port/linux/session_file.hpp"

#include <string.h>
#include <unistd.h>

namespace tocsin {
namespace {

constexpr std::string_view kMark = "tocsin session\n";

// A path that was mixed up must not cost a key, a token or an authority. Zeros are what a power cut leaves.
bool is_another(std::string_view path) {
  Fd file;
  if (!open_file(path, file).ok()) return false;
  std::uint8_t begin[kMark.size()];
  const auto size = read_whole(file.number(), begin);
  return size.ok() && size.value() > 0 && begin[0] != 0 && !same(Bytes{begin}.first(size.value()), as_bytes(kMark));
}

}  // namespace

void SessionFile::wipe() { ::explicit_bzero(bytes_, sizeof bytes_); }

MutBytes SessionFile::room() { return MutBytes{bytes_}.drop(kMark.size()); }

Result<std::size_t> SessionFile::read(std::string_view path, TextWriter& why) {
  Fd file;
  TRY(open_secret(path, "session", {}, file, why));
  const auto size = read_whole(file.number(), bytes_);
  if (!size.ok()) return failed(why, "cannot read ", path, size.status());
  const Bytes all = Bytes{bytes_}.first(size.value());
  if (all.size() < kMark.size() || !same(all.first(kMark.size()), as_bytes(kMark))) {
    why.text(path).text(" is no session (is this the right file?)");
    return Code::bad_value;
  }
  if (all.size() < sizeof bytes_) return all.size() - kMark.size();
  why.text(path).text(" is too long for a session");
  return Code::too_big;
}

void SessionFile::begin_writing(std::string_view path, std::size_t size) {
  path_ = path;
  size_ = size;
  begin();
}

Status SessionFile::carry_out(StorageJob& self) {
  auto& job = static_cast<SessionFile&>(self);
  if (is_another(job.path_)) return {Code::io, EEXIST};
  copy(MutBytes{job.bytes_}, as_bytes(kMark));
  char nobody[1];
  TextWriter why{nobody};
  return write_secret(job.path_, Bytes{job.bytes_}.first(kMark.size() + job.size_), Durable::no, why);
}

Status SessionFile::outcome(TextWriter& why) {
  const Status status = StorageJob::outcome();
  if (status.code() == Code::again) return status;
  wipe();
  if (status.detail() == EEXIST) {
    why.text(path_).text(" is no session and stays as it is: name another file for the session (session_file)");
    return status;
  }
  return status.ok() ? status : failed(why, "cannot write the session file ", path_, status);
}

}  // namespace tocsin

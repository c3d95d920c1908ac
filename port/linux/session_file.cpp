// SPDX-License-Identifier: MIT
#include "port/linux/session_file.hpp"

#include <string.h>

namespace tocsin {

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
  char nobody[1];
  TextWriter why{nobody};
  return write_secret(job.path_, {job.bytes_, job.size_}, Durable::no, why);
}

Status SessionFile::outcome(TextWriter& why) {
  const Status status = StorageJob::outcome();
  if (status.code() == Code::again) return status;
  wipe();
  return status.ok() ? status : failed(why, "cannot write the session file ", path_, status);
}

}  // namespace tocsin

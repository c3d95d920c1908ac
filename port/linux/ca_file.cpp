// SPDX-License-Identifier: MIT
#include "port/linux/ca_file.hpp"

namespace tocsin {
namespace {

constexpr std::uint8_t kInteger = 0x02, kSequence = 0x30, kVersion = 0xA0;

struct Element {
  Bytes whole, content;
};

// Takes the first element off `rest`, which must have this tag (X.690 8.1).
bool take(Bytes& rest, std::uint8_t tag, Element& into) {
  if (rest.size() < 2 || rest[0] != tag) return false;
  std::size_t length = rest[1], head = 2;
  if (length >= 0x80) {
    const std::size_t digits = length - 0x80;
    if (digits < 1 || digits > 3 || rest.size() < head + digits) return false;
    length = 0;
    for (std::size_t n = 0; n < digits; ++n) length = length << 8 | rest[head + n];
    head += digits;
  }
  if (rest.size() - head < length) return false;
  into.whole = rest.first(head + length);
  into.content = into.whole.drop(head);
  rest = rest.drop(head + length);
  return true;
}

}  // namespace

bool operator==(const FileId& a, const FileId& b) {
  return a.device == b.device && a.inode == b.inode && a.size == b.size && a.changed_s == b.changed_s &&
         a.changed_ns == b.changed_ns;
}

FileId file_id(std::string_view path) {
  struct stat about = {};
  if (::stat(Path{path}.c_str(), &about) != 0) return {};
  FileId id;
  id.device = about.st_dev;
  id.inode = about.st_ino;
  id.size = static_cast<std::uint64_t>(about.st_size);
  id.changed_s = about.st_ctim.tv_sec;
  id.changed_ns = about.st_ctim.tv_nsec;
  return id;
}

UnixMillis moment(const mbedtls_x509_time& time) {
  return from_calendar(time.year, time.mon, time.day, time.hour, time.min, time.sec);
}

Status CaFile::open(std::string_view path) {
  TRY(open_file(path, fd_));
  reader_.begin(fd_.number());
  return {};
}

Bytes subject_of(Bytes certificate) {
  Element outer, signed_part, passed, subject;
  if (!take(certificate, kSequence, outer) || !take(outer.content, kSequence, signed_part)) return {};
  Bytes rest = signed_part.content;
  if (!rest.empty() && rest[0] == kVersion && !take(rest, kVersion, passed)) return {};
  const bool found = take(rest, kInteger, passed) &&   // serialNumber
                     take(rest, kSequence, passed) &&  // signature
                     take(rest, kSequence, passed) &&  // issuer
                     take(rest, kSequence, passed) &&  // validity
                     take(rest, kSequence, subject);
  return found ? subject.whole : Bytes{};
}

}  // namespace tocsin

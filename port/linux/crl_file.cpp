// SPDX-License-Identifier: MIT
#include "port/linux/crl_file.hpp"

#include <unistd.h>

#include "port/linux/tls_memory.hpp"

namespace tocsin {
namespace {

constexpr char kWhat[] = "the revocation list ";

}  // namespace

Status CrlFile::read(std::string_view path, TextWriter& why) {
  const FileId now = path.empty() ? FileId{} : file_id(path);
  if (now == id_ && (path.empty() || !(now == FileId{}))) return {};
  mbedtls_x509_crl_free(&lists_);
  mbedtls_x509_crl_init(&lists_);
  id_ = {};
  if (path.empty()) return {};
  Fd file;
  Status status = open_file(path, file);
  if (status.ok()) status = read_lists(file.number());
  if (status.ok()) {
    id_ = now;
    return {};
  }
  mbedtls_x509_crl_free(&lists_);
  mbedtls_x509_crl_init(&lists_);
  if (status.code() == Code::io) {
    failed(why, kWhat, path, status).ignore();
  } else {
    why.text(kWhat).text(path);
    why.text(status.code() == Code::full ? kDoesNotFit : " is not X.509 in PEM or DER, at most 16 KiB each");
  }
  why.text("; look at crl_file");
  return status;
}

Status CrlFile::read_lists(int fd) {
  std::uint8_t memory[kMaxCrlBytes];
  constexpr std::uint8_t kSequence = 0x30;  // how DER begins, and PEM does not
  TRY_LET(first, read_whole(fd, MutBytes{memory}.first(1)));
  if (first == 1 && memory[0] == kSequence) {
    TRY_LET(rest, read_whole(fd, MutBytes{memory}.drop(1)));
    return 1 + rest < sizeof memory ? add(Bytes{memory}.first(1 + rest)) : Status{Code::bad_value};
  }
  if (::lseek(fd, 0, SEEK_SET) != 0) return last_error();
  PemReader reader{"X509 CRL", memory};
  reader.begin(fd);
  for (bool any = false;; any = true) {
    const Result<Bytes> list = reader.next();
    if (list.code() == Code::not_found && any) return {};
    if (!list.ok()) return list.code() == Code::io ? list.status() : Code::bad_value;
    TRY(add(list.value()));
  }
}

UnixMillis CrlFile::until() const {
  UnixMillis until{INT64_MAX};
  for (const mbedtls_x509_crl* list = &lists_; list != nullptr; list = list->next)
    if (list->next_update.year != 0 && end_of_second(list->next_update).ms < until.ms)
      until = end_of_second(list->next_update);
  return until;
}

Status CrlFile::add(Bytes der) {
  const int error = mbedtls_x509_crl_parse_der(&lists_, der.data(), der.size());
  if (error == 0) return {};
  return {is_out_of_memory(error) ? Code::full : Code::bad_value, error};
}

}  // namespace tocsin

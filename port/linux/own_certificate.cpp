// SPDX-License-Identifier: MIT
#include "port/linux/own_certificate.hpp"

#include <mbedtls/version.h>
#include <unistd.h>

#include "port/linux/certificate.hpp"
#include "port/linux/entropy.hpp"
#include "port/linux/secret_file.hpp"
#include "port/linux/tls_memory.hpp"

namespace tocsin {
namespace {

int parse_key(mbedtls_pk_context& into, Bytes der) {
#if MBEDTLS_VERSION_NUMBER < 0x03000000
  return mbedtls_pk_parse_key(&into, der.data(), der.size(), nullptr, 0);
#else
  return mbedtls_pk_parse_key(&into, der.data(), der.size(), nullptr, 0, tls_random, nullptr);
#endif
}

bool belong_together(const mbedtls_pk_context& certified, const mbedtls_pk_context& key) {
#if MBEDTLS_VERSION_NUMBER < 0x03000000
  return mbedtls_pk_check_pair(&certified, &key) == 0;
#else
  return mbedtls_pk_check_pair(&certified, &key, tls_random, nullptr) == 0;
#endif
}

}  // namespace

const OwnCertificate::Words OwnCertificate::kOfClient = {
    "the client certificate ", "client_cert_file", "the client key ", "client_key_file", "client key",
    ": look at client_key_file"};
const OwnCertificate::Words OwnCertificate::kOfWebhook = {
    "the webhook certificate ", "cert_file", "the webhook key ", "key_file", "webhook key", ": look at key_file"};

OwnCertificate::OwnCertificate(const Words& words) : words_(words) {
  mbedtls_x509_crt_init(&chain_);
  mbedtls_pk_init(&key_);
}

OwnCertificate::~OwnCertificate() {
  users_ = 1;
  give_back();
}

void OwnCertificate::name(std::string_view certificate, std::string_view key) {
  certificate_path_ = certificate;
  key_path_ = key;
  checked_ = {};
}

Status OwnCertificate::use_in(mbedtls_ssl_config& config) {
  if (certificate_path_.empty()) return {};
  const int error = mbedtls_ssl_conf_own_cert(&config, &chain_, &key_);
  return error == 0 ? Status{} : Status{Code::tls, error};
}

OwnCertificate::Id OwnCertificate::id() const {
  if (certificate_path_.empty()) return {};
  return {file_id(certificate_path_), file_id(key_path_)};
}

Status OwnCertificate::take(TextWriter& why) {
  if (certificate_path_.empty() || users_ > 0) {
    ++users_;
    return {};
  }
  users_ = 1;
  const Status status = read(why);
  if (!status.ok()) give_back();
  return status;
}

void OwnCertificate::give_back() {
  if (users_ == 0 || --users_ > 0) return;
  mbedtls_x509_crt_free(&chain_);
  mbedtls_x509_crt_init(&chain_);
  mbedtls_pk_free(&key_);
  mbedtls_pk_init(&key_);
}

bool OwnCertificate::write_warning(UnixMillis at, TextWriter& into) const {
  if (dates_.include(at)) return false;
  const bool early = at.ms < dates_.from.ms;
  into.text(words_.certificate).text(certificate_path_).text(early ? " is not valid before " : " expired on ");
  write_day(early ? dates_.from : dates_.until, into);
  into.text(": put a new one there, or look at the clock");
  return true;
}

void OwnCertificate::name(File which, TextWriter& into) const {
  const bool key = which == File::key;
  into.text(key ? words_.key : words_.certificate).text("(").text(key ? words_.key_key : words_.certificate_key);
  into.text(") ").text(key ? key_path_ : certificate_path_);
}

// Words of a file; empty: of the errno in `status`.
Status OwnCertificate::refuse(File which, std::string_view words, Status status, TextWriter& why) const {
  name(which, why);
  if (status.code() != Code::io) {
    why.text(words);
  } else {
    write_errno(status.detail(), why.text(": "));
  }
  return status;
}

Status OwnCertificate::read(TextWriter& why) {
  const Id now = id();
  for (const File which : {File::certificate, File::key})
    if ((which == File::key ? now.key : now.certificate).size > kMaxOwnFile)
      return refuse(which, " is larger than 64 KiB: is it the right file?", Code::too_big, why);
  TRY(read_chain(why));
  TRY(read_key(why));
  dates_ = {moment(chain_.valid_from), end_of_second(chain_.valid_to)};
  if (now == checked_) return {};  // what takes a slow device a while is not done for each handshake
  if (!belong_together(chain_.pk, key_)) {
    name(File::key, why);
    name(File::certificate, why.text(" does not belong to "));
    why.text(": take both of one pair, its own certificate first");
    return Code::bad_value;
  }
  checked_ = now;
  return {};
}

Status OwnCertificate::read_chain(TextWriter& why) {
  CaFile file;
  Status status = file.open(certificate_path_);
  std::size_t size = 0;
  while (status.ok()) {
    const Result<Bytes> der = file.next();
    if (der.code() == Code::not_found && size > 0) return {};
    status = der.status();
    if (!der.ok()) break;
    size += der.value().size();
    if (size > kMaxOwnChain)
      return refuse(File::certificate, " is too long: 3,600 bytes in DER with its chain; leave out the root",
                    Code::too_big, why);
    const int error = mbedtls_x509_crt_parse_der(&chain_, der.value().data(), der.value().size());
    if (error != 0) status = {is_out_of_memory(error) ? Code::full : Code::bad_value, error};
  }
  return refuse(
      File::certificate,
      status.code() == Code::full
          ? kDoesNotFit
          : " is none that is understood: write it in PEM, its own first, with a key of EC (P-256, P-384) or RSA",
      status.code() == Code::not_found ? Status{Code::bad_value} : status, why);
}

Status OwnCertificate::read_key(TextWriter& why) {
  Fd file;
  TRY(open_secret(key_path_, words_.secret, words_.missing, file, why));
  std::uint8_t memory[kMaxOwnKey];
  Status status = Code::not_found;
  for (const std::string_view label : {"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"}) {
    if (::lseek(file.number(), 0, SEEK_SET) != 0) return refuse(File::key, {}, last_error(), why);
    PemReader reader{label, memory};
    reader.begin(file.number());
    const Result<Bytes> der = reader.next();
    status = der.status();
    if (der.ok()) {
      const int error = parse_key(key_, der.value());
      if (error != 0) status = {is_out_of_memory(error) ? Code::full : Code::bad_value, error};
    }
    reader.wipe();
    if (status.code() != Code::not_found) break;
  }
  if (status.ok()) return {};
  return refuse(File::key,
                status.code() == Code::full ? kDoesNotFit
                                            : " is none that is understood: EC (P-256, P-384) or RSA (4096 bits at "
                                              "most) in PEM, without a password (`openssl pkey` takes it off)",
                status.code() == Code::not_found ? Status{Code::bad_value} : status, why);
}

}  // namespace tocsin

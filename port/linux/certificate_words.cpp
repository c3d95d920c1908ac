// SPDX-License-Identifier: MIT
// What is wrong with a server's certificate, for a technician: what, to what, what to do.
#include "port/linux/certificate.hpp"
#include "port/linux/system.hpp"
#include "port/linux/tls_memory.hpp"

namespace tocsin {
namespace {

void write_weak(TextWriter& into) {
  into.text(
      "its key or signature, or its CA's, is too weak or of an unknown kind: the server needs RSA 2048, "
      "P-256 or P-384, SHA-256 at least");
}

}  // namespace

void write_day(UnixMillis at, TextWriter& into) {
  char text[32];
  TextWriter date{text};
  write_date(at, date);
  into.text(head(date.view(), 10));
}

void CertificateVerdict::write_clock(TextWriter& into) const {
  if (clock_set_) {
    into.text("(this device's clock says ");
    write_day(at_, into);
  } else {
    into.text("(this device's clock is not set; judged by ");
    write_day(at_, into);
    into.text(floor_ == FloorFrom::build    ? ", when this program was built"
              : floor_ == FloorFrom::record ? ", when a message was last accepted"
                                            : ", as the service said last");
  }
  into.character(')');
}

void CertificateVerdict::write_date_flaw(TextWriter& into) const {
  const std::string_view whose = path_.dated_depth == 0 ? "it " : "the certificate of its CA ";
  if ((flags_ & MBEDTLS_X509_BADCERT_EXPIRED) != 0) {
    into.text(whose).text("expired on ");
    write_day(path_.until, into);
    write_clock(into.character(' '));
    into.text(path_.dated_depth == kOfFile ? ": update ca_file" : ": the server needs a new one");
    if (clock_set_) into.text(", or the clock is wrong");
    return;
  }
  if (!clock_set_) {
    into.text("the clock is wrong (");
    write_day(wall_, into);
    into.text("), set it or enable NTP: ");
  }
  into.text(whose).text("is not valid before ");
  write_day(path_.from, into);
  write_clock(into.character(' '));
  if (clock_set_) into.text(": check the clock");
}

bool CertificateVerdict::write_list_flaw(TextWriter& into) const {
  if ((flags_ & MBEDTLS_X509_BADCRL_EXPIRED) != 0) {
    into.text("the revocation list of its CA ended on ");
    write_day(list_dates_.until, into);
    write_clock(into.character(' '));
    into.text(": put the new one into crl_file");
  } else if (no_list_) {
    into.text("crl_file has no revocation list of its issuer '").text(issuer_.view()).text("': add it");
  } else if ((flags_ & (MBEDTLS_X509_BADCRL_NOT_TRUSTED | MBEDTLS_X509_BADCRL_BAD_MD |
                        MBEDTLS_X509_BADCRL_BAD_PK | MBEDTLS_X509_BADCRL_BAD_KEY)) != 0) {
    into.text("the revocation list in crl_file is not signed by its CA, or too weakly: get it anew");
  } else {
    return false;
  }
  return true;
}

void CertificateVerdict::write_flaw(TextWriter& into) const {
  const auto has = [this](std::uint32_t flag) { return (flags_ & flag) != 0; };
  const bool unknown = has(MBEDTLS_X509_BADCERT_NOT_TRUSTED);
  if (ran_out_of_memory()) {
    into.text(kNoMemory);
  } else if (unreadable_ || (unknown && weakly_signed_)) {
    write_weak(into);
  } else if (unknown && !ca_file_.ok()) {
    into.text("cannot read the CA file ").text(trust_.ca_file).text(" (ca_file): ");
    write_errno(ca_file_.detail(), into);
  } else if (unknown && self_signed_) {
    into.text("it is self-signed and not in ").text(trust_.ca_file).text(": if it is the right one, put it there");
  } else if (unknown) {
    into.text("it is not signed by a CA in ").text(trust_.ca_file).text(": its issuer is '").text(issuer_.view());
    into.text("'; check ca_file, and that the server sends its whole chain");
  } else if (has(MBEDTLS_X509_BADCERT_REVOKED)) {
    into.text("it is revoked (crl_file): the server needs a new one");
  } else if (has(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)) {
    write_date_flaw(into);
  } else if (has(MBEDTLS_X509_BADCERT_CN_MISMATCH)) {
    into.text("it is for ").text(names_.empty() ? "nobody (it has no subjectAltName)" : names_.view());
    into.text(", not for ").text(host_.view()).text(": check base_url");
  } else if (has(MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY)) {
    write_weak(into);
  } else if (write_list_flaw(into)) {
  } else if (has(MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
                 MBEDTLS_X509_BADCERT_NS_CERT_TYPE)) {
    into.text("it is not made for a server: the server needs another one");
  } else if (pin_missed_) {
    into.text("no key of its chain is in pin_sha256; its own is ");
    write_pin(leaf_pin_, into);
    into.text(": add that if the service has changed its key");
  } else {
    into.text("Mbed TLS says 0x").hex(flags_);
  }
}

}  // namespace tocsin

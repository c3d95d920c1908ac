// SPDX-License-Identifier: MIT
#include "port/linux/certificate.hpp"

#include "port/linux/ca_file.hpp"
#include "port/linux/server_name.hpp"
#include "port/linux/tls_memory.hpp"

#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

namespace tocsin {
namespace {

constexpr std::uint32_t kDates = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
// Mbed TLS judges these by another clock. A list from the future is used: RFC 5280 6.3.3 asks for its end alone.
constexpr std::uint32_t kListDates = MBEDTLS_X509_BADCRL_EXPIRED | MBEDTLS_X509_BADCRL_FUTURE;

Bytes bytes_of(const mbedtls_asn1_buf& buffer) { return {buffer.p, buffer.p == nullptr ? 0 : buffer.len}; }

bool is_self_issued(const mbedtls_x509_crt& certificate) {
  return same(bytes_of(certificate.subject_raw), bytes_of(certificate.issuer_raw));
}

void narrow(CertificateVerdict::Dates& dates, UnixMillis from, UnixMillis until) {
  if (from.ms > dates.from.ms) dates.from = from;
  if (until.ms < dates.until.ms) dates.until = until;
}

}  // namespace

void make_nobody(mbedtls_x509_crt& into) {
  static unsigned char nobody[] = {'n', 'o', 'b', 'o', 'd', 'y'};
  mbedtls_x509_crt_init(&into);
  into.raw = {0, sizeof nobody, nobody};
  into.subject_raw = into.raw;
  into.subject.oid = {MBEDTLS_ASN1_OID, sizeof nobody, nobody};
}

void CertificateVerdict::begin(const Clocks& clocks, std::string_view host, const Address* address,
                               const Trust& trust) {
  *this = CertificateVerdict{};
  trust_ = trust;
  refused_before_ = tls_memory().refused();
  clock_set_ = clocks.wall_trusted;
  wall_ = clocks.wall;
  at_ = judged_at(clocks);
  floor_ = clock_floor().from;
  host_.assign_cut(host);
  has_address_ = address != nullptr;
  if (has_address_) address_ = *address;
}

void CertificateVerdict::judge(mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
  const bool in_order = !saw_leaf_ && depth >= 0 && depth < kMaxChain && (top_ < 0 || depth == newest_ - 1);
  if (!in_order) {
    flags |= MBEDTLS_X509_BADCERT_OTHER;
    flags_ |= flags;
    return;
  }
  if (top_ < 0) {
    top_ = depth;
    name_issuer(certificate);
    self_signed_ = depth == 0 && is_self_issued(certificate);
  }
  newest_ = depth;
  if (certificate.raw.len == 0) {
    unreadable_ = true;
    flags |= MBEDTLS_X509_BADCERT_BAD_PK;
  }
  Link& link = links_[depth];
  link.certificate = &certificate;
  link.flags = (flags & ~(kDates | kListDates)) | date_flags(certificate) | list_flags(certificate, depth);
  flags = 0;
  if (depth > 0) return;

  saw_leaf_ = true;
  const bool named = has_address_ ? names_address(certificate, address_) : names_host(certificate, host_.view());
  if (!named) link.flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
  char shown[64];
  TextWriter text{shown};
  write_names(certificate, text);
  names_.assign_cut(text.view());
  leaf_pin_ = pin_of(bytes_of(certificate.pk_raw));
  find_authority();
  flags_ |= path_.flags;
  flags = flags_;
  if (no_list_ && (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) == 0) name_issuer(certificate);
}

void CertificateVerdict::name_issuer(const mbedtls_x509_crt& certificate) {
  char shown[64];
  TextWriter text{shown};
  write_common_name(certificate.issuer, text);
  issuer_.assign_cut(text.view());
}

// Mbed TLS tells some of it as a signature that is wrong.
bool CertificateVerdict::ran_out_of_memory() const {
  return no_memory_ || tls_memory().refused() != refused_before_;
}

// One reading of the file for the whole chain.
void CertificateVerdict::find_authority() {
  CaFile file;
  ca_file_ = file.open(trust_.ca_file);
  while (ca_file_.ok() && !anchored_) {
    const Result<Bytes> der = file.next();
    if (der.code() == Code::not_found) break;
    if (der.code() == Code::io) ca_file_ = der.status();
    if (!der.ok()) continue;
    const Bytes subject = subject_of(der.value());
    for (int depth = 0; depth <= top_ && !subject.empty() && !anchored_; ++depth)
      if (same(bytes_of(links_[depth].certificate->issuer_raw), subject)) try_authority(der.value(), depth);
  }
  if (path_.tried) return;
  // Nobody is there that could vouch for it. What is wrong beside that is said when that is mended.
  for (int depth = top_; depth >= 0; --depth)
    add(*links_[depth].certificate, depth, links_[depth].flags, path_);
}

void CertificateVerdict::try_authority(Bytes der, int depth) {
  if ((links_[depth].flags & MBEDTLS_X509_BADCERT_BAD_MD) != 0) weakly_signed_ = true;
  mbedtls_x509_crt authority;
  mbedtls_x509_crt_init(&authority);
  const int error = mbedtls_x509_crt_parse_der_nocopy(&authority, der.data(), der.size());
  no_memory_ = no_memory_ || is_out_of_memory(error);
  if (error == 0) {
    Path path;
    path.flags = 0;
    path.tried = true;
    add(authority, kOfFile, verify(*links_[depth].certificate, authority, depth) | date_flags(authority), path);
    for (int below = depth; below >= 0; --below) {
      // "Not trusted" means at `depth` that what is above it did not vouch for it, and below it a wrong signature.
      const std::uint32_t excused = below == depth ? MBEDTLS_X509_BADCERT_NOT_TRUSTED : 0;
      add(*links_[below].certificate, below, links_[below].flags & ~excused, path);
    }
    if (path.flags == 0 && !has_pin(depth, authority)) {
      pin_missed_ = true;
      path.flags |= MBEDTLS_X509_BADCERT_OTHER;
    }
    anchored_ = path.flags == 0;
    if (anchored_) {
      dates_ = path.dates;
      narrow(dates_, list_dates_.from, list_dates_.until);
    }
    // Of several that are no good the one whose signature is right tells more.
    const bool signed_by_it = (path.flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) == 0;
    if (anchored_ || (signed_by_it && (path_.flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)) path_ = path;
  }
  mbedtls_x509_crt_free(&authority);
}

// What is wrong with `child` by the word of `authority`, dates left out.
std::uint32_t CertificateVerdict::verify(mbedtls_x509_crt& child, mbedtls_x509_crt& authority, int depth) {
  const bool is_itself = depth == 0 && is_self_issued(child) && same(bytes_of(child.raw), bytes_of(authority.raw));
  if (!is_itself && !may_sign(authority, depth)) return MBEDTLS_X509_BADCERT_NOT_TRUSTED;
  mbedtls_x509_crt* const others = child.next;
  child.next = nullptr;  // this one and that one, without what else the server sent
  std::uint32_t flags = 0;
  const int error = mbedtls_x509_crt_verify_with_profile(&child, &authority, trust_.revoked, &kStrength, nullptr,
                                                         &flags, nullptr, nullptr);
  child.next = others;
  no_memory_ = no_memory_ || is_out_of_memory(error);
  if (error != 0 && error != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) return MBEDTLS_X509_BADCERT_NOT_TRUSTED;
  return flags & ~(kDates | kListDates);
}

// RFC 5280 4.2.1.3 and 4.2.1.9. Mbed TLS lets version 1 sign when it is trusted, and does not know how far down `depth`
// is.
bool CertificateVerdict::may_sign(const mbedtls_x509_crt& authority, int depth) const {
  if (authority.MBEDTLS_PRIVATE(ca_istrue) == 0) return false;
  if (mbedtls_x509_crt_check_key_usage(&authority, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0) return false;
  int between = 0;
  for (int below = 1; below <= depth; ++below)
    if (!is_self_issued(*links_[below].certificate)) ++between;
  const int allowed = authority.MBEDTLS_PRIVATE(max_pathlen);  // one more than it says; 0: any
  return allowed == 0 || between < allowed;
}

bool CertificateVerdict::has_pin(int depth, const mbedtls_x509_crt& authority) const {
  if (trust_.pins == nullptr || trust_.pins->count == 0) return true;
  if (is_pinned(*trust_.pins, bytes_of(authority.pk_raw))) return true;
  for (int below = depth; below >= 0; --below)
    if (is_pinned(*trust_.pins, bytes_of(links_[below].certificate->pk_raw))) return true;
  return false;
}

std::uint32_t CertificateVerdict::date_flags(const mbedtls_x509_crt& certificate) const {
  std::uint32_t flags = 0;
  if (at_.ms < moment(certificate.valid_from).ms) flags |= MBEDTLS_X509_BADCERT_FUTURE;
  if (at_.ms > end_of_second(certificate.valid_to).ms) flags |= MBEDTLS_X509_BADCERT_EXPIRED;
  return flags;
}

// Of the lists of its issuer; who signed them Mbed TLS looks at.
std::uint32_t CertificateVerdict::list_flags(const mbedtls_x509_crt& certificate, int depth) {
  std::uint32_t flags = 0;
  bool any = false;
  for (const mbedtls_x509_crl* list = trust_.revoked; list != nullptr; list = list->next) {
    if (!same(bytes_of(list->issuer_raw), bytes_of(certificate.issuer_raw))) continue;
    any = true;
    if (list->next_update.year == 0) continue;  // it does not say
    const UnixMillis until = end_of_second(list->next_update);
    narrow(list_dates_, UnixMillis{INT64_MIN}, until);
    if (at_.ms > until.ms) flags |= MBEDTLS_X509_BADCRL_EXPIRED;
  }
  no_list_ = depth == 0 && trust_.revoked != nullptr && !any;
  return no_list_ ? flags | MBEDTLS_X509_BADCRL_NOT_TRUSTED : flags;
}

void CertificateVerdict::add(const mbedtls_x509_crt& certificate, int depth, std::uint32_t flags, Path& path) const {
  path.flags |= flags;
  const UnixMillis from = moment(certificate.valid_from), until = end_of_second(certificate.valid_to);
  narrow(path.dates, from, until);
  if ((flags & kDates) == 0) return;
  path.from = from;
  path.until = until;
  path.dated_depth = depth;
}

}  // namespace tocsin

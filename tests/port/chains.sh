#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes odd and hostile certificate chains under DIR, with the openssl command line, unless they are there.
#
#   chains.sh DIR
#
# Each NAME.pem is one certificate, NAME.key its key. CN is the name with "ca " or "for " before it, unless it says so.
set -eu

[ $# -eq 1 ] || { echo "usage: chains.sh DIR" >&2; exit 64; }
mkdir -p "$1"
cd "$1"
[ -f done ] && exit 0
mkdir -p made
FROM=20240101000000Z
UNTIL=20351231235959Z

quiet() {
  "$@" >log 2>&1 || { echo "chains.sh: failed: $*" >&2; cat log >&2; exit 1; }
}
ec() { quiet openssl ecparam -name "${2:-prime256v1}" -genkey -noout -out "$1.key"; }
rsa() { quiet openssl genrsa -out "$1.key" "$2"; }

# sign ISSUER NAME SUBJECT EXTENSIONS [DIGEST [FROM UNTIL [FILE]]]: NAME.key, signed by ISSUER, -> FILE or NAME .pem
sign() {
  : >index.txt
  cat >ca.cnf <<END
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = made
rand_serial = yes
default_md = ${5:-sha256}
policy = any
unique_subject = no
x509_extensions = ext
[any]
commonName = optional
[ext]
$4
END
  quiet openssl req -new -sha256 -key "$2.key" -subj "$3" -out request.csr
  self=
  [ "$1" = "$2" ] && self=-selfsign || self="-cert $1.pem"
  # shellcheck disable=SC2086  # two words on purpose
  quiet openssl ca -batch -notext -config ca.cnf $self -keyfile "$1.key" -in request.csr -out "${8:-$2}.pem" \
    -startdate "${6:-$FROM}" -enddate "${7:-$UNTIL}"
}

CA="basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign"
ca() { sign "$1" "$2" "/CN=ca $2" "${3:-$CA}" "${4:-sha256}" "${5:-$FROM}" "${6:-$UNTIL}"; }  # ISSUER NAME ...
LEAF="basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth"
leaf() {  # ISSUER NAME [DIGEST [SAN]]
  sign "$1" "$2" "/CN=for $2" "$LEAF
subjectAltName = ${4:-DNS:sms.test}" "${3:-sha256}"
}

for name in root old inter inter2 late noca nosign path0 path1 path0inter path1inter gone sub good viainter crossleaf lone \
  bynoca bynosign path0leaf path0deep path1leaf byleaf bygone sha1leaf forclient cnonly uri star revoked v1 bytwin by1024 byinter1024 bysub \
  byv1 limited bylimited hinted byhinted; do
  ec $name
done
ec p224leaf secp224r1
rsa root1024 1024
rsa rsa1024leaf 1024
rsa inter1024 1024
quiet openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:$(printf '1%064d1' 0) -out slow.key
ec byslow
cp root.key twin.key
ec twin

ca root root
sign twin twin "/CN=ca root" "$CA"       # the same name, another key
leaf root good
ca root inter
leaf inter viainter
ca inter inter2
leaf inter2 crossleaf                    # three below the root
ca old old "$CA" sha256 20200101000000Z 20250101000000Z
sign old root "/CN=ca root" "$CA" sha256 $FROM $UNTIL cross     # the root's key, signed by one that has expired
sign twin inter "/CN=ca inter" "$CA" sha256 $FROM $UNTIL forged # the intermediate's name and key, signed by the twin
sign root inter "/CN=ca inter" "$CA" sha256 20200101000000Z 20250101000000Z stale              # itself, expired
sign root late "/CN=ca inter" "$CA" sha256 20200101000000Z 20250101000000Z  # the intermediate's name, expired, another key
leaf lone lone
leaf twin bytwin

ca noca noca "basicConstraints = critical,CA:FALSE"
leaf noca bynoca
ca nosign nosign "basicConstraints = critical,CA:TRUE
keyUsage = critical,cRLSign"
leaf nosign bynosign
ca path0 path0 "basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign"
leaf path0 path0leaf
ca path0 path0inter
leaf path0inter path0deep
ca path1 path1 "basicConstraints = critical,CA:TRUE,pathlen:1
keyUsage = critical,keyCertSign"
ca path1 path1inter
leaf path1inter path1leaf
leaf good byleaf                         # signed by a server
ca gone gone "$CA" sha256 20200101000000Z 20250101000000Z
leaf gone bygone

ca root1024 root1024
leaf root1024 by1024
ca root inter1024
leaf inter1024 byinter1024
leaf root rsa1024leaf
ca root slow
leaf slow byslow
leaf root p224leaf
leaf root sha1leaf sha1
ca root sub "$CA" sha1
leaf sub bysub                           # an intermediate signed with SHA-1

sign root forclient "/CN=sms.test" "basicConstraints = critical,CA:FALSE
extendedKeyUsage = clientAuth
subjectAltName = DNS:sms.test"
sign root cnonly "/CN=sms.test" "basicConstraints = critical,CA:FALSE"
leaf root uri sha256 "URI:sms.test"
leaf root star sha256 "DNS:*.test,DNS:*.sms.test"

# Authorities for other names: as they have to be (RFC 5280 4.2.1.10), and not critical.
ca root limited "$CA
nameConstraints = critical,permitted;DNS:other.test"
leaf limited bylimited
ca root hinted "$CA
nameConstraints = permitted;DNS:other.test"
leaf hinted byhinted

quiet openssl req -new -key v1.key -subj "/CN=ca v1" -out request.csr
quiet openssl x509 -req -in request.csr -signkey v1.key -days 3000 -out v1.pem
leaf v1 byv1

# Lists: of the root, empty; with `revoked` in it; that ended; signed by the twin.
leaf root revoked
list() {  # SIGNER FILE UNTIL [REVOKED]
  : >index.txt
  echo 1000 >crlnumber
  cat >ca.cnf <<END
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = crlnumber
default_md = sha256
unique_subject = no
END
  [ -z "${4:-}" ] || quiet openssl ca -config ca.cnf -cert "$1.pem" -keyfile "$1.key" -revoke "$4.pem"
  quiet openssl ca -config ca.cnf -cert "$1.pem" -keyfile "$1.key" -gencrl -out "$2.crl" \
    -crl_lastupdate "$FROM" -crl_nextupdate "$3"
}
list root empty $UNTIL
list root full $UNTIL revoked
list root ended 20250101000000Z
list twin forgedlist $UNTIL
list inter interlist $UNTIL viainter
openssl crl -in full.crl -outform DER -out full.der
: >done

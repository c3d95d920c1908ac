#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the certificates of the simulated service under DIR, with the openssl command line, unless they are there.
#
#   certs.sh DIR
#
# ca.pem (+ ca.key)  the authority that a client under test trusts
# ec, rsa            good leaves for localhost, 127.0.0.1 and sms.test
# chain, nochain     signed by an intermediate authority; sent with it, and without it
# expired, future    good but for their dates; young: good from 2034 to 2035
# wronghost          good, but for other.test only
# unknownca          signed by an authority that ca.pem does not hold
# selfsigned         signed by itself
#
# Each is NAME.pem and NAME.key. Several may run at once on one DIR. ca.pem is put in place last: it is there only
# when everything is. Good dates are 2024 to 2035, so that a client whose clock stands at its own build date passes.
set -eu

[ $# -eq 1 ] || { echo "usage: certs.sh DIR" >&2; exit 64; }
DIR=$1
mkdir -p "$DIR"
DIR=$(cd "$DIR" && pwd)
[ -f "$DIR/ca.pem" ] && [ -f "$DIR/young.pem" ] && exit 0
exec 9>"$DIR/.lock"
flock 9
[ -f "$DIR/ca.pem" ] && [ -f "$DIR/young.pem" ] && exit 0

umask 077
new="$DIR/.new.$$"
mkdir "$new"
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
cd "$new"

GOOD_FROM=20240101000000Z
GOOD_UNTIL=20351231235959Z
GOOD_NAMES="DNS:localhost,IP:127.0.0.1,DNS:sms.test"

quiet() {
  "$@" >log 2>&1 || { echo "certs.sh: failed: $*" >&2; cat log >&2; exit 1; }
}

ec_key() { quiet openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# sign ISSUER NAME EXTENSIONS FROM UNTIL: NAME.key -> NAME.pem; ISSUER = NAME signs itself
sign() {
  : >index.txt
  cat >ca.cnf <<EOF
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
x509_extensions = ext
[any]
commonName = supplied
[ext]
$3
subjectKeyIdentifier = hash
EOF
  quiet openssl req -new -sha256 -key "$2.key" -subj "/CN=simulator $2" -out request.csr
  self=
  [ "$1" = "$2" ] && self=-selfsign || self="-cert $1.pem"
  # shellcheck disable=SC2086  # $self is two words on purpose
  quiet openssl ca -batch -notext -config ca.cnf $self -keyfile "$1.key" -in request.csr -out "$2.pem" \
    -startdate "$4" -enddate "$5"
}

AUTHORITY="basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign"

leaf() {  # leaf ISSUER NAME [NAMES [FROM UNTIL]]
  sign "$1" "$2" "basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = ${3:-$GOOD_NAMES}" "${4:-$GOOD_FROM}" "${5:-$GOOD_UNTIL}"
}

for name in ca otherca intermediate ec chain expired future young wronghost unknownca selfsigned; do ec_key $name; done
quiet openssl genrsa -out rsa.key 2048

sign ca ca "$AUTHORITY" $GOOD_FROM $GOOD_UNTIL
sign otherca otherca "$AUTHORITY" $GOOD_FROM $GOOD_UNTIL
sign ca intermediate "$AUTHORITY" $GOOD_FROM $GOOD_UNTIL
leaf ca ec
leaf ca rsa
leaf intermediate chain
leaf ca expired "$GOOD_NAMES" 20200101000000Z 20200201000000Z
leaf ca future "$GOOD_NAMES" 20370101000000Z 20371231000000Z
leaf ca young "$GOOD_NAMES" 20340101000000Z 20351231000000Z
leaf ca wronghost "DNS:other.test"
leaf otherca unknownca
leaf selfsigned selfsigned
cp chain.pem nochain.pem
cp chain.key nochain.key
cat intermediate.pem >>chain.pem
cat otherca.pem >>unknownca.pem

chmod 644 ./*.pem
for name in ec rsa chain nochain expired future young wronghost unknownca selfsigned; do
  mv "$name.pem" "$name.key" "$DIR/"
done
mv ca.key "$DIR/"
mv ca.pem "$DIR/"

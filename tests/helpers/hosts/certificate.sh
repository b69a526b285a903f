#!/bin/sh
# Makes the certificate with which the loopback plays hosts in tests. Only these tests trust it. Add a host to HOSTS,
# run this, commit what changed.
set -eu
cd "$(dirname "$0")"
HOSTS="drive.google.com docs.google.com drive.usercontent.google.com huggingface.co cas-bridge.xethub.hf.co \
github.com raw.githubusercontent.com release-assets.githubusercontent.com www.dropbox.com dl.dropboxusercontent.com \
dl.fbaipublicfiles.com data.vision.ee.ethz.ch graphics.ethz.ch example.org mirror.example.org"
names=$(for host in $HOSTS; do printf 'DNS:%s,' "$host"; done)
openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj "/CN=rvos-bench tests" -keyout authority.key -out authority.pem \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
openssl req -newkey rsa:2048 -nodes -subj "/CN=loopback" -keyout loopback.key -out loopback.csr
printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n' \
  "${names%,}" > loopback.ext
openssl x509 -req -in loopback.csr -CA authority.pem -CAkey authority.key -days 36500 -extfile loopback.ext -out loopback.crt
cat loopback.crt loopback.key > loopback.pem
rm -f authority.key authority.srl loopback.csr loopback.ext loopback.crt loopback.key

#!/usr/bin/env bash
# Prints the path of a promtool: the one that is installed, or the one of Debian's package `prometheus`, of which nothing
# is installed: it is fetched as the archive's signed index has it, compared with its known hash, and unpacked below the
# directory given as the first argument.
set -euo pipefail

if command -v promtool; then
  exit 0
fi

directory=$1
version=2.42.0+ds-5+deb12u1
sha256=81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55
promtool=$directory/$version/usr/bin/promtool
if [ ! -x "$promtool" ]; then
  if ! command -v apt-get > /dev/null || [ "$(dpkg --print-architecture)" != amd64 ]; then
    echo "promtool is needed: install Prometheus, or use a Debian 12 on amd64" >&2
    exit 1
  fi
  mkdir -p "$directory/$version"
  (
    cd "$directory"
    # Root's apt fetches as a user of its own, who can't write here.
    apt-get -o APT::Sandbox::User=root --quiet=2 download "prometheus=$version" >&2
    echo "$sha256  prometheus_${version}_amd64.deb" | sha256sum --check --quiet >&2
    dpkg-deb --extract "prometheus_${version}_amd64.deb" "$version"
    rm "prometheus_${version}_amd64.deb"
  )
fi
echo "$promtool"

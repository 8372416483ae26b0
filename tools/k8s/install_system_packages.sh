#!/usr/bin/env bash
# Installs the Debian packages that `make k8s-test` needs and that no Python package provides:
#
#   podman                builds the image and runs the rendered manifests
#   runc                  the container runtime (crun fails on machines with hybrid control groups)
#   catatonit             holds the pods' namespaces
#   netavark, aardvark-dns, iptables
#                         the containers' network and the names in it
#   debootstrap           makes a local base image, where none can be pulled
#
# It needs root (so does what they are used for) and a machine with apt, installs nothing else, starts no service and
# changes no setting. It does nothing when all of them are there; `install_system_packages.sh --check` only says what is
# missing.
set -euo pipefail

if [ "$(id -u)" -ne 0 ]; then
  echo "building the image and running the manifests needs root (debootstrap, podman): run it as root" >&2
  exit 1
fi

packages=(podman runc netavark aardvark-dns iptables catatonit debootstrap)

missing=()
for package in "${packages[@]}"; do
  if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" != installed ]; then
    missing+=("$package")
  fi
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

if [ "${1:-}" = --check ]; then
  echo "missing: ${missing[*]}" >&2
  exit 1
fi
if ! command -v apt-get > /dev/null; then
  echo "k8s-test needs ${missing[*]}, and this machine has no apt-get to install them with" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends "${missing[@]}"; } > "$log" 2>&1; then
  cat "$log" >&2
  echo "k8s-test needs the Debian packages ${missing[*]}, and they could not be installed: see above" >&2
  exit 1
fi

#!/usr/bin/env bash
# Builds the image with podman: `build_image.sh NAME:TAG [--no-cache]`. The base image must be there (BASE_IMAGE names
# it), it is never pulled. What this machine needs to reach its package index, PIP_CONFIG_FILE or the system's pip.conf
# and certificate authorities, is mounted for the one step that downloads, and is not in any layer.
set -euo pipefail
cd "$(dirname "$0")/../.."

image=$1
shift
podman=$PWD/tools/k8s/podman

secrets=()
add_secret() { # ID FILE…: the first file that exists
  local id=$1 file
  shift
  for file in "$@"; do
    if [ -n "$file" ] && [ -s "$file" ]; then
      secrets+=(--secret "id=$id,src=$file")
      return
    fi
  done
  secrets+=(--secret "id=$id,src=/dev/null")
}
add_secret pip.conf "${PIP_CONFIG_FILE:-}" "${HOME:-/nonexistent}/.config/pip/pip.conf" /etc/pip.conf
add_secret ca-certificates.crt "${PIP_CERT:-}" "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt

nice -n 10 "$podman" build --quiet --pull=never --network host --isolation chroot --timestamp 0 "${secrets[@]}" \
  --build-arg "BASE_IMAGE=${BASE_IMAGE:-docker.io/library/python:3.11-slim-bookworm}" \
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
  --tag "$image" "$@" .

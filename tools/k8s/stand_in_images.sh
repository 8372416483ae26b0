#!/usr/bin/env bash
# Builds what stands in for the public PostgreSQL and Redis images that the chart's dev values name, out of the
# development packages: `stand_in_images.sh VENV/bin`. They are in .cache/k8s only, see the script `podman`.
set -euo pipefail
cd "$(dirname "$0")/../.."
packages=$("$1/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

build() { # NAME IMAGE
  nice -n 10 tools/k8s/podman build --quiet --pull=never --isolation chroot --timestamp 0 \
    --volume "$packages:/packages:ro" \
    --build-arg "BASE_IMAGE=${BASE_IMAGE:-docker.io/library/python:3.11-slim-bookworm}" \
    --tag "$2" --file "tests/k8s/images/$1.Dockerfile" tests/k8s/images > /dev/null
}
build postgres docker.io/library/postgres:17-bookworm
build redis docker.io/library/redis:8-bookworm

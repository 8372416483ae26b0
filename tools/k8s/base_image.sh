#!/usr/bin/env bash
# Makes a local image that stands in for the public Python base image, for machines that can't pull one:
#
#   base_image.sh NAME[:TAG] PACKAGE…
#
# Debian 12 with the packages given, from the mirror that this machine's apt uses. Does nothing when the image is
# there. Needs root and `install_system_packages.sh`.
set -euo pipefail

podman=$(cd "$(dirname "$0")" && pwd)/podman
image=$1
shift
packages=$(IFS=,; echo "$*")

if "$podman" image exists "$image"; then
  exit 0
fi
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Suite: bookworm' 2>/dev/null | head -n 1)
if [ -z "$mirror" ]; then
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
if ! debootstrap --variant=minbase --include="$packages" bookworm "$root/system" "$mirror" > "$root/log" 2>&1; then
  tail -n 20 "$root/log" >&2
  echo "the base image $image could not be made: debootstrap says why above" >&2
  exit 1
fi
# What apt keeps for itself is no part of a base image, and would be counted as one.
rm -rf "$root"/system/var/cache/apt/archives/*.deb "$root"/system/var/lib/apt/lists/* "$root/system/debootstrap"
tar --create --directory "$root/system" --numeric-owner . \
  | "$podman" import --quiet --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'ENV LANG=C.UTF-8' \
      --change 'CMD ["python3"]' - "$image" > /dev/null

# shellcheck shell=bash
# The container image, and the base images that it is built on where no registry of images can be reached. Sourced by
# scripts/package.

: "${TARGET:?the folder of what is built, set by scripts/package}" "${WORK:?the folder of logs}"

readonly IMAGE=localhost/tailfill
readonly DEBIAN_BASE=localhost/tailfill-debian

# In the place of a cgroup and namespaces for each step: a chroot, which also works inside of other containers.
readonly BUILD=(podman build --isolation chroot --network host --layers=false)

make_image() {
  need podman=podman
  need_cargo
  debian_base
  rust_base
  say "building $IMAGE by Containerfile"
  step 7200 image.log "${BUILD[@]}" --build-arg "BUILD_IMAGE=$(rust_tag)" --build-arg "BASE_IMAGE=$DEBIAN_BASE" \
    --tag "$IMAGE" --file Containerfile .
  say "made $IMAGE ($(podman image inspect --format '{{.Size}}' "$IMAGE" | numfmt --to=iec) with its base)"
}

# This machine's release of Debian, at its least, from this machine's sources.
debian_base() {
  local codename sources=/etc/apt/sources.list.d/debian.sources
  ! podman image exists "$DEBIAN_BASE" || return 0
  need mmdebstrap=mmdebstrap podman=podman
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  [ -f $sources ] || sources=/etc/apt/sources.list
  say "making a Debian ($codename) of packages, as $DEBIAN_BASE"
  step 1800 debian.log mmdebstrap --variant=minbase --include=ca-certificates "$codename" "$WORK/debian.tar" "$sources"
  step 600 debian-import.log podman import "$WORK/debian.tar" "$DEBIAN_BASE"
  rm "$WORK/debian.tar"
}

# The toolchain of this machine over that Debian, as docker.io/library/rust has one.
rust_base() {
  podman image exists "$(rust_tag)" && return 0
  say "adding $(rustc --version) to it, as $(rust_tag)"
  step 1800 rust.log "${BUILD[@]}" --tag "$(rust_tag)" --file scripts/package.d/rust.Containerfile "$(rustc --print sysroot)"
}

rust_tag() { printf 'localhost/tailfill-rust:%s\n' "$(rustc --version | awk '{ print $2 }')"; }

# shellcheck shell=bash
# The tries of scripts/package --check: the package in a Debian that has nothing of ours, and the image. Sourced by it.

: "${ROOT:?the project, set by scripts/package}" "${WORK:?the folder of logs}"

readonly CONTAINER=tailfill-check-$$
# runc also works where cgroups are of the old kind, and the limits are such as every machine allows.
readonly RUN=(podman --runtime runc run --network host --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --name "$CONTAINER")

remove_containers() {
  command -v podman >/dev/null || return 0
  podman rm --force --ignore "$CONTAINER" >/dev/null 2>&1 || true
  podman volume rm --force "$CONTAINER" >/dev/null 2>&1 || true
}

check_deb() {
  need podman=podman runc=runc lintian=lintian
  debian_base
  # These tags are about who publishes it and where; nobody has so far.
  step 300 lintian.log lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs "$(deb_file)"
  say "lintian has nothing against it but: $(sed 's/ tailfill: / /' "$WORK/lintian.log" | paste -sd ';')"
  say "installing it into a Debian of its own"
  step 1800 check-deb.log "${RUN[@]}" --rm -v "$(deb_file):/try/tailfill.deb:ro" -v "$ROOT:/try/source:ro" "$DEBIAN_BASE" \
    bash /try/source/scripts/package.d/try-deb.sh "$(deb_version)"
  grep '^ok: ' "$WORK/check-deb.log"
}

# --- the image -------------------------------------------------------------------------------------------------------

check_image() {
  need podman=podman runc=runc
  local state=$CONTAINER version
  version=$(cargo pkgid --locked | sed 's/.*[#@]//')
  sed -f scripts/package.d/absent.sed config/example.toml >"$WORK/tailfill.toml"
  expect "it has this version" 0 "tailfill $version" "$IMAGE" --version
  expect "it runs as the user tailfill" 0 "uid=900(tailfill) gid=900(tailfill)" --entrypoint id "$IMAGE"
  expect "the user can write to the volume of the state" 0 "900" -v "$state:/var/lib/tailfill" --entrypoint sh "$IMAGE" \
    -c 'touch kept && stat -c %u /var/lib/tailfill/kept'
  expect "the next container finds what the volume holds" 0 "/var/lib/tailfill/kept" -v "$state:/var/lib/tailfill" \
    --entrypoint ls "$IMAGE" /var/lib/tailfill/kept
  expect "it knows the time zones" 0 "0" --entrypoint stat "$IMAGE" -c %u /usr/share/zoneinfo/Europe/Berlin
  expect "without a configuration it says so" 2 "/etc/tailfill/tailfill.toml" "$IMAGE"
  local mounts=(-v "$WORK/tailfill.toml:/etc/tailfill/tailfill.toml:ro" -v "$state:/var/lib/tailfill")
  expect "with servers that are away it names them" 1 "127.0.0.1:1" "${mounts[@]}" "$IMAGE" run --all
  expect_a_stop "${mounts[@]}"
}

# expect SENTENCE CODE TEXT ARGUMENT...: podman run ARGUMENT... must end with CODE and print TEXT.
expect() {
  local sentence=$1 code=$2 text=$3 said got=0
  shift 3
  said=$("${RUN[@]}" --rm "$@" 2>&1 </dev/null) || got=$?
  if [ "$got" != "$code" ] || [[ $said != *"$text"* ]]; then
    printf '%s\n' "$said"
    fail "$sentence: expected code $code and '$text', got $got"
  fi
  echo "ok: $sentence"
}

# A command beside the run finds it, and SIGTERM reaches it, also while it waits for a server.
expect_a_stop() {
  local code deadline=$((SECONDS + 60))
  sed -i 's/^retry_for = .*/retry_for = "10m"/' "$WORK/tailfill.toml"
  "${RUN[@]}" --detach "$@" "$IMAGE" run --all >/dev/null
  until [[ $(status_inside) == *"waits for MySQL"* ]]; do
    ((SECONDS < deadline)) || fail "no status inside of the container says that the run waits for MySQL: $(status_inside)"
    sleep 0.2
  done
  echo "ok: podman exec shows the status of the run"
  podman stop --time 20 "$CONTAINER" >/dev/null
  code=$(podman inspect --format '{{.State.ExitCode}}' "$CONTAINER")
  podman rm "$CONTAINER" >/dev/null
  [ "$code" = 130 ] || fail "podman stop: the run ended with $code, not with 130"
  echo "ok: podman stop ends a run in order"
}

status_inside() { podman --runtime runc exec "$CONTAINER" tailfill -c /etc/tailfill/tailfill.toml status 2>&1 || true; }

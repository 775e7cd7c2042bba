# shellcheck shell=bash
# The Debian package: the files that [package.metadata.deb] in Cargo.toml names and that are not in the repository, and then
# cargo-deb. Sourced by scripts/package.

: "${TARGET:?the folder of what is built, set by scripts/package}"

readonly CARGO_DEB=3.8.0
readonly MADE=$TARGET/release/package

make_deb() {
  need_cargo
  need cc=build-essential jq=jq dpkg-shlibdeps=dpkg-dev objcopy=binutils
  cargo_deb
  say "building the release"
  step 7200 release.log cargo build --release --locked --bin tailfill
  made_files
  local maintainer=()
  [ -z "${DEBEMAIL:-}" ] || maintainer=(--maintainer "${DEBFULLNAME:-the tailfill authors} <$DEBEMAIL>")
  # The same sources make the same package, to the byte.
  SOURCE_DATE_EPOCH=$(changed_at) PATH=$TARGET/tools/bin:$PATH step 600 deb.log \
    cargo deb --locked --no-build --output "$TARGET/debian/" "${maintainer[@]}"
  say "made $(deb_file)"
}

deb_file() { printf '%s\n' "$TARGET/debian/tailfill_$(deb_version)_$(dpkg --print-architecture).deb"; }

# Debian's revision is cargo-deb's default.
deb_version() { printf '%s-1\n' "$(cargo pkgid --locked | sed 's/.*[#@]//')"; }

# When the sources changed last, in seconds since 1970.
changed_at() { git log -1 --format=%ct 2>/dev/null || date +%s; }

cargo_deb() {
  [ "$("$TARGET/tools/bin/cargo-deb" --version 2>/dev/null || true)" != "cargo-deb $CARGO_DEB" ] || return 0
  say "installing cargo-deb $CARGO_DEB into $TARGET/tools"
  step 3600 cargo-deb.log cargo install --locked cargo-deb --version "$CARGO_DEB" --root "$TARGET/tools"
}

made_files() {
  local program=$TARGET/release/tailfill
  rm -rf "$MADE"
  mkdir -p "$MADE/completions"
  "$program" man "$MADE/man"
  # cargo-deb compresses nothing that lies in the target folder.
  gzip -9n "$MADE/man"/*.1
  "$program" completions bash >"$MADE/completions/tailfill"
  "$program" completions zsh >"$MADE/completions/_tailfill"
  "$program" completions fish >"$MADE/completions/tailfill.fish"
  copyright >"$MADE/copyright"
  debian_changelog | gzip -9n >"$MADE/changelog.Debian.gz"
  third_party_licenses | gzip -9n >"$MADE/third-party-licenses.gz"
}

# In Debian's format; every Debian has the text of the Apache License.
copyright() {
  cat <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tailfill
Comment: The program holds code of other crates; third-party-licenses.gz has their licenses.

Files: *
Copyright: $(sed -n 's/^Copyright (c) //p' LICENSE-MIT)
License: Apache-2.0 or Expat

License: Apache-2.0
 On Debian systems, the text of this license is in /usr/share/common-licenses/Apache-2.0.

License: Expat
$(sed -e '1,/^Copyright/d' LICENSE-MIT | sed -e '1{/^$/d}' -e 's/^$/./' -e 's/^/ /')
END
}

debian_changelog() {
  printf 'tailfill (%s) unstable; urgency=medium\n\n  * changelog.gz says what is new.\n\n -- %s <%s>  %s\n' "$(deb_version)" \
    "${DEBFULLNAME:-the tailfill authors}" "${DEBEMAIL:-tailfill@localhost}" "$(date -R -u -d "@$(changed_at)")"
}

# Each text of a license once, behind the crates whose packages carry it. A crate without a text is listed with the name of its
# license alone.
third_party_licenses() {
  local name version license manifest file sum
  local -A texts=() crates=()
  while IFS=$'\t' read -r name version license manifest; do
    printf '%s %s: %s\n' "$name" "$version" "$license"
    while read -r file; do
      sum=$(cksum <"$file")
      texts[$sum]=$file
      crates[$sum]+=", $name $version"
    done < <(find "$(dirname "$manifest")" -maxdepth 1 -type f \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort)
  done < <(crates_of_the_program)
  while read -r sum; do
    printf '\n%s\n%s:\n\n' "$(printf -- '-%.0s' {1..100})" "${crates[$sum]#, }"
    cat "${texts[$sum]}"
  done < <(printf '%s\n' "${!texts[@]}" | sort)
}

# Prints name, version, license and manifest of each crate that the program is linked with, or whose macros wrote code of it.
crates_of_the_program() {
  local host
  host=$(rustc -vV | sed -n 's/^host: //p')
  join -t $'\t' -o 1.2,1.3,1.4,1.5 \
    <(cargo metadata --locked --format-version 1 --filter-platform "$host" |
      jq -r '.packages[] | select(.source) | ["\(.name) v\(.version)", .name, .version, .license // "see its text", .manifest_path] | @tsv' | sort -u) \
    <(cargo tree --locked --edges normal --target "$host" --prefix none --format '{p}' | sed 's/ (.*//' | sort -u)
}

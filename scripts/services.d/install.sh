# shellcheck shell=bash
# Brings packages into the folder: Debian packages unpacked in place (nothing is installed on the system, no system service
# starts), and jars from Maven. Sourced by scripts/services.

# A package counts as installed when its stamp, which is written last, still names what is there: what it was made from, and
# each file with its size. So a half-finished or damaged install is seen and made again.
fingerprint() { # PACKAGE
  echo "recipe $(recipe "$1" | cksum)"
  [ ! -d "$HOME_DIR/$1" ] || find "$HOME_DIR/$1" -type f -printf '%s %P\n'
}

# Files that somebody added do not matter: no line of the stamp may be missing.
installed() { [ -s "$HOME_DIR/installed/$1" ] && ! grep -qvxF -f <(fingerprint "$1") "$HOME_DIR/installed/$1"; }

stamp() {
  fingerprint "$1" >"$HOME_DIR/installed/$1.new"
  sync -f "$HOME_DIR/installed/$1.new" 2>/dev/null || true
  mv -f "$HOME_DIR/installed/$1.new" "$HOME_DIR/installed/$1"
}

# True if PACKAGE has to be installed; says why when it was there before.
must_install() {
  local name
  installed "$1" && return 1
  for name in "${ALL[@]}"; do
    [ "$(package_of "$name")" != "$1" ] || ! running "$name" ||
      fail "$HOME_DIR/$1 is damaged or out of date, and $name runs from it; stop it first: scripts/services down $name"
  done
  [ ! -d "$HOME_DIR/$1" ] || say "$1 is incomplete, damaged or out of date: installing it again"
  rm -f "$HOME_DIR/installed/$1"
}

# What a package is made from; another recipe means a new install.
recipe() {
  case $1 in
    mysql) echo "sid: mysql-server-core mysql-client-core" ;;
    mariadb) echo "own: mariadb-server-core mariadb-client-core" ;;
    memcached) echo "own: memcached" ;;
    hbase-*) cat "$SCRIPTS/services.d/$1.xml" ;;
  esac
}

# need_tools PROGRAM=PACKAGE...: installs those that are not there, or says what to install.
need_tools() {
  local pair packages=()
  for pair in "$@"; do command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}"); done
  [ ${#packages[@]} -gt 0 ] || return 0
  local sentence="this machine lacks ${packages[*]}"
  command -v apt-get >/dev/null || missing "$sentence, and has no apt-get to bring it; install that, then run this again"
  [ "$(id -u)" = 0 ] || missing "$sentence; as root run: apt-get install ${packages[*]}"
  say "$sentence: installing from apt ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -q update && apt-get -q -y --no-install-recommends install "${packages[@]}"; } </dev/null >"$LOGS/apt.log" 2>&1 9>&- ||
    { tail -n 5 "$LOGS/apt.log" >&2; missing "apt-get could not install ${packages[*]} (all of its output: $LOGS/apt.log)"; }
}

# --- Debian packages ---------------------------------------------------------------------------------------------------

# Prints "URI KEYRING" of each Debian mirror in the machine's apt sources, one-line and deb822 style.
debian_mirrors() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n 's/^[[:space:]]*deb[[:space:]]\+\(\[\([^]]*\)\][[:space:]]*\)\?\([^[:space:]]*\).*/\3 \2/p' |
    sed 's/^\([^ ]*\).*signed-by=\([^ ]*\).*/\1 \2/; t; s/ .*/ -/'
  cat /dev/null /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '
    function out(  i, n, u) { n = split(uris, u); for (i = 1; i <= n; i++) print u[i], key; uris = ""; key = "-" }
    BEGIN { key = "-" }
    /^[[:space:]]*$/ { out() }
    tolower($1) == "uris:" { uris = substr($0, 6) }
    tolower($1) == "signed-by:" && $2 ~ /^\// { key = $2 }
    END { out() }'
}

# Prints the sources line for Debian sid, on the mirror that this machine uses anyway.
sid_source() {
  local uri key
  if [ -n "${TAILFILL_DEBIAN_MIRROR:-}" ]; then
    uri=$TAILFILL_DEBIAN_MIRROR key=-
  else
    read -r uri key < <(debian_mirrors | grep -E '^(https?|file|ftp)://[^ ]*/debian/? ') || return 1
  fi
  [ -f "$key" ] || key=/usr/share/keyrings/debian-archive-keyring.gpg
  if [ -f "$key" ]; then echo "deb [signed-by=$key] $uri sid main"; else echo "deb $uri sid main"; fi
}

# apt_unpack PACKAGE-FOLDER SOURCES NAME...: downloads NAMEs with all that they depend on, libc included, and unpacks them into
# the folder. SOURCES is a file of apt sources, or "" for the machine's own.
apt_unpack() {
  local folder=$1 sources=$2 deb
  shift 2
  local apt=$HOME_DIR/apt/$folder log=$LOGS/install-$folder.log
  { command -v apt-get && command -v dpkg-deb; } >/dev/null ||
    missing "$folder comes as Debian packages, and this machine has no apt-get or no dpkg-deb to bring them"
  mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,empty}
  : >"$apt/status"
  {
    echo "Dir::State \"$apt/state\"; Dir::State::status \"$apt/status\"; Dir::Cache \"$apt/cache\";"
    # What the machine's own configuration runs after updates and installs is not for this folder; its proxies are.
    echo '#clear APT::Update::Pre-Invoke; #clear APT::Update::Post-Invoke; #clear APT::Update::Post-Invoke-Success;'
    echo '#clear DPkg::Pre-Install-Pkgs; #clear DPkg::Post-Invoke; #clear Acquire::IndexTargets::deb::DEP-11;'
    echo 'APT::Sandbox::User ""; APT::Install-Recommends "false"; Acquire::Languages "none"; Acquire::Retries "3";'
    echo 'Acquire::http::Timeout "30"; Acquire::https::Timeout "30"; APT::Get::Assume-Yes "true";'
    [ -z "$sources" ] || echo "Dir::Etc::sourcelist \"$sources\"; Dir::Etc::sourceparts \"$apt/empty\";"
  } >"$apt/apt.conf"
  export DEBIAN_FRONTEND=noninteractive
  # A foreign source that is down must not stop us: what counts is the download.
  apt-get -q -c "$apt/apt.conf" update </dev/null >"$log" 2>&1 9>&- || true
  if ! apt-get -q -c "$apt/apt.conf" install --download-only "$@" </dev/null >>"$log" 2>&1 9>&-; then
    tail -n 6 "$log" | sed 's/^/    /' >&2
    return 1
  fi
  rm -rf "${HOME_DIR:?}/$folder"
  mkdir -p "$HOME_DIR/$folder"
  # The cache may hold older versions too: unpack what apt would install.
  while read -r deb; do
    dpkg-deb -x "$apt/cache/archives/$deb" "$HOME_DIR/$folder" >>"$log" 2>&1 </dev/null ||
      { say "$apt/cache/archives/$deb does not unpack: removed; run this again"; rm -f "$apt/cache/archives/$deb"; return 1; }
  done < <(apt-get -q -c "$apt/apt.conf" -s install "$@" </dev/null 2>>"$log" |
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*\[\(.*\)\]).*/\1_\2_\3.deb/; T; s/:/%3a/g; p')
}

# Sets LOADER to the command that runs a program of an unpacked folder with the folder's own libraries.
# shellcheck disable=SC2034
set_loader() { # PACKAGE
  local root=$HOME_DIR/$1 ld triple
  for ld in "$root"/{usr/lib,lib}/*-linux-gnu*/ld-linux*.so.*; do [ ! -f "$ld" ] || break; done
  [ -f "$ld" ] || fail "$root has no program loader; remove that folder and run this again"
  triple=$(basename "$(dirname "$ld")")
  LOADER=("$ld" --library-path "$root/usr/lib/$triple:$root/lib/$triple")
}

# Not before it is there, since it may have to be installed.
need_java() {
  local version
  need_tools java=default-jdk-headless
  version=$(java -version 2>&1 </dev/null | sed -n 's/.* version "\(1\.\)\?\([0-9]*\).*/\2/p')
  ((${version:-0} >= 11)) || missing "HBase needs Java 17 (11 may do), and 'java' is $(java -version 2>&1 | head -n 1); put a newer one first in PATH"
}

# --- jars ----------------------------------------------------------------------------------------------------------------

# maven_copy PACKAGE: the jars that services.d/PACKAGE.xml asks for, into the folder of that name.
maven_copy() {
  local package=$1 repository=$HOME_DIR/maven log=$LOGS/install-$1.log sum try
  need_java
  need_tools mvn=maven
  # Maven trusts what it downloaded before; a jar that was cut short since must not stay.
  if [ -d "$repository" ]; then
    find "$repository" -name '*.jar.sha1' | while read -r sum; do
      [ ! -f "${sum%.sha1}" ] || [ "$(sha1sum <"${sum%.sha1}" | cut -c1-40)" = "$(cut -c1-40 <"$sum")" ] ||
        { say "${sum%.sha1} is damaged: downloading it again"; rm -f "${sum%.sha1}"; }
    done
  fi
  rm -rf "${HOME_DIR:?}/$package"
  for try in 1 2 3; do
    mvn -q -B -C -Dstyle.color=never -f "$SCRIPTS/services.d/$package.xml" -Dmaven.repo.local="$repository" \
      -DoutputDirectory="$HOME_DIR/$package" validate </dev/null >"$log" 2>&1 9>&- && return 0
    say "Maven did not get everything (try $try of 3); what came is kept"
  done
  sed -n 's/.*\[ERROR\] \(..*\)/\1/p' "$log" | head -n 1 | cut -c1-1500 | sed 's/^/    /' >&2
  missing "Maven could not bring $package; is its repository reachable (proxies and mirrors: Maven's settings.xml)? All of its output: $log"
}

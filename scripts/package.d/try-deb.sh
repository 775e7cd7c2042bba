#!/usr/bin/env bash
# Installs /try/tailfill.deb as somebody would who has nothing but that, uses what it brings, removes and purges it. Changes the
# system that it runs in: scripts/package --check gives it a container with a Debian, and the project in /try/source.
#
#   try-deb.sh VERSION

set -Eeuo pipefail
trap 'echo "stopped by an error in line $LINENO: $BASH_COMMAND" >&2' ERR
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

readonly DEB=/try/tailfill.deb SOURCE=/try/source VERSION=$1
readonly CONFIG=/etc/tailfill/tailfill.toml STATE=/var/lib/tailfill UNIT=/usr/lib/systemd/system/tailfill.service

# As the unit runs it, and as the documents say it.
as_user() { runuser -u tailfill -- tailfill -c $CONFIG "$@"; }

# must SENTENCE COMMAND...
must() {
  local sentence=$1 said
  shift
  if ! said=$("$@" 2>&1); then
    printf '%s\nNOT SO: %s\n' "$said" "$sentence"
    exit 1
  fi
  echo "ok: $sentence"
}

# prints TEXT CODE COMMAND...: true if the command ends with CODE and prints TEXT. Shows what it prints.
prints() {
  local text=$1 code=$2 said got=0
  shift 2
  said=$("$@" 2>&1 </dev/null) || got=$?
  printf '%s\n(%s)\n' "$said" "$got"
  [ "$got" = "$code" ] && [[ $said == *"$text"* ]]
}

# What bash would offer behind `tailfill WORD`.
completed() {
  # shellcheck source=/dev/null
  source /usr/share/bash-completion/completions/tailfill
  COMP_WORDS=(tailfill "$1") COMP_CWORD=1
  _tailfill tailfill "$1" tailfill
  echo "${COMPREPLY[@]}"
}

says_nothing() {
  local said code=0
  said=$("$@" 2>&1) || code=$?
  printf '%s' "$said"
  [ $code = 0 ] && [ -z "$said" ]
}

owner_and_mode() { [ "$(stat -c '%U:%G %a' "$1")" = "$2" ]; } # FILE "USER:GROUP MODE"

# All files but those that belong to the package manager, to logs, and to users as such.
files() {
  find / \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /try -o -path /var/cache -o -path /var/log \
    -o -path /var/lib/apt -o -path /var/lib/dpkg \) -prune -o -print |
    grep -Ev '^/etc/((passwd|group|shadow|gshadow)-|\.pwd\.lock)$' | sort
}

prepare() {
  apt-get -q update
  # What the package needs, so that the list of files before it has them.
  apt-get -q -y --no-install-recommends install systemd tzdata man-db bash-completion libgcc-s1 >/dev/null
  files >/tmp/before
}

check_installed() {
  must "apt-get installs it" apt-get -q -y --no-install-recommends install $DEB
  must "the program has this version" prints "tailfill ${VERSION%-*}" 0 tailfill --version
  must "systemd-analyze has nothing against the unit" says_nothing systemd-analyze verify $UNIT
  must "nothing starts it" prints disabled 1 systemctl is-enabled tailfill.service
  must "there is a user, without a shell" prints :$STATE:/usr/sbin/nologin 0 getent passwd tailfill
  must "the user owns the state" owner_and_mode $STATE "tailfill:tailfill 700"
  must "root owns the configuration, and the user reads it" owner_and_mode /etc/tailfill "root:tailfill 750"
}

check_documents() {
  local command commands
  must "man tailfill is a page" prints "Moves list-shaped data" 0 man -P cat tailfill
  commands=$(tailfill --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | grep -v '^help$')
  [ "$(wc -w <<<"$commands")" -gt 10 ]
  for command in $commands; do man -w "tailfill-$command" >/dev/null || { echo "NOT SO: $command has a man page"; exit 1; }; done
  echo "ok: each of $(wc -w <<<"$commands") commands has a man page"
  must "bash completes commands" prints throttle 0 completed thr
  must "zsh and fish have their scripts" grep -q throttle /usr/share/zsh/vendor-completions/_tailfill /usr/share/fish/vendor_completions.d/tailfill.fish
  must "the example is that of the project" cmp /usr/share/doc/tailfill/examples/example.toml $SOURCE/config/example.toml
  must "alert rules and dashboard are there" test -s /usr/share/tailfill/alerts.yaml -a -s /usr/share/tailfill/grafana.json
  must "licenses are there, those of other crates too" test -s /usr/share/doc/tailfill/copyright -a -s /usr/share/doc/tailfill/third-party-licenses.gz
}

configure() {
  sed -f $SOURCE/scripts/package.d/absent.sed -e 's/^# password_file = "tailfill.password"/password_file = "password"/' \
    /usr/share/doc/tailfill/examples/example.toml >$CONFIG
  (umask 077 && echo secret >/etc/tailfill/password)
  chown root:tailfill /etc/tailfill/password && chmod 640 /etc/tailfill/password
}

check_used() {
  must "without a configuration it says which file is missing" prints $CONFIG 2 as_user check
  configure
  must "check names the servers that are away" prints 127.0.0.1:1 1 as_user check
  must "a run names the server that is away" prints 127.0.0.1:1 1 as_user run --all
}

check_gone() {
  touch $STATE/state.redb
  must "an installation over it keeps what is there" apt-get -q -y --reinstall install $DEB
  test -f $STATE/state.redb -a -f $CONFIG
  must "it can be removed" apt-get -q -y remove tailfill
  test ! -e /usr/bin/tailfill -a ! -e $UNIT -a -f $STATE/state.redb -a -f $CONFIG
  apt-get -q -y --no-install-recommends install $DEB >/dev/null
  must "a purge says that it keeps a state" prints "$STATE is not empty" 0 apt-get -q -y purge tailfill
  test -f $STATE/state.redb -a -f $CONFIG
  apt-get -q -y --no-install-recommends install $DEB >/dev/null
  find $STATE /etc/tailfill -mindepth 1 -delete
  must "it can be purged" apt-get -q -y purge tailfill
  files >/tmp/after
  must "a purge leaves no file behind" diff /tmp/before /tmp/after
  must "the user stays" getent passwd tailfill
}

prepare
check_installed
check_documents
check_used
check_gone

# shellcheck shell=bash
# The folder, ports, pid files, and how any server is started, awaited and stopped. Sourced by scripts/services.

fail() { printf 'services: %s\n' "$*" >&2; exit 1; }
usage_error() { printf 'services: %s\n' "$*" >&2; exit 2; }
missing() { printf 'services: %s\n' "$*" >&2; exit 3; }
say() { printf 'services: %s\n' "$*" >&2; }

: "${SCRIPTS:?this file is sourced by scripts/services}"
HOME_DIR=$(realpath -m -- "${TAILFILL_SERVICES_DIR:-$SCRIPTS/../.services}")
[[ $HOME_DIR =~ ^/[A-Za-z0-9._/+@-]*$ ]] ||
  usage_error "the folder $HOME_DIR has blanks or special characters in its name, which HBase does not take; set TAILFILL_SERVICES_DIR to another one"
readonly HOME_DIR
readonly PIDS=$HOME_DIR/run LOGS=$HOME_DIR/log DATA=$HOME_DIR/data CONF=$HOME_DIR/conf

# Makes the folder, and keeps two runs of this script from working in it at the same time.
open_folder() {
  mkdir -p "$PIDS" "$LOGS" "$DATA" "$CONF" "$HOME_DIR/installed" 2>/dev/null ||
    missing "cannot write in $HOME_DIR; make it writable or set TAILFILL_SERVICES_DIR to another folder"
  exec 9>"$HOME_DIR/lock"
  flock -n 9 && return 0
  say "another run is at work in $HOME_DIR; waiting for it"
  flock -w 900 9 || fail "another run has held $HOME_DIR/lock for 15 minutes; see what it does (fuser $HOME_DIR/lock), then try again"
}

# --- names -----------------------------------------------------------------------------------------------------------

is_gateway() { [[ $1 == thrift* ]]; }

# HBase has more ports than one; all but ZooKeeper's have names of their own.
server_of() { if [[ $1 == hbase-* ]]; then echo hbase; else echo "$1"; fi; }

# The functions install_KIND, start_KIND, ready_KIND and needs_KIND know how; all gateways are of one kind.
kind() { if is_gateway "$1"; then echo gateway; else echo "$1"; fi; }

package_of() { if is_gateway "$1"; then echo hbase-gateway; elif [ "$1" = hbase ]; then echo hbase-server; else echo "$1"; fi; }

port_variable() {
  case $1 in
    hbase) echo TAILFILL_ZOOKEEPER_PORT ;;
    hbase-master) echo TAILFILL_HBASE_MASTER_PORT ;;
    hbase-regionserver) echo TAILFILL_HBASE_REGIONSERVER_PORT ;;
    *) local name=${1^^}; echo "TAILFILL_${name//-/_}_PORT" ;;
  esac
}

default_port() {
  case $1 in
    mysql) echo 13306 ;;
    mariadb) echo 13307 ;;
    memcached) echo 21211 ;;
    thrift2) echo 19090 ;;
    thrift2-framed) echo 19091 ;;
    thrift1) echo 19092 ;;
    hbase) echo 12181 ;;
    hbase-master) echo 19100 ;;
    hbase-regionserver) echo 19120 ;;
  esac
}

# The port that a start would use.
wanted_port() {
  local variable
  variable=$(port_variable "$1")
  echo "${!variable:-$(default_port "$1")}"
}

# The port of the running server, else the one that a start would use.
port_of() {
  if running "$(server_of "$1")" && [ -f "$PIDS/$1.port" ]; then cat "$PIDS/$1.port"; else wanted_port "$1"; fi
}

check_wanted_ports() {
  local name port variable seen=" "
  for name in "$@" hbase-master hbase-regionserver; do
    port=$(wanted_port "$name")
    variable=$(port_variable "$name")
    [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -lt 65536 ]] || usage_error "$variable is '$port', which is no port number"
    [[ $seen != *" $port "* ]] || usage_error "$variable is $port, which another service is to use as well"
    seen+="$port "
    if [ -n "${!variable:-}" ] && [ "$(port_of "$name")" != "$port" ]; then
      fail "$name already runs on port $(port_of "$name") and $variable asks for $port; stop it first: scripts/services down $(server_of "$name")"
    fi
  done
}

# --- processes -------------------------------------------------------------------------------------------------------

# What only this folder's server has on its command line, so that a pid that another program got since is not taken for it.
mark() {
  case $1 in
    mysql | mariadb) echo "--datadir=$DATA/$1 " ;;
    memcached) echo "$HOME_DIR/memcached/usr/bin/memcached " ;;
    *) echo "-Dtailfill.service=$HOME_DIR/$1 " ;;
  esac
}

# Prints the pid of our running server; fails if there is none.
pid_of() {
  local pid
  { read -r pid <"$PIDS/$1.pid"; } 2>/dev/null || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -e "$(mark "$1")" || return 1
  echo "$pid"
}

running() { pid_of "$1" >/dev/null; }

ready() { running "$1" && "ready_$(kind "$1")" "$1"; }

# True if something listens on the port of 127.0.0.1.
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

check_port_free() {
  local port owner=
  port=$(wanted_port "$1")
  listening "$port" || return 0
  command -v ss >/dev/null && owner=$(ss -Hltnp "sport = :$port" 2>/dev/null | sed -n 's/.*users:((\(.*\)))/ (\1)/p' | head -n 1)
  fail "port $port is taken by a program that this script did not start$owner; stop that program, or set $(port_variable "$1") to a free port"
}

check_memory() {
  local name need=0 free
  for name in "$@"; do running "$name" || need=$((need + $("needs_$(kind "$name")"))); done
  free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
  ((free >= need)) ||
    missing "starting $* needs about $need MB of memory and $free MB are free; stop something, start fewer services, or lower TAILFILL_HBASE_HEAP"
}

check_disk() { # MEGABYTES WHAT-FOR
  local free
  free=$(df -Pm "$HOME_DIR" | awk 'NR == 2 { print $4 }')
  ((free >= $1)) || missing "$2 needs $1 MB of disk and $HOME_DIR has $free MB; make room, or set TAILFILL_SERVICES_DIR to a folder on another disk"
}

# launch NAME COMMAND...: runs it in the background, apart from this terminal, with its pid in NAME.pid and its output in NAME.log.
launch() {
  local name=$1 tries
  shift
  [ -f "$LOGS/$name.log" ] && mv -f "$LOGS/$name.log" "$LOGS/$name.log.1"
  wanted_port "$name" >"$PIDS/$name.port"
  # exec keeps the pid: the file names the server itself from the first moment. A crash dump lands among the logs.
  (
    cd "$LOGS" || exit
    echo "$BASHPID" >"$PIDS/$name.pid"
    exec setsid "$@"
  ) </dev/null >"$LOGS/$name.log" 2>&1 9>&- &
  for ((tries = 0; tries < 100; tries++)); do
    running "$name" && return 0
    kill -0 $! 2>/dev/null || return 0
    sleep 0.02
  done
}

declare -A STARTED=()

start() {
  running "$1" && return 0
  rm -f "$PIDS/$1.pid" "$PIDS/$1.port"
  STARTED[$1]=$EPOCHREALTIME
  "start_$(kind "$1")" "$1"
}

# Waits until the server does its work, not only until it runs.
await() {
  local name=$1 limit=${TAILFILL_START_LIMIT:-120} deadline
  deadline=$((SECONDS + limit))
  until ready "$name"; do
    running "$name" || died "$name" "$name died while it started"
    ((SECONDS < deadline)) || died "$name" "$name runs (pid $(pid_of "$name")) but was not ready within $limit s"
    sleep 0.1
  done
  if [ -n "${STARTED[$name]:-}" ]; then
    say "$name is ready on port $(port_of "$name") after $(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - ${STARTED[$name]} }") s"
  else
    say "$name runs already on port $(port_of "$name")"
  fi
}

died() { # NAME SENTENCE
  say "$2. The end of $LOGS/$1.log:"
  tail -n 20 "$LOGS/$1.log" | cut -c1-500 | sed 's/^/    /' >&2
  exit 1
}

stop() {
  local name=$1 pid limit=60 deadline
  if pid=$(pid_of "$name"); then
    kill -TERM "$pid" 2>/dev/null || true
    deadline=$((SECONDS + limit))
    while running "$name" && ((SECONDS < deadline)); do sleep 0.1; done
    if running "$name"; then
      say "$name did not stop within $limit s of SIGTERM: killing it"
      kill -KILL "$pid" 2>/dev/null || true
      deadline=$((SECONDS + 10))
      while running "$name" && ((SECONDS < deadline)); do sleep 0.1; done
      ! running "$name" || { say "$name (pid $pid) does not go away; may this user stop it?"; return 1; }
    fi
    say "$name stopped"
  fi
  rm -f "$PIDS/$name.pid" "$PIDS/$name.port"
}

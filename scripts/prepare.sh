# shellcheck shell=bash
# What scripts/demo, scripts/test and others have in common: programs that are missing come from apt by name, packages from
# PyPI into a folder, servers are borrowed and given back, and long steps run in a process group of their own, so that they
# can be ended whole. Sourced by them.

: "${ROOT:?the project, set by the script that sources this}" "${NAME:?of that script}" "${WORK:?its folder, ignored by git}"

say() { printf '%s: %s\n' "$NAME" "$*"; }
fail() { printf '%s: %s\n' "$NAME" "$*" >&2; exit 1; }
usage_error() { printf '%s: %s (--help explains)\n' "$NAME" "$*" >&2; exit 2; }
missing() { printf '%s: %s\n' "$NAME" "$*" >&2; exit 3; }

# Seconds as m:ss.
minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# --- programs --------------------------------------------------------------------------------------------------------

# True if the program, or with the ending .pc the library, is there.
has() {
  case $1 in
    *.pc) pkg-config --exists "${1%.pc}" 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# bring PROGRAM=PACKAGE...: installs the packages of those that are not there; fails, with the reason said, if that cannot be.
bring() {
  local pair packages=() root=()
  for pair in "$@"; do has "${pair%%=*}" || packages+=("${pair#*=}"); done
  [ ${#packages[@]} -gt 0 ] || return 0
  local sentence="this machine lacks ${packages[*]}"
  command -v apt-get >/dev/null || { say "$sentence, and has no apt-get to bring it"; return 1; }
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { say "$sentence; as root run: apt-get install ${packages[*]}"; return 1; }
    # Without a terminal nobody can type a password.
    root=(sudo)
    [ -t 0 ] || root+=(-n)
  fi
  say "$sentence: installing from apt ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # A foreign source that is down must not stop us: what counts is the install.
  "${root[@]}" apt-get -q update >"$WORK/apt.log" 2>&1 || true
  "${root[@]}" apt-get -q -y --no-install-recommends install "${packages[@]}" </dev/null >>"$WORK/apt.log" 2>&1 && return 0
  tail -n 5 "$WORK/apt.log" | sed 's/^/    /'
  say "apt-get could not install ${packages[*]} (all of its output: $WORK/apt.log)"
  return 1
}

need() { bring "$@" || missing "cannot go on without these packages"; }

need_cargo() {
  command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  command -v cargo >/dev/null || missing "this machine lacks Rust; install it with rustup (Debian's own is too old), then run this again"
}

# --- packages that are not apt's --------------------------------------------------------------------------------------

# True if STAMP holds what FILE is, so that what was made from it is whole and up to date.
made_from() { [ "$(cat "$WORK/$1.made" 2>/dev/null)" = "$(cksum <"$2")" ]; } # STAMP FILE
note_made() { cksum <"$2" >"$WORK/$1.made"; }                                # STAMP FILE

# Prints the first interpreter that can make environments: one of another origin may lack that, whatever apt brings.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -c 'import venv, ensurepip' 2>/dev/null && echo "$python" && return 0
  done
  return 1
}

# python_environment REQUIREMENTS MODULE...: makes $WORK/python with these packages, unless it is there and has these modules.
python_environment() {
  local requirements=$1 python log=$WORK/python.log modules
  shift
  modules=$(printf 'import %s\n' "$@")
  made_from python "$requirements" && "$WORK/python/bin/python" -c "$modules" 2>/dev/null && return 0
  find_python >/dev/null || need python3-venv=python3-venv # no program is called so: it is always brought
  python=$(find_python) || missing "there is no python3 that can make environments (python3 -m venv)"
  say "making a Python environment with $(paste -sd ' ' "$requirements") in $WORK/python"
  rm -rf "$WORK/python"
  { "$python" -m venv "$WORK/python" && "$WORK/python/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements"; } >"$log" 2>&1 </dev/null || {
    tail -n 5 "$log" | sed 's/^/    /'
    missing "pip could not bring them; does it reach a package index? All of its output: $log"
  }
  note_made python "$requirements"
}

# --- steps -----------------------------------------------------------------------------------------------------------

# The process group of the step that runs now.
STEP=

# run_step LIMIT COMMAND...: ends it after LIMIT seconds, with 124. A terminal's Ctrl-C reaches only the script, which then
# tells the step once.
run_step() {
  local limit=$1 deadline code=0
  shift
  deadline=$((SECONDS + limit))
  set -m
  "$@" </dev/null &
  STEP=$!
  set +m
  while kill -0 "$STEP" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      say "ended after its limit of $(minutes "$limit")"
      stop_group "$STEP" TERM
      STEP=
      return 124
    fi
    sleep 0.1
  done
  wait "$STEP" || code=$?
  # What it left behind has lost its purpose.
  kill -KILL -- "-$STEP" 2>/dev/null || true
  STEP=
  return $code
}

# stop_group PID SIGNAL: ends a process group that this script started, in order if it can within 10 s.
stop_group() {
  local deadline=$((SECONDS + 10))
  kill "-$2" -- "-$1" 2>/dev/null || true
  while kill -0 -- "-$1" 2>/dev/null && ((SECONDS < deadline)); do sleep 0.1; done
  kill -KILL -- "-$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# --- servers ---------------------------------------------------------------------------------------------------------

# Those that ran before stay; these did not.
BORROWED=()

# note_servers NAME...: remembers which of them are down; to be called before they are started.
note_servers() {
  local name state
  while read -r name state; do
    [[ " $* " == *" $name "* ]] || continue
    case $state in
      "running, "* | "not ready, "*) ;;
      *) BORROWED+=("$name") ;;
    esac
  done < <("$ROOT/scripts/services" status)
}

give_back_servers() {
  [ ${#BORROWED[@]} -gt 0 ] || return 0
  "$ROOT/scripts/services" down "${BORROWED[@]}" || say "not every server stopped; see scripts/services status"
  BORROWED=()
}

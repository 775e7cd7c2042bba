# shellcheck shell=bash
# The parts of scripts/test: what each runs, in the order of these lists, and how long it may take. Sourced by it.

# Need no build of the tests.
readonly CHECKS=(format scripts prose lint dependencies)
# Need the build.
readonly TESTS=(unit docs properties model simulation rest)
# Need the servers too.
readonly LIVE=(contract faults cases live soak hunt)
# shellcheck disable=SC2034 # scripts/test reads it
readonly PARTS=("${CHECKS[@]}" build "${TESTS[@]}" "${LIVE[@]}")
# The rooms of tests/ that are parts of their own.
readonly ROOMS=(properties model simulation contract faults cases live soak hunt)
readonly SERVERS=(mysql memcached hbase thrift2 thrift2-framed thrift1)
# One set of features for lints and tests, so that dependencies are built once for each.
readonly FEATURES=(--locked --features "failpoints,demo,bench")

# Seconds; the limits on the way of CI stay below 45 minutes for a machine that keeps to its usual times.
limit_of() {
  case $1 in
    live) echo 3900 ;;
    build) echo 1200 ;;
    lint | servers) echo 900 ;;
    model | simulation | soak | hunt) echo 600 ;;
    *) echo 300 ;;
  esac
}

# What must have passed before.
ground_of() {
  if [[ " ${LIVE[*]} " == *" $1 "* ]]; then
    if [ "${CODES[build]:-0}" != 0 ]; then echo build; else echo servers; fi
  elif [[ " ${TESTS[*]} servers " == *" $1 "* ]]; then
    echo build
  fi
}

any_wanted() {
  local name
  for name in "$@"; do if wanted "$name"; then return 0; fi; done
  return 1
}

# A minimal toolchain lacks the two.
need_components() {
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return 0
  command -v rustup >/dev/null || missing "this machine lacks rustfmt or clippy, and has no rustup to bring them"
  say "this machine lacks rustfmt or clippy: rustup component add rustfmt clippy"
  rustup component add rustfmt clippy </dev/null || missing "rustup could not install them"
}

# Prints the command, then runs it.
doing() {
  echo "$ $*"
  "$@"
}

# --- checks ----------------------------------------------------------------------------------------------------------

part_format() { doing cargo fmt --all --check; }

part_scripts() {
  local files=(.ci/run scripts/bench scripts/break scripts/demo scripts/hunt scripts/onlookers scripts/package scripts/prose scripts/readers scripts/services scripts/simulate scripts/soak scripts/test scripts/*.sh scripts/*.d/*.sh config/debian/*)
  bring shellcheck=shellcheck || { echo "SKIPPED: scripts: shellcheck is not installed, and apt does not have it"; return 0; }
  doing shellcheck -x "${files[@]}" && verify_unit
}

# Any word of systemd-analyze is a failure. It asks for the program of the unit, which is not installed here.
verify_unit() {
  bring systemd-analyze=systemd || { echo "SKIPPED: scripts: systemd-analyze is not installed, and apt does not have it"; return 0; }
  local unit=$WORK/tailfill.service said
  sed 's#^ExecStart=/usr/bin/tailfill#ExecStart=/bin/true#' config/tailfill.service >"$unit"
  echo "$ systemd-analyze verify $unit"
  said=$(systemd-analyze verify "$unit" 2>&1) && [ -z "$said" ] && return 0
  echo "$said"
  return 1
}

# The English of the pages that operators read.
part_prose() { doing scripts/prose; }

# Tests and test switches too, and then what a release is made of.
part_lint() {
  doing cargo clippy "${FEATURES[@]}" --all-targets -- -D warnings &&
    doing cargo clippy --locked --lib --bins -- -D warnings
}

# Building cargo-deny takes minutes, so only --long installs it.
part_dependencies() {
  if ! cargo deny --version >/dev/null 2>&1; then
    [ "$LONG" = yes ] || { echo "SKIPPED: dependencies: cargo-deny is not installed"; return 0; }
    doing cargo install --locked cargo-deny
  fi
  doing cargo deny --all-features check bans licenses sources
  doing cargo deny --all-features fetch db || { echo "SKIPPED: advisories: their database cannot be fetched"; return 0; }
  doing cargo deny --all-features check advisories
}

# --- tests -----------------------------------------------------------------------------------------------------------

part_build() { doing cargo test "${FEATURES[@]}" --no-run; }

part_servers() { doing scripts/services up "${SERVERS[@]}"; }

# What live tests run the examples for other programs with.
part_readers() { doing scripts/readers; }

# A browser, rules of accessibility, and Prometheus' checks, for live tests.
part_onlookers() { doing scripts/onlookers; }

# run_tests SELECTION... [-- FOR-THE-TESTS...]: what passing tests print is shown, since it may say that they skipped. With
# --long, those that are ignored as long come after the others; what else is ignored is no test by itself.
run_tests() {
  local selection=() names code=0 seen
  while [ $# -gt 0 ] && [ "$1" != -- ]; do selection+=("$1"); shift; done
  [ $# -eq 0 ] || shift
  selection=("${FEATURES[@]}" --no-fail-fast "${selection[@]}")
  # tests that must panic would fill the log; where one panicked stands there all the same
  export RUST_BACKTRACE=0
  seen=$(mktemp -p "$WORK")
  doing cargo test "${selection[@]}" -- --show-output "$@" | tee "$seen" || code=$?
  mapfile -t names < <(sed -n 's/^test \(.*\) \.\.\. ignored, long: .*/\1/p' "$seen")
  rm -f "$seen"
  if [ "$LONG" = yes ] && [ ${#names[@]} -gt 0 ]; then
    doing cargo test "${selection[@]}" -- --show-output "$@" --ignored --exact "${names[@]}" || code=$?
  fi
  return $code
}

part_unit() { run_tests --lib --bins; }
part_docs() { run_tests --doc; }
part_properties() { run_tests --test tailfill properties::; }
part_model() { run_tests --test tailfill model::; }
part_simulation() {
  if [ "$LONG" = yes ]; then export TAILFILL_SEEDS=${TAILFILL_SEEDS:-10000}; fi
  run_tests --test tailfill simulation::
}
part_contract() { run_tests --test tailfill contract::; }
part_faults() { run_tests --test tailfill faults::; }
part_cases() { run_tests --test tailfill cases::; }
# Each has a table of its own and starts several processes.
# Most of them wait most of the time.
part_live() { run_tests --test tailfill live:: -- --test-threads=3; }
# What the soak rests on, and then two minutes of it.
part_soak() { run_tests --test tailfill soak:: && doing scripts/soak 2; }

# What the hunt rests on, and then about a minute of it: rounds with ALTERs that are followed, and one that is parked and
# copied again; with --long ten minutes, with a seed of their own.
part_hunt() {
  local length=(0 7010 7012 7006)
  [ "$LONG" = no ] || length=(10)
  run_tests --test tailfill hunt:: && doing scripts/hunt "${length[@]}"
}

# What stands in tests/ outside the rooms.
part_rest() {
  local room skips=()
  for room in "${ROOMS[@]}"; do skips+=(--skip "$room::"); done
  run_tests --test tailfill -- "${skips[@]}"
}

# --- completeness ----------------------------------------------------------------------------------------------------

whole_folder_ran() {
  local name
  for name in rest "${ROOMS[@]}"; do [ -n "${RAN[$name]:-}" ] || return 1; done
}

# The rooms are chosen by their names, so a test could fall between two of them.
check_that_no_test_was_left_out() {
  local listed name ran=0
  listed=$(cargo test -q "${FEATURES[@]}" --test tailfill -- --list 2>/dev/null </dev/null | grep -c ': test$') || true
  for name in rest "${ROOMS[@]}"; do ran=$((ran + ${RAN[$name]})); done
  [ "$listed" = "$ran" ] ||
    add_failure "tests/ has $listed tests and its parts ran $ran: a name is chosen by no part, or by two (see scripts/test.d/parts.sh)"
}

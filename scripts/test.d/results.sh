# shellcheck shell=bash
# What came out of the parts, and the closing list. Sourced by scripts/test.

# The exit code of each part that was run, and for parts that are tests how many ran to their end.
# shellcheck disable=SC2034 # the other files read them
declare -A CODES=() RAN=()
PASSED=0 FAILED=0
# Lines for the end: "part seconds", "name<TAB>reason", and sentences.
TIMES=() SKIPPED=() FAILURES=()

add_failure() {
  FAILURES+=("$1")
  FAILED=$((FAILED + 1))
}

# The sum of a number in the result lines of cargo test, such as "3 passed".
sum_of() { # WHAT LOG
  sed -n "s/^test result: .* \([0-9]*\) $1;.*/\1/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'
}

# Prints "name<TAB>reason" for each test of a log that is ignored; with --long, what is ignored as long has run all the same.
ignored_in() {
  sed -n -e 's/^test \(.*\) \.\.\. ignored$/\1, no reason is given/p' -e 's/^test \(.*\) \.\.\. ignored, /\1, /p' "$1" |
    sed 's/, /\t/' | if [ "$LONG" = yes ]; then sed '/\tlong: /d'; else cat; fi | sort -u
}

# The same for each test or part that said so itself.
skipped_in() { sed -n 's/^SKIPPED: \([^ ]*\): \(.*\)/\1\t\2/p' "$1" | sort -u; }

take_results() { # PART CODE LOG SECONDS
  local part=$1 code=$2 log=$3 ignored skipped passed failed
  CODES[$part]=$code
  TIMES+=("$(printf '%-14s %6s s' "$part" "$4")")
  mapfile -t ignored < <(ignored_in "$log")
  mapfile -t skipped < <(skipped_in "$log")
  SKIPPED+=("${ignored[@]}" "${skipped[@]}")
  if grep -q '^test result: ' "$log"; then
    passed=$(sum_of passed "$log") failed=$(sum_of failed "$log")
    RAN[$part]=$((passed + failed + ${#ignored[@]}))
    # A test that says it is skipped has passed in the eyes of cargo.
    PASSED=$((PASSED + passed - ${#skipped[@]}))
    FAILED=$((FAILED + failed))
    if [ "$failed" != 0 ]; then
      FAILURES+=("$part: $failed tests failed (all of its output: $log)")
      mapfile -t -O ${#FAILURES[@]} FAILURES < <(panics_in "$log" | sed 's/^  //')
    fi
    if [ "$code" != 0 ] && [ "$failed" = 0 ]; then add_failure "$part: $(reason_of "$code") (all of its output: $log)"; fi
  elif [ "$code" != 0 ]; then
    add_failure "$part: $(reason_of "$code") (all of its output: $log)"
  elif [ ${#skipped[@]} = 0 ]; then
    PASSED=$((PASSED + 1))
  fi
}

# Of each test of a log that failed, where and why it panicked.
panics_in() { # LOG
  awk -v most=10 '
    /^test .* \.\.\. FAILED$/ { failed[$2] = 1 }
    /^---- .* stdout ----$/ { name = $2; left = 0; next }
    failed[name] && / panicked at / { left = most; printf "    %s:\n", name }
    /^stack backtrace:$/ || /^note: / { left = 0 }
    failed[name] && left > 0 { left--; print "      " substr($0, 1, 400) }
  ' "$1"
}

reason_of() { if [ "$1" = 124 ]; then echo "was ended after its limit"; else echo "failed"; fi; }

# Skips are allowed by name: "name<TAB>reason" in scripts/test.d/skips.
listed() { cut -f 1 scripts/test.d/skips | grep -v '^#' | grep -qxF -e "$1"; }

print_results() {
  local line name total=$SECONDS
  printf '\n=== seconds\n'
  printf '  %s\n' "${TIMES[@]}"
  printf '  %-14s %6s s\n' total "$total"
  printf '\n=== skipped\n'
  for line in "${SKIPPED[@]}"; do
    name=${line%%$'\t'*}
    if listed "$name"; then
      printf '  %s: %s\n' "$name" "${line#*$'\t'}"
    else
      printf '  %s: %s (NOT LISTED)\n' "$name" "${line#*$'\t'}"
      add_failure "$name was skipped and scripts/test.d/skips does not list it"
    fi
  done
  [ ${#SKIPPED[@]} -gt 0 ] || echo "  nothing"
  if [ ${#FAILURES[@]} -gt 0 ]; then
    printf '\n=== failed\n'
    printf '  %s\n' "${FAILURES[@]}"
  fi
  printf '\n%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "${#SKIPPED[@]}"
  [ "$FAILED" = 0 ]
}

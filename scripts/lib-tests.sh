# Runs the tests that are built. Sourced:
#
#     . scripts/lib-tests.sh
#     run_tests --filter LogTests; echo "$tests_line"

# all_tests: every test; those that judge time from outside run by themselves, after the others. Sets tests_line and
# skipped_tests as run_tests does.
all_tests() {
  run_tests --skip SandboxBatteryTests || return
  local line=$tests_line skipped=$skipped_tests
  run_tests --filter SandboxBatteryTests || return
  tests_line="$line; by themselves: $tests_line"
  skipped_tests=$skipped
}

# run_tests OPTIONS: `swift test`, which must fail no test and run at least one; what failed is told once more at the
# end, where the last lines of a log are read. Sets tests_line, what it counted, and skipped_tests, which were left out and why.
run_tests() {
  local log failed status=0
  log=$(mktemp "${TMPDIR:-/tmp}/moontide-tests.XXXXXX")
  swift test --skip-build "$@" 2>&1 | tee "$log" || status=$?
  tests_line=$(grep -oE 'Test run with [0-9]+ tests?.*' "$log" | tail -n 1 || true)
  skipped_tests=$(grep -aoE '(Suite|Test) .* skipped: .*' "$log" || true)
  failed=$(grep -aE -A 3 'recorded an issue|^.. Suite .* failed|Test .* failed after' "$log" | grep -avE '^--|passed after|started\.$' || true)
  rm -f "$log"
  if [ "$status" -ne 0 ]; then
    printf '%s\n' "$failed" >&2
    echo "error: swift test ended with $status: ${tests_line:-no test ran}" >&2
    return 1
  fi
  if ! [[ $tests_line =~ ^Test\ run\ with\ [1-9][0-9]*\ tests?\ .*passed ]]; then
    echo "error: no test ran (${tests_line:-swift test counted none})" >&2
    return 1
  fi
}

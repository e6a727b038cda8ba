# What the command-line tests share. Each test is a script that sources this; $HONE is the program.
set -u
work=$(mktemp -d)
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
tests=$(cd "$(dirname "$0")/.." && pwd) # the tests' folder: the golden files lie there
cd "$work"
unset HONE_DATA HONE_CPU HONE_LOG HONE_RUNS NO_COLOR
export XDG_CACHE_HOME="$work/cache" HONE_THREADS=2
failures=0

# run ARGUMENTS…: runs hone; leaves $status, and files out and err.
run() {
    "$HONE" "$@" >out 2>err </dev/null
    status=$?
    last="hone $*"
}

fail() {
    failures=$((failures + 1))
    printf 'FAIL: %s\n  after: %s (status %s)\n' "$1" "$last" "$status"
    sed 's/^/  stdout: /' out | head -n 10
    sed 's/^/  stderr: /' err | head -n 10
}

want_status() { [ "$status" -eq "$1" ] || fail "expected status $1"; }
want_out() { grep -Eq -- "$1" out || fail "stdout should match: $1"; }
want_err() { grep -Eq -- "$1" err || fail "stderr should match: $1"; }
no_out() { [ ! -s out ] || fail "stdout should be empty"; }
no_err() { [ ! -s err ] || fail "stderr should be empty"; }
# One clear line that begins with "hone: ", at most one hint below it, nothing on stdout, status 1.
want_error() {
    want_status 1
    no_out
    [ "$(grep -c '^hone: ' err)" -eq 1 ] || fail "expected one error line"
    [ "$(grep -vc '^hint: ' err)" -eq 1 ] || fail "expected nothing but the error and a hint"
    want_err "$1"
}
no_leftovers() {
    left=$(find . -name '*.tmp-*' -o -name '*.part' | head -n 3)
    [ -z "$left" ] || fail "left behind: $left"
}
finish() {
    [ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
    exit 0
}

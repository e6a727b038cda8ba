# What the command-line tests share. Each test is a script that sources this; $HONE is the program.
set -u
work=$(mktemp -d)
# Whatever way it ends: nothing keeps running, nothing lies about.
clean_up() {
    jobs -p >"$work/.running"
    # shellcheck disable=SC2046
    kill -KILL $(cat "$work/.running") 2>/dev/null
    wait 2>/dev/null
    chmod -R u+w "$work" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
tests=$(cd "$(dirname "$0")/.." && pwd) # the tests' folder: the golden files lie there
cd "$work"
unset HONE_DATA HONE_CPU HONE_LOG HONE_RUNS NO_COLOR
export XDG_CACHE_HOME="$work/cache" HONE_THREADS=2 LC_ALL=C.UTF-8
export no_proxy=127.0.0.1,localhost NO_PROXY=127.0.0.1,localhost # the servers of these tests are on this machine
failures=0

# run ARGUMENTS…: runs hone; leaves $status, and files out and err.
run() {
    "$HONE" "$@" >out 2>err </dev/null
    status=$?
    last="hone $*"
}

# background ARGUMENTS…: starts hone and leaves $pid; out and err are new.
background() {
    : >out
    : >err
    "$HONE" "$@" >>out 2>>err </dev/null &
    pid=$!
    status=
    last="hone $*"
}

# await PATTERN [FILE]: until FILE (err) has it; the program may have ended before. The limit is no measure of anything: it
# only ends what hangs.
await() {
    for try in $(seq 2400); do
        grep -Eqs -- "$1" "${2:-err}" && return 0
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    grep -Eqs -- "$1" "${2:-err}" || fail "waited in vain for: $1"
}

# stop SIGNAL: sends it to what background started; leaves its $status.
stop() {
    kill -"$1" $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
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

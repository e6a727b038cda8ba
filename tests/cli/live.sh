# hone train --ui without a browser: the address, a port of one's own, mistakes, a training that ends as without it.
. "$(dirname "$0")/lib.sh"

run train digits:64:1 --epochs 1 --ui --no-run
if grep -q 'HONE_WITH_MICROHTTPD' err; then # a build without it says so, and that is all it has to do
    want_error 'HONE_WITH_MICROHTTPD'
    finish
fi
want_status 0
want_err '^watch it on http://127\.0\.0\.1:[0-9]+/\?token=[0-9a-f]{32}$'
want_out '^saved digits'
first=$(grep '^watch it on' err)
run train digits:64:1 --epochs 1 --ui --no-run --quiet --json --output watched.h5
want_status 0
want_err '^watch it on http'
[ "$(wc -l <err)" -eq 1 ] || fail "more than the address on stderr"
[ "$(cat err)" != "$first" ] || fail "the same secret twice"
watched=$(grep -o '"history.*"loss": [^]]*' out)
run train digits:64:1 --epochs 1 --no-run --quiet --json --output alone.h5
[ "$(grep -o '"history.*"loss": [^]]*' out)" = "$watched" ] || fail "watching changed the training"

# Its value may stand behind it, with = or without; another word is none.
for bad in --ui=ten --ui=70000 '--ui 70000'; do
    # shellcheck disable=SC2086
    run train digits:64:1 --epochs 1 $bad
    want_status 2
    want_err "expected a whole number from 0 to 65535"
done
run train --help
want_out '--ui \[PORT\]'

# A port that is taken is said before any data is read.
"$HONE" train digits:2000:1 --epochs 1000 --ui --no-run --quiet >/dev/null 2>other &
pid=$!
await '^watch it on' other
port=$(sed -n 's,^watch it on http://127\.0\.0\.1:\([0-9]*\)/.*,\1,p' other)
run train digits:64:1 --epochs 1 --ui "$port"
want_error "cannot show the training.*port $port.*choose another port"
stop KILL
finish

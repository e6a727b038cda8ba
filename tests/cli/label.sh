# hone label without a browser: the address, a scan, labels over the wire, export, a graceful end, errors in words.
. "$(dirname "$0")/lib.sh"

run label --help
want_status 0
want_out '^usage: hone label DATA'
run label
want_status 2
want_err 'expected one DATA'
run label nowhere --no-browser
if grep -q 'HONE_WITH' err; then # a build without SQLite or libmicrohttpd says so, and that is all it has to do
    want_error 'HONE_WITH_(SQLITE|MICROHTTPD)'
    finish
fi
want_status 1
want_err "'nowhere'"
[ ! -e nowhere ] || fail "a folder was made"

mkdir -p data/cat data/dog
for i in 1 2 3 4; do
    printf 'P5 4 4 255\n0123456789abcde%s' "$i" >data/cat/$i.pgm
    printf 'P5 4 4 255\nfedcba987654321%s' "$i" >data/dog/$i.pgm
done
run label data --export labels.csv
want_status 1
[ ! -e labels.csv ] || fail "an export without a catalog"

# serve OPTIONS…: in the background; leaves $pid and $url.
serve() {
    background label data --no-browser "$@"
    await '^listening on '
    url=$(sed -n 's/^listening on //p' err)
}

serve --no-learning
want_err '^8 pictures in .data.$'
want_err '^listening on http://127\.0\.0\.1:[0-9]+/\?token=[0-9a-f]{32}$'
first=$url
stop INT
want_status 0
want_err 'stopping'
[ -e data/hone.db ] || fail "no catalog was made"

# The address is another one each time, unless it is kept, which only its owner may read.
serve --no-learning
[ "$url" != "$first" ] || fail "the same secret twice"
stop TERM
want_status 0
serve --no-learning --token-file token
first=${url#*token=}
stop INT
serve --no-learning --token-file token
[ "${url#*token=}" = "$first" ] || fail "the secret was not kept"
stop KILL
[ "$(stat -c %a token)" = 600 ] || fail "others may read the token"
chmod 644 token
run label data --no-browser --token-file token
want_error 'can be read by others'
printf 'short' >short
chmod 600 short
run label data --no-browser --token-file short
want_error 'a token has 16 to 128'

run label data --export labels.csv
want_status 0
want_out '^8 rows in labels.csv$'
head -n 1 labels.csv | grep -q 'path.*label' || fail "no header"
[ "$(grep -c ',dog' labels.csv)" -eq 4 ] || fail "not four dogs"
run label data --export labels.jsonl --json
want_status 0
want_out '"rows": 8'
[ "$(wc -l <labels.jsonl)" -eq 8 ] || fail "not eight lines"

run label data --no-browser --model none.h5
want_error "none.h5"
run label data --no-browser --host no.such.host.invalid
want_error "no.such.host.invalid"
run label data --port 70000
want_status 2
finish

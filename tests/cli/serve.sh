# hone serve as a user runs it: the line it prints, curl, hot reload, TLS, tokens, the log, samples, signals, wrong use.
. "$(dirname "$0")/lib.sh"

run serve --help
want_status 0
want_out '^usage: hone serve \[NAME=\]FILE'
run serve
want_status 2
want_err 'expected at least one model'
run serve a.h5 --tls-cert c.pem
want_status 2
want_err 'belong together'
run serve mnist-cnn --token-file nowhere
want_error "'nowhere'"
run serve nowhere.h5
want_error "'nowhere.h5'"
command -v curl >/dev/null || { echo "no curl"; exit 77; }

run train digits:400 --epochs 1 --threads 1 --output d.h5 --no-test --quiet
want_status 0
cp d.h5 e.h5

# serve OPTIONS…: in the background; leaves $pid and $url.
serve() {
    background serve "$@"
    await '^listening on '
    url=$(sed -n 's/^listening on //p' err)
}
# get STATUS PATTERN CURL-ARGUMENTS…
get() {
    wanted=$1 pattern=$2
    shift 2
    code=$(curl -s -k -o answer -w '%{http_code}' "$@")
    [ "$code" = "$wanted" ] || fail "curl $*: $code, expected $wanted: $(cat answer)"
    grep -Eq -- "$pattern" answer || fail "curl $*: '$pattern' not in $(cat answer)"
}

run serve d.h5 --host 192.0.2.1
if grep -q 'HONE_WITH' err; then # a build without libmicrohttpd says so, and that is all it has to do
    want_error 'HONE_WITH_MICROHTTPD'
    finish
fi
want_status 1
want_err 'cannot listen on .192\.0\.2\.1.'

serve d.h5 two=d.h5 --access-log log --watch 0.1
want_err '^listening on http://127\.0\.0\.1:[0-9]+$'
get 200 '"status": "ok"' "$url/healthz"
get 200 'AVAILABLE' "$url/v1/models/two"
get 200 '"name": "d"' "$url/v2/models/d"
get 400 'not a picture' --data-binary 'no picture' "$url/predict"
get 404 'Latest\(other\)' -d '{"instances": [1]}' "$url/v1/models/other:predict"
get 400 'no form|cut off|boundary|no file|without any part' -F note=hello "$url/predict"
get 200 'hone_drift_reference\{model="d",version="1"\} 1' "$url/metrics"
get 421 'not known by the name' -H 'Host: evil.example' "$url/healthz"
get 403 'other sites' -H 'Origin: http://evil.example' -d '{}' "$url/v1/models/d:predict"
cp d.h5 new.h5
mv new.h5 d.h5 # the same content in another file is loaded anew
for try in $(seq 1200); do curl -s "$url/v1/models/d" | grep -q '"version": "2"' && break; sleep 0.05; done
get 200 '"version": "2"' "$url/v1/models/d"
echo garbage >bad.h5
mv bad.h5 d.h5
await 'refused'
want_err "warning: model 'd': the new file is refused, the old model stays"
get 200 '"version": "2"' "$url/v1/models/d"
stop TERM
want_status 0
want_err 'stopping'
grep -q '"path": "/v1/models/other:predict", "status": 404' log || fail "no line in the access log: $(cat log)"
printf '# ours\nsecret-one\n' >tokens
run serve e.h5 --token-file tokens
want_status 1
want_err 'can be read by others'
chmod 600 tokens
serve e.h5 --token-file tokens --json --no-ui
want_err '^listening on'
await '"port"' out
grep -q '"url": "http://127.0.0.1:' out || fail "no JSON: $(cat out)"
get 401 'token' "$url/v1/models/e"
get 200 'AVAILABLE' -H 'Authorization: Bearer secret-one' "$url/v1/models/e"
get 200 'ok' "$url/healthz"
get 404 'not found' -H 'Authorization: Bearer secret-one' "$url/"
# A terminal that is closed is as good, but where SIGHUP is ignored (nohup) it stays so.
case $(awk '/^SigIgn/ { print substr($2, 16) }' /proc/self/status) in *[13579bdf]) stop INT ;; *) stop HUP ;; esac
want_status 0

if command -v openssl >/dev/null; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
        -subj /CN=localhost 2>/dev/null
    serve e.h5 --tls-cert cert.pem --tls-key key.pem
    want_err '^listening on https://127\.0\.0\.1:[0-9]+$'
    get 200 'AVAILABLE' "$url/v1/models/e"
    stop TERM
    want_status 0
    run serve e.h5 --tls-cert cert.pem --tls-key tokens
    want_status 1
    want_err 'no PEM file'
fi
finish

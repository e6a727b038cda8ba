# hone serve's feedback without a browser: off unless asked for, a data set that the other verbs take, limits, mistakes.
. "$(dirname "$0")/lib.sh"

command -v curl >/dev/null || { echo "no curl"; exit 77; }
run train digits:300:1 --model mlp --epochs 1 --quiet --no-run --no-test --output digits.h5
want_status 0
run serve digits.h5 --feedback told --feedback-max-images 0
want_status 2
run serve digits.h5 --feedback digits.h5
if grep -q 'HONE_WITH_MICROHTTPD' err; then # a build without it says so, and that is all it has to do
    want_error 'HONE_WITH_MICROHTTPD'
    finish
fi
want_error "cannot serve.*'digits.h5'"

# serve OPTIONS…: in the background; leaves $pid and $url.
serve() {
    background serve digits.h5 "$@"
    await '^listening on '
    url=$(sed -n 's/^listening on //p' err)
}
end() {
    stop TERM
    want_status 0
}
# ask STATUS PATTERN WORDS…: what curl WORDS… answers.
ask() {
    wanted=$1 pattern=$2
    shift 2
    code=$(curl -s -o answer -w '%{http_code}' "$@")
    [ "$code" = "$wanted" ] || fail "curl $*: $code, expected $wanted: $(cat answer)"
    grep -Eq -- "$pattern" answer || fail "curl $*: '$pattern' not in $(cat answer)"
}

cp "$tests"/data/images/rgb.png seven.png

serve
ask 404 'without --feedback' --data-binary @seven.png "$url/feedback?label=7"
ask 200 '"feedback": null' "$url/api/ui/model"
ask 200 '<title>hone serve</title>' "$url/"
ask 405 'takes POST' "$url/feedback"
end

serve --feedback told --feedback-max-images 2 --no-ui
ask 404 'not found' "$url/"
ask 200 '"queued": true, "known": false, "moved": false, "taught": false, "count": 1' --data-binary @seven.png "$url/feedback?label=7"
ask 200 '"known": true.*"count": 1' --data-binary @seven.png "$url/feedback?label=7&model=digits"
ask 200 '"moved": true.*"count": 1' --data-binary @seven.png "$url/feedback?label=1"
[ "$(find told -name '*.png' | wc -l)" -eq 1 ] && [ -d told/1 ] || fail "one picture, in told/1"
ask 400 "no class '12'" --data-binary @seven.png "$url/feedback?label=12"
ask 400 "no class '../../x'" --data-binary @seven.png "$url/feedback?label=..%2F..%2Fx"
ask 400 "'label' is missing" --data-binary @seven.png "$url/feedback"
ask 400 'no body' -X POST "$url/feedback?label=1"
ask 400 '.' --data-binary @digits.h5 "$url/feedback?label=1"
ask 413 "pixels" --data-binary @"$tests"/data/images/bomb.png "$url/feedback?label=1"
ask 404 "no model 'cats'" --data-binary @seven.png "$url/feedback?label=1&model=cats"
ask 403 'other sites' -H 'Origin: http://elsewhere.example' --data-binary @seven.png "$url/feedback?label=1"
end
[ "$(find . -path './told/*' -name '*.png' | wc -l)" -eq 1 ] || fail "more than the one picture"
no_leftovers

# What was told, hone label exports and another server counts.
run collect told
want_status 0
serve --feedback told
ask 200 '"count": 1' --data-binary @seven.png "$url/feedback?label=1"
end

# Taught at once, until the server ends.
serve --teach
ask 200 '"queued": false.*"taught": true' --data-binary @seven.png "$url/feedback?label=2"
ask 200 '"class": "2".*"taught": true' --data-binary @seven.png "$url/predict"
end
serve
ask 200 '"probabilities"' --data-binary @seven.png "$url/predict"
grep -q taught answer && fail "a lesson outlived the server"
end

# With a folder to keep it in, it outlives the server's end, a kill and a new file in the model's place.
network=$(tr -d '\n' <answer | sed 's/.*"class": "\([^"]*\)".*/\1/')
other=2
[ "$network" = 2 ] && other=3
serve --teach --feedback lessons
ask 200 '"queued": true.*"taught": true' --data-binary @seven.png "$url/feedback?label=$other"
stop KILL
serve --teach --feedback lessons --watch 0.1
grep -q "1 lessons of 'lessons' are known" err || fail "what was taught is not said"
ask 200 "\"class\": \"$other\".*\"taught\": true" --data-binary @seven.png "$url/predict"
run train digits:200:2 --model mlp --epochs 1 --quiet --no-run --no-test --output other.h5
want_status 0
: >err
cp other.h5 digits.new && mv digits.new digits.h5
await 'version 2 loaded'
await 'are known'
ask 200 "\"class\": \"$other\".*\"taught\": true" --data-binary @seven.png "$url/predict"
end
serve --feedback lessons # without --teach nobody asks for them
ask 200 '"probabilities"' --data-binary @seven.png "$url/predict"
grep -q taught answer && fail "a lesson without --teach"
end
rm -r lessons/$other
serve --teach --feedback lessons # who takes the picture away takes the lesson away
ask 200 '"probabilities"' --data-binary @seven.png "$url/predict"
grep -q taught answer && fail "a lesson without its picture"
end

# In 8 bits features are rounded: what was taught in float is known again, by every protocol, under its new name.
run quantize other.h5 digits:200:2 --output digits.h5 --max-loss 100 --quiet
want_status 0
run teach digits.h5 seven.png thing --quiet
want_status 0
run predict digits.h5 seven.png
want_out "thing"
serve
ask 200 '"class": "thing".*"taught": true' --data-binary @seven.png "$url/predict"
ask 200 '"shape": \[-1, 11\]' "$url/v2/models/digits"
end

# The heat map is of what answered: the network's class, or what is like the example.
run train digits:300:3 --model mnist-fast --epochs 1 --quiet --no-run --no-test --output digits.h5
want_status 0
serve --teach
ask 200 '"heat_map_class": "[0-9]", "heat_map": \[\[' --data-binary @seven.png "$url/predict?heat_map=1"
ask 200 '"taught": true' --data-binary @seven.png "$url/feedback?label=$other"
ask 200 "\"heat_map_class\": \"$other\", \"heat_map_example\": .*\"heat_map\": \\[\\[" --data-binary @seven.png "$url/predict?heat_map=1"
grep -Eq '0\.[1-9]' answer || fail "nothing in the picture is like its own example"
end
echo '{' >lessons/.lessons.json
run serve digits.h5 --teach --feedback lessons
want_error "lessons.json"
run serve digits.h5 --teach --untaught
want_status 2
finish

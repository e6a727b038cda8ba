# From a server that sees other pictures than its model was trained on, over their labels, to a model that knows them: hard
# pictures sampled, labelled as the page of hone label does it, learned, loaded in the old model's place; the drift falls.
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || { echo "no curl"; exit 77; }
run train digits:1200 --epochs 2 --threads 1 --no-test --quiet --output model.h5
want_status 0
run serve --help
run label nowhere --no-browser
if grep -q 'HONE_WITH' err; then echo "no SQLite or no libmicrohttpd"; exit 77; fi

# start VERB ARGUMENTS…: in the background; leaves $pid and $url.
start() {
    background "$@"
    await '^listening on '
    url=$(sed -n 's/^listening on //p' err)
}
# send: all pictures of a day, a form for each class of them.
send() {
    for class in dim/*; do
        curl -s -f $(for file in "$class"/*; do echo "-F file=@$file"; done) "$server/predict" >answers || fail "$class"
    done
}
# drift FEATURE: its index times 1000, a whole number.
drift() {
    curl -s "$server/metrics" | sed -n "s/^hone_drift_psi{.*feature=\"$1\"} //p" | awk '{ printf "%d", 1000 * $1 }'
}

# The lamp has gone dim.
run augment digits:250:9 --augment keras:brightness_range=0.15:0.3 --to dim --as folders --quiet
want_status 0
start serve model.h5 --watch 0.1 --sample-queue hard --sample-below 0.95
serving=$pid server=$url
send
mean=$(drift mean) std=$(drift std)
{ [ "$mean" -gt 1000 ] && [ "$std" -gt 1000 ]; } || fail "no drift was seen: $mean, $std"
count=$(ls hard | wc -l)
[ "$count" -gt 150 ] || fail "$count of 250 hard pictures were sampled"

# People say what they are. Each picture is known again by its bytes.
start label hard --no-browser --no-learning
mkdir seen
curl -s -f "${url%%/\?*}/picture/[1-$count]?${url#*\?}" -o 'seen/#1' || fail "the pictures are not shown"
for class in dim/*; do cksum "$class"/* | sed "s|dim/\\([^/]*\\)/.*|\\1|"; done | sort >truth
for class in $(ls dim); do
    ids=$(cksum seen/* | sed 's|seen/||' | sort | join -j 1 -o 1.3,2.3,1.2,2.2 - truth |
        awk -v c="$class" '$2 == c && $3 == $4 { printf "%s%s", n++ ? "," : "", $1 }')
    [ -n "$ids" ] || fail "no picture of class $class"
    curl -s -f -d "{\"ids\": [$ids], \"label\": \"$class\"}" -H 'Content-Type: application/json' \
        "${url%%/\?*}/api/label?${url#*\?}" >answer || fail "label $class: $(cat answer)"
done
stop TERM
want_status 0

# What they said is learned, and the better model takes the old one's place.
run evaluate model.h5 hard --split all --json --quiet
want_status 0
before=$(sed -n 's/.*"accuracy": \([0-9.]*\),*/\1/p' out | head -n 1)
run finetune model.h5 hard --threads 1 --output new.h5 --quiet --no-run
want_status 0
run evaluate new.h5 hard --split all --json --quiet
after=$(sed -n 's/.*"accuracy": \([0-9.]*\),*/\1/p' out | head -n 1)
awk "BEGIN { exit !($after > $before + 0.05) }" || fail "accuracy before $before, after $after"
mv new.h5 model.h5
for try in $(seq 1200); do curl -s "$server/v1/models/model" | grep -q '"version": "2"' && break; sleep 0.05; done
send
grep -q '"version": 2' answers || fail "the old model answers"
now=$(drift mean)
{ [ "$now" -lt 1000 ] && [ "$((now * 4))" -lt "$mean" ]; } || fail "the drift was $mean and is $now"
[ "$(drift std)" -lt "$std" ] || fail "the drift of std was $std and is $(drift std)"
pid=$serving
stop TERM
want_status 0
finish

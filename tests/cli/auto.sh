# SPDX-License-Identifier: Apache-2.0
# hone train --model auto and --find-learning-rate.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 600 --seed 5 --to data
data="data --validation-split 0.2 --no-test"
run train $data --model auto --trials 2 --epochs 1 --max-parameters 40000 --output a.h5 --threads 1 --json
want_status 0
want_out '"search": \{'
want_out '"outcome": "won"'
want_out '"outcome": "too many parameters"'
[ "$(ls runs | wc -l)" -eq 1 ] || fail "a search is one run"
want_err 'it is: training it for 1 epoch,'
run runs reproduce "$(ls runs)"
want_status 0
want_out 'the same bits'
run predict a.h5 --help
want_status 0
run train $data --model auto --time 2s --trials 1 --no-run --output t.h5
want_status 0
want_out '^conv-16x1 .* won$'
want_out '^saved t.h5'
run info t.h5
want_status 0
run train $data --model auto --time 0.1s --trials 1 --no-run --output short.h5
want_status 0
want_err 'no time is left for a whole epoch'
want_out '^saved short.h5'
run predict short.h5 data/digits.png
want_status 0
run train $data --model auto --time 2s --trials 1 --runs clock --quiet --output t.h5
run runs reproduce "$(ls clock)" --runs clock
want_error 'chosen by the clock'

# Ctrl-C while choosing: the best so far is there. A slow machine may be past that: then it is interrupted training.
# shellcheck disable=SC2086
background train $data --model auto --time 30s --no-run --output best.h5
await 'dropped|^epoch'
stop INT
want_status 130
if [ -e best.checkpoint.h5 ]; then
    want_err 'the state is in .best.checkpoint.h5'
else
    want_err 'the best network so far, .*, is in .best.h5'
    run evaluate best.h5 data --split train --quiet
    want_status 0
fi

# What cannot be.
run train $data --model auto --trials 1 --max-parameters 10 --output no.h5 --quiet
want_error 'the limits leave no network'
run train data --no-test --validation-split 0 --model auto --trials 1 --output no.h5 --quiet
want_error 'nothing validates'
for wrong in "--time soon" "--time 0" "--time 5x" "--time 1e300h" "--max-memory much" "--max-memory 1e30G" "--max-memory 0" "--max-memory 1KK" "--init a.h5" "--weights a.h5" "--find-learning-rate"; do
    run train $data --model auto $wrong --output no.h5
    want_status 2
done
run train $data --trials 2 --output no.h5
want_status 2
want_err 'go with --model auto'
run train $data --report x.html --output no.h5
want_status 2
[ ! -e no.h5 ] || fail "a failed run wrote a model"

run train $data --model mlp --find-learning-rate --report rate.html --output no.h5
want_status 0
want_out '^suggested: --learning-rate [0-9]'
grep -q 'suggested learning rate' rate.html || fail "the page should say it"
run train $data --model mlp --find-learning-rate --json --quiet --output no.h5
want_out '"suggested": [0-9]'
no_err
[ ! -e no.h5 ] || fail "nothing should be trained"
no_leftovers
finish

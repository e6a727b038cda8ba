# Ctrl-C saves, --resume goes on to the very same model.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 1500 --test-samples 200 --to data
arguments="data --epochs 4 --batch-size 10 --seed 3 --early-stopping 3 --output"

run train $arguments whole.h5 --json
want_status 0
cp out whole.json

# Interrupted somewhere in the middle: the moment differs from machine to machine, the result must not. On a machine that
# is busy with other things the signal may come when all is done: then once more.
for try in $(seq 20); do
    # shellcheck disable=SC2086
    background train $arguments part.h5 --json
    await '^epoch 1/4'
    stop INT
    [ "$status" -eq 0 ] && [ -s part.h5 ] || break
    rm part.h5
done
want_status 130
want_out '^    "interrupted"$'
want_err '^hone: interrupted after [0-9]+ steps; the state is in .part.checkpoint.h5.$'
want_err '^hint: go on with: hone train --resume part.checkpoint.h5$'
[ -s part.checkpoint.h5 ] || fail "no checkpoint"
[ ! -e part.h5 ] || fail "an unfinished model was saved as finished"

run train --resume part.checkpoint.h5 --json
want_status 0
cp out part.json
# Everything but times, memory and the file's name is the same.
for file in whole part; do grep -vE '"(seconds|images_per_second|peak_memory|model)"' $file.json >$file.same; done
cmp -s whole.same part.same || { fail "the resumed run differs"; diff whole.same part.same | head -n 10; }
run evaluate whole.h5 data --json
sed '/"model"/d' out >whole.eval
run evaluate part.h5 data --json
sed '/"model"/d' out | cmp -s - whole.eval || fail "the resumed model differs"

# A checkpoint of other settings is refused by name.
run train data --epochs 4 --batch-size 12 --seed 3 --resume part.checkpoint.h5 --output x.h5
want_status 1
want_err 'batch'

# Twice stops at once; an existing model stays as it was.
cp whole.h5 kept.h5
cp whole.h5 kept.copy
background train data --epochs 1000 --output kept.h5
await '^epoch 1/'
kill -INT $pid
sleep 0.01
stop INT
want_status 130
cmp -s kept.h5 kept.copy || fail "the old model was touched"
no_leftovers

# A terminal that is closed asks as Ctrl-C does; under nohup it does not.
background train data --epochs 1000 --output closed.h5
await '^epoch 1/'
kill -HUP $pid
stop HUP
want_status 130
want_err 'the state is in .closed.checkpoint.h5.'
: >err
(trap '' HUP; exec "$HONE" train data --epochs 2 --output nohup.h5 >out 2>err) &
pid=$! last="closing the terminal under nohup"
await '^epoch 1/'
stop HUP
want_status 0

# kill -9 in the middle leaves the old file whole.
background train data --epochs 1000 --output kept.h5 --checkpoint kept.h5
await '^epoch 2/'
stop KILL
run info kept.h5
want_status 0
finish

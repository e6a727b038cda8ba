# hone runs: every training leaves a record; they are listed, compared and done again to the bit.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 300 --seed 5 --to data
run runs
want_status 0
no_out
want_err "no runs in 'runs'"
run train data --model mlp --epochs 2 --no-test --output a.h5 --csv-log log.csv
want_status 0
want_err "is in 'runs/"
first=$(ls runs)
for file in run.json metrics.jsonl model.h5; do [ -s "runs/$first/$file" ] || fail "no $file"; done
[ ! -e "runs/$first/lock" ] || fail "the lock should be gone"
[ "$(wc -l <"runs/$first/metrics.jsonl")" -eq 2 ] || fail "a line per epoch"
grep -q '"sha256"' "runs/$first/run.json" || fail "no hash of the data"
run train data --model mlp --epochs 3 --seed 4 --no-test --quiet --output=b.h5
run train data --model mlp --epochs 1 --no-test --quiet --output c.h5 --no-run
[ "$(ls runs | wc -l)" -eq 2 ] || fail "--no-run should leave none"
second=$(ls runs | grep -v "$first")

run runs
want_status 0
want_out "^$first  .* done  "
[ "$(sed -n 2p out | cut -c 1-12)" = "$first" ] || fail "the oldest comes first"
run runs show "$(printf %s "$first" | cut -c 1-8)"
want_status 0
want_out '"weights_sha256"'
run runs compare "$first" "$second" --report page.html
want_status 0
want_out "^$second"
grep -q "$second" page.html || fail "the page should name the runs"

# from another folder, and it writes nothing but its answer
mkdir elsewhere
cp log.csv before.csv
last="cd elsewhere; hone runs reproduce"
(cd elsewhere && "$HONE" runs reproduce "$first" --runs ../runs) >out 2>err
status=$?
want_status 0
want_out 'the same bits'
cmp -s log.csv before.csv || fail "reproducing should write no logs"
run runs reproduce "$second" --json --quiet --threads 1
want_status 0
want_out '"reproduced": true'
[ "$(ls runs | wc -l)" -eq 2 ] || fail "reproducing should leave no run"
[ ! -e "runs/$first/reproduced.h5" ] || fail "reproducing should tidy up"

sed -i 's/"weights_sha256": "./"weights_sha256": "x/' "runs/$first/run.json"
run runs reproduce "$first" --quiet
want_error 'was not reproduced'
HONE_RUNS=others run train data --model mlp --epochs 1 --no-test --quiet --output c.h5
[ "$(ls others | wc -l)" -eq 1 ] || fail "HONE_RUNS should say where"

# a place that cannot be written to is no reason not to train
echo file >taken
run train data --model mlp --epochs 1 --no-test --quiet --output c.h5 --runs taken
want_status 0
want_err 'leaves no record'

run runs show
want_status 2
run runs compare "$first"
want_status 2
run runs lst
want_status 2
run runs show zzzz
want_error "no run 'zzzz'"
no_leftovers
finish

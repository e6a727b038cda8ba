# SPDX-License-Identifier: Apache-2.0
# hone finetune and hone train --init.
. "$(dirname "$0")/lib.sh"

run train digits:600:1 --model mlp --epochs 2 --no-test --output base.h5 --quiet
want_status 0

# A folder of two classes, one of which the base knows by name.
mkdir -p few
cat >make.sh <<'SCRIPT'
for class in 3 other; do
    mkdir -p "few/$class"
    i=0
    while [ $i -lt 12 ]; do
        { printf 'P5\n28 28\n255\n'; head -c 784 /dev/zero | tr '\0' "$(printf '\\%03o' $((i + 20)))"; } >"few/$class/$i.pgm"
        [ $class = 3 ] || { printf 'P5\n28 28\n255\n'; head -c 784 /dev/zero | tr '\0' "$(printf '\\%03o' $((i + 200)))"; } >"few/$class/$i.pgm"
        i=$((i + 1))
    done
done
SCRIPT
sh make.sh

for recipe in probe full lp-ft gradual lora; do
    run finetune base.h5 few --recipe $recipe --epochs 2 --probe-epochs 2 --output out.h5 --json
    want_status 0
    want_out "\"recipe\": \"$recipe\""
    want_out '"kept_classes": 1'
    want_out '"val_loss"'
    want_out '"model": "out.h5"'
    [ -s out.h5 ] || fail "no model was written"
done
run predict out.h5 few/other/3.pgm
want_status 0
want_out '(3|other) '

# The epochs that are asked for are all there are, whatever the recipe.
for recipe in probe full lp-ft gradual lora; do
    for epochs in 1 3; do
        run finetune base.h5 few --recipe $recipe --epochs $epochs --early-stopping -1 --no-run --output x.h5 --json
        want_status 0
        want_out "^  \"epochs\": $epochs,"
    done
done
run finetune base.h5 few --epochs 5 --no-run --output x.h5
want_err '^5 epochs: at most 2 for the head alone \(--probe-epochs\), 3 behind them$'

# The same seed, the same weights.
run finetune base.h5 few --epochs 2 --probe-epochs 2 --seed 5 --output a.h5 --quiet --threads 1
run finetune base.h5 few --epochs 2 --probe-epochs 2 --seed 5 --output b.h5 --quiet --threads 2
run predict a.h5 few/3/0.pgm --json
cp out first
run predict b.h5 few/3/0.pgm --json
cmp -s out first || fail "two runs of one seed differ"

# A delta is small, is a model beside its base, merges to the same, and refuses another base.
run finetune base.h5 few --recipe lora --epochs 2 --probe-epochs 2 --output whole.h5 --delta small.h5 --json
want_status 0
want_out '"delta": "small.h5"'
[ "$(wc -c <small.h5)" -lt "$(($(wc -c <whole.h5) / 2))" ] || fail "the delta is not small"
run predict whole.h5 few/3/0.pgm few/other/5.pgm --json
cp out first
run predict small.h5 few/3/0.pgm few/other/5.pgm --json
cmp -s out first || fail "the delta predicts something else"
run finetune base.h5 --merge small.h5 --output merged.h5
want_status 0
run predict merged.h5 few/3/0.pgm few/other/5.pgm --json
cmp -s out first || fail "the merged model predicts something else"
run finetune a.h5 --merge small.h5 --output merged.h5
want_error "other weights"
run finetune base.h5 --merge base.h5 --output merged.h5
want_error "no delta"
run finetune base.h5 few --recipe full --delta small.h5 --output out.h5
want_status 2

# Forgetting: the base's own task, with its own head; with the new head only where all classes are kept.
run finetune base.h5 few --recipe probe --probe-epochs 1 --old-data digits:100:2 --output out.h5 --json
want_status 0
want_out '"before": \{'
want_out '"after_old_head": \{'
want_out '"after_new_head": null'
run finetune base.h5 few --recipe probe --probe-epochs 1 --keep-classes --old-data digits:100:2 --output out.h5 --json
want_status 0
want_out '"after_new_head": \{'
want_out '"kept_classes": 10'

# What is wrong is said, and nothing is written.
rm -f no.h5
run finetune base.h5 few --recipe magic --output no.h5
want_status 2
run finetune base.h5 --output no.h5
want_status 2
run finetune missing.h5 few --output no.h5
want_error "missing.h5"
run finetune base.h5 few --size 14x14 --output no.h5 --quiet
want_error "does not allow another size"
[ ! -e no.h5 ] || fail "a failed run wrote a model"

# Warm starts: the same network takes everything over, another only what fits, none at all is an error.
run train digits:200:3 --model mlp --init base.h5 --epochs 1 --no-test --output warm.h5
want_status 0
want_err "weights from 'base.h5': [0-9]+ layers? by name, 0 by shape, .* 0 layers left"
run train digits:200:3 --model lenet5 --init base.h5 --epochs 1 --no-test --output warm2.h5
want_status 1
want_err "has no layer whose weights fit"

# A run is left, and done again to the same bits; a delta is not written anew.
rm -rf runs
run finetune base.h5 few --recipe lora --epochs 2 --probe-epochs 2 --seed 3 --output l.h5 --delta l.delta.h5
want_status 0
want_out '^saved l\.delta\.h5, what training added to base\.h5$'
want_err "is in 'runs/"
id=$(ls runs)
[ "$(wc -l <"runs/$id/metrics.jsonl")" -eq 4 ] || fail "a line per epoch of both stages"
tail -n 1 "runs/$id/metrics.jsonl" | grep -q '"epoch": 4' || fail "epochs should be counted on from stage to stage"
cp l.delta.h5 delta.copy
run runs reproduce "$id" --threads 1
want_status 0
want_out 'the same bits'
cmp -s l.delta.h5 delta.copy || fail "reproducing should write no delta"
run runs
want_out "^$id .* done "
run finetune base.h5 few --probe-epochs 1 --recipe probe --no-run --quiet --output x.h5
[ "$(ls runs | wc -l)" -eq 1 ] || fail "--no-run should leave none"

# Data with a part that validates.
mkdir -p parts/train parts/val
cp -r few/3 few/other parts/train
mkdir -p parts/val/3 parts/val/other
cp few/3/0.pgm few/3/1.pgm parts/val/3
cp few/other/0.pgm few/other/1.pgm few/other/2.pgm parts/val/other
run finetune base.h5 parts --recipe probe --probe-epochs 2 --no-run --json --output x.h5
want_status 0
want_out '"validation_samples": 5'
want_out '"samples": 24'
run finetune base.h5 parts --recipe probe --probe-epochs 2 --no-run --json --output x.h5 --keep-classes
want_out '"validation_samples": 5'
run finetune base.h5 parts --recipe probe --probe-epochs 2 --no-run --json --output x.h5 --validation-split 0.25
want_out '"validation_samples": 6'
run evaluate x.h5 few --calibrate validation --quiet --split all
want_status 0

# Ctrl-C: what was reached is saved, and twice stops at once.
background finetune base.h5 few --recipe full --epochs 100000 --early-stopping -1 --output part.h5 --runs broken
await '^epoch 2/'
stop INT
want_status 130
want_err "^hone: interrupted after [0-9]+ epochs?; the best so far is in 'part.h5'"
run predict part.h5 few/3/0.pgm
want_status 0
run runs --runs broken
want_out ' interrupted '
no_leftovers
finish

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A base of MNIST's digits 0-4, taught 5-9 from COUNT images of each: every recipe, and training from scratch, SEEDS
# times, as rows of a table. The test part is looked at for this table and for nothing else.
#
#   HONE=build/hone bench/finetune/mnist.sh MNIST_FOLDER WORK_FOLDER
#   environment: COUNT (100), BASE_LIMIT (all), SEEDS ("1 2 3"), BASE_EPOCHS (5), EPOCHS (10), PYTHON (python3, with NumPy)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
hone=${HONE:-build/hone}
python=${PYTHON:-python3}
source=$1
work=$2
mkdir -p "$work"
"$python" "$here/halves.py" "$source" "$work" "${COUNT:-100}" "${BASE_LIMIT:-1000000}"
"$hone" train "$work/low" --epochs "${BASE_EPOCHS:-5}" --no-test --no-run --quiet --output "$work/base.h5" >/dev/null

# row NAME JSON…: the mean and the least test accuracy, the mean of the seconds.
row() {
    name=$1
    shift
    "$python" - "$name" "$@" <<'PYTHON'
import json
import sys

runs = [json.load(open(path, encoding="utf-8")) for path in sys.argv[2:]]
accuracy = [run["test"]["accuracy"] for run in runs]
old = [(run.get("forgetting") or {}).get("after_old_head") for run in runs]
kept = f"{sum(e['accuracy'] for e in old) / len(old):.2%}" if all(old) else ""
seconds = sum(run["seconds"] for run in runs) / len(runs)
print(f"| {sys.argv[1]} | {sum(accuracy) / len(accuracy):.2%} | {min(accuracy):.2%} | {kept} | {seconds:.1f} |")
PYTHON
}

echo "| recipe | mean | least | old task, old head | seconds |"
echo "|---|---|---|---|---|"
files=
for seed in ${SEEDS:-1 2 3}; do
    "$hone" train "$work/high" --epochs 40 --early-stopping 5 --validation stratified:0.1 --seed "$seed" --no-run --quiet --json \
        --output "$work/scratch.h5" >"$work/scratch-$seed.json"
    files="$files $work/scratch-$seed.json"
done
# shellcheck disable=SC2086 # the list is meant to be split
row "from scratch" $files
for recipe in probe full lp-ft gradual lora; do
    files=
    delta=
    [ $recipe = lora ] && delta="--delta $work/lora.delta.h5"
    for seed in ${SEEDS:-1 2 3}; do
        # shellcheck disable=SC2086
        "$hone" finetune "$work/base.h5" "$work/high" --recipe $recipe --probe-epochs 20 --epochs "${EPOCHS:-10}" --seed "$seed" --no-run --quiet \
            --json --old-data "$work/low" $delta --output "$work/$recipe.h5" >"$work/$recipe-$seed.json"
        files="$files $work/$recipe-$seed.json"
    done
    # shellcheck disable=SC2086
    row $recipe $files
done
echo "the delta of lora: $(wc -c <"$work/lora.delta.h5") bytes; the whole model: $(wc -c <"$work/lora.h5") bytes"

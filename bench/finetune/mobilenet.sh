#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# keras.applications' MobileNetV2, trained here from random weights on the first half of a folder's classes and taught the
# others from COUNT pictures of each, by every recipe: the accuracy on pictures held back, and what the real Keras finds
# changed in the file, layers and statistics of BatchNormalization.
#
#   HONE=build/hone PYTHON=.venv/bin/python bench/finetune/mobilenet.sh PHOTOS WORK     PHOTOS: a folder of class folders
#   environment: COUNT (20), BASE_EPOCHS (30), EPOCHS (15), SIDE (64), SEED (0); PYTHON with Keras
set -eu
hone=${HONE:-build/hone}
python=${PYTHON:-python3}
photos=$1
work=$2
side=${SIDE:-64}
seed=${SEED:-0}
mkdir -p "$work"
"$python" - "$photos" "$work" "$side" "$seed" "${COUNT:-20}" <<'PYTHON'
import os
import shutil
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras

photos, work, side, seed, count = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
names = sorted(name for name in os.listdir(photos) if os.path.isdir(f"{photos}/{name}"))
for i, name in enumerate(names):
    task = "low" if 2 * i < len(names) else "high"
    files = sorted(os.listdir(f"{photos}/{name}"))
    # Every fifth picture of a class, by name, tests.
    train, test = [file for k, file in enumerate(files) if k % 5 != 4], files[4::5]
    for part, chosen in (("train", train if task == "low" else train[:count]), ("test", test)):
        os.makedirs(f"{work}/{task}/{part}/{name}", exist_ok=True)
        for file in chosen:
            shutil.copyfile(f"{photos}/{name}/{file}", f"{work}/{task}/{part}/{name}/{file}")
keras.utils.set_random_seed(seed)
model = keras.applications.MobileNetV2(weights=None, input_shape=(side, side, 3), alpha=0.35, classes=(len(names) + 1) // 2)
for layer in model.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = 0.9  # at 0.999, as it comes, statistics of a few hundred steps say nothing
model.save(f"{work}/fresh.h5")
PYTHON
"$hone" train "$work/low" --model "$work/fresh.h5" --size "${side}x${side}x3" --input signed --epochs "${BASE_EPOCHS:-30}" --optimizer adam \
    --validation stratified:0.1 --schedule one-cycle --learning-rate 0.003 --no-run --quiet --seed "$seed" --json --output "$work/base.h5" \
    >"$work/base.json"

"$hone" train "$work/high" --model "$work/fresh.h5" --size "${side}x${side}x3" --input signed --epochs "$((4 * ${EPOCHS:-15}))" --optimizer adam \
    --validation stratified:0.1 --early-stopping 15 --no-run --quiet --seed "$seed" --json --output "$work/scratch.h5" >"$work/scratch.json"
for recipe in probe full lp-ft gradual lora; do
    "$hone" finetune "$work/base.h5" "$work/high" --recipe $recipe --probe-epochs 20 --epochs "${EPOCHS:-15}" --seed "$seed" --no-run --quiet --json \
        --output "$work/$recipe.h5" >"$work/$recipe.json"
done
"$hone" finetune "$work/base.h5" "$work/high" --recipe full --train-normalization --probe-epochs 20 --epochs "${EPOCHS:-15}" --seed "$seed" --no-run --quiet --json \
    --output "$work/full-bn.h5" >"$work/full-bn.json"
"$python" - "$work" <<'PYTHON'
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras

work = sys.argv[1]
base = keras.models.load_model(f"{work}/base.h5", compile=False)
with open(f"{work}/base.json", encoding="utf-8") as file:
    print(f"the base on its own classes: {json.load(file)['test']['accuracy']:.2%}\n")
print("| recipe | accuracy | seconds | layers with weights changed | statistics of BatchNormalization changed |")
print("|---|---|---|---|---|")
names = {"scratch": "from scratch", "full-bn": "full, --train-normalization"}
for run in ("scratch", "probe", "full", "lp-ft", "gradual", "lora", "full-bn"):
    with open(f"{work}/{run}.json", encoding="utf-8") as file:
        result = json.load(file)
    line = f"| {names.get(run, run)} | {result['test']['accuracy']:.2%} | {result['seconds']:.0f} |"
    if run == "scratch":
        print(line, "| |")
        continue
    tuned = keras.models.load_model(f"{work}/{run}.h5", compile=False)
    layers = changed = statistics = normalizations = 0
    for a, b in zip(base.layers, tuned.layers):
        before, after = a.get_weights(), b.get_weights()
        if not before:
            continue
        differs = [v.shape != w.shape or v.tobytes() != w.tobytes() for v, w in zip(before, after)]
        layers += 1
        changed += any(differs)
        if isinstance(a, keras.layers.BatchNormalization):
            normalizations += 1
            statistics += any(differs[-2:])
    print(line, f"{changed} of {layers} | {statistics} of {normalizations} |")
PYTHON

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What a network trained on MNIST calls unknown: noise, blotches, letters, stand-ins for clothes, photos of hands, and
# Fashion-MNIST itself where $HONE_DATA has it. kinds.sh [EPOCHS] [MODEL]; HONE is the program, PYTHON a Python with Pillow.
set -eu
hone=${HONE:-build/hone}
python=${PYTHON:-python3}
here=$(dirname "$0")
data=${HONE_DATA:?HONE_DATA is not set}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" "$here/strangers.py" "$work/strange"
"$hone" train mnist --epochs "${1:-2}" --model "${2:-mnist-cnn}" --validation-split 0.1 --no-test --no-run --quiet \
  --threads "${HONE_THREADS:-1}" --seed 1 --output "$work/m.h5" > /dev/null
for kind in "$work"/strange/* "$data/photos/sign-language-digits" "$data/fashion-mnist"; do
  [ -d "$kind" ] || continue
  "$hone" evaluate "$work/m.h5" mnist --ood "$kind" --json --quiet --threads "${HONE_THREADS:-1}" > "$work/$(basename "$kind").json"
done
"$python" - "$work" <<'PYTHON'
import glob, json, os, sys
rows = []
for path in sorted(glob.glob(sys.argv[1] + "/*.json")):
    with open(path, encoding="utf-8") as file:
        rows.append((os.path.basename(path)[:-5], json.load(file)["ood"]))
scores = list(rows[0][1]["scores"])
print(f"{'kind':<22} images  chosen        AUROC   FPR95  unknown  |", "  ".join(f"{s:>12}" for s in scores))
for kind, o in rows:
    print(f"{kind:<22} {o['samples']:>6}  {o['score']:<12} {o['auroc']:.4f}  {o['fpr95']:.4f}  {o['unknown_ood']:.4f}   |",
          "  ".join(f"{o['scores'][s]['auroc']:12.4f}" for s in scores))
print(f"known pictures called unknown: {rows[0][1]['unknown_known']:.4f}")
PYTHON

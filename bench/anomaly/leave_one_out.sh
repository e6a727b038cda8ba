#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# How well a network that never saw a digit calls it unknown: one training for each digit left out, measured on the test
# parts. leave_one_out.sh [EPOCHS] [MODEL] [DIGITS] [test|validation]; HONE is the program, HONE_DATA holds mnist. The score is
# the one that hone train chose. "validation" measures on training images that were set aside: methods are chosen by that.
set -eu
hone=${HONE:-build/hone}
epochs=${1:-2}
model=${2:-mnist-cnn}
digits=${3:-0 1 2 3 4 5 6 7 8 9}
part=${4:-test}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for digit in $digits; do
  python3 "$here/split_digits.py" "${HONE_DATA:?HONE_DATA is not set}/mnist" "$digit" "$work/$digit" "$part"
  "$hone" train "$work/$digit/known" --model "$model" --epochs "$epochs" --validation-split 0.1 --no-test --no-run \
    --quiet --threads "${HONE_THREADS:-1}" --seed 1 --output "$work/$digit.h5" > /dev/null
  "$hone" evaluate "$work/$digit.h5" "$work/$digit/known" --ood "$work/$digit/strange" --json --quiet \
    --threads "${HONE_THREADS:-1}" > "$work/$digit.json"
  rm -rf "${work:?}/$digit"
done
python3 - "$work" $digits <<'PYTHON'
import json, sys
work, digits = sys.argv[1], sys.argv[2:]
rows = []
for digit in digits:
    with open(f"{work}/{digit}.json", encoding="utf-8") as file:
        rows.append((digit, json.load(file)))
scores = list(rows[0][1]["ood"]["scores"])
print("digit  accuracy  chosen        AUROC   FPR95  |", "  ".join(f"{s:>12}" for s in scores))
for digit, r in rows:
    o = r["ood"]
    print(f"{digit:>5}  {r['accuracy']:.4f}    {o['score']:<12} {o['auroc']:.4f}  {o['fpr95']:.4f}  |",
          "  ".join(f"{o['scores'][s]['auroc']:12.4f}" for s in scores))
mean = lambda values: sum(values) / len(values)
print(f" mean  {mean([r['accuracy'] for _, r in rows]):.4f}    {'':<12} {mean([r['ood']['auroc'] for _, r in rows]):.4f}  "
      f"{mean([r['ood']['fpr95'] for _, r in rows]):.4f}  |",
      "  ".join(f"{mean([r['ood']['scores'][s]['auroc'] for _, r in rows]):12.4f}" for s in scores))
PYTHON

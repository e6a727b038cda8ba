# "None of the above": fitted by hone train, said by hone predict, measured and changed by hone evaluate.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 900 --test-samples 200 --seed 5 --to data
run train data --model mnist-fast --validation-split 0.1 --epochs 3 --no-test --no-run --quiet --json --output a.h5
want_status 0
no_err
want_out '"rejection": \{'
want_out '"tpr": 0.95'
cp a.h5 before.h5

# pictures that are none of the classes: noise, flat, and a digit beside them
run augment data --augment none --to photos --as folders --samples 3
digit=$(find photos -name '*.png' | sort | head -n 1)
mkdir strange
for i in 1 2 3 4 5 6; do
    { printf 'P5\n28 28\n255\n'; head -c 784 /dev/urandom; } > strange/noise$i.pgm
done
run predict a.h5 strange --json
want_status 0
[ "$(grep -c '"unknown": true' out)" -ge 5 ] || fail "noise should be unknown"
run predict a.h5 strange/noise1.pgm
want_out '^strange/noise1.pgm	unknown	[0-9] [01]\.[0-9]+$'
run predict a.h5 "$digit" --json
want_out '"unknown": false'
run predict a.h5 strange --reject none --json
grep -q '"unknown": true' out && fail "--reject none answers everything"
run predict a.h5 "$digit" --reject tpr=0.001,score=knn --json
want_out '"unknown": true'
run predict a.h5 "$digit" --tta 3
want_status 0

# measured
run evaluate a.h5 data --ood strange --quiet
want_status 0
want_out 'against 6 images of .strange. that are none'
want_out "<- the model's"
run evaluate a.h5 data --ood strange --quiet --json
want_status 0
no_err
for key in ood auroc fpr95 meaning score threshold unknown_known unknown_ood max-softmax energy mahalanobis knn; do
    want_out "\"$key\""
done
run evaluate a.h5 data --ood nowhere --quiet
want_error "nowhere"

# changed, forgotten, fitted again: the weights stay as they are
run evaluate a.h5 data --reject tpr=0.5,score=mahalanobis --ood strange --json
want_status 0
want_out '"score": "mahalanobis"'
want_out '"tpr": 0.5'
run evaluate a.h5 data --ood strange --quiet --json
want_out '"tpr": 0.5'
run evaluate a.h5 data --fit-rejection none --quiet
want_status 0
run predict a.h5 strange --json
grep -q '"unknown": true' out && fail "what is forgotten is not asked"
run evaluate a.h5 data --ood strange --quiet
want_error "nothing to tell the unknown by"
run predict a.h5 strange --reject tpr=0.9
want_error "nothing that --reject could change"
run evaluate a.h5 data --fit-rejection validation --reject tpr=0.9,score=energy
want_status 0
want_err 'unknown: score energy above .* fitted on 90 images of which 90 % pass'
run evaluate a.h5 data --fit-rejection data --quiet --json
want_status 0
run evaluate before.h5 data --quiet --json
cp out plain.json
run evaluate a.h5 data --quiet --json
sed 's/before\.h5/a.h5/' plain.json | cmp -s - out || fail "answers stay as they are"

# words that make no sense; nothing held back; trained further
run train data --reject tpr=2 --output b.h5
want_status 2
run train data --reject colour
want_status 2
run predict a.h5 "$digit" --reject score=magic
want_status 2
want_err 'max-softmax, energy, mahalanobis, knn or combined'
run train data --model mlp --epochs 1 --validation-split 0 --no-test --no-run --json --output c.h5
want_status 0
want_err 'no image was held back: .* by 900 that were trained on'
want_out '"rejection": \{'
run train data --model mlp --epochs 1 --validation-split 0 --reject none --no-test --no-run --quiet --json --output c.h5
want_out '"rejection": null'
run train data --model mlp --epochs 1 --validation-split 0.01 --no-test --no-run --output c.h5
want_status 0
want_err 'will not say "unknown": 9 pictures'
run train data --model a.h5 --epochs 1 --validation-split 0 --reject none --no-test --no-run --quiet --json --output d.h5
want_out '"rejection": null'
run finetune a.h5 data --recipe probe --probe-epochs 1 --no-test --no-run --quiet --json --output d.h5
want_status 0
want_out '"rejection": \{'
run finetune a.h5 data --recipe probe --probe-epochs 1 --reject none --no-test --no-run --quiet --json --output d.h5
want_out '"rejection": null'
run finetune a.h5 data --reject colour
want_status 2
run train data --model mlp --epochs 1 --reject none --no-test --no-run --quiet --json --output c.h5
want_out '"rejection": null'

# models of what is normal: all digits are, noise is not
run train data --task anomaly --epochs 12 --batch-size 16 --quiet --json --output ae.h5
want_status 0
no_err
want_out '"method": "autoencoder"'
want_out '"validation_samples": 90'
run predict ae.h5 "$digit" strange/noise1.pgm --heat-map heat --json
want_status 0
[ "$(grep -c '"class": "anomalous"' out)" -ge 1 ] || fail "noise is not normal"
want_out '"heat_map": "heat/noise1.anomaly.png"'
[ -s heat/noise1.anomaly.png ] || fail "there should be a heat map"
run predict ae.h5 strange/noise1.pgm
want_out '^strange/noise1.pgm	anomalous [0-9.]+$'
run evaluate ae.h5 data --ood strange --quiet --json
want_status 0
no_err
want_out '"auroc": (1.0|0.9)'
want_out '"passed": '
run train data --task anomaly --method memory --model a.h5 --memory 200 --quiet --output memory.h5
want_status 0
want_out '^anomalous above .* of 90 normal pictures'
run evaluate memory.h5 data --ood strange --quiet
want_status 0
want_out 'AUROC [0-9.]*, FPR@95TPR'
run predict memory.h5 strange --heat-map heat --json
want_status 0
[ "$(grep -c '"threshold"' out)" -eq 6 ] || fail "every file has its answer"
run train data --task anomaly --method memory --epochs 1 --limit 300 --memory 50 --output learnt.h5
want_status 0
want_err 'learns which way up the pictures are'
run info learnt.h5
want_status 0
want_out '^Anomalous: above [0-9.e-]*, by memory$'
run info before.h5
want_out '^Unknown: score [a-z-]* above .*; 95 % of known images pass$'
run info before.h5 --json
want_out '"rejection": \{'

# A training leaves its record, is reproduced to the bit, and ends in good order when it is asked to.
rm -rf runs
run train data --task anomaly --epochs 1 --limit 300 --quiet --output recorded.h5
want_status 0
run runs
want_out ' done +1 +0\.'
run runs reproduce "$(ls runs)" --quiet
want_status 0
background train data --task anomaly --epochs 500 --limit 300 --output stopped.h5
await '^epoch 1/500'
stop INT
want_status 130
want_err 'interrupted after [0-9]+ epochs?; what was learnt so far is in .stopped.h5.$'
want_err '^hint: go on with: hone train --resume stopped.h5$'
epochs=$(sed -n 's/^hone: interrupted after \([0-9]*\) epochs.*/\1/p' err)
run runs
want_out ' interrupted +[0-9]+ +0\.'
run predict stopped.h5 "$digit"
want_status 0

# --resume goes on from there, to the very model that it would have been.
cp stopped.h5 other.h5
run train --resume stopped.h5 --epochs $((epochs + 2)) --output resumed.h5 --quiet --no-run
want_status 0
run train data --task anomaly --epochs $((epochs + 2)) --limit 300 --output whole.h5 --quiet --no-run
run evaluate whole.h5 data --ood strange --json
sed '/"model"/d' out >whole.eval
run evaluate resumed.h5 data --ood strange --json
sed '/"model"/d' out | cmp -s - whole.eval || fail "the resumed model differs"
run train --resume resumed.h5 --quiet
want_error 'holds no interrupted training'
run train digits:300:9 --task anomaly --resume other.h5 --output x.h5 --quiet
want_error 'no longer what it was trained on'
run train --resume other.h5 --batch-size 7 --output x.h5 --quiet
want_error 'had batch_size 32, not 7'

# A memory is made in one go: nothing is left of half of one.
background train data --task anomaly --method memory --epochs 500 --output half.h5 --runs half
await 'which way up'
stop INT
want_status 130
want_err '^hone: interrupted; nothing was saved: a memory is made in one go$'
[ ! -e half.h5 ] || fail "half a memory was saved"

run train data --task magic
want_status 2
run train data --task anomaly --method magic
want_status 2
run train data --method memory
want_status 2
run train data --task anomaly --method memory --model a.h5 --layer nowhere --quiet
want_error "no layer 'nowhere'"
run train data --task anomaly --validation-split 0 --quiet
want_error 'held back for the threshold'
run predict a.h5 "$digit" --heat-map heat --quiet
want_error 'no model of what is normal'
no_leftovers
finish

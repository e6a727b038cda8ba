# hone evaluate: figures in the terminal and as JSON, a temperature that the model keeps, a page, a picture, two models.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 600 --test-samples 200 --seed 5 --to data
run train data --model mlp --epochs 3 --no-test --quiet --output a.h5
want_status 0
run train data --model mlp --epochs 1 --seed 2 --no-test --quiet --output b.h5
want_status 0
cp a.h5 before.h5

run evaluate a.h5 data --quiet
want_status 0
no_err
want_out '^a.h5: 200 images - accuracy: '
want_out '^  macro average '
want_out 'calibration: ECE'
grep -q "$(printf '\033')" out && fail "no colours where there is no terminal"

run evaluate a.h5 data --quiet --json
want_status 0
for key in loss accuracy accuracy_interval samples top_k_categorical_accuracy macro weighted confusion_matrix calibration \
    mistakes f1_score support pr_auc ece brier temperature; do
    want_out "\"$key\""
done
want_out '"temperature": 1.0'
cp out plain.json

# what training held back: as training saw it at its end
run train data --model mlp --epochs 2 --no-test --json --quiet --output c.h5
want_status 0
held=$(sed -n '/"val_accuracy"/,/]/p' out | grep -o '0\.[0-9]*' | tail -n 1)
run evaluate c.h5 data --split validation --json
want_status 0
want_err 'what training held back: 60 images'
want_out '"samples": 60'
grep -q "^  \"accuracy\": $held" out || fail "the accuracy should be training's last, $held"
run evaluate c.h5 data --split validation --limit 20 --compare b.h5 --json --quiet
want_status 0
want_out '"samples": 20'
run evaluate c.h5 digits:50 --split validation --quiet
want_error "'digits:50' is not what 'c.h5' was trained on"
run train data --model mlp --epochs 1 --validation-split 0 --no-test --quiet --output none.h5
run evaluate none.h5 data --split validation --quiet
want_error "the training of 'none.h5' held nothing back"
run convert c.h5 silent.json
run evaluate silent.json data --split validation --quiet
want_error "'silent.json' does not say which images its training held back"

# the temperature goes into the file, changes no answer, and nothing else of the file
run evaluate a.h5 data --calibrate validation --json
want_status 0
want_err 'temperature [0-9.]* fitted on 60 images'
want_out '"uncalibrated"'
accuracy=$(grep '"accuracy":' plain.json | head -n 1)
grep '"accuracy":' out | head -n 1 | grep -qF "$accuracy" || fail "a temperature changes no answer"
run evaluate a.h5 data --quiet
want_out 'at temperature '
run train data --model a.h5 --epochs 1 --no-test --output again.h5
want_err 'taking the optimizer'
run evaluate again.h5 data --quiet --json
want_out '"temperature": 1.0'
run augment data --augment none --to photos --as folders --samples 3
one=$(find photos -name '*.png' | sort | head -n 1)
run predict before.h5 "$one" --json
cp out cold.json
run predict a.h5 "$one" --json
cmp -s out cold.json && fail "predict should apply the temperature"
run evaluate a.h5 data --calibrate none --quiet --json
want_out '"temperature": 1.0'
run predict a.h5 "$one" --json
cmp -s out cold.json || fail "without a temperature all should be as before"
run evaluate a.h5 data --calibrate digits:300:9 --quiet --json
want_status 0
want_out '"uncalibrated"'

run evaluate a.h5 data --compare b.h5 --robustness --report page.html --confusion matrix.png --limit 100
want_status 0
want_out "McNemar's exact test: p = "
want_out '^  occlusion '
want_err '^report: page.html$'
grep -q '<script' page.html && fail "the page needs no scripts"
grep -q 'id="comparison"' page.html || fail "the page should compare"
grep -q 'id="training"' page.html || fail "the page should show the training"
[ -s matrix.png ] || fail "no picture of the matrix"
run evaluate a.h5 data --robustness --limit 50 --quiet --json --threads 1
cp out one.json
run evaluate a.h5 data --robustness --limit 50 --quiet --json --threads 2
cmp -s out one.json || fail "threads should change nothing"

# what cannot be done is said
run evaluate a.h5 data --calibrate nowhere/ --quiet
want_error 'nowhere'
run train digits:200:1 --model mlp --epochs 1 --no-test --quiet --validation-split 0 --output all.h5
run evaluate all.h5 digits:100:2 --calibrate validation --quiet
want_error 'held nothing back'
run evaluate "$tests/golden/accept/no_such_model.h5" data
want_status 1
run evaluate a.h5 data --report /nowhere/page.html --quiet
want_error 'page.html'
run evaluate a.h5 data --compare b.h5 --top-k 0
want_status 2
no_leftovers
finish

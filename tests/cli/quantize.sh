# hone quantize, and a quantized model in predict, evaluate, convert, bench; what is refused.
. "$(dirname "$0")/lib.sh"

run quantize --help
want_status 0
want_out '^usage: hone quantize MODEL DATA --output FILE'
run train digits:1500 --epochs 3 --model mnist-fast --output m.h5 --no-test --quiet
want_status 0

run quantize m.h5 digits:1500 --output q.h5 --max-loss 2
want_status 0
want_out '^q.h5: 4 of 4 operations in 8-bit integers, weights '
want_out '^ranges +(min-max|percentile|mse) \(of 512 images'
want_out '^validation +[0-9.]+ % in int8, [0-9.]+ % in float32'
run quantize m.h5 digits:1500 --output j.h5 --max-loss 2 --json --quiet --ranges percentile --samples 7 --per-tensor
want_status 0
no_err
want_out '"ranges": "percentile"'
want_out '"samples": 7,'
want_out '"per_channel": false'
want_out '"points_lost": '

# what training held back judges, with the seed of the training
run train digits:1500 --epochs 1 --model mnist-fast --output s.h5 --no-test --quiet --json --validation stratified:0.2 --seed 5
want_status 0
accuracy=$(sed -n '/"val_accuracy"/{n;s/[^0-9.]//g;p}' out | cut -c1-8)
run quantize s.h5 digits:1500 --output t.h5 --max-loss 50 --json --quiet
want_status 0
sed -n '/"validation"/,/}/p' out | grep -q "\"accuracy\": $accuracy" || fail "judged by other images than training was: not $accuracy"

# the weights are what they were, so the answers in float32 are, too
run export m.h5 --to npz --output m.npz --quiet
run export q.h5 --to npz --output q.npz --quiet
cmp m.npz q.npz || fail "the weights changed"
run evaluate m.h5 digits:300:7 --quiet --json
cp out float.json
run evaluate q.h5 digits:300:7 --quiet --json --float32
sed 's/q.h5/m.h5/' out | cmp - float.json || fail "--float32: another answer"
run evaluate q.h5 digits:300:7 --quiet --json
want_status 0
cmp -s out float.json && fail "int8: not used"
cp out int8.json
for level in scalar avx2 avx512; do
    HONE_CPU=$level "$HONE" evaluate q.h5 digits:300:7 --quiet --json --threads 1 >other.json 2>/dev/null || continue
    # the softmax at the end is in float and differs in its last bits from level to level
    [ "$(grep '"accuracy":' other.json)" = "$(grep '"accuracy":' int8.json)" ] || fail "$level: another accuracy"
done
run predict q.h5 "$tests/data/images" --quiet --json
cp out int8.json
run predict q.h5 "$tests/data/images" --quiet --json --float32
cp out float.json
cmp -s int8.json float.json && fail "predict: --float32 made no difference"

# other kinds of files carry the record, and copies of the file
run convert q.h5 q.keras --quiet
run evaluate q.keras digits:300:7 --quiet --json
want_status 0
run evaluate q.keras digits:300:7 --quiet --json --compare q.h5
want_status 0

# other weights than those that were quantized
run evaluate q.h5 digits:300:7 --weights "j.h5"
want_status 0
run train digits:300 --epochs 1 --model mnist-fast --output other.h5 --no-test --quiet --seed 5
run evaluate q.h5 digits:300:7 --weights other.h5
want_status 0
want_err 'quantized with other weights'

# fine-tuning
run quantize m.h5 digits:600 --output t.h5 --max-loss 5 --qat-epochs 1 --json --no-test
want_status 0
want_err 'fine-tuning, epoch 1 of 1'
want_out '"fine_tuning": \{'

run bench infer q.h5 --int8 --seconds 0.01 --repeats 3 --threads 1
want_status 0
want_out '^float32 +[0-9,]+ images/s: int8 is [0-9.]+ times as fast'
run bench infer mnist-cnn --int8 --seconds 0.01 --repeats 1 --threads 1 --json
want_status 0
want_out '"speedup": '

# what is refused: nothing is written then
run quantize m.h5 digits:1500 --output no.h5 --max-loss -50 --quiet
want_error 'loses .* points of accuracy in int8'
[ ! -e no.h5 ] || fail "written all the same"
run quantize m.h5
want_status 2
run quantize m.h5 digits
want_status 2
want_err -- '--output is missing'
run quantize m.h5 digits --output x.h5 --ranges kl
want_status 2
want_err "'kl'"
run quantize m.h5 nowhere --output x.h5
want_status 1
run quantize nowhere.h5 digits --output x.h5
want_error "'nowhere.h5'"
run quantize m.h5 digits:200 --output folder/x.h5
want_status 1
want_err 'folder/x.h5'
run bench train --int8
want_status 2
no_leftovers
finish

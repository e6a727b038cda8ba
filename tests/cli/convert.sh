# hone convert, hone export and --weights: one model through every kind of file, and what is refused.
. "$(dirname "$0")/lib.sh"
chain="$tests/golden/versions/keras-3.15.1/chain"

# there and back: the same bytes
for format in h5 keras; do
    run convert "$chain.keras" "a.$format"
    want_status 0
    want_out "^a.$format: $format\$"
    want_err "not carried: the optimizer's variables"
    run convert "a.$format" "b.$format"
    want_status 0
    cmp "a.$format" "b.$format" || fail "$format: a second writing differs"
done

# parts, and put together again
run export "$chain.keras" --to json --output m.json
want_status 0
want_err "not carried: the weights"
want_err "not carried: loss, optimizer and metrics"
run export "$chain.keras" --to weights --output w.weights.h5
want_err "not carried: the architecture"
run export "$chain.keras" --to legacy-weights -o w.h5
want_status 0
run export "$chain.keras" --to npz --output w.npz --json
want_status 0
want_out '"not_carried": \['
no_err
run convert "$chain.keras" w.safetensors
want_status 0
want_out '^w.safetensors: safetensors$'
for weights in w.weights.h5 w.h5 w.npz w.safetensors a.h5 a.keras; do
    for how in "" --by-name; do
        run convert m.json together.keras --weights $weights $how
        want_status 0
        run convert together.keras together.h5 --quiet
        run convert a.keras whole.h5 --quiet
        run export together.h5 --to npz -o again.npz --quiet
        cmp w.npz again.npz || fail "$weights $how: other weights"
    done
done

# a training that goes on from an archive
run train digits --limit 300 --epochs 1 --model mlp --output part.keras --quiet
want_status 0
run predict part.keras "$tests/data/images" --json --quiet
run info part.keras
want_status 0
run train digits --limit 300 --epochs 1 --model mlp --weights part.keras --output more.h5 --quiet
want_status 0
run evaluate part.keras digits --limit 200 --quiet
want_status 0
cp out first
run evaluate more.h5 digits --limit 200 --weights part.keras --quiet
want_status 0
sed 's/more.h5/part.keras/' out | cmp - first || fail "--weights: another model"

# what only one family reads is said
for family in keras3 tfkeras; do
    run convert "$tests/golden/accept/$family-attention.h5" attention.h5
    want_status 0
    [ $family = keras3 ] && want_err "words that tf-keras reads: MultiHeadAttention" || want_err "words that Keras 3 reads"
    run convert "$tests/golden/accept/$family-attention.h5" attention.keras
    want_err "words that tf-keras reads: MultiHeadAttention"
    run convert "$tests/golden/accept/$family-graph.h5" graph.h5
    grep -q "words that" err && fail "$family: words that nobody lacks"
done

# what is refused, in one line
printf 'PK\003\004 and no more' >bad.keras
run convert bad.keras x.h5
want_error "bad.keras.*zip archive"
run convert m.json x.h5 --weights "$tests/golden/accept/keras3-pooling.h5"
want_error "cannot take the weights.*layer"
run convert "$tests/golden/reject/weights-only.weights.h5" x.h5
want_error "weights only.*--weights"
head -c 3000 "$chain.keras" >cut.keras
run info cut.keras
want_error "truncated or damaged"
head -c 900 w.safetensors >cut.safetensors
run convert m.json x.h5 --weights cut.safetensors
want_error "cut.safetensors.*truncated or damaged"
run convert m.json x.h5 --weights "$tests/data/npz/float_labels.npz"
want_error "float_labels.npz.*the file holds [0-9]+ weights, the architecture has"
run info w.safetensors
want_error "safetensors file: weights only.*--weights"
run convert m.json x.unknown
want_status 2
want_err "tells no format"
run export m.json --to exe --output x
want_status 2
run export m.json --to h5
want_status 2
[ ! -e x.h5 ] || fail "something was written"

# pictures of any size: said, taken from the data, or asked for
cat >any.json <<'EOF'
{"class_name": "Sequential", "config": {"name": "any", "layers": [
  {"class_name": "InputLayer", "config": {"batch_shape": [null, null, null, 1], "name": "in"}},
  {"class_name": "Conv2D", "config": {"name": "c", "filters": 10, "kernel_size": [3, 3]}},
  {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool"}},
  {"class_name": "Activation", "config": {"name": "softmax", "activation": "softmax"}}]}}
EOF
run info any.json
want_error "takes pictures of any size, \(None, None, None, 1\), and is given none"
want_err "^hint: --size HEIGHTxWIDTH says it"
run convert any.json stated.h5 --size 20x30
want_status 0
run info stated.h5
want_out "\(None, 20, 30, 1\)"
run convert stated.h5 x.h5 --size 8x8
want_error "'stated.h5' takes \(None, 20, 30, 1\)"
run convert any.json x.h5 --size 8x8x1
want_status 2
run info any.json --size 40x50
want_out "\(None, 40, 50, 1\)"
run evaluate any.json digits:30 --split all --quiet
want_status 0
run evaluate any.json digits:30 --split all --size 20x24
want_status 0
want_err "30 images 20x24x1"
run evaluate stated.h5 digits:30 --split all --compare any.json --json --quiet
want_status 0
run evaluate stated.h5 digits:30 --split all --size 20x24
want_error "'stated.h5' takes \(None, 20, 30, 1\)"
run quantize any.json digits:60 --output x8.h5 --size 12x12 --max-loss 100 --quiet
want_status 0
run info x8.h5
want_out "\(None, 12, 12, 1\)"
picture="$tests/data/images/bilevel.png"
run predict any.json "$picture"
want_error "any size"
want_err "^hint: --size HEIGHTxWIDTH says it"
run predict any.json "$picture" --size 16x20
want_status 0
run explain any.json "$picture" --size 16x20 --output seen
want_status 0
run teach any.json --data digits:30 --size 16x20 --output taught.h5
want_status 1
want_err "30 images 16x20x1"
want_err "has no head"
run serve any.json
want_status 1
want_err "HONE_WITH|--size HEIGHTxWIDTH is wanted"
mkdir pictures && cp "$picture" pictures
run label pictures --model any.json
want_error "HONE_WITH|any size"
run label pictures --model stated.h5 --size 9x9
want_error "HONE_WITH|'stated.h5' states the size"
run train digits --limit 100 --epochs 1 --model any.json --output trained.h5 --no-test --no-run
want_status 0
want_err "any size: 28x28, as those of 'digits' are"
run train digits --limit 100 --epochs 1 --model any.json --size 16x12 --output trained.h5 --no-test --no-run --quiet
want_status 0
run info trained.h5
want_out "\(None, 16, 12, 1\)"
sed 's/"name": "any"/"name": "MobileNetAny"/' any.json >named.json
run info named.json
want_status 0
want_out "\(None, 224, 224, 1\)"
want_err "any size: 224x224, as in keras.applications"

# the switch of the process that reads files
for switch in on off; do
    HONE_SANDBOX=$switch
    export HONE_SANDBOX
    run info "$chain.h5"
    want_status 0
    mv out info.$switch
done
cmp info.on info.off || fail "HONE_SANDBOX changes what is read"
HONE_SANDBOX=perhaps
run info "$chain.h5"
want_status 2
unset HONE_SANDBOX
run info "$chain.h5" --trust-files
want_status 0
no_leftovers
finish

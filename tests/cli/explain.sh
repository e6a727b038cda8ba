# hone explain: pictures of why, for one image and many, of training data and of examples in the model's file.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 600 --test-samples 100 --seed 5 --to data
run train data --epochs 2 --keep-examples 100 --no-test --no-run --quiet --output a.h5
want_status 0
no_err
run train data --epochs 1 --no-test --no-run --quiet --output plain.h5
run augment data --augment none --to photos --as folders --samples 4
one=$(find photos -name '*.png' | sort | head -n 1)
stem=$(basename "$one" .png)

run explain a.h5 "$one" --output why --activations
want_status 0
for what in grad-cam integrated-gradients nearest activations; do
    [ -s "why/$stem.$what.png" ] || fail "there should be a picture of $what"
done
want_out 'what speaks for [0-9], by layer max_pooling2d_1'
want_out 'nearest of 100 examples: [0-9] [0-9] [0-9] [0-9] [0-9] [0-9] [0-9] [0-9]$'
want_out 'conv2d \(Conv2D\)'
run explain a.h5 "$one" --output why --json --quiet --nearest 3 --class 4
want_status 0
no_err
for key in explanations file class confidence explained heat_maps grad-cam layer integrated-gradients attributed expected \
    nearest examples distance; do
    want_out "\"$key\""
done
want_out '"explained": "4"'
[ "$(grep -c '"distance"' out)" -eq 3 ] || fail "three nearest ones"

# the same names twice; one method; another layer
mkdir other
cp "$one" "other/$stem.png"
run explain a.h5 "$one" "other/$stem.png" --output two --method grad-cam --layer conv2d
want_status 0
[ -s "two/$stem.grad-cam.png" ] && [ -s "two/$stem-2.grad-cam.png" ] || fail "pictures of one name must not meet"
[ -e "two/$stem.integrated-gradients.png" ] && fail "one method was asked for"

# of a data set; stored later
run explain plain.h5 "$one" --output data_near --data data
want_status 0
want_out 'nearest of 600 examples'
run explain plain.h5 "$one" --output none
[ -e "none/$stem.nearest.png" ] && fail "there are no examples"
run explain plain.h5 --data data --store 50
want_status 0
want_err '50 examples are now in'
run explain plain.h5 "$one" --output some
want_out 'nearest of 50 examples'
run evaluate plain.h5 data --quiet
want_status 0

# what cannot be
run explain a.h5
want_status 2
run explain a.h5 --store 5
want_status 2
run explain a.h5 "$one" --method magic
want_status 2
run explain a.h5 "$one" --layer nowhere --quiet
want_error "no layer 'nowhere'"
run explain a.h5 "$one" --class cow --quiet
want_error "no class 'cow'"
run explain a.h5 missing.png "$one" --output partly
want_status 1
want_err "missing.png"
[ -s "partly/$stem.grad-cam.png" ] || fail "the others are still done"
: > file
run explain a.h5 "$one" --output file --quiet
want_status 1
want_err "file"
run train data --model mlp --epochs 1 --no-test --no-run --quiet --output mlp.h5
run explain mlp.h5 "$one" --output mlp
want_status 0
want_err 'no Grad-CAM: .* no convolution'
[ -s "mlp/$stem.integrated-gradients.png" ] || fail "integrated gradients need no convolution"

# Where pictures come from, here as in hone predict: folders with those below, standard input, never an address.
mkdir -p tree/deep
cp "$one" tree/deep/inner.png
cp "$one" tree/outer.png
echo words >tree/notes.txt
ln -s .. tree/deep/loop
for verb in predict "explain --output tree.why"; do
    run ${verb%% *} a.h5 tree $(echo "$verb" | cut -s -d' ' -f2-)
    want_status 0
    [ "$(grep -c '^tree/' out)" -eq 2 ] || fail "two pictures are in the tree"
    want_out '^tree/deep/inner.png'
    "$HONE" ${verb%% *} a.h5 - $(echo "$verb" | cut -s -d' ' -f2-) <"$one" >out 2>err
    status=$?
    last="$verb from standard input"
    want_status 0
    want_out '^-[[:space:]]'
    run ${verb%% *} a.h5 -
    want_error 'standard input holds nothing'
    run ${verb%% *} a.h5 https://example.org/a.png
    want_error "cannot open 'https://"
    want_err '^hint: hone reads files: curl'
    mkdir -p empty
    run ${verb%% *} a.h5 empty
    want_error "no pictures in 'empty'"
done
[ -s tree.why/stdin.grad-cam.png ] || fail "what came from standard input has a name"
"$HONE" predict a.h5 - "$one" <"$HONE" >out 2>err
status=$?
last="a program as a picture"
want_status 1
want_err 'cannot predict: standard input: '
want_out "$one"

# A preset answers nothing before it is trained.
for verb in predict explain; do
    run $verb mnist-cnn "$one"
    want_error "'mnist-cnn' is a preset"
done

# Explain says unknown where predict does, and what has no classes is named.
printf 'P5\n28 28\n255\n' >noise.pgm
head -c 784 "$HONE" >>noise.pgm
run predict a.h5 noise.pgm --reject tpr=0.001
want_out '^noise.pgm[[:space:]]unknown'
run explain a.h5 noise.pgm --output why --reject tpr=0.001 --json
want_out '"unknown": true'
run explain a.h5 noise.pgm --output why --reject none
! grep -q unknown out || fail "--reject none answers all"
run train data --task anomaly --epochs 1 --limit 100 --no-run --quiet --output normal.h5
run explain normal.h5 "$one"
want_error 'is a model of what is normal'
want_err '^hint: hone predict MODEL IMAGE --heat-map'
no_leftovers
finish

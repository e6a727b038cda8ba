# Each wrong thing: one clear line, exit 1, nothing half-written.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 100 --test-samples 20 --to good
run train good --epochs 1 --quiet --output model.h5
want_status 0
byte() { printf "$2" | dd of="$1" bs=1 seek="$3" conv=notrunc 2>/dev/null; }
copy() { rm -rf bad; cp -r good bad; }

copy; head -c 5000 good/train-images-idx3-ubyte >bad/train-images-idx3-ubyte
run train bad --output x.h5
want_error 'train-images-idx3-ubyte'

copy; byte bad/train-labels-idx1-ubyte '\377' 20
run train bad --output x.h5
want_error '255'

copy; byte bad/train-labels-idx1-ubyte '\143' 7; head -c 107 good/train-labels-idx1-ubyte >bad/train-labels-idx1-ubyte; byte bad/train-labels-idx1-ubyte '\143' 7
run train bad --output x.h5
want_error '99'

copy; : >bad/train-images-idx3-ubyte
run train bad --output x.h5
want_error 'train-images-idx3-ubyte'

mkdir empty
run train empty --output x.h5
want_error "empty"

run train nowhere --output x.h5
want_error "nowhere"

# What is no data set is called none, and what one could do instead is said.
run train good/digits.png --output x.h5
want_error "'good/digits.png' is no data set"
run train /dev/zero --output x.h5
want_error "no data set"
tar cf pictures.tar good
run train pictures.tar --output x.h5
want_error "is an archive; 'hone collect pictures.tar --to FOLDER'"
mkdir -p alone/a
cp good/digits.png alone/a/
run train alone --size 28x28 --output x.h5 --quiet
want_error "has one class, 'a'"
want_err '^hint: .*--task anomaly'
mkdir -p hollow/used
for i in 1 2 3 4 5 6 7 8 9; do mkdir hollow/$i; done
cp good/digits.png hollow/used/
run train hollow --size 28x28 --epochs 1 --output hollow.h5 --validation-split 0 --no-test
want_status 0
[ "$(grep -c 'holds no pictures' err)" -eq 5 ] || fail "five are named"
want_err "4 more class folders of 'hollow' hold no pictures"

# Pictures: one bad file is named and left out; only bad files is an error.
mkdir -p photos/a photos/b
for i in 1 2 3 4 5 6; do
    for class in a b; do cp good/digits.png photos/$class/$i.png; done
done
head -c 100 good/digits.png >photos/a/broken.png
echo words >photos/b/notes.png
run train photos --size 28x28 --epochs 1 --output photos.h5 --no-test
want_status 0
want_err "left out 'photos/a/broken.png': "
want_err "left out 'photos/b/notes.png': "
mkdir -p only/a
cp photos/a/broken.png only/a/
run train only --output x.h5
want_status 1
want_err "broken.png"

# What a terminal would obey is no name, and is not sent to it.
mkdir -p "evil/$(printf 'a\033[31m')" evil/b
cp good/digits.png evil/b/
cp good/digits.png evil/a*/
run train evil --size 28x28 --output x.h5
want_error "the name of class 0, 'a\?\[31m', has a control character"
run collect evil
want_status 0
want_out '^evil: 1 picture in 1 class$'
want_out '  a\?\[31m/digits.png: its name has a control character'
run predict good/digits.png "$(printf 'no\033[31m')"
grep -q "$(printf '\033')" out err && fail "an escape reached the terminal"

# Models.
: >zero.h5
run info zero.h5
want_error "zero.h5"
head -c 3000 model.h5 >cut.h5
run info cut.h5
want_error "cut.h5"
echo '{"class_name": "Sequential"' >broken.json
run info broken.json
want_error "broken.json"
printf '%s' '{"class_name": "Sequential", "config": {"name": "s", "layers": [
 {"class_name": "InputLayer", "config": {"batch_input_shape": [null, 8, 4], "dtype": "float32", "name": "i"}},
 {"class_name": "LSTM", "config": {"name": "lstm", "units": 4}}]}}' >lstm.json
run info lstm.json
want_error "LSTM"
run info "$tests/golden/reject/unsupported-lstm.h5"
want_error "LSTM"
run info good
want_error "folder"
run info missing.h5
want_error "missing.h5"
run evaluate good/digits.png good
want_error "digits.png"
run predict model.h5 model.h5
want_error "model.h5"
run predict model.h5 empty
want_error "empty"
run info /dev/zero
want_error "it is a device, not a file"
run evaluate model.h5 photos
want_error "has no test part"
want_err '^hint: --split validation .* --split all '
# A file is named once in a message.
run info zero.h5
want_error "^hone: cannot load the model 'zero.h5': the file is empty$"
run explain model.h5 model.h5
want_error "^hone: cannot explain 'model.h5': not a picture"


# A model whose weights are no numbers says so.
printf '%s' '{"class_name": "Sequential", "config": {"name": "s", "layers": [
 {"class_name": "InputLayer", "config": {"batch_input_shape": [null, 1, 1, 1], "dtype": "float32", "name": "i"}},
 {"class_name": "Flatten", "config": {"name": "f"}},
 {"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": "sigmoid", "use_bias": false}}]}}' >one.json
header='{"d.kernel": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}}'
{ printf "\\$(printf %o ${#header})\0\0\0\0\0\0\0%s\0\0\300\177" "$header"; } >nan.safetensors
run predict one.json --input unit --weights nan.safetensors good/digits.png
want_error "'good/digits.png': the model's answer is no number"
want_err '^hint: its weights are damaged'

# Outputs.
run train good --epochs 1 --output ''
want_error "no name"
mkdir taken.h5
run train good --epochs 1 --output taken.h5
want_error "taken.h5.*folder"
run train good --epochs 1 --output no/such/folder/x.h5
want_error "no/such/folder"
run train good --model mnist-cnn --size 4x4 --output x.h5
want_status 1

# A full disk: as root on a small tmpfs, else by the limit on file sizes.
mkdir small
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=100k tmpfs small 2>/dev/null; then
    trap 'umount "$work/small" 2>/dev/null; clean_up' EXIT
    echo kept >small/model.h5
    run train good --epochs 1 --quiet --output small/model.h5
    want_error "small/model.h5.*(No space left|space)"
    # What was trained is not lost with it.
    rescued=$(sed -n "s/^hint: it is not lost: the run's record has it, '\(.*\)'$/\1/p" err)
    [ -n "$rescued" ] && "$HONE" info "$rescued" >/dev/null || fail "the record should have the model"
    [ "$(cat small/model.h5)" = kept ] || fail "the old file is gone"
    [ "$(ls small)" = model.h5 ] || fail "left behind on the full disk: $(ls small)"
    dd if=/dev/zero of=small/filling bs=1k count=200 2>/dev/null
    run explain model.h5 good/digits.png --output small/why
    want_error "small/why/.*No space left"
    run export model.h5 --to c --output small/model.c
    want_error "cannot write 'small/model.c': No space left"
    rm -rf small/why small/filling
    umount small
fi
mkfifo pipe.h5
run serve pipe.h5 --port 0
want_error "'pipe.h5' is a pipe"
run train good --epochs 1 --output /dev/null
want_error "^hone: cannot write '/dev/null': it is not a regular file$"
run convert model.h5 /dev/null --to onnx
want_status 1
want_err "^hone: cannot convert 'model.h5': cannot write '/dev/null': it is not a regular file$"
echo kept >limited.h5
(
    ulimit -f 64
    exec "$HONE" train good --epochs 1 --quiet --output limited.h5
) >out 2>err </dev/null
status=$?
last="training under ulimit -f"
want_error "limited.h5"
[ "$(cat limited.h5)" = kept ] || fail "the old file is gone"

for words in "info mnist-cnn" "train --help"; do
    "$HONE" $words >/dev/full 2>err
    status=$?
    last="$words >/dev/full"
    : >out
    want_status 1
    want_err 'cannot write to stdout'
done

[ ! -e x.h5 ] || fail "a failed run left x.h5"
no_leftovers
finish

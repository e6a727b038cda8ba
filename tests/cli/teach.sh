# SPDX-License-Identifier: Apache-2.0
# hone teach: an example in a model's file, heard by predict and evaluate, forgotten again.
. "$(dirname "$0")/lib.sh"

# picture FILE LEVEL…: 28 rows; the bright ones are those whose numbers are given.
picture() {
    file=$1
    shift
    { printf 'P5\n28 28\n255\n'
      row=0
      while [ $row -lt 28 ]; do
          level='\003'
          for bright in "$@"; do [ $row -eq "$bright" ] && level='\372'; done
          head -c 28 /dev/zero | tr '\0' "$level"
          row=$((row + 1))
      done; } >"$file"
}
picture stripes.pgm 2 3 8 9 14 15 20 21 26 27
picture other.pgm 2 3 8 9 14 15 20 21 26
picture half.pgm 14 15 16 17 18 19 20 21 22 23 24 25 26 27

run train digits:2000:1 --model mnist-fast --epochs 2 --validation-split 0.2 --no-test --output m.h5 --quiet --no-run
want_status 0
cp m.h5 before.h5
run evaluate m.h5 digits:500:2 --json --quiet
cp out alone

run teach m.h5 stripes.pgm cat half.pgm 7
want_status 0
want_out 'm.h5 knows 2 examples and 11 classes'
run predict m.h5 stripes.pgm other.pgm half.pgm
want_status 0
want_out '^stripes.pgm	cat '
want_out '^other.pgm	cat '
want_out '^half.pgm	7 '
run predict m.h5 stripes.pgm --json
want_out '"class": "cat"'
want_out '"index": 10'
want_out '"example": "stripes.pgm"'
want_out '"unknown": false'
run predict m.h5 stripes.pgm --untaught
want_status 0
grep -q cat out && fail "--untaught should ask the network alone"
run evaluate m.h5 digits:500:2 --json --quiet --untaught
cmp -s out alone || fail "the network should be what it was"
run evaluate m.h5 digits:500:2 --quiet
want_status 0
want_out 'cat'

run teach m.h5 --list
want_status 0
want_out '^stripes.pgm	cat	reach '
run teach m.h5 --list --json
want_out '"reference": [1-9]'
run info m.h5
want_status 0
want_out '^Taught: 2 examples, new classes: cat$'
run info m.h5 --json
want_out '"examples": 2'

# Training goes on from the same file: what else it held is still there.
run train --resume m.h5 --output r.h5 --no-run --quiet
want_status 0
run predict r.h5 stripes.pgm
want_status 0
grep -q cat out && fail "lessons should go when training goes on"

# A class folder, another file, and back again.
mkdir -p more/cat more/dog
cp other.pgm more/cat/a.pgm
cp half.pgm more/dog/b.pgm
run teach m.h5 --from more --output more.h5 --quiet
want_status 0
run predict more.h5 half.pgm
want_out 'dog'
run predict m.h5 half.pgm
want_out '	7 '
run teach m.h5 --forget cat --quiet
want_status 0
run predict m.h5 stripes.pgm
grep -q cat out && fail "what was forgotten should be forgotten"
run teach m.h5 --forget cat
want_error "no example called 'cat'"
run teach m.h5 --forget half.pgm --quiet
want_status 0
run evaluate m.h5 digits:500:2 --json --quiet
cmp -s out alone || fail "without examples the answers should be the old ones"

# A .keras archive is changed in place, and keeps all else; or written anew as another kind of file.
run convert before.h5 k.keras --quiet
run evaluate k.keras digits:500:2 --json --quiet
cp out untaught
run teach k.keras stripes.pgm cat --quiet
want_status 0
run predict k.keras stripes.pgm
want_out 'cat'
run evaluate k.keras digits:500:2 --untaught --json --quiet
cmp -s out untaught || fail "the network in the archive should be as it was"
run teach k.keras stripes.pgm cat --output k2.h5 --quiet
want_status 0
run predict k2.h5 stripes.pgm
want_out 'cat'
run evaluate k.keras digits:500:2 --fit-rejection digits:300:9 --quiet
want_status 0
run predict k.keras stripes.pgm # records that others left stay
want_out 'cat'
mkdir -p striped/cat && cp stripes.pgm striped/cat/
run evaluate k.keras striped --split all --tta 3 --json --quiet # with variants too: of the picture itself
want_out '"accuracy": 1.0'

# A model from elsewhere has no reference: examples reach less far, until it is given one.
run convert before.h5 weights.h5 --to weights --quiet
run teach mnist-fast stripes.pgm cat
want_status 1
run teach m.h5 missing.pgm cat
want_error 'missing.pgm'
run teach m.h5 stripes.pgm
want_status 2
run teach m.h5
want_status 2
run teach m.h5 --list --forget cat
want_status 2
cp m.h5 sealed.h5
run teach sealed.h5 --data digits:300:9 --quiet
want_status 0
mkdir locked
cp m.h5 locked/m.h5
chmod a-w locked
if [ ! -w locked ]; then
    run teach locked/m.h5 stripes.pgm cat
    want_error 'locked/m.h5'
fi
chmod u+w locked
no_leftovers
# Other programs do not hear it, and that is said; what is no .h5 is written anew.
run export m.h5 --to onnx --output taught.onnx --quiet
run teach taught.onnx stripes.pgm cat
want_error "'taught.onnx' is not changed in place"
run teach taught.onnx stripes.pgm cat --output again.h5
want_status 0
run teach m.h5 stripes.pgm cat --output once.h5
run export once.h5 --to c --output once.c
want_status 0
want_err 'not carried: what hone teach added'
run convert once.h5 once.npz
want_err 'not carried: what hone teach added'

finish

# The program's manners: help, version, mistakes, exit codes, which stream.
. "$(dirname "$0")/lib.sh"

run --version
want_status 0
want_out '^hone [0-9]+\.[0-9]+\.[0-9]+$'
no_err

run
want_status 2
no_out
want_err '^usage: hone VERB'

run --help
want_status 0
no_err
for verb in collect augment train evaluate predict info bench; do
    want_out "^  $verb "
    run $verb --help
    want_status 0
    no_err
    want_out "^usage: hone $verb "
    want_out '^examples:'
    want_out '--threads N'
    run help $verb
    want_out "^usage: hone $verb "
    run --help
done

run trian digits
want_status 2
want_err "unknown verb 'trian'; did you mean 'train'\?"

run train digits --epocs 3
want_status 2
want_err 'unknown option --epocs; did you mean --epochs\?'
want_err '^hint: hone train --help'

# The options that every verb has are suggested, too; before the verb there are only two.
run train digits --trheads 2
want_status 2
want_err 'unknown option --trheads; did you mean --threads\?'
run --hlep
want_status 2
want_err 'unknown option --hlep; did you mean --help\?'
run --json
want_status 2
want_err '^hint: the verb comes first'

# A beginning, capitals; not what is no nearer than any other word.
run eval
want_status 2
want_err "unknown verb 'eval'; did you mean 'evaluate'\?"
run train digits --validation-s 0.2
want_err 'unknown option --validation-s; did you mean --validation-split\?'
run train digits --VERBOSE
want_err 'unknown option --VERBOSE$'
run qx
want_err "unknown verb 'qx'$"

# Names of data sets and presets, too, where no file is meant.
run train minst
want_error "cannot read the data 'minst'"
want_err "^hint: did you mean 'mnist'\?$"
run evaluate mnist-cn minst
want_error "cannot load the model 'mnist-cn'"
want_err "^hint: did you mean 'mnist-cnn'\?$"
for pair in minst:mnist MNIST:mnist fashion:fashion-mnist fashion_mnist:fashion-mnist cifar:cifar10 \
    cifar-10:cifar10 kminst:kmnist digts:digits; do
    run collect "${pair%:*}"
    want_error "no data set is called '${pair%:*}'"
    want_err "^hint: did you mean '${pair#*:}'\?$"
done
run train digts:100
want_err "^hint: did you mean 'digits'\?$"
run train digits:100 --model mlpp
want_err "^hint: did you mean 'mlp'\?$"
run info my-model.h5
want_error 'my-model.h5'
grep -q 'did you mean' err && fail "no preset is near my-model.h5"
touch minst
run train minst
grep -q 'did you mean' err && fail "minst is there"
rm minst

run train digits --epochs
want_status 2
want_err 'needs a value'

# With --json a failure is a document, too: one, and the words on stderr are in it.
run info missing.h5 --json
want_status 1
want_out '^  "errors": \[$'
want_out "cannot load the model 'missing.h5': cannot open"
[ "$(grep -c '^{' out)" -eq 1 ] || fail "one document"
run train digits --epochs ten --json
want_status 2
want_out "train: --epochs is 'ten'"
want_out '"hint": "hone train --help lists what it takes"'
run info missing.h5
no_out
run info --json --help
want_out '^usage: '

for bad in 0 -1 1.5 ten 99999999999999999999; do
    run train digits --epochs $bad
    want_status 2
    want_err "--epochs is '$bad', expected a whole number"
done
run train digits --validation-split 1.5
want_status 2
run train digits --optimizer adamm
want_status 2
want_err 'adamm'
run train digits --loss nonsense
want_status 2
run train digits --schedule cosine:x
want_status 2
run train digits --validation random:0.1
want_status 2
run train digits --clipnorm 1 --clipvalue 1
want_status 2
run train
want_status 2
run train a b
want_status 2
run evaluate only-one
want_status 2
run predict only-one
want_status 2
run train digits --json=yes
want_status 2
want_err 'takes no value'

HONE_CPU=pentium run info
want_status 2
want_err "pentium"
HONE_THREADS=some run info
want_status 1
want_err "HONE_THREADS is 'some'"

run info
want_status 0
no_err
want_out '^cpu level +(avx512|avx2|neon|scalar)'
run info --json
want_out '"cpu_level":'

run info mnist-cnn
want_status 0
want_out '^Total params: 93,322 '
want_out 'conv2d_1 \(Conv2D\) +\(None, 11, 11, 64\) +18,496 +2,230,272'
run info mnist-cnn --size 5x5
want_error 'mnist-cnn'
# The first two would wrap around to 28.
for size in 4294967324x28 28x4294967324 28x28x0 28x28x2 28x28x11 28x 0x28 x28 28x28x1x 32769x28 1e3 ''; do
    run info mnist-cnn --size "$size"
    want_status 2
    no_out
    want_err "^hone: info: --size is '$size', expected HEIGHTxWIDTH"
done
run info mnist-cnn --size 28 --json
want_status 0

run collect --list
want_status 0
want_out '^mnist '
run collect nonsense
want_error 'nonsense'
run collect digits
want_status 2

# Started with stderr closed, no file takes its place: what is said there is lost, and is in no log.
"$HONE" train digits:100:1 --epochs 2 --no-run --output closed.h5 --csv-log log.csv >out 2>&- </dev/null
status=$?
last="train with stderr closed"
want_status 0
[ "$(wc -l <log.csv)" -eq 3 ] || fail "the log should have a header and two lines: $(cat log.csv)"
"$HONE" info mnist-cnn >&- 2>err
status=$?
want_status 1
want_err 'cannot write to stdout'

finish

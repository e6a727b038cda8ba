# hone augment and train --augment: sheets, data sets, the same from the same seed, words where they are due.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 120 --test-samples 20 --seed 5 --to data
want_status 0

run augment data --preview sheet.png --seed 3
want_status 0
want_out '^augmentation: rotation=10,'
want_out '^sheet to look at: sheet.png$'
[ "$(head -c 4 sheet.png | tail -c 3)" = PNG ] || fail "no picture"
run augment data --preview again.png --seed 3 --threads 1
cmp -s sheet.png again.png || fail "the same seed should give the same sheet"
run augment data --preview other.png --seed 4
cmp -s sheet.png other.png && fail "another seed should give another sheet"

run augment data --augment none --to copy --samples 120 --json --quiet
want_status 0
no_err
want_out '"augmentation": "none"'
want_out '"samples": 120'
cmp -s copy/train-images-idx3-ubyte data/train-images-idx3-ubyte || fail "none should change nothing"
cmp -s copy/train-labels-idx1-ubyte data/train-labels-idx1-ubyte || fail "labels should stay"

run augment data --augment rotation=20,noise=0.1 --to more --samples 300
want_status 0
want_out '^300 images in more$'
run augment data --augment rotation=20,noise=0.1 --to photos --as folders --samples 30
want_status 0
[ "$(find photos -name '*.png' | wc -l)" -eq 30 ] || fail "thirty pictures"
[ "$(find photos -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq 10 ] || fail "a folder per class"
run augment photos --to photos2
want_status 0
[ "$(find photos2 -name '*.png' | wc -l)" -eq 30 ] || fail "pictures become pictures"
no_leftovers

# What is there stays as it is: no variants among the pictures that they are made of.
before=$(find photos | wc -l)
run augment photos --to photos --quiet
want_error "'photos' is there already, and not empty"
run augment photos --to photos/ --as idx --quiet
want_error "'photos/' is there already, and not empty"
[ "$(find photos | wc -l)" -eq "$before" ] || fail "the pictures were touched"
mkdir fresh
run augment photos --to fresh/ --quiet
want_status 0
[ "$(find fresh -name '*.png' | wc -l)" -eq 30 ] || fail "an empty folder is a place"

# Ctrl-C leaves no half data set. Many samples: it cannot be done before the signal comes.
background augment photos --to half --samples 2000000
for try in $(seq 2400); do ls half.tmp-* >/dev/null 2>&1 && break; sleep 0.05; done
stop INT
want_status 130
want_err "^hone: interrupted; 'half' was not made\$"
[ ! -e half ] || fail "half a data set"
no_leftovers

# A mirrored 3 is no 3.
run augment data --augment horizontal_flip --preview s.png
want_status 0
want_err 'look like characters'
run augment data --augment keras:rotation_range=90 --preview s.png
want_err 'turned over a 6 is a 9'
run augment data --augment digits --preview s.png --quiet
no_err

run augment data
want_status 2
want_err 'preview FILE'
run augment
want_status 2
run augment data --augment rotaton=3 --preview x.png
want_status 2
want_err "there is no 'rotaton', there are rotation,"
[ ! -e x.png ] || fail "nothing should be written"
run augment data --augment keras:dtype=float16 --preview x.png
want_status 2
run augment data --augment mixup=1 --to x
want_status 2
want_err 'mix labels'
run augment data --augment cutmix=1 --preview mixed.png
want_status 0
run augment data --as zip --to x
want_status 2
run augment data --preview no/such/folder/x.png --quiet
want_error 'cannot write the sheet'
run augment data --to data/train-images-idx3-ubyte --as folders --quiet
want_error 'cannot make the folder'
run augment nowhere/ --preview x.png
want_error 'nowhere'

# Training: the same bits for any number of threads, others than without.
for threads in 1 3; do
    run train data --augment digits --epochs 2 --batch-size 20 --output t$threads.h5 --json --threads $threads --quiet
    want_status 0
    sed -n '/"history"/,/}/p' out >history$threads
done
cmp -s history1 history3 || fail "threads should change nothing"
run train data --epochs 2 --batch-size 20 --output plain.h5 --json --quiet
sed -n '/"history"/,/}/p' out | cmp -s - history1 && fail "augmentation should change something"
run train data --augment digits,cutmix=1 --epochs 1 --output mixed.h5 --quiet
want_status 0
run train data --augment mixup=1 --metrics auc --epochs 1 --output mixed.h5 --quiet
want_error 'auc'
run train data --augment zoom=7 --epochs 1
want_status 2
want_err "'zoom' is '7', expected a fraction"

# What is done to every picture alike travels with the model: evaluation gives what validation gave.
for how in featurewise_std_normalization zca_whitening keras:samplewise_std_normalization,rescale=1/255; do
    run train data --augment $how --denoise --epochs 1 --validation-split 0.5 --output fitted.h5 --no-test --log log --seed 3
    want_status 0
    want_err 'pixels become input as .*denoise'
    run evaluate fitted.h5 data --split train --quiet --json
    want_status 0
    rm -f log
done
run train data --augment featurewise_center --input 0.5,0.5 --epochs 1
want_status 2
want_err 'one of them'
run train data --input unit+denoise --epochs 1 --output same.h5 --no-test --quiet
want_status 0
run train data --denoise --epochs 1 --output denoised.h5 --no-test --quiet
want_status 0
run evaluate same.h5 data --split train --quiet
cp out same
run evaluate denoised.h5 data --split train --quiet
sed s/denoised/same/ out | cmp -s - same || fail "--denoise is --input unit+denoise"
run train data --epochs 1 --output noisy.h5 --no-test --quiet
run evaluate noisy.h5 data --split train --quiet
sed s/noisy/same/ out | cmp -s - same && fail "--denoise should change something"

# Test-time augmentation.
run evaluate plain.h5 data --split train --tta 1 --quiet
want_status 0
cp out one
run evaluate plain.h5 data --split train --quiet
cmp -s out one || fail "one variant is the picture itself"
run evaluate plain.h5 data --split train --tta 4 --quiet
want_status 0
cmp -s out one && fail "variants should change something"
run evaluate plain.h5 data --split train --tta 3:rotation=20,noise=0.3 --json --quiet
want_status 0
run augment data --to pictures --as folders --samples 3 --quiet
run predict plain.h5 pictures/* --tta 6 --json
want_status 0
want_out '"predictions"'
run predict plain.h5 pictures/* --tta shift=2
want_status 0
run collect digits --samples 200 --test-samples 100 --seed 5 --to tested --quiet
run train tested --epochs 1 --tta 3 --seed 4 --output tta.h5 --json --quiet
want_status 0
want_out '"tta": 3'
loss=$(sed -n '/"test"/,/}/s/.*"loss": \([0-9.]*\).*/\1/p' out)
run evaluate tta.h5 tested --tta 3 --seed 4 --json --quiet
want_out "\"loss\": $loss"
run evaluate tta.h5 tested --json --quiet
grep -q "\"loss\": $loss" out && fail "the test of --tta should be another one than without"
for bad in 0 2000 4:rotaton=3 mixup=1; do
    for verb in 'evaluate plain.h5 data' 'train data'; do
        # shellcheck disable=SC2086
        run $verb --tta $bad
        want_status 2
        want_err '--tta'
    done
done

# A preset's recipe that scales otherwise gives way to statistics that are asked for; --input that is typed does not.
run train data --model mnist-fast --augment featurewise_center --denoise --epochs 1 --no-test --output f.h5
want_status 0
want_err 'from the training part'
run info f.h5 --json
want_out 'median|denoise'
run train data --model mnist-fast --input 0.1,0.3 --augment featurewise_center --epochs 1 --no-test --output f.h5
want_status 2
want_err "both say what is subtracted"
finish

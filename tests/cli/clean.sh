# hone clean: looks and changes nothing, reports, quarantines and takes it back.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 400 --test-samples 40 --seed 5 --to data
run augment data --augment none --to photos --as folders --samples 200
want_status 0
first=$(find photos -name '*.png' | sort | head -n 1)
cp "$first" "${first%.png}-copy.png"
head -c 60 "$first" >"$(dirname "$first")/broken.png"
find photos | sort >before

run clean photos --kinds corrupt,duplicate --json --quiet
want_status 0
no_err
want_out '"kind": "corrupt"'
want_out '"duplicate": 1'
want_out '"issues": \['
find photos | sort | cmp -s - before || fail "looking should write nothing"

run clean photos --kinds all,-label,-outlier --report page.html
want_status 0
want_out '1 duplicate: '
want_err '^report: page.html$'
grep -q 'data:image/png;base64' page.html || fail "no thumbnails"
grep -q '<script' page.html && fail "the page needs no scripts"

run clean photos --kinds corrupt,duplicate --apply --quiet
want_status 0
want_out '1 picture quarantined, '
run clean photos --kinds duplicate --json --quiet
want_out '"duplicate": 0'
run clean photos --undo
want_status 0
want_out '^1 picture is back$'
run clean photos --kinds duplicate --json --quiet
want_out '"duplicate": 1'
run clean photos --undo
want_error 'nothing that hone clean quarantined'

run clean data --epochs 3 --folds 2 --json --quiet
want_status 0
want_out '"label_noise"'
cp out first.json
run clean data --epochs 3 --folds 2 --json --quiet --threads 1
grep -v seconds out >a; grep -v seconds first.json | cmp -s - a || fail "threads should change nothing"

# Labels that nothing can be learnt of: the models guess, and no label is accused.
mkdir -p same/a same/b
{ printf 'P5\n28 28\n255\n' && head -c 784 /dev/zero | tr '\0' '\200'; } >grey.pgm
for i in 1 2 3 4 5 6 7 8; do cp grey.pgm same/a/$i.pgm && cp grey.pgm same/b/$i.pgm; done
run clean same --kinds label --folds 2 --epochs 1 --quiet
want_status 0
want_out 'that is guessing, and says nothing about the labels'
grep -q 'labels seem wrong' out && fail "models that guess accuse no label"
run clean same --kinds label --folds 2 --epochs 1 --quiet --json
want_out '"label_noise": null'
want_out '"label": 0'

# A named set whose folder is not ours to write in: the catalog is kept elsewhere, and what is quarantined stays away.
run collect digits --samples 60 --test-samples 20 --to sets/mnist
want_status 0
rm -f sets/mnist/classes.txt
export HONE_DATA="$work/sets"
run clean mnist --kinds duplicate --json --quiet
want_status 0
run clean mnist --kinds outlier,label --epochs 1 --folds 2 --outlier-score 0.5 --apply --catalog mine.db --quiet
want_status 0
want_out 'pictures quarantined'
[ -e sets/mnist/hone.db ] && fail "the folder should be left alone"
[ -e mine.db ] || fail "the catalog should be where --catalog says"
run clean mnist --undo --catalog mine.db
want_status 0
want_out "^[1-9][0-9]* pictures? (is|are) back$"
run clean mnist --kinds duplicate --apply --quiet
want_status 0
run clean mnist --undo --catalog nowhere.db
want_error 'nowhere.db'
run label mnist --export labels.csv
want_status 0
grep -q 'train-images-idx3-ubyte#59' labels.csv || fail "a named set's labels should be exported"
unset HONE_DATA

# A small stack is enough. (Not for a program under a sanitizer, which a limit of memory tells.)
if (ulimit -d 400000; exec "$HONE" --version >/dev/null 2>&1); then
    last="cleaning on a small stack"
    (ulimit -s 64; exec "$HONE" clean data --epochs 1 --folds 2 --threads 2 --quiet >out 2>err)
    status=$?
    want_status 0
    want_out '^data: 440 images'
fi

run clean
want_status 2
run clean data --kinds lable
want_status 2
want_err "no kind of finding 'lable'"
run clean data --apply --undo
want_status 2
run clean nowhere/ --quiet
want_error 'nowhere'
mkdir -p one/class
cp "$first" one/class/
run clean one --quiet
want_status 0
want_out '^one: 1 image, mostly 28x28x1, 1 class$'
no_leftovers
finish

# hone collect --pack: from folders and stored sets to one file, what reads it, and what stops it half way.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 600 --test-samples 60 --to idx
mkdir -p set/train set/val
for i in 0 1 2 3 4 5 6 7 8 9; do mkdir -p set/train/$i set/val/$i; done
# Pictures of the same digits: augment writes files of class folders.
run augment idx --augment shift=0.01 --to folders --as folders --seed 5
want_status 0
for i in 0 1 2 3 4 5 6 7 8 9; do
    ls folders/$i | sort | awk -v c=$i '{print NR % 6 ? "train" : "val", c, $0}'
done | while read -r part class name; do mv folders/$class/$name set/$part/$class/; done
head -c 50 "$(ls set/train/3/*.png | head -n 1)" >set/train/3/broken.png

# Two parts, one file; what cannot be read is named and left out.
run collect set --pack set.honepack --json
want_status 0
want_out '"train": '
want_out '"validation": '
want_out '"left_out": 1'
want_out '"as": "raw"'
want_err "left out 'set/train/3/broken.png': "
run collect set --pack files.honepack --as encoded --quiet
want_status 0
want_out '^files.honepack: 600 images 28x28x1 in 10 classes, as their files are'
no_leftovers
rm set/train/3/broken.png

# The same seed gives the same model from the folder and from both packs, with its own validation part and augmentation.
for data in set set.honepack files.honepack; do
    run train $data --epochs 2 --seed 3 --augment digits --output $data.h5 --json
    want_status 0
    want_out '"validation_samples": '
    grep -E '"(loss|accuracy|val_loss|val_accuracy)"' -A 3 out >$data.history
done
cmp -s set.history set.honepack.history || fail "training from the packed pixels differs"
cmp -s set.history files.honepack.history || fail "training from the packed files differs"
run evaluate set.h5 set --split validation --json
want_status 0
sed '/"model"\|"seconds"\|"data"\|"path"/d' out >folder.eval
run evaluate set.honepack.h5 set.honepack --split validation --json
want_status 0
sed '/"model"\|"seconds"\|"data"\|"path"/d' out >pack.eval
cmp -s folder.eval pack.eval || { fail "evaluation differs"; diff folder.eval pack.eval | head -n 5; }

# What was begun from the folder goes on from the pack only where it is the same data.
run collect idx --pack idx.honepack --quiet
want_status 0
run train idx --epochs 1 --seed 2 --output a.h5 --json --no-test
run train idx.honepack --epochs 1 --seed 2 --output b.h5 --json --no-test
want_status 0
run train idx.honepack --epochs 1 --limit 100 --size 20x20 --output c.h5 --quiet
want_status 0
run evaluate a.h5 idx.honepack
want_status 0
run evaluate a.h5 idx.honepack --split test
want_status 0

# The others.
run augment idx.honepack --preview sheet.png
want_status 0
run augment files.honepack --to more --samples 20 --as idx
want_status 0
run clean idx.honepack --json --kinds duplicate,uniform
want_status 0

# Wrong words and wrong places.
run collect idx --as raw
want_status 2
run collect set --pack x.honepack --as jpeg
want_status 2
run collect set --pack x.honepack --export y.csv
want_status 2
run collect idx --pack x.honepack --as encoded
want_error "stored as pixels"
run collect set --pack nowhere/x.honepack
want_error "no folder 'nowhere'"
run collect absent --pack x.honepack
want_error "'absent'"
head -c 3000 set.honepack >cut.honepack
run train cut.honepack
want_error "cut short"
[ ! -e x.honepack ] || fail "something was written"
no_leftovers

# A disk that is full leaves nothing (a limit on the file's size stands in for it), nor does Ctrl-C.
last="packing onto a full disk"
(ulimit -f 100; trap '' XFSZ; exec "$HONE" collect set --pack full.honepack >out 2>err)
status=$?
want_status 1
want_err 'cannot write'
[ ! -e full.honepack ] || fail "half a file"
no_leftovers
background collect set --pack big.honepack --size 2000x2000x3
for try in $(seq 2400); do [ -n "$(find . -name 'big.honepack.tmp-*' -size +1000k)" ] && break; sleep 0.05; done
stop INT
want_status 130
want_err "interrupted; 'big.honepack' was not written"
[ ! -e big.honepack ] || fail "half a file"
no_leftovers

# A folder that does not fit into memory is refused before memory is taken, and packed all the same.
# (A program under a sanitizer reserves terabytes of addresses and does not even start so.)
if (ulimit -d 400000; exec "$HONE" --version >/dev/null 2>&1); then
    last="training under a limit of memory"
    (ulimit -d 400000; exec "$HONE" train set --size 1000x1000x3 --threads 1 --output x.h5 >out 2>err)
    status=$?
    want_error 'images of 1000 x 1000 x 3 need 1\.5 GB of memory.*--pack'
    (ulimit -d 400000; exec "$HONE" collect set --pack large.honepack --size 300x300x3 --threads 1 --quiet >out 2>err)
    status=$?
    want_status 0
fi
no_leftovers
finish

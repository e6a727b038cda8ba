# hone collect on what is at hand: folders, tables in and out, archives good and bad, a kill in the middle.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 30 --test-samples 10 --to idx
mkdir -p photos/cat photos/concatenate "photos/dog house/deep"
for i in 1 2 3 4 5; do cp idx/digits.png photos/cat/$i.png; done
cp idx/digits.png photos/concatenate/cat.png
cp idx/digits.png "photos/dog house/deep/a, b.png"
cp idx/digits.png photos/flat.png
head -c 100 idx/digits.png >photos/cat/broken.png
echo words >photos/notes.txt
checksum() { find photos -type f ! -name 'hone.db*' -exec cksum {} + | sort | cksum; }
before=$(checksum)

run collect photos
want_status 0
want_out '^photos: 9 pictures in 3 classes'
want_out '9 new, 0 changed, 0 unchanged, 0 missing'
want_out '^concatenate +1( |$)'
want_out '^dog house +1( |$)'
want_out '^cat +6( |$)'
want_out '1 picture has no label'
want_out 'cat/broken.png: PNG: truncated'
want_out 'notes.txt: not a picture'
run collect photos --json
want_status 0
no_err
want_out '"unchanged": 9'
want_out '"name": "dog house"'

# Tables: there and back.
printf 'path,label,split\nflat.png,"x, y",val\nconcatenate/cat.png,concatenate,test\nnowhere.png,z,\n' >labels.csv
run collect photos --import labels.csv
want_status 0
want_out '3 rows of labels.csv: 2 pictures changed'
want_out 'nowhere.png: not in the catalog'
run collect photos --export first.jsonl
want_status 0
grep -q '"path": "flat.png", "label": "x, y", "split": "validation"' first.jsonl || fail "first.jsonl lacks a label"
run collect photos --export first.csv
cp -r photos copy
rm copy/hone.db*
run collect copy --import first.jsonl
want_status 0
run collect copy --export second.jsonl
cmp -s first.jsonl second.jsonl || fail "JSON lines do not go round"
rm copy/hone.db*
run collect copy --import first.csv
run collect copy --export second.csv
cmp -s first.csv second.csv || fail "CSV does not go round"
run collect photos --export history.csv --history
grep -q ',flat.png,label,,"x, y"' history.csv || fail "the history lacks a label"
printf 'path,label\ncat/1.png,wrong\ncat/2.png\n' >bad.csv
run collect photos --import bad.csv
want_error 'bad.csv.*line 3'
run collect photos --export third.jsonl
cmp -s first.jsonl third.jsonl || fail "a bad table left traces"
run collect photos --import missing.csv
want_error 'missing.csv'
run collect photos --history
want_status 2

# Training goes by the catalog, also by its file.
run train photos --size 28x28 --epochs 1 --no-test --output m.h5
want_status 0
want_err 'photos: 6 images 28x28x1, 4 classes \(catalog, train, 1 quarantined left out\)'
run evaluate m.h5 photos/hone.db --split test --json
want_status 0
want_out '"samples": 1'
run collect photos
[ "$before" = "$(checksum)" ] || fail "pictures were touched"

# Files change, go and come back.
rm photos/cat/5.png
cp idx/digits.png photos/cat/broken.png
run collect photos
want_out '1 missing'
want_out '^cat +5( |$)'
cp idx/digits.png photos/cat/5.png
run collect photos
want_out '^cat +6( |$)'
if grep -q broken.png out; then fail "a mended picture is still called unreadable"; fi

# Packed files; the catalog elsewhere.
run collect idx --catalog elsewhere.db
want_status 0
want_out '40 pictures in 10 classes'
[ ! -e idx/hone.db ] || fail "the catalog is in the folder"
printf '{"path": "train-images-idx3-ubyte#0", "status": "quarantined", "reason": "noise"}\n' >q.jsonl
run collect elsewhere.db --import q.jsonl
want_status 0
want_out 'quarantined 1'
run train elsewhere.db --epochs 1 --no-test --output q.h5
want_err 'elsewhere.db: 29 images 28x28x1, 10 classes \(catalog, train, 1 quarantined left out\)'

# What is no catalog.
mkdir -p odd/a
cp idx/digits.png odd/a/
echo 'no database, but long enough to be looked at as one; no database, but long enough to be looked at as one' >odd/hone.db
run collect odd
want_error 'odd/hone.db.*(damaged|no catalog|not a database)'
mkdir nothing
run collect nothing
want_error 'holds no pictures'
run collect ./nowhere
want_error 'nowhere'

# Archives.
tar cf set.tar -C copy .
mkdir around
cp -r photos around/photos
rm around/photos/hone.db*
tar czf set.tgz -C around photos
run collect set.tgz
want_status 2
run collect set.tgz --to unpacked
want_status 0
want_out '^unpacked: 9 pictures in 3 classes'
run collect set.tgz --to unpacked
want_error 'not empty'
mkdir hostile
ln -s /etc hostile/link
tar cf link.tar -C hostile link
run collect link.tar --to evil
want_error "'link' is a link"
echo x >outside
mkdir inside
(cd inside && tar cPf ../up.tar ../outside)
rm outside
run collect up.tar --to evil
want_error "outside' leads out of the folder"
tar cPf absolute.tar "$work/labels.csv"
run collect absolute.tar --to evil
want_error 'is an absolute path'
head -c 2000 set.tgz >cut.tgz
run collect cut.tgz --to evil
want_error 'cut.tgz'
[ ! -e evil ] && [ ! -e outside ] || fail "a hostile archive left something"

# Killed at any moment, the next scan finds a whole catalog and finishes.
mkdir -p many/a many/b
i=0
while [ $i -lt 400 ]; do
    ln idx/digits.png many/a/$i.png
    ln idx/digits.png many/b/$i.png
    i=$((i + 1))
done
for pause in 0.01 0.03 0.06 0.1 0.2; do
    "$HONE" collect many --reread --quiet >/dev/null 2>&1 &
    victim=$!
    sleep $pause
    kill -9 $victim 2>/dev/null
    wait $victim 2>/dev/null
done
run collect many --json
want_status 0
want_out '"pictures": 800'
run collect many --export many.jsonl
[ "$(wc -l <many.jsonl)" -eq 800 ] || fail "the catalog lost rows"
rm -rf many

no_leftovers

# The digits come with both parts or not at all, whenever somebody interrupts, and an old set stays as it was.
cksum idx/* >before
for pause in 0.05 0.3; do
    for place in new idx; do
        "$HONE" collect digits --samples 30000 --to $place >out 2>err &
        pid=$!
        sleep $pause
        kill -INT $pid 2>/dev/null
        wait $pid
        status=$?
        last="interrupted digits"
        case $status in
        0) rm -r new 2>/dev/null; "$HONE" collect digits --samples 30 --test-samples 10 --to idx >out 2>err ;;
        130) [ $place = idx ] || [ ! -e new ] || fail "a part of the digits is left" ;;
        *) fail "expected status 0 or 130" ;;
        esac
        no_leftovers
    done
done
cksum idx/* | cmp -s - before || fail "the old digits are others now"
echo mine >idx/notes.txt
run collect digits --samples 30 --test-samples 10 --to idx/
want_status 0
[ "$(cat idx/notes.txt)" = mine ] || fail "somebody's file is gone"
run collect digits --samples 30 --to deep/er/set/
want_status 0
want_out '^the first 30 to look at: deep/er/set/digits.png$'
[ -s deep/er/set/t10k-images-idx3-ubyte ] || fail "no test part"
run collect digits --samples 30 --to idx/notes.txt
want_error "idx/notes.txt"

# Names of other scripts stand in columns, too.
mkdir -p names/数字 names/ab
cp idx/digits.png names/ab/
cp idx/digits.png names/数字/
LC_ALL=C.UTF-8 "$HONE" collect names >out 2>err
want_out '^class   pictures$'
want_out '^ab             1$'
want_out '^数字           1$'

finish

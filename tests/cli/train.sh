# train, evaluate, predict, info and collect on the built-in digits, as a script would use them.
. "$(dirname "$0")/lib.sh"

run collect digits --samples 600 --test-samples 200 --seed 5 --to data
want_status 0
want_out '^600 training and 200 test images in data$'
[ -s data/digits.png ] || fail "no contact sheet"
cp -r data again_data
run collect digits --samples 600 --test-samples 200 --seed 5 --to data
diff -r data again_data >/dev/null || fail "the same seed should draw the same files"

run train data --epochs 2 --batch-size 20 --output model.h5 --csv-log log.csv --log log.jsonl --checkpoint 'e{epoch:02d}.h5'
want_status 0
want_out '^test: 200 images - .*loss: '
want_out '^saved model.h5$'
want_err '^epoch 1/2 - [0-9.]+s - '
want_err '^epoch 2/2 .*val_loss'
[ "$(grep -c '^epoch' err)" -eq 2 ] || fail "one line per epoch off a terminal"
grep -q "$(printf '\r')" err && fail "no carriage returns off a terminal"
for file in model.h5 e01.h5 e02.h5; do [ -s $file ] || fail "$file is missing"; done
head -n 1 log.csv | grep -q '^epoch,accuracy,loss,val_accuracy,val_loss' || fail "header of the CSV log"
[ "$(wc -l <log.csv)" -eq 3 ] || fail "lines of the CSV log"
[ "$(wc -l <log.jsonl)" -eq 2 ] || fail "lines of the JSONL log"
no_leftovers

run train data --epochs 1 --batch-size 50 --output json.h5 --json --quiet
want_status 0
no_err
for key in history test seconds images_per_second model epochs batch_size samples peak_memory; do want_out "\"$key\":"; done
want_out '"samples": 540'
want_out '"validation_samples": 60'

run train data --epochs 1 --validation stratified:0.2 --no-test --output strat.h5 --json
want_status 0
want_out '"test": null'

run evaluate model.h5 data --json
want_status 0
want_out '"accuracy":'
want_out '"accuracy_interval":'
want_out '"samples": 200'
run evaluate model.h5 data --metrics accuracy,auc,precision,recall,top_k_categorical_accuracy
want_status 0
want_out 'auc: '
run evaluate model.h5 data --split train --limit 100
want_out ': 100 images'

for bad in middle 0.5 0.5,0 0.1,0.2,0.3,0.4,0.5,0.6; do
    run evaluate model.h5 data --input $bad
    want_status 2
    want_err "input '$bad'"
    run train data --input $bad --output other.h5
    want_status 2
done
run evaluate model.h5 data --input 0.1307,0.3081
want_status 0

# a sheet of many digits is none of them
run predict model.h5 data/digits.png
want_status 0
want_out "^data/digits.png$(printf '\t')unknown$(printf '\t')[0-9] [01]\.[0-9]{4}$"
run predict model.h5 data/digits.png --reject none
want_out "^data/digits.png$(printf '\t')[0-9] [01]\.[0-9]{4}$"
run predict model.h5 data/digits.png --top 3 --json
want_status 0
want_out '"predictions":'
want_out '"unknown": true'
run predict model.h5 data/digits.png missing.png
want_status 1
want_out '^data/digits.png'
want_err "missing.png"

run info model.h5
want_status 0
want_out 'Total params: 93,322'
want_out '^Classes: 0 1 2 3 4 5 6 7 8 9'
run info model.h5 --json
want_out '"provenance":'

# A folder that brings its own validation part: it validates, whole, unless the command line says otherwise.
for class in a b; do
    mkdir -p parts/train/$class parts/val/$class
    for i in 1 2 3 4 5; do cp data/digits.png parts/train/$class/$i.png; done
    cp data/digits.png parts/val/$class/1.png
done
run train parts --size 28x28 --epochs 1 --output parts.h5 --json
want_err '^trained 1 epoch in '
want_status 0
want_out '"samples": 10'
want_out '"validation_samples": 2'
want_out '"val_loss":'
run train parts --size 28x28 --epochs 1 --validation-split 0.2 --output parts.h5 --json
want_out '"samples": 8'
# So does any other kind of data with such a part: a CSV with a column for it or with val.csv beside it, IDX, a packed file.
list() { for class in a b; do for i in 1 2 3; do echo "$1/$class/$i.png,$class$2"; done; done; }
{ echo path,label,split; list parts/train ,train; list parts/val ,val | grep /1.png; } >list.csv
{ echo path,label; list parts/train ""; } >train.csv
{ echo path,label; list parts/val "" | grep /1.png; } >val.csv
run collect parts --pack parts.honepack --size 28x28
mkdir idx
for kind in images-idx3 labels-idx1; do
    cp data/train-$kind-ubyte idx
    cp data/t10k-$kind-ubyte idx/validation-$kind-ubyte
done
for source in list.csv train.csv parts.honepack idx; do
    run train $source $([ $source = idx ] || echo --size 28x28) --epochs 1 --limit 6 --output v.h5 --json
    want_status 0
    case $source in idx) want_out '"validation_samples": 6' ;; *) want_out '"validation_samples": 2' ;; esac
    want_out '"val_loss":'
    run evaluate v.h5 $source --split validation --json
    want_status 0
done
run train list.csv --size 28x28 --epochs 1 --validation stratified:0.3 --output v.h5 --json
want_out '"validation_samples": 2'
want_out '"samples": 4'
sed 's/1.png/nowhere.png/' val.csv >broken && mv broken val.csv
run train train.csv --size 28x28 --epochs 1 --output other.h5 --quiet
want_status 1
want_err '^hone: cannot read the data .train.csv.: none of the 2 pictures could be used$'
rm -f other.h5 val.csv
run train train.csv --size 28x28 --epochs 1 --validation last:0.2 --output v.h5 --json
want_out '"samples": 4'
mv parts/val parts/valid # another of its names
run train parts --size 28x28 --epochs 1 --output parts.h5 --json
want_out '"validation_samples": 2'
mv parts/valid parts/val
mkdir parts/val/c
cp data/digits.png parts/val/c/
run train parts --size 28x28 --epochs 1 --output other.h5 --quiet
want_error "'c'"
[ ! -e other.h5 ] || fail "a failed run left a model"

# Threads change nothing.
run train data --epochs 2 --batch-size 20 --output one.h5 --threads 1 --json
cp out one.json
run train data --epochs 2 --batch-size 20 --output seven.h5 --threads 7 --json
for key in '"loss"' '"val_loss"'; do
    a=$(grep -A3 -e "$key" one.json | tr -d '\n')
    b=$(grep -A3 -e "$key" out | tr -d '\n')
    [ "$a" = "$b" ] || fail "7 threads gave another $key than 1"
done

# Early stopping and a schedule; the saved model continues as a starting point.
run train data --model model.h5 --epochs 3 --early-stopping 0 --schedule one-cycle --learning-rate 0.002 --output more.h5
want_status 0
run train data --model mlp --epochs 1 --optimizer sgd --momentum 0.9 --nesterov --learning-rate 0.05 --output mlp.h5
want_status 0
run train data --model lenet5 --epochs 1 --output lenet.h5
want_status 0

# Events for TensorBoard, where they are asked for; a second training writes beside the first.
for times in 1 2; do
    run train data --epochs 1 --model mlp --tensorboard board --tensorboard-every 1 --tensorboard-histograms --output b.h5
    want_status 0
    for part in train validation; do
        [ "$(find board/$part -name 'events.out.tfevents.*' -size +0c | wc -l)" -eq $times ] || fail "events of $part"
    done
done
run train data --epochs 1 --tensorboard-every 3 --output none.h5
want_status 2
want_err "--tensorboard is missing"
run train data --epochs 1 --model mlp --tensorboard /dev/null/board --output none.h5 --quiet
want_error "/dev/null/board"
[ ! -e none.h5 ] || fail "a failed run left a model"
no_leftovers

# Pictures in folders lie class by class: the last of them would be of one class, so a tenth of each validates.
run augment data --augment none --to photos --as folders --samples 100 --quiet
run train photos --epochs 1 --output photos.h5 --json
want_status 0
want_err ': 10 % of each class validates'
want_out '"validation_samples": (9|1[0-9])'
cp out implied
run train photos --epochs 1 --output photos.h5 --json --validation stratified:0.1
want_status 0
grep -A2 '"val_' out >said
grep -A2 '"val_' implied | cmp -s - said || fail "that is stratified:0.1"
run train photos --epochs 1 --output photos.h5 --json --validation-split 0.1
want_status 0
grep -A2 '"val_' out | cmp -s - said || fail "a fraction follows the same rule"
run train photos --epochs 1 --output photos.h5 --json --validation last:0.1
want_status 0
want_out '"validation_samples": 10,'
! grep -q 'of each class' err || fail "last:0.1 is the last tenth"
run info photos.h5 --json
want_out '"validation": "last:0.1"'
run train data --epochs 1 --model mlp --output b.h5 --no-test
! grep -q 'class by class' err || fail "mixed data are split as Keras splits them"
no_leftovers
finish

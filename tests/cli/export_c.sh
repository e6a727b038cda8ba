# hone export --to c: the files compile alone, answer as hone does, and what cannot be is refused.
. "$(dirname "$0")/lib.sh"
flags="-std=c99 -Wall -Wextra -Werror -pedantic -Wconversion -O1"

run train digits --limit 600 --epochs 1 --model lenet5 --no-test --output d.h5 --quiet
want_status 0

# words and sizes
run export d.h5 --to c --output digits.c
want_status 0
want_out '^digits.c, digits.h: digits_predict_pixels, float32; [0-9.]+ KB of constants, [0-9.]+ KB of RAM, about [0-9.]+ KB of code$'
no_err
grep -q '^#define DIGITS_CLASSES 10$' digits.h || fail "the header should tell the classes"
grep -Eq '^ \* +arguments: digits --limit 600' digits.h || fail "the header should tell where the model is from"
run export d.h5 -o "my net-2.c" --name 2nd --json --quiet
want_status 0
want_out '"name": "model_2nd"'
want_out '"header": "my net-2.h"'
want_out '"ram_bytes": [1-9][0-9]*,'
no_err
grep -q 'int model_2nd_self_test(void);' "my net-2.h" || fail "--name should be what names begin with"

# the same classes as hone predict
run collect digits --to dg --samples 10 --test-samples 12 --quiet
want_status 0
tail -c +17 dg/t10k-images-idx3-ubyte >pixels
for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
    { printf 'P5\n28 28\n255\n' && tail -c +$((i * 784 + 1)) pixels | head -c 784; } >"$(printf '%02d.pgm' "$i")"
done
run predict d.h5 ./*.pgm --quiet --reject none
want_status 0
cut -f 2 out | cut -d ' ' -f 1 >expected
[ "$(wc -l <expected)" -eq 12 ] || fail "expected twelve answers"
for compiler in cc gcc clang; do
    command -v $compiler >/dev/null 2>&1 || continue
    $compiler $flags -DDIGITS_MAIN digits.c -o digits || fail "$compiler should compile it without a warning"
    $compiler $flags -DMODEL_2ND_NO_SELF_TEST -c "my net-2.c" -o net.o || fail "$compiler: a name with a space"
    ./digits <pixels >answers 2>messages || fail "$compiler: the self-test should pass"
    cut -d ' ' -f 3 answers | cmp - expected || fail "$compiler: other classes than hone predict"
done
if command -v c++ >/dev/null 2>&1; then
    c++ -x c++ -Wall -Werror -fsyntax-only digits.h || fail "the header should be good for C++"
fi

# a changed constant shows
sed '/_kernel\[.*= {$/{n;s/[0-9]\.[0-9]*f,/9.5f,/;}' digits.c >broken.c
cmp -s digits.c broken.c && fail "the test should have changed something"
cc -std=c99 -O1 -DDIGITS_MAIN broken.c -o broken && ./broken </dev/null >out 2>err && fail "a broken model should fail its self-test"
status=1
grep -q 'the self-test fails at picture' err || fail "the failure should be told"

# in 8-bit integers: with data, or as hone quantize left it
run collect digits --to some --samples 150 --test-samples 10 --quiet
want_status 0
run export d.h5 --to c --output int8.c --int8 --data some --quiet
want_status 0
want_out 'int8_predict_pixels, int8;'
no_err
run quantize d.h5 some --output q.h5 --max-loss 100 --no-test --quiet
want_status 0
run export q.h5 --to c --output q8.c --json --quiet
want_status 0
want_out '"form": "int8"'
run export q.h5 --to c --output q32.c --float32 --json --quiet
want_out '"form": "float32"'
run predict q.h5 ./*.pgm --quiet --reject none
cut -f 2 out | cut -d ' ' -f 1 >expected
cc $flags -DQ8_MAIN q8.c -o q8 && ./q8 <pixels 2>messages | cut -d ' ' -f 3 | cmp - expected ||
    fail "the integers should answer as hone predict does"

# small enough, or refused with the numbers
run export d.h5 --to c --output fit.c --max-flash 300K --max-ram 40K --json --quiet
want_status 0
want_out '"form": "float32"'
run export d.h5 --to c --output fit.c --max-flash 40K --max-ram 16K --data some --json
want_status 0
want_out '"form": "int8, [0-9]+ % of the filters"'
want_out '"val_accuracy": 0'
want_err '^float32: [0-9.]+ KB of flash, .*: too large$'
want_err '^training what is left'
awk -F '[:,]' '/"(constant|code)_bytes"/ { sum += $2 } END { exit !(sum > 0 && sum <= 40960) }' out || fail "40 KB should hold it"
cc $flags -DFIT_MAIN fit.c -o fit && ./fit <pixels >answers 2>messages || fail "the smaller network should pass its self-test"
rm -f fit.c fit.h
run export d.h5 --to c --output fit.c --max-flash 1K --data some --quiet
want_error 'does not fit: as int8, 8 % of the filters it takes [0-9.]+ KB of flash and [0-9.]+ KB of RAM, there are 1.0 KB and any'
run export d.h5 --to c --output fit.c --max-ram 1K --quiet
want_error 'as float32 it takes'
[ ! -e fit.c ] && [ ! -e fit.h ] || fail "what does not fit should not be written"
run export d.h5 --to c --output fit.c --max-ram 16Q
want_status 2
run export d.h5 --to c --output fit.c --int8
want_error 'has not been quantized'
run export d.h5 --to c --output fit.c --int8 --float32
want_status 2

# what is refused leaves nothing
mkdir out.d
run export d.h5 --to c --output out.d/model.txt
want_status 2
run export d.h5 --to c --output 'out.d/a"b.c'
want_error 'include'
run export d.h5 --to c --output no/such/folder/m.c
want_error 'no/such/folder'
run export nothing.h5 --to c --output out.d/m.c
want_error 'nothing.h5'
run export d.h5 --to c
want_status 2
[ -z "$(ls out.d)" ] || fail "nothing should have been written"
mkdir locked && chmod a-w locked
if [ "$(id -u)" -ne 0 ]; then
    run export d.h5 --to c --output locked/m.c
    want_error 'locked'
fi
run export d.h5 --to c --output m.c --input 0.5,0.2
want_status 0
grep -q '0.5,0.2' m.h || fail "--input should be told in the header"
no_leftovers
finish

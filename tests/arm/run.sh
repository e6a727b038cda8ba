# hone export --to c on Cortex-M: compiled by arm-none-eabi-gcc, run by QEMU's boards (Cortex-M4 with its floating-point unit;
# Cortex-M0 with 16 KB of RAM), and compared with the same source on this machine.
. "$(dirname "$0")/../cli/lib.sh"
for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v $tool >/dev/null 2>&1 || { echo "skipped: there is no $tool"; exit 77; }
done
arm=$tests/arm
warnings="-std=c99 -Wall -Wextra -Werror -pedantic -Wconversion"
bare="-mthumb -Os -ffunction-sections -fdata-sections"
m4="-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16"
m0="-mcpu=cortex-m0"

# emulate BOARD PROGRAM: standard input and output are the emulator's
emulate() {
    timeout 120 qemu-system-arm -M "$1" -display none -monitor none -serial null \
        -semihosting-config enable=on,target=native -kernel "$2"
}
# link CPU FLAGS OUTPUT OBJECTS…
link() {
    cpu=$1 more=$2 output=$3
    shift 3
    arm-none-eabi-gcc $cpu $bare $more -nostartfiles -Wl,--gc-sections -T "$arm/cortex-m.ld" "$arm/start.c" "$@" -o "$output"
}

# the article's network, with printf and standard input, on a board with 4 MB
run train digits --limit 400 --epochs 1 --model mnist-cnn --no-test --output d.h5 --quiet
want_status 0
run export d.h5 --to c --output digits.c --quiet
want_status 0
run collect digits --to dg --samples 10 --test-samples 6 --quiet
want_status 0
tail -c +17 dg/t10k-images-idx3-ubyte >pixels
cc $warnings -O1 -DDIGITS_MAIN digits.c -o digits && ./digits <pixels >here 2>err || fail "it should run here"
arm-none-eabi-gcc $m4 $bare $warnings -DDIGITS_MAIN -c digits.c || fail "arm-none-eabi-gcc should compile it without a warning"
link "$m4" "-DWITH_STDIO --specs=rdimon.specs -Wl,--defsym=ram_size=4194304" m4.elf digits.o || fail "linking for the M4"
emulate mps2-an386 m4.elf <pixels >there 2>err
status=$?
[ $status -eq 0 ] || fail "it should run on the Cortex-M4"
[ "$(wc -l <there)" -eq 6 ] || fail "expected six answers"
paste -d ' ' here there | awk '$1 != $4 || $2 - $5 > 1e-5 || $5 - $2 > 1e-5 { exit 1 }' || fail "the Cortex-M4 answers otherwise"

# the same in 8-bit integers: the answers are the same to the last digit
run collect digits --to some --samples 200 --test-samples 2 --quiet
run export d.h5 --to c --output bytes.c --int8 --data some --quiet
want_status 0
cc $warnings -O1 -DBYTES_MAIN bytes.c -o bytes && ./bytes <pixels >here 2>err || fail "it should run here in integers"
arm-none-eabi-gcc $m4 $bare $warnings -DBYTES_MAIN -c bytes.c || fail "arm-none-eabi-gcc: integers"
link "$m4" "-DWITH_STDIO --specs=rdimon.specs -Wl,--defsym=ram_size=4194304" bytes.elf bytes.o || fail "linking integers"
emulate mps2-an386 bytes.elf <pixels >there 2>err || fail "integers should run on the Cortex-M4"
paste -d ' ' here there | awk '$1 != $4 || $2 - $5 > 2e-6 || $5 - $2 > 2e-6 { exit 1 }' || fail "the Cortex-M4 computes other integers"

# a network for the smallest: 16 KB of RAM for everything, no floating-point unit, no library but memcpy
cat >tiny.json <<'JSON'
{"class_name": "Sequential", "config": {"name": "tiny", "layers": [
  {"class_name": "Conv2D", "config": {"name": "a", "batch_input_shape": [null, 28, 28, 1], "filters": 6, "kernel_size": 3,
                                      "padding": "same", "use_bias": false}},
  {"class_name": "BatchNormalization", "config": {"name": "b"}},
  {"class_name": "ReLU", "config": {"name": "c"}},
  {"class_name": "MaxPooling2D", "config": {"name": "d"}},
  {"class_name": "SeparableConv2D", "config": {"name": "e", "filters": 9, "kernel_size": 3, "activation": "tanh"}},
  {"class_name": "GlobalAveragePooling2D", "config": {"name": "f"}},
  {"class_name": "Dense", "config": {"name": "g", "units": 10, "activation": "softmax"}}]}}
JSON
run export tiny.json --to c --output tiny.c --quiet
want_status 0
arm-none-eabi-gcc $m0 $bare $warnings -c tiny.c || fail "compiling for the M0"
arm-none-eabi-gcc $m0 $bare $warnings -I. -c "$arm/self_test.c" || fail "compiling the self-test for the M0"
link "$m0" "-Wl,--defsym=ram_size=16384" m0.elf tiny.o self_test.o || fail "linking for the M0"
emulate microbit m0.elf </dev/null >out 2>err
status=$?
[ $status -eq 0 ] || fail "the self-test should pass on the Cortex-M0"
# and it can fail
sed '/_kernel\[.*= {$/{n;s/[0-9]\.[0-9]*f,/9.5f,/;}' tiny.c >other.c
arm-none-eabi-gcc $m0 $bare -c other.c
link "$m0" "-Wl,--defsym=ram_size=16384" broken.elf other.o self_test.o
emulate microbit broken.elf </dev/null >out 2>err
status=$?
[ $status -eq 1 ] || fail "another number should fail the self-test"
finish

# --mixed-precision: refused in words where it cannot be, and where it can, said and saved.
. "$(dirname "$0")/lib.sh"

for level in avx2 scalar; do
    export HONE_CPU=$level
    run info mnist-cnn
    [ "$status" -eq 0 ] || continue # this machine has no such level
    run train digits --limit 60 --model mlp --epochs 1 --mixed-precision bfloat16 --output m.h5
    want_error '^hone: --mixed-precision bfloat16: .*AVX512-BF16'
    want_err '^hint: .*float32'
    [ ! -e m.h5 ] || fail "a refused run left a model"
    run bench infer mlp --mixed-precision bfloat16
    want_error 'AVX512-BF16'
done
unset HONE_CPU

run train digits --mixed-precision float16
want_status 2
want_err 'float16.*expected bfloat16'

run bench peak --seconds 0.01
if grep -q '^avx512_bf16 ' out; then
    run train digits --limit 200 --model lenet5 --epochs 1 --mixed-precision bfloat16 --output m.h5 --json --quiet
    want_status 0
    want_out '"cpu_level": "avx512_bf16"'
    # The file says so, and training goes on so; predicting does without.
    run train digits --limit 200 --model m.h5 --epochs 1 --output more.h5 --json
    want_status 0
    want_err 'mixed_bfloat16'
    want_out '"cpu_level": "avx512_bf16"'
    HONE_CPU=avx2 run evaluate m.h5 digits --limit 50
    want_status 0
    HONE_CPU=avx2 run train digits --limit 200 --model m.h5 --epochs 1 --output more.h5 --json
    want_status 0
    want_err 'training in float32'
    want_out '"cpu_level": "avx2"'
    run bench train mlp --repeats 2 --seconds 0.01 --mixed-precision bfloat16 --layers
    want_status 0
    want_out ', avx512_bf16$'
    run bench kernels --level avx512_bf16 --seconds 0.001
    want_status 0
    want_out '^conv2d .* +forward +bfloat16 '
fi

no_leftovers
finish

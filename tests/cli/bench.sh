# hone bench: the shape of what it prints and its mistakes; never how fast it was.
. "$(dirname "$0")/lib.sh"

quick="--repeats 2 --seconds 0.01"
run bench train mnist-cnn $quick --batch-size 8 --layers
want_status 0
no_err
want_out '^training mnist-cnn: \(None, 28, 28, 1\), batch 8, 2 threads, '
want_out '^images/s +[0-9,]+ +\(median of 2; [0-9,]+ to [0-9,]+\)$'
want_out '^GFLOP/s +[0-9.]+ '
want_out '^peak +[0-9.]+ GFLOP/s'
want_out '^memory +[0-9.]+ [KMG]B'
want_out '^conv2d\+relu\+max_pooling2d conv2d_1 '
want_out '^optimizer '

run bench train mlp $quick --size 8x8x3 --classes 4 --threads 1 --json --layers
want_status 0
no_err
for key in images_per_second min max repeats gflops peak_gflops fraction_of_peak peak_memory layers threads; do
    want_out "^  \"$key\":"
done
want_out '"threads": 1'
want_out '"batch_size": 32'
want_out '"share":'
want_out '"backward":'

run bench infer lenet5 $quick --json
want_status 0
want_out '"batch_size": 128'
want_out '"p50":'
want_out '"p99":'
run bench infer mlp $quick --layers
want_out '^latency +[0-9.]+ us p50, [0-9.]+ us p99 '

# A file: its own shape.
run train digits --limit 100 --model mlp --epochs 1 --no-test --output m.h5 --quiet
run bench infer m.h5 $quick
want_status 0
want_out '^inference m.h5: '

run bench peak --seconds 0.01 --json
want_status 0
want_out '"peak_gflops":'
want_out '"cpu_level": "scalar"'
run bench peak --seconds 0.01
want_out '^scalar +[0-9.]+ +[0-9.]+$'

run bench kernels --seconds 0.001
want_status 0
want_out '^gemm 64x64x64 +product '
want_out '^conv2d 13x13x32 3x3x64 pool 2x2 +backward weights '
run bench kernels --level pentium
want_error "pentium"

run bench
want_status 2
want_err 'train, infer, kernels or peak'
run bench trian
want_status 2
run bench peak mnist-cnn
want_status 2
run bench train --size 3x --quiet
want_status 2
want_err "--size is '3x'"
run bench train nothing.h5
want_error "nothing.h5"
run bench train mnist-cnn --size 4x4
want_error 'mnist-cnn'
finish

# ONNX: a training there and back, a model of PyTorch that trains on, and what is refused.
. "$(dirname "$0")/lib.sh"
golden="$tests/golden/onnx"

run convert mlp x.onnx
if grep -q HONE_WITH_PROTOBUF_C err; then
    exit 77
fi

# what was trained answers the same from an ONNX file, class names and scaling with it
run train digits --limit 400 --epochs 1 --model mnist-cnn --output model.h5 --quiet
want_status 0
run export model.h5 --to onnx --output model.onnx
want_status 0
want_out '^model.onnx: onnx$'
run evaluate model.h5 digits --limit 200 --quiet
want_status 0
sed 's/model.h5/MODEL/' out >first
run evaluate model.onnx digits --limit 200 --quiet
want_status 0
no_err
sed 's/model.onnx/MODEL/' out | cmp - first || fail "the ONNX file answers otherwise"
run export model.h5 --to onnx --output inside.onnx --with-preprocessing --layout nchw --batch 2
want_status 0
run evaluate inside.onnx digits --limit 200 --quiet
want_status 0
sed 's/inside.onnx/MODEL/' out | cmp - first || fail "with its preprocessing inside it answers otherwise"

# in 8 bits: quantized on the way, answering as the 8-bit model does, and trained on from there
run export model.h5 --to onnx --int8 --output x.onnx
want_error "the model is not quantized"
run export model.h5 --to onnx --int8 --data digits:300 --output int8.onnx
want_status 0
want_out '^int8.onnx: onnx, int8$'
want_err 'float32: [0-9.]* % of the validation part right, int8: [0-9.]* %'
[ $(($(wc -c <int8.onnx) * 3)) -lt "$(wc -c <model.onnx)" ] || fail "int8.onnx is no smaller"
run info int8.onnx
want_out '^Quantized: to 8-bit integers, as its file of onnx said$'
run quantize model.h5 digits:300 --output q.h5 --max-loss 5 --quiet
want_status 0
run export q.h5 --to onnx --output q.onnx --layout nchw --with-preprocessing --batch 2
want_status 0
want_out '^q.onnx: onnx, int8$'
run evaluate q.h5 digits --limit 200 --quiet
sed 's/q.h5/MODEL/; s/ - loss.*//' out >first8
run evaluate q.onnx digits --limit 200 --quiet
want_status 0
sed 's/q.onnx/MODEL/; s/ - loss.*//' out | cmp - first8 || fail "the 8-bit ONNX file answers otherwise"
run export q.h5 --to onnx --output f.onnx --float32
want_out '^f.onnx: onnx$'
run train digits --limit 100 --epochs 1 --model q.onnx --output more.h5 --quiet
want_status 0
run export q.h5 --to onnx --output x.onnx --int8 --float32
want_status 2
run export q.h5 --to npz --output x.npz --int8
want_status 2
run export q.h5 --to onnx --output x.onnx --data digits:300
want_status 2
run export model.h5 --to onnx --output x.onnx --int8 --data nowhere
want_status 1

# a model of PyTorch: looked at, converted, trained on
run info "$golden/torch-transformer.onnx"
want_status 0
want_out "multi_head_attention"
run convert "$golden/torch-plain.onnx" plain.keras
want_status 0
run convert plain.keras again.onnx
want_status 0
run train digits --limit 200 --epochs 1 --model inside.onnx --output more.h5 --quiet
want_status 0

# what is no layer of Keras is said of the file that needs to be told
run convert "$golden/ort-windows.onnx" windows.h5
want_err 'custom_objects'
run convert windows.h5 windows.keras
want_err 'tf-keras has: it does not know Matmul'

# weights in a file beside the model, as torch.onnx.export writes them; without that file they are missed by name
cp "$golden/torch-dynamo-plain.onnx" "$golden/torch-dynamo-plain.onnx.data" .
run convert torch-dynamo-plain.onnx dynamo.keras
want_status 0
rm torch-dynamo-plain.onnx.data
run info torch-dynamo-plain.onnx
want_error "torch-dynamo-plain.onnx.data"

# what is refused, in one line
run convert model.h5 x.h5 --layout nchw
want_status 2
run export model.h5 --to onnx --output x.onnx --layout sideways
want_status 2
head -c 900 "$golden/torch-plain.onnx" >cut.onnx
run info cut.onnx
want_error "damaged or cut off"
sed 's/LeakyRelu/LeakyRulu/g' "$golden/torch-plain.onnx" >unknown.onnx
run info unknown.onnx
want_error "LeakyRulu, opset 13.: this operator is not supported"
run train digits --limit 200 --epochs 1 --model mlp --weights model.onnx --output y.h5 --quiet
want_error "convert it to .h5 first"

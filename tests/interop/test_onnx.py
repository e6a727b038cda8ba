"""ONNX files in ONNX Runtime and through the ONNX project's checker: every layer, the presets, networks of
keras.applications with random weights at a small size; in both layouts, with a batch of any size and a fixed one, with the
preprocessing inside. And files of PyTorch's exporters, opened by hone and then by Keras. --full takes larger networks as well; --torch
FOLDER reads what torch_onnx.py wrote there."""

import pathlib
import sys

import numpy as np

try:
    import onnx
    import onnxruntime
except ImportError:
    print("skipped: no onnx and onnxruntime; scripts/python-env installs them")
    sys.exit(77)
from common import FAMILIES, FOLDER, GOLDEN, driver, expect, expect_close, finish, hone_predict

keras = FAMILIES["keras3"]
L = keras.layers
FULL = "--full" in sys.argv
TOLERANCE = 1e-5
rng = np.random.default_rng(3)


def run(path, *inputs):
    """What ONNX Runtime makes of a file that the checker accepts."""
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {i.name: x for i, x in zip(session.get_inputs(), inputs)})


def shake(model):
    """Weights of any size, statistics that are none of the initial ones."""
    model.set_weights(
        [
            rng.uniform(0.5, 1.5, w.shape).astype("float32")
            if "variance" in v.path or "gamma" in v.path
            else rng.normal(0, 0.3, w.shape).astype("float32")
            if w.ndim < 2
            else w
            for v, w in zip(model.weights, model.get_weights())
        ]
    )
    return model


def export(model, name, layout="nhwc", batch=0, pixels=False):
    source, path = FOLDER / f"{name}.keras", FOLDER / f"{name}-{layout}-{batch}-{pixels}.onnx"
    model.save(source)
    driver("onnx", source, layout, batch, "pixels" if pixels else "floats", path)
    return source, path


WRITTEN_ONLY = {"auto-contrast"}  # of comparisons, which no layer but this one makes: other ONNX files have none


def same(name, model, tolerance=TOLERANCE, samples=3):
    shape = model.input_shape[1:]
    x = rng.uniform(-1, 1, (samples, *shape)).astype("float32")
    source, path = export(model, name)
    ours = hone_predict(source, x)
    (theirs,) = run(path, x)
    expect_close(f"{name}: ONNX Runtime", theirs.reshape(ours.shape), ours, tolerance)
    if name not in WRITTEN_ONLY:
        expect_close(f"{name}: read back", hone_predict(path, x), ours, tolerance)


def in_keras(name, path, x, y, tolerance=TOLERANCE):
    """An ONNX file in hone, saved by hone, opened by Keras: three times the same."""
    expect_close(f"{name}: hone", hone_predict(path, x), y.reshape(len(x), -1), tolerance)
    for form in ("h5", "keras"):
        saved = FOLDER / f"{name}.{form}"
        driver("export", path, form, saved)
        model = keras.models.load_model(saved, compile=False, custom_objects=OPERATIONS)
        expect_close(f"{name}: Keras, .{form}", model.predict(x, verbose=0).reshape(y.shape), y, tolerance)
    return model


# ---- every layer ------------------------------------------------------------------------------------------------------

IMAGE, SEQUENCE, VECTOR = (9, 8, 6), (5, 8), (12,)


def graph(shape, function):
    x = keras.Input(shape)
    return shake(keras.Model(x, function(x)))


def attention(x):
    return L.MultiHeadAttention(2, 4, value_dim=3)(x, L.Dense(8)(x))


def products(x):
    a, b = L.Dense(6)(x), L.Permute((2, 1))(L.Dense(6)(x))
    heads = L.Reshape((2, 5, 3))(a)
    c = keras.ops.matmul(L.Reshape((1, 2, 5))(L.Dense(2)(x)), heads)  # the first axis repeats
    quotient = keras.ops.matmul(a, b) / keras.ops.sqrt(keras.ops.exp(L.Dense(1)(x)))
    return L.Concatenate()([L.Flatten()(quotient), L.Flatten()(c)])


# no layers: from HDF5 Keras takes them if it is told their classes
OPERATIONS = {name: getattr(keras.src.ops.numpy, name) for name in ("Matmul", "Divide", "Sqrt")}

CASES = {
    "dense": (VECTOR, lambda x: L.Dense(5, activation="softmax")(x)),
    "dense-without-bias": (VECTOR, lambda x: L.Dense(5, use_bias=False)(x)),
    "dense-last-axis": (IMAGE, lambda x: L.Dense(4, activation="relu")(x)),
    "conv2d": (IMAGE, lambda x: L.Conv2D(7, 3, activation="relu")(x)),
    "conv2d-same-strides": (IMAGE, lambda x: L.Conv2D(7, (3, 2), strides=2, padding="same")(x)),
    "conv2d-dilated-groups": (IMAGE, lambda x: L.Conv2D(6, 2, dilation_rate=2, groups=3)(x)),
    "depthwise": (IMAGE, lambda x: L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)(x)),
    "separable": (IMAGE, lambda x: L.SeparableConv2D(5, 3, activation="tanh")(x)),
    "conv2d-transpose": (IMAGE, lambda x: L.Conv2DTranspose(5, 3, strides=2, padding="same")(x)),
    "conv2d-transpose-valid": (IMAGE, lambda x: L.Conv2DTranspose(5, 2, strides=3)(x)),
    "conv2d-transpose-padding": (IMAGE, lambda x: L.Conv2DTranspose(5, 3, strides=3, output_padding=(2, 1))(x)),
    "max-pooling": (IMAGE, lambda x: L.MaxPooling2D(3, strides=2, padding="same")(x)),
    "max-pooling-valid": (IMAGE, lambda x: L.MaxPooling2D(2)(x)),
    "average-pooling": (IMAGE, lambda x: L.AveragePooling2D(3, strides=2, padding="same")(x)),
    "global-pooling": (
        IMAGE,
        lambda x: L.Concatenate()([L.GlobalMaxPooling2D()(x), L.GlobalAveragePooling2D()(x)]),
    ),
    "global-pooling-keepdims": (IMAGE, lambda x: L.Multiply()([x, L.GlobalAveragePooling2D(keepdims=True)(x)])),
    "global-pooling-1d": (
        SEQUENCE,
        lambda x: L.Subtract()([L.GlobalMaxPooling1D()(x), L.GlobalAveragePooling1D()(x)]),
    ),
    "batch-normalization": (IMAGE, lambda x: L.Conv2D(4, 3)(L.BatchNormalization()(x))),
    "batch-normalization-plain": (VECTOR, lambda x: L.BatchNormalization(center=False, scale=False)(x)),
    "batch-normalization-sequence": (SEQUENCE, lambda x: L.BatchNormalization()(x)),
    "layer-normalization": (IMAGE, lambda x: L.LayerNormalization()(L.Conv2D(4, 3)(x))),
    "layer-normalization-plain": (SEQUENCE, lambda x: L.LayerNormalization(center=False, scale=False)(x)),
    "group-normalization": (IMAGE, lambda x: L.GroupNormalization(3)(x)),
    "group-normalization-sequence": (SEQUENCE, lambda x: L.GroupNormalization(-1)(x)),
    "normalization": (IMAGE, lambda x: L.Normalization(mean=[1, 2, 3, 4, 5, 6], variance=[1, 2, 3, 4, 5, 6])(x)),
    "relu": (IMAGE, lambda x: L.ReLU(max_value=0.5)(x)),
    "relu-everything": (IMAGE, lambda x: L.ReLU(max_value=0.5, negative_slope=0.1, threshold=0.2)(x)),
    "leaky-relu": (IMAGE, lambda x: L.LeakyReLU(negative_slope=0.2)(x)),
    "prelu": (IMAGE, lambda x: L.PReLU(shared_axes=[1, 2])(L.Conv2D(4, 3)(x))),
    "prelu-whole": (IMAGE, lambda x: L.PReLU()(x)),
    "elu": (IMAGE, lambda x: L.ELU(alpha=0.7)(x)),
    "softmax": (IMAGE, lambda x: L.Softmax()(L.Conv2D(4, 3)(x))),
    "dropout": (VECTOR, lambda x: L.Dense(3)(L.Dropout(0.5)(x))),
    "adaptive-pooling": (IMAGE, lambda x: L.AdaptiveAveragePooling2D((3, 2))(L.AdaptiveMaxPooling2D(4)(x))),
    "identity": (IMAGE, lambda x: L.Identity()(x)),
    "spatial-dropout": (IMAGE, lambda x: L.SpatialDropout2D(0.5)(x)),
    "flatten": (IMAGE, lambda x: L.Dense(3)(L.Flatten()(L.Conv2D(4, 3)(x)))),
    "reshape": (IMAGE, lambda x: L.Dense(3)(L.Reshape((9, 48))(L.Conv2D(6, 1)(x)))),
    "permute": (IMAGE, lambda x: L.Permute((3, 1, 2))(x)),
    "repeat-vector": (VECTOR, lambda x: L.RepeatVector(3)(x)),
    "zero-padding": (IMAGE, lambda x: L.ZeroPadding2D(((1, 2), (0, 3)))(x)),
    "cropping": (IMAGE, lambda x: L.Cropping2D(((1, 2), (0, 3)))(x)),
    "up-sampling": (IMAGE, lambda x: L.UpSampling2D((2, 3))(x)),
    "up-sampling-bilinear": (IMAGE, lambda x: L.UpSampling2D(2, interpolation="bilinear")(x)),
    "add": (IMAGE, lambda x: L.Add()([x, L.Conv2D(6, 1)(x), L.ReLU()(x)])),
    "average": (IMAGE, lambda x: L.Average()([x, L.Conv2D(6, 1)(x)])),
    "extrema": (IMAGE, lambda x: L.Minimum()([L.Maximum()([x, L.Conv2D(6, 1)(x)]), L.ReLU()(x)])),
    "concatenate": (IMAGE, lambda x: L.Concatenate()([x, L.Conv2D(3, 1)(x)])),
    "concatenate-rows": (IMAGE, lambda x: L.Concatenate(axis=1)([x, L.Conv2D(6, 1)(x)])),
    "multi-head-attention": (SEQUENCE, attention),
    "embedding": (VECTOR, lambda x: L.Embedding(7, 3)(L.Rescaling(5.0, 1.0)(x))),
    "products": (SEQUENCE, products),
    "rescaling": (IMAGE, lambda x: L.Rescaling([1, 2, 3, 4, 5, 6], 0.5)(x)),
    "resizing": (IMAGE, lambda x: L.Resizing(5, 11)(x)),
    "resizing-nearest": (IMAGE, lambda x: L.Resizing(5, 11, interpolation="nearest")(x)),
    "resizing-bicubic": (IMAGE, lambda x: L.Resizing(5, 11, interpolation="bicubic", pad_to_aspect_ratio=True)(x)),
    "resizing-antialias": (IMAGE, lambda x: L.Resizing(4, 3, interpolation="lanczos5", antialias=True)(x)),
    "unit-normalization": (IMAGE, lambda x: L.UnitNormalization(axis=(1, 3))(L.UnitNormalization()(x))),
    "rms-normalization": (IMAGE, lambda x: L.RMSNormalization(epsilon=0.01)(x)),
    "softmax-axes": (IMAGE, lambda x: L.Softmax(axis=(1, 2))(x)),
    "noise": (IMAGE, lambda x: L.AlphaDropout(0.2)(L.ActivityRegularization(0.1)(L.GaussianNoise(0.1)(x)))),
    "auto-contrast": (IMAGE, lambda x: L.AutoContrast(value_range=(-1, 1))(x)),
    "center-crop": (IMAGE, lambda x: L.CenterCrop(5, 6)(x)),
    "random-crop": (IMAGE, lambda x: L.RandomCrop(5, 6)(x)),
    "augmentation": (IMAGE, lambda x: L.RandomZoom(0.2)(L.RandomRotation(0.1)(L.RandomFlip()(x)))),
    "shared": (IMAGE, lambda x: (lambda c: c(c(x)))(L.Conv2D(6, 1, activation="relu"))),
}
ACTIVATIONS = (
    "elu exponential gelu hard_sigmoid hard_silu leaky_relu linear relu relu6 selu sigmoid silu softmax softplus "
    "softsign tanh"
)

for name, (shape, function) in CASES.items():
    same(name, graph(shape, function))
for name in ACTIVATIONS.split():
    same(name, graph(IMAGE, lambda x: L.Activation(name)(L.Rescaling(4.0)(x))))

# ---- ends -------------------------------------------------------------------------------------------------------------

x = rng.uniform(-1, 1, (2, *IMAGE)).astype("float32")
model = graph(IMAGE, lambda x: L.ReLU()(L.Conv2D(4, 3, padding="same")(x)))
source, path = export(model, "first", "nchw", 2)
(theirs,) = run(path, np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
expect_close("nchw: a picture in, a picture out", theirs.transpose(0, 2, 3, 1).reshape(2, -1), hone_predict(source, x), 1e-5)
file = onnx.load(path)
expect("nchw: nothing is transposed", not any(n.op_type == "Transpose" for n in file.graph.node))
sizes = [d.dim_value for d in file.graph.input[0].type.tensor_type.shape.dim]
expect("nchw: a fixed batch", sizes == [2, 6, 9, 8], sizes)
expect("the lowest operator set that serves", file.opset_import[0].version == 13, file.opset_import[0].version)

a, b = keras.Input((6, 6, 3)), keras.Input((4,))
c = L.Concatenate()([L.Flatten()(L.Conv2D(2, 3)(a)), b])
several = shake(keras.Model([a, b], [L.Dense(3)(c), L.Conv2D(2, 3, name="picture")(a), c, L.Flatten()(a)]))
source, path = export(several, "several")
xa, xb = rng.uniform(-1, 1, (2, 6, 6, 3)).astype("float32"), rng.uniform(-1, 1, (2, 4)).astype("float32")
ours = hone_predict(source, np.concatenate([xa.reshape(2, -1), xb], 1))
theirs = run(path, xa, xb)
expect("several outputs, of their own shapes", [t.shape for t in theirs] == [(2, 3), (2, 4, 4, 2), (2, 36), (2, 108)])
expect_close("several inputs and outputs", np.concatenate([t.reshape(2, -1) for t in theirs], 1), ours, 1e-5)

pixels = rng.integers(0, 256, (3, 28, 28, 1)).astype("uint8")
for preset in ("mnist-cnn", "mnist-fast", "mnist-best", "mlp", "lenet5"):
    path = FOLDER / f"{preset}.onnx"
    driver("onnx", preset, "nhwc", 0, "floats", path)
    (theirs,) = run(path, pixels.astype("float32") / 255)
    expect_close(f"{preset}: probabilities", theirs, hone_predict(preset, pixels.astype("float32") / 255), TOLERANCE)
    driver("onnx", preset, "nchw", 3, "pixels", path)
    (of_pixels,) = run(path, np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    expect_close(f"{preset}: the same of pixels", of_pixels, theirs, TOLERANCE)
texts = {p.key: p.value for p in onnx.load(path).metadata_props}
expect("metadata: preprocessing is inside", texts.get("preprocessing") == "raw", texts.keys())

# ---- files of PyTorch -------------------------------------------------------------------------------------------------

for path in sorted((GOLDEN / "onnx").glob("*.onnx")):
    numbers = np.fromfile(path.with_suffix(".f32"), "<f4")
    width = onnx.load(path, load_external_data=False).graph.output[0].type.tensor_type.shape.dim[1].dim_value
    samples = len(numbers) // (16 * 16 * 3 + width) if width else 2  # make_operators.py leaves it open, and writes two
    x, y = np.split(numbers, [samples * 16 * 16 * 3])
    x, y = x.reshape(samples, 16, 16, 3), y.reshape(samples, -1)
    model = in_keras(path.stem, path, x, y)
    if path.stem == "torch-plain":  # what came from PyTorch trains on in Keras, and in hone (tests/cli/onnx.sh)
        model.compile("sgd", "mse")
        before = model.evaluate(x, y * 0, verbose=0)
        model.fit(x, y * 0, epochs=3, verbose=0)
        expect("training goes on", model.evaluate(x, y * 0, verbose=0) < before)

if "--torch" in sys.argv:  # made by torch_onnx.py
    for path in sorted(pathlib.Path(sys.argv[sys.argv.index("--torch") + 1]).glob("*.onnx")):
        numbers = np.load(path.with_suffix(".npz"))
        in_keras(path.stem, path, numbers["x"], numbers["y"], 1e-4)

# ---- whole networks ---------------------------------------------------------------------------------------------------

NETWORKS = {"MobileNetV2": 64, "MobileNetV3Small": 64, "EfficientNetB0": 64}
if FULL:
    NETWORKS |= {"MobileNet": 64, "ResNet50": 64, "ResNet50V2": 64, "DenseNet121": 64, "VGG16": 48, "Xception": 80}
    NETWORKS |= {"InceptionV3": 80, "NASNetMobile": 64, "EfficientNetV2B0": 64, "ConvNeXtTiny": 64}

for name, size in NETWORKS.items():
    network = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=11)
    same(name, shake(network), samples=2)

finish()

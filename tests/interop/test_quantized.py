"""ONNX files in 8-bit integers: hone's in ONNX Runtime, through the ONNX project's checker, against hone's own engine;
read back; and files of onnxruntime.quantization.

The two engines differ in how they round: hone multiplies sums by a 31-bit number and rounds halves up, ONNX Runtime
multiplies by a float and rounds halves to even. So an 8-bit number is now and then the one beside, and whatever follows
sees that; what is read back may be rounded in other places as well. STEPS says how far outputs may be apart, in steps of
1/255 of their range, MEAN_STEPS how far in the mean."""

import subprocess
import sys

import numpy as np

try:
    import onnx
    import onnxruntime
    from onnxruntime import quantization
    from onnxruntime.quantization import QuantFormat, QuantType
except ImportError:
    print("skipped: no onnx and onnxruntime; scripts/python-env installs them")
    sys.exit(77)
from common import DRIVER, FAMILIES, FOLDER, data_files, driver, expect, finish, hone_predict, pictures

keras = FAMILIES["keras3"]
L = keras.layers
rng = np.random.default_rng(5)
SAMPLES = 64
STEPS, MEAN_STEPS = 2.1, 0.2


def run(path, x):
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def session_input(path):
    return onnx.load(path).graph.input[0].name


def predict8(model, x):
    inputs, outputs = FOLDER / "inputs.f32", FOLDER / "outputs.f32"
    np.ascontiguousarray(x, "<f4").tofile(inputs)
    driver("predict8", model, inputs, len(x), outputs)
    return np.fromfile(outputs, "<f4").reshape(len(x), -1)


def shake(model):
    """Statistics, scales and biases that are none of the initial ones."""
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


def smooth(samples, shape):
    """Pixels of 8 bits, of all brightnesses."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    waves = [
        127.5 + 100 * np.sin(down * y + across * x + rng.uniform(0, 6, shape[2:])[:, None, None])
        for down, across in rng.uniform(0.2, 1.5, (samples, 2))
    ]
    return np.clip(np.moveaxis(np.array(waves), 1, 3) + rng.normal(0, 15, (samples, *shape)), 0, 255).astype("uint8")


def quantize(model, name, per="channel"):
    """Calibrated with pictures; the model's file, and those pictures as floats."""
    source, path = FOLDER / f"{name}.keras", FOLDER / f"{name}-8.h5"
    model.save(source)
    pixels = smooth(SAMPLES, model.input_shape[1:])
    driver("quantize", source, *data_files(pixels, np.zeros(SAMPLES, "<i4")), per, path)
    return path, pixels


def in_steps(theirs, ours):
    apart = np.abs(theirs.reshape(ours.shape) - ours) / max(np.ptp(ours), 1e-6) * 255
    return apart.max(), apart.mean()


def same(name, model, per="channel"):
    source, pixels = quantize(model, name, per)
    x = pixels.astype("float32") / 255
    ours = predict8(source, x)
    for layout in ("nhwc", "nchw"):
        path = FOLDER / f"{name}-{layout}.onnx"
        driver("onnx", source, layout, 0, "floats,int8", path)
        theirs = run(path, x if layout == "nhwc" else np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        if layout == "nchw" and theirs.ndim == 4:
            theirs = theirs.transpose(0, 2, 3, 1)
        most, mean = in_steps(theirs, ours)
        expect(f"{name}: {layout}", most <= STEPS and mean <= MEAN_STEPS, (most, mean))
        most, mean = in_steps(predict8(path, x), ours)
        expect(f"{name}: {layout}, read back", most <= 2 * STEPS and mean <= 2 * MEAN_STEPS, (most, mean))
    return onnx.load(path)


def graph(shape, function):
    x = keras.Input(shape)
    return shake(keras.Model(x, function(x)))


# ---- every kind of layer that has a rule, and float ones between them ----------------------------

IMAGE = (12, 10, 3)


def conv(filters, size=3, **more):
    return L.Conv2D(filters, size, **{"padding": "same", "activation": "relu"} | more)


def mixed(x):
    """What stays in float stands between what does not."""
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(conv(6)(x))
    x = L.LayerNormalization()(L.Resizing(8, 7)(x))
    return L.Dense(5, activation="softmax")(L.Flatten()(conv(4)(x)))


CASES = {
    "dense": lambda x: L.Dense(5)(L.Dense(16, activation="relu")(L.Flatten()(x))),
    "dense-last-axis": lambda x: L.Dense(4)(L.Dense(7, activation="relu")(x)),
    "dense-rows": lambda x: L.Dense(4)(L.Dense(7, activation="tanh")(L.Reshape((12, 30))(conv(3)(x)))),
    "conv2d": lambda x: conv(7, activation=None)(conv(8)(x)),
    "conv2d-valid-strides": lambda x: conv(5, (3, 2), strides=2, padding="valid")(conv(4)(x)),
    "conv2d-dilated-groups": lambda x: conv(6, 2, dilation_rate=2, groups=3)(conv(9)(x)),
    "depthwise": lambda x: L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)(conv(4)(x)),
    "separable": lambda x: L.SeparableConv2D(5, 3, activation="sigmoid")(conv(4)(x)),
    "batch-normalization": lambda x: L.ReLU(6.0)(L.BatchNormalization()(conv(6, use_bias=False, activation=None)(x))),
    "affine": lambda x: conv(5)(L.ReLU()(L.BatchNormalization()(L.MaxPooling2D(2)(conv(4)(x))))),
    "affine-vector": lambda x: L.Dense(3)(L.BatchNormalization()(L.Dense(9, activation="relu")(L.Flatten()(x)))),
    "padding": lambda x: conv(5, padding="valid")(L.ZeroPadding2D(((1, 2), (0, 3)))(x)),
    "max-pooling": lambda x: conv(4)(L.MaxPooling2D(2)(conv(6)(x))),
    "max-pooling-apart": lambda x: conv(4)(L.MaxPooling2D(3, strides=2, padding="same")(conv(6)(x))),
    "average-pooling": lambda x: conv(4)(L.AveragePooling2D(3, strides=2, padding="same")(conv(6)(x))),
    "global-pooling": lambda x: L.Dense(3)(
        L.Concatenate()([L.GlobalMaxPooling2D()(conv(5)(x)), L.GlobalAveragePooling2D()(conv(4)(x))])
    ),
    "add": lambda x: conv(3)(L.ReLU()(L.Add()([x, conv(3, 1, activation=None)(x), conv(3)(x)]))),
    "add-two": lambda x: conv(3)(L.Add()([conv(3, 1)(x), conv(3)(x)])),
    "concatenate": lambda x: conv(3)(L.Concatenate()([x, conv(3, 1, activation="tanh")(x)])),
    "activations": lambda x: conv(3, activation="gelu")(
        conv(4, activation="hard_swish")(conv(4, activation="swish")(x))
    ),
    "leaky": lambda x: conv(3)(L.LeakyReLU(negative_slope=0.2)(conv(4, activation="elu")(x))),
    "flatten-relu": lambda x: L.Dense(3)(L.ReLU()(L.Flatten()(conv(4, activation=None)(x)))),
    "flatten-last": lambda x: L.Flatten()(conv(4, activation=None)(x)),
    "dropout": lambda x: L.Dense(3)(L.Dropout(0.5)(L.Flatten()(L.Dropout(0.2)(conv(4)(x))))),
    "shared": lambda x: (lambda c: c(c(x)))(conv(3)),
    "float-between": mixed,
}
for name, function in CASES.items():
    same(name, graph(IMAGE, function))
file = same("per-tensor", graph(IMAGE, CASES["conv2d"]), "tensor")
ranks = {len(t.dims) for t in file.graph.initializer if t.name.endswith("kernel_scale")}
expect("per tensor: one scale for a kernel", ranks == {0}, ranks)

# ---- what a user does: a trained network, as large as a quarter, in every form -------------------

images, labels = pictures(1200, (28, 28, 1), 10)
trained, quantized = FOLDER / "trained.h5", FOLDER / "trained-8.h5"
driver("fit", "mnist-cnn", *data_files(images[:800], labels[:800]), 32, 2, "adam", trained)
driver("quantize", trained, *data_files(images[:200], labels[:200]), "channel", quantized)
images, labels = images[800:], labels[800:]
x = images.astype("float32") / 255
ours = predict8(quantized, x)
sizes = {}
for form in ("floats", "floats,int8", "pixels,int8"):
    for layout, batch in (("nhwc", 0), ("nchw", len(x))):
        path = FOLDER / f"trained-{form}-{layout}.onnx"
        driver("onnx", quantized, layout, batch, form, path)
        fed = images if form.startswith("pixels") else x
        theirs = run(path, fed if layout == "nhwc" else np.ascontiguousarray(fed.transpose(0, 3, 1, 2)))
        agree, right = np.mean(theirs.argmax(1) == ours.argmax(1)), np.mean(theirs.argmax(1) == labels)
        expect(f"trained, {form}, {layout}: the classes of hone's int8", agree >= 0.99, agree)
        expect(f"trained, {form}, {layout}: accuracy", abs(right - np.mean(ours.argmax(1) == labels)) <= 0.005, right)
        sizes[form] = path.stat().st_size
expect("a quarter of the size", sizes["floats,int8"] < 0.3 * sizes["floats"], sizes)
file = onnx.load(path)
kinds = {t.name: t.data_type for t in file.graph.initializer if t.name.endswith(("/kernel", "/bias"))}
expect("8-bit kernels, 32-bit biases", set(kinds.values()) == {onnx.TensorProto.INT8, onnx.TensorProto.INT32}, kinds)
expect("operator set 13", file.opset_import[0].version == 13, file.opset_import[0].version)

# ---- files of onnxruntime.quantization -----------------------------------------------------------


class Reader(quantization.CalibrationDataReader):
    """Calibrates with those pictures."""

    def __init__(self, name, x):
        self.feeds = iter([{name: x[i : i + 1]} for i in range(len(x))])

    def get_next(self):
        return next(self.feeds, None)


source = FOLDER / "trained-float.onnx"
driver("onnx", trained, "nchw", 0, "floats", source)
x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
for kind, per_channel in ((QuantType.QUInt8, True), (QuantType.QInt8, False), (QuantType.QInt16, False)):
    name = f"onnxruntime, {kind}, {'per channel' if per_channel else 'per tensor'}"
    path = FOLDER / "theirs.onnx"
    quantization.quantize_static(
        source,
        path,
        Reader(session_input(source), x[:50]),
        quant_format=QuantFormat.QDQ,
        activation_type=kind,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    theirs = run(path, x)
    if kind != QuantType.QInt16:
        most, mean = in_steps(predict8(path, x.transpose(0, 2, 3, 1)), theirs)
        expect(f"{name}: in 8 bits", most <= 6 * STEPS and mean <= MEAN_STEPS, (most, mean))
    ours = hone_predict(path, x.transpose(0, 2, 3, 1))
    expect(f"{name}: in float", np.mean(ours.argmax(1) == theirs.argmax(1)) >= 0.99)
    driver("fit", path, *data_files(images[:64], labels[:64]), 32, 1, "sgd", FOLDER / "more.h5")
path = FOLDER / "integers.onnx"
quantization.quantize_static(source, path, Reader(session_input(source), x[:5]), quant_format=QuantFormat.QOperator)
refused = subprocess.run([DRIVER, "copy", path, FOLDER / "x.h5"], capture_output=True, text=True)
expect("integer operators are refused", refused.returncode == 1 and "QuantFormat.QDQ" in refused.stderr, refused.stderr)

finish()

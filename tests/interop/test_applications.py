"""Graphs of the real Keras in hone: keras.applications and models with every sort of branch, sharing and nesting.

Each model is built with random weights, saved to .h5 and to .keras, and must predict in hone what it predicts in Keras;
some must take the same training step; what hone writes, Keras must load, and what hone writes of that must be the same
bytes.

    run.sh test_applications.py DRIVER [--full] [NAME …]

By default the applications have small inputs, and of the slow ones there are none, so that this is quick; names choose, and
--full takes all of them at their default sizes. A model of that size is big (VGG16 0.5 GB): one lives at a time.
"""

import hashlib
import sys

import numpy as np
import tensorflow as tf
from common import FAMILIES, FOLDER, answers, data_files, driver, expect, finish, hone_predict, keras

arguments = sys.argv[2:]
FULL = "--full" in arguments
NAMES = [a for a in arguments if not a.startswith("-")]

# Name: side of the input, and whether the model takes pixels of 0 … 255.
APPLICATIONS = {
    "VGG16": (224, 32, False),
    "ResNet50": (224, 64, False),
    "ResNet50V2": (224, 64, False),
    "MobileNet": (224, 64, False),
    "MobileNetV2": (224, 64, False),
    "MobileNetV3Small": (224, 64, True),
    "MobileNetV3Large": (224, 64, True),
    "DenseNet121": (224, 64, False),
    "EfficientNetB0": (224, 64, True),
    "EfficientNetV2B0": (224, 64, True),
    "Xception": (299, 96, False),
    "InceptionV3": (299, 96, False),
    "InceptionResNetV2": (299, 96, False),
    "NASNetMobile": (224, 96, False),
    "ConvNeXtTiny": (224, 64, True),
}
# What a run without --full or names leaves to those: much time for words that the others have too.
SLOW = {"InceptionResNetV2", "NASNetMobile", "Xception", "MobileNetV3Large", "EfficientNetV2B0", "ResNet50V2"}
BOTH_FAMILIES = {"MobileNetV3Small", "ConvNeXtTiny"}  # which the two write differently


SAVED = (FOLDER / "saved.h5", FOLDER / "saved.keras")


def wanted(name, family=None):
    if NAMES:
        return name in NAMES
    return FULL or (name not in SLOW and (family in (None, "keras3") or name in BOTH_FAMILIES))


def randomize(model, seed=11):
    """Statistics and offsets away from 0 and 1, so that nothing unread goes unnoticed."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name, shape = getattr(weight, "path", weight.name), weight.shape
        if "moving_variance" in name or name.endswith("variance") or name.endswith("variance:0"):
            weight.assign(rng.uniform(0.5, 1.5, shape).astype("float32"))
        elif "mean" in name or "beta" in name or "bias" in name:
            weight.assign(rng.uniform(-0.2, 0.2, shape).astype("float32"))
        elif "gamma" in name:
            weight.assign(rng.uniform(0.8, 1.2, shape).astype("float32"))
        elif "layer_scale" in name or "variable" in name.lower():
            weight.assign(rng.uniform(0.3, 0.8, shape).astype("float32"))
    for layer in model.layers:
        if type(layer).__name__ == "Normalization":  # works with copies of its weights
            layer.finalize_state()


def flat(arrays):
    arrays = arrays if isinstance(arrays, (list, tuple)) else [arrays]
    return np.concatenate([np.asarray(a, "float32").reshape(len(a), -1) for a in arrays], axis=1)


def relative(a, b):
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)))


def expect_same_predictions(what, saved, x, theirs, tolerance=1e-4):
    worst = relative(hone_predict(saved, flat(x)), theirs)
    expect(f"{what}: predictions", worst <= tolerance, f"{worst:.2g}")


def expect_round_trip(what, k, saved, x, theirs, custom=None):
    """What hone writes in the kind of file that it read is read by Keras, and written again by hone the same bytes.

    .keras is written in Keras 3's words: what those leave out of tf-keras' (training=False) goes with a writing before."""
    once, twice = FOLDER / f"once{saved.suffix}", FOLDER / f"twice{saved.suffix}"
    driver("copy", saved, once)
    if saved.suffix == ".keras":
        driver("copy", once, saved)
        driver("copy", saved, once)
    driver("copy", once, twice)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (once, twice)]
    expect(f"{what}: written twice, the same bytes", digests[0] == digests[1])
    back = k.models.load_model(once, compile=False, custom_objects=custom)
    worst = relative(flat(answers(back, x)), theirs)
    expect(f"{what}: Keras reads what hone wrote", worst <= 1e-6, f"{worst:.2g}")


def custom_classes(k, name):
    """Classes of keras.applications that a file does not say the module of."""
    if name == "ConvNeXtTiny":
        from keras.src.applications import convnext as new
        from tf_keras.src.applications import convnext as old

        module = new if k is keras else old
        return {"LayerScale": module.LayerScale, "StochasticDepth": module.StochasticDepth}
    if name == "InceptionResNetV2":
        from keras.src.applications import inception_resnet_v2 as new
        from tf_keras.src.applications import inception_resnet_v2 as old

        return {"CustomScaleLayer": (new if k is keras else old).CustomScaleLayer}
    return None


# ---- keras.applications ---------------------------------------------------------------------------------------------

for name, (side, small, raw) in APPLICATIONS.items():
    for family, k in FAMILIES.items():
        if not wanted(name, family):
            continue
        k.backend.clear_session()
        k.utils.set_random_seed(7)
        side = side if FULL else small
        model = getattr(k.applications, name)(weights=None, input_shape=(side, side, 3), classes=1000 if FULL else 10)
        randomize(model)
        x = np.random.default_rng(5).uniform(0, 255 if raw else 1, (2, side, side, 3)).astype("float32")
        theirs = flat(answers(model, x))
        for saved in SAVED:
            model.save(saved)
            what = f"{family}, {name} at {side}, {saved.suffix}"
            expect_same_predictions(what, saved, x, theirs)
            expect_round_trip(what, k, saved, x, theirs, custom_classes(k, name))
        del model

# ---- one training step ----------------------------------------------------------------------------------------------


def expect_same_step(what, k, model, saved, tolerance):
    """SGD, which moves every weight by its own gradient: what Adam would do with noise of 1e-8 says nothing."""
    rng = np.random.default_rng(3)
    shape = model.input_shape[1:]
    images = rng.integers(0, 256, (8, *shape)).astype("uint8")
    labels = rng.integers(0, 10, 8).astype("<i4")
    raw = any(type(layer).__name__ == "Rescaling" for layer in model.layers[:3])
    x = images.astype("float32") / (1 if raw else 255)
    before = [np.array(w) for w in model.weights]
    theirs = float(np.asarray(model.train_on_batch(x, labels)).ravel()[0])
    end = FOLDER / "end.h5"
    ours = driver("fit", saved, *data_files(images, labels), 8, 1, "file", end)["losses"][0]
    expect(f"{what}: loss", abs(ours - theirs) <= 1e-4 * abs(theirs), f"{ours:.6f} and {theirs:.6f}")
    trained = k.models.load_model(end, compile=False)
    moved = np.sqrt(sum(float(np.sum((np.array(a) - b) ** 2)) for a, b in zip(model.weights, before)))
    apart = np.sqrt(sum(float(np.sum((np.array(a) - np.array(b)) ** 2)) for a, b in zip(trained.weights, model.weights)))
    expect(f"{what}: weights", apart <= tolerance * moved, f"{apart / moved:.2g} of the step")


for name in ("MobileNetV2", "ResNet50", "EfficientNetB0"):
    for frozen in (True, False):
        if not wanted(name):
            continue
        keras.backend.clear_session()
        keras.utils.set_random_seed(7)
        side = 224 if FULL else 64
        model = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10)
        randomize(model)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization) and frozen:
                layer.trainable = False
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
        saved = FOLDER / "start.h5"
        model.save(saved)
        what = f"{name}, BatchNormalization {'frozen' if frozen else 'training'}"
        expect_same_step(what, keras, model, saved, 2e-3 if frozen else 2e-2)

# ---- every sort of graph --------------------------------------------------------------------------------------------


def vit(k):
    L = k.layers
    x = inputs = L.Input((16, 16, 3))
    x = L.Conv2D(24, 4, strides=4)(x)
    x = L.Reshape((16, 24))(x)
    for _ in range(2):
        y = L.LayerNormalization(epsilon=1e-6)(x)
        x = L.Add()([x, L.MultiHeadAttention(4, 6)(y, y)])
        y = L.LayerNormalization(epsilon=1e-6)(x)
        y = L.Dense(48, activation="gelu")(y)
        x = L.Add()([x, L.Dense(24)(y)])
    x = L.LayerNormalization(epsilon=1e-6)(x)
    return k.Model(inputs, L.Dense(10, activation="softmax")(L.GlobalAveragePooling1D()(x)))


def positions(k):
    """A table of positions: its indices are a second input."""
    L = k.layers
    image, index = L.Input((4, 4, 3)), L.Input((16,))
    x = L.Add()([L.Dense(6)(L.Reshape((16, 3))(image)), L.Embedding(16, 6)(index)])
    x = L.MultiHeadAttention(2, 5, value_dim=3)(x, x, x)
    return k.Model([image, index], L.Dense(3)(L.Flatten()(x)))


def shared(k):
    L = k.layers
    inputs = L.Input((6,))
    dense = L.Dense(6, activation="tanh", name="twice")
    x = dense(inputs)
    y = L.Dense(6)(x)
    return k.Model(inputs, L.Dense(10, activation="softmax")(L.Concatenate()([dense(y), x, y])))


def nested(k):
    L = k.layers
    inputs = L.Input((8, 8, 3))
    tower = k.Sequential([L.Input((8, 8, 3)), L.Conv2D(4, 3, padding="same", name="c"), L.BatchNormalization()], name="tower")
    i = L.Input((8, 8, 4))
    block = k.Model(i, [L.ReLU()(i), L.Conv2D(4, 1, name="c")(i)], name="block")
    a, b = block(tower(inputs, training=False))
    c, d = block(L.Maximum()([a, b]))
    x = L.Add()([a, L.Multiply()([c, d])])
    x = tower(L.Conv2D(3, 1)(x), training=False)
    return k.Model(inputs, L.Dense(10, activation="softmax")(L.GlobalAveragePooling2D()(x)))


def wrapped(k):
    """As people fine-tune: a base in a Sequential."""
    L = k.layers
    i = L.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same")(i)
    base = k.Model(i, L.Add()([x, L.Conv2D(4, 3, padding="same")(x)]), name="base")
    return k.Sequential([base, L.GlobalAveragePooling2D(), L.Dense(10, activation="softmax")])


def many_ends(k):
    L = k.layers
    a, b = L.Input((5,), name="left"), L.Input((5,), name="right")
    x = L.Average()([a, b, L.Minimum()([a, b])])
    y = 1.0 - (2.0 * L.Subtract()([a, x]) + 0.5) / 3.0
    return k.Model([a, b], [L.Dense(3)(x), y, L.Dense(2)(L.Concatenate()([x, y]))])


def pictures(k):
    L = k.layers
    i = L.Input((7, 9, 4))
    x = L.Conv2DTranspose(6, 3, strides=2, activation="relu")(i)
    x = L.Cropping2D(((1, 0), (0, 2)))(x)
    x = L.GroupNormalization(3)(x) if hasattr(L, "GroupNormalization") else x
    x = L.PReLU(shared_axes=[1, 2])(x)
    x = L.UpSampling2D((1, 2), interpolation="bilinear")(x)
    x = L.Conv2DTranspose(4, (2, 4), strides=(1, 3), padding="same", use_bias=False)(x)
    x = L.Resizing(11, 6)(x)
    x = L.CenterCrop(9, 5)(x)
    x = L.UpSampling2D(2)(x)
    x = L.Resizing(8, 12, interpolation="nearest")(x)
    x = L.Permute((2, 3, 1))(x)
    y = L.RepeatVector(12)(L.GlobalMaxPooling2D()(i))
    return k.Model(i, L.Dense(3)(L.Concatenate()([L.Reshape((12, -1))(x), y])))


def between(k):
    """What people write between layers: preprocess_input, parts, means and shapes of tensors, numbers for each channel."""
    L, ops = k.layers, keras.ops if k is keras else tf
    i = L.Input((12, 10, 3))
    prepare = k.applications.imagenet_utils.preprocess_input
    x = prepare(i, mode="torch")  # the other one tf-keras cannot save to .keras
    x = ops.concatenate([L.Rescaling(0.01)(prepare(i, mode="caffe")), x], -1) if k is keras else x
    x = L.Conv2D(4, 3)(x)
    x = ops.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)))  # 11, 10
    mean = ops.mean(x, (1, 2)) if k is keras else tf.reduce_mean(x, (1, 2))
    largest = ops.max(x, (1, 2), keepdims=True) if k is keras else tf.reduce_max(x, (1, 2), keepdims=True)
    turned = ops.transpose(x, (0, 2, 3, 1))
    tokens = ops.reshape(x, (-1, 110, 4))
    parts = [mean, L.Flatten()(largest), L.Flatten()(x[:, 2:-1, 1:] ** 2 if k is keras else ops.square(i[:, 2:5, -2:]))]
    if k is keras:  # only Keras 3 writes down the shapes that these need
        parts += [tokens[:, 0], L.Flatten()(x[..., 1]), L.Flatten()(x[..., ::-1]), L.Flatten()(ops.expand_dims(turned[:, 3], -1))]
    x = L.Concatenate()([*parts, L.GlobalAveragePooling1D()(L.Dense(3)(tokens)), L.Flatten()(turned)])
    return k.Model(i, L.Dense(10)(x))


GRAPHS = (vit, positions, shared, nested, wrapped, many_ends, pictures, between)
for family, k in FAMILIES.items():
    for make in GRAPHS:
        if not wanted(make.__name__):
            continue
        k.backend.clear_session()
        k.utils.set_random_seed(7)
        model = make(k)
        randomize(model)
        rng = np.random.default_rng(5)
        x = [rng.uniform(-1, 1, (3, *i.shape[1:])).astype("float32") for i in model.inputs]
        if make is positions:
            x[1] = rng.permutation(48).reshape(3, 16).astype("float32") % 16
        x = x if len(x) > 1 else x[0]
        theirs = flat(answers(model, x))
        for saved in SAVED:
            model.save(saved)
            what = f"{family}, {make.__name__}, {saved.suffix}"
            expect_same_predictions(what, saved, x, theirs)
            # MultiHeadAttention has no words that both families read: .keras has those of Keras 3, .h5 those it came with
            attention = make in (vit, positions)
            expect_round_trip(what, keras if attention and saved.suffix == ".keras" else k, saved, x, theirs)
            if not attention:
                other = next(o for o in FAMILIES.values() if o is not k)
                expect_round_trip(f"{what}, in the other family", other, saved, x, theirs)
        if make in (vit, nested, wrapped):
            model.compile(k.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
            model.save(SAVED[0])
            expect_same_step(f"{family}, {make.__name__}", k, model, SAVED[0], 1e-3)

finish()

"""Models of channels_first, of both families: hone opens them channels last, with the same outputs for the same pictures,
and Keras opens what hone writes of them."""

import os

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # TensorFlow's own convolutions are channels last on a CPU

import numpy as np
from common import FAMILIES, FOLDER, answers, driver, expect, finish, hone_predict

FIRST = {"data_format": "channels_first"}


def chain(k):
    """A Flatten that counts on the file's order, another that does not. (No map is as wide as it has channels: Keras 3.15
    on TensorFlow would add the biases along the width.)"""
    L = k.layers
    x = inputs = k.Input((3, 9, 10))
    x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu", **FIRST)(x)
    x = L.BatchNormalization(axis=1)(x)
    x = L.MaxPooling2D(2, padding="same", **FIRST)(x)
    x = L.Add()([L.Flatten()(x), L.Flatten(**FIRST)(x)])
    return k.Model(inputs, L.Dense(3, activation="softmax")(x))


def graph(k):
    L = k.layers
    x = inputs = k.Input((3, 12, 10))
    x = L.Rescaling(2.0, 0.1)(x)
    x = L.ZeroPadding2D(((1, 0), (2, 1)), **FIRST)(x)
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu", **FIRST)(x)
    s = L.GlobalAveragePooling2D(**FIRST)(x)
    x = L.Multiply()([x, L.Reshape((6, 1, 1))(L.Dense(6, activation="sigmoid")(s))])
    x = L.Concatenate(axis=1)([x, L.DepthwiseConv2D(3, padding="same", **FIRST)(x)])
    x = L.Concatenate(axis=2)([x, x])
    x = L.PReLU(shared_axes=[2, 3])(x)
    x = L.PReLU()(x)
    x = L.UpSampling2D(2, **FIRST)(x)
    x = L.Cropping2D(((1, 0), (2, 1)), **FIRST)(x)
    x = L.SeparableConv2D(5, 3, **FIRST)(x)
    x = L.AveragePooling2D(2, padding="same", **FIRST)(x)
    x = L.Permute((3, 1, 2))(L.Permute((2, 3, 1))(x))
    x = L.Dense(4)(x)
    x = L.LayerNormalization()(x)
    x = L.Softmax(axis=1)(x)
    x = L.Reshape((5, -1, 2))(x)
    x = L.Conv2DTranspose(3, 2, strides=2, **FIRST)(x)
    x = L.SpatialDropout2D(0.1, **FIRST)(x)
    x = L.Permute((1, 3, 2))(x)
    return k.Model(inputs, L.Dense(3)(L.Flatten()(x)))


def pictures_out(k):
    """Out come pictures: hone's are channels last as well."""
    L = k.layers
    x = inputs = k.Input((1, 8, 6))
    x = L.Conv2D(4, 3, padding="same", **FIRST)(x)
    return k.Model(inputs, L.Conv2D(2, 3, padding="same", **FIRST)(x))


def within(k):
    """Models within, one called twice, one that knows nothing of channels."""
    L = k.layers
    block = k.Sequential([k.Input((3, 8, 8)), L.Conv2D(3, 3, padding="same", **FIRST), L.ReLU()], name="block")
    top = k.Sequential([k.Input((3, 8, 8)), L.Flatten(), L.Dense(4)], name="top")
    inputs = k.Input((3, 8, 8))
    x = block(block(inputs))
    return k.Model(inputs, L.Dense(3)(L.Add()([top(x), top(inputs)])))


def last_at_the_door(k):
    """The network is channels first, its pictures are not."""
    L = k.layers
    x = inputs = k.Input((8, 7, 1))
    x = L.Conv2D(4, 3, **FIRST)(L.Permute((3, 1, 2))(x))
    return k.Model(inputs, L.Dense(3)(L.Flatten()(x)))


def randomize(model):
    rng = np.random.default_rng(5)
    model.set_weights([rng.uniform(0.2, 0.6, w.shape) for w in model.get_weights()])


def last(x):
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


for family, k in FAMILIES.items():
    for make in (chain, graph, pictures_out, within, last_at_the_door):
        k.backend.clear_session()
        model = make(k)
        randomize(model)
        x = np.random.default_rng(3).uniform(0, 1, (4, *model.input_shape[1:])).astype("float32")
        y = last(np.asarray(answers(model, x)))
        x = x if make is last_at_the_door else last(x)
        scale = max(1.0, np.abs(y).max())
        for kind in ("h5", "keras"):
            path, again = FOLDER / f"model.{kind}", FOLDER / f"again.{kind}"
            model.save(path)
            found = hone_predict(path, x)
            difference = np.abs(found - y.reshape(len(y), -1)).max() / scale
            driver("copy", path, again) if kind == "h5" else driver("export", path, "keras", again)
            back = k.models.load_model(again, compile=False)
            returned = np.abs(np.asarray(answers(back, x)) - y).max() / scale
            worst = max(difference, returned)
            expect(f"{family} {make.__name__} .{kind}", worst <= 1e-5, f"{difference:.1e}, read back {returned:.1e}")

finish()

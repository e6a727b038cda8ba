"""Writes golden files with the real Keras 1, on Theano and on TensorFlow, in both orders of dimensions.

Needs an environment of its own, of Python 3.6 (the last that TensorFlow 1.4 has a wheel for):

    python3.6 -m venv keras1
    keras1/bin/pip install keras==1.2.2 Theano==1.0.5 tensorflow==1.4.1 "protobuf<3.18" "numpy<1.17" "scipy<1.3" "h5py<3"
    keras1/bin/python tests/golden/make_real_keras1.py theano
    keras1/bin/python tests/golden/make_real_keras1.py tensorflow

Inputs and outputs of four axes are stored as hone has them, channels last.
"""

import os
import sys

BACKEND = sys.argv[1]
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import h5py
import keras
import numpy as np
from keras import backend as K
from keras import layers as L
from keras.models import Model, Sequential

if BACKEND == "theano":
    import theano.ifelse  # noqa: F401  Keras 1 uses it and leaves it to others to import

ACCEPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "accept")
WEIGHTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keras1-weights")


def randomize(model):
    rng = np.random.RandomState(11)
    values = []
    for weight in model.weights:
        positive = "gamma" in weight.name or "running_std" in weight.name
        low, high = (0.5, 1.5) if positive else (-0.5, 0.5)
        values.append(rng.uniform(low, high, K.get_value(weight).shape))
    for weight, value in zip(model.weights, values):
        K.set_value(weight, value.astype("float32"))


def last(x, order):
    return x.transpose(0, 2, 3, 1) if order == "th" and x.ndim == 4 else x


def write(model, order, path, weights=None):
    """Keras' own file, and beside it what it says to random pictures."""
    randomize(model)
    x = np.random.RandomState(7).uniform(0, 1, (3,) + model.input_shape[1:]).astype("float32")
    y = model.predict(x)
    model.save(path)
    if weights:
        model.save_weights(weights)
    with h5py.File(path, "r+") as file:
        file["golden/inputs"] = last(x, order)
        file["golden/outputs"] = last(y, order).astype("float32")


def chain(order):
    """What VGG and its like were put together of; what 'same' means where Theano and TensorFlow differ as well."""
    shape = (3, 9, 8) if order == "th" else (9, 8, 3)
    o = {"dim_ordering": order}
    return Sequential(
        [
            L.ZeroPadding2D((1, 1), input_shape=shape, **o),
            L.Convolution2D(4, 3, 2, activation="relu", **o),
            L.MaxPooling2D((2, 2), strides=(2, 1), **o),
            L.BatchNormalization(axis=1 if order == "th" else 3),
            L.Convolution2D(5, 3, 3, border_mode="same", bias=False, **o),
            L.LeakyReLU(0.2),
            L.Convolution2D(4, 3, 3, border_mode="same", subsample=(2, 2), **o),
            L.Convolution2D(4, 2, 4, border_mode="same", activation="tanh", **o),
            L.AveragePooling2D((2, 2), strides=(1, 1), **o),
            L.SpatialDropout2D(0.1, **o),
            L.Flatten(),
            L.Dense(6, activation="hard_sigmoid", W_regularizer="l2"),
            L.Dropout(0.25),
            L.Dense(3),
            L.Activation("softmax"),
        ]
    )


def graph(order):
    th = order == "th"
    o, axis = {"dim_ordering": order}, 1 if th else 3
    x = inputs = L.Input((2, 8, 7) if th else (8, 7, 2))
    x = L.Convolution2D(4, 3, 3, border_mode="same", **o)(x)
    a = L.PReLU()(x)  # with shared_axes Keras 1 cannot read its own file
    b = L.AtrousConvolution2D(4, 3, 3, border_mode="same" if BACKEND == "tensorflow" else "valid", atrous_rate=(2, 2), **o)(x)
    if BACKEND == "theano":
        b = L.ZeroPadding2D((2, 2), **o)(b)
    if BACKEND == "tensorflow":
        b = L.SeparableConvolution2D(4, 3, 3, border_mode="same", depth_multiplier=2, **o)(b)
    x = L.merge([a, b], mode="sum")
    c = L.merge([a, b], mode="mul")
    d = L.merge([a, b], mode="max")
    x = L.merge([x, c, d], mode="concat", concat_axis=axis)
    x = L.UpSampling2D((2, 1), **o)(x)
    size = (None, 3, 33, 15) if th else (None, 33, 15, 3)
    x = L.Deconvolution2D(3, 3, 3, size, subsample=(2, 2), **o)(x)
    x = L.ELU()(x)
    x = L.Cropping2D(((1, 0), (2, 1)), **o)(x)
    p = L.GlobalAveragePooling2D(**o)(x)
    q = L.GlobalMaxPooling2D(**o)(x)
    r = L.Dense(3)(L.Flatten()(L.Reshape((8, -1) if th else (-1, 8))(L.MaxPooling2D((4, 3), **o)(x))))
    x = L.merge([p, q, r], mode="ave")
    return Model(inputs, L.Dense(3, activation="softmax")(x))


if __name__ == "__main__":
    for order in ("th", "tf"):
        K.set_image_dim_ordering(order)
        K.clear_session() if BACKEND == "tensorflow" else None
        name = os.path.join(ACCEPT, "real-keras1-%s-%s" % (BACKEND, order))
        write(chain(order), order, name + "-chain.h5", weights=os.path.join(WEIGHTS, os.path.basename(name) + "-chain.h5"))
        write(graph(order), order, name + "-graph.h5")
    print(keras.__version__, BACKEND)

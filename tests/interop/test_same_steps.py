"""The same training: from the same weights, over the same batches, ten steps give the same losses and weights."""

import os

import numpy as np
from common import FAMILIES, FOLDER, data_files, driver, expect, expect_close, finish, pictures, sequential

STEPS, BATCH = 10, 16
TOLERANCE = 1e-4


def plain(k):
    L = k.layers
    return sequential(
        k,
        (14, 14, 1),
        [
            L.Conv2D(8, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(8, 3, padding="same"),
            L.ReLU(),
            L.Flatten(),
            L.Dense(16, activation="relu", kernel_regularizer=k.regularizers.L2(0.01)),
            L.Dense(7, activation="softmax"),
        ],
    )


def wide(k):
    # enough channels for 3x3 convolutions to go by Winograd's way, pooled and not
    L = k.layers
    return sequential(
        k,
        (14, 14, 3),
        [
            L.Conv2D(32, 3, padding="same", activation="relu"),
            L.Conv2D(48, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(48, 3, padding="same", activation="relu"),
            L.Conv2D(48, 3),
            L.Flatten(),
            L.Dense(7, activation="softmax"),
        ],
    )


def normalized(k):
    # no bias in front of a batch normalisation: its gradient is noise around zero, which Adam blows up to whole steps
    L = k.layers
    return sequential(
        k,
        (14, 14, 3),
        [
            L.Conv2D(6, 3, use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
            L.DepthwiseConv2D(3, padding="same"),
            L.AveragePooling2D(2),
            L.Flatten(),
            L.Dense(7, activation="softmax"),
        ],
    )


def constrained(k):
    # weights and activations that are held: constraints behind every update, activity regularizers in the loss
    L, C = k.layers, k.constraints
    return sequential(
        k,
        (14, 14, 1),
        [
            L.Conv2D(6, 3, activation="tanh", kernel_constraint=C.MaxNorm(0.7, axis=[0, 1, 2]), bias_constraint="non_neg"),
            L.DepthwiseConv2D(3, depthwise_constraint=C.UnitNorm(axis=[0, 1]), activity_regularizer=k.regularizers.L2(1e-4)),
            L.ActivityRegularization(l1=1e-4, l2=1e-4),
            L.Resizing(8, 7, interpolation="bicubic"),
            L.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=0),
            L.UnitNormalization(axis=-1),
            L.Flatten(),
            L.Dense(7, activation="softmax", kernel_constraint=C.MinMaxNorm(0.2, 0.8, rate=0.9, axis=0)),
        ],
    )


def train_with_keras(model, x, y):
    losses = []
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        model.reset_metrics()
        losses.append(model.train_on_batch(x[part], y[part], return_dict=True)["loss"])
    return [float(np.asarray(loss)) for loss in losses]


def optimizers(k):
    O = k.optimizers
    return {
        "Adam": lambda: O.Adam(0.003),
        "Adam amsgrad": lambda: O.Adam(0.003, amsgrad=True),
        "AdamW": lambda: O.AdamW(0.003, weight_decay=0.05),
        "SGD momentum": lambda: O.SGD(0.05, momentum=0.9),
        "SGD nesterov": lambda: O.SGD(0.05, momentum=0.9, nesterov=True),
        "RMSprop": lambda: O.RMSprop(0.002),
        "RMSprop centered": lambda: O.RMSprop(0.002, momentum=0.5, centered=True),
        "Adam clipnorm": lambda: O.Adam(0.003, clipnorm=0.1),
        "SGD global_clipnorm": lambda: O.SGD(0.1, global_clipnorm=0.5),
    }


def distance(a, b):
    return np.sqrt(sum(float(np.sum((x - y) ** 2)) for x, y in zip(a, b)))


for family, k in FAMILIES.items():
    for net in (plain, wide, normalized, constrained):
        for name, make in optimizers(k).items():
            if net is constrained and name != "Adam":
                continue
            if net is not plain and name not in ("Adam", "SGD momentum", "RMSprop"):
                continue
            k.utils.set_random_seed(5)
            model = net(k)
            model.compile(make(), "sparse_categorical_crossentropy", metrics=["accuracy"])
            images, labels = pictures(STEPS * BATCH, model.input_shape[1:], 7, seed=3)
            what = f"{family}, {net.__name__}, {name}"
            start, end = FOLDER / "start.h5", FOLDER / "end.h5"
            model.save(start)
            losses = train_with_keras(model, images.astype("float32") / 255, labels)
            expect(f"{what}: it learns", losses[-1] < losses[0], f"{losses[0]:.3f} to {losses[-1]:.3f}")
            before = [np.asarray(w) for w in k.models.load_model(start, compile=False).weights]
            after = [np.asarray(w) for w in model.weights]
            moved = distance(after, before)
            for level in ("scalar", "best"):
                os.environ.pop("HONE_CPU", None)
                if level == "scalar":
                    os.environ["HONE_CPU"] = level
                ours = driver("fit", start, *data_files(images, labels), BATCH, 1, "file", end)
                expect_close(f"{what}: losses, {level}", ours["losses"], losses, TOLERANCE)
                trained = [np.asarray(w) for w in k.models.load_model(end).weights]
                worst = max(float(np.max(np.abs(a - b))) for a, b in zip(trained, after))
                apart = distance(trained, after) / moved
                # Kernels with sums of their own have roundings of their own. Where they move one activation over the edge
                # of a ReLU or make another the largest of a pooling, that filter's gradient is another, and RMSprop makes
                # much of a small one: the weights are held to the way that they went, not one by one.
                if level == "scalar" or (net, name) != (wide, "RMSprop"):
                    expect(f"{what}: weights, {level}", worst <= TOLERANCE, f"{worst:.2g}")
                expect(f"{what}: weights as a whole, {level}", apart <= 1e-3, f"{apart:.2g} of the way")

# Half the way in Keras, the optimizer's state through the file, the other half in hone.
for family, k in FAMILIES.items():
    for name in ("Adam", "SGD momentum", "RMSprop centered"):
        k.utils.set_random_seed(6)
        model = plain(k)
        model.compile(optimizers(k)[name](), "sparse_categorical_crossentropy", metrics=["accuracy"])
        images, labels = pictures(STEPS * BATCH, model.input_shape[1:], 7, seed=4)
        x = images.astype("float32") / 255
        train_with_keras(model, x, labels)
        half, end = FOLDER / "half.h5", FOLDER / "end.h5"
        model.save(half)
        losses = train_with_keras(model, x, labels)
        ours = driver("resume", half, *data_files(images, labels), BATCH, 1, "file", end)
        expect_close(f"{family}, {name} continued from Keras: losses", ours["losses"], losses, TOLERANCE)
        expect(f"{family}, {name} continued from Keras: steps", ours["iterations"] == 2 * STEPS, ours["iterations"])

finish()

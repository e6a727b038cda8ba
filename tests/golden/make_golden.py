"""Writes the golden model files beside this script, with the real Keras 3 and tf-keras.

Each .h5 is what the library's own model.save wrote, plus a group `golden` with `inputs` and the `outputs` that the
library computed for them; tests/unit/format/test_golden.c loads the file, predicts, and compares. What no installed
version writes any more (Keras 2.2 … 2.4, chunked attributes; Keras 1 and 2.0 by make_keras1.py) is made with h5py in the
form those versions gave it.
accept/ holds what must load; reject/ what must be refused, named by the reason; mixed/ what Keras computed in bfloat16.

    scripts/python-env && .venv/bin/python tests/golden/make_golden.py

Names of files behind it ("keras3-noise") make only those models of single layers anew, and leave the rest alone.
"""

import json
import os
import pathlib
import shutil
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import h5py
import keras
import make_keras1
import numpy as np
import tf_keras

HERE = pathlib.Path(__file__).parent
ACCEPT = HERE / "accept"
REJECT = HERE / "reject"
MIXED = HERE / "mixed"


def inputs_for(model, samples=3):
    shape = (samples,) + tuple(model.input_shape[1:])
    return np.random.default_rng(7).uniform(0, 1, shape).astype("float32")


def randomize(model, seed=11):
    """Every weight away from its initial value: a bias of zeros would hide that it was not read."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.uniform(-0.5, 0.5, weight.shape)
        if "variance" in weight.name:
            values = rng.uniform(0.5, 2.0, weight.shape)
        if "gamma" in weight.name:
            values = rng.uniform(0.5, 1.5, weight.shape)
        if "count" in weight.name:
            continue
        weight.assign(values.astype("float32"))


def add_golden(path, x, y):
    with h5py.File(path, "a") as file:
        group = file.create_group("golden")
        group["inputs"] = x.astype("float32")
        group["outputs"] = np.asarray(y, "float32")


def save(model, name):
    path = ACCEPT / f"{name}.h5"
    model.save(path)
    x = inputs_for(model)
    add_golden(path, x, model.predict(x, verbose=0))
    return path


def families():
    return (("keras3", keras), ("tfkeras", tf_keras))


# ---- every layer type -----------------------------------------------------------------------------------------------


def layer_models(k):
    """(name, layers): small Sequentials that between them use every layer and the arguments that matter."""
    L = k.layers
    yield "conv", (8, 9, 3), [
        L.Conv2D(4, 3, padding="same", activation="relu", name="first"),
        L.Conv2D(6, (3, 2), strides=(2, 1), use_bias=False),
        L.Conv2D(6, 3, dilation_rate=2, padding="same", groups=2, activation="tanh"),
        L.GlobalAveragePooling2D(),
        L.Dense(3, activation="softmax"),
    ]
    yield "depthwise", (7, 6, 2), [
        L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu"),
        L.DepthwiseConv2D((2, 3), strides=2, use_bias=False),
        L.Flatten(),
        L.Dense(4),
    ]
    yield "separable", (7, 7, 3), [
        L.SeparableConv2D(5, 3, depth_multiplier=2, padding="same", activation="relu"),
        L.SeparableConv2D(4, 3, use_bias=False),
        L.GlobalMaxPooling2D(),
    ]
    yield "pooling", (9, 8, 2), [
        L.ZeroPadding2D(((1, 2), (0, 3))),
        L.MaxPooling2D(3, strides=2, padding="same"),
        L.AveragePooling2D(2, strides=1, padding="same"),
        L.MaxPooling2D((1, 2)),
        L.AveragePooling2D(2),
        L.GlobalAveragePooling2D(keepdims=True),
        L.Flatten(),
        L.Dense(2, activation="sigmoid"),
    ]
    yield "normalization", (6, 5, 3), [
        L.BatchNormalization(),
        L.Conv2D(4, 2),
        L.BatchNormalization(scale=False, epsilon=1e-5),
        L.ReLU(),
        L.BatchNormalization(center=False, momentum=0.9),
        L.LayerNormalization(),
        L.Flatten(),
        L.LayerNormalization(epsilon=1e-4),
        L.Dense(3),
    ]
    yield "activations", (4, 4, 2), [
        L.Conv2D(4, 1, activation="elu"),
        L.LeakyReLU(0.2),
        L.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.05),
        L.ELU(0.7),
        L.Activation("swish"),
        L.Conv2D(4, 1, activation="gelu"),
        L.Activation("selu"),
        L.Activation("hard_sigmoid"),
        L.Activation("softplus"),
        L.Flatten(),
        L.Dense(5, activation="softsign"),
        L.Dense(5, activation="exponential"),
        L.Softmax(),
    ]
    yield "reshaping", (4, 6, 1), [
        L.Rescaling(1 / 127.5, offset=-1.0),
        L.Reshape((6, 2, -1)),
        L.SpatialDropout2D(0.3),
        L.Conv2D(3, 2),
        L.Flatten(),
        L.Dropout(0.5),
        L.Dense(4, activation="relu"),
    ]
    yield "random", (10, 12, 3), [
        L.RandomFlip(),
        L.RandomFlip("vertical", seed=3),
        L.RandomRotation(0.1, fill_mode="constant", fill_value=0.5),
        L.RandomTranslation(0.2, (-0.1, 0.3), fill_mode="wrap"),
        L.RandomZoom((-0.2, 0.1), interpolation="nearest"),
        L.RandomZoom(0.1, 0.2, fill_mode="nearest"),
        L.RandomContrast(0.3),
        L.RandomBrightness(0.2, value_range=(0.0, 1.0)),
        L.Rescaling(2.0, offset=-1.0),
        L.Flatten(),
        L.Dense(4),
    ]
    yield "identity", (5, 6, 2), [
        L.Identity(),
        L.Reshape((15, 4)),
        L.SpatialDropout1D(0.3),
        L.GlobalMaxPooling1D(),
        L.Dense(3),
    ]
    yield "noise", (5, 6, 4), [
        L.GaussianNoise(0.3),
        L.Conv2D(4, 2, activation="selu", activity_regularizer="l2"),
        L.AlphaDropout(0.2),
        L.GaussianDropout(0.25),
        L.ActivityRegularization(l1=0.01, l2=0.02),
        L.UnitNormalization(),
        L.Softmax(axis=1),
        L.PReLU(shared_axes=[1, 2]),
        L.LeakyReLU(),
        L.ELU(),
        L.Flatten(),
        L.Dense(3),
    ]
    yield "axes", (4, 5, 3), [
        L.UnitNormalization(axis=(1, 3)),
        L.Softmax(axis=[1, 2]),
        L.Flatten(),
        L.Dense(3),
    ]
    constraints = k.constraints
    yield "constraints", (5, 6, 4), [
        L.Conv2D(4, 2, kernel_constraint=constraints.MaxNorm(1.5, axis=[0, 1, 2]), bias_constraint="non_neg"),
        L.DepthwiseConv2D(2, depthwise_constraint=constraints.UnitNorm(axis=[0, 1])),
        L.SeparableConv2D(3, 2, pointwise_constraint="max_norm"),
        L.BatchNormalization(gamma_constraint=constraints.MinMaxNorm(0.5, 1.5, 0.9)),
        L.PReLU(alpha_constraint="non_neg"),
        L.Flatten(),
        L.Dense(3, kernel_constraint=constraints.MinMaxNorm(0.1, 0.7), kernel_regularizer=k.regularizers.L1L2(0.01, 0.02)),
    ]
    yield "transposed", (4, 5, 2), [
        L.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=(0, 1)),
        L.Conv2DTranspose(2, (3, 2), strides=3, output_padding=(2, 1)),
        L.Conv2DTranspose(2, 4, strides=2, padding="same"),
        L.Flatten(),
        L.Dense(3),
    ]
    kinds = ("bicubic", "lanczos3", "lanczos5", "nearest", "bilinear")
    kinds += () if k is keras else ("area", "gaussian", "mitchellcubic")
    for kind in kinds:  # larger one way, smaller the other
        yield f"resizing-{kind}", (11, 9, 2), [L.Resizing(7, 13, interpolation=kind), L.Flatten(), L.Dense(3)]
    if k is keras:
        for kind in kinds:
            yield f"resizing-{kind}-antialias", (17, 9, 2), [
                L.Resizing(5, 6, interpolation=kind, antialias=True, pad_to_aspect_ratio=True, fill_value=0.25),
                L.Resizing(9, 3, interpolation=kind, antialias=True, crop_to_aspect_ratio=True),
                L.Flatten(),
                L.Dense(3),
            ]
    if k is keras:
        unit = {"value_range": (0.0, 1.0)}
        yield "random-values", (10, 12, 3), [
            L.RandomShear(0.2, 0.1, fill_mode="wrap", interpolation="nearest"),
            L.RandomPerspective(0.5, scale=0.3, fill_value=0.5),
            L.RandomElasticTransform((0.2, 0.5), 0.4, fill_mode="nearest", **unit),
            L.RandomHue((0.1, 0.3), **unit),
            L.RandomSaturation(0.3, **unit),
            L.RandomColorDegeneration(0.4, **unit),
            L.RandomGrayscale(0.3),
            L.RandomInvert(0.4, **unit),
            L.RandomPosterization((3, 6), **unit),
            L.RandomSharpness(0.5, **unit),
            L.Solarization(0.2, (0.3, 0.9), **unit),
            L.RandomErasing(0.6, scale=(0.1, 0.2), fill_value=(0.1, 0.2, 0.3), **unit),
            L.RandomErasing(**unit),
            L.RandomGaussianBlur(0.5, kernel_size=(5, 3), sigma=(0.2, 0.9), **unit),
            L.RandomColorJitter(brightness_factor=0.2, contrast_factor=(0.1, 0.4), hue_factor=0.1, **unit),
            L.AutoContrast(**unit),
            L.Flatten(),
            L.Dense(4),
        ]
    if k is keras:
        yield "rms", (5, 6), [L.Dense(4), L.RMSNormalization(), L.Dense(4), L.RMSNormalization(epsilon=0.1), L.Dense(3)]
    if k is keras:
        yield "adaptive", (11, 9, 3), [
            L.AdaptiveMaxPooling2D((7, 9)),
            L.Conv2D(4, 2, activation="relu"),
            L.AdaptiveAveragePooling2D((4, 3)),
            L.AdaptiveAveragePooling2D(2),
            L.Flatten(),
            L.Dense(3),
        ]
    else:
        yield "thresholded", (6,), [L.Dense(8), L.ThresholdedReLU(0.3), L.Dense(8), L.ThresholdedReLU(), L.Dense(3)]
    if k is not keras:  # Keras 3 leaves the picture as large as it is in inference, which no model can use
        yield "random-crop", (10, 12, 3), [L.RandomCrop(6, 8), L.RandomCrop(9, 5), L.Flatten(), L.Dense(4)]


def sequential(k, shape, layers, name):
    first = k.layers.InputLayer(shape) if k is keras else k.layers.InputLayer(input_shape=shape)
    model = k.Sequential([first, *layers], name=name)
    randomize(model)
    return model


def save_random(model, name):
    """Keras 3 (3.15) cannot save its random layers as .h5, it stumbles over their generators: saves the model without
    them, which has the same weights, and then says what the model is in its own JSON."""
    layers = [layer for layer in model.layers if not hasattr(layer, "generator")]
    plain = keras.Sequential([keras.layers.InputLayer(model.input_shape[1:]), *layers])
    path = ACCEPT / f"{name}.h5"
    plain.save(path)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = model.to_json()
        weights = file["model_weights"]
        weights.attrs["layer_names"] = np.array([layer.name.encode() for layer in model.layers])
        for layer in model.layers:
            if layer.name not in weights:
                weights.create_group(layer.name).attrs["weight_names"] = np.array([], "float64")
    x = inputs_for(model)
    add_golden(path, x, model.predict(x, verbose=0))


def make_layers(only=()):
    for family, k in families():
        for name, shape, layers in layer_models(k):
            if only and f"{family}-{name}" not in only:
                continue
            model = sequential(k, shape, layers, name)
            if k is keras and name.startswith("random"):
                save_random(model, f"{family}-{name}")
            else:
                save(model, f"{family}-{name}")


# ---- compiled models with the optimizer's state ---------------------------------------------------------------------


def small_cnn(k):
    L = k.layers
    return sequential(
        k,
        (8, 8, 1),
        [
            L.Conv2D(3, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dense(3, activation="softmax"),
        ],
        "small_cnn",
    )


def fit_some(model):
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 1, (24,) + tuple(model.input_shape[1:])).astype("float32")
    y = rng.integers(0, 3, 24)
    model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)


def slot_arrays(model):
    """{slot: [array per trainable weight]} as the running optimizer has them."""
    slots = {}
    for slot, attributes in {
        "m": ("_momentums", "momentums"),
        "v": ("_velocities",),
        "vhat": ("_velocity_hats",),
        "average_gradient": ("_average_gradients",),
    }.items():
        for attribute in attributes:
            arrays = getattr(model.optimizer, attribute, None)
            if arrays:
                slots[slot] = [np.asarray(a) for a in arrays]
                break
    return slots


def add_slots(path, model):
    """What a reader must find: golden/slots/<slot>/<i>, i counting the trainable weights."""
    with h5py.File(path, "a") as file:
        file["golden/iterations"] = np.int64(int(np.asarray(model.optimizer.iterations)))
        for slot, arrays in slot_arrays(model).items():
            for i, array in enumerate(arrays):
                file[f"golden/slots/{slot}/{i}"] = array.astype("float32")


def graph_models(k):
    """Small Functionals: branches, a layer applied twice, a model within a model, arithmetic, attention."""
    L = k.layers
    i = L.Input((6, 6, 2))
    tower = k.Sequential([L.Input((6, 6, 3)), L.Conv2D(3, 3, padding="same", name="c"), L.BatchNormalization()], name="tower")
    x = L.Conv2D(3, 1)(i)
    relu = L.ReLU(6.0)
    y = L.Multiply()([relu(tower(x)), L.Conv2D(3, 1, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(x))])
    y = L.Add()([tower(y), x, relu(y)]) * 0.5
    y = L.Concatenate()([L.AveragePooling2D(2)(y), L.MaxPooling2D(2)(y)])
    yield "graph", k.Model(i, L.Dense(3, activation="softmax")(L.Flatten()(y)), name="graph")
    i = L.Input((8, 8, 1))
    x = L.Reshape((16, 8))(L.Conv2D(8, 2, strides=2)(i))
    y = L.LayerNormalization()(x)
    x = L.Add()([x, L.MultiHeadAttention(2, 3)(y, y)])
    x = L.Add()([x, L.Dense(8, activation="gelu")(L.LayerNormalization()(x))])
    yield "attention", k.Model(i, L.Dense(3)(L.GlobalAveragePooling1D()(x)), name="attention")


def make_graphs():
    for family, k in families():
        for name, model in graph_models(k):
            randomize(model)
            save(model, f"{family}-{name}")


def make_compiled():
    for family, k in families():
        O = k.optimizers
        cases = {
            "adam": O.Adam(0.002),
            "adam-amsgrad": O.Adam(0.002, amsgrad=True),
            "sgd-momentum": O.SGD(0.05, momentum=0.9, nesterov=True),
            "rmsprop": O.RMSprop(0.003, momentum=0.5, centered=True),
        }
        for name, optimizer in cases.items():
            model = small_cnn(k)
            model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
            fit_some(model)
            add_slots(save(model, f"{family}-compiled-{name}"), model)

    # tf.keras' first optimizers, still there under legacy: by slot, "Adam/iter:0"
    model = small_cnn(tf_keras)
    optimizer = tf_keras.optimizers.legacy.Adam(0.002)
    model.compile(optimizer, tf_keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    fit_some(model)
    path = save(model, "tfkeras-compiled-legacy-adam")
    with h5py.File(path, "a") as file:
        file["golden/iterations"] = np.int64(int(optimizer.iterations.numpy()))
        for slot in ("m", "v"):
            for i, weight in enumerate(model.trainable_weights):
                file[f"golden/slots/{slot}/{i}"] = optimizer.get_slot(weight, slot).numpy()
    standalone_optimizer(path)

    # other losses and metrics: only the configuration matters
    for family, k in families():
        model = small_cnn(k)
        model.compile(
            k.optimizers.SGD(0.1),
            k.losses.CategoricalCrossentropy(label_smoothing=0.1, from_logits=True),
            metrics=[k.metrics.TopKCategoricalAccuracy(k=2), "accuracy", k.metrics.AUC()],
        )
        save(model, f"{family}-compiled-objects")


# ---- forms that no installed version writes -------------------------------------------------------------------------


def texts(names):
    return [n.decode() if isinstance(n, bytes) else n for n in names]


def fixed(names):
    return np.array([n.encode() for n in names])


def standalone_optimizer(path):
    """Keras 2.2-2.3: iterations, all m, all v, all vhat of shape (1,); fixed-length names."""
    target = ACCEPT / "keras23-compiled-adam.h5"
    shutil.copy(path, target)
    with h5py.File(target, "a") as file:
        file.attrs["keras_version"] = np.bytes_(b"2.3.1")
        config = {
            "optimizer_config": {
                "class_name": "Adam",
                "config": {"lr": 0.002, "beta_1": 0.9, "beta_2": 0.999, "decay": 0.0, "epsilon": 1e-7, "amsgrad": False},
            },
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["acc"],
            "sample_weight_mode": None,
            "loss_weights": None,
        }
        file.attrs["training_config"] = np.bytes_(json.dumps(config).encode())
        old = file["optimizer_weights"]
        arrays = [np.asarray(old[n]) for n in texts(old.attrs["weight_names"])]
        count = (len(arrays) - 1) // 2
        del file["optimizer_weights"]
        group = file.create_group("optimizer_weights")
        names = ["Adam/iterations:0"]
        names += [f"training/Adam/m_{i}_1:0" for i in range(count)]
        names += [f"training/Adam/v_{i}_1:0" for i in range(count)]
        names += [f"training/Adam/vhat_{i}_1:0" for i in range(count)]
        arrays += [np.zeros(1, "float32")] * count
        for name, array in zip(names, arrays):
            group[name] = array
        group.attrs["weight_names"] = fixed(names)


def keras22_config(config):
    """The Sequential's config as Keras 2.2.4 wrote it: no InputLayer, VarianceScaling, a bare list."""
    layers = []
    shape = None
    for layer in config["config"]["layers"]:
        layer = json.loads(json.dumps(layer))
        c = layer["config"]
        if layer["class_name"] == "InputLayer":
            shape = c.get("batch_input_shape") or c["batch_shape"]
            continue
        for key in ("groups", "module", "registered_name", "build_config"):
            c.pop(key, None)
            layer.pop(key, None)
        if layers:
            c.pop("dtype", None)
        for key in list(c):
            if isinstance(c[key], dict) and c[key].get("class_name") == "GlorotUniform":
                c[key] = {
                    "class_name": "VarianceScaling",
                    "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None},
                }
            elif isinstance(c[key], dict):
                c[key] = {"class_name": c[key]["class_name"], "config": c[key]["config"]}
        c.pop("batch_input_shape", None)
        if not layers:
            c["batch_input_shape"] = shape
        layers.append(layer)
    return {"class_name": "Sequential", "config": layers}


def make_old():
    model = small_cnn(tf_keras)
    path = save(model, "keras22-fixed-strings")
    with h5py.File(path, "a") as file:
        config = keras22_config(json.loads(file.attrs["model_config"]))
        file.attrs["model_config"] = np.bytes_(json.dumps(config).encode())
        for place in (file, file["model_weights"]):
            place.attrs["keras_version"] = np.bytes_(b"2.2.4")
            place.attrs["backend"] = np.bytes_(b"tensorflow")
        weights = file["model_weights"]
        if "top_level_model_weights" in weights:
            del weights["top_level_model_weights"]
        weights.attrs["layer_names"] = fixed(texts(weights.attrs["layer_names"]))
        for layer in weights.values():
            names = layer.attrs["weight_names"]
            if len(names):
                layer.attrs["weight_names"] = fixed(texts(names))

    # attributes cut into parts, as for models of very many layers; an array of one for the root's strings
    shutil.copy(path, ACCEPT / "chunked-attributes.h5")
    with h5py.File(ACCEPT / "chunked-attributes.h5", "a") as file:
        weights = file["model_weights"]
        names = weights.attrs["layer_names"]
        del weights.attrs["layer_names"]
        for i, part in enumerate(np.array_split(names, 3)):
            weights.attrs[f"layer_names{i}"] = part
        file.attrs["keras_version"] = fixed(["2.2.4"])

    # Keras 3.0-3.2: bare variable names
    path = save(small_cnn(keras), "keras30-bare-names")
    with h5py.File(path, "a") as file:
        for name, layer in file["model_weights"].items():
            stored = texts(layer.attrs["weight_names"])
            if not stored:
                continue
            arrays = [np.asarray(layer[n]) for n in stored]
            for top in list(layer):
                del layer[top]
            for n, array in zip(stored, arrays):
                layer[n.split("/")[-1]] = array
            layer.attrs["weight_names"] = [n.split("/")[-1] for n in stored]

    # re-packed by somebody: float64, gzip, big-endian
    path = save(small_cnn(keras), "repacked-gzip")
    with h5py.File(path, "a") as file:
        paths = []
        file["model_weights"].visititems(lambda n, o: paths.append(n) if isinstance(o, h5py.Dataset) else None)
        for i, n in enumerate(paths):
            array = np.asarray(file["model_weights"][n])
            del file["model_weights"][n]
            dtype = ">f4" if i % 2 else "<f8"
            file["model_weights"].create_dataset(n, data=array, dtype=dtype, compression="gzip", shuffle=True)

    # half precision weights
    path = ACCEPT / "half-weights.h5"
    model = small_cnn(keras)
    for weight in model.weights:
        weight.assign(np.asarray(weight).astype("float16").astype("float32"))
    model.save(path)
    x = inputs_for(model)
    add_golden(path, x, model.predict(x, verbose=0))
    with h5py.File(path, "a") as file:
        paths = []
        file["model_weights"].visititems(lambda n, o: paths.append(n) if isinstance(o, h5py.Dataset) else None)
        for n in paths:
            array = np.asarray(file["model_weights"][n])
            del file["model_weights"][n]
            file["model_weights"].create_dataset(n, data=array.astype("float16"))

    # frozen layers change what is listed as trainable, in one group and in the optimizer's list
    for family, k in families():
        L = k.layers
        head = [L.ReLU(), L.Flatten(), L.Dense(3, activation="softmax")]
        layers = [L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), *head]
        model = sequential(k, (6, 6, 2), layers, "frozen")
        model.layers[0].trainable = False
        model.layers[1].trainable = False
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        fit_some(model)
        add_slots(save(model, f"{family}-frozen"), model)

    # more than ten layers of a kind: the order of groups in the file is not the order of layers
    for family, k in families():
        L = k.layers
        save(sequential(k, (3,), [L.Dense(3, activation="tanh") for _ in range(12)], "many"), f"{family}-many-dense")

    # functional, linear
    for family, k in families():
        L = k.layers
        x = inputs = k.Input((6, 6, 1), name="picture")
        x = L.Conv2D(2, 3, activation="relu", name="conv")(x)
        x = L.MaxPooling2D()(x)
        x = L.Flatten()(x)
        outputs = L.Dense(2, activation="softmax", name="head")(x)
        model = k.Model(inputs, outputs, name="functional")
        randomize(model)
        save(model, f"{family}-functional")


# ---- mixed precision ------------------------------------------------------------------------------------------------


def make_mixed():
    """The policy mixed_bfloat16, all layers but the last; outputs are what Keras computes so, apart from accept/."""
    for family, k in families():
        L = k.layers
        policy = k.mixed_precision.Policy if family == "tfkeras" else k.DTypePolicy
        mixed = policy("mixed_bfloat16")
        layers = [
            L.Conv2D(8, 3, padding="same", activation="relu", dtype=mixed),
            L.MaxPooling2D(dtype=mixed),
            L.Conv2D(12, 3, strides=2, dtype=mixed),
            L.BatchNormalization(dtype=mixed),
            L.ReLU(dtype=mixed),
            L.Flatten(dtype=mixed),
            L.Dense(16, activation="tanh", dtype=mixed),
            L.Dense(5, activation="softmax"),
        ]
        model = sequential(k, (14, 12, 3), layers, "mixed")
        path = MIXED / f"{family}-mixed-bfloat16.h5"
        model.save(path)
        x = inputs_for(model)
        add_golden(path, x, model.predict(x, verbose=0))


# ---- files to refuse ------------------------------------------------------------------------------------------------


def make_rejects():
    L = keras.layers
    base = REJECT / "base.h5"
    keras.Sequential([L.Input((3,)), L.Dense(2, name="head", bias_initializer="ones")], name="base").save(base)

    model = keras.Sequential([L.Input((5, 3)), L.LSTM(4), L.Dense(2)])
    model.save(REJECT / "unsupported-lstm.h5")
    tf_keras.Sequential([tf_keras.layers.Dense(2, input_shape=(3,))]).save_weights(REJECT / "weights-only-legacy.h5")
    keras.Sequential([L.Input((3,)), L.Dense(2)]).save_weights(REJECT / "weights-only.weights.h5")
    with h5py.File(REJECT / "not-keras.h5", "w") as file:
        file["data"] = np.arange(4.0)
    (REJECT / "empty.h5").write_bytes(b"")
    (REJECT / "text.h5").write_text("this is not HDF5\n")
    data = base.read_bytes()
    (REJECT / "truncated.h5").write_bytes(data[: len(data) // 2])
    (REJECT / "broken-config.json").write_text('{"class_name": "Sequential", "config": {"name": "s",\n "layers": [}\n')

    def edited(name, edit):
        shutil.copy(base, REJECT / f"{name}.h5")
        with h5py.File(REJECT / f"{name}.h5", "a") as file:
            edit(file)

    kernel = "model_weights/head/base/head/kernel"

    def replace(file, path):
        array = np.asarray(file[path])
        del file[path]
        return array

    def soft(file):
        file["elsewhere"] = replace(file, kernel)
        file[kernel] = h5py.SoftLink("/elsewhere")

    def external(file):
        replace(file, kernel)
        file[kernel] = h5py.ExternalLink("other.h5", "/kernel")

    def stored_elsewhere(file):
        array = replace(file, kernel)
        file.create_dataset(kernel, array.shape, "float32", external=[("/etc/passwd", 0, array.nbytes)])

    def virtual(file):
        array = replace(file, kernel)
        layout = h5py.VirtualLayout(array.shape, "float32")
        layout[...] = h5py.VirtualSource("other.h5", "kernel", array.shape)
        file.create_virtual_dataset(kernel, layout)

    def bomb(file):
        replace(file, kernel)
        file.create_dataset(kernel, (1 << 20, 1 << 14), "float32", chunks=(64, 64), compression="gzip")[0, 0] = 1

    def wrong_shape(file):
        array = replace(file, kernel)
        file[kernel] = array[:2]

    def missing_weight(file):
        del file[kernel]

    def missing_layer(file):
        file["model_weights"].attrs["layer_names"] = np.zeros(0)

    def extra_layer(file):
        names = texts(file["model_weights"].attrs["layer_names"])
        group = file["model_weights"].create_group("more")
        group["more/kernel"] = np.zeros(3, "float32")
        group.attrs["weight_names"] = ["more/kernel"]
        file["model_weights"].attrs["layer_names"] = names + ["more"]

    def no_weights(file):
        del file["model_weights"]

    def text_weights(file):
        replace(file, kernel)
        file[kernel] = np.array([b"abc"])

    def config_number(file):
        del file.attrs["model_config"]
        file.attrs["model_config"] = 3.0

    def config_broken(file):
        text = file.attrs["model_config"]
        file.attrs["model_config"] = text[: len(text) // 2]

    for name, edit in {
        "soft-link": soft,
        "external-link": external,
        "external-storage": stored_elsewhere,
        "virtual-dataset": virtual,
        "absurd-size": bomb,
        "wrong-shape": wrong_shape,
        "missing-weight": missing_weight,
        "missing-layer": missing_layer,
        "extra-layer": extra_layer,
        "no-weights": no_weights,
        "text-weights": text_weights,
        "config-not-text": config_number,
        "config-broken": config_broken,
    }.items():
        edited(name, edit)
    base.unlink()


def main():
    if len(sys.argv) > 1:
        make_layers(sys.argv[1:])
        return
    for folder in (ACCEPT, REJECT, MIXED):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    make_layers()
    make_graphs()
    make_compiled()
    make_old()
    make_rejects()
    make_mixed()
    make_keras1.make(ACCEPT, REJECT)
    total = sum(p.stat().st_size for p in HERE.rglob("*.*") if p.parent in (ACCEPT, REJECT, MIXED))
    print(f"{len(list(ACCEPT.iterdir()))} to accept, {len(list(REJECT.iterdir()))} to reject, {total} bytes")


if __name__ == "__main__":
    main()

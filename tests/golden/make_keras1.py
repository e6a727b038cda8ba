"""Writes golden files in the form of Keras 1.2 and 2.0, which no installed version writes any more. Those that the real
Keras 1 wrote are make_real_keras1.py's; these can be made, and trained, beside today's.

The models are built and asked with tf-keras; the architecture is then put into the old words and the weights are stored
under the old names by hand, as those versions' sources have them. make_golden.py calls this as well.

    .venv/bin/python tests/golden/make_keras1.py
"""

import json
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import h5py
import numpy as np
import tf_keras

HERE = pathlib.Path(__file__).parent
L = tf_keras.layers


def randomize(model, seed=11):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        low, high = (0.5, 1.5) if "gamma" in weight.name or "variance" in weight.name else (-0.5, 0.5)
        weight.assign(rng.uniform(low, high, weight.shape).astype("float32"))


# ---- the old words --------------------------------------------------------------------------------------------------


def regularizer(l1=0.0, l2=0.0):
    return {"name": "WeightRegularizer", "l1": l1, "l2": l2}


def layer_config(layer):
    """(class, config) of a layer as Keras 1.2's get_config() gives them."""
    c, kind = layer.get_config(), type(layer).__name__
    old = {"name": c["name"], "trainable": True}
    if kind == "InputLayer":
        return kind, {**old, "batch_input_shape": c["batch_input_shape"], "input_dtype": "float32", "sparse": False}
    windows = {"dim_ordering": "tf"}
    if kind in ("Conv2D", "SeparableConv2D"):
        rates = list(c["dilation_rate"])
        name = {"Conv2D": "Convolution2D", "SeparableConv2D": "SeparableConvolution2D"}[kind]
        old.update(windows, nb_filter=c["filters"], nb_row=c["kernel_size"][0], nb_col=c["kernel_size"][1])
        old.update(subsample=list(c["strides"]), border_mode=c["padding"], activation=c["activation"], bias=c["use_bias"])
        old.update(init="glorot_uniform", W_regularizer=regularizer(l2=0.01), b_regularizer=None, W_constraint=None)
        old.update(b_constraint=None, activity_regularizer=None)
        if rates != [1, 1]:
            name, old["atrous_rate"] = "AtrousConvolution2D", rates
        return name, old
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        return kind, {**old, **windows, "pool_size": list(c["pool_size"]), "strides": list(c["strides"]),
                      "border_mode": c["padding"]}  # fmt: skip
    if kind == "ZeroPadding2D":
        (top, bottom), (left, right) = c["padding"]
        return kind, {**old, **windows, "padding": [top, bottom, left, right]}
    if kind in ("GlobalAveragePooling2D", "GlobalMaxPooling2D"):
        return kind, {**old, **windows}
    if kind == "BatchNormalization":
        return kind, {**old, "epsilon": c["epsilon"], "mode": 0, "axis": 3, "momentum": c["momentum"], "beta_init": "zero",
                      "gamma_init": "one", "gamma_regularizer": None, "beta_regularizer": None}  # fmt: skip
    if kind == "Dropout":
        return kind, {**old, "p": c["rate"]}
    if kind == "Dense":
        return kind, {**old, "output_dim": c["units"], "init": "normal", "activation": c["activation"], "bias": c["use_bias"],
                      "W_regularizer": regularizer(l1=0.001), "b_regularizer": None, "input_dim": None,
                      "activity_regularizer": None, "W_constraint": None, "b_constraint": None}  # fmt: skip
    if kind == "PReLU":
        return kind, {**old, "init": "zero", "shared_axes": list(c["shared_axes"])}
    modes = {"Add": "sum", "Multiply": "mul", "Average": "ave", "Maximum": "max", "Concatenate": "concat"}
    if kind in modes:
        return "Merge", {**old, "mode": modes[kind], "mode_type": "raw", "concat_axis": c.get("axis", -1), "dot_axes": -1,
                         "output_shape": None, "output_shape_type": "raw", "arguments": {}, "output_mask": None,
                         "output_mask_type": "raw"}  # fmt: skip
    assert kind in ("Activation", "Flatten", "Reshape", "LeakyReLU", "Permute"), kind
    return kind, {**old, **{key: c[key] for key in ("activation", "target_shape", "alpha", "dims") if key in c}}


def old_config(model):
    if isinstance(model, tf_keras.Sequential):
        layers = []
        for layer in model.layers:
            name, config = layer_config(layer)
            if not layers:
                config["batch_input_shape"], config["input_dtype"] = list(model.input_shape), "float32"
            layers.append({"class_name": name, "config": config})
        return {"class_name": "Sequential", "config": layers}
    config = model.get_config()
    layers = []
    for layer, now in zip(model.layers, config["layers"]):
        name, old = layer_config(layer)
        nodes = [[tensor[:3] for tensor in node] for node in now["inbound_nodes"]]
        layers.append({"class_name": name, "name": layer.name, "config": old, "inbound_nodes": nodes})
    ends = {key: config[key] for key in ("input_layers", "output_layers")}
    return {"class_name": "Model", "config": {"name": model.name, "layers": layers, **ends}}


OLD_NAMES = {"kernel": "W", "bias": "b", "moving_mean": "running_mean", "moving_variance": "running_std", "alpha": "alphas"}


def write(model, path, version="1.2.2", backend="tensorflow", config=None, turn=False):
    """As Keras 1.2's save_model did; turn: the kernels as Theano applies them, backwards."""
    randomize(model)
    x = np.random.default_rng(7).uniform(0, 1, (3, *model.input_shape[1:])).astype("float32")
    with h5py.File(path, "w") as file:
        config = old_config(model) if config is None else config
        file.attrs["keras_version"] = np.bytes_(version.encode())
        file.attrs["model_config"] = np.bytes_(json.dumps(config).encode())
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [np.bytes_(layer.name.encode()) for layer in model.layers]
        group.attrs["keras_version"] = np.bytes_(version.encode())
        group.attrs["backend"] = np.bytes_(backend.encode())
        for layer in model.layers:
            names = []
            for weight in layer.weights:
                variable = weight.name.split("/")[-1].split(":")[0]
                name = f"{layer.name}_{OLD_NAMES.get(variable, variable)}" + ("" if backend == "theano" else ":0")
                values = np.asarray(weight)
                if turn and variable == "kernel" and values.ndim == 4:
                    values = values[::-1, ::-1]
                group.create_group(layer.name) if layer.name not in group else None
                group[layer.name][name] = values
                names.append(np.bytes_(name.encode()))
            if layer.name not in group:
                group.create_group(layer.name)
            group[layer.name].attrs["weight_names"] = names
        file["golden/inputs"] = x
        file["golden/outputs"] = model.predict(x, verbose=0).astype("float32")


# ---- models ---------------------------------------------------------------------------------------------------------


def chain():
    return tf_keras.Sequential(
        [
            L.Conv2D(4, (3, 2), input_shape=(9, 8, 3), activation="relu", name="convolution2d_1"),
            L.MaxPooling2D((2, 2), strides=(2, 1), name="maxpooling2d_1"),
            L.BatchNormalization(name="batchnormalization_1"),
            L.ZeroPadding2D(((1, 0), (2, 1)), name="zeropadding2d_1"),
            L.Conv2D(5, 3, strides=2, padding="same", use_bias=False, name="convolution2d_2"),
            L.LeakyReLU(0.2, name="leakyrelu_1"),
            L.AveragePooling2D(2, padding="same", name="averagepooling2d_1"),
            L.Dropout(0.25, name="dropout_1"),
            L.Flatten(name="flatten_1"),
            L.Dense(6, activation="hard_sigmoid", name="dense_1"),
            L.Dense(3, name="dense_2"),
            L.Activation("softmax", name="activation_1"),
        ]
    )


def graph():
    x = inputs = L.Input((8, 8, 3), name="input_1")
    x = L.Conv2D(4, 3, padding="same", dilation_rate=2, name="atrousconvolution2d_1")(x)
    a = L.PReLU(shared_axes=[1, 2], name="prelu_1")(x)
    b = L.SeparableConv2D(4, 3, padding="same", name="separableconvolution2d_1")(x)
    x = L.Add(name="merge_1")([a, b])
    x = L.Concatenate(axis=-1, name="merge_2")([x, L.Maximum(name="merge_3")([a, b]), L.Multiply(name="merge_4")([a, b])])
    x = L.Average(name="merge_5")([L.GlobalAveragePooling2D(name="g_1")(x), L.GlobalMaxPooling2D(name="g_2")(x)])
    return tf_keras.Model(inputs, L.Dense(3, activation="softmax", name="dense_1")(x), name="model_1")


def make(accept, reject):
    write(chain(), accept / "keras1-chain.h5")
    write(graph(), accept / "keras1-graph.h5")
    write(chain(), accept / "keras1-theano-kernels.h5", backend="theano", turn=True)

    # Keras 2.0: today's words, the layers of a Sequential as a bare list
    model = chain()
    layers = model.get_config()["layers"]
    for layer in layers:
        for key in ("module", "registered_name", "build_config"):
            layer.pop(key, None)
        for key, value in layer["config"].items():
            if isinstance(value, dict):
                layer["config"][key] = {k: value[k] for k in ("class_name", "config")}
    config = {"class_name": "Sequential", "config": layers[1:]}  # without the InputLayer
    layers[1]["config"]["batch_input_shape"] = [None, 9, 8, 3]
    write(model, accept / "keras20-list.h5", version="2.0.9", config=config)

    config = old_config(chain())
    config["config"][2]["config"]["mode"] = 2
    write(chain(), reject / "keras1-mode.h5", config=config)
    config = json.loads(json.dumps(old_config(graph())).replace('"sum"', '"cos"'))
    write(graph(), reject / "keras1-merge.h5", config=config)


if __name__ == "__main__":
    make(HERE / "accept", HERE / "reject")

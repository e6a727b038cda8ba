"""Files of older Keras, trained on: ten steps from the same weights over the same batches give the same losses and weights
in hone, which opens the file, and in the real Keras, which opens it too or, where none does any more (Keras 1), has the
same model built.

Dropout is set to 0 in both: their draws differ.
"""

import json
import re
import shutil
import sys
import zipfile

import h5py
import keras
import numpy as np
import tf_keras
from common import FOLDER, GOLDEN, data_files, driver, expect, expect_close, finish, pictures

sys.path.insert(0, str(GOLDEN))
import make_keras1

STEPS, BATCH = 10, 8


def without_dropout(path):
    """A copy of the file in which no Dropout drops anything."""
    copy = FOLDER / f"start{path.suffix}"

    def edit(text):
        return re.sub(r'"(rate|p)": 0\.25', r'"\1": 0.0', text)

    if path.suffix == ".h5":
        shutil.copy(path, copy)
        with h5py.File(copy, "a") as file:
            text = file.attrs["model_config"]
            text = text.decode() if isinstance(text, bytes) else text
            file.attrs.modify("model_config", np.bytes_(edit(text).encode()))
            file.attrs.pop("training_config", None)
    else:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
            for member in old.namelist():
                data = old.read(member)
                if member == "config.json":
                    config = json.loads(edit(data.decode()))
                    config.pop("compile_config", None)
                    data = json.dumps(config).encode()
                new.writestr(member, data)
    return copy


def regularized(make):
    """What the file of Keras 1 says besides: make_keras1.py writes these regularizers into it."""
    config = make().get_config()
    for layer in config["layers"]:
        if layer["class_name"] == "Conv2D":
            layer["config"]["kernel_regularizer"] = tf_keras.regularizers.L2(0.01)
        if layer["class_name"] == "Dense":
            layer["config"]["kernel_regularizer"] = tf_keras.regularizers.L1(0.001)
        if layer["class_name"] == "Dropout":
            layer["config"]["rate"] = 0.0
    model = type(make()).from_config(config)
    make_keras1.randomize(model)
    return model


def expect_same_steps(what, k, model, start):
    images, labels = pictures(STEPS * BATCH, model.input_shape[1:], 3, seed=9)
    x = images.astype("float32") / 255
    before = [w.numpy() for w in model.weights]
    model.compile(k.optimizers.SGD(0.01), "sparse_categorical_crossentropy", run_eagerly=True)  # no tracing for ten steps
    losses = []
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        model.reset_metrics()
        losses.append(float(np.asarray(model.train_on_batch(x[part], labels[part], return_dict=True)["loss"])))
    end = FOLDER / "end.h5"
    ours = driver("fit", start, *data_files(images, labels), BATCH, 1, "sgd", end)
    expect_close(f"{what}: losses", ours["losses"], losses, 1e-4)
    trained = k.models.load_model(end, compile=False)
    apart = max(float(np.max(np.abs(a.numpy() - b.numpy()))) for a, b in zip(trained.weights, model.weights))
    moved = max(float(np.max(np.abs(a.numpy() - b))) for a, b in zip(model.weights, before))
    expect(f"{what}: weights", len(trained.weights) == len(before) and apart <= 1e-4 < moved, f"{apart:.2g} of {moved:.2g}")


for name, make in {"chain": make_keras1.chain, "theano-kernels": make_keras1.chain, "graph": make_keras1.graph}.items():
    start = without_dropout(GOLDEN / "accept" / f"keras1-{name}.h5")
    expect_same_steps(f"Keras 1, {name}", tf_keras, regularized(make), start)

for name in ("keras20-list", "keras22-fixed-strings", "keras23-compiled-adam"):
    start = without_dropout(GOLDEN / "accept" / f"{name}.h5")
    expect_same_steps(name, tf_keras, tf_keras.models.load_model(start, compile=False), start)

for folder in sorted((GOLDEN / "versions").iterdir()):
    k = tf_keras if folder.name.startswith("tf-keras") else keras
    for name in ("chain", "graph"):
        for suffix in (".h5", ".keras"):
            start = without_dropout(folder / f"{name}{suffix}")
            expect_same_steps(f"{folder.name}, {name}{suffix}", k, k.models.load_model(start, compile=False), start)

finish()

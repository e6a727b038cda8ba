"""Writes tests/golden/versions/NAME with one version of Keras: the same two models in every kind of file that it has.

NAME says which: keras-3.6.0, tf-keras-2.17.0. Each version is installed beside the others and put in front:

    pip install --no-deps --target /tmp/keras-3.6.0 keras==3.6.0
    PYTHONPATH=/tmp/keras-3.6.0 python tests/golden/make_versions.py keras
    pip install --no-deps --target /tmp/tf-keras-2.17.0 tf-keras==2.17.0
    PYTHONPATH=/tmp/tf-keras-2.17.0 python tests/golden/make_versions.py tf_keras

MODEL.h5, MODEL.keras, MODEL.json, MODEL.weights.h5 and, where the version still writes it, MODEL.legacy-weights.h5; and
MODEL.expected.h5 with inputs and what the library computed for them. tests/unit/format/test_versions.c reads them all.

With the program's path behind it, the reverse: hone reads that version's files and writes them in each of its formats, and
the version must read those and predict the same.

    PYTHONPATH=/tmp/keras-3.6.0 python tests/golden/make_versions.py keras build/hone
"""

import importlib
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import h5py
import numpy as np

library = sys.argv[1]
k = importlib.import_module(library)
L = k.layers
HERE = pathlib.Path(__file__).parent
OUT = HERE / "versions" / f"{library.replace('_', '-')}-{k.__version__}"


def sequential():
    return k.Sequential(
        [
            L.Input((8, 8, 3)) if library == "keras" else L.InputLayer((8, 8, 3)),
            L.Conv2D(4, 3, activation="relu", name="stem"),
            L.BatchNormalization(),
            L.SeparableConv2D(5, 3, padding="same"),
            L.PReLU(shared_axes=[1, 2]),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dropout(0.25),
            L.Dense(6, activation="relu", name="z_hidden"),
            L.Dense(3, activation="softmax", name="a_head"),
        ],
        name="chain",
    )


def graph():
    base = k.Sequential(
        [k.Input((8, 8, 3)) if library == "keras" else L.InputLayer((8, 8, 3)), L.Conv2D(4, 3), L.BatchNormalization()],
        name="base",
    )
    side_input = k.Input((6, 6, 4))
    side = k.Model(side_input, L.Add()([L.Dense(4)(side_input), side_input]), name="side")
    x = inputs = k.Input((8, 8, 3))
    x = base(x)
    x = side(x)
    x = L.DepthwiseConv2D(3)(x)
    x = L.Reshape((16, 4))(x)
    x = L.LayerNormalization()(x)
    x = L.Flatten()(x)
    outputs = L.Dense(3, activation="softmax", name="head")(x)
    return k.Model(inputs, outputs, name="graph")


def randomize(model):
    """Away from the first values, but so small that the softmax says something of every class."""
    rng = np.random.default_rng(3)
    ranges = [(0.5, 1.5) if "variance" in weight.name else (-0.4, 0.4) for weight in model.weights]
    model.set_weights([rng.uniform(*r, w.shape).astype("float32") for r, w in zip(ranges, model.weights)])


def write(model, name):
    randomize(model)
    x = np.random.default_rng(5).uniform(0, 1, (4, 8, 8, 3)).astype("float32")
    if name == "chain":
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, np.array([0, 1, 2, 0]), batch_size=2, epochs=1, shuffle=False, verbose=0)
    y = model.predict(x, verbose=0)
    model.save(OUT / f"{name}.keras")
    model.save(OUT / f"{name}.h5")
    model.save_weights(OUT / f"{name}.weights.h5")
    if library == "tf_keras":
        model.save_weights(OUT / f"{name}.legacy-weights.h5")
    (OUT / f"{name}.json").write_text(model.to_json())
    with h5py.File(OUT / f"{name}.expected.h5", "w") as file:
        file["golden/inputs"] = x
        file["golden/outputs"] = y


def read_back(hone, name, folder):
    """What hone makes of this version's file, in this version."""
    source, wrong = OUT / f"{name}.h5", 0
    with h5py.File(OUT / f"{name}.expected.h5") as file:
        x, expected = np.asarray(file["golden/inputs"]), np.asarray(file["golden/outputs"])
    for form, suffix in {"h5": "h5", "keras": "keras", "json": "json", "weights": "weights.h5"}.items():
        path = folder / f"{name}.{suffix}"
        subprocess.run([hone, "export", source, "--to", form, "--output", path, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        if form == "json":
            continue  # goes with the weights
        if form == "weights":
            model = k.models.model_from_json((folder / f"{name}.json").read_text())
            model.load_weights(path)
        else:
            model = k.models.load_model(path, compile=False)
        worst = float(np.max(np.abs(model.predict(x, verbose=0) - expected)))
        print(f"{OUT.name}, {name}, {form}: {worst:.2g}")
        wrong += not worst <= 1e-5
    return wrong


if len(sys.argv) > 2:
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(sum(read_back(sys.argv[2], name, pathlib.Path(folder)) for name in ("chain", "graph")))
OUT.mkdir(parents=True, exist_ok=True)
write(sequential(), "chain")
write(graph(), "graph")

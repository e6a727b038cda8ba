"""hone convert, every kind of file into every other: what comes out says the same to its own reader. Whole models come from
both families and from ONNX; weights alone are put onto the architecture that Keras wrote beside them."""

import json
import os
import subprocess

import keras
import numpy as np
import onnxruntime
import safetensors.numpy
import tf_keras
from common import FAMILIES, FOLDER, answers, expect, expect_close, finish

HONE = os.environ["HONE_PROGRAM"]
X = np.random.default_rng(2).uniform(0, 1, (3, 10, 9, 3)).astype("float32")


def convert(*arguments):
    """What it says that the new file cannot hold."""
    done = subprocess.run([HONE, "convert", "--json", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"hone convert {' '.join(map(str, arguments))}\n{done.stderr}{done.stdout}")
    return " ".join(json.loads(done.stdout).get("not_carried", []))


def network(k):
    L = k.layers
    x = inputs = k.Input((10, 9, 3))
    x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="c")(x)
    x = L.BatchNormalization(name="b")(x)
    x = L.Concatenate(name="k")([x, L.DepthwiseConv2D(3, padding="same", name="d")(x)])
    x = L.GlobalAveragePooling2D(name="g")(x)
    return k.Model(inputs, L.Dense(3, activation="softmax", name="o")(x), name="m")


def arrays_by_name(path, load):
    """LAYER/WEIGHT of a list of named arrays, put onto a model; the names are those of tf-keras, which Keras 3 shortens."""
    found = dict(load(path))
    if sorted(NAMES) != sorted(found):
        return None
    return with_weights(keras, lambda model: model.set_weights([found[name] for name in NAMES]))


def with_weights(k, load):
    model = network(k)
    load(model)
    return answers(model, X)


def from_json(path):
    model = keras.models.model_from_json(path.read_text())
    model.set_weights(WEIGHTS)
    return answers(model, X)


def in_runtime(path):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: X})[0]


# name of the new file, --to, what reads it back, words about what is lost
OUT = {
    "h5": ("m.h5", [lambda p, k=k: answers(k.models.load_model(p, compile=False), X) for k in (keras, tf_keras)], ""),
    "keras": ("m.keras", [lambda p, k=k: answers(k.models.load_model(p, compile=False), X) for k in (keras, tf_keras)], ""),
    "json": ("m.json", [from_json], "the weights"),
    "weights": ("m.weights.h5", [lambda p: with_weights(keras, lambda m: m.load_weights(p))], "the architecture"),
    "legacy-weights": ("m-legacy.h5", [lambda p: with_weights(tf_keras, lambda m: m.load_weights(p))], "the architecture"),
    "npz": ("m.npz", [lambda p: arrays_by_name(p, np.load)], "the architecture"),
    "safetensors": ("m.safetensors", [lambda p: arrays_by_name(p, safetensors.numpy.load_file)], "the architecture"),
    "onnx": ("m.onnx", [in_runtime], ""),
}

rng = np.random.default_rng(4)
WEIGHTS = [rng.uniform(0.2, 0.8, w.shape).astype("float32") for w in network(keras).get_weights()]
sources = {}  # what is given to hone convert: the file, and more arguments
for family, k in FAMILIES.items():
    model = network(k)
    model.set_weights(WEIGHTS)
    model.compile("sgd", "categorical_crossentropy")
    for kind in ("h5", "keras"):
        sources[f"{family} .{kind}"] = [FOLDER / f"{family}.{kind}"]
        model.save(*sources[f"{family} .{kind}"])
    architecture, weights = FOLDER / f"{family}.json", FOLDER / f"{family}.weights.h5"
    architecture.write_text(model.to_json())
    model.save_weights(weights)
    sources[f"{family} JSON with .weights.h5"] = [architecture, "--weights", weights]
legacy = FOLDER / "legacy.h5"
model.save_weights(legacy, save_format="h5")
sources["JSON with Keras 2's save_weights"] = [architecture, "--weights", legacy]
np.savez(FOLDER / "order.npz", *WEIGHTS)
sources["JSON with npz"] = [architecture, "--weights", FOLDER / "order.npz"]
NAMES = [weight.name.split(":")[0] for weight in model.weights]
safetensors.numpy.save_file(dict(zip(NAMES, WEIGHTS)), FOLDER / "named.safetensors")
sources["JSON with safetensors"] = [architecture, "--weights", FOLDER / "named.safetensors"]
truth = answers(model, X)
convert(*sources["keras3 .keras"], FOLDER / "source.onnx")
sources["ONNX"] = [FOLDER / "source.onnx"]

for source, arguments in sources.items():
    for form, (name, readers, lost) in OUT.items():
        if source == "ONNX" and form in ("npz", "safetensors", "weights", "legacy-weights", "json"):
            continue  # BatchNormalization and all have names of their own there; as .h5 and .keras they are compared whole
        path = FOLDER / "out" / name
        path.parent.mkdir(exist_ok=True)
        said = convert(arguments[0], path, "--to", form, *arguments[1:])
        expect(f"{source} to {form}: says what is lost", lost in said, said)
        for read in readers:
            found = read(path)
            expect(f"{source} to {form}: can be read", found is not None)
            if found is not None:
                expect_close(f"{source} to {form}", found, truth, 1e-5)

finish()

"""What the interoperability tests share: Keras 3 and tf-keras side by side, hone's driver, data, and a verdict."""

import json
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import tf_keras

DRIVER = sys.argv[1]
FAMILIES = {"keras3": keras, "tfkeras": tf_keras}
GOLDEN = pathlib.Path(__file__).parent.parent / "golden"

folder = tempfile.TemporaryDirectory(prefix="hone-interop-")
FOLDER = pathlib.Path(folder.name)


def driver(*arguments):
    """Runs hone's side; returns what it printed as JSON, or None."""
    done = subprocess.run([DRIVER, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"driver {' '.join(map(str, arguments))}\n{done.stderr}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def hone_predict(model, x):
    inputs, outputs = FOLDER / "inputs.f32", FOLDER / "outputs.f32"
    np.ascontiguousarray(x, "<f4").tofile(inputs)
    driver("predict", model, inputs, len(x), outputs)
    return np.fromfile(outputs, "<f4").reshape(len(x), -1)


def answers(model, x):
    """What predict says, without the graph that it traces first, which for one batch takes longer than the batch."""
    return model(x, training=False)


def pictures(samples, shape, classes, seed=1):
    """Images of 8 bits that can be learned: a bright stripe per class, in noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples).astype("<i4")
    images = rng.integers(0, 90, (samples, *shape)).astype("uint8")
    height = shape[0] // classes or 1
    for image, label in zip(images, labels):
        image[label * height % shape[0] : label * height % shape[0] + height] += 120
    return images, labels


def data_files(images, labels, name="data"):
    images.tofile(FOLDER / f"{name}.u8")
    labels.tofile(FOLDER / f"{name}.i32")
    return FOLDER / f"{name}.u8", FOLDER / f"{name}.i32", len(images)


def sequential(k, shape, layers):
    first = k.layers.InputLayer(shape) if k is keras else k.layers.InputLayer(input_shape=shape)
    return k.Sequential([first, *layers])


def article_cnn(k):
    """The network of the article: 93,322 parameters."""
    L = k.layers
    return sequential(
        k,
        (28, 28, 1),
        [
            L.Conv2D(32, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(64, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(64, 3, activation="relu"),
            L.Flatten(),
            L.Dense(64, activation="relu"),
            L.Dense(10, activation="softmax"),
        ],
    )


failures = 0


def expect(what, condition, detail=""):
    """Says what was checked, and remembers what was not so."""
    global failures
    print(f"{'ok  ' if condition else 'FAIL'} {what}{': ' + str(detail) if detail != '' else ''}", flush=True)
    failures += not condition


def expect_close(what, a, b, tolerance):
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.shape != b.shape:
        expect(what, False, f"shapes {a.shape} and {b.shape}")
        return
    worst = float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)))) if a.size else 0.0
    expect(what, worst <= tolerance, f"{worst:.2g}")


def finish():
    print(f"{failures} failures")
    sys.exit(1 if failures else 0)

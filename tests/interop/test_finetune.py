"""hone finetune on a network of keras.applications: what is frozen stays to the bit, BatchNormalization is as in Keras.

    run.sh test_finetune.py DRIVER      (the program is found beside the driver's folders)
"""

import pathlib
import struct
import subprocess

import numpy as np
from common import DRIVER, FOLDER, expect, finish, hone_predict, keras, pictures

PROGRAM = pathlib.Path(DRIVER).resolve().parents[2] / "hone"
SIDE, CLASSES = 32, 4


def write_pictures(folder, images, labels):
    """A folder per class, of PPM files."""
    for i, (image, label) in enumerate(zip(images, labels)):
        place = folder / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        header = f"P6\n{SIDE} {SIDE}\n255\n".encode()
        (place / f"{i:04}.ppm").write_bytes(header + struct.pack(f"{image.size}B", *image.ravel()))


def finetune(base, data, recipe):
    out = FOLDER / f"{recipe}.h5"
    command = [PROGRAM, "finetune", base, data, "--recipe", recipe, "--epochs", 2, "--probe-epochs", 2, "--input",
               "unit", "--learning-rate", 0.001, "--early-stopping", -1, "--quiet", "--no-test", "--output", out]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return out


def changed_layers(before, after):
    """Names of the layers with a weight that is not the same to the bit; the head is not asked."""
    return [a.name for a, b in zip(before.layers[:-1], after.layers[:-1])
            if any(v.tobytes() != w.tobytes() for v, w in zip(a.get_weights(), b.get_weights()))]


def is_normalization(layer):
    return isinstance(layer, keras.layers.BatchNormalization)


images, labels = pictures(32, (SIDE, SIDE, 3), CLASSES)
write_pictures(FOLDER / "data", images, labels)
x = (images / 255).astype("float32")

keras.utils.set_random_seed(3)
base = keras.applications.MobileNetV2(weights=None, input_shape=(SIDE, SIDE, 3), alpha=0.35, classes=6)
base.compile("sgd", "sparse_categorical_crossentropy")
base.fit(x, labels, epochs=1, verbose=0)  # moving statistics that say something
base.save(FOLDER / "base.h5")
normalizations = [layer.name for layer in base.layers if is_normalization(layer)]

for recipe in ("probe", "full", "gradual", "lora"):
    path = finetune(FOLDER / "base.h5", FOLDER / "data", recipe)
    tuned = keras.models.load_model(path, compile=False)
    changed = changed_layers(base, tuned)
    if recipe == "probe":
        expect("probe: nothing but the head changes", not changed, len(changed))
    else:
        expect(f"{recipe}: the network learns", len(changed) > 20, len(changed))
    touched = sorted(set(changed) & set(normalizations))
    expect(f"{recipe}: normalisations stay to the bit", not touched, touched)
    expect(f"{recipe}: a head of {CLASSES}", tuned.output_shape == (None, CLASSES), tuned.output_shape)
    worst = float(np.abs(hone_predict(path, x[:4]) - tuned.predict(x[:4], verbose=0)).max())
    expect(f"{recipe}: Keras predicts the same", worst < 1e-5, worst)

# The same in Keras: a frozen BatchNormalization keeps weights and statistics while the rest is trained.
twin = keras.models.load_model(FOLDER / "base.h5", compile=False)
for layer in twin.layers:
    layer.trainable = not is_normalization(layer)
twin.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
twin.fit(x, labels, epochs=1, verbose=0)
changed = changed_layers(base, twin)
touched = sorted(set(changed) & set(normalizations))
expect("Keras: frozen normalisations stay, too", not touched, touched)
expect("Keras: the rest learns", len(changed) > 20, len(changed))

finish()

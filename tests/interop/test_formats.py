"""What hone writes as .keras, JSON and weights alone, in the real Keras: the same model, its optimizer, its training."""

import warnings

import numpy as np
import safetensors.numpy
from common import FAMILIES, FOLDER, GOLDEN, data_files, driver, expect, expect_close, finish, hone_predict, pictures

keras = FAMILIES["keras3"]
x = np.random.default_rng(5).uniform(0, 1, (4, 8, 8, 3)).astype("float32")

for version in sorted((GOLDEN / "versions").iterdir()):
    for name in ("chain", "graph"):
        source = version / f"{name}.h5"
        ours = hone_predict(source, x)
        what = f"{version.name}, {name}"
        for form in ("keras", "weights", "legacy-weights", "json", "h5"):
            suffix = {"weights": "weights.h5", "legacy-weights": "h5"}.get(form, form)
            driver("export", source, form, FOLDER / f"{name}-{form}.{suffix}")
        for family, k in FAMILIES.items():
            model = k.models.load_model(FOLDER / f"{name}-keras.keras", compile=family == "keras3")
            expect_close(f"{what}: .keras in {family}", model.predict(x, verbose=0), ours, 1e-5)
            described = k.models.model_from_json((FOLDER / f"{name}-json.json").read_text())
            described.load_weights(FOLDER / f"{name}-legacy-weights.h5")
            expect_close(f"{what}: JSON in {family}", described.predict(x, verbose=0), ours, 1e-5)
        described = keras.models.model_from_json((FOLDER / f"{name}-json.json").read_text())
        described.load_weights(FOLDER / f"{name}-weights.weights.h5")
        expect_close(f"{what}: JSON and weights", described.predict(x, verbose=0), ours, 1e-5)
        described.set_weights([np.zeros_like(w) for w in described.get_weights()])
        described.load_weights(FOLDER / f"{name}-legacy-weights.h5")
        expect_close(f"{what}: JSON and legacy weights", described.predict(x, verbose=0), ours, 1e-5)
        for family, k in FAMILIES.items():
            model = k.models.load_model(FOLDER / f"{name}-h5.h5")
            expect_close(f"{what}: .h5 in {family}", model.predict(x, verbose=0), ours, 1e-5)

# tensors by name, there and back: what hone writes, safetensors and NumPy read; what they write (sorted by name), hone
source, blank = GOLDEN / "versions/keras-3.15.1/chain.h5", FOLDER / "chain.json"
driver("export", source, "json", blank)
for form, load in (("safetensors", safetensors.numpy.load_file), ("npz", np.load)):
    driver("export", source, form, FOLDER / f"chain.{form}")
    tensors = load(FOLDER / f"chain.{form}")
    tensors = {name: tensors[name] for name in tensors}
    stored = {w.path.split("/", 1)[1]: np.asarray(w) for w in keras.models.load_model(source).weights}
    expect(f"{form}: the names", set(tensors) == set(stored), sorted(set(tensors) ^ set(stored)))
    same = all(np.array_equal(tensors[name], stored[name]) for name in tensors if name in stored)
    expect(f"{form}: the numbers", same and all(t.dtype == np.float32 for t in tensors.values()))
    again = FOLDER / f"again.{form}"
    safetensors.numpy.save_file(tensors, again) if form == "safetensors" else np.savez(again, **tensors)
    driver("weights", blank, again, FOLDER / "filled.h5")
    expect_close(f"{form}: weights that Python wrote", hone_predict(FOLDER / "filled.h5", x), hone_predict(source, x), 0)

# weights of bfloat16, which Keras puts into HDF5 as opaque bytes: whole models and weights alone
narrow = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, activation="relu", dtype="bfloat16"),
        keras.layers.Flatten(dtype="bfloat16"),
        keras.layers.Dense(5, dtype="bfloat16"),
    ]
)
wide = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()])
wide.add(keras.layers.Dense(5))
wide.set_weights([np.asarray(w).astype("float32") for w in narrow.weights])
theirs = wide.predict(x, verbose=0)  # hone computes in float32
narrow.save(FOLDER / "narrow.keras")
narrow.save_weights(FOLDER / "narrow.weights.h5")
expect_close("bfloat16: .keras", hone_predict(FOLDER / "narrow.keras", x), theirs, 1e-5)
driver("weights", FOLDER / "narrow.keras", FOLDER / "narrow.weights.h5", FOLDER / "narrow.h5")
expect_close("bfloat16: .weights.h5", hone_predict(FOLDER / "narrow.h5", x), theirs, 1e-5)

# a training in hone goes on in Keras: the optimizer's variables arrive
images, labels = pictures(64, (28, 28, 1), 10)
files = data_files(images, labels)
slots = {"adam": 2, "adamw": 2, "sgd": 0, "rmsprop": 1, "lion": 1}  # arrays for each weight, by the defaults
for optimizer, count in slots.items():
    saved = FOLDER / f"{optimizer}.keras"
    result = driver("fit", "mnist-cnn", *files, 32, 2, optimizer, saved)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = keras.models.load_model(saved)
    told = [str(w.message) for w in caught if "optimizer" in str(w.message)]
    expect(f"{optimizer}: its variables are read", not told, told[:1])
    expect(f"{optimizer}: its class", type(model.optimizer).__name__.lower() == optimizer)
    expect(f"{optimizer}: iterations", int(np.asarray(model.optimizer.iterations)) == result["iterations"])
    moved = sum(float(np.abs(np.asarray(v)).sum()) > 0 for v in model.optimizer.variables[2:])
    expect(f"{optimizer}: slots", moved == count * len(model.trainable_variables), moved)
    scaled = images.astype("float32") / 255
    theirs = model.evaluate(scaled, labels, verbose=0, return_dict=True)
    expect_close(f"{optimizer}: evaluate's loss", theirs["loss"], result["loss"], 1e-5)
    model.fit(scaled, labels, verbose=0)

finish()

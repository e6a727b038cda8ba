"""What hone writes as .keras, JSON and weights alone, in the real Keras: the same model, its optimizer, its training."""

import warnings

import numpy as np
from common import FAMILIES, FOLDER, GOLDEN, data_files, driver, expect, expect_close, finish, hone_predict, pictures

keras = FAMILIES["keras3"]
x = np.random.default_rng(5).uniform(0, 1, (4, 8, 8, 3)).astype("float32")

for version in sorted((GOLDEN / "versions").iterdir()):
    # tf-keras' models within models are written in its own words; Keras 3 has others
    family = "tfkeras" if version.name.startswith("tf-keras") else "keras3"
    for name in ("chain", "graph"):
        source = version / f"{name}.h5"
        ours = hone_predict(source, x)
        what = f"{version.name}, {name}"
        for form in ("keras", "weights", "legacy-weights", "json", "h5"):
            suffix = {"weights": "weights.h5", "legacy-weights": "h5"}.get(form, form)
            driver("export", source, form, FOLDER / f"{name}-{form}.{suffix}")
        model = keras.models.load_model(FOLDER / f"{name}-keras.keras")
        expect_close(f"{what}: .keras", model.predict(x, verbose=0), ours, 1e-5)
        described = keras.models.model_from_json((FOLDER / f"{name}-json.json").read_text())
        described.load_weights(FOLDER / f"{name}-weights.weights.h5")
        expect_close(f"{what}: JSON and weights", described.predict(x, verbose=0), ours, 1e-5)
        described.set_weights([np.zeros_like(w) for w in described.get_weights()])
        described.load_weights(FOLDER / f"{name}-legacy-weights.h5")
        expect_close(f"{what}: JSON and legacy weights", described.predict(x, verbose=0), ours, 1e-5)
        model = FAMILIES[family].models.load_model(FOLDER / f"{name}-h5.h5")
        expect_close(f"{what}: .h5 in {family}", model.predict(x, verbose=0), ours, 1e-5)

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

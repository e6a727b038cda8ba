"""Models that hone trained and saved, in Keras 3 and tf-keras: load_model, the same predictions and evaluation."""

import h5py
import numpy as np
from common import FAMILIES, FOLDER, GOLDEN, answers, data_files, driver, expect, expect_close, finish, hone_predict, pictures

RATES = {"adam": 0.001, "sgd": 0.01, "rmsprop": 0.001, "adamw": 0.001, "lion": 0.001}

images, labels = pictures(320, (28, 28, 1), 10)
files = data_files(images, labels)
x = images.astype("float32") / 255

for optimizer in ("adam", "sgd", "rmsprop", "adamw", "lion"):
    saved = FOLDER / f"{optimizer}.h5"
    result = driver("fit", "mnist-cnn", *files, 32, 2, optimizer, saved)
    ours = hone_predict(saved, x)
    for family, k in FAMILIES.items():
        model = k.models.load_model(saved)
        expect(f"{family} reads {optimizer}: 93322 parameters", model.count_params() == 93322)
        expect_close(f"{family} reads {optimizer}: predictions", answers(model, x), ours, 1e-5)
        expect(
            f"{family} reads {optimizer}: the optimizer",
            type(model.optimizer).__name__.lower() == optimizer,
            type(model.optimizer).__name__,
        )
        rate = float(np.asarray(model.optimizer.learning_rate))
        expect(f"{family} reads {optimizer}: learning rate", abs(rate - RATES[optimizer]) < 1e-8, rate)
        theirs = model.evaluate(x, labels, verbose=0, return_dict=True)
        same = abs(theirs["accuracy"] - result["accuracy"]) < 1e-6
        expect(f"{family} reads {optimizer}: evaluate's accuracy", same, theirs)
        expect_close(f"{family} reads {optimizer}: evaluate's loss", theirs["loss"], result["loss"], 1e-5)
        # training goes on after the compile that Keras 3 asks for behind every .h5
        fresh = "adam" if optimizer == "lion" else optimizer
        model.compile(fresh, "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x[:64], labels[:64], verbose=0)
        # and Keras saves it again: hone's own group is gone, the model is whole
        again = FOLDER / "again.h5"
        model.save(again)
        expect_close(
            f"{family} saved {optimizer} again", hone_predict(again, x[:9]), answers(model, x[:9]), 1e-5
        )

# The optimizer's variables, exact in tf-keras: its first optimizers (plain Adam, RMSprop, SGD) and its second (AdamW).
import tf_keras

for optimizer, slots in {"adam": ("m", "v"), "rmsprop": ("rms",), "adamw": ("_momentums", "_velocities")}.items():
    saved = FOLDER / f"{optimizer}.h5"
    model = tf_keras.models.load_model(saved)
    with h5py.File(saved) as file:
        stored = [np.asarray(file["optimizer_weights"][n]) for n in file["optimizer_weights"].attrs["weight_names"]]
    expect(f"tf-keras {optimizer} goes on: steps", int(model.optimizer.iterations.numpy()) == 20)
    variables = model.trainable_variables
    for s, slot in enumerate(slots):
        for i, variable in enumerate(variables):
            if slot.startswith("_"):  # weight by weight
                array, place = getattr(model.optimizer, slot)[i], 1 + i * len(slots) + s
            else:
                array, place = model.optimizer.get_slot(variable, slot), 1 + s * len(variables) + i
            expect_close(f"tf-keras {optimizer} goes on: {slot} of {variable.name}", array, stored[place], 0)

saved = FOLDER / "adam.h5"
with h5py.File(saved) as file:
    expect("the hone group is there", "hone" in file and "self_test" in file["hone"])
    test = file["hone/self_test"]
    model = tf_keras.models.load_model(saved)
    expect_close(
        "the self-test holds in tf-keras", answers(model, np.asarray(test["inputs"])), test["outputs"], 1e-5
    )

# Every layer type, read from one Keras, written by hone, read by both.
for path in sorted((GOLDEN / "accept").glob("*.h5")):
    copy = FOLDER / "copy.h5"
    driver("copy", path, copy)
    with h5py.File(path) as file:
        inputs, outputs = np.asarray(file["golden/inputs"]), np.asarray(file["golden/outputs"])
    for family, k in FAMILIES.items():
        # Layers of several arguments have no words that both read: they keep those of the family they came from.
        if path.stem.endswith("-attention") and not path.stem.startswith(family):
            continue
        # RandomCrop of a picture that is too small scales it in one family and cuts it in the other.
        if path.stem.endswith("-random-crop") and not path.stem.startswith(family):
            continue
        # hard_sigmoid is 0.2 x + 0.5 in Keras 2, x / 6 + 0.5 in Keras 3: one name, so they differ among themselves
        if path.stem.endswith("-activations") and not path.stem.startswith(family):
            continue
        if path.stem.endswith(("-adaptive", "-antialias", "-random-values", "-rms")) and family == "tfkeras":
            continue  # layers that Keras 3 alone has; tf-keras' Resizing knows neither antialias nor padding
        if path.stem.endswith(("-gaussian", "-mitchellcubic")) and family == "keras3":
            continue  # interpolations of tf-keras alone
        if path.stem.endswith("-axes") and family == "keras3":
            continue  # its own .h5 too: Keras 3.15 reads any list of axes back as the last one
        before_3 = path.stem in ("keras1-chain", "keras1-theano-kernels", "keras20-list")
        if (before_3 or (path.stem.startswith("real-keras1") and "chain" in path.stem)) and family == "keras3":
            continue
        try:
            model = k.models.load_model(copy)
        except Exception as e:  # whatever Keras raises is the finding
            expect(f"{family} reads a copy of {path.stem}", False, e)
            continue
        expect_close(f"{family} reads a copy of {path.stem}", answers(model, inputs), outputs, 1e-5)

finish()

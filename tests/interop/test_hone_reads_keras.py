"""Models that Keras 3 and tf-keras wrote, in hone: the same predictions and the same evaluation."""

from common import FAMILIES, FOLDER, article_cnn, data_files, driver
from common import expect, expect_close, finish, hone_predict, pictures

images, labels = pictures(256, (28, 28, 1), 10, seed=2)
files = data_files(images, labels)
x = images.astype("float32") / 255

for family, k in FAMILIES.items():
    model = article_cnn(k)
    saved = FOLDER / f"{family}.h5"
    model.save(saved)
    expect_close(f"hone reads {family}, fresh", hone_predict(saved, x), model.predict(x, verbose=0), 1e-5)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, labels, epochs=2, verbose=0)
    model.save(saved)
    expect_close(f"hone reads {family}, trained", hone_predict(saved, x), model.predict(x, verbose=0), 1e-5)
    ours = driver("evaluate", saved, *files)
    theirs = model.evaluate(x, labels, verbose=0, return_dict=True)
    expect(f"hone evaluates {family}: accuracy", abs(ours["accuracy"] - theirs["accuracy"]) < 1e-6, ours)
    expect_close(f"hone evaluates {family}: loss", ours["loss"], theirs["loss"], 1e-5)
    with open(FOLDER / f"{family}.json", "w") as file:
        file.write(model.to_json())
    driver("copy", FOLDER / f"{family}.json", FOLDER / "from_json.h5")
    fresh = k.models.load_model(FOLDER / "from_json.h5")
    expect(f"hone reads {family}'s to_json", fresh.count_params() == 93322)

finish()
